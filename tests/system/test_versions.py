"""Programs of two versions talk to each other: what a later one writes is read, or refused, as the
rule says (DESIGN.md, "What may change between versions")."""

import threading
import time

import pytest

from harness.process import patience, wait_until
from harness.stream import Stream
from harness.words import BOOK, CONFIRMED, GRANTED, pack, unpack


@pytest.fixture
def sale(world):
    world.show("gala", {"STD": (1000, 100)}, number=1)
    world.start()
    yield world
    world.judge()


def test_an_answer_of_a_later_version_is_understood(sale):
    """Published by an allocator that has more to say, everywhere where there may be more."""
    sale.allocators[0].sigstop()
    redis, answers = sale.redis_client(), []
    asking = threading.Thread(target=lambda: answers.append(
        sale.client().book("gala", "ann", "STD", 1, prefer="wait=20")))
    asking.start()
    _, fields = wait_until("the request", lambda: redis.xrange(sale.keys().requests))[0]
    raw, op, show, user, _, fingerprint, reply_to = unpack(fields[b"b"])[0][:7]
    now = int(time.time() * 1000)
    later = ["later", {"a": 1}]
    booking = [raw, user, CONFIRMED, now, 0, 1000, [[1, 1, 1000, *later]], None, *later]
    answer = pack([GRANTED, now, op, fingerprint, show, booking, 99, 0, None, *later])
    message = pack([1, [[raw, 0, answer, *later]], *later])
    redis.publish(b"usher:replies:" + (reply_to if isinstance(reply_to, bytes)
                                       else reply_to.encode()), message)
    asking.join(patience(30))
    assert answers[0].status == 201 and answers[0].json["quantity"] == 1
    # The same, read where it is kept.
    sale.allocators[0].cont()
    wait_until("the decision", lambda: sale.value("SELECT count(*) FROM bookings") == 1)


def test_a_report_of_a_later_version_is_read(sale):
    """Its fields that are unknown are passed over, and metrics that have other rows."""
    redis, client = sale.redis_client(), sale.client()
    sale.allocators[0].sigstop()
    redis.hset(sale.keys().status, mapping={"later": "1", "rate": "777", "metrics": "1 2 3;"})
    time.sleep(0.6)
    health = client.get("/health")
    assert health.status == 200 and health.json["allocators"][0]["status"] == "ok"
    assert b"usher_decisions_total{" not in client.get("/metrics").body
    redis.hset(sale.keys().status, "state", "dreaming")
    wait_until("the state", lambda: client.get("/health").status == 503)
    assert client.get("/health").json["allocators"][0]["state"] == "dreaming"
    sale.allocators[0].cont()
    wait_until("its own report", lambda: client.get("/health").status == 200)
    assert client.book("gala", "ann", "STD", 1).status == 201


def test_a_request_of_a_later_version_is_refused(sale):
    """Whole: what is not known may be what makes another request of it. The queue goes on."""
    stream = Stream(sale.redis_client())
    raw, fields = stream.request(BOOK, user="later")
    later = [(raw, fields + [None, "later"]), stream.request(99, user="later"),
             stream.request(BOOK, user="later", lines=[(1, 1, "later")])]
    for request in later:
        stream.append(request)
    assert stream.ask(BOOK, user="now").code == GRANTED
    assert len(sale.allocators[0].events("entry_refused")) == len(later)
    assert sale.value("SELECT count(*) FROM bookings WHERE user_id = 'later'") == 0
