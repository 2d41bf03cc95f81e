"""The way from a seat to a ticket as the older systems' clients go it: events, seats, holds,
bookings, payments; word for word."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.process import wait_until

SHOW_SEATS = 1 << 20  # between the first seats of two shows
GONE = "0" * 26


def seats_show(world, slug, entries, **rules):
    path = world.folder / f"{slug}.json"
    path.write_text(json.dumps(entries))
    words = ["show", "create", "--slug", slug, "--map", path]
    for name, value in rules.items():
        words += ["--" + name.replace("_", "-"), value]
    for tier in {entry["tier"]: None for entry in entries}:
        words += ["--tier", f"{tier}:2500"]
    result = world.ctl(*words)
    assert result.code == 0, result


def rows(names, seats=10, tier="Stalls"):
    return [{"tier": tier, "row": row, "number": 1, "count": seats} for row in names]


@pytest.fixture
def house(world):
    """A hundred seats in ten rows, a smaller show before it, one without numbered seats."""
    world.start_redis()
    world.show("festival", {"VIP": (10000, 100)}, number=1)
    seats_show(world, "matinee", rows("AB", 2), number=2, starts_at="2035-01-01T15:00:00Z")
    seats_show(world, "theatre", rows("ABCDEFGHIJ"), number=3, name="An evening \"out\"",
               starts_at="2035-06-01T19:30:00Z")
    world.start_provider()
    world.start(gateways=2)
    world.start_courier()
    yield world
    wait_until("the outbox to be empty",
               lambda: world.value("SELECT count(*) FROM outbox") == 0, 15)
    world.judge()


@pytest.fixture
def client(house):
    return house.client()


def seats_of(client, event):
    answer = client.get(f"/seats?event_id={event}")
    assert answer.status == 200, answer
    return answer.json


def hold(client, seat, user="user@example.com", **more):
    return client.post("/holds", {"seat_id": seat, "user_email": user}, **more)


def book(client, hold_id):
    return client.post("/bookings", {"hold_id": hold_id})


def pay(client, booking_id, key, **more):
    return client.post("/payments", {"booking_id": booking_id}, key=key, **more)


def booked(client, seat, user="user@example.com"):
    held = hold(client, seat, user)
    assert held.status == 201, held
    made = book(client, held.json["hold_id"])
    assert made.status == 201, made
    return made.json["booking_id"]


def refused(answer, status, words):
    assert (answer.status, answer.json["error"]) == (status, words), answer
    assert answer.code, "a problem keeps its other members"


def test_events(client):
    events = client.get("/events", accept="application/json, text/plain, */*")
    assert [event["id"] for event in events.json] == [3, 2], "the configured one comes first"
    assert events.json[0]["title"] == "An evening \"out\""
    assert events.json[0]["event_date"].startswith("2035-06-01T19:30:00")
    assert events.header("Vary") == "Accept"
    event = client.get("/events/3").json
    assert event.items() >= events.json[0].items()
    assert [event[name + "_seats"] for name in ("total", "available", "held", "booked")] == \
        [100, 100, 0, 0]
    assert client.get("/events/theatre").json == event
    assert client.get("/events/99").status == 404


def test_seats(client):
    seats = seats_of(client, 3)
    assert len(seats) == 100 and len({seat["id"] for seat in seats}) == 100
    assert seats[0] == {"id": 3 * SHOW_SEATS + 1, "seat_number": "A-1", "status": "available",
                        "hold_expires_at": None}
    assert [seat["seat_number"] for seat in seats[9:11]] == ["A-10", "B-1"]
    assert seats_of(client, "theatre") == seats and seats_of(client, 1) == []
    for path in ("/seats", "/seats?event_id=", "/seats?event=3"):
        refused(client.get(path), 400, "event_id query parameter required")
    assert client.get("/seats?event_id=99").status == 404
    assert client.get("/seats?event_id=3&cursor=x").status == 400
    assert client.get("/seats?event_id=3&cursor=97").json == seats[97:]
    assert client.get("/seats?event_id=3&cursor=100").json == []


def test_from_a_seat_to_a_ticket(client):
    seat = seats_of(client, 3)[41]
    held = hold(client, seat["id"], "ann@example.com")
    assert held.status == 201 and list(held.json) == ["hold_id"]
    now = seats_of(client, 3)[41]
    assert now["status"] == "held" and now["id"] == seat["id"]
    native = client.booking(held.json["hold_id"]).json
    assert native["expires_at"] == now["hold_expires_at"] and native["seats"] == ["E-2"]
    assert native["user"] == "ann@example.com"
    made = book(client, held.json["hold_id"])
    assert made.status == 201 and list(made.json) == ["booking_id"]
    assert book(client, held.json["hold_id"]).json == made.json, "asking twice does no harm"
    paid = pay(client, made.json["booking_id"], "unique-key-123")
    assert (paid.status, paid.json) == (200, {"status": "success"})
    assert seats_of(client, 3)[41] == {**seat, "status": "booked"}
    event = client.get("/events/3").json
    assert [event[name + "_seats"] for name in ("total", "available", "held", "booked")] == \
        [100, 99, 0, 1]
    refused(book(client, held.json["hold_id"]), 409, "Seat not held")
    refused(hold(client, seat["id"], "bob@example.com"), 409, "Seat not available")


def test_the_hold_takes_ten_minutes(house, client):
    held = hold(client, 1).json["hold_id"]
    lasts = house.value("SELECT expires_ms - created_ms FROM bookings WHERE status = 'HELD'")
    assert lasts == 600_000 and client.booking(held).json["seats"] == ["A-1"]


def test_seats_under_other_numbers(client):
    """A small number is a place of the configured show; a text of digits is a number."""
    assert hold(client, 11).status == 201
    assert hold(client, str(3 * SHOW_SEATS + 12)).status == 201
    assert hold(client, 2 * SHOW_SEATS + 4).status == 201
    taken = [seat["seat_number"] for event in (3, 2) for seat in seats_of(client, event)
             if seat["status"] == "held"]
    assert taken == ["B-1", "B-2", "B-2"]


def test_no_such_seat(client):
    for seat in (0, 101, 3 * SHOW_SEATS, 3 * SHOW_SEATS + 101, 99 * SHOW_SEATS + 1, SHOW_SEATS + 1,
                 2**53, 2**62, "A-1", "", GONE):
        refused(hold(client, seat), 404, "Seat not found")
    for body in ({}, {"seat_id": 1}, {"user_email": "ann"}, {"seat_id": 1.5, "user_email": "ann"},
                 {"seat_id": 1, "user_email": ""}, {"seat_id": [1], "user_email": "ann"},
                 {"seat_id": -1, "user_email": "ann"}):
        answer = client.post("/holds", body)
        assert answer.status == 422 and answer.json["error"], (body, answer)
    assert client.get("/events/3").json["available_seats"] == 100


def test_twenty_people_want_one_seat(house):
    def one(number):
        client = house.gateways[number % 2].client()
        try:
            return hold(client, 3 * SHOW_SEATS + 7, f"user{number}@example.com")
        finally:
            client.close()
    with ThreadPoolExecutor(20) as people:
        answers = list(people.map(one, range(20)))
    assert sorted(answer.status for answer in answers) == [201] + 19 * [409]
    for answer in answers:
        if answer.status == 409:
            refused(answer, 409, "Seat not available")
    held = [seat for seat in seats_of(house.client(), 3) if seat["status"] == "held"]
    assert [seat["seat_number"] for seat in held] == ["A-7"]


def test_no_such_hold(client):
    for hold_id in (GONE, "x", "", 123, 2**53):
        refused(book(client, hold_id), 400, "Invalid or expired hold")
    for body in ({}, {"hold_id": None}, {"hold_id": ["x"]}, {"hold_id": 1.5}):
        assert client.post("/bookings", body).status == 422, body


def test_a_hold_that_has_expired(house, client):
    seats_show(house, "quick", rows("A", 2), number=4, hold_seconds=1)
    seat = seats_of(client, 4)[0]["id"]
    booking = booked(client, seat)
    wait_until("the seat to be free",
               lambda: seats_of(client, 4)[0]["status"] == "available", 10)
    refused(book(client, booking), 400, "Invalid or expired hold")
    refused(pay(client, booking, "k"), 410, "Invalid or expired hold")
    assert hold(client, seat, "bob@example.com").status == 201


def test_a_hold_that_was_given_up(client):
    held = hold(client, 5).json["hold_id"]
    assert client.cancel(held).status == 200
    refused(book(client, held), 409, "Seat not held")


def test_payments_are_made_once(house, client):
    booking = booked(client, 20)
    with ThreadPoolExecutor(8) as people:
        answers = list(people.map(lambda _: pay(house.client(), booking, "same"),
                                  range(8)))
    assert {(answer.status, answer.json["status"]) for answer in answers} == {(200, "success")}
    again = pay(client, booking, '"same"')
    assert again.json == {"status": "success"} and again.header("Idempotent-Replayed") == "true"
    assert len(house.provider.charges(booking)) == 1
    other = pay(client, booking, "another")
    assert (other.status, other.code) == (409, "ILLEGAL_STATE")
    reused = pay(client, booked(client, 21), "same")
    assert (reused.status, reused.code) == (422, "KEY_REUSED")
    assert len(house.provider.taken()) == 1


def test_payments_that_cannot_be(client):
    booking = booked(client, 30)
    for body in ({"booking_id": booking}, {"booking_id": GONE}, {}):
        refused(client.post("/payments", body), 400, "Missing idempotency key")
        refused(client.post("/payments", body, key=""), 400, "Missing idempotency key")
    unknown = booking[:-4] + ("zzzz" if booking[-4:] != "zzzz" else "yyyy")
    for strange in (GONE, unknown, "x", 456, ""):
        refused(pay(client, strange, f"key {strange}"), 404, "Booking not found")
    for body in ({}, {"booking_id": None}, {"booking_id": []}):
        assert client.post("/payments", body, key="k").status == 422, body
    assert client.booking(booking).json["status"] == "HELD"


def test_a_payment_that_fails(house, client):
    house.provider.plan = lambda fields: "decline"
    booking = booked(client, 40)
    answer = pay(client, booking, "k")
    refused(answer, 409, "Payment failed")
    assert answer.code == "PAYMENT_FAILED" and "card_declined" in answer.json["detail"]
    refused(pay(client, booking, "k"), 409, "Payment failed")
    assert seats_of(client, 3)[39]["status"] == "available"
    refused(book(client, booking), 409, "Seat not held")


def test_a_payment_that_takes_its_time(house, client):
    house.provider.plan = lambda fields: "later"
    booking = booked(client, 50)
    answer = pay(client, booking, "k", prefer="wait=1")
    assert (answer.status, answer.json) == (202, {"status": "pending"})
    assert int(answer.header("Retry-After")) >= 1
    refused(book(client, booking), 409, "Seat not held")
    assert seats_of(client, 3)[49]["status"] == "booked", "nobody else can have it"
    house.provider.settle(booking)
    wait_until("the payment", lambda: pay(client, booking, "k").json["status"] == "success")


def test_paid_too_late(house, client):
    """The booking was cancelled meanwhile: what is taken goes back, and nobody is told success."""
    house.provider.plan = lambda fields: "later"
    booking = booked(client, 60)
    assert pay(client, booking, "k", prefer="wait=1").status == 202
    assert client.cancel(booking).status == 200
    house.provider.settle(booking)
    wait_until("the money to be back", lambda: house.provider.refunds and
               house.provider.net(booking) == 0)
    answer = pay(client, booking, "k")
    refused(answer, 409, "Payment failed")
    assert "CANCELLED" in answer.json["detail"]


def test_a_map_of_many_seats_is_told_in_parts(house, client):
    seats_show(house, "arena", rows([f"Row {n}" for n in range(130)], 100), number=5)
    path, seats, pages = "/seats?event_id=5", [], 0
    while path:
        answer = client.get(path)
        seats += answer.json
        pages += 1
        link = answer.header("Link")
        path = link[link.index("<") + 1:link.index(">")] if link else None
    assert pages > 1 and [seat["id"] - 5 * SHOW_SEATS for seat in seats] == \
        list(range(1, 13001))
    assert hold(client, seats[-1]["id"]).status == 201
    assert seats_of(client, "5&cursor=12999")[0]["status"] == "held"
