"""Tests that need the loopback interface are skipped with that reason without it."""

import socket

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


def test_the_loopback_interface_is_found(loopback):
    assert helper.is_up()
