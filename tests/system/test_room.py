"""The waiting room: who is let in, at a rate and for what is left; nobody books who was not."""

import time

import pytest

from harness import draw
from harness.live import Listener
from harness.process import wait_until
from harness.room import FAST, admitted, join, joined, keys_of, opened, place, room, wait_state


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


# Who needs it.

def test_without_a_room_nobody_stands_in_line(client):
    answer = join(client, "ann")
    assert answer.status == 200 and answer.json == {
        "show": "gala", "show_id": answer.json["show_id"], "state": "off", "admission": None}
    assert client.book("gala", "ann", "GA").status == 201


def test_a_booking_without_an_admission_is_refused(gala, client):
    opened(gala, client)
    refused = client.book("gala", "ann", "GA")
    assert (refused.status, refused.code) == (403, "QUEUE_REQUIRED"), refused
    assert refused.json["error"] == "Please join the waiting room first"
    assert client.hold("gala", "ann", "GA").status == 403
    assert client.post("/booking/hold", {"userId": "ann", "showId": "gala", "tier": "GA",
                                         "quantity": 1}).status in (403, 400, 422)


def test_who_is_let_in_books(gala, client):
    opened(gala, client)
    mine = joined(client, "ann")[0]
    assert mine["order"] == "arrival" and mine["number"] == 1 and mine["left"] == 6
    admitted = wait_state(client, mine["ticket"], "admitted")
    assert admitted["place"] == 0 and admitted["serving"] == 1
    assert draw.read(admitted["admission"])[:3] == (2, admitted["show_id"], 1)
    booked = client.book("gala", "ann", "GA", admission=admitted["admission"])
    assert booked.status == 201, booked
    gala.judge()


def test_the_admission_may_stand_in_a_header_field(gala, client):
    opened(gala, client)
    admitted = wait_state(client, joined(client, None)[0]["ticket"], "admitted")
    answer = client.post("/v1/shows/gala/bookings", {"user": "ann", "tier": "GA"},
                         Usher_Admission=admitted["admission"])
    assert answer.status == 201, answer


def test_an_admission_is_for_one_show_one_user_and_a_time(gala, client):
    gala.show("other", {"GA": (1000, 6)})
    opened(gala, client)
    room(gala, "--order", "arrival", "--rate", FAST, show="other")
    wait_until("the other room", lambda: client.book("other", "ann", "GA").status == 403)
    mine = wait_state(client, joined(client, "ann")[0]["ticket"], "admitted")
    show, number, until = draw.read(mine["admission"])[1:]
    forged = {
        "another show": client.book("other", "ann", "GA", admission=mine["admission"]),
        "another user": client.book("gala", "bob", "GA", admission=mine["admission"]),
        "the ticket": client.book("gala", "ann", "GA", admission=mine["ticket"]),
        "an expired one": client.book("gala", "ann", "GA", admission=draw.sign(
            2, show, number, int(time.time() * 1000) - 1000, "ann")),
        "another secret": client.book("gala", "ann", "GA", admission=draw.sign(
            2, show, number, until, "ann", secret=bytes(32))),
        "a key that is not known": client.book("gala", "ann", "GA", admission=draw.sign(
            2, show, number, until, "ann", key=8)),
        "a changed character": client.book("gala", "ann", "GA",
                                           admission="B" + mine["admission"][1:]),
        "no text": client.book("gala", "ann", "GA", admission="x"),
    }
    for what, answer in forged.items():
        assert (answer.status, answer.code) == (403, "QUEUE_REQUIRED"), (what, answer)
    assert client.book("gala", "ann", "GA", admission=7).status == 422
    assert client.book("gala", "ann", "GA", admission=mine["admission"]).status == 201


def test_a_user_has_one_place_and_a_stranger_each_time_a_new_one(gala, client):
    room(gala, "--opens-at", "2099-01-01T00:00:00Z")
    first, again, other = joined(client, "ann", "ann", "bob")
    assert (first["arrival"], again["arrival"], other["arrival"]) == (1, 1, 2)
    strangers = joined(client, None, None)
    assert [one["arrival"] for one in strangers] == [3, 4]


def test_a_ticket_that_is_none(gala, client):
    opened(gala, client)
    mine = joined(client, "ann")[0]
    show = mine["show_id"]
    later = int(time.time() * 1000) + 60000
    assert client.get("/v1/queue/nonsense").status == 404
    assert client.get("/v1/queue/" + mine["ticket"][:-1]).status == 404
    assert client.get("/v1/queue/" + draw.sign(2, show, 1, later, "ann")).status == 404
    assert client.get("/v1/queue/" + draw.sign(1, 999, 1, later)).status == 404
    over = client.get("/v1/queue/" + draw.sign(1, show, 1, later - 120000, "ann"))
    assert (over.status, over.code) == (410, "QUEUE_REQUIRED")


# One booking for an admission.

def test_an_admission_makes_one_booking(gala, client):
    opened(gala, client)
    mine = admitted(client)
    first = client.book("gala", "ann", "GA", admission=mine["admission"])
    assert first.status == 201, first
    again = client.book("gala", "ann", "GA", admission=mine["admission"])
    assert (again.status, again.code) == (403, "QUEUE_REQUIRED"), again
    assert "was used" in again.json["detail"]
    assert client.hold("gala", "bob", "GA", admission=mine["admission"]).status == 403
    over = client.get("/v1/queue/" + mine["ticket"])
    assert (over.status, over.code) == (410, "QUEUE_REQUIRED")
    client.cancel(first.json["id"])
    assert client.book("gala", "ann", "GA", admission=mine["admission"]).status == 403
    assert gala.rows("SELECT number, booking IS NOT NULL AS made FROM admissions") == [
        {"number": 1, "made": True}]
    gala.judge()


def test_a_refused_booking_leaves_the_admission(gala, client):
    opened(gala, client)
    mine = admitted(client, "ann")
    assert client.book("gala", "ann", "GA", 5, admission=mine["admission"]).code == "LIMIT_EXCEEDED"
    assert client.book("gala", "ann", "GA", 2, admission=mine["admission"]).status == 201


def test_the_same_key_gets_the_same_answer_when_the_admission_has_expired(gala, client):
    opened(gala, client, "--admission-seconds", 1)
    mine = admitted(client, "ann")
    body = {"user": "ann", "tier": "GA", "admission": mine["admission"]}
    first = client.post("/v1/shows/gala/bookings", body, key="k1")
    assert first.status == 201, first
    until = draw.read(mine["admission"])[3]
    wait_until("it to expire", lambda: time.time() * 1000 > until)
    again = client.post("/v1/shows/gala/bookings", body, key="k1")
    assert again.status == 201 and again.body == first.body
    late = client.post("/v1/shows/gala/bookings", body, key="k2")
    assert (late.status, late.code) == (403, "QUEUE_REQUIRED")
    other = admitted(client, "bob")
    wait_until("it to expire", lambda: time.time() * 1000 > draw.read(other["admission"])[3])
    body = {"user": "bob", "tier": "GA", "admission": other["admission"]}
    late = client.post("/v1/shows/gala/bookings", body, key="k3")
    assert late.status == 403 and "expired" in late.json["detail"], late


def test_several_shows_with_an_admission_for_the_first(gala, client):
    gala.show("matinee", {"GA": (1000, 6)})
    opened(gala, client)
    items = [{"show": "gala", "tier": "GA"}, {"show": "matinee", "tier": "GA"}]
    body = {"user": "ann", "items": items}
    assert client.post("/v1/shows/gala/bookings", body).status == 403
    assert client.post("/v1/shows/matinee/bookings", {
        "user": "ann", "items": items}).status == 403
    mine = admitted(client)
    both = client.post("/v1/shows/gala/bookings", dict(body, admission=mine["admission"]))
    assert both.status == 201, both
    again = client.post("/v1/shows/gala/bookings", dict(body, admission=mine["admission"]))
    assert again.status == 403, again
    gala.judge()


# Who is let in.

def test_nobody_is_let_in_for_nothing_and_all_are_told_when_it_is_sold_out(gala, client):
    opened(gala, client)
    tickets = [one["ticket"] for one in joined(client, *[None] * 15)]
    bookings = 0
    while bookings < 6:
        for ticket in tickets:
            answer = client.get(f"/v1/queue/{ticket}")
            if answer.status != 200 or answer.json["state"] != "admitted":
                continue
            serving = answer.json["serving"]
            assert serving <= 6 and answer.json["left"] <= 6
            booked = client.book("gala", f"u{ticket[:40]}", "GA",
                                 admission=answer.json["admission"])
            assert booked.status == 201, booked
            bookings += 1
    left = [ticket for ticket in tickets if client.get(f"/v1/queue/{ticket}").status == 200]
    assert len(left) == 9
    for ticket in left:
        assert wait_state(client, ticket, "sold_out")["left"] == 0
    assert gala.value("SELECT serving FROM rooms") == 6
    gala.judge()


def test_who_does_not_come_gives_the_place_on(gala, client):
    opened(gala, client, "--no-show-seconds", 1)
    tickets = [one["ticket"] for one in joined(client, *[None] * 8)]
    # The first six are called; nobody comes but the last two, who are called when their time is
    # over.
    for ticket in tickets[6:]:
        wait_state(client, ticket, "admitted")
    for ticket in tickets[:6]:
        over = client.get(f"/v1/queue/{ticket}")
        assert (over.status, over.code) == (410, "QUEUE_REQUIRED")


def test_an_admission_that_is_not_used_gives_its_place_on(gala, client):
    opened(gala, client, "--no-show-seconds", 1, "--admission-seconds", 1)
    tickets = [one["ticket"] for one in joined(client, *[None] * 7)]
    for ticket in tickets[:6]:
        wait_state(client, ticket, "admitted")
    wait_state(client, tickets[6], "admitted")


def test_who_joins_again_with_a_place_that_is_over_gets_a_new_one(gala, client):
    opened(gala, client, "--no-show-seconds", 1, "--admission-seconds", 1)
    mine = admitted(client, "ann")
    wait_until("it to be over",
               lambda: client.get("/v1/queue/" + mine["ticket"]).status == 410)
    again = wait_until("another place", lambda: (
        one := join(client, "ann").json)["arrival"] != mine["arrival"] and one)
    assert again["arrival"] == mine["arrival"] + 1
    assert wait_state(client, again["ticket"], "admitted")["admission"]


def test_a_pause_lets_nobody_in(gala, client):
    opened(gala, client, "--pause")
    mine = joined(client, "ann")[0]
    paused = wait_until("the pause", lambda: (p := place(client, mine["ticket"]))["paused"] and p)
    assert paused["state"] == "waiting" and paused["eta_ms"] is None
    time.sleep(0.5)
    assert gala.value("SELECT serving FROM rooms") == 0
    room(gala, "--resume")
    assert wait_state(client, mine["ticket"], "admitted")


def test_a_room_that_is_switched_off_is_nobodys_business(gala, client):
    opened(gala, client, "--pause")
    mine = joined(client, "ann")[0]
    with Listener(gala.gateways[0].port, "/v1/shows/gala/events") as listener:
        def told(state):
            return next((e for e in listener.events if e.type == "queue"
                         and (e.json["state"], e.json["joined"]) == (state, 1)), None)
        news = wait_until("the room", lambda: told("paused"))
        assert (news.json["serving"], news.json["left"]) == (0, 6)
        room(gala, "--mode", "off")
        wait_until("the room to be off", lambda: told("off"))
    wait_until("it to be off",
               lambda: client.get("/v1/queue/" + mine["ticket"]).json["state"] == "off")
    assert client.book("gala", "ann", "GA").status == 201


def test_who_did_not_come_in_time_may_join_again(gala, client):
    opened(gala, client, "--no-show-seconds", 1)
    mine = joined(client, "ann")[0]
    wait_until("it to be over", lambda: int(gala.redis_client().hget(
        f"usher:{{1}}:room:{mine['show_id']}", "gone") or 0) >= 1)
    assert client.get("/v1/queue/" + mine["ticket"]).status == 410
    again = joined(client, "ann")[0]
    assert again["arrival"] == mine["arrival"] + 1
    admitted_again = wait_state(client, again["ticket"], "admitted")
    kept = joined(client, "ann")[0]  # whoever has come keeps the place, whatever else is over
    assert kept["arrival"] == again["arrival"]
    assert client.book("gala", "ann", "GA",
                       admission=admitted_again["admission"]).status == 201
    assert joined(client, "ann")[0]["arrival"] == again["arrival"] + 1
