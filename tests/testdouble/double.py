# SPDX-License-Identifier: BSD-3-Clause
"""double - what the programs of this folder share: servers that are test doubles, replies as text."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from resp import ReplyError  # noqa: E402
from server import Server  # noqa: E402


def double(*args):
    return Server("--enable-test-commands", "local", *args)


def text(v):
    """Bytes in a reply as str."""
    if isinstance(v, bytes):
        return v.decode("latin-1")
    if isinstance(v, list):
        return [text(x) for x in v]
    if isinstance(v, dict):
        return {text(k): text(x) for k, x in v.items()}
    return v


def call(c, *words):
    return text(c.call(*words))


def ask(c, *words):
    """The reply, the text of an error too."""
    try:
        return call(c, *words)
    except ReplyError as e:
        return str(e)
