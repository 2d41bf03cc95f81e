"""Streams of what is new about a show: snapshot, changes, resuming, ends, through thick and thin."""

import pytest

from harness.live import Listener, seats_after
from harness.process import wait_until

TIERS = {"VIP": (10000, 4), "STD": (5000, 30)}


def streams_of(client):
    """How many streams the gateway says are open."""
    text = client.get("/metrics").body.decode()
    return sum(int(float(line.split()[-1])) for line in text.splitlines()
               if line.startswith("usher_gateway_streams{"))


def metric_of(client, name):
    text = client.get("/metrics").body.decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def listen(world, show="rock", gateway=0, way="events", query="", **options):
    return Listener(world.gateways[gateway].port, f"/v1/shows/{show}/{way}{query}", **options)


@pytest.fixture
def rock(world):
    world.start_redis()
    world.show("rock", TIERS)
    world.start()
    return world


def test_a_snapshot_comes_first(rock):
    with listen(rock) as listener:
        status, fields = listener.head()
        assert status == 200
        assert fields["content-type"] == "text/event-stream"
        assert fields["cache-control"] == "no-cache"
        assert fields["x-accel-buffering"] == "no"
        assert fields["connection"] == "close" and "content-length" not in fields
        listener.wait_snapshot()
        assert listener.blocks[0] == "retry: 2000"
        first, second = listener.events
        assert (first.type, second.type) == ("availability", "sale")
        assert first.json == {
            "type": "availability", "available": 34, "show": "rock", "show_id": 1,
            "version": first.json["version"],
            "tiers": {code: {"price": price, "currency": "USD", "capacity": capacity,
                             "available": capacity, "held": 0, "booked": 0, "blocked": 0}
                      for code, (price, capacity) in TIERS.items()}}
        assert second.json["state"] == "opened" and second.json["opens_at"] is None
        assert first.id and second.id and first.id != second.id


def test_changes_follow(rock):
    client = rock.client()
    with listen(rock) as listener, listen(rock) as other:
        for one in (listener, other):
            one.wait_snapshot()
        assert client.book("rock", "ann", "VIP", 2).status == 201
        held = client.hold("rock", "bob", "STD", 3)
        assert held.status == 201
        for one in (listener, other):
            told = one.wait_available(29)
            assert told is True
            tiers = one.last("availability")["tiers"]
            assert tiers["VIP"]["booked"] == 2 and tiers["STD"]["held"] == 3
        client.cancel(held.json["id"])
        listener.wait_available(32)
        other.wait_available(32)
        assert listener.events[-1].id == other.events[-1].id
        assert streams_of(client) == 2
    wait_until("the streams to be forgotten", lambda: streams_of(client) == 0)
    assert client.get("/v1/shows/rock/availability").json["available"] == 32


def test_seats(world):
    world.start_redis()
    result = world.ctl("show", "create", "--slug", "hall", "--map",
                       _map(world, [{"tier": "Stalls", "row": row, "number": 1, "count": 10}
                                    for row in "AB"]), "--tier", "Stalls:4500")
    assert result.code == 0, result
    world.start()
    client = world.client()
    ids = [seat["id"] for seat in client.get("/v1/shows/hall/seats").json["seats"]]
    with listen(world, "hall") as listener:
        listener.wait("seats", lambda l: l.of("seats"))
        first = listener.of("seats")[0]
        assert first["complete"] is True and first["seats"] == [] and first["since"] == 0
        assert client.book("hall", "ann", seats=["A-1", "B-3"]).status == 201
        listener.wait("the change", lambda l: len(l.of("seats")) > 1)
        change = listener.of("seats")[1]
        assert change["complete"] is False and change["since"] == first["version"]
        assert change["seats"] == [{"id": "A-1", "status": "booked"}, {"id": "B-3", "status": "booked"}]
        held = client.hold("hall", "bob", seats=["A-2"])
        client.cancel(held.json["id"])
        client.hold("hall", "cid", seats=["B-10"])
        wanted = {"A-1": "booked", "B-3": "booked", "B-10": "held"}
        wanted = {seat: wanted.get(seat, "available") for seat in ids}
        listener.wait("all changes", lambda l: seats_after(l.of("seats"), ids) == wanted)
        with listen(world, "hall") as late:
            late.wait("seats", lambda l: l.of("seats"))
            assert seats_after(late.of("seats"), ids) == wanted
            assert len(late.of("seats")[0]["seats"]) == 3


def _map(world, entries):
    import json
    path = world.folder / "map.json"
    path.write_text(json.dumps(entries))
    return path
