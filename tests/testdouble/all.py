#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""all - the programs of this folder side by side, as `make test` runs them.

  all.py            what `make test` runs
  all.py --jobs n   so many at a time (4)
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from programs import run_programs  # noqa: E402

PROGRAMS = [["every.py"], ["clock.py"], ["fault.py"], ["fixture.py"], ["disk.py"], ["journal.py"], ["strict.py"],
            ["spaces.py"]]


if __name__ == "__main__":
    sys.exit(run_programs("double", HERE, PROGRAMS, __doc__, 4))
