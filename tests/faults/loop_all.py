#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""loop_all - all cases of loop.py, as `make test` runs them: three at a time, since they wait for slow calls.

  loop_all.py            what `make test` runs
  loop_all.py --jobs n   so many at a time (3)
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from loop import TESTS  # noqa: E402
from programs import run_programs  # noqa: E402

PROGRAMS = [["loop.py", "CONFIG REWRITE", "the first CONFIG", "BGREWRITEAOF, always", "a failed sync, always"],
            ["loop.py", "backups", "full sync", "LOADAOF", "BGREWRITEAOF, everysec", "a failed sync, everysec"],
            ["loop.py", "aborted", "appendonly no and yes", "directory", "a rewrite that fails", "given up", "BGSAVE",
             "large batches"]]


if __name__ == "__main__":
    left_out = [n for n in TESTS if sum(w in n for p in PROGRAMS for w in p[1:]) != 1]
    if left_out:
        sys.exit("FAIL not in one group: %s\nloop: 0 passed, 1 failed" % left_out)
    sys.exit(run_programs("loop", HERE, PROGRAMS, __doc__, 3))
