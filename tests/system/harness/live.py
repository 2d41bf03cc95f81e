"""Listeners to a show's stream of events: byte by byte over a socket, as `curl -N` is one."""

import json
import socket
import threading

from . import contract
from .process import patience, wait_until

LIVE_EVENT = {"$ref": "#/components/schemas/LiveEvent"}
SEEDS_EVENT = {"required": ["type", "available"], "additionalProperties": False,
               "properties": {"type": {"const": "availability"}, "available": {"minimum": 0}}}


class Event:
    """One event, which must be as the OpenAPI document has it."""

    def __init__(self, number, data, schema):
        self.id = number
        self.json = json.loads(data)
        problem = contract.mismatch(self.json, schema, "event")
        assert problem is None, f"{problem}: {data}"

    @property
    def type(self):
        return self.json["type"]

    def __repr__(self):
        return f"<{self.id} {self.json}>"


class Listener:
    """One GET of a stream. A thread reads; what has come so far is in `events`."""

    def __init__(self, port, path, read=True, receive_bytes=None, schema=None, version="1.1",
                 tls=None, **headers):
        self.schema = schema or LIVE_EVENT
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(patience(60))
        self.socket.connect(("127.0.0.1", port))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="box.example")
        lines = [f"GET {path} HTTP/{version}", "Host: box.example", "Accept: text/event-stream"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())
        self.raw = b""
        self.ended = False
        self.thread = None
        if read:
            self.read()

    def read(self):
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        return self

    def _read(self):
        try:
            while data := self.socket.recv(65536):
                self.raw += data
        except OSError:
            pass
        self.ended = True

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if self.thread is not None:
            self.thread.join(timeout=10)
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # What came.

    def head(self):
        """Status line and fields, once they are there."""
        wait_until("the head of a stream", lambda: b"\r\n\r\n" in self.raw)
        lines = self.raw.split(b"\r\n\r\n")[0].decode().split("\r\n")
        return int(lines[0].split()[1]), {name.lower(): value for name, value in
                                         (line.split(": ", 1) for line in lines[1:])}

    @property
    def blocks(self):
        """What stands between empty lines, those that are complete."""
        return self.raw.partition(b"\r\n\r\n")[2].decode().split("\n\n")[:-1]

    @property
    def events(self):
        found = []
        for block in self.blocks:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if "data" in fields:
                found.append(Event(fields.get("id"), fields["data"], self.schema))
        return found

    @property
    def comments(self):
        return sum(block.startswith(":") for block in self.blocks)

    def of(self, kind):
        return [event.json for event in self.events if event.type == kind]

    def last(self, kind):
        return next((event.json for event in reversed(self.events) if event.type == kind), None)

    def last_id(self):
        return self.events[-1].id if self.events else None

    def wait(self, what, condition, seconds=20.0):
        """Until condition(self) gives something true."""
        try:
            return wait_until(what, lambda: condition(self), seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; came: {self.raw[-2000:]!r}") from None

    def wait_available(self, available, seconds=20.0):
        return self.wait(f"available {available}",
                         lambda l: (l.last("availability") or {}).get("available") == available,
                         seconds)

    def wait_snapshot(self):
        return self.wait("the first events", lambda l: l.last("sale") and l.events)


def seats_after(events, all_seats):
    """What a client knows of seats that takes events as they come: {id: status}."""
    known, version = None, None
    for event in events:
        if event["complete"]:
            known = {seat: "available" for seat in all_seats}
        else:
            assert known is not None and event["since"] <= version < event["version"], event
        known.update((seat["id"], seat["status"]) for seat in event["seats"])
        version = event["version"]
    return known


class WebSocket:
    """A client's side of a WebSocket, frame by frame, right or wrong."""

    KEY = "dGhlIHNhbXBsZSBub25jZQ=="
    ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

    def __init__(self, port, path, tls=None, **headers):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience(30))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="box.example")
        fields = {"Host": "box.example", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade",
                  "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": self.KEY}
        fields.update((name.replace("_", "-"), value) for name, value in headers.items())
        lines = [f"GET {path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.fields = {}
        while line := self.file.readline().decode().strip():
            name, value = line.split(": ", 1)
            self.fields[name.lower()] = value

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, opcode, payload=b"", fin=True, mask=b"\1\2\3\4"):
        size = len(payload)
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
        length = bytes([length[0] | (0x80 if mask else 0)]) + length[1:]
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if mask else payload
        self.socket.sendall(bytes([opcode | (0x80 if fin else 0)]) + length + mask + masked)

    def frame(self):
        """(opcode, payload), or None at the end."""
        head = self.file.read(2)
        if len(head) < 2:
            return None
        assert head[0] & 0x70 == 0 and head[0] & 0x80 and not head[1] & 0x80, head
        size = head[1]
        if size >= 126:
            size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
        return head[0] & 15, self.file.read(size)

    def event(self):
        """The next message; pings on the way are answered."""
        while frame := self.frame():
            opcode, payload = frame
            if opcode == self.PING:
                self.send(self.PONG, payload)
                continue
            assert opcode == self.TEXT, frame
            data = json.loads(payload)
            return Event(data.pop("id"), json.dumps(data), LIVE_EVENT)
        raise AssertionError("the connection has ended")

    def until(self, found):
        """Events up to the first one that is found; that one."""
        while True:
            event = self.event()
            if found(event.json):
                return event

    def code(self):
        """How it ends: the closing frame's code, or None; messages before it are passed over."""
        while frame := self.frame():
            if frame[0] == self.CLOSE:
                assert self.frame() is None
                return int.from_bytes(frame[1][:2], "big") if frame[1] else 1005
        return None
