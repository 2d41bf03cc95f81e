"""Streams that are taken up again: nothing is missed, and little is told twice."""

import random

import pytest

from harness.live import seats_after
from harness.live_world import listen, seats_world, start_rock
from harness.process import wait_until


@pytest.fixture
def rock(world):
    return start_rock(world)


def resumed(world, last, gateway=0, show="rock"):
    return listen(world, show, gateway, Last_Event_ID=last)


def test_whoever_has_it_all_is_told_nothing(rock):
    client = rock.client()
    with listen(rock) as listener:
        listener.wait_snapshot()
        last = listener.last_id()
    with resumed(rock, last) as again, listen(rock, query=f"?last_event_id={last}") as by_query:
        for one in (again, by_query):
            one.wait("the retry", lambda l: l.blocks)
        client.book("rock", "ann", "VIP", 1)
        for one in (again, by_query):
            one.wait_available(33)
            assert [event.type for event in one.events] == ["availability"]


def test_what_was_missed_is_told_once(rock):
    client = rock.client()
    rock.start_gateway()
    with listen(rock) as listener:
        listener.wait_snapshot()
        first = listener.last_id()
        for number in range(3):
            client.book("rock", f"user {number}", "STD", 1)
        listener.wait_available(31)
        last = listener.last_id()
    client.book("rock", "bob", "STD", 1)
    for gateway in (0, 1):
        for seen in (first, last):
            with resumed(rock, seen, gateway) as again:
                again.wait_available(30)
                assert len(again.of("availability")) == 1 or gateway == 1
                assert again.of("sale") == []


@pytest.mark.parametrize("last", ["1", "x", "1-2-3-4", "0" * 200, "18446744073709551615-0-0-0", "é"])
def test_an_id_that_is_none_gets_everything(rock, last):
    with resumed(rock, last) as listener:
        listener.wait_snapshot()
        assert [event.type for event in listener.events] == ["availability", "sale"]


def test_seats_are_resumed_from_where_one_was(world):
    client = seats_world(world)
    with listen(world, "hall") as listener:
        listener.wait("seats", lambda l: l.of("seats"))
        first = listener.last_id()
        client.book("hall", "ann", seats=["A-1"])
        listener.wait("the change", lambda l: len(l.of("seats")) == 2)
        client.book("hall", "bob", seats=["B-1"])
        listener.wait("another", lambda l: len(l.of("seats")) == 3)
        changes = listener.of("seats")[1:]
    with resumed(world, first, show="hall") as again:
        again.wait("both", lambda l: l.of("seats") == changes)
    # Another gateway knows no history: it gives all that there is, which is no less.
    world.start_gateway()
    with resumed(world, first, gateway=1, show="hall") as again:
        again.wait("seats", lambda l: l.of("seats"))
        told = again.of("seats")[0]
        assert told["complete"] and [s["id"] for s in told["seats"]] == ["A-1", "B-1"]
        last = again.last_id()
    with resumed(world, last, gateway=0, show="hall") as again:
        again.wait("the retry", lambda l: l.blocks)
        client.book("hall", "cid", seats=["C-1"])
        again.wait("the news", lambda l: l.of("seats"))
        assert [s["id"] for s in again.of("seats")[0]["seats"]] == ["C-1"]


def test_a_map_that_is_too_large_for_an_event(world):
    """`resync` says from which version on changes follow."""
    client = seats_world(world, [{"tier": "Stalls", "row": "A", "number": 1, "count": 700,
                                  "blocked": True},
                                 {"tier": "Stalls", "row": "B", "number": 1, "count": 5}])
    with listen(world, "hall") as listener:
        listener.wait("resync", lambda l: l.of("resync"))
        version = listener.of("resync")[0]["version"]
        client.book("hall", "ann", seats=["B-2"])
        listener.wait("the change", lambda l: l.of("seats"))
        assert listener.of("seats")[0]["since"] == version
        assert listener.of("seats")[0]["seats"] == [{"id": "B-2", "status": "booked"}]
        assert len(listener.of("resync")) == 1


def test_in_the_end_all_know_what_is_true(world):
    """Whatever happens, in whatever order: the last that each was told is what GET says."""
    client = seats_world(world, stream_interval_ms=20)
    world.start_gateway(stream_interval_ms=20)
    rng = random.Random(11)
    ids = [seat["id"] for seat in client.get("/v1/shows/hall/seats").json["seats"]]
    listeners = [listen(world, "hall", n % 2) for n in range(6)]
    history = {n: [] for n in range(6)}
    bookings = []
    for turn in range(120):
        if bookings and rng.random() < 0.4:
            client.cancel(bookings.pop(rng.randrange(len(bookings))))
        else:
            answer = client.hold("hall", f"user {turn}", seats=rng.sample(ids, rng.randrange(1, 4)))
            bookings += [answer.json["id"]] if answer.status == 201 else []
        if rng.random() < 0.2:  # somebody's network breaks, and she comes back to any gateway
            n = rng.randrange(6)
            listeners[n].close()
            history[n] += listeners[n].events
            last = listeners[n].last_id()  # of what she has got, to the end
            listeners[n] = listen(world, "hall", rng.randrange(2),
                                  **({"Last_Event_ID": last} if last else {}))
    wanted = {seat["id"]: seat["status"] for seat in client.get("/v1/shows/hall/seats").json["seats"]}
    def knows(n):
        counts = client.get("/v1/shows/hall/availability").json
        events = history[n] + listeners[n].events
        told = next((e.json for e in reversed(events) if e.type == "availability"), {})
        if told.get("version") != counts["version"] or told["available"] != counts["available"]:
            return False
        tier = dict(counts["tiers"][0])
        return told["tiers"] == {tier.pop("tier"): tier} and \
            seats_after([e.json for e in events if e.type == "seats"], ids) == wanted
    for n in range(6):
        wait_until(f"listener {n} to know", lambda n=n: knows(n))
        listeners[n].close()
