# SPDX-License-Identifier: BSD-3-Clause
"""stet - starts a stet-server for tests, and stops it. Documentation: docs/test-double.md."""
from .resp import Connection, ReplyError
from .server import Server, StartError, binary, connect, start

__all__ = ["Connection", "ReplyError", "Server", "StartError", "binary", "connect", "start"]
