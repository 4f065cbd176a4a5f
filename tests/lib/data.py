#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""data - what was recorded from real servers: tests/data, unpacked when a test first asks for it.

  data.py pack NAME DIRECTORY   makes tests/data/NAME.tar.xz of what the directory holds
  data.py unpack NAME           prints where it stands unpacked

An archive is unpacked into build/data/NAME-HASH, so a changed archive gets a new directory. Two
programs may unpack at once: each does so beside, and the first rename counts.
"""
import hashlib
import json
import lzma
import os
import shutil
import sys
import tarfile
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(ROOT, "tests", "data")
UNPACKED = os.path.join(ROOT, "build", "data")


def load(*path):
    """A JSON file: of tests/data, unless the path is absolute."""
    with open(os.path.join(DATA, *path), encoding="utf-8") as f:
        return json.load(f)


def unpacked(name):
    """The directory with what tests/data/NAME.tar.xz holds. Not to be changed: copy it."""
    archive = os.path.join(DATA, name + ".tar.xz")
    with open(archive, "rb") as f:
        target = os.path.join(UNPACKED, "%s-%s" % (name, hashlib.sha256(f.read()).hexdigest()[:12]))
    if os.path.isdir(target):
        return target
    os.makedirs(UNPACKED, exist_ok=True)
    beside = tempfile.mkdtemp(prefix=name + ".", dir=UNPACKED)
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(beside)
    os.chmod(beside, 0o755)
    try:
        os.rename(beside, target)
    except OSError:
        shutil.rmtree(beside)
        if not os.path.isdir(target):
            raise
    return target


def _bare(entry):
    """The same bytes whenever and by whichever user the archive is made."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry


def pack(name, directory):
    archive = os.path.join(DATA, name + ".tar.xz")
    with lzma.open(archive, "wb", preset=9 | lzma.PRESET_EXTREME) as out:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for entry in sorted(os.listdir(directory)):
                tar.add(os.path.join(directory, entry), entry, filter=_bare)
    return archive


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "pack":
        print(pack(*sys.argv[2:]))
    elif len(sys.argv) == 3 and sys.argv[1] == "unpack":
        print(unpacked(sys.argv[2]))
    else:
        sys.exit(__doc__)
