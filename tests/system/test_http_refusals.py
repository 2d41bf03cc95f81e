"""The HTTP server, by raw sockets: what it refuses, and whatever else comes."""

import random

import pytest

from harness.process import is_slow_build, wait_until
from harness.responder import LAST, chunk, chunked, get, is_ended, post, responder, start, wire


# ---- refusals ----

def head(*lines):
    return b"\r\n".join(lines) + b"\r\n\r\n"


REFUSED = {
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
    "http_0_9": (b"GET /\r\n", 400),
    "no_host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two_hosts": (head(b"GET / HTTP/1.1", b"Host: a", b"Host: a"), 400),
    "bad_host": (head(b"GET / HTTP/1.1", b"Host: a b"), 400),
    "space_before_colon": (head(b"GET / HTTP/1.1", b"Host : a"), 400),
    "folding": (head(b"GET / HTTP/1.1", b"Host: a", b"X: y", b" z"), 400),
    "bare_lf": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "nul": (head(b"GET / HTTP/1.1", b"Host: a", b"X: \0"), 400),
    "control": (head(b"GET / HTTP/1.1", b"Host: a", b"X: \x7f"), 400),
    "two_lengths": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Content-Length: 1",
                         b"Content-Length: 1"), 400),
    "length_list": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Content-Length: 1,1"), 400),
    "length_sign": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Content-Length: +1"), 400),
    "length_tab": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Content-Length: 1\t"), 400),
    "length_huge": (head(b"POST /echo HTTP/1.1", b"Host: a",
                         b"Content-Length: 18446744073709551617"), 413),
    "both": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Content-Length: 6",
                  b"Transfer-Encoding: chunked") + LAST, 400),
    "both_other_order": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked",
                              b"Content-Length: 6") + LAST, 400),
    "gzip_chunked": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Transfer-Encoding: gzip, chunked"),
                     400),
    "xchunked": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Transfer-Encoding: xchunked"), 400),
    "two_encodings": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked",
                           b"Transfer-Encoding: identity"), 400),
    "chunked_1_0": (head(b"POST /echo HTTP/1.0", b"Transfer-Encoding: chunked") + LAST, 400),
    "http_2": (b"GET / HTTP/2.0\r\n\r\n", 505),
    "http_1_2": (b"GET / HTTP/1.2\r\n\r\n", 505),
    "connect": (head(b"CONNECT a:80 HTTP/1.1", b"Host: a"), 501),
    "expectation": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Expect: much"), 417),
    "long_target": (b"GET /" + b"x" * 3000, 414),
    "long_head": (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000, 431),
    "many_fields": (head(b"GET / HTTP/1.1", *[b"X: y"] * 100), 431),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_head_ends_the_connection(responder, name):
    data, status = REFUSED[name]
    with responder.connect() as wire:
        wire.send(get(b"/slow?ms=50") + data + b"G" + get(b"/"))
        assert wire.answer().body == b"slow 50"  # the refusal waits for its turn
        answer = wire.answer()
        assert (answer.status, answer.field("Connection")) == (status, "close")
        assert answer.field("X-Refusal") == "yes"
        assert answer.body.startswith(str(status).encode())
        assert wire.is_closed()
    assert responder.counts()["requests"] == 2


def test_a_request_hidden_in_a_body_is_a_body(wire):
    hidden = get(b"/close")
    wire.send(post(hidden) + chunked(chunk(hidden), LAST) + get(b"/"))
    assert [wire.answer().body for _ in range(3)] == [hidden, hidden, b"ok"]


def test_a_mebibyte_of_head(responder):
    with responder.connect() as wire:
        try:
            wire.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 1048576)
        except OSError:
            pass
        try:
            assert wire.answer().status == 431
        except ConnectionResetError:
            pass  # it went on sending for longer than anybody has to listen
    assert responder.counts()["requests"] == 1


# ---- whatever else comes ----

def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(4)
        if what == 0:
            data[at:at + 1] = bytes([rng.choice([0, 9, 10, 13, 32, 44, 58, 127, 255])])
        elif what == 1:
            del data[at:at + rng.randrange(1, 9)]
        elif what == 2:
            data[at:at] = data[rng.randrange(len(data) + 1):][:rng.randrange(1, 30)]
        else:
            data[at:at] = rng.choice([b"\r\n", b"\n", b"0\r\n\r\n", b"Content-Length: 3\r\n",
                                      b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n"])
    return bytes(data)


def test_mutated_requests(start):
    """Whatever comes: it lives, every answer is an answer, and others do not notice."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    responder = start(head_ms=100, body_ms=100, idle_ms=100)
    seeds = [get(b"/"), post(b"hello"), chunked(chunk(b"hello"), b"0\r\nX: y\r\n\r\n"),
             get(b"/slow?ms=3"), post(b"x", fields=b"Expect: 100-continue\r\n"), get(b"/close"),
             get(b"/big?bytes=70000"), b"HEAD / HTTP/1.0\r\n\r\n"]
    for _ in range(100 if is_slow_build() else 400):
        data = b"".join(rng.choice(seeds) for _ in range(rng.randrange(1, 5)))
        with responder.connect() as wire:
            data = mutate(rng, data)
            for at in sorted(rng.randrange(len(data)) for _ in range(rng.randrange(3))):
                wire.send(data[:at])
                data = data[at:]
            wire.send(data)
            if rng.randrange(3) == 0:
                wire.reset()
                continue
            if rng.randrange(2) == 0:
                wire.half_close()
                assert is_ended(wire) or wait_until("its end", lambda: is_ended(wire))
    assert responder.connect().ask(get(b"/")).status == 200
