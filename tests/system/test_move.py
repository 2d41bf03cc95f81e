"""A show moves to another partition while it sells: nothing is lost, nothing is decided twice."""

import time

import pytest

from harness.mischief import TIERS, finish
from harness.process import wait_until
from harness.stream import Stream
from harness.words import (ADMIN, BOOK, GRANTED, HOLD, INVALID, NOT_FOUND, SOLD_OUT, TIMED_OUT,
                           fresh_id, keyed_id)
from test_admin import HASHES, Operator


@pytest.fixture
def two(world):
    """Two partitions, an allocator for each and one that stands by; `gala` begins in the first."""
    world.show("gala", TIERS, max_per_booking=10, hold_seconds=2)
    world.show("other", {"GA": (100, 50)}, partition=1)
    assert world.ctl("partition", "add", 2).code == 0
    world.start(allocators=3, gateways=0)
    for partition in (1, 2):
        world.wait_owner(partition)
    world.streams = {n: Stream(world.redis_client(), n) for n in (1, 2)}
    return world


def move(world, to, show=1, **more):
    """Straight through the queue of the partition that has it."""
    at = world.value("SELECT partition FROM shows WHERE show = %s", show)
    return world.streams[at].ask(ADMIN, show=show, user="olga", lines=("show.move", {"to": to}),
                                 **more)


def book(world, partition, op=BOOK, **more):
    """In this partition's stream; the answer, wherever it is given."""
    stream = world.streams[partition]
    request = stream.request(op, **more)
    stream.append(request)
    return wherever(world, request[0])


def wherever(world, raw, seconds=15):
    for n in (1, 2):
        assert world.streams[n].keys.requests
    where = wait_until("an answer", lambda: next(
        (n for n in (1, 2) if world.streams[n].answers.get(raw)), None), seconds)
    return where, world.streams[where].answer(raw)


def test_a_show_moves_there_and_back(two):
    assert book(two, 1, user="ann", lines=((1, 2),))[1].code == GRANTED
    held = book(two, 1, op=HOLD, user="hal", lines=((2, 1),))[1].booking["id"]
    answer = move(two, 2)
    assert (answer.code, answer.told) == (GRANTED, '{"partition": 2}')
    assert two.value("SELECT partition FROM shows WHERE show = 1") == 2
    where, answer = book(two, 2, user="bob", lines=((1, 1),))
    assert (where, answer.code) == (2, GRANTED)
    where, answer = book(two, 1, user="carl", lines=((1, 1),))  # sent to where it was
    assert (where, answer.code) == (2, GRANTED)
    assert book(two, 1, show=2, user="ann", lines=((1, 1),))[0] == 1  # the other one stayed
    wait_until("the hold to end in time", lambda: two.value(
        "SELECT status FROM bookings WHERE id = %s", held.hex()) == "EXPIRED")
    versions = {r["partition"]: r["version"] for r in two.rows("SELECT * FROM partitions")}
    assert move(two, 1).code == GRANTED
    assert book(two, 2, user="dora", lines=((1, 1),))[0] == 1
    assert two.value("SELECT version FROM partitions WHERE partition = 1") >= versions[2]
    assert [row["action"] for row in two.rows(
        "SELECT action FROM audit WHERE request IS NOT NULL")] == ["show.move"] * 2
    two.judge()


def test_a_show_that_cannot_move_stays(two):
    for settings in ({"to": 1}, {"to": 9}, {}, {"to": "x"}, {"to": None}):
        answer = two.streams[1].ask(ADMIN, user="olga", lines=("show.move", settings))
        assert answer.code == INVALID and answer.told, settings
    assert two.ctl("partition", "add", 3).code == 0
    for allocator in two.allocators:
        if allocator not in (two.owner(1), two.owner(2)):
            allocator.stop()
    two.rows("UPDATE partitions SET heartbeat = '-infinity' WHERE partition = 3 RETURNING 1 AS n")
    answer = two.streams[1].ask(ADMIN, user="olga", lines=("show.move", {"to": 3}))
    assert answer.code == INVALID and "no allocator" in answer.told
    assert two.value("SELECT partition FROM shows WHERE show = 1") == 1
    where, answer = book(two, 2, show=9, user="ann")
    assert (where, answer.code) == (2, NOT_FOUND)  # there is no such show anywhere
    where, answer = book(two, 2, show=2, user="ann")
    assert (where, answer.code) == (2, NOT_FOUND)  # it never was here: nobody hands it on
    two.judge()


def test_a_repeated_request_gets_its_first_answer_across_the_move(two):
    full = {"user": "ann", "lines": ((3, 10),)}
    keys = {name: keyed_id(1, name) for name in ("granted", "refused")}
    assert book(two, 1, raw=keys["granted"], user="ann", lines=((1, 1),))[1].code == GRANTED
    taken = two.value("SELECT available FROM tiers WHERE show = 1 AND tier = 3")
    while taken >= 10:
        assert book(two, 1, **full)[1].code == GRANTED
        taken -= 10
    if taken:
        assert book(two, 1, user="bea", lines=((3, taken),))[1].code == GRANTED
    first = book(two, 1, raw=keys["refused"], user="zoe", lines=((3, 1),))[1]
    assert first.code == SOLD_OUT
    fresh = two.streams[1].request(BOOK, user="zoe", lines=((3, 1),))
    two.streams[1].append(fresh)
    refused = two.streams[1].answer(fresh[0])
    assert move(two, 2).code == GRANTED
    two.streams[2].ask(ADMIN, user="olga", lines=("inventory.add", {"tier": 3, "quantity": 5}))
    for raw, code in ((keys["granted"], GRANTED), (keys["refused"], SOLD_OUT)):
        again = two.streams[2].request(BOOK, raw=raw, user="x", lines=((3, 1),))
        two.streams[2].append(again)
        answer = two.streams[2].answer(raw)
        assert answer.code == code
        if code == SOLD_OUT:
            assert answer.at_ms == first.at_ms
    two.streams[2].append(fresh)
    assert two.streams[2].answer(fresh[0]).at_ms == refused.at_ms
    two.judge()


def test_the_first_answer_is_found_though_redis_has_lost_it_where_it_was_given(two):
    """The journal has it: whether or not the owner there has said it again yet."""
    taken = two.value("SELECT available FROM tiers WHERE show = 1 AND tier = 3")
    while taken:
        assert book(two, 1, user="ann", lines=((3, min(taken, 10)),))[1].code == GRANTED
        taken -= min(taken, 10)
    raw = keyed_id(1, "refused")
    first = book(two, 1, raw=raw, user="zoe", lines=((3, 1),))[1]
    assert first.code == SOLD_OUT
    assert move(two, 2).code == GRANTED
    for allocator in two.allocators:
        allocator.stop()
    redis = two.redis_client()
    for key in redis.scan_iter("usher:{1}:*"):
        redis.delete(key)
    two.start_allocator(partition=2)
    two.streams[2].ask(ADMIN, user="olga", lines=("inventory.add", {"tier": 3, "quantity": 5}))
    again = two.streams[2].request(BOOK, raw=raw, user="zoe", lines=((3, 1),))
    two.streams[2].append(again)
    answer = two.streams[2].answer(raw)
    assert (answer.code, answer.at_ms) == (SOLD_OUT, first.at_ms)


def test_what_was_granted_elsewhere_is_found_in_this_stream(two):
    """It was handed over from here, and stands here still: the show is back before that was committed.
    Nothing but its row in Postgres says what became of it."""
    assert move(two, 2).code == GRANTED
    request = two.streams[2].request(BOOK, user="ann", lines=((3, 1),))
    two.streams[2].append(request)
    first = two.streams[2].answer(request[0], 15)
    assert first.code == GRANTED
    taken = two.value("SELECT available FROM tiers WHERE show = 1 AND tier = 3")
    while taken:
        assert book(two, 2, user="bob", lines=((3, min(taken, 10)),))[1].code == GRANTED
        taken -= min(taken, 10)
    assert move(two, 1).code == GRANTED
    redis = two.redis_client()
    for key in redis.scan_iter("usher:{2}:answers:*"):
        redis.delete(key)
    two.streams[1].append(request)
    again = two.streams[1].answer(request[0], 15)
    assert (again.code, again.at_ms) == (GRANTED, first.at_ms)
    two.judge()


def test_a_deadline_that_has_passed_here_has_passed_there(two):
    """The new owner's clock is never behind what the old one's was."""
    ahead = two.value("UPDATE partitions SET now_ms = now_ms + 3600000 WHERE partition = 1"
                      " RETURNING now_ms")
    two.owner(1).kill9()
    two.wait_owner(1)
    assert move(two, 2, deadline_ms=7_200_000).code == GRANTED
    where, answer = book(two, 2, user="ann", deadline_ms=60_000)
    assert (where, answer.code) == (2, TIMED_OUT) and answer.at_ms >= ahead
    two.judge()


def test_those_who_poll_are_told_what_the_old_partition_refused(two):
    two.start_gateway(admin_token_hashes=HASHES)
    client, olga = two.client(), Operator(two.client())
    assert olga.post("/shows/gala/close").status == 200
    refused = client.book("gala", "ann", "A", 1)
    assert refused.code == "SALE_CLOSED"
    path = "/v1/requests/" + refused.header("X-Request-Id")
    assert client.get(path).code == "SALE_CLOSED"
    assert olga.post("/shows/gala/move", {"to": 2}).json["result"] == {"partition": 2}
    wait_until("the new place to be known", lambda: olga.get("/shows")["shows"][0]["partition"] == 2)
    for _ in range(30):  # by the old place and by the new one
        assert client.get(path).code == "SALE_CLOSED"
        time.sleep(0.05)
    assert olga.post("/shows/gala/open").status == 200
    assert client.book("gala", "ann", "A", 1).status == 201
    two.judge()


def test_a_partition_is_drained(two):
    two.start_gateway(admin_token_hashes=HASHES)
    result = two.ctl("partition", "drain", 1, "--to", 2)
    assert result.code == 0 and "2 shows moved" in result.out, result
    assert two.value("SELECT count(*) FROM shows WHERE partition = 1") == 0
    assert two.ctl("show", "move", "other", "--to", 1).code == 0
    assert book(two, 2, show=2, user="ann")[0] == 1
    two.judge()


def test_it_moves_while_it_sells(two):
    two.start_gateway(admin_token_hashes=HASHES)
    two.start_gateway()
    olga = Operator(two.client())
    crowd = two.crowd("gala").start_traffic(24, list(TIERS))
    for at in range(6):
        crowd.await_decided(60)
        answer = olga.post("/shows/gala/move", {"to": at % 2 * -1 + 2})
        assert answer.status in (200, 422), answer
    assert len(two.rows("SELECT 1 AS n FROM show_moves")) >= 3
    finish(two, crowd)


@pytest.mark.parametrize("victim", ["old", "new", "both"])
def test_owners_die_while_it_moves(two, victim):
    two.start_gateway(admin_token_hashes=HASHES)
    crowd = two.crowd("gala").start_traffic(24, list(TIERS))
    for at in range(4):
        crowd.await_decided(40)
        to = 2 - at % 2
        here = 3 - to
        raw = fresh_id(1, int(time.time() * 1000), random=at)
        request = two.streams[here].request(ADMIN, raw=raw, user="olga",
                                            lines=("show.move", {"to": to}))
        two.streams[here].append(request)
        time.sleep(0.004 * at)  # each time a little later in what it takes
        for partition in {"old": [here], "new": [to], "both": [here, to]}[victim]:
            owner = two.wait_owner(partition)
            owner.kill9()
            two.start_allocator()
        wait_until("it to be there", lambda to=to: two.value(
            "SELECT partition FROM shows WHERE show = 1") == to or two.rows(
            "SELECT 1 AS n FROM audit WHERE request = %s", raw.hex()), 30)
    for partition in (1, 2):
        two.wait_owner(partition)
    finish(two, crowd)
