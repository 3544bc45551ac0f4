"""Tests that need the loopback interface are skipped with that reason without it."""

import socket
import struct
import sys

import pytest
from helpers import loopback as helper
from helpers.server import Server


def test_servers_are_skipped_without_the_loopback_interface(monkeypatch):
    def fail(*_, **__):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", fail)
    assert not helper.is_up.__wrapped__()
    monkeypatch.setattr(helper, "is_up", lambda: False)
    with pytest.raises(
        pytest.skip.Exception, match=r"^the loopback interface is down$"
    ):
        Server()


@pytest.mark.skipif(sys.platform != "linux", reason="needs an ioctl of Linux")
def test_the_loopback_interface_is_found_if_it_is_up():
    import fcntl

    with socket.socket() as any_socket:
        request = struct.pack("16sh22x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, 0x8913, request)  # SIOCGIFFLAGS
    (flags,) = struct.unpack_from("h", answer, 16)
    assert helper.is_up() == bool(flags & 1)  # IFF_UP
