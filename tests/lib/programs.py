# SPDX-License-Identifier: BSD-3-Clause
"""programs - the test programs of a folder side by side, as one suite: they wait more than they work. Each
prints its own counts ("N passed, N failed"); these are added up."""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

from cases import summary

COUNTS = re.compile(r"(\d+) passed, (\d+) failed")


def _run(folder, words):
    done = subprocess.run([sys.executable, os.path.join(folder, words[0]), *words[1:]], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    counts = COUNTS.findall(done.stdout)
    passed, failed = map(int, counts[-1]) if counts else (0, 1)
    if done.returncode and not failed or not passed:
        failed = max(failed, 1)
    return words[0], passed, failed, done.stdout


def run_programs(suite, folder, programs, doc, jobs=6):
    """Each of `programs` is a list: its name and its words. Returns the exit status."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--jobs", type=int, default=jobs)
    jobs = p.parse_args().jobs
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for name, well, bad, text in pool.map(lambda words: _run(folder, words), programs):
            passed, failed = passed + well, failed + bad
            print("%s: %d passed, %d failed" % (name, well, bad), flush=True)
            for line in text.splitlines():
                if line.startswith(("skipped", "held ")):  # what tests/run shows
                    print(line[:200], flush=True)
            if bad:
                print(text[-6000:], flush=True)
    return summary(suite, passed, failed)
