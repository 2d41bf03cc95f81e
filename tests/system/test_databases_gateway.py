"""Several databases as a client sees them: one usher."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import draw, judge
from harness.crowd import lines_of
from harness.databases import FIRST, judge_both, pair_up
from harness.process import wait_until
from harness.world import COURIER_USER
from test_admin import Operator
from test_seeds_seats import rows, seats_show


@pytest.fixture
def pair(sturdy_world, elsewhere):
    """A show in each of two databases, and all programs."""
    world = pair_up(sturdy_world, elsewhere, places=40)
    world.start(allocators=3)
    for partition in (1, 7):
        world.wait_owner(partition)
    yield world
    judge_both(world)


@pytest.fixture
def client(pair):
    return pair.client()


@pytest.fixture
def olga(pair):
    return Operator(pair.client())


def granted(answer):
    assert answer.status == 201, answer
    return answer.json["id"]


def pages(get, path, name, limit):
    """All of a list, page by page."""
    found, cursor = [], ""
    while True:
        page = get(f"{path}{'&' if '?' in path else '?'}limit={limit}{cursor}")
        assert len(page[name]) == limit or page["next"] is None
        found += page[name]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


def get_json(client):
    def get(path):
        answer = client.get(path)
        assert answer.status == 200, answer
        return answer.json
    return get


# Of one show.

@pytest.mark.parametrize("show", ["here", "there"])
def test_bookings_go_their_way(pair, client, show):
    booked = granted(client.book(show, "ann", "GA", 2))
    held = granted(client.hold(show, "bob", "GA", 1))
    assert client.booking(booked).json["show"] == show
    assert client.get(f"/v1/requests/{booked}").json["id"] == booked
    assert client.confirm(held).status == 200
    assert client.cancel(booked).status == 200
    assert client.booking(booked).json["status"] == "CANCELLED"
    client.await_stock(show, 39)
    assert client.get(f"/v1/shows/{show}").json["id"] == (1 if show == "here" else FIRST)
    assert client.get(f"/v1/shows/{FIRST}").json["slug"] == "there"
    assert client.get("/v1/shows/nowhere").status == 404
    assert client.get(f"/v1/shows/{FIRST + 5}").status == 404
    assert client.get(f"/v1/bookings/{'0' * 26}").status == 404


@pytest.mark.parametrize("show", ["here", "there"])
def test_reports_are_read_where_the_show_is(client, olga, show):
    granted(client.book(show, "ann", "GA", 2))
    assert client.book(show, "bob", "GA", 99).status == 409
    path = f"/shows/{show}/analytics"
    assert [row["confirmed"] for row in olga.get(f"{path}/sales?step=all")["rows"]] == [2]
    wait_until("what was decided", lambda: sum(
        row["requests"] for row in olga.get(f"{path}/decisions?step=all")["rows"]) == 2)
    assert len(olga.get(f"{path}/refusals?step=all")["rows"]) == 1


@pytest.mark.parametrize("show", ["here", "there"])
def test_a_key_is_answered_the_same_from_its_database(pair, client, show):
    first = client.book(show, "ann", "GA", 1, key="k")
    again = client.book(show, "ann", "GA", 1, key="k")
    assert first.body == again.body and again.header("Idempotent-Replayed") == "true"
    pair.redis.client().flushall()  # only Postgres knows now
    wait_until("the partitions to be back", lambda: client.get("/readyz").status == 200)
    late = wait_until("the first answer", lambda: next(
        (a for a in [client.book(show, "ann", "GA", 1, key="k")] if a.status == 201), None), 20)
    assert late.json["id"] == first.json["id"]


def test_payments_through_a_courier_for_each(pair, client):
    pair.start_provider()
    pair.start_courier()
    pair.start_courier(postgres=pair.other.url(COURIER_USER))
    for show in ("here", "there"):
        held = granted(client.hold(show, "ann", "GA", 2))
        paid = client.pay(held, f"pay {show}")
        assert paid.status == 200 and paid.json["status"] == "SUCCEEDED", paid
        assert client.booking(held).json["payment"]["status"] == "SUCCEEDED"
        assert client.cancel(held, {"quantity": 1}).status == 200
        assert len(pair.provider.charges(held)) == 1
    for count in (lambda: pair.value("SELECT count(*) FROM outbox"),
                  lambda: pair.other.value("SELECT count(*) FROM outbox")):
        wait_until("the outbox to be empty", lambda count=count: count() == 0, 15)


def test_seats_the_waiting_list_and_several_nights(pair, client):
    seats_show(pair, "hall", rows("AB", 3), partition=7)
    pair.show("next", {"GA": (100, 2)}, partition=7)
    plan = client.get("/v1/shows/hall/seats").json
    assert len(plan["seats"]) == 6
    taken = client.post("/v1/shows/hall/bookings", {"user": "ann", "seats": ["A-1"]})
    assert taken.status == 201, taken
    conflict = client.post("/v1/shows/hall/bookings", {"user": "bob", "seats": ["A-1", "A-2"]})
    assert conflict.status == 409 and conflict.json["conflicts"] == ["A-1"]
    full = granted(client.book("next", "ann", "GA", 2))
    joined = client.post("/v1/shows/next/waitlist", {"user": "bob", "tier": "GA", "quantity": 1})
    assert joined.status == 201, joined
    assert client.cancel(full).status == 200
    entry = wait_until("an offer", lambda: next((e for e in [client.get(
        f"/v1/waitlist/{joined.json['id']}").json] if e["status"] == "OFFERED"), None))
    assert entry["user"] == "bob"
    both = client.post("/v1/shows/there/bookings", {"user": "eve", "items": [
        {"show": "there", "tier": "GA", "quantity": 1},
        {"show": "next", "tier": "GA", "quantity": 1}]})
    assert both.status == 201, both
    apart = client.post("/v1/shows/here/bookings", {"user": "eve", "items": [
        {"show": "here", "tier": "GA", "quantity": 1},
        {"show": "there", "tier": "GA", "quantity": 1}]})
    assert apart.json["code"] == "DIFFERENT_PARTITIONS", apart


def test_a_waiting_room(pair):
    pair.start_gateway(ticket_keys=draw.keys_file(pair.folder), name="doors")
    client = pair.client(gateway=1)
    olga = Operator(client)
    room = olga.post("/shows/there/room", {"mode": "on", "order": "arrival", "rate": 6000})
    assert room.status == 200, room
    refused = wait_until("the room to be heard of", lambda: next((a for a in [client.book(
        "there", "ann", "GA", 1)] if a.status != 201), None))
    assert refused.json["code"] == "QUEUE_REQUIRED", refused
    ticket = wait_until("the room to be open", lambda: next((a for a in [client.post(
        "/v1/shows/there/queue", {"user": "zoe"})] if a.status in (200, 201)), None))
    admission = wait_until("the turn", lambda: client.get(
        f"/v1/queue/{ticket.json['ticket']}").json.get("admission"), 15)
    assert client.book("there", "zoe", "GA", 1, admission=admission).status == 201


def test_the_earlier_clients_routes(pair, client):
    seats_show(pair, "theatre", rows("A", 3), number=FIRST + 20, partition=7,
               starts_at="2035-06-01T19:30:00Z")
    seats_show(pair, "matinee", rows("A", 2), number=50, starts_at="2035-01-01T15:00:00Z")
    pair.start_courier(postgres=pair.other.url(COURIER_USER))
    listed = get_json(client)("/events")
    assert [event["slug"] for event in listed] == ["theatre", "matinee"]  # seats_show comes first
    shows = [show["id"] for show in get_json(client)("/shows")]
    assert shows == [50, FIRST + 20, 1, FIRST] and \
        get_json(client)(f"/events/{FIRST + 20}")["total_seats"] == 3
    seat = get_json(client)("/seats?event_id=theatre")[0]
    hold = client.post("/holds", {"seat_id": seat["id"], "user_email": "ann@example.org"})
    assert hold.status in (200, 201), hold
    booking = client.post("/bookings", {"hold_id": hold.json["hold_id"]})
    assert booking.status in (200, 201), booking
    paid = client.post("/payments", {"booking_id": booking.json["booking_id"]}, key="k")
    assert paid.json.get("status") == "success", paid
    assert client.post("/bookings", {"hold_id": "0" * 26}).status == 400
    mine = client.get("/bookings/ann@example.org")
    assert mine.status == 200 and mine.json["userId"] == "ann@example.org", mine


# Lists over everything.

def test_a_history_is_one_in_its_order(pair, client):
    made = [granted(client.book("here" if i % 3 else "there", "ann", "GA", 1)) for i in range(11)]
    held = granted(client.hold("there", "ann", "GA", 1))
    get = get_json(client)
    for limit in (1, 2, 3, 5, 100):
        found = pages(get, "/v1/users/ann/bookings", "bookings", limit)
        order = [(row["created_at"], row["id"]) for row in found]
        assert order == sorted(order, reverse=True)
        assert {row["id"] for row in found} == {*made, held} and len(found) == 12
    assert [row["id"] for row in pages(get, "/v1/users/ann/bookings?status=HELD", "bookings", 2)] \
        == [held]
    assert get("/v1/users/nobody/bookings") == {"bookings": [], "next": None}


def test_a_search_is_one_in_its_order(pair, client):
    for i in range(6):
        pair.show(f"play-{i}", {"GA": (1, 1)}, partition=(1, 7)[i % 2], category="play",
                  starts_at=f"2035-01-0{1 + i // 2}T20:00:00Z", series="season")
    get = get_json(client)
    first = [f"play-{i}" for i in range(6)]
    for limit in (1, 2, 4, 100):
        found = [show["slug"] for show in pages(get, "/v1/shows", "shows", limit)]
        assert found == [*first, "here", "there"]  # those without a time come last
    assert [show["slug"] for show in get("/v1/shows?q=play&from=2035-01-02&to=2035-01-03")["shows"]] \
        == ["play-2", "play-3"]
    assert len(get("/v1/shows?series=season")["shows"]) == 6


def test_what_operators_see_is_one(pair, client, olga):
    for i in range(4):
        assert olga.post(f"/shows/{('here', 'there')[i % 2]}/pause").status == 200
    numbers = [row["show"]["id"] for row in pages(olga.get, "/shows", "shows", 1)]
    assert numbers == [1, FIRST]
    for limit in (1, 3, 100):
        audit = pages(olga.get, "/audit", "audit", limit)
        times = [row["at"] for row in audit]
        assert times == sorted(times, reverse=True)
        assert [row["action"] for row in audit].count("show.pause") == 4
        assert len(audit) == 6  # and two creations
    assert len(pages(olga.get, "/audit?show=there", "audit", 2)) == 3
    assert olga.ask("GET", "/audit?cursor=5").status == 400
    partitions = olga.get("/partitions")["partitions"]
    assert [(p["partition"], p["database"], p["reachable"], p["shows"]) for p in partitions] == \
        [(1, "", True, 1), (7, pair.other.dsn, True, 1)]
    assert partitions[1]["owner"] and partitions[1]["epoch"] == 1
    assert olga.get("/shows/there/statistics")["partition"] == 7
    for show in ("here", "there"):
        assert olga.post(f"/shows/{show}/open").status == 200


# What operators do.

def test_a_show_is_made_where_its_partition_is(pair, client, olga):
    body = {"slug": "new", "name": "New", "partition": 7, "state": "open",
            "tiers": [{"code": "GA", "price": 100, "capacity": 3}]}
    made = olga.post("/shows", body, **{"Idempotency-Key": "make"})
    assert made.status == 201 and made.json["result"]["show_id"] == FIRST + 1, made
    assert olga.post("/shows", body, **{"Idempotency-Key": "make"}).body == made.body
    asked = olga.ask("GET", f"/requests/{made.json['request_id']}")
    assert asked.json["result"]["show"] == "new"
    granted(client.book("new", "ann", "GA", 1))
    twice = olga.post("/shows", {**body, "partition": 1})
    assert twice.status == 409 and twice.json["code"] == "ALREADY_EXISTS", twice
    assert olga.post("/shows", {**body, "slug": "here"}).json["code"] == "ALREADY_EXISTS"
    home = olga.post("/shows", {**body, "slug": "home", "partition": 1})
    assert home.status == 201 and home.json["result"]["show_id"] == 2, home
    asked = olga.ask("GET", f"/requests/{home.json['request_id']}")
    assert asked.json["result"]["show"] == "home"
    nowhere = olga.post("/shows", {**body, "slug": "nowhere", "partition": 99})
    assert nowhere.status in (409, 422) and "no such partition" in nowhere.json["detail"], nowhere


def test_what_would_leave_its_database_is_refused(pair, olga):
    for show, to in (("here", 7), ("there", 1)):
        moved = olga.post(f"/shows/{show}/move", {"to": to})
        assert moved.status == 422 and "within its database" in moved.json["detail"], moved
    added = olga.post("/partitions", {"partition": 7})
    assert added.status == 409, added
    added = olga.post("/partitions", {"partition": 8})
    assert added.status == 201 and pair.value("SELECT dsn FROM partitions WHERE partition = 8") == ""
    pair.start_allocator(partition=8)
    pair.wait_owner(8)
    assert olga.post("/shows/here/move", {"to": 8}).status == 200


def test_each_database_has_its_own_webhooks(pair, olga):
    body = {"url": "https://example.org/hook", "events": ["*"]}
    made = olga.post("/webhooks?partition=7", body)
    assert made.status == 201 and made.header("Location").endswith("?partition=7"), made
    assert len(olga.get("/webhooks?partition=7")["webhooks"]) == 1
    assert olga.get("/webhooks")["webhooks"] == []
    number = made.json["result"]["webhook"]
    assert olga.ask("GET", f"/webhooks/{number}").status == 404
    assert olga.ask("GET", f"/webhooks/{number}?partition=99").status == 404
    assert olga.ask("DELETE", f"/webhooks/{number}?partition=7").status == 200
    assert pair.other.value("SELECT count(*) FROM subscriptions") == 0


def test_who_waits_at_another_gateway_hears_what_was_decided_at_home(pair, olga):
    """An operator's request does not say which database decides it; none is asked last for good."""
    pair.start_gateway()
    other = Operator(pair.client(1))
    owner = pair.owner(1)
    owner.send(signal.SIGSTOP)
    try:
        key = {"Idempotency-Key": "k", "Prefer": "respond-async"}
        queued = olga.post("/webhooks", {"url": "https://example.org/hook"}, **key)
        assert queued.status == 202, queued
        with ThreadPoolExecutor() as pool:
            path = f"/requests/{queued.json['request_id']}"
            waits = pool.submit(other.ask, "GET", path, Prefer="wait=3")
            time.sleep(1)  # it has looked at home, and there was nothing
            owner.send(signal.SIGCONT)
            told = waits.result()
    finally:
        owner.send(signal.SIGCONT)
    assert told.status == 201 and told.json["result"]["webhook"] == 1, told


def test_a_database_is_named_anew_while_it_sells(pair, client):
    dsn = pair.other.dsn + " connect_timeout=7"
    pair.rows("UPDATE databases SET dsn = %s WHERE dsn <> '' RETURNING 1", dsn)
    wait_until("the gateway to hear of it", lambda: any(
        dsn in line for line in pair.gateways[0].events("database")), 15)
    granted(client.book("there", "ann", "GA", 1))
    assert len(client.get("/v1/users/ann/bookings").json["bookings"]) == 1
    assert [d["partitions"] for d in client.get("/health").json["databases"]] == [[1], [7]]
    owner = pair.wait_owner(7)
    pair.expect_exit(owner)
    owner.kill9()
    granted(client.book("there", "bob", "GA", 1))


# What goes wrong.

def test_silence_is_told_by_the_clock_of_its_database(pair, client):
    """A request that nobody decided is over when its own partition's clock says so."""
    for allocator in pair.allocators:
        pair.expect_exit(allocator)
        allocator.kill9()
    asked = client.book("there", "ann", "GA", 1, prefer="respond-async")
    assert asked.status == 202, asked
    path = asked.header("Location")
    pair.redis.client().delete("usher:{7}:requests")  # Redis has lost it
    later = "UPDATE partitions SET now_ms = now_ms + 600000 WHERE dsn = '' RETURNING 1"
    assert client.get(path).status == 202
    pair.rows(later)
    assert client.get(path).status == 202  # home's clock says nothing of it
    pair.other.run(later)
    over = client.get(path)
    assert over.status == 504 and over.json["code"] == "TIMED_OUT", over
    for partition in (1, 7):
        pair.start_allocator(partition=partition)
        pair.wait_owner(partition)


@pytest.mark.parametrize("away", ["there", "here"])
def test_one_database_dies_while_both_sell(sturdy_world, elsewhere, away):
    world = pair_up(sturdy_world, elsewhere, places=4000)
    world.start(allocators=3, gateways=2)
    for partition in (1, 7):
        world.wait_owner(partition)
    stays = "here" if away == "there" else "there"
    dies = world.other.cluster if away == "there" else world.cluster
    crowds = {show: world.crowd(show, seconds=120).start_traffic(8, ["GA"], seed=3, people=show)
              for show in ("here", "there")}
    for crowd in crowds.values():
        crowd.await_decided(60)
    client = world.client()
    mine = granted(client.book(stays, "me", "GA", 1))
    dies.kill9()
    crowds[stays].await_decided(120)
    # What is of the other goes on; what is of all says that it cannot be told.
    granted(client.book(stays, "me", "GA", 1))
    assert client.booking(mine).status == 200
    for path in ("/v1/users/me/bookings", "/v1/shows", "/shows", "/events"):
        assert client.get(path).status == 503, path
    health = client.get("/health")
    assert health.status == 503
    assert {database["status"] for database in health.json["databases"]} == {"ok", "down"}
    if away == "there":  # home tells at least what it knows, also to who comes now
        late = world.start_gateway(name="late")
        assert late.client().book("here", "me", "GA", 1).status in (201, 409)  # sold or sold out
        partitions = Operator(client).get("/partitions")["partitions"]
        assert [p["reachable"] for p in partitions] == [True, False]
    world.reconnect()
    dies.start()
    crowds[away].await_decided(60, seconds=60)
    asks = {show: crowd.finish() for show, crowd in crowds.items()}
    assert client.cancel(mine).status == 200
    assert wait_until("the history", lambda: client.get("/v1/users/me/bookings").status == 200)
    world.other.judge()
    world.judge()
    judge_asks(world, asks)


def judge_asks(world, asks):
    """Every answer is true, in the database that gave it; `me` is no part of the crowds."""
    for show, connection in (("here", world.connection),
                             ("there", world.other.cluster.connect(world.other.database))):
        found = judge.judge_history(connection, asks[show], lines_of({"GA": 1}))
        found = [line for line in found if "the booking of me" not in line]
        assert not found, "\n".join(found)
