"""HTTP and HTTPS servers on this machine whose answers a test chooses."""

import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from helpers.loopback import require_loopback


class Server:
    """A server on 127.0.0.1, used as a context manager.

    A test that makes one is skipped if the loopback interface is down.

    Attributes
    ----------
    routes : dict
        Function that answers requests for a path, or for "*" all other requests. Its
        argument is the request handler.
    asked : list of (path, headers)
        Requests so far.
    stopping : threading.Event
        Event that ends the wait of handlers that hang.
    """

    def __init__(self, certificate=None):
        require_loopback()
        self.routes, self.asked, self.stopping = {}, [], threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append((self.path, dict(self.headers)))
                route = server.routes.get(self.path) or server.routes.get("*")
                self.server_stopping = server.stopping
                route(self) if route else self.send_error(404)

            do_CONNECT = do_GET

            def log_message(self, *_):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # tests let clients hang up
                pass

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.address = self._server.server_address
        self.base = f"http://127.0.0.1:{self.address[1]}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            # The handler's thread does the handshake, so that a client that refuses the
            # certificate does not stop the server.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self.base = self.base.replace("http", "https", 1)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve(self, path, *answers):
        """Answer requests for `path` in turn; repeat the last one. Return the URL."""
        remaining = list(answers)

        def route(handler):
            answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            answer(handler)

        self.routes[path] = route
        return self.base + path

    def ranges(self):
        """Return the Range header of each request so far, None for no header."""
        return [headers.get("Range") for _, headers in self.asked]


def status(code, **headers):
    """Return an answer with a status code and no body."""
    return respond(code, {"Content-Length": "0", **headers}, [])


def redirect(url, code=302):
    """Return an answer that redirects the client to `url`."""
    return status(code, Location=url)


def respond(code, headers, pieces, *, hang=False):
    """Return an answer with exactly these headers and pieces of a body.

    With `hang` the connection stays open without another byte.
    """

    def answer(handler):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(piece)
            if handler.server_stopping.is_set():
                return
        if hang:
            handler.server_stopping.wait(20)

    return answer


def content(body, *, cut=None, hang=False, ranges=True, etag=None, **headers):
    """Return an answer with `body` or the range that is requested.

    With `cut` only this many bytes are sent.
    """

    def answer(handler):
        sent, code, all_headers = body, 200, dict(headers)
        if etag:
            all_headers["ETag"] = etag
            if handler.headers.get("If-None-Match") == etag:
                return respond(304, all_headers, [])(handler)
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if asked and ranges and handler.headers.get("If-Range", etag) == etag:
            begin = int(asked[1])
            if begin >= len(body):
                return status(416)(handler)
            sent, code = body[begin:], 206
            all_headers["Content-Range"] = f"bytes {begin}-{len(body) - 1}/{len(body)}"
        all_headers.setdefault("Content-Length", str(len(sent)))
        respond(code, all_headers, [sent[:cut]], hang=hang)(handler)

    return answer
