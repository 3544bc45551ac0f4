"""The loopback interface, which containers and namespaces without a network lack."""

import functools
import socket

import pytest


@functools.cache
def is_up():
    """Return whether a socket on this machine can be reached at 127.0.0.1."""
    with socket.socket() as server:
        try:
            server.bind(("127.0.0.1", 0))
            server.listen()
            socket.create_connection(server.getsockname(), timeout=5).close()
        except OSError:
            return False
    return True


def require_loopback():
    """Skip the test if the loopback interface is down."""
    if not is_up():
        pytest.skip("the loopback interface is down")


@pytest.fixture(scope="session")
def loopback():
    """Skip the test if the loopback interface is down."""
    require_loopback()
