#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""all - the programs of this folder side by side, as `make test` runs them.

  all.py            what `make test` runs
  all.py --jobs n   so many at a time (6)
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cases import need  # noqa: E402
from programs import run_programs  # noqa: E402

PROGRAMS = [["sentinel.py", "killed, with AOF", "asked", "from Redis"], ["pairs.py", "redis-7", "AOF"], ["guide.py"],
            ["chaos.py", "--seconds", "20"], ["roles.py", "--seconds", "10"],
            ["secure.py", "threads, redis, epoll swapdb", "handshake, threads", "certificates, threads", "handed over, threads, t"],
            ["replica.py"], ["master.py"], ["states.py"], ["base.py"], ["histories.py"],
            ["stream.py", "--seconds", "8", "--recorded"]]


if __name__ == "__main__":
    need("redis-server", "redis-cli", "redis-sentinel")
    sys.exit(run_programs("replication", HERE, PROGRAMS, __doc__))
