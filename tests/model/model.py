#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""model - runs Spin on publish.pml: exhaustively as it is, and with each defect put back.

  model.py [--long] [NAME...]
The model as it is must have no counterexample; with a defect it must have one. --long adds larger
bounds (minutes, and 3 GB of memory). `spin -t -p -g -k TRAIL DEFINES publish.pml` shows a
counterexample; its path is printed when a run fails that should not, and kept with STET_KEEP.
"""
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cases import check, need, run  # noqa: E402

MODEL = os.path.join(HERE, "publish.pml")
SOUND = {
    "two ends, one failed sync, one rewrite": ["-DENDS=2"],
    "two ends, two failed syncs": ["-DENDS=2", "-DFAILS=2", "-DWRITES=2"],
    "three ends": ["-DENDS=3", "-DWRITES=2"],
}
LONG = {
    "three ends, three writes": ["-DENDS=3"],
    "three ends, four writes": ["-DENDS=3", "-DWRITES=4"],
    "two ends, two failed syncs, two rewrites": ["-DENDS=2", "-DFAILS=2", "-DREWRITES=2"],
}
DEFECTS = {
    "the start syncs only the last file": "NO_SYNC_ALL",
    "the lock is taken after the load": "LOCK_LATE",
    "the start does not sync the directory": "NO_DIR_SYNC",
    "the start does not sync the parent directory": "NO_PARENT_SYNC",
    "the start syncs, but does not write again": "NO_REWRITE",
    "batches are written before the header is durable": "HEADER_LATE",
    "the old increment is not synced before the switch": "NO_SWITCH_SYNC",
    "a first start leaves no .creating": "NO_CREATION_MARK",
    "a base that the disk may name is removed": "UNLINK_DOUBTFUL",
}


def spin(defines):
    """(what was violated or None, states, seconds)"""
    with tempfile.TemporaryDirectory(prefix="stet-model-") as dir:
        began = time.monotonic()
        subprocess.run(["spin", "-a", *defines, MODEL], cwd=dir, check=True, capture_output=True)
        subprocess.run(["cc", "-O1", "-w", "-DSAFETY", "-DNOFAIR", "-DCOLLAPSE", "-o", "pan", "pan.c"],
                       cwd=dir, check=True)
        out = subprocess.run(["./pan", "-E", "-n", "-m1000000"], cwd=dir, capture_output=True,
                             text=True).stdout
        check("max search depth too small" not in out and "states, stored" in out, out[-1000:])
        violated = re.search(r"assertion violated\s+(.*) \(at depth", out)
        states = int(re.search(r"(\d+) states, stored", out).group(1))
        check(violated or re.search(r"errors: 0$", out, re.M), out[-1000:])
        if violated and "STET_KEEP" in os.environ:
            kept = os.path.join(tempfile.mkdtemp(prefix="stet-model-"), "publish.trail")
            os.rename(os.path.join(dir, "publish.pml.trail"), kept)
            print("kept", kept)
        return violated and violated.group(1), states, time.monotonic() - began


def sound(defines):
    def test():
        violated, states, seconds = spin(defines)
        check(not violated, "counterexample: %s; with STET_KEEP its trail is kept" % violated)
        return "%d states" % states
    return test


def defect(define):
    def test():
        violated, _, _ = spin(["-D" + define])
        check(violated, "no counterexample")
        return violated
    return test


def main():
    need("spin")
    words = [a for a in sys.argv[1:] if a != "--long"]
    cases = {n: sound(d) for n, d in SOUND.items()}
    if "--long" in sys.argv:
        cases.update({n: sound(d) for n, d in LONG.items()})
    cases.update({"put back: " + n: defect(d) for n, d in DEFECTS.items()})
    return run("model", {n: c for n, c in cases.items() if not words or any(w in n for w in words)})


if __name__ == "__main__":
    sys.exit(main())
