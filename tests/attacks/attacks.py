#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""attacks - what hostile clients try, and what held. Each case prints a line.

  attacks.py [WORD...]     only the cases with one of these in their names
Memory limits are of the process (RSS); latency limits are generous, for busy machines, and the
figures are printed.
"""
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
import costs  # noqa: E402
import floods  # noqa: E402
import lengths  # noqa: E402
import rights  # noqa: E402


def main():
    passed = failed = 0
    for name, case in {**floods.CASES, **costs.CASES, **lengths.CASES, **rights.CASES}.items():
        if sys.argv[1:] and not any(w in name for w in sys.argv[1:]):
            continue
        at = time.monotonic()
        try:
            held = case()
            print("held %s: %s (%.1f s)" % (name, held, time.monotonic() - at), flush=True)
            passed += 1
        except Exception:
            print("FAIL %s\n%s" % (name, traceback.format_exc()), flush=True)
            failed += 1
    print("attacks: %d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
