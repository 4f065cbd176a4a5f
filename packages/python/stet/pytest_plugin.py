# SPDX-License-Identifier: BSD-3-Clause
"""pytest_plugin - the fixtures `stet_server` (one server a session, one a worker of pytest-xdist) and `stet` (reset)."""
import pytest

from .server import start


def pytest_addoption(parser):
    parser.addini("stet_params", "parameters of the server, a line each: name value", type="linelist")


@pytest.fixture(scope="session")
def stet_server(request):
    params = {}
    for line in request.config.getini("stet_params"):
        name, *words = line.split()
        params[name] = words if words else ""
    with start(**params) as server:
        yield server


@pytest.fixture
def stet(stet_server):
    """The server, as it was after its start."""
    stet_server.reset()
    return stet_server
