#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""all - the programs of this folder side by side, as `make test` runs them: they wait more than they
work. Each prints its own counts; this one adds them up.

  all.py            what `make test` runs
  all.py --jobs n   so many at a time (6)
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cases import need, summary  # noqa: E402

PROGRAMS = [["sentinel.py", "killed, with AOF", "asked", "from Redis"], ["pairs.py", "redis-7", "AOF"], ["guide.py"],
            ["chaos.py", "--seconds", "20"], ["replica.py"], ["master.py"], ["base.py"], ["histories.py"],
            ["stream.py", "--seconds", "8", "--recorded"]]
COUNTS = re.compile(r"(\d+) passed, (\d+) failed")


def run(words):
    done = subprocess.run([sys.executable, os.path.join(HERE, words[0]), *words[1:]], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    counts = COUNTS.findall(done.stdout)
    passed, failed = map(int, counts[-1]) if counts else (0, 1)
    if done.returncode and not failed or not passed:
        failed = max(failed, 1)
    return words[0], passed, failed, done.stdout


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--jobs", type=int, default=6)
    jobs = p.parse_args().jobs
    need("redis-server", "redis-cli", "redis-sentinel")
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for name, well, bad, text in pool.map(run, PROGRAMS):
            passed, failed = passed + well, failed + bad
            print("%s: %d passed, %d failed" % (name, well, bad), flush=True)
            if bad:
                print(text[-6000:], flush=True)
    return summary("replication", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
