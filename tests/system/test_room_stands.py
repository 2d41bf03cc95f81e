"""Waiting rooms' numbers and draws, and that they stand whatever happens."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import draw
from harness.process import wait_until
from harness.room import FAST, admitted, is_on, join, joined, keys_of, opened, place, room, wait_state


@pytest.fixture
def gala(world):
    """`gala` has six places of GA, and a world that signs tickets."""
    world.show("gala", {"GA": (1000, 6)}, max_per_user=4, max_per_booking=4)
    world.start(gateways=0)
    world.start_gateway(ticket_keys=keys_of(world))
    return world


@pytest.fixture
def client(gala):
    return gala.client()


# The draw.

def drawn(world, client, people, *words):
    """People who came before the opening, and the room after it."""
    room(world, "--opens-at", "2099-01-01T00:00:00Z", "--rate", FAST, *words)
    places = joined(client, *[f"u{i}" for i in range(people)])
    assert {one["state"] for one in places} == {"draw"}
    assert {one["key"] for one in places} == {None} and {one["number"] for one in places} == {None}
    room(world, "--opens-at", "now")
    wait_until("the opening", lambda: client.get("/v1/shows/gala/queue").json["key"])
    return places, client.get("/v1/shows/gala/queue").json


def check_draw(client, places, after):
    key = bytes.fromhex(after["key"])
    count = after["arrivals"]
    assert draw.commitment_of(key).hex() == after["commitment"] == places[0]["commitment"]
    numbers = [place(client, one["ticket"])["number"] for one in places]
    assert numbers == [draw.number_of(key, count, one["arrival"]) for one in places]
    return numbers


def test_who_came_before_the_opening_is_drawn_and_the_draw_can_be_checked(gala, client):
    places, after = drawn(gala, client, 20, "--pause")
    assert after["arrivals"] == 20 and after["state"] == "paused"
    numbers = check_draw(client, places, after)
    assert sorted(numbers) == list(range(1, 21)) and numbers != sorted(numbers)
    late = joined(client, "late")[0]
    assert late["number"] == late["arrival"] == 21
    for source in ("gala", gala.folder / "draw.json"):
        (gala.folder / "draw.json").write_text(json.dumps(after))
        result = gala.ctl("draw", "verify", source, "--arrival", 1, "--arrival", 20,
                          "--arrival", 21)
        assert result.code == 0, result
        assert f"arrival 1 has number {numbers[0]}\narrival 20 has number {numbers[19]}\n" \
            "arrival 21 has number 21" in result.out
    forged = dict(after, key="00" * 32)
    (gala.folder / "draw.json").write_text(json.dumps(forged))
    result = gala.ctl("draw", "verify", gala.folder / "draw.json")
    assert result.code == 1 and "not the one that was committed to" in result.err


def test_the_key_is_nobodys_before_the_opening(gala, client):
    room(gala, "--opens-at", "2099-01-01T00:00:00Z")
    joined(client, "ann")
    assert gala.ctl("draw", "verify", "gala").code == 1
    for role in ("test_gateway", "test_allocator"):
        with gala.cluster.connect(gala.database, role) as connection:
            with connection.cursor() as cursor, pytest.raises(Exception, match="permission denied"):
                cursor.execute("SELECT key FROM room_keys")
    key = gala.value("SELECT key FROM room_keys")
    for name in gala.redis_client().scan_iter("*room*"):
        kind = gala.redis_client().type(name)
        held = gala.redis_client().hgetall(name) if kind == b"hash" else {}
        assert not any(bytes(key) in value for value in held.values())


def test_a_draw_is_held_once(gala, client):
    drawn(gala, client, 3, "--pause")
    for words in (["--opens-at", "2099-01-01T00:00:00Z"], ["--order", "arrival"]):
        result = gala.ctl("room", "set", "gala", *words)
        assert result.code == 1 and "stays as it was drawn" in result.err


# What may go wrong.

def test_no_number_is_given_twice_and_the_draw_stands_whatever_happens(gala, client):
    gala.start_allocator()
    places, after = drawn(gala, client, 12, "--pause")
    numbers = check_draw(client, places, after)
    seen = {one["arrival"] for one in places}

    def more():
        fresh = {one["arrival"] for one in joined(client, *[None] * 5)}
        assert len(fresh) == 5 and not fresh & seen
        seen.update(fresh)

    more()
    gala.redis_client().flushall()
    more()
    owner = gala.wait_owner()
    gala.expect_exit(owner)
    owner.kill9()
    more()
    old = gala.wait_owner(other_than=owner)
    gala.redis_client().flushall()
    more()
    assert check_draw(client, places, client.get("/v1/shows/gala/queue").json) == numbers
    assert old.alive()
    gala.judge()


def test_a_redis_with_an_old_file_gives_no_number_again(gala, client):
    room(gala, "--opens-at", "2099-01-01T00:00:00Z")
    joined(client, None, None)
    gala.redis_client().save()
    after_save = {one["arrival"] for one in joined(client, None, None, None)}
    gala.redis.kill9()
    gala.redis.start()
    fresh = {one["arrival"] for one in joined(client, None, None, None)}
    assert len(fresh) == 3 and not fresh & after_save


def test_a_rush_gets_a_number_each(gala, client):
    room(gala, "--opens-at", "2099-01-01T00:00:00Z")
    joined(client, None)
    with ThreadPoolExecutor(max_workers=20) as pool:
        clients = [gala.client() for _ in range(20)]
        answers = list(pool.map(
            lambda i: [join(clients[i]) for _ in range(20)], range(20)))
    places = [answer.json["arrival"] for some in answers for answer in some
              if answer.status == 201]
    assert len(places) == 400 and len(set(places)) == 400


def test_an_old_owner_that_wakes_moves_nothing(gala, client):
    gala.start_allocator(heartbeat_ms_max=500)
    opened(gala, client, "--rate", 60)
    tickets = [one["ticket"] for one in joined(client, *[None] * 6)]
    old = gala.wait_owner()
    old.send(signal.SIGSTOP)
    try:
        gala.wait_owner(other_than=old)
        seen = {one["arrival"] for one in joined(client, *[None] * 5)}
        assert not seen & set(range(1, 7)) and len(seen) == 5
        before = gala.value("SELECT serving FROM rooms")
    finally:
        old.cont()
    wait_until("the old one to be fenced", lambda: old.events("fenced") or old.events("away"))
    for ticket in tickets:
        wait_state(client, ticket, "admitted")
    assert gala.value("SELECT serving FROM rooms") >= max(6, before)
    fresh = {one["arrival"] for one in joined(client, *[None] * 5)}
    assert not fresh & seen and min(fresh) > max(seen)
    gala.judge()


def test_what_was_used_stays_used_whatever_happens(gala, client):
    gala.start_allocator()
    opened(gala, client)
    mine, other = admitted(client), admitted(client)
    assert client.book("gala", "ann", "GA", admission=mine["admission"]).status == 201
    gala.redis_client().flushall()
    gala.wait_owner()
    owner = gala.wait_owner()
    gala.expect_exit(owner)
    owner.kill9()
    gala.wait_owner(other_than=owner)
    gala.start_gateway(ticket_keys=keys_of(gala))
    client = gala.client(1)

    def decided(user, admission):
        return wait_until("a decision", lambda: (
            answer := client.book("gala", user, "GA", admission=admission)).status != 503 and answer)
    assert decided("bob", mine["admission"]).status == 403
    assert decided("bob", other["admission"]).status == 201
    gala.judge()


def test_keys_are_changed_without_throwing_anybody_out(gala, client):
    opened(gala, client)
    mine = joined(client, "ann")[0]
    gala.gateways[0].stop()
    new = f"9 {'ab' * 32}\n{draw.KEYS_FILE}"
    gala.start_gateway(ticket_keys=keys_of(gala, new))
    client = gala.client(1)
    admitted = wait_state(client, mine["ticket"], "admitted")
    assert client.book("gala", "ann", "GA", admission=admitted["admission"]).status == 201


def test_a_gateway_without_keys_lets_nobody_in(gala, client):
    opened(gala, client)
    gala.start_gateway()
    other = gala.client(1)
    wait_until("it to know", lambda: join(other).status == 503)
    assert other.book("gala", "ann", "GA", admission=draw.sign(2, 1, 1, 2 ** 47)).status == 403


def test_a_room_by_rule_is_on_while_requests_wait_for_long(gala, client):
    room(gala, "--mode", "auto", "--order", "arrival", "--rate", FAST)
    time.sleep(1.2)  # the owner has seen the room, and leaves it off
    assert client.get("/v1/shows/gala/queue").json["state"] == "off"
    owner = gala.wait_owner()
    owner.send(signal.SIGSTOP)
    try:
        answer = client.book("gala", "ann", "GA", prefer="respond-async")
        assert answer.status == 202, answer
        time.sleep(1.5)
    finally:
        owner.cont()
    wait_until("the room to be on", lambda: is_on(client))
    assert client.book("gala", "bob", "GA").status == 403
    mine = wait_state(client, joined(client, "bob")[0]["ticket"], "admitted")
    assert client.book("gala", "bob", "GA", admission=mine["admission"]).status == 201
    wait_until("it to be off again", lambda: not gala.value("SELECT active FROM rooms"), 40)
    wait_until("the gateway to know", lambda: not is_on(client))
    assert client.book("gala", "carl", "GA").status == 201
    gala.judge()


def test_verify_finds_what_is_wrong_with_admissions(gala, client):
    opened(gala, client)
    mine = admitted(client)
    assert client.book("gala", "ann", "GA", admission=mine["admission"]).status == 201
    gala.judge()
    key = gala.keys().of_generation(gala.redis_client().hget(gala.keys().state, "generation")
                                    .decode(), "admitted:1")
    gala.redis_client().setbit(key, 1, 0)
    gala.redis_client().setbit(key, 2, 1)
    gala.redis_client().setbit(key, 3, 1)
    result = gala.ctl("verify")
    assert result.code == 1, result
    assert "2 admissions are used in Redis, 1 in Postgres" in result.out
    assert "admission 1 is used in Postgres, not in Redis" in result.out
    gala.rows("UPDATE admissions SET number = 9 RETURNING number")
    result = gala.ctl("verify", "--postgres-only")
    assert result.code == 1 and "with admission 9, and the waiting room has let in 1" in result.out


def test_a_room_that_cannot_be_served_stops_nobody_else(gala, client):
    gala.show("matinee", {"GA": (1000, 6)})
    opened(gala, client)
    mine = joined(client, "ann")[0]
    wait_until("her to be called", lambda: gala.value("SELECT serving FROM rooms"))
    gala.rows("UPDATE rooms SET marks = 'nonsense' RETURNING show")
    owner = gala.wait_owner()
    wait_until("it to be said", lambda: owner.events("rooms_not_served"))
    for user in ("ann", "bob", "carl"):
        assert client.book("matinee", user, "GA").status == 201
    gala.rows("UPDATE rooms SET marks = '' RETURNING show")
    assert wait_state(client, mine["ticket"], "admitted")["admission"]
    assert not owner.events("batch_refused")
