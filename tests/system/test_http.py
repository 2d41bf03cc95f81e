"""The HTTP server, by raw sockets: answers, how they are delivered, bodies."""

import email.utils
import random
import time

import pytest

from harness.process import wait_until
from harness.responder import (HOST, LAST, METHOD_GET, METHOD_OPTIONS, METHOD_POST, METHOD_UNKNOWN,
                               chunk, chunked, get, post, responder, start, wire)


# ---- answers ----

def test_an_answer_and_its_fields(wire):
    for _ in range(3):
        answer = wire.ask(get(b"/"))
        assert (answer.status, answer.body) == (200, b"ok")
        assert [name for name, _ in answer.fields] == ["Date", "Content-Type", "Content-Length"]
        date = email.utils.parsedate_to_datetime(answer.field("Date"))
        assert abs(date.timestamp() - time.time()) < 5


def test_head_has_the_length_but_no_body(wire):
    wire.send(b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n" + get(b"/"))
    answer = wire.answer(is_head=True)
    assert answer.field("Content-Length") == "2"
    assert wire.answer().body == b"ok"


def test_no_content_has_no_length(wire):
    answer = wire.ask(get(b"/empty"))
    assert (answer.status, answer.field("Content-Length")) == (204, None)
    assert wire.ask(get(b"/")).body == b"ok"


def about(answer):
    assert answer.status == 200
    method, path, query, peer, *tests = answer.body.decode().split("\n")[:-1]
    return int(method), path, query, peer, tests


@pytest.mark.parametrize("request_line, method, path, query", [
    (b"GET /about?a=b%20c HTTP/1.1", METHOD_GET, "/about", "a=b%20c"),
    (b"GET /about? HTTP/1.1", METHOD_GET, "/about", ""),
    (b"GET http://elsewhere:80/about?x HTTP/1.1", METHOD_GET, "/about", "x"),
    (b"OPTIONS * HTTP/1.1", METHOD_OPTIONS, "*", ""),
    (b"OPTIONS http://elsewhere HTTP/1.1", METHOD_OPTIONS, "*", ""),
    (b"POST /about HTTP/1.1", METHOD_POST, "/about", ""),
    (b"BREW /about HTTP/1.1", METHOD_UNKNOWN, "/about", ""),
    (b"TRACE /about HTTP/1.1", METHOD_UNKNOWN, "/about", ""),
])
def test_what_the_application_sees(wire, request_line, method, path, query):
    fields = b"X-Test: one\r\nX-Other: x\r\nx-TEST:\t two \r\n"
    answer = wire.ask(request_line + b"\r\n" + HOST + fields + b"\r\n")
    assert about(answer) == (method, path, query, "127.0.0.1", ["one", "two"])


def test_an_absolute_target_without_a_path_is_the_root(wire):
    assert wire.ask(b"GET http://test HTTP/1.1\r\n" + HOST + b"\r\n").body == b"ok"
    assert wire.ask(b"GET http://test?x HTTP/1.1\r\n" + HOST + b"\r\n").body == b"ok"


def test_an_empty_line_before_a_request_is_skipped(wire):
    wire.send(post(b"x") + b"\r\n" + get(b"/"))
    assert wire.answer().body == b"x"
    assert wire.answer().body == b"ok"


def test_http_1_0_closes_unless_asked_to_stay(responder):
    with responder.connect() as wire:
        answer = wire.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert answer.field("Connection") == "keep-alive"
        answer = wire.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert (answer.body, answer.field("Connection")) == (b"ok", "close")
        assert wire.is_closed()


def test_connection_close_is_obeyed(wire):
    wire.send(get(b"/", b"Connection: close\r\n") + get(b"/"))
    assert wire.answer().field("Connection") == "close"
    assert wire.is_closed()


def test_an_application_may_close(wire):
    wire.send(get(b"/slow?ms=50") + get(b"/close") + get(b"/"))
    assert wire.answer().body == b"slow 50"
    answer = wire.answer()
    assert (answer.body, answer.field("Connection")) == (b"bye", "close")
    assert answer.field("X-Further") == "field"
    assert wire.is_closed()


def test_what_waits_behind_a_closing_answer_is_gone(responder):
    with responder.connect() as wire:
        # The slow one was handed over before the other closed the connection under it.
        wire.send(get(b"/slow?ms=100") + get(b"/slow?ms=60000") + get(b"/close"))
        assert wire.answer().body == b"slow 100"
        assert wire.is_silent(0.2)
        wire.reset()
    wait_until("gone", lambda: responder.counts()["gone"] == 1)


# ---- delivery ----

def test_requests_that_come_byte_by_byte(wire):
    wire.send_slowly(post(b"hello", fields=b"X: y\r\n"))
    assert wire.answer().body == b"hello"
    wire.send_slowly(chunked(b"5;x=y\r\nhello\r\n", chunk(b" there"), b"0\r\nX: y\r\n\r\n"))
    assert wire.answer().body == b"hello there"


def test_every_cut_in_two(wire):
    data = post(b"abc") + chunked(chunk(b"abc"), LAST)
    for at in range(1, len(data)):
        wire.send(data[:at])
        if at % 7 == 0:
            time.sleep(0.001)
        wire.send(data[at:])
        assert [wire.answer().body, wire.answer().body] == [b"abc", b"abc"]


def test_a_hundred_pipelined_requests(wire):
    wire.send(b"".join(post(str(i).encode()) for i in range(100)))
    assert [int(wire.answer().body) for _ in range(100)] == list(range(100))


def test_answers_come_in_the_order_of_the_requests(wire):
    delays = [60, 0, 30, 90, 10, 0, 50] * 20  # more than may be under way at once
    wire.send(b"".join(get(f"/slow?ms={ms}".encode()) for ms in delays))
    assert [wire.answer().body for _ in delays] == [f"slow {ms}".encode() for ms in delays]


def test_no_more_than_its_share_is_under_way(responder):
    with responder.connect() as wire:
        before = responder.counts()["requests"]
        asked = iter(range(1, 1000))

        def under_way():
            """Asking is a request, too."""
            return responder.counts()["requests"] - before - next(asked)

        wire.send(get(b"/slow?ms=2000") * 100)
        wait_until("its share to be under way", lambda: under_way() == 64)
        assert [under_way() for _ in range(5)] == [64] * 5
        assert [wire.answer().body for _ in range(100)] == [b"slow 2000"] * 100


def test_a_long_body(start):
    responder = start(body_bytes_max=4000000, output_bytes_max=8000000)
    body = random.Random(1).randbytes(3000000)
    with responder.connect() as wire:
        assert wire.ask(post(body)).body == body
        parts = [body[at:at + 70000] for at in range(0, len(body), 70000)]
        assert wire.ask(chunked(*map(chunk, parts), LAST)).body == body
        assert wire.ask(get(b"/")).body == b"ok"


def test_a_client_that_has_shut_its_side_gets_its_answers(wire):
    wire.send(get(b"/slow?ms=100") * 70 + post(b"last"))
    wire.half_close()
    assert [wire.answer().body for _ in range(70)] == [b"slow 100"] * 70
    assert wire.answer().body == b"last"
    assert wire.is_closed()


def test_a_client_that_goes_away_is_told_to_the_application(responder):
    wire = responder.connect()
    wire.send(get(b"/slow?ms=60000") * 3)
    wait_until("requests", lambda: responder.counts()["requests"] >= 4)
    wire.reset()
    wait_until("gone", lambda: responder.counts()["gone"] == 3)
    wait_until("closed", lambda: responder.counts()["connections"] == 1)


# ---- bodies ----

def test_no_body_for_whom_there_is_none(wire):
    answer = wire.ask(post(b"x", path=b"/"))
    assert (answer.status, answer.field("Connection")) == (413, "close")
    assert wire.is_closed()


def test_a_body_over_the_cap_is_refused_by_its_head_alone(start):
    responder = start(body_bytes_max=10)
    with responder.connect() as wire:
        assert wire.ask(post(b"0123456789")).body == b"0123456789"
        wire.send(b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 11\r\n\r\n")
        assert wire.answer().status == 413
        wire.send(get(b"/"))  # what is taken for its body is not a request
        assert wire.is_closed()


def test_whoever_is_still_sending_hears_the_refusal(start):
    responder = start(body_bytes_max=10)
    for _ in range(5):
        with responder.connect() as wire:
            wire.send(post(b"x" * 500000))
            assert wire.answer().status == 413


def test_a_chunked_body_over_the_cap(start):
    responder = start(body_bytes_max=10)
    with responder.connect() as wire:
        assert wire.ask(chunked(chunk(b"01234"), chunk(b"56789"), LAST)).body == b"0123456789"
        assert wire.ask(chunked(chunk(b"01234"), chunk(b"567890"))).status == 413
        assert wire.is_closed()


@pytest.mark.parametrize("body", [
    b"5\r\nhello", b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n", b"5\r\nhello\r\n0\r\nX: y\r\n", b"5\r\nhel", b"5",
    b"",
])
def test_a_chunked_body_cut_short_is_nobodys_request(responder, body):
    with responder.connect() as wire:
        wire.send(chunked(body))
        wire.half_close()
        assert wire.answer().status == 400
        assert wire.is_closed()
    assert responder.counts()["requests"] == 1  # the question itself


@pytest.mark.parametrize("body", [
    b"x\r\n", b"5 \r\nhello\r\n", b"5\nhello\r\n", b"5\r\nhelloX\r\n", b"5\r\nhello\n", b"-5\r\n", b"0x5\r\n",
    b"5;a\nb\r\nhello\r\n", b"ffffffffffffffff1\r\n", b"0\r\nX : y\r\n\r\n", b"0\r\n y\r\n\r\n",
    b"5;" + b"x" * 300 + b"\r\nhello\r\n", b"0\r\nX: " + b"x" * 5000 + b"\r\n\r\n",
])
def test_a_malformed_chunked_body(responder, body):
    with responder.connect() as wire:
        assert wire.ask(chunked(body)).status == 400
        assert wire.is_closed()
    assert responder.counts()["requests"] == 1


def test_expect_100_continue(wire):
    body = b"hello"
    data = post(body, fields=b"Expect: 100-continue\r\n")
    wire.send(data[:-len(body)])
    assert wire.interim() == b"HTTP/1.1 100 Continue"
    assert wire.ask(body).body == body
    wire.send(chunked(fields=b"Expect: 100-continue\r\n"))
    assert wire.interim() == b"HTTP/1.1 100 Continue"
    assert wire.ask(chunk(body) + LAST).body == body


def test_no_100_where_none_is_needed(wire):
    assert wire.ask(post(b"hello", fields=b"Expect: 100-continue\r\n")).body == b"hello"
    assert wire.ask(post(b"", fields=b"Expect: 100-continue\r\n")).body == b""
    wire.send(b"POST /echo HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
    assert wire.is_silent(0.1)
    assert wire.ask(b"x").body == b"x"


def test_100_waits_for_the_answers_before_it(wire):
    wire.send(get(b"/slow?ms=100") + post(b"x", fields=b"Expect: 100-continue\r\n")[:-1])
    assert wire.answer().body == b"slow 100"
    assert wire.interim() == b"HTTP/1.1 100 Continue"
    assert wire.ask(b"x").body == b"x"


def test_no_100_for_a_body_that_is_too_long(start):
    responder = start(body_bytes_max=4)
    with responder.connect() as wire:
        assert wire.ask(post(b"hello", fields=b"Expect: 100-continue\r\n")[:-5]).status == 413
        assert wire.is_closed()
