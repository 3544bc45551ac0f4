"""Requests to real servers: redirects, time-outs, certificates and proxies."""

import contextlib
import gc
import re
import socket
import subprocess
import sys
import threading
import time

import pytest
from helpers.server import content, redirect, respond

from fmnist_fast._download import sources
from fmnist_fast._download.sources import TransferError, http_source, limited
from fmnist_fast._io import threads

BODY = bytes(range(256)) * 40


def get(url, *, plain=True):
    """Return the header and the whole body of a response."""
    with contextlib.closing(limited(http_source(url, plain, 0, None), url)) as items:
        return next(items), b"".join(items)


def fails(message, url, *, again, plain=True):
    """Check the error of a request, and whether it says to try again."""
    with pytest.raises(TransferError, match=message) as caught:
        get(url, plain=plain)
    assert caught.value.again is again


@pytest.fixture(autouse=True)
def threads_end():
    """Check that no thread outlives its source for long."""
    yield
    for thread in threading.enumerate():
        if threads._make_items.__name__ in thread.name:
            thread.join(5)
            assert not thread.is_alive()
    gc.collect()  # sockets that were not closed warn now, in the test at fault


def test_headers_and_body(http):
    url = http.serve("/a", content(BODY))
    assert get(url) == ((0, {"size": str(len(BODY))}), BODY)
    [(path, headers)] = http.asked
    assert path == "/a" and headers["Accept-Encoding"] == "identity"
    assert not {"Range", "If-Range", "If-None-Match"} & set(headers)
    assert headers["User-Agent"].startswith("fmnist_fast/")


def test_bytes_are_not_decoded(http):
    url = http.serve("/a", content(b"not gzip", Content_Encoding="gzip"))
    assert get(url)[1] == b"not gzip"


def test_requests_without_a_thread(http, monkeypatch):
    monkeypatch.setattr(threads, "start_all", lambda threads: 0)
    http.serve("/b", content(BODY))
    assert get(http.serve("/a", redirect("/b")))[1] == BODY
    fails("No connection adapters", http.serve("/c", redirect("ftp://x")), again=False)
    fails("failed: .*refused", "http://127.0.0.1:1/", again=True)


def test_chunks(http):
    pieces = [b"5\r\nabcde\r\n", b"2;ext=1\r\nfg\r\n", b"0\r\n\r\n"]
    url = http.serve("/a", respond(200, {"Transfer-Encoding": "chunked"}, pieces))
    assert get(url)[1] == b"abcdefg"


def test_pieces_are_returned_as_they_arrive(http):
    url = http.serve("/a", respond(200, {"Content-Length": "9"}, [b"abc"], hang=True))
    with contextlib.closing(limited(http_source(url, True, 0, None), url)) as items:
        assert next(items) == (0, {"size": "9"}) and next(items) == b"abc"
        http.stopping.set()
        with pytest.raises(TransferError, match=r"failed: .*3 bytes read, 6 more"):
            next(items)


# ---- redirects ------------------------------------------------------------------


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(http, code):
    http.serve("/c", content(BODY))
    http.serve("/b/x", redirect("../c", code))
    assert get(http.serve("/a", redirect(f"{http.base}/b/x", code)))[1] == BODY


def test_redirects_are_limited(http):
    fails("Exceeded 10 redirects", http.serve("/a", redirect("/a")), again=False)
    assert len(http.asked) == 11


def test_ten_redirects_are_followed(http):
    for i in range(10):
        http.serve(f"/{i}", redirect(f"/{i + 1}"))
    http.serve("/10", content(BODY))
    assert get(f"{http.base}/0")[1] == BODY


def test_the_body_of_a_redirect_is_not_read(http):
    endless = respond(302, {"Location": "/b"}, iter(lambda: b"x" * 1000, None))
    http.serve("/b", content(BODY))
    assert get(http.serve("/a", endless))[1] == BODY


@pytest.mark.parametrize(
    "target, message",
    [
        (
            "file:///etc/passwd",
            "No connection adapters were found for 'file:///etc/pass",
        ),
        ("ftp://127.0.0.1/a", "No connection adapters were found for 'ftp://127"),
        ("http://[1", "failed: Invalid IPv6 URL"),
        ("http://127.0.0.1:99999/", "failed: (Failed to parse|Port out of range)"),
    ],
)
def test_redirects_to_other_schemes_and_invalid_urls(http, target, message):
    fails(message, http.serve("/a", redirect(target)), again=False)


def test_encryption_is_not_lost_by_a_redirect(http, https, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[1]))
    plain = http.serve("/a", content(BODY))
    message = re.escape(f"'{plain}' is not encrypted; http requires a known SHA-256")
    fails(message, https.serve("/a", redirect(plain)), plain=False, again=False)
    assert len(https.asked) == 1 and not http.asked
    assert get(f"{https.base}/a", plain=True)[1] == BODY


def test_http_is_refused_before_the_request(http):
    fails("is not encrypted", http.serve("/a", content(BODY)), plain=False, again=False)
    assert not http.asked


def test_http_may_lead_to_https(http, https, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[1]))
    target = https.serve("/a", content(BODY))
    assert get(http.serve("/a", redirect(target)))[1] == BODY


# ---- failures ---------------------------------------------------------------------


def test_a_port_without_a_server(no_proxies, loopback):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        fails("request failed: .*refused", url, again=True)


def test_an_unknown_host(no_proxies):
    fails("failed: .*nobody.invalid", "http://nobody.invalid/", again=True)


@pytest.mark.parametrize("url", ["nowhere", "", "//a/b", "ftp://a/b", "file:///a"])
def test_other_schemes(no_proxies, url):
    fails("No connection adapters|No scheme supplied", url, again=False)


@pytest.mark.parametrize("url", ["http://", "http://*a/", "http://a..b/"])
def test_urls_without_a_valid_host(no_proxies, url):
    fails("request failed: |invalid request: ", url, again=False)


def test_a_server_that_closes_the_connection(http):
    url = http.serve("/a", lambda handler: handler.connection.close())
    fails("request failed: ", url, again=True)


def test_a_server_with_another_protocol(http):
    url = http.serve("/a", lambda handler: handler.wfile.write(b"220 hello\r\n"))
    fails("failed: .*220 hello", url, again=True)


def test_a_server_that_does_not_answer(http, monkeypatch):
    monkeypatch.setattr(sources, "_TIMEOUTS", (10, 0.1))
    url = http.serve("/a", lambda handler: handler.server_stopping.wait(20))
    fails("no answer in time", url, again=True)


def test_a_server_that_stops_sending(http, monkeypatch):
    monkeypatch.setattr(sources, "_TIMEOUTS", (10, 0.1))
    url = http.serve("/a", content(BODY, cut=100, hang=True))
    fails("no answer in time", url, again=True)


@pytest.mark.parametrize(
    "start, piece",
    [
        (b"", b"H"),  # before the header
        (b"HTTP/1.1 200 OK\r\n", b"A"),  # in the header
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1", b";"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n"),
    ],
)
def test_a_server_that_sends_single_bytes_before_or_after_a_body(
    http, monkeypatch, start, piece
):
    """Each byte restarts the time-out of the socket. A second one ends the request."""
    monkeypatch.setattr(sources, "_PATIENCE_SECONDS", 0.3)

    def drip(handler):
        handler.wfile.write(start)
        while not handler.server_stopping.wait(0.02):
            handler.wfile.write(piece)

    begin = time.monotonic()
    fails("no answer in time", http.serve("/a", drip), again=True)
    assert time.monotonic() - begin < 5
    http.stopping.set()


ABANDON = """
import sys
from fmnist_fast._download import sources
from fmnist_fast._download.sources import TransferError, http_source, limited

sources._PATIENCE_SECONDS = 0.3
try:
    next(limited(http_source(sys.argv[1], True, 0, None), sys.argv[1]))
except TransferError as error:
    print(error)
"""


def test_nothing_more_is_printed_at_exit_after_a_call_was_abandoned(http):
    url = http.serve("/a", lambda handler: handler.server_stopping.wait(20))
    words = [sys.executable, "-X", "dev", "-c", ABANDON, url]
    done = subprocess.run(words, capture_output=True, text=True, timeout=15)
    assert done.stdout == "no answer in time\n"
    assert done.stderr == f"waiting for {url}\n"


# ---- certificates and proxies -------------------------------------------------------


def test_an_unknown_authority_is_not_trusted(https):
    url = https.serve("/a", content(BODY))
    fails("failed: .*CERTIFICATE_VERIFY_FAILED", url, again=False)
    assert not https.asked


@pytest.mark.parametrize(
    "variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]
)
def test_the_environment_names_authorities(https, authority, monkeypatch, variable):
    monkeypatch.setenv(variable, str(authority[1]))
    assert get(https.serve("/a", content(BODY)), plain=False)[1] == BODY


def test_requests_own_variable_comes_first(https, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority[1]))
    assert get(https.serve("/a", content(BODY)), plain=False)[1] == BODY


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_bundle_that_is_missing_is_named(https, monkeypatch, variable):
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    url = https.serve("/a", content(BODY))
    fails(r"invalid path: /nowhere/ca\.pem", url, again=True)


def test_a_certificate_for_another_host_is_not_trusted(https, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[1]))
    url = https.serve("/a", content(BODY)).replace("127.0.0.1", "localhost")
    fails("failed: .*localhost", url, again=False)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_http_goes_through_a_proxy(http, monkeypatch, variable):
    monkeypatch.setenv(variable, http.base)
    http.serve("http://files.invalid/a", content(BODY))
    assert get("http://files.invalid/a")[1] == BODY


def test_https_goes_through_a_proxy(http, https, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[1]))
    monkeypatch.setenv("HTTPS_PROXY", http.base)
    http.routes["*"] = tunnel
    assert get(https.serve("/a", content(BODY)), plain=False)[1] == BODY
    assert [path for path, _ in http.asked] == [f"127.0.0.1:{https.address[1]}"]


def test_hosts_of_no_proxy_are_reached_directly(http, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert get(http.serve("/a", content(BODY)))[1] == BODY


def test_a_proxy_that_is_down(http, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    fails("failed: .*refused", http.serve("/a", content(BODY)), again=True)


def test_a_proxy_that_is_no_url(http, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://user:s3cret@[1/")
    url = http.serve("/a", content(BODY))
    fails("the URL, or that of a proxy, is not valid|IPv6", url, again=False)


def tunnel(handler):
    """Forward bytes to and from a server, as a proxy does for CONNECT."""
    host, port = handler.path.split(":")
    handler.send_response(200)
    handler.end_headers()

    def copy(source, target):
        while piece := source.recv(65536):
            target.sendall(piece)

    with socket.create_connection((host, int(port))) as server:
        back = threading.Thread(target=copy, args=(server, handler.connection))
        back.start()
        copy(handler.connection, server)
        back.join(5)
