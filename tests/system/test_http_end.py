"""The HTTP server, by raw sockets: how it ends, and where it listens."""

import signal
import socket
import threading

import pytest

from harness.process import Process, build_folder, patience, wait_until
from harness.responder import Wire, get, post, responder, start, wire


def test_draining(responder):
    idle = responder.connect()
    idle.ask(get(b"/"))
    busy = responder.connect()
    busy.send(get(b"/slow?ms=300") + get(b"/slow?ms=400"))
    half = responder.connect()
    half.send(post(b"hello")[:-1])
    wait_until("requests", lambda: responder.counts()["requests"] >= 4)
    responder.send(signal.SIGTERM)
    assert idle.is_closed()
    assert busy.is_silent(0.05)
    with pytest.raises(ConnectionRefusedError):
        responder.connect()
    answer = half.ask(b"o")
    assert (answer.body, answer.field("Connection")) == (b"hello", "close")
    assert half.is_closed()
    answer = busy.answer()
    assert (answer.body, answer.field("Connection")) == (b"slow 300", None)
    answer = busy.answer()
    assert (answer.body, answer.field("Connection")) == (b"slow 400", "close")
    for wire in (idle, busy, half):
        wire.socket.close()
    assert responder.wait() == 0


def test_draining_with_nothing_under_way(responder):
    responder.send(signal.SIGTERM)
    assert responder.wait(2) == 0


def test_ending_at_once_with_everything_under_way(start):
    responder = start(output_bytes_max=8000000)
    wires = [responder.connect() for _ in range(6)]
    wires[1].ask(get(b"/"))
    wires[2].send(post(b"x" * 10000)[:-1])
    wires[3].send(get(b"/slow?ms=60000") + get(b"/") + get(b"/slow?ms=60000") + b"GET / H")
    wires[4].send(get(b"/big?bytes=7000000"))
    wires[5].ask(b"nonsense\r\n\r\n")
    wait_until("requests", lambda: responder.counts()["requests"] >= 6)
    responder.send(signal.SIGINT)
    assert responder.wait() == 0
    assert wires[3].is_closed()


def test_what_was_sent_before_the_drain_is_answered(responder):
    wires = [responder.connect() for _ in range(20)]
    responder.sigstop()
    late = [responder.connect() for _ in range(20)]
    for wire in wires + late:
        wire.send(get(b"/"))
    responder.send(signal.SIGTERM)
    responder.cont()
    for wire in wires + late:
        assert wire.answer().body == b"ok"
        wire.socket.close()
    assert responder.wait() == 0


def test_a_notice_is_given(start):
    """Until it is over clients are taken in and answered, each for the last time."""
    responder = start(notice_ms=4000)
    idle, half, busy = [responder.connect() for _ in range(3)]
    idle.ask(get(b"/"))
    half.send(post(b"hello")[:-1])
    busy.send(get(b"/slow?ms=200"))
    wait_until("requests", lambda: responder.counts()["requests"] >= 3)
    responder.send(signal.SIGTERM)
    assert busy.answer().body == b"slow 200"
    for wire, rest, body in ((idle, get(b"/"), b"ok"), (half, b"o", b"hello"),
                             (busy, get(b"/"), b"ok"), (responder.connect(), get(b"/"), b"ok")):
        answer = wire.ask(rest)
        assert (answer.body, answer.field("Connection")) == (body, "close")
        assert wire.is_closed()
        wire.socket.close()
    silent = responder.connect()
    assert silent.is_silent(0.05)
    assert silent.is_closed()
    silent.socket.close()
    assert responder.wait() == 0


class Hammer:
    """Clients that connect, ask once, and come again at once; what they did not get."""

    def __init__(self, port, count=6):
        self.port, self.problems, self.answered = port, [], 0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.stopping.is_set():
            try:
                with Wire(self.port) as wire:
                    assert wire.ask(get(b"/")).body == b"ok"
                    self.answered += 1
            except (OSError, AssertionError) as problem:
                self.problems.append(repr(problem))

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout=patience(30))
            assert not thread.is_alive()
        return self.problems


def test_one_of_two_goes_and_nobody_is_reset(start):
    """A successor at the same port, and a notice: who is connecting meanwhile finds one of them."""
    now = start(notice_ms=700)
    hammer = Hammer(now.port)
    for _ in range(4):
        successor = start(notice_ms=700, listen=f"127.0.0.1:{now.port}")
        now.send(signal.SIGTERM)
        assert now.wait() == 0
        now = successor
    assert hammer.stop() == [] and hammer.answered > 100


def test_a_port_can_be_shared(start):
    first = start()
    second = start(listen=f"127.0.0.1:{first.port}")
    for _ in range(50):
        with second.connect() as wire:
            assert wire.ask(get(b"/")).body == b"ok"


@pytest.mark.parametrize("address", ["127.0.0.1", "nonsense", ":70000", "1.2.3.4.5:80", "[::1:80",
                                     "192.0.2.1:0", ""])
def test_an_address_that_cannot_be_used(tmp_path, address):
    responder = Process("http-responder",
                        [build_folder() / "tests/http-responder", f"--listen={address}"], tmp_path)
    responder.start()
    assert responder.wait() == 2
    assert "listen_failed" in responder.log.read_text()


@pytest.mark.parametrize("address, host", [(":0", "127.0.0.1"), (":0", "::1"), ("[::1]:0", "::1"),
                                           ("localhost:0", "localhost")])
def test_addresses(start, address, host):
    responder = start(listen=address)
    with socket.create_connection((host, responder.port), timeout=patience(5)) as connection:
        connection.sendall(get(b"/about", b"Connection: close\r\n"))
        answer = b""
        while data := connection.recv(65536):
            answer += data
    peer = answer.split(b"\r\n\r\n")[1].split(b"\n")[3].decode()
    assert peer == ("127.0.0.1" if host == "127.0.0.1" else peer) and peer in ("127.0.0.1", "::1")
