"""The HTTP server, by raw sockets: streams."""

import random
import signal

import pytest

from harness.process import wait_until
from harness.responder import HOST, get, resident_bytes, responder, start, stuck_reader, wire


def lines(wire, count):
    """The next lines of a stream."""
    return [wire._until(b"\n").decode() for _ in range(count)]


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_stream_goes_on_until_its_client_leaves(start, version):
    responder = start(idle_ms=300, head_ms=300, body_ms=300)
    with responder.connect() as wire:
        wire.send(b"GET /feed?ms=400 HTTP/" + version + b"\r\n" + HOST + b"\r\n")
        answer = wire.answer()
        assert answer.status == 200 and answer.field("Connection") == "close"
        assert answer.field("Content-Length") is None and answer.field("Transfer-Encoding") is None
        assert answer.field("X-Stream") == "yes"
        assert lines(wire, 4) == ["begin", "1 tick", "2 tick", "3 tick"]
        assert responder.counts()["streams"] == 1
    wait_until("the stream's end", lambda: responder.counts()["streams_gone"] == 1)
    assert responder.counts()["streams"] == 0


def test_half_a_stream_is_none(responder):
    with responder.connect() as wire:
        wire.send(get(b"/feed?ms=60000"))
        assert wire.answer().status == 200 and lines(wire, 1) == ["begin"]
        wire.half_close()
        assert wire.is_closed()
    assert responder.counts()["streams_gone"] == 1


def test_a_stream_waits_for_the_answers_before_it(responder):
    with responder.connect() as wire:
        wire.send(get(b"/slow?ms=200") + get(b"/feed?ms=20"))
        assert wire.answer().body == b"slow 200"
        assert wire.answer().status == 200
        begun, first = lines(wire, 2)
        assert begun == "begin" and int(first.split()[0]) >= 1
        number = int(first.split()[0])
        assert lines(wire, 2) == [f"{number + 1} tick", f"{number + 2} tick"]


def test_what_stands_behind_a_stream_is_never_answered(responder):
    with responder.connect() as wire:
        wire.send(get(b"/slow?ms=50") + get(b"/feed?ms=60000") + get(b"/slow?ms=50") + get(b"/"))
        assert wire.answer().body == b"slow 50" and wire.answer().status == 200
        assert lines(wire, 1) == ["begin"]
        wire.send(get(b"/"))
        assert wire.is_silent(0.3)
    wait_until("the stream's end", lambda: responder.counts()["streams_gone"] == 1)


def test_who_reads_slowly_gets_the_newest(responder):
    """While nothing is read, nothing is queued; then the next line is of now."""
    wire = stuck_reader(responder.port)
    wire.send(get(b"/flood?bytes=2000"))
    wait_until("ticks that are not taken", lambda: responder.counts()["ticks_skipped"] > 500)
    before = resident_bytes(responder.pid)
    wait_until("many of them", lambda: responder.counts()["ticks_skipped"] > 3000)
    assert resident_bytes(responder.pid) < before + 1048576
    with wire, wire.socket.makefile("rb") as file:
        numbers = []
        while not numbers or numbers[-1] < 3000:
            line = file.readline()
            if b" tick" in line and not line.startswith(b"begin"):
                numbers.append(int(line.split()[0]))
        assert numbers == sorted(numbers) and len(numbers) < 1000
    wait_until("the stream's end", lambda: responder.counts()["streams_gone"] == 1)


def test_who_never_reads_is_closed(start):
    responder = start(write_ms=300)
    with stuck_reader(responder.port) as wire:
        wire.send(get(b"/flood?bytes=2000"))
        wait_until("the stream's end", lambda: responder.counts()["streams_gone"] == 1)
    assert responder.counts()["timeouts"] == 1


def test_a_change_of_protocol(responder):
    with responder.connect() as wire:
        wire.send(get(b"/upgrade", b"Connection: Upgrade\r\nUpgrade: echo\r\n"))
        answer = wire.answer()
        assert answer.status == 101 and answer.field("Connection") == "Upgrade"
        assert answer.field("Content-Length") is None
        wait_until("the first bytes", lambda: wire.rest == b"hello" or wire._more() and False)
        wire.rest = b""
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"\0\xff", b"end"):
            wire.send(said)
            wait_until("an echo", lambda s=said: wire.rest == s or wire._more() and wire.rest == s)
            wire.rest = b""
        assert wire.is_closed()
    counts = responder.counts()
    assert counts["streams"] == counts["streams_gone"] == counts["malformed"] == 0


def test_draining_lets_the_application_end_its_streams(start):
    responder = start()
    with responder.connect() as one, responder.connect() as other:
        one.send(get(b"/feed?ms=60000"))
        other.send(get(b"/upgrade"))
        assert one.answer().status == 200 and other.answer().status == 101
        responder.send(signal.SIGTERM)
        assert one._until(b"begin\n") == b"" and one.is_closed()
        assert other._until(b"hello") == b"" and other.is_closed()
    assert responder.wait() == 0


def test_streams_come_and_go(start):
    """Thousands, cut off anywhere: none stays."""
    responder = start()
    rng = random.Random(7)
    for _ in range(300):
        wires = [responder.connect() for _ in range(8)]
        for wire in wires:
            wire.send(get(rng.choice([b"/feed?ms=1", b"/flood?bytes=3000", b"/upgrade"])))
            if rng.random() < 0.5:
                wire.socket.recv(rng.randrange(1, 5000))
        for wire in wires:
            if rng.random() < 0.5:
                wire.reset()
            else:
                wire.socket.close()
    wait_until("all streams' ends", lambda: responder.counts()["streams"] == 0)
    assert responder.counts()["connections"] == 1
