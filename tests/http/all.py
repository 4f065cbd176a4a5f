#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""all - the programs of this folder side by side, as `make test` runs them.

  all.py            what `make test` runs
  all.py --jobs n   so many at a time (4)
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from browser import PROGRAM  # noqa: E402
from programs import run_programs  # noqa: E402

PROGRAMS = [["port.py"], ["metrics.py"], ["events.py"], ["admin.py"], ["secure.py"]]


if __name__ == "__main__":
    if PROGRAM:
        PROGRAMS.append(["page.py"])
    else:
        print("skipped: page.py: no Chromium is installed (Debian: chromium; tools/setup --clients installs it)")
    sys.exit(run_programs("http", HERE, PROGRAMS, __doc__, 4))
