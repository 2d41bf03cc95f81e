"""Series: the shows of one schedule, other dates in refusals, several nights in one request."""

import json
import random
import threading

import pytest

from harness.process import wait_until
from harness.stream import Stream
from harness.words import (BOOK, DIFFERENT_PARTITIONS, GRANTED, HELD, HOLD, NOT_FOUND, SEVERAL,
                           SOLD_OUT, TIMED_OUT, part_id)

HOTEL = {
    "series": "sea-view", "name": "Sea View", "category": "hotel", "partition": 2,
    "currency": "EUR", "max_per_user": 2,
    "tiers": [{"code": "Double", "price": 12900, "capacity": 1}],
    "rooms": [{"slug": "room-12", "name": "room 12"},
              {"slug": "room-14", "tiers": [{"code": "Single", "price": 8900, "capacity": 3}]}],
    "days": {"from": "2035-05-03", "to": "2035-05-05"},
    "slots": [{"begins": "15:00", "ends": "11:00"}], "utc_offset": "+02:00",
}
CINEMA = {
    "series": "night-train", "tiers": [{"code": "Stalls", "price": 1250, "capacity": 80}],
    "days": {"from": "2035-06-01", "to": "2035-06-30", "weekdays": ["fri", "sun"]},
    "slots": [{"begins": "20:00", "ends": "22:05"}, {"begins": "22:45", "ends": "00:50"}],
    "closes_minutes_before": 15, "number": 201,
}


@pytest.fixture
def create(world, tmp_path):
    def run(schedule, *words):
        text = schedule if isinstance(schedule, str) else json.dumps(schedule)
        (tmp_path / "series.json").write_text(text)
        return world.ctl("series", "create", "--file", tmp_path / "series.json", *words)
    return run


def test_the_nights_of_a_hotel(world, create):
    result = create(HOTEL)
    assert result.code == 0 and "6 shows created" in result.out, result
    shows = world.rows("SELECT * FROM shows ORDER BY show")
    assert [show["slug"] for show in shows] == \
        [f"{room}-203505{day}" for room in ("room-12", "room-14") for day in ("03", "04", "05")]
    assert {(show["series"], show["partition"], show["max_per_user"]) for show in shows} == \
        {("sea-view", 2, 2)}
    assert [show["name"] for show in shows][::3] == ["Sea View, room 12, 2035-05-03",
                                                     "Sea View, room-14, 2035-05-03"]
    assert shows[0]["starts_at"].isoformat() == "2035-05-03T13:00:00+00:00"
    assert shows[0]["ends_at"].isoformat() == "2035-05-04T09:00:00+00:00"
    tiers = world.rows("SELECT show, code, capacity FROM tiers ORDER BY show")
    assert [(tier["code"], tier["capacity"]) for tier in tiers] == \
        3 * [("Double", 1)] + 3 * [("Single", 3)]


def test_the_slots_of_a_cinema(world, create):
    assert create(CINEMA).code == 0
    shows = world.rows("SELECT * FROM shows ORDER BY show")
    assert len(shows) == 2 * 9  # five Fridays, four Sundays
    assert [show["show"] for show in shows] == list(range(201, 219))
    assert [show["slug"] for show in shows[:3]] == [
        "night-train-20350601-2000", "night-train-20350601-2245", "night-train-20350603-2000"]
    assert shows[1]["name"] == "night-train, 2035-06-01 22:45"
    assert shows[1]["ends_at"].isoformat() == "2035-06-02T00:50:00+00:00"
    assert shows[1]["sales_close_at"].isoformat() == "2035-06-01T22:30:00+00:00"


WRONG = [
    ({"series": None}, "'series'"),
    ({"series": "No Slug"}, "series"),
    ({"days": {"from": "2035-02-30", "to": "2035-03-01"}}, "days"),
    ({"days": {"from": "2035-05-05", "to": "2035-05-03"}}, "days"),
    ({"days": {"from": "2035-05-05"}}, "days"),
    ({"days": {"from": "2035-05-05", "to": "2046-05-05"}}, "days"),
    ({"days": {"from": "2035-05-05", "to": "2035-05-06", "weekdays": ["someday"]}}, "days"),
    ({"days": {"from": "2035-05-03", "to": "2035-05-03", "weekdays": ["mon"]}}, "weekdays"),
    ({"days": ["2035-05-03"]}, "days"),
    ({"slots": []}, "slots"),
    ({"slots": [{"begins": "24:00", "ends": "11:00"}]}, "slot"),
    ({"slots": [{"begins": "9:00", "ends": "11:00"}]}, "slot"),
    ({"slots": [{"begins": "09:00", "ends": "11:00", "for": "all"}]}, "slots"),
    ({"rooms": []}, "rooms"),
    ({"rooms": [{"name": "x"}]}, "room"),
    ({"rooms": [{"slug": "Room"}]}, "slug"),
    ({"rooms": [{"slug": "room", "tiers": []}]}, "tier"),
    ({"utc_offset": "CET"}, "time"),
    ({"utc_offset": 2}, "utc_offset"),
    ({"closes_minutes_before": -1}, "closes_minutes_before"),
    ({"slug": "own"}, "slug"),
    ({"starts_at": "2035-05-03T00:00:00Z"}, "starts_at"),
    ({"tiers": []}, "tier"),
    ({"colour": "red"}, "colour"),
    ({"rooms": [{"slug": f"r-{i}"} for i in range(1000)],
      "slots": [{"begins": "10:00", "ends": "11:00"}] * 90}, "shows"),
]


def test_a_schedule_that_is_wrong_creates_nothing(world, create):
    for change, word in WRONG:
        schedule = {**HOTEL, **change}
        result = create(schedule)
        assert result.code == 2 and result.err.count("\n") == 1 and word in result.err, \
            (change, result)
    for schedule in ("{", "[]", "7"):
        assert create(schedule).code == 2
    assert world.ctl("series", "create").code == 2
    assert world.ctl("series", "create", "--file", "/nowhere.json").code == 2
    twice = create({**HOTEL, "rooms": [{"slug": "room-12"}, {"slug": "room-12"}]})
    assert twice.code == 1 and "nothing was created" in twice.err
    assert world.value("SELECT count(*) FROM shows") == 0


def test_a_series_stays_on_one_partition(world, create):
    assert create(HOTEL).code == 0
    later = {**HOTEL, "days": {"from": "2035-05-06", "to": "2035-05-07"}}
    elsewhere = create({**later, "partition": 1})
    assert elsewhere.code == 1 and elsewhere.err.count("\n") == 1, elsewhere
    assert "room-12-20350503 is on partition 2" in elsewhere.err
    assert world.value("SELECT count(*) FROM shows") == 6
    assert create(later).code == 0
    assert create(later).code == 1
    again = create({**HOTEL, "days": {"from": "2035-05-05", "to": "2035-05-08"}}, "--if-absent")
    assert again.code == 0 and "2 shows created, 6 were there already" in again.out, again
    assert world.value("SELECT count(DISTINCT partition) FROM shows") == 1


def test_a_show_tells_its_series_and_is_found_by_it(world, create):
    assert create({**HOTEL, "partition": 1}).code == 0
    world.show("gala", {"GA": (0, 5)}, series="spring", starts_at="2035-04-01T18:00:00Z",
               ends_at="2035-04-01T22:00:00Z")
    world.show("alone", {"GA": (0, 5)})
    client = world.start().client()
    room = client.get("/v1/shows/room-12-20350503").json
    assert room["series"] == "sea-view"
    assert room["starts_at"] == "2035-05-03T13:00:00.000Z"
    assert room["ends_at"] == "2035-05-04T09:00:00.000Z"
    alone = client.get("/v1/shows/alone").json
    assert alone["series"] is None and alone["ends_at"] is None

    def found(query):
        return [show["slug"] for show in client.get("/v1/shows?" + query).json["shows"]]
    assert found("series=spring") == ["gala"]
    assert found("series=sea-view&from=2035-05-05") == ["room-12-20350505", "room-14-20350505"]
    assert len(found("series=sea-view")) == 6 and found("series=none") == []
    assert client.get("/v1/shows?series=" + 65 * "a").status == 400
    world.judge()


# Alternatives in refusals.

@pytest.fixture
def nights(world, create):
    """Three nights of a room with one bed, a show of two tiers, one that stands alone."""
    assert create({**HOTEL, "partition": 1, "rooms": HOTEL["rooms"][:1]}).code == 0
    world.show("gala", {"VIP": (10000, 2), "STD": (2500, 9), "BOX": (7500, 3)})
    world.show("alone", {"GA": (500, 1)})
    return world.start(gateways=2)


def offered(answer):
    return [(a["kind"], a["show"], [(i["tier"], i["quantity"]) for i in a["items"]])
            for a in answer.json.get("alternatives", [])]


def test_other_tiers_that_have_enough(nights):
    client = nights.client()
    assert client.book("gala", "ann", "VIP", 2).status == 201
    refused = client.book("gala", "bob", "VIP", 3)
    assert refused.code == "SOLD_OUT" and offered(refused) == \
        [("tier", "gala", [("STD", 3)]), ("tier", "gala", [("BOX", 3)])]
    assert refused.json["alternatives"][0]["items"][0]["price"] == 2500
    assert offered(client.book("gala", "bob", "BOX", 4)) == [("tier", "gala", [("STD", 4)])]
    assert "alternatives" not in client.book("gala", "bob", "STD", 10).json
    several = client.post("/v1/shows/gala/bookings", {"user": "bob", "items": [
        {"tier": "VIP", "quantity": 1}, {"tier": "STD", "quantity": 1}]})
    assert several.code == "SOLD_OUT" and "alternatives" not in several.json
    assert client.book("alone", "ann", "GA", 1).status == 201
    assert "alternatives" not in client.book("alone", "bob", "GA", 1).json
    nights.judge()


def test_other_dates_nearest_first(nights):
    client = nights.client()
    for night in ("04", "05"):
        assert client.book(f"room-12-203505{night}", "ann", "Double", 1).status == 201
    refused = client.book("room-12-20350505", "bob", "Double", 1)
    assert refused.code == "SOLD_OUT"
    assert offered(refused) == [("date", "room-12-20350503", [("Double", 1)])]
    assert refused.json["alternatives"][0]["starts_at"] == "2035-05-03T13:00:00.000Z"
    # What is told is what is left: the last night goes, and soon nothing is told any more.
    assert client.book("room-12-20350503", "cleo", "Double", 1).status == 201
    wait_until("the dates to be known anew", lambda: not offered(
        client.book("room-12-20350505", "bob", "Double", 1)))
    nights.judge()


def test_dates_that_are_closed_or_drafts_are_not_told(nights):
    client = nights.client()
    nights.rows("UPDATE shows SET state = 'closed' WHERE slug = 'room-12-20350504' RETURNING show")
    nights.rows("UPDATE shows SET sales_close_at = now() WHERE slug = 'room-12-20350503'"
                " RETURNING show")
    assert client.book("room-12-20350505", "ann", "Double", 1).status == 201
    assert "alternatives" not in client.book("room-12-20350505", "bob", "Double", 1).json


def test_a_keyed_refusal_has_no_hint_and_is_the_same_for_ever(nights):
    first, other = nights.client(0), nights.client(1)
    assert first.book("room-12-20350504", "ann", "Double", 1).status == 201
    body = {"user": "bob", "tier": "Double", "quantity": 1}
    path, key = "/v1/shows/room-12-20350504/bookings", "k"
    assert len(offered(first.post(path, body))) == 2
    refused = first.post(path, body, key)
    assert refused.code == "SOLD_OUT" and "alternatives" not in refused.json
    for client in (first, other):
        again = client.post(path, body, key)
        assert again.body == refused.body and again.header("Idempotent-Replayed") == "true"
    assert other.get(refused.json["instance"]).body == refused.body
    # Who wants to know asks; it is of now.
    question = "/v1/shows/room-12-20350504/alternatives?tier=Double"
    assert [a["show"] for a in other.get(question).json["alternatives"]] == \
        ["room-12-20350503", "room-12-20350505"]
    assert first.book("room-12-20350503", "ann", "Double", 1).status == 201
    wait_until("the other night alone", lambda: [
        a["show"] for a in other.get(question).json["alternatives"]] == ["room-12-20350505"])
    assert other.get(question + "&quantity=2").json["alternatives"] == []
    nights.judge()


def test_questions_for_alternatives_that_mean_nothing(nights):
    client = nights.client()
    path = "/v1/shows/gala/alternatives"
    assert len(client.get(path + "?tier=VIP").json["alternatives"]) == 2
    assert client.get("/v1/shows/alone/alternatives?tier=GA").json["alternatives"] == []
    for query in ("", "?tier=", "?tier=VIP&quantity=0", "?tier=VIP&quantity=x",
                  "?tier=VIP&quantity=1001", "?tier=" + 33 * "a"):
        assert client.get(path + query).status == 400, query
    assert client.get(path + "?tier=none").status == 404
    assert client.get("/v1/shows/nothing/alternatives?tier=VIP").status == 404


# Several nights in one request.

ROOM = [f"room-12-203505{day}" for day in ("03", "04", "05")]


def several(client, shows, user="ann", tier="Double", path=None, key=None, prefer=None, **fields):
    items = [{"show": show, "tier": tier, "quantity": 1} for show in shows]
    return client.post(f"/v1/shows/{path or shows[0]}/bookings",
                       {"user": user, "items": items, **fields}, key=key, prefer=prefer)


def left(world):
    return [row["available"] for row in world.rows(
        "SELECT available FROM tiers JOIN shows USING (show) WHERE series = 'sea-view' "
        "ORDER BY show, tier")]


def test_three_nights_are_three_bookings(nights):
    client = nights.client()
    answer = several(client, ROOM)
    assert answer.status == 201, answer
    bookings = answer.json["bookings"]
    assert [b["show"] for b in bookings] == ROOM and bookings[0]["id"] == answer.json["id"]
    assert {b["status"] for b in bookings} == {"CONFIRMED"} and left(nights) == [0, 0, 0]
    assert answer.header("Location") == "/v1/bookings/" + answer.json["id"]
    for booking in bookings:
        assert client.booking(booking["id"]).json == booking
    # Each night is a booking like any other.
    assert client.post(f"/v1/bookings/{bookings[1]['id']}/cancel", {}).json["status"] == "CANCELLED"
    assert client.booking(bookings[0]["id"]).json["status"] == "CONFIRMED"
    assert left(nights) == [0, 1, 0]
    request = client.get("/v1/requests/" + answer.json["id"])
    assert request.status == 201 and request.body == answer.body
    assert len(client.get("/v1/users/ann/bookings").json["bookings"]) == 3
    nights.judge()


def test_an_item_without_a_show_is_of_the_path(nights):
    """In whatever place it stands."""
    client = nights.client()
    for order in ((0, 1), (1, 0)):
        items = [{"tier": "Double"}, {"show": ROOM[1], "tier": "Double"}]
        answer = client.post(f"/v1/shows/{ROOM[0]}/bookings",
                             {"user": "ann", "items": [items[at] for at in order]})
        assert answer.status == 201, answer
        assert [b["show"] for b in answer.json["bookings"]] == ROOM[:2]
        for booking in answer.json["bookings"]:
            assert client.cancel(booking["id"]).status == 200
    twice = client.post(f"/v1/shows/{ROOM[0]}/bookings",
                        {"user": "ann", "items": [{"tier": "Double"}, {"tier": "Double"}]})
    assert (twice.status, twice.code) == (422, "INVALID")
    nights.judge()


def test_all_or_nothing(nights):
    client = nights.client()
    assert client.book(ROOM[1], "bob", "Double", 1).status == 201
    before = nights.value("SELECT count(*) FROM bookings")
    refused = several(client, ROOM)
    assert refused.status == 409 and refused.code == "SOLD_OUT"
    assert refused.json["show"] == ROOM[1]
    assert nights.value("SELECT count(*) FROM bookings") == before and left(nights) == [1, 0, 1]
    assert several(client, [ROOM[0], ROOM[2]]).status == 201
    nights.judge()


def test_limits_hold_per_show(world, create):
    assert create({**HOTEL, "partition": 1, "max_per_user": 1,
                   "tiers": [{"code": "Double", "price": 100, "capacity": 9}],
                   "rooms": HOTEL["rooms"][:1]}).code == 0
    client = world.start().client()
    assert several(client, ROOM).status == 201
    assert several(client, ROOM).code == "ALREADY_BOOKED"
    assert several(client, ROOM, user="bob").status == 201
    assert client.post(f"/v1/shows/{ROOM[0]}/bookings", {"user": "cleo", "items": [
        {"show": ROOM[0], "tier": "Double", "quantity": 2},
        {"show": ROOM[1], "tier": "Double", "quantity": 1}]}).code == "ALREADY_BOOKED"
    world.judge()


def test_held_nights_are_confirmed_and_expire_by_themselves(world, create):
    assert create({**HOTEL, "partition": 1, "hold_seconds": 1, "rooms": HOTEL["rooms"][:1]}).code == 0
    client = world.start().client()
    held = several(client, ROOM, hold=True)
    assert held.status == 201 and {b["status"] for b in held.json["bookings"]} == {"HELD"}
    first, second, third = [b["id"] for b in held.json["bookings"]]
    assert client.post(f"/v1/bookings/{second}/confirm", {}).json["status"] == "CONFIRMED"
    wait_until("two nights to be free again", lambda: left(world) == [1, 0, 1])
    assert client.booking(first).json["status"] == client.booking(third).json["status"] == "EXPIRED"
    request = client.get("/v1/requests/" + first)
    assert request.status == 201 and request.body == held.body
    world.judge()


def test_a_repeated_request_for_several_is_the_same_bytes(nights):
    first, other = nights.client(0), nights.client(1)
    answer = several(first, ROOM, key="k")
    assert answer.status == 201
    for client in (first, other):
        again = several(client, ROOM, key="k")
        assert again.body == answer.body and again.header("Idempotent-Replayed") == "true"
    # In another order they are the same items; for one show, or in other shows, they are not.
    again = several(other, [ROOM[0], ROOM[2], ROOM[1]], key="k")
    assert again.status == 201 and again.body == answer.body
    assert several(other, ROOM[:2], key="k").code == "KEY_REUSED"
    assert other.book(ROOM[0], "ann", "Double", 1, key="k").code == "KEY_REUSED"
    # The same key for another of the shows is another request, and its booking has another id.
    assert other.book(ROOM[1], "ann", "Double", 1, key="k").code == "SOLD_OUT"
    assert other.get("/v1/requests/" + answer.json["id"]).body == answer.body
    # Redis forgets all of it; Postgres does not.
    nights.redis_client().flushall()
    wait_until("the answer to be told from Postgres", lambda: several(
        other, ROOM, key="k").body == answer.body, 20)
    assert other.get("/v1/requests/" + answer.json["id"]).body == answer.body
    nights.judge()


def test_several_of_one_show_are_lines(nights):
    client = nights.client()
    answer = client.post("/v1/shows/gala/bookings", {"user": "ann", "items": [
        {"show": "gala", "tier": "VIP", "quantity": 1}, {"tier": "STD", "quantity": 2}]})
    assert answer.status == 201 and "bookings" not in answer.json and answer.json["quantity"] == 3
    both = client.post("/v1/shows/gala/bookings", {"user": "ann", "items": [
        {"tier": "STD", "quantity": 2}, {"show": "alone", "tier": "GA"}, {"tier": "BOX"}]})
    assert both.status == 201 and [(b["show"], b["quantity"]) for b in both.json["bookings"]] == \
        [("gala", 3), ("alone", 1)]
    nights.judge()


def test_shows_of_different_partitions_are_refused(world, create):
    assert create({**HOTEL, "partition": 1, "rooms": HOTEL["rooms"][:1]}).code == 0
    world.show("far", {"Double": (100, 5)}, partition=2)
    client = world.start(allocators=2).client()
    refused = several(client, [ROOM[0], "far"])
    assert refused.status == 409 and refused.code == "DIFFERENT_PARTITIONS"
    assert world.value("SELECT count(*) FROM bookings") == 0
    world.judge()


def test_requests_for_several_that_are_wrong(nights):
    client = nights.client()
    assert several(client, [ROOM[1]], path=ROOM[0]).status == 422
    assert several(client, [ROOM[0], ROOM[0]]).status in (400, 422)
    assert several(client, [ROOM[0], "nowhere"]).status == 404
    assert several(client, ROOM, tier="Single").status == 404
    assert several(client, [ROOM[0]] * 32).status in (400, 422)
    number = str(client.get(f"/v1/shows/{ROOM[0]}").json["id"])
    assert several(client, [ROOM[0], ROOM[1], number]).status == 422
    assert client.post(f"/v1/shows/{ROOM[0]}/bookings", {"user": "ann", "items": [
        {"show": 7, "tier": "Double"}]}).status in (400, 422)
    assert left(nights) == [1, 1, 1]
    assert several(client, [ROOM[0], ROOM[1]], prefer="respond-async").status == 202
    wait_until("both nights to be taken", lambda: left(nights) == [0, 0, 1])
    nights.judge()


def test_straight_to_the_stream(world):
    for number in (1, 2, 3):
        world.show(f"s{number}", {"A": (100, 2), "B": (50, 40)}, number=number)
    world.show("far", {"A": (100, 5)}, number=9, partition=2)
    world.start(gateways=0)
    world.wait_owner()
    stream = Stream(world.redis_client())

    def ask(take, *rows, **more):
        return stream.ask(SEVERAL, show=rows[0][0], lines=(take, rows), **more)

    held = ask(HOLD, (2, 1, 2), (2, 2, 1), (1, 2, 3), (3, 1, 1))
    assert held.code == GRANTED and held.booking["state"] == HELD
    assert [len(b["lines"]) for b in [held.booking] + held.others] == [2, 1, 1]
    assert held.others[0]["id"] == part_id(held.booking["id"], 1)
    refused = ask(BOOK, (1, 1, 1), (2, 1, 1))
    assert (refused.code, refused.refused_show) == (SOLD_OUT, 2)
    assert ask(BOOK, (1, 1, 1), (9, 1, 1)).code == DIFFERENT_PARTITIONS
    assert ask(BOOK, (1, 1, 1), (8, 1, 1)).code == DIFFERENT_PARTITIONS
    assert ask(BOOK, (8, 1, 1), (1, 1, 1)).code == NOT_FOUND
    assert ask(BOOK, (1, 1, 1), (3, 1, 1), deadline_ms=-1000).code == TIMED_OUT
    # What is wrong is no request at all: the entry is passed over, and the queue goes on.
    stream.append(stream.request(SEVERAL, show=1, lines=(BOOK, [(3, 1, 1), (1, 1, 1)])))
    # So many rows in one entry are refused; in entries of their own they are more than one batch.
    many = [stream.request(SEVERAL, show=1, user=f"u{n}", lines=(BOOK, [(1, 2, 1), (3, 2, 1)]))
            for n in range(300)]
    stream.append(*many)
    for request in many[:30]:
        stream.append(request)
    answers = [stream.answer(raw) for raw, _ in many[:30]]
    assert {answer.code for answer in answers} == {GRANTED}
    world.judge()


def ask_for_nights(world, seed, answers):
    """One guest after another wants some nights in a row, and asks under a key until told."""
    odds = random.Random(seed)
    client = world.gateways[seed % len(world.gateways)].client(is_checking=False)
    for n in range(12):
        first, count = odds.randint(1, 8), odds.randint(2, 3)
        shows = [f"inn-203505{day:02}" for day in range(first, first + count)]
        for _ in range(200):
            answer = several(client, shows, user=f"guest-{seed}-{n}", key=f"k-{seed}-{n}")
            if answer.status in (201, 409):
                answers.append((shows, answer))
                break
    client.close()


def test_nobody_has_some_of_the_nights_while_allocators_die(world, create):
    assert create({"series": "inn", "slots": HOTEL["slots"], "max_per_user": 1,
                   "tiers": [{"code": "Double", "price": 100, "capacity": 3}],
                   "days": {"from": "2035-05-01", "to": "2035-05-10"}}).code == 0
    world.start(allocators=2, gateways=2)
    answers = []
    threads = [threading.Thread(target=ask_for_nights, args=(world, seed, answers))
               for seed in range(6)]
    for thread in threads:
        thread.start()
    owner = world.wait_owner()
    wait_until("some answers", lambda: len(answers) > 5)
    owner.kill9()
    world.wait_owner(other_than=owner)
    for thread in threads:
        thread.join(120)
    assert len(answers) == 6 * 12
    granted = {}
    for shows, answer in answers:
        if answer.status == 201:
            assert [b["show"] for b in answer.json["bookings"]] == shows
            granted[answer.json["user"]] = len(shows)
    rows = world.rows("SELECT user_id, count(*) AS nights FROM bookings GROUP BY user_id")
    assert {row["user_id"]: row["nights"] for row in rows} == granted and granted
    world.judge()
