"""The routes that clients of the older systems use, exactly as those have them."""

import json

import pytest

from harness.client import parse_answers, raw_exchange


@pytest.fixture
def house(world):
    world.show("hall", {"standard": (0, 100)}, max_per_user=1, max_per_booking=1)
    world.show("festival", {"VIP": (10000, 100), "Regular": (5050, 3)}, max_per_booking=10,
               hold_seconds=2)
    world.start_redis()
    world.start_allocator()
    world.start_gateway(book_show="hall", tickets_show="festival")
    yield world
    world.judge()


@pytest.fixture
def client(house):
    return house.client()


def post(client, path, body, **headers):
    return client.post(path, body, **headers)


# The first: one seat a user of a show of a hundred.

def test_book_a_seat(client):
    answer = post(client, "/book", {"userId": "u1"})
    assert answer.status in (200, 201)
    assert answer.json["status"] == "success" and answer.json["message"] == "Booking Successful"
    again = post(client, "/book", {"userId": "u1"})
    assert again.status == 409 and again.json["error"] == "Already Booked"


def test_a_hundred_seats(client):
    for number in range(100):
        assert post(client, "/book", {"userId": f"u{number}"}).json["status"] == "success"
    for user in ("late", "u1"):
        answer = post(client, "/book", {"userId": user})
        assert answer.status == 409 and answer.json["error"] == "Sold Out", "sold out comes first"


def test_the_status_of_a_user(client):
    before = client.get("/bookings/u1")
    assert before.status in (200, 404)
    post(client, "/book", {"userId": "u1"})
    answer = client.get("/bookings/u1")
    assert answer.status == 200 and "u1" in answer.body.decode()
    assert "CONFIRMED" in answer.body.decode()


def test_try_again_later(house, client):
    house.redis.process.sigstop()
    try:
        answer = post(client, "/book", {"userId": "u2"})
        while answer.status == 202:
            answer = post(client, "/book", {"userId": "u2"})
        assert answer.status == 503 and answer.json["error"] == "Try again later"
    finally:
        house.redis.process.cont()


# The second: tiers.

def test_tickets(client):
    assert client.get("/tickets").json == [{"tier": "VIP", "price": 100, "available": 100},
                                           {"tier": "Regular", "price": 50.5, "available": 3}]


def test_book_tickets(client):
    answer = post(client, "/book", {"tier": "VIP", "quantity": 2})
    assert answer.status in (200, 201)
    body = answer.json
    assert body["message"] == "Booking successful"
    assert body["ticket"] == {"tier": "VIP", "price": 100, "available": 98}
    answer = post(client, "/book", {"tier": "VIP", "quantity": 1})
    assert answer.json["ticket"]["available"] == 97


def test_not_enough_tickets(client):
    for taken, quantity in ((0, 4), (2, 2), (1, 1)):
        if taken:
            assert post(client, "/book", {"tier": "Regular", "quantity": taken}).status < 300
        answer = post(client, "/book", {"tier": "Regular", "quantity": quantity})
        assert answer.status in (400, 409)
        assert answer.json["error"] == "Not enough tickets available"


def test_a_key_on_the_old_routes(client):
    first = post(client, "/book", {"tier": "VIP", "quantity": 2}, key="k")
    again = post(client, "/book", {"tier": "VIP", "quantity": 2}, key="k")
    assert again.body == first.body and again.header("Idempotent-Replayed") == "true"
    other = post(client, "/book", {"tier": "VIP", "quantity": 3}, key="k")
    assert other.status == 422 and other.json["error"]
    client.await_stock("festival", {"VIP": 98, "Regular": 3})


def test_health(client):
    body = client.get("/health")
    assert body.status == 200 and body.json["status"]


# The fourth and the fifth: shows, availability, hold, confirm, cancel.

def test_shows(client):
    shows = client.get("/shows").json
    listed = shows if isinstance(shows, list) else shows["shows"]
    assert {"hall", "festival"} <= {show.get("slug") or show.get("name") for show in listed}


def test_availability(client):
    assert client.get("/availability").status == 200


def hold(client, **fields):
    body = {"show": "festival", "user": "ann", "tier": "VIP", "quantity": 2}
    return post(client, "/booking/hold", {**body, **fields})


def booking_id(answer):
    body = answer.json
    return body.get("booking_id") or body.get("bookingId") or body.get("id")


def test_hold_confirm_cancel(client):
    held = hold(client)
    assert held.status in (200, 201)
    booking = booking_id(held)
    client.await_stock("festival", {"VIP": (98, 2, 0), "Regular": (3, 0, 0)})
    confirmed = post(client, "/booking/confirm", {"booking_id": booking})
    assert confirmed.status == 200 and "CONFIRMED" in confirmed.body.decode()
    client.await_stock("festival", {"VIP": (98, 0, 2), "Regular": (3, 0, 0)})
    cancelled = post(client, "/booking/cancel", {"booking_id": booking})
    assert cancelled.status == 200 and "CANCELLED" in cancelled.body.decode()
    client.await_stock("festival", {"VIP": (100, 0, 0), "Regular": (3, 0, 0)})
    assert client.booking(booking).json["status"] == "CANCELLED"


def test_a_hold_that_cannot_be(client):
    answer = hold(client, tier="Regular", quantity=9)
    assert answer.status in (400, 409) and answer.json["error"]
    for route in ("/booking/confirm", "/booking/cancel"):
        for body in ({}, {"booking_id": "x"}, {"booking_id": "0" * 26}, {"booking_id": 5}):
            answer = post(client, route, body)
            assert answer.status in (400, 404, 422) and answer.json["error"], (route, body)


BAD_BODIES = [
    {}, {"userId": ""}, {"userId": 5}, {"userId": None}, {"userId": "x" * 300}, {"userId": "a\0b"},
    {"tier": "VIP"}, {"tier": "VIP", "quantity": 0}, {"tier": "VIP", "quantity": -1},
    {"tier": "VIP", "quantity": 1.5}, {"tier": "VIP", "quantity": "2"},
    {"tier": "NONE", "quantity": 1}, {"tier": 5, "quantity": 1}, {"quantity": 1}, [], "x", None]


def test_bad_bodies(client):
    for body in BAD_BODIES:
        answer = client.ask("POST", "/book", json.dumps(body).encode())
        assert answer.status in (400, 404, 422) and answer.json["error"], body
    client.await_stock("festival", {"VIP": 100, "Regular": 3})
    client.await_stock("hall", 100)


def test_a_browser_form_is_no_json(client):
    raw = b"POST /book HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 9\r\n" \
          b"Content-Type: application/x-www-form-urlencoded\r\n\r\nuserId=u1"
    assert parse_answers(raw_exchange(client.port, raw))[0].status == 415
