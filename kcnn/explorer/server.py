"""A small server on loopback: the page's files by name, and answers about one model. Standard library only.

It refuses requests meant for other hosts (a web page elsewhere cannot reach it through a renamed address), serves
nothing but its own table of files, reads bodies up to a limit, and turns every mistake into JSON:
`{"error": {"type": ..., "message": ...}}`.
"""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kcnn.errors import KcnnError, ResourceError
from kcnn.explorer import site
from kcnn.explorer.model import Opened

HOST = "127.0.0.1"
MOST_BYTES = 32 * 1024 * 1024
MOST_FIELDS = 10  # of a query
SECONDS = 30  # a client that stalls longer is dropped
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Refused(Exception):
    """A request that gets a status and one sentence instead of an answer."""

    def __init__(self, status: HTTPStatus, message: str):
        super().__init__(message)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves the page; `opened` answers for the model."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, opened: Opened):
        self.opened = opened
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            raise ResourceError(
                f"port {port} cannot be opened ({error.strerror}); choose another with --port."
            ) from error
        except OverflowError as error:
            raise ResourceError(f"port {port} does not exist; choose one of 0..65535.") from error

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up; every other fault has been answered already."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "kcnn"
    sys_version = ""
    timeout = SECONDS

    def do_GET(self) -> None:
        """A file of the page, or what is known of the model."""
        self._answer(self._get)

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """An image in, an answer of the model out."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the standard library refuses (a malformed request, an unknown method) as JSON too."""
        self.close_connection = True
        self._error(HTTPStatus(code), "Refused", message or HTTPStatus(code).phrase)

    def _answer(self, act: Any) -> None:
        try:
            self._check_host()
            act()
        except Refused as error:
            self._error(error.status, "Refused", str(error))
        except KcnnError as error:
            self._error(HTTPStatus.UNPROCESSABLE_ENTITY, type(error).__name__, str(error))
        except (TimeoutError, ConnectionError):
            self.close_connection = True
        except MemoryError:
            self._error(
                HTTPStatus.INSUFFICIENT_STORAGE, "MemoryError", "This does not fit into memory; give a smaller image."
            )
        except Exception as error:  # a fault of ours must not end the server
            self._error(
                HTTPStatus.INTERNAL_SERVER_ERROR, type(error).__name__, f"kcnn failed: {str(error).strip()[:300]}"
            )

    def _check_host(self) -> None:
        allowed = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost", "[::1]")}
        host = self.headers.get("Host", "")
        origin = self.headers.get("Origin")
        if host not in allowed or self.headers.get_all("Host", [])[1:]:
            raise Refused(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"This server answers for {self.server.address} only, not for {host[:80]!r}.",
            )
        if origin is not None and origin.removeprefix("http://") not in allowed:
            raise Refused(HTTPStatus.FORBIDDEN, f"Pages of {origin[:80]!r} may not ask here.")

    def _get(self) -> None:
        path = urlsplit(self.path).path
        if path == "/model":
            self._json(self.server.opened.about())
        elif path == "/kernels":
            self._json(self.server.opened.kernels(self._query().get("layer", "")))
        else:
            self._file("index.html" if path == "/" else path.removeprefix("/"))

    def _file(self, name: str) -> None:
        text = site.files().get(name)
        if text is None:
            raise Refused(
                HTTPStatus.NOT_FOUND, f"There is no {name[:80]!r} here; the page is at {self.server.address}."
            )
        if name == "index.html":
            text = text.replace('<html lang="en">', '<html lang="en" data-server="1">')
        self._send(HTTPStatus.OK, text.encode(), f"{site.TYPES[Path(name).suffix]}; charset=utf-8")

    def _post(self) -> None:
        path, query = urlsplit(self.path).path, self._query()
        opened = self.server.opened
        acts = {
            "/predict": opened.predict,
            "/maps": lambda body: opened.maps(body, query.get("layer", "")),
            "/occlusion": lambda body: opened.occlusion(body, query),
            "/explain": lambda body: opened.explain(body, query),
            "/attack": lambda body: opened.attack(body, query),
        }
        if path not in acts:
            raise Refused(HTTPStatus.NOT_FOUND, f"Nothing takes images at {path[:80]!r}; {', '.join(acts)} do.")
        self._json(acts[path](self._body()))

    def _query(self) -> dict[str, str]:
        try:
            return dict(parse_qsl(urlsplit(self.path).query, max_num_fields=MOST_FIELDS))
        except ValueError:  # too many
            raise Refused(HTTPStatus.BAD_REQUEST, f"Ask with at most {MOST_FIELDS} fields behind the ?.") from None

    def _body(self) -> bytes:
        self.close_connection = True  # until the body is read, what follows on this connection is no request
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Send an image file as the body, with its Content-Length.")
        if int(length) > MOST_BYTES:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"The image has {int(length):,} bytes but at most {MOST_BYTES:,} are taken; make it smaller.",
            )
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise Refused(HTTPStatus.BAD_REQUEST, f"The image stopped after {len(body):,} of {int(length):,} bytes.")
        self.close_connection = False
        return body

    def _json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(status, json.dumps(value, ensure_ascii=False, allow_nan=False).encode(), "application/json")

    def _error(self, status: HTTPStatus, kind: str, message: str) -> None:
        if self.command == "POST":
            self.close_connection = True
        try:
            self._json({"error": {"type": kind, "message": " ".join(message.split())}}, status)
        except OSError:  # the client has gone
            self.close_connection = True

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
