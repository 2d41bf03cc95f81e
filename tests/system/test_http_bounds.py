"""The HTTP server, by raw sockets: its times and its bounds."""

import os
import resource
import time

import pytest

from harness.process import is_slow_build, patience, wait_until
from harness.responder import (SECONDS, chunk, chunked, get, post, resident_bytes, responder, start,
                               stuck_reader, wire)


# ---- time ----

def test_a_slow_head(start):
    responder = start(head_ms=200)
    with responder.connect() as wire:
        assert wire.ask(get(b"/")).status == 200
        began = time.monotonic()
        wire.send(b"GET / HT")
        answer = wire.answer()
        assert (answer.status, answer.field("Connection")) == (408, "close")
        assert time.monotonic() - began >= 0.2
        assert wire.is_closed()
    assert responder.counts()["timeouts"] == 1


def test_a_slow_head_cannot_be_kept_going_by_drops(start):
    responder = start(head_ms=300)
    with responder.connect() as wire:
        began = time.monotonic()
        with pytest.raises((AssertionError, OSError)):
            for byte in b"GET / HTTP/1.1\r\nX: " + b"x" * 1000:
                wire.send(bytes([byte]))
                assert wire.is_silent(0.02)
        assert time.monotonic() - began < patience(2)


def test_a_slow_body(start):
    responder = start(body_ms=200)
    for begun in (post(b"hello")[:-1], chunked(chunk(b"x")), post(b"hello")[:-5]):
        with responder.connect() as wire:
            answer = wire.ask(begun)
            assert (answer.status, answer.field("Connection")) == (408, "close")
            assert wire.is_closed()
    counts = responder.counts()
    assert (counts["timeouts"], counts["requests"]) == (3, 1)


def test_an_idle_connection_is_closed_without_a_word(start):
    responder = start(idle_ms=200)
    with responder.connect() as fresh, responder.connect() as used:
        used.ask(get(b"/"))
        assert fresh.is_closed()
        assert used.is_closed()


def test_awaiting_is_not_idling(start):
    responder = start(idle_ms=100, head_ms=100, body_ms=100, write_ms=100)
    with responder.connect() as wire:
        assert wire.ask(get(b"/slow?ms=700")).body == b"slow 700"


# ---- bounds ----

def test_too_many_connections(start):
    responder = start(connections_max=3)
    wires = [responder.connect() for _ in range(3)]
    assert [wire.ask(get(b"/")).status for wire in wires] == [200] * 3
    for _ in range(5):
        with responder.connect() as wire:
            wire.send(get(b"/"))
            answer = wire.answer()
            assert (answer.status, answer.field("Connection")) == (503, "close")
            assert int(answer.field("Retry-After")) > 0
            assert wire.is_closed()
    for wire in wires:
        assert wire.ask(get(b"/")).status == 200
        wire.socket.close()
    wait_until("room", lambda: responder.connect().ask(get(b"/")).status == 200)


def test_a_reader_that_is_stuck_is_cut_off(start):
    responder = start(write_ms=300, output_bytes_max=8000000)
    with stuck_reader(responder.port) as wire:
        wire.send(get(b"/big?bytes=6000000"))
        wait_until("the end", lambda: responder.counts()["connections"] == 1)
    assert responder.counts()["timeouts"] == 1


def test_a_reader_that_is_slow_is_not(start):
    responder = start(write_ms=400, output_bytes_max=8000000)
    with stuck_reader(responder.port, 65536) as wire:
        wire.send(get(b"/big?bytes=3000000"))
        received = 0
        while received < 3000000:
            data = wire.socket.recv(20000)
            assert data
            received += len(data)
            time.sleep(0.004)


def test_unsent_bytes_are_bounded(start):
    responder = start(output_bytes_max=100000)
    with stuck_reader(responder.port) as wire:
        wire.send(get(b"/slow?ms=100") + get(b"/big?bytes=30000") * 10)
        wait_until("the end", lambda: responder.counts()["connections"] == 1)
    assert "output_bound_reached" in responder.log.read_text()


def test_whoever_does_not_read_is_not_read_from(start):
    """Answers wait in the socket, then in the output, then requests wait: no bound is reached."""
    responder = start(output_bytes_max=200000)
    with stuck_reader(responder.port) as wire:
        requests = get(b"/big?bytes=20000") * 400
        wire.socket.setblocking(False)
        sent = 0
        while sent < len(requests):
            try:
                sent += wire.socket.send(requests[sent:sent + 65536])
            except BlockingIOError:
                break
        wire.socket.settimeout(patience(SECONDS))
        time.sleep(0.3)
        assert responder.counts()["requests"] < 400
        for _ in range(sent // len(get(b"/big?bytes=20000"))):
            assert len(wire.answer().body) == 20000


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_without_descriptors_it_waits_and_says_so_once(responder):
    open_now = len(os.listdir(f"/proc/{responder.pid}/fd"))
    resource.prlimit(responder.pid, resource.RLIMIT_NOFILE, (open_now + 5, open_now + 5))
    wires = [responder.connect() for _ in range(12)]
    for wire in wires[:5]:
        assert wire.ask(get(b"/")).status == 200
    for wire in wires[5:]:
        wire.send(get(b"/"))
    before = cpu_seconds(responder.pid)
    time.sleep(0.5)
    assert cpu_seconds(responder.pid) - before < 0.2
    assert responder.log.read_text().count("accept_paused") == 1
    for wire in wires[:5]:
        wire.socket.close()
    for wire in wires[5:10]:
        assert wire.answer().status == 200
        wire.socket.close()
    for wire in wires[10:]:
        assert wire.answer().status == 200


def test_a_connection_that_waits_is_small(responder):
    count = 2000
    responder.counts()
    before = resident_bytes(responder.pid)
    wires = [responder.connect() for _ in range(count)]
    body = b'{"user":"somebody","tier":"VIP","quantity":1}'
    fields = b"User-Agent: a browser with a rather long name\r\nX-More: " + b"x" * 200 + b"\r\n"
    for wire in wires:
        assert wire.ask(post(body, fields=fields)).status == 200
        wire.send(get(b"/slow?ms=60000", fields))
    wait_until("requests", lambda: responder.counts()["requests"] > 2 * count)
    each = (resident_bytes(responder.pid) - before) / count
    print(f"{each:.0f} bytes each")
    assert each < (32768 if is_slow_build() else 3072)  # sanitizers take memory of their own
    for wire in wires:
        wire.reset()
    wait_until("gone", lambda: responder.counts()["gone"] == count)
