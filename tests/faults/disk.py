# SPDX-License-Identifier: BSD-3-Clause
"""disk - the test's side of shim.c: a server whose disk can be told to be slow, full, broken."""
import mmap
import os
import struct
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from server import TOOLS, Server  # noqa: E402

SHIM = os.path.join(TOOLS, "faults.so")
FAULT = struct.Struct("qqqq")
ALL, INCR, TEMP = b"appendonlydir", b".incr.aof", b"temp-"


class Disk:
    def __init__(self):
        self.file = tempfile.NamedTemporaryFile(prefix="stet-faults-")
        self.file.write(bytes(3 * FAULT.size + 128))
        self.file.flush()
        self.map = mmap.mmap(self.file.fileno(), 0)
        self.env = {"LD_PRELOAD": SHIM, "STET_FAULTS": self.file.name}

    def set(self, match=ALL, sync=(0, 0, 0, 0), write=(0, 0, 0, 0), other=(0, 0, 0, 0)):
        """sync, write, other: (delay_ms, errno, count, short_bytes); count -1: until told otherwise."""
        self.map[:] = (FAULT.pack(*sync) + FAULT.pack(*write) + match.ljust(128, b"\0") +
                       FAULT.pack(*other))

    def well(self):
        """No faults; syncs are still noted."""
        self.set()

    def _lines(self):
        """Whole ones: another one is just being written, or was when its process was killed."""
        try:
            with open(self.file.name + ".log") as f:
                words = [line.split(" ", 4) for line in f]
        except FileNotFoundError:
            return []
        return [w for w in words if len(w) == 5 and w[4].endswith("\n")]

    def noted(self, what):
        """[(begin_ns, end_ns, errno, path)] of "sync" or "write"."""
        return [(int(b), int(e), int(c), p.strip()) for w, b, e, c, p in self._lines() if w == what]

    def by_loop(self, since_ns):
        """["CALL PATH"] of the calls that the event loop itself made since then."""
        return ["%s %s" % (w[5:], os.path.basename(p.strip())) for w, b, _, _, p in self._lines()
                if w.startswith("loop-") and int(b) >= since_ns]

    def close(self):
        self.map.close()
        if os.path.exists(self.file.name + ".log"):
            os.unlink(self.file.name + ".log")
        self.file.close()


class Sick(Server):
    """A server on such a disk; AOF on, base as AOF."""

    def __init__(self, *args, **kw):
        self.disk = Disk()
        self.disk.well()
        super().__init__("--appendonly", "yes", "--aof-use-rdb-preamble", "no", *args,
                         env=self.disk.env, **kw)

    def close(self, keep=False):
        super().close(keep)
        self.disk.close()
