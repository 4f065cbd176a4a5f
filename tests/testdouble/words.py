# SPDX-License-Identifier: BSD-3-Clause
"""words - commands whose replies are text instead of bytes."""
from doubles import ReplyError


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
