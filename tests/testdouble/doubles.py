# SPDX-License-Identifier: BSD-3-Clause
"""doubles - what the suites of the test double share."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, ask, check, equal, run_words  # noqa: E402,F401
from resp import Closed, ReplyError, encode, value  # noqa: E402,F401
from server import Server, wait_for  # noqa: E402,F401


def double(*args, **more):
    return Server("--enable-test-commands", "yes", *args, **more)


def pairs(reply):
    """A map, in RESP2 or RESP3."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def closed(conn, *words):
    """The connection ends instead of an answer, or within it."""
    try:
        conn.call(*words)
        return False
    except TimeoutError:
        return False
    except (Closed, OSError):
        return True


def heard_by(conn):
    """The next reply or message."""
    return value(conn.read())


def error_of(conn):
    """The error that is the next reply; "" if that is none."""
    try:
        heard_by(conn)
    except ReplyError as e:
        return str(e)
    return ""
