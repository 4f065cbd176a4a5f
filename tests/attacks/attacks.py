#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""attacks - what hostile clients try, and what held. Each case prints a line.

  attacks.py [WORD...]     only the cases with one of these in their names
Memory limits are of the process (RSS); latency limits are generous, for busy machines, and the
figures are printed.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
import costs  # noqa: E402
import floods  # noqa: E402
import known  # noqa: E402
import lengths  # noqa: E402
import rights  # noqa: E402
from cases import run_words  # noqa: E402


if __name__ == "__main__":
    cases = {**floods.CASES, **costs.CASES, **lengths.CASES, **rights.CASES, **known.CASES}
    sys.exit(run_words("attacks", cases, before="held "))
