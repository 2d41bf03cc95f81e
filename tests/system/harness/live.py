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

    def __init__(self, port, path, read=True, receive_bytes=None, schema=None, **headers):
        self.schema = schema or LIVE_EVENT
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(patience(60))
        self.socket.connect(("127.0.0.1", port))
        lines = [f"GET {path} HTTP/1.1", "Host: box.example", "Accept: text/event-stream"]
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
