"""What can be read: shows, availability, bookings, histories."""

import re
import urllib.parse

import pytest

from harness import contract
from harness.process import REPOSITORY


@pytest.fixture
def house(world):
    world.show("gala", {"VIP": (10000, 20), "STD": (2500, 100)}, name="The Gala Night",
               category="concert", starts_at="2030-05-01T20:00:00Z", max_per_booking=8)
    world.show("matinee", {"GA": (500, 50)}, name="Matinée for Gala guests", category="movie",
               starts_at="2030-05-02T14:00:00Z")
    world.show("room-12", {"NIGHT": (9900, 1)}, name="Room 12 \"sea view\"", category="hotel",
               starts_at="2030-06-01T00:00:00Z", currency="EUR")
    world.show("anytime", {"GA": (0, 5)}, name="Anytime")
    return world.start()


@pytest.fixture
def client(house):
    return house.client()


def slugs(answer):
    assert answer.status == 200
    return [show["slug"] for show in answer.json["shows"]]


def test_one_show(client):
    show = client.get("/v1/shows/gala").json
    assert show["slug"] == "gala" and show["name"] == "The Gala Night"
    assert show["category"] == "concert" and show["starts_at"].startswith("2030-05-01T20:00:00")
    assert show["rules"]["max_per_booking"] == 8
    assert [(t["tier"], t["price"], t["capacity"]) for t in show["tiers"]] == \
        [("VIP", 10000, 20), ("STD", 2500, 100)]
    assert client.get(f"/v1/shows/{show['id']}").json == show
    assert client.get("/v1/shows/room-12").json["name"] == 'Room 12 "sea view"'
    assert client.get("/v1/shows/room-12").json["currency"] == "EUR"


def test_shows_that_are_not_there(client):
    for name in ("nothing", "0", "999999", "99999999999999999999", "-1", "GALA", "gala%00",
                 "gala%2f", "%ff", "%", "ga%20la"):
        for path in (f"/v1/shows/{name}", f"/v1/shows/{name}/availability"):
            assert client.get(path).status in (400, 404), path
        assert client.book(name, "ann", "GA", 1).status in (400, 404), name


def test_search(client):
    assert set(slugs(client.get("/v1/shows"))) >= {"gala", "matinee", "room-12", "anytime"}
    assert slugs(client.get("/v1/shows?category=hotel")) == ["room-12"]
    assert set(slugs(client.get("/v1/shows?q=gala"))) == {"gala", "matinee"}
    assert slugs(client.get("/v1/shows?q=" + urllib.parse.quote("Matinée"))) == ["matinee"]
    assert slugs(client.get("/v1/shows?q=gala&category=movie")) == ["matinee"]
    assert slugs(client.get("/v1/shows?from=2030-05-02T00:00:00Z&to=2030-05-31T00:00:00Z")) == \
        ["matinee"]
    assert slugs(client.get("/v1/shows?q=nobody")) == []
    assert slugs(client.get("/v1/shows?q=%25")) == [], "a percent sign is no wildcard"
    assert slugs(client.get("/v1/shows?q=_")) == [], "an underscore is no wildcard"
    assert slugs(client.get("/v1/shows?q=%27%3B--")) == []


def test_pages(client):
    everything = slugs(client.get("/v1/shows?limit=100"))
    assert len(everything) == 4
    seen, path = [], "/v1/shows?limit=1"
    for _ in range(10):
        page = client.get(path)
        seen += slugs(page)
        if page.json["next"] is None:
            break
        assert len(page.json["shows"]) == 1
        path = "/v1/shows?limit=1&cursor=" + urllib.parse.quote(page.json["next"])
    assert seen == everything


def test_searches_that_mean_nothing(client):
    for query in ("limit=0", "limit=-1", "limit=x", "limit=99999999999", "cursor=nonsense",
                  "from=yesterday", "to=2030-13-01", "q=%ff"):
        answer = client.get("/v1/shows?" + query)
        assert answer.status in (400, 422) and answer.code == "INVALID", query


def test_availability(client):
    answer = client.get("/v1/shows/gala/availability")
    body = answer.json
    assert body["show"] == "gala" and body["available"] == 120
    assert body["tiers"][0] == {"tier": "VIP", "price": 10000, "currency": "USD", "capacity": 20,
                                "available": 20, "held": 0, "booked": 0, "blocked": 0}
    assert "max-age" in answer.header("Cache-Control")
    client.book("gala", "ann", "VIP", 2)
    client.hold("gala", "bob", "VIP", 3)
    client.await_stock("gala", {"VIP": (15, 3, 2), "STD": (100, 0, 0)})


def test_not_modified(client):
    first = client.availability("gala")
    tag = first.header("ETag")
    assert tag
    for given in (tag, f'"other", {tag}', "*", f"W/{tag.removeprefix('W/')}"):
        again = client.get("/v1/shows/gala/availability", if_none_match=given)
        assert again.status == 304 and again.body == b"" and again.header("ETag") == tag
    assert client.get("/v1/shows/gala/availability", if_none_match='"other"').status == 200
    client.book("gala", "ann", "VIP", 1)
    client.await_stock("gala", 119)
    changed = client.get("/v1/shows/gala/availability", if_none_match=tag)
    assert changed.status == 200 and changed.header("ETag") != tag
    assert changed.json["available"] == 119


def test_a_client_reads_its_own_booking(house, client):
    """Through whichever gateway: a cache may be short of a change, never of one's own."""
    other = house.start_gateway().client()
    for number in range(10):
        booking = client.book("gala", "ann", "STD", 1).json
        assert other.booking(booking["id"]).json == booking
        other.await_stock("gala", 119 - number)


def test_another_gateway_sees_what_happens(house):
    other = house.start_gateway().client()
    first = house.client()
    other.await_stock("matinee", 50)
    first.book("matinee", "ann", "GA", 5)
    other.await_stock("matinee", 45)


def newest_first(bookings):
    """Those of one millisecond in the order of their ids."""
    return [b["id"] for b in sorted(bookings, key=lambda b: (b["created_at"], b["id"]),
                                    reverse=True)]


def test_history(client):
    assert client.get("/v1/users/ann/bookings").json["bookings"] == []
    answers = [client.book("gala", "ann", "STD", 1).json,
               client.hold("matinee", "ann", "GA", 2).json,
               client.book("gala", "ann", items=[{"tier": "STD", "quantity": 1},
                                                 {"tier": "VIP", "quantity": 1}]).json]
    made = [answer["id"] for answer in answers]
    client.book("gala", "bob", "STD", 1)
    client.cancel(made[0])
    history = client.get("/v1/users/ann/bookings").json["bookings"]
    assert [b["id"] for b in history] == newest_first(answers)
    assert {b["id"]: b["status"] for b in history} == dict(
        zip(made, ["CANCELLED", "HELD", "CONFIRMED"]))
    assert all(client.booking(b["id"]).json == b for b in history)


def test_a_users_holds(client):
    answers = [client.hold("matinee", "ann", "GA", n).json for n in (1, 2, 3)]
    holds = newest_first(answers)[::-1]
    client.book("matinee", "ann", "GA", 1)
    client.cancel(holds[1])
    held = client.get("/v1/users/ann/bookings?status=HELD&limit=1").json
    assert [b["id"] for b in held["bookings"]] == [holds[2]]
    rest = client.get(f"/v1/users/ann/bookings?status=HELD&limit=1&cursor={held['next']}").json
    assert [b["id"] for b in rest["bookings"]] == [holds[0]] and rest["next"] is None
    wrong = client.get("/v1/users/ann/bookings?status=held")
    assert wrong.status == 400 and "status" in wrong.json["detail"]


def test_names_of_people(client):
    for user in ("ann@example.com", "Ünï côdé", "a/b", "%", "+ +", "'; --", "user\"quote", "\\",
                 "😀", "x" * 128):
        booking = client.book("gala", user, "STD", 1)
        assert booking.status == 201 and booking.json["user"] == user
        path = "/v1/users/" + urllib.parse.quote(user, safe="") + "/bookings"
        assert [b["id"] for b in client.get(path).json["bookings"]] == [booking.json["id"]], user


def test_head_and_get_agree(client):
    for path in ("/v1/shows", "/v1/shows/gala", "/v1/shows/gala/availability", "/health"):
        body = client.get(path)
        head = client.ask("HEAD", path)
        assert head.status == body.status == 200 and head.body == b""
        assert head.header("Content-Type") == body.header("Content-Type")


def test_the_document(client):
    answer = client.get("/openapi.json")
    assert answer.status == 200 and answer.json["openapi"].startswith("3.1")
    assert answer.body == contract.DOCUMENT.read_bytes()


def test_every_route_is_in_the_document():
    text = (REPOSITORY / "gateway/routes.c").read_text()
    routes = re.findall(r'\{METHOD_([A-Z]+), "([^"]+)"', text)
    assert len(routes) == text.count("{METHOD_") > 80
    said = {(method, re.sub(r"\{[^}]+\}", ":", template))
            for template, item in contract.document()["paths"].items()
            for method in contract.METHODS if method in item}
    assert {(method.lower(), re.sub(r":\w+", ":", path)) for method, path in routes} == said


def test_every_route_of_the_document_is_there(house):
    client = house.start_gateway(book_show="matinee", tickets_show="gala").client()
    for template, item in contract.document()["paths"].items():
        path = re.sub(r"\{[^}]+\}", "0" * 26, template)
        for method in contract.METHODS:
            answer = client.ask(method.upper(), path, {} if method == "post" else None)
            if method in item or (method == "head" and "get" in item):
                assert answer.status != 405, (method, path)
                assert answer.status != 404 or "{" in template or method == "head", (method, path)
            elif method != "options":
                assert answer.status == 405 and answer.header("Allow"), (method, path)
    client.close()


def test_reads_go_on_without_allocators(house):
    client = house.client()
    booking = client.book("gala", "ann", "STD", 1).json
    house.allocators[0].kill9()
    assert client.booking(booking["id"]).json == booking
    client.await_stock("gala", 119)
    assert client.get("/v1/users/ann/bookings").status == 200
