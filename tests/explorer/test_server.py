"""The server: what it gives, what it refuses, and that it stays up."""

import http.client
import json
import signal
import socket
import struct
import subprocess
import sys
import urllib.request
import zlib

import pytest

from kcnn.cli.main import run
from kcnn.errors import ResourceError
from kcnn.explorer import server as module
from kcnn.explorer.model import Opened
from kcnn.explorer.server import Server


def ask(server, path="/", method="GET", body=None, **headers):
    """Return (status, headers, body); header names with _ for -."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def refusal(server, *words, **options):
    """Return (status, error) of a request that must be refused in JSON."""
    status, headers, body = ask(server, *words, **options)
    assert headers["Content-Type"] == "application/json"
    return status, json.loads(body)["error"]


def raw(server, text):
    """Send bytes as they are and return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.fixture(autouse=True)
def still_up(server):
    yield
    assert ask(server)[0] == 200


def test_it_listens_on_this_machine_only(server):
    assert server.server_address[0] == "127.0.0.1"


def test_files_come_with_their_types_and_a_strict_policy(server):
    for name, kind in {"/": "text/html", "/main.js": "text/javascript", "/style.css?v=1": "text/css"}.items():
        status, headers, body = ask(server, name)
        assert (status, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
        assert len(body) == int(headers["Content-Length"])
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask(server, "/", "HEAD")[2] == b""


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/..%2fserver.py",
        "/%2e%2e/server.py",
        "//etc/passwd",
        "/page/main.js",
        "/server.py",
        "/__init__.py",
        "/main.js/",
        "/model/x",
        "/" + "a" * 3000,
        "/%00",
    ],
)
def test_nothing_but_its_own_files(server, path):
    status, error = refusal(server, path)
    assert status == 404
    assert "the page is at http://127.0.0.1" in error["message"]
    assert len(error["message"]) < 300


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil.example"]
)
def test_a_foreign_host_is_refused(server, host):
    status, error = refusal(server, Host=host)
    assert status == 421
    assert "answers for http://127.0.0.1" in error["message"]
    assert refusal(server, "/predict", "POST", b"x", Host=host)[0] == 421


def test_its_own_names_are_taken(server):
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert ask(server, Host=f"{host}:{server.server_port}")[0] == 200


def test_pages_of_other_places_may_not_ask(server):
    assert refusal(server, "/model", Origin="https://evil.example")[0] == 403
    assert refusal(server, "/predict", "POST", b"x", Origin="null")[0] == 403
    assert ask(server, "/model", Origin=f"http://127.0.0.1:{server.server_port}")[0] == 200


def test_two_hosts_and_none_are_refused(server):
    port = server.server_port
    assert b" 421 " in raw(server, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil\r\n\r\n".encode())
    assert b" 421 " in raw(server, b"GET / HTTP/1.1\r\n\r\n")
    assert b" 421 " in raw(server, b"GET / HTTP/1.0\r\n\r\n")


def test_what_is_no_request_is_answered_all_the_same(server):
    assert b'"error"' in raw(server, b"nonsense\r\n\r\n")
    assert b'"error"' in raw(server, b"GET / HTTP/9.9\r\n\r\n")
    assert b'"error"' in raw(server, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n")
    assert b'"error"' in raw(server, b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: 1\r\n" % i for i in range(200)) + b"\r\n")
    assert b'"error"' in raw(server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")  # TLS
    raw(server, b"")
    status, error = refusal(server, "/", "DELETE")
    assert status == 501
    assert "DELETE" in error["message"]


def test_bodies_need_a_length_within_the_limit(server):
    port = server.server_port
    start = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    for length in ("", "Content-Length: x\r\n", "Content-Length: -5\r\n", "Content-Length: ²\r\n"):
        assert b" 411 " in raw(server, f"{start}{length}\r\n".encode())
    assert b" 413 " in raw(server, f"{start}Content-Length: {module.MOST_BYTES + 1}\r\n\r\n".encode())
    assert b" 400 " in raw(server, f"{start}Content-Length: 50\r\n\r\nshort".encode())


def test_without_a_model_it_says_so(server):
    assert json.loads(ask(server, "/model")[2]) == {"state": "none"}
    for path in ("/predict", "/maps?layer=c1", "/occlusion"):
        status, error = refusal(server, path, "POST", b"x")
        assert (status, error["type"]) == (422, "ExportError")
        assert "no model is open" in error["message"]
    assert refusal(server, "/kernels?layer=c1")[0] == 422
    assert refusal(server, "/train", "POST", b"x")[0] == 404


def test_a_crowded_question_is_refused(server):
    fields = "&".join(f"field{number}=1" for number in range(11))
    for path, method in ((f"/kernels?{fields}", "GET"), (f"/predict?{fields}", "POST")):
        status, error = refusal(server, path, method=method, body=b"x" if method == "POST" else None)
        assert (status, error["type"]) == (400, "Refused")
        assert "at most 10 fields" in error["message"]


def test_a_fault_of_ours_is_an_answer_too(server, monkeypatch):
    monkeypatch.setattr(server.opened, "predict", lambda body: 1 / 0)
    status, error = refusal(server, "/predict", "POST", b"x")
    assert (status, error["type"]) == (500, "ZeroDivisionError")


def test_a_taken_port_is_an_error_that_says_what_to_do(server, capsys):
    with pytest.raises(ResourceError, match="choose another with --port"):
        Server(server.server_port, Opened())
    assert run(["explore", f"--port={server.server_port}", "--no_browser"]) == 3
    assert run(["explore", "--port=70000", "--no_browser"]) == 2
    assert run(["explore", "--no_browser", "nowhere"]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err


def test_the_verb_serves_until_it_is_interrupted():
    command = [sys.executable, "-m", "kcnn", "explore", "--no_browser", "--port=0"]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().split()[0]
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert b"kcnn explore" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def png(width, height):
    """A PNG that says how large it is and holds no pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
