"""A small HTTP server to be tested (tests/unit/http_responder.c), and raw sockets to ask it by.

Who uses its fixtures (start, responder, wire) imports all three: one hangs on the other.
"""

import os
import re
import signal
import socket
import struct

import pytest

from .process import Process, build_folder, patience, wait_until

HOST = b"Host: test\r\n"
SECONDS = 10.0
METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OPTIONS, METHOD_UNKNOWN = 1, 2, 3, 7, 8


class Responder(Process):
    """The program under test, on a port that it chose itself."""

    def __init__(self, folder, **options):
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        super().__init__("http-responder", [build_folder() / "tests/http-responder", *flags],
                         folder)
        self.port = None

    def start(self):
        super().start()
        self.port = int(wait_until("the responder to listen", self._listening))
        return self

    def _listening(self):
        assert self.alive(), self.tail()
        found = re.search(r"^listening (\d+)$", self.log.read_text(), re.MULTILINE)
        return found and found.group(1)

    def connect(self):
        return Wire(self.port)

    def counts(self):
        with self.connect() as wire:
            wire.send(get(b"/counts", b"Connection: close\r\n"))
            lines = wire.answer().body.decode().splitlines()
        return {name: int(value) for name, value in (line.split() for line in lines)}


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def field(self, name):
        found = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(found) <= 1, found
        return found[0] if found else None


class Wire:
    """One connection, byte by byte."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience(SECONDS))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_slowly(self, data):
        for at in range(len(data)):
            self.socket.sendall(data[at:at + 1])

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _more(self):
        data = self.socket.recv(65536)
        self.rest += data
        return len(data) > 0

    def _until(self, mark):
        while mark not in self.rest:
            assert self._more(), f"closed before {mark}: {self.rest[:200]}"
        part, self.rest = self.rest.split(mark, 1)
        return part

    def interim(self):
        """The head of an answer without a body, such as 100."""
        return self._until(b"\r\n\r\n")

    def answer(self, is_head=False):
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        assert re.match(r"HTTP/1\.1 \d\d\d ", head[0]), head
        fields = [tuple(line.split(": ", 1)) for line in head[1:]]
        answer = Answer(int(head[0].split(" ")[1]), fields, b"")
        length = 0 if is_head else int(answer.field("Content-Length") or 0)
        while len(self.rest) < length:
            assert self._more(), "closed inside a body"
        answer.body, self.rest = self.rest[:length], self.rest[length:]
        return answer

    def ask(self, data):
        self.send(data)
        return self.answer()

    def is_closed(self):
        """Whether the server has ended it, with nothing left unread; waits for that."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            pass
        return self.rest == b""

    def is_silent(self, seconds):
        self.socket.settimeout(seconds)
        try:
            return self.rest == b"" and not self._more() and False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(patience(SECONDS))


def get(path, fields=b""):
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n"


def post(body, path=b"/echo", fields=b""):
    length = f"Content-Length: {len(body)}\r\n".encode()
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + length + fields + b"\r\n" + body


def chunked(*parts, fields=b""):
    head = b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n" + fields + b"\r\n"
    return head + b"".join(parts)


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


LAST = b"0\r\n\r\n"


def is_ended(wire):
    """Whether the server has broken it off; drops what is there to read."""
    try:
        wire.socket.settimeout(0.05)
        while wire.socket.recv(1048576):
            pass
        return True
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def stuck_reader(port, receive_bytes=4096):
    wire = Wire.__new__(Wire)
    wire.socket = socket.socket()
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    wire.socket.settimeout(patience(SECONDS))
    wire.socket.connect(("127.0.0.1", port))
    wire.rest = b""
    return wire


def resident_bytes(pid):
    pages = int(open(f"/proc/{pid}/statm", encoding="ascii").read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def start(tmp_path):
    """Start responders; each has to end well, with nothing to complain of."""
    started = []

    def begin(**options):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Responder(folder, **options))
        return started[-1].start()

    yield begin
    for responder in started:
        if responder.alive():
            # No SIGCONT along with it: that would undo the SIGSTOP by which the leak sanitizer
            # attaches to an ending program, and it would wait for ever.
            responder.send(signal.SIGTERM)
        try:
            code = responder.wait()
        finally:
            if responder.alive():
                responder.kill9()
        assert responder.complaints() == [], responder.tail()
        assert code == 0, responder.tail()


@pytest.fixture
def responder(start):
    return start()


@pytest.fixture
def wire(responder):
    with responder.connect() as wire:
        yield wire
