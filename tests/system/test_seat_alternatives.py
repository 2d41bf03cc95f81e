"""What is told to who named seats that somebody else has: as many side by side elsewhere."""

import json
import threading
import time

import pytest

from harness.process import wait_until


@pytest.fixture
def house(world):
    """Three rows of six in the stalls, one of three in the circle, and standing room."""
    path = world.folder / "map.json"
    path.write_text(json.dumps(
        [{"tier": "Stalls", "row": row, "number": 1, "count": 6} for row in "ABC"] +
        [{"tier": "Circle", "row": "D", "number": 1, "count": 3}]))
    world.start_redis()
    result = world.ctl("show", "create", "--slug", "hall", "--map", path, "--tier", "Stalls:4500",
                       "--tier", "Circle:7000", "--tier", "Standing:1000:50")
    assert result.code == 0, result
    world.start()
    yield world
    world.judge()


def book(client, seats, user="ann", **fields):
    return client.post("/v1/shows/hall/bookings", {"user": user, "seats": seats, **fields})


def blocks(answer):
    return [a["seats"] for a in answer.json["alternatives"] if a["kind"] == "seats"]


def test_a_seat_is_taken_and_others_are_told(house):
    client = house.client()
    assert book(client, ["A-1", "A-2", "B-3"]).status == 201
    refused = book(client, ["A-2", "A-3"], "bob")
    assert refused.code == "SEAT_TAKEN" and refused.json["conflicts"] == ["A-2"]
    assert blocks(refused) == [["A-3", "A-4"], ["B-1", "B-2"], ["C-1", "C-2"]]
    first = refused.json["alternatives"][0]
    assert first["show"] == "hall" and first["items"][0]["tier"] == "Stalls"
    assert first["items"][0]["price"] == 4500 and first["items"][0]["quantity"] == 2
    kinds = [a["kind"] for a in refused.json["alternatives"]]
    assert kinds == ["seats"] * 3 + ["tier"] * 2, "then the other tiers"
    # What is told can be had.
    assert book(client, blocks(refused)[0], "bob").status == 201


def test_no_single_seat_is_left_where_that_can_be(house):
    client = house.client()
    assert book(client, ["A-1", "B-1", "B-2"]).status == 201
    told = blocks(book(client, ["A-1", "A-2", "A-3", "A-4"], "bob"))
    assert told == [["B-3", "B-4", "B-5", "B-6"], ["C-1", "C-2", "C-3", "C-4"],
                    ["A-2", "A-3", "A-4", "A-5"]]


def test_what_the_refused_wanted_is_not_told_again(house):
    """Also where the seats were looked at a moment before they were taken."""
    client = house.client()
    assert len(blocks(client.get("/v1/shows/hall/alternatives?tier=Stalls&quantity=6"))) == 3
    assert book(client, [f"A-{n}" for n in range(1, 7)]).status == 201
    told = blocks(book(client, [f"A-{n}" for n in range(1, 7)], "bob"))
    assert [seats[0] for seats in told] == ["B-1", "C-1"]


def test_who_asks_is_told_what_is_free(house):
    client = house.client()
    question = "/v1/shows/hall/alternatives?tier=Circle&quantity="
    assert blocks(client.get(question + "3")) == [["D-1", "D-2", "D-3"]]
    assert blocks(client.get(question + "4")) == []
    assert book(client, ["D-2"]).status == 201
    wait_until("it to be seen", lambda: blocks(client.get(question + "2")) == [])
    assert blocks(client.get(question + "1")) == [["D-1"]]
    assert blocks(client.get("/v1/shows/hall/alternatives?tier=Standing")) == []


def test_refusals_that_have_no_seats_to_tell(house):
    client = house.client()
    assert book(client, ["A-1", "D-1"]).status == 201
    mixed = book(client, ["A-1", "D-2"], "bob")
    assert mixed.code == "SEAT_TAKEN" and "alternatives" not in mixed.json, "of two tiers"
    keyed = client.post("/v1/shows/hall/bookings", {"user": "bob", "seats": ["A-1"]}, key="k")
    assert keyed.code == "SEAT_TAKEN" and "alternatives" not in keyed.json
    assert keyed.json["conflicts"] == ["A-1"]
    many = client.post("/v1/shows/hall/bookings", {"user": "bob", "tier": "Circle", "best": 3})
    assert many.code == "NOT_ENOUGH" and blocks(many) == []


def test_a_crowd_is_told_and_redis_is_looked_at_seldom(house):
    """Everybody wants one seat: who does not get it is told of others, from few looks."""
    redis = house.redis.client()
    before = redis.info("commandstats").get("cmdstat_eval", {}).get("calls", 0)
    answers, began = [], time.monotonic()

    def want(number):
        client = house.client()
        for again in range(10):
            answers.append(book(client, ["A-1"], f"user-{number}-{again}"))

    crowd = [threading.Thread(target=want, args=(n,)) for n in range(10)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(60)
    assert sorted(a.status for a in answers) == [201] + [409] * 99
    assert all(blocks(a)[0] == ["A-2"] for a in answers if a.status == 409)
    looks = redis.info("commandstats")["cmdstat_eval"]["calls"] - before
    assert looks <= 3 + time.monotonic() - began, "one a second, however many ask"
