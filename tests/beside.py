#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""beside - suites that wait more than they work, side by side, as `make test` runs them. Each can be run alone.

  beside.py            what `make test` runs
  beside.py --jobs n   so many at a time (3)
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
from programs import run_programs  # noqa: E402

PROGRAMS = [["cluster/all.py"], ["interop/recover.py"], ["interop/backup.py"], ["tls/tls.py"], ["http/all.py"],
            ["operator/backup_tool.py"], ["testdouble/all.py"]]


if __name__ == "__main__":
    sys.exit(run_programs("beside", HERE, PROGRAMS, __doc__, 3))
