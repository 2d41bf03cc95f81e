"""Numbered seats of several shows in one request: the same room, several nights."""

import json

import pytest

from harness.process import wait_until

NIGHTS = ["night-1", "night-2", "night-3"]


@pytest.fixture
def hotel(world):
    """Three nights of two corridors of numbered rooms, and breakfasts; another house elsewhere."""
    rooms = [{"tier": "Single", "row": "1", "number": 101, "count": 4, "id": None},
             {"tier": "Double", "row": "2", "number": 201, "count": 4, "id": None}]
    path = world.folder / "rooms.json"
    path.write_text(json.dumps([{k: v for k, v in room.items() if v} for room in rooms]))
    assert world.ctl("partition", "add", "2").code == 0
    for at, night in enumerate([*NIGHTS, "elsewhere"], 1):
        words = ["show", "create", "--slug", night, "--number", at, "--map", path,
                 "--tier", "Single:5000", "--tier", "Double:8000", "--tier", "Breakfast:900:20",
                 "--partition", 2 if night == "elsewhere" else 1]
        assert world.ctl(*words).code == 0
    world.start_redis()
    world.start_allocator()
    world.start_allocator()
    world.start_gateway()
    yield world
    world.judge()


def ask(client, items, user="ann", path=NIGHTS[0], key=None, **fields):
    return client.post(f"/v1/shows/{path}/bookings", {"user": user, "items": items, **fields},
                       key=key)


def nights(rooms, shows=NIGHTS):
    return [{"show": show, "seats": list(rooms)} for show in shows]


def taken(world):
    return {(row["show"], row["id"]) for row in
            world.rows("SELECT show, id FROM seats WHERE status <> 0")}


def test_the_same_rooms_for_three_nights(hotel):
    client = hotel.client()
    made = ask(client, nights(["2-201", "1-104"]) + [
        {"show": NIGHTS[1], "tier": "Breakfast", "quantity": 2}], hold=True)
    assert made.status == 201, made
    bookings = made.json["bookings"]
    assert [b["show"] for b in bookings] == NIGHTS
    assert [b["seats"] for b in bookings] == [["1-104", "2-201"]] * 3
    assert [b["amount"] for b in bookings] == [13000, 14800, 13000]
    assert taken(hotel) == {(show, room) for show in (1, 2, 3) for room in ("2-201", "1-104")}
    for booking in bookings:
        assert client.booking(booking["id"]).json == booking
    again = client.get("/v1/requests/" + made.json["id"])
    assert again.status == 201 and again.body == made.body
    # Each night goes its own way.
    assert client.cancel(bookings[1]["id"]).status == 200
    assert client.confirm(bookings[2]["id"]).status == 200
    assert taken(hotel) == {(show, room) for show in (1, 3) for room in ("2-201", "1-104")}


def test_all_or_nothing_with_the_conflicts_of_a_night(hotel):
    client = hotel.client()
    assert client.post(f"/v1/shows/{NIGHTS[1]}/bookings",
                       {"user": "bob", "seats": ["2-202", "1-101"]}).status == 201
    before = taken(hotel)
    refused = ask(client, nights(["1-101", "2-202", "2-203"]))
    assert refused.status == 409 and refused.code == "SEAT_TAKEN", refused
    assert refused.json["show"] == NIGHTS[1] and refused.json["show_id"] == 2
    assert refused.json["conflicts"] == ["1-101", "2-202"]
    looked_up = client.get(refused.json["instance"])
    assert looked_up.status == 409 and looked_up.json["conflicts"] == ["1-101", "2-202"]
    assert taken(hotel) == before, "nothing was taken"
    assert ask(client, nights(["1-101", "2-202", "2-203"], [NIGHTS[0], NIGHTS[2]])).status == 201


def test_a_key_is_answered_the_same_from_postgres(hotel):
    """Another gateway, after Redis has forgotten everything: the same seats, the same conflicts."""
    client = hotel.client()
    made = ask(client, nights(["1-102"]), key="k1")
    refused = ask(client, nights(["1-102"]), user="bob", key="k2")
    assert made.status == 201 and refused.code == "SEAT_TAKEN"
    assert ask(client, nights(["1-103"]), key="k1").status == 422
    hotel.redis.client().flushall()
    wait_until("usher to be there again", lambda: client.get("/readyz").status == 200, 20)
    other = hotel.start_gateway().client()
    for each in (client, other):
        again = wait_until("the first answer", lambda: (
            lambda a: a if a.status == 201 else None)(ask(each, nights(["1-102"]), key="k1")), 20)
        assert again.body == made.body and again.header("Idempotent-Replayed") == "true"
        said = ask(each, nights(["1-102"]), user="bob", key="k2")
        assert said.body == refused.body


def test_best_of_each_night(hotel):
    """Rooms that nobody names are the best that are left of each night."""
    client = hotel.client()
    made = ask(client, [{"show": NIGHTS[0], "tier": "Double", "best": 2},
                        {"show": NIGHTS[1], "tier": "Double", "quantity": 1}])
    assert made.status == 201, made
    assert [b["seats"] for b in made.json["bookings"]] == [["2-201", "2-202"], ["2-201"]]


def test_seats_among_the_items_of_one_show(hotel):
    client = hotel.client()
    made = ask(client, [{"seats": ["2-204"]}, {"tier": "Breakfast", "quantity": 1}])
    assert made.status == 201 and made.json["seats"] == ["2-204"]
    assert made.json["amount"] == 8900 and "bookings" not in made.json
    refused = ask(client, [{"show": NIGHTS[0], "seats": ["2-204"]}], user="bob")
    assert refused.code == "SEAT_TAKEN" and refused.json["conflicts"] == ["2-204"]


def test_seats_that_mean_nothing(hotel):
    client = hotel.client()
    for items, status, word in (
            (nights(["3-301"]), 404, "no seat"),
            (nights(["1-101", "1-101"]), 422, "once"),
            (nights([]), 422, "seats"),
            (nights([7]), 422, "strings"),
            ([{"show": NIGHTS[0], "seats": ["1-101"], "tier": "Single"},
              {"show": NIGHTS[1], "seats": ["1-101"]}], 422, "stands alone"),
            ([{"show": NIGHTS[0], "seats": ["1-101"]}, {"show": NIGHTS[0], "seats": ["2-201"]},
              {"show": NIGHTS[1], "seats": ["1-101"]}], 422, "one item"),
            ([{"show": NIGHTS[0], "seats": ["1-101"]},
              {"show": NIGHTS[0], "tier": "Double", "quantity": 1},
              {"show": NIGHTS[1], "seats": ["1-101"]}], 422, "one item"),
            (nights(["1-101"], NIGHTS[1:]), 422, "path"),
            (nights(["1-101"], [NIGHTS[0], "elsewhere"]), 409, "partition")):
        answer = ask(client, items)
        assert answer.status == status and word in answer.json["detail"] + answer.json["title"], \
            (items, answer)
    assert taken(hotel) == set()
