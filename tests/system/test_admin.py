"""The administrators' routes: who may, what is done, what is told and written down."""

import hashlib

import pytest

from harness import contract
from harness.process import free_port, wait_until
from harness.programs import run_program
from harness.world import ADMIN_TOKEN

TOKEN, OTHER = ADMIN_TOKEN, "usher_admin_" + "b2" * 32
HASHES = ",".join(f"{name}:{hashlib.sha256(token.encode()).hexdigest()}"
                  for name, token in (("olga", TOKEN), ("otto", OTHER)))


class Operator:
    """A client that shows a token."""

    def __init__(self, client, token=TOKEN):
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method, path, body=None, **headers):
        return self.client.ask(method, "/v1/admin" + path, body, {**self.headers, **headers})

    def get(self, path):
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def post(self, path, body=None, **headers):
        return self.ask("POST", path, {} if body is None else body, **headers)


@pytest.fixture
def gala(world):
    world.show("gala", {"GA": (1000, 4), "VIP": (5000, 2)}, max_per_user=4, max_per_booking=4)
    world.start(gateways=0)
    world.start_gateway(admin_token_hashes=HASHES)
    yield world
    world.judge()


@pytest.fixture
def olga(gala):
    return Operator(gala.client())


# All of the document's; none of these is there, but who has no token does not learn that.
PATHS = {"show": "gala", "id": "00000000000000000000000000", "number": "1", "report": "sales",
         "tier": "GA"}
ROUTES = [(method.upper(), path.removeprefix("/v1/admin").format(**PATHS))
          for path, item in contract.document()["paths"].items() if path.startswith("/v1/admin/")
          for method in item if method in contract.METHODS]


def test_nobody_administrates_without_a_token(gala):
    client = gala.client()
    wrongs = [{}, {"Authorization": "Bearer "}, {"Authorization": "Basic " + TOKEN},
              {"Authorization": "Bearer " + TOKEN[:-1]}, {"Authorization": "Bearer " + TOKEN + "0"},
              {"Authorization": "Bearer " + HASHES.split(":")[1].split(",")[0]},
              {"Authorization": TOKEN}]
    assert len(ROUTES) > 20
    for method, path in ROUTES:
        for wrong in wrongs if path == "/shows" else wrongs[:1] + wrongs[3:4]:
            answer = client.ask(method, "/v1/admin" + path, None if method == "GET" else {}, wrong)
            assert (answer.status, answer.code) == (401, "UNAUTHENTICATED"), (method, path, wrong)
            assert answer.header("WWW-Authenticate").startswith("Bearer ")
    assert gala.value("SELECT count(*) FROM audit WHERE request IS NOT NULL") == 0


def test_each_token_has_its_name(gala):
    for token, name in ((TOKEN, "olga"), (OTHER, "otto")):
        answer = Operator(gala.client(), token).post("/shows/gala/open")
        assert answer.status == 200, answer
        assert Operator(gala.client()).get("/audit")["audit"][0]["actor"] == name


def test_without_hashes_nobody_administrates(world):
    world.show("gala", {"GA": (1000, 4)})
    world.start(gateways=0)
    world.start_gateway(admin_token_hashes="")
    answer = Operator(world.client()).ask("GET", "/shows")
    assert (answer.status, answer.code) == (403, "FORBIDDEN")


def test_an_own_address_is_the_only_one(world):
    world.show("gala", {"GA": (1000, 4)})
    world.start(gateways=0)
    port = free_port()
    gateway = world.start_gateway(admin_token_hashes=HASHES, admin_listen=f"127.0.0.1:{port}")
    assert Operator(world.client()).ask("GET", "/shows").status == 404
    assert world.client().ask("OPTIONS", "/v1/admin/shows").status == 404
    private = gateway.client()
    private.port = port
    assert Operator(private).get("/shows")["shows"][0]["show"]["slug"] == "gala"
    assert private.get("/v1/shows/gala").status == 200
    private.close()


def test_what_became_of_it_is_told_to_administrators(gala, olga):
    """Granted, refused or undecided: elsewhere it is not there, though with a key its id is no secret."""
    hook = olga.post("/webhooks", {"url": "https://inside.example/?pass=word"},
                     **{"Idempotency-Key": "1"})
    paused = olga.post("/shows/gala/pause")
    refused = olga.post("/shows/gala/inventory/remove", {"tier": "GA", "quantity": 9})
    assert olga.post("/shows/gala/open").status == 200
    booking = gala.client().hold("gala", "ann", "GA", 1).json["id"]
    cancelled = olga.post(f"/bookings/{booking}/cancel")
    answers = (hook, paused, refused, cancelled)
    assert [answer.status for answer in answers] == [201, 200, 409, 200]
    for answer in answers:
        number = answer.header("X-Request-Id")
        told = olga.ask("GET", f"/requests/{number}")
        assert (told.status, told.body) == (answer.status, answer.body)
        hidden = gala.client().get(f"/v1/requests/{number}")
        assert (hidden.status, hidden.code) == (404, "NOT_FOUND"), hidden
    assert refused.json["instance"] == f"/v1/admin/requests/{refused.header('X-Request-Id')}"


def test_a_show_is_made_changed_and_sold(gala, olga):
    body = {"slug": "matinee", "name": "Matinée", "partition": 1, "hold_seconds": 60,
            "max_per_user": 2, "starts_at": "2030-01-01T15:00:00+01:00",
            "tiers": [{"code": "A", "price": 100, "capacity": 5}]}
    answer = olga.post("/shows", body, **{"Idempotency-Key": "m"})
    assert answer.status == 201, answer
    assert answer.json["result"]["show"] == "matinee" and answer.json["show_id"] is None
    again = olga.post("/shows", body, **{"Idempotency-Key": "m"})
    assert again.body == answer.body and again.header("Idempotent-Replayed") == "true"
    other = olga.post("/shows", {**body, "name": "X"}, **{"Idempotency-Key": "m"})
    assert (other.status, other.code) == (422, "KEY_REUSED")
    twice = olga.post("/shows", body)
    assert (twice.status, twice.code) == (409, "ALREADY_EXISTS")
    polled = olga.ask("GET", f"/requests/{answer.json['request_id']}")
    assert polled.body == answer.body and polled.status == 201

    assert gala.client().get("/v1/shows").json["shows"][0]["slug"] == "gala"  # still a draft
    client = gala.client()
    assert client.book("matinee", "ann", "A", 1).code == "SALE_NOT_OPEN"
    assert olga.post("/shows/matinee/open").json["result"] == {"state": "open"}
    assert client.book("matinee", "ann", "A", 1).status == 201
    answer = olga.ask("PATCH", "/shows/matinee", {"max_per_user": None, "name": "Late"})
    assert answer.json["result"] == {"max_per_user": None, "name": "Late"}
    assert client.book("matinee", "ann", "A", 3).status == 201
    assert [row["show"]["slug"] for row in olga.get("/shows")["shows"]] == ["gala", "matinee"]
    assert olga.get("/shows?limit=1")["next"] == "1"
    assert olga.get("/shows?limit=1&cursor=1")["shows"][0]["show"]["name"] == "Late"


def test_what_cannot_be_says_why(olga):
    for body, word in (({"slug": "x"}, "partition"), ({"slug": "x", "partition": 9}, "partition"),
                       ({"slug": "X", "name": "x", "partition": 1, "tiers": [
                           {"code": "A", "price": 1, "capacity": 1}]}, "slug")):
        answer = olga.post("/shows", body)
        assert (answer.status, answer.code) == (422, "INVALID") and word in answer.json["detail"]
    answer = olga.ask("PATCH", "/shows/gala", {"hold_seconds": 0})
    assert (answer.status, answer.code) == (422, "INVALID")
    answer = olga.ask("PATCH", "/shows/gala", {"colour": "red"})
    assert answer.status == 422 and '"colour"' in answer.json["detail"]
    assert olga.ask("PATCH", "/shows/none", {"name": "x"}).status == 404
    assert olga.post("/shows/gala/prices", {"tier": "X", "price": 1}).status == 422
    assert olga.post("/shows/gala/inventory/add", {"tier": "GA"}).status == 422
    assert olga.ask("GET", "/shows/gala/inventory/add").status == 405
    assert olga.ask("GET", "/nothing").status == 404
    row, = olga.get("/audit")["audit"]  # of how it was made
    assert (row["actor"], row["action"], row["show"]) == ("usherctl", "show.create", "gala")


MATINEE = {"slug": "matinee", "name": "Matinee", "partition": 1,
           "tiers": [{"code": "GA", "price": 1, "capacity": 1}]}
STEP = {"sold_permille": 500, "price": 2}


@pytest.mark.parametrize("path, body, unknown, known", [
    ("/shows", {**MATINEE, "max_per_usr": 2}, "max_per_usr", "max_per_user, "),
    ("/shows", {**MATINEE, "hold_second": 60}, "hold_second", "hold_seconds, hold_seconds_max, "),
    ("/shows", {**MATINEE, "show": 5}, "show", "show_id"),
    ("/shows", {**MATINEE, "tiers": [{**MATINEE["tiers"][0], "block": 1}]}, "block", "blocked"),
    ("/shows", {**MATINEE, "tiers": [{**MATINEE["tiers"][0], "steps": [{**STEP, "form_at": None}]}]},
     "form_at", "from_at"),
    ("/partitions", {"partition": 2, "database": "x"}, "database", "partition"),
    ("/shows/gala/prices", {"tier": "GA", "price": 2, "step": []}, "step", "tier, price, steps"),
    ("/shows/gala/prices", {"tier": "GA", "steps": [{**STEP, "of": 2}]}, "of", "sold_permille"),
    ("/shows/gala/tiers", {"code": "B", "price": 1, "capacity": 1, "kind": "x"}, "kind", "code, price"),
    ("/shows/gala/inventory/add", {"tier": "GA", "quantity": 1, "block": 1}, "block", "tier, quantity"),
    ("/shows/gala/inventory/block", {"seats": ["A-1"], "tier": "GA"}, "tier", "seats"),
    ("/shows/gala/open", {"sales_open_at": None}, "sales_open_at", "reason"),
    ("/shows/gala/room", {"speed": 1}, "speed", "mode, order, opens_at, rate")])
def test_what_is_not_known_is_refused_wherever_it_stands(world, tmp_path, path, body, unknown, known):
    """A limit that was mistyped is not a show without one."""
    if "seats" in body:
        (tmp_path / "map.csv").write_text("id,tier,row,number\nA-1,GA,A,1\n")
        assert world.ctl("show", "create", "--slug", "gala", "--tier", "GA:100", "--map",
                         tmp_path / "map.csv").code == 0
    else:
        world.show("gala", {"GA": (1000, 4)})
    world.start(gateways=0)
    world.start_gateway(admin_token_hashes=HASHES)
    answer = Operator(world.client()).post(path, body)
    assert (answer.status, answer.code) == (422, "INVALID"), answer
    assert answer.json["detail"].startswith(f'There is no "{unknown}" to be said here: there is ')
    assert known in answer.json["detail"], answer
    assert world.value("SELECT count(*) FROM audit WHERE request IS NOT NULL") == 0
    assert world.value("SELECT epoch FROM partitions WHERE partition = 1") == 1
    world.judge()


def test_a_part_of_a_booking_is_not_cancelled_as_all_of_it(gala, olga):
    booking = gala.client().book("gala", "ann", "GA", 3).json["id"]
    answer = olga.post(f"/bookings/{booking}/cancel", {"quantity": 1})
    assert answer.status == 422 and '"quantity"' in answer.json["detail"], answer
    assert olga.post(f"/bookings/{booking}/cancel", {"reason": "rain"}).status == 200


TIER = MATINEE["tiers"][0]
SENTENCES = [  # what is said to "POST /shows", unless it is a PATCH or of a path; and the answer
    ({**MATINEE, "slug": "X"}, "A slug is 1 to 64 of a-z, 0-9 and -, the first one a letter"),
    ({**MATINEE, "slug": "gala"}, "There is a show with this slug already"),
    ({**MATINEE, "show_id": 1}, "There is a show with this number already"),
    ({**MATINEE, "show_id": 0}, "Shows of this database have numbers from 1 to 2147483646, not 0"),
    ({**MATINEE, "currency": "usd"}, "A currency is three capitals (ISO 4217)"),
    ({"slug": "x", "partition": 1, "tiers": [TIER]}, '"name" is missing'),
    ({**MATINEE, "tiers": [{"code": "GA", "price": 1}]}, '"capacity" is missing'),
    ({**MATINEE, "tiers": [TIER, TIER]}, "The show has a tier with this code already"),
    ({**MATINEE, "tiers": [{**TIER, "blocked": 2}]}, "No more places are blocked than there are"),
    ({**MATINEE, "tiers": [{**TIER, "price": -1}]}, "A price is 0 to 100000000000, in minor units"),
    ({**MATINEE, "tiers": [{**TIER, "capacity": "x"}]}, 'invalid input syntax for type integer: "x"'),
    ({**MATINEE, "tiers": [{**TIER, "steps": [{"price": 2}]}]},
     'A price step has "sold_permille" or "from_at", and not both'),
    ({**MATINEE, "tiers": [{**TIER, "steps": [{"sold_permille": 5}]}]}, '"price" is missing'),
    ("/shows/gala", {"name": ""}, "A name has 1 to 200 characters"),
    ("/shows/gala", {"name": None}, '"name" is missing'),
    ("/shows/gala", {"hold_seconds": None}, '"hold_seconds" is missing'),
    ("/shows/gala", {"hold_seconds": 60, "hold_seconds_max": 59},
     '"hold_seconds_max" is not less than "hold_seconds"'),
    ("/shows/gala", {"max_per_user": 0}, '"max_per_user" is at least 1, or null for no limit'),
    ("/shows/gala", {"sales_open_at": "2030-01-02", "sales_close_at": "2030-01-01"},
     "Sales open before they close"),
    ("/shows/gala", {"ends_at": "1969-12-31"}, '"ends_at" lies between 1970 and 9999'),
    ("/shows/gala/room", {"rate": 0}, '"rate" is 1 to 1000000 a minute'),
    ("/partitions", {"partition": 1}, "There is such a partition already"),
    ("/partitions", {}, '"partition" is missing')]
# Constraints that no setting can break.
INNER = {"never_oversold", "tiers_confirmed_check", "tiers_held_check", "tiers_pending_check",
         "tiers_kind_check", "tiers_tier_check", "tiers_pkey", "price_steps_pkey", "price_steps_step_check",
         "key_is_committed", "mode_says_active", "opened_whole", "rooms_check", "rooms_check1",
         "rooms_commitment_check", "rooms_issued_upto_check", "rooms_opened_ms_check", "rooms_pkey",
         "serves_when_open"}


def test_what_a_constraint_refuses_is_told_in_a_sentence(gala, olga):
    """And never the row that it would have been."""
    for *path, body, sentence in SENTENCES:
        path = path[0] if path else "/shows"
        answer = olga.ask("PATCH" if path == "/shows/gala" else "POST", path, body)
        assert answer.status in (409, 422) and answer.json["detail"] == sentence, (body, answer)
    for seconds in (30, None):
        assert olga.ask("PATCH", "/shows/gala", {"offer_seconds": seconds}).status == 200
    assert gala.value("SELECT offer_ms FROM shows") is None
    dumb = {row["conname"] for row in gala.rows(
        "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'p', 'u') AND conrelid IN "
        "('shows'::regclass, 'tiers'::regclass, 'price_steps'::regclass, 'rooms'::regclass) "
        "AND obj_description(oid, 'pg_constraint') IS NULL")}
    assert dumb == INNER


TIMES = ("now", "today", "infinity", "-infinity", "20000-01-01T00:00:00Z", "0044-01-01 BC", "soon", 5,
         "1969-12-31T23:59:59Z")


def test_a_time_that_is_none_is_refused_and_stops_nobody(gala, olga):
    """Postgres' own words for times are none of RFC 3339's, and some of them are no numbers."""
    epoch = gala.value("SELECT epoch FROM partitions WHERE partition = 1")
    made = {"slug": "matinee", "name": "Matinee", "partition": 1,
            "tiers": [{"code": "GA", "price": 1, "capacity": 1}]}
    for time in TIMES:
        for answer in ([olga.ask("PATCH", "/shows/gala", {name: time}) for name in
                        ("starts_at", "ends_at", "sales_open_at", "sales_close_at")] +
                       [olga.post("/shows", {**made, "starts_at": time}),
                        olga.post("/shows/gala/prices", {"tier": "GA", "steps": [
                            {"from_at": time, "price": 7}]})]):
            assert answer.status == 422 and answer.code == "INVALID", (time, answer)
    answer = olga.ask("PATCH", "/shows/gala", {"sales_open_at": "now"})
    assert answer.json["detail"] == '"sales_open_at" is a time like 2035-05-03T19:30:00Z'
    for time in ("2020-05-03", "2020-05-03T19:30+02:00", "2020-05-03T19:30:00.123456Z", None):
        assert olga.ask("PATCH", "/shows/gala", {"sales_open_at": time}).status == 200
    client = gala.client()
    assert client.get("/v1/shows").status == 200
    assert client.book("gala", "ann", "GA").status == 201
    assert gala.value("SELECT epoch FROM partitions WHERE partition = 1") == epoch


def test_two_places_are_two_however_they_are_written(gala, olga):
    epoch = gala.value("SELECT epoch FROM partitions WHERE partition = 1")
    for quantity, capacity in ((2.0, 6), (1e1, 16)):
        done = olga.post("/shows/gala/inventory/add", {"tier": "GA", "quantity": quantity})
        assert done.status == 200 and done.json["result"]["tiers"][0]["capacity"] == capacity, done
    assert olga.post("/shows/gala/inventory/add", {"tier": "GA", "quantity": 2.5}).status == 422
    assert gala.value("SELECT epoch FROM partitions WHERE partition = 1") == epoch


def test_inventory_and_prices(gala, olga):
    client = gala.client()
    assert client.book("gala", "ann", "GA", 3).status == 201
    answer = olga.post("/shows/gala/inventory/remove", {"tier": "GA", "quantity": 2})
    assert (answer.status, answer.code) == (409, "INVENTORY_IN_USE")
    assert "1" in answer.json["detail"]
    answer = olga.post("/shows/gala/inventory/add", {"tier": "GA", "quantity": 2})
    assert answer.json["result"]["tiers"][0]["available"] == 3
    assert olga.post("/shows/gala/inventory/block", {"tier": "GA", "quantity": 3}).status == 200
    client.await_stock("gala", {"GA": 0, "VIP": 2})
    assert client.book("gala", "bob", "GA", 1).code == "SOLD_OUT"
    assert olga.post("/shows/gala/inventory/unblock", {"tier": "GA", "quantity": 1}).status == 200
    assert olga.post("/shows/gala/prices", {"tier": "GA", "price": 7}).status == 200
    assert client.book("gala", "bob", "GA", 1).json["amount"] == 7
    figures = olga.get("/shows/gala/statistics")
    assert figures["tiers"][0] == {"tier": "GA", "price": 7, "capacity": 6, "available": 0,
                                   "held": 0, "pending": 0, "confirmed": 4, "blocked": 2,
                                   "revenue": 3007}
    assert figures["bookings"] == {"CONFIRMED": {"bookings": 2, "places": 4, "amount": 3007}}
    assert len(olga.get("/audit?show=gala&limit=2")["audit"]) == 2


def test_seats_are_blocked_by_name(world, tmp_path):
    seats = tmp_path / "seats.csv"
    seats.write_text("id,tier,row,number\n" + "".join(f"A-{n},GA,A,{n}\n" for n in range(1, 7)))
    assert world.ctl("show", "create", "--slug", "hall", "--tier", "GA:100", "--map", seats).code == 0
    world.start(gateways=0)
    world.start_gateway(admin_token_hashes=HASHES)
    client, olga = world.client(), Operator(world.client())
    assert client.book("hall", "ann", seats=["A-1"]).status == 201
    answer = olga.post("/shows/hall/inventory/block", {"seats": ["A-1", "A-2"]})
    assert answer.code == "SEAT_TAKEN" and answer.json["conflicts"] == ["A-1"]
    assert olga.post("/shows/hall/inventory/block", {"seats": ["A-3", "A-2"]}).status == 200
    answer = client.book("hall", "bob", seats=["A-2"])
    assert answer.code == "SEAT_TAKEN"
    assert olga.post("/shows/hall/inventory/block", {"seats": ["A-9"]}).status == 404
    wait_until("the map to say so", lambda: [s["id"] for s in client.get("/v1/shows/hall/seats")
                                             .json["seats"] if s["status"] == "blocked"]
               == ["A-2", "A-3"])
    assert olga.post("/shows/hall/inventory/unblock", {"seats": ["A-2"]}).status == 200
    assert client.book("hall", "bob", seats=["A-2"]).status == 201
    world.judge()


def test_bookings_are_found_and_cancelled(gala, olga):
    client = gala.client()
    made = [client.book("gala", user, "GA", 1).json["id"] for user in ("ann", "bob", "carl")]
    held = client.hold("gala", "dora", "GA", 1).json["id"]
    in_order = sorted([*made, held])  # ids of one millisecond have an order of their own
    first = olga.get("/shows/gala/bookings?limit=2")
    assert [b["id"] for b in first["bookings"]] == in_order[:2]
    rest = olga.get(f"/shows/gala/bookings?cursor={first['next']}")
    assert [b["id"] for b in rest["bookings"]] == in_order[2:] and rest["next"] is None
    assert [b["id"] for b in olga.get("/shows/gala/bookings?status=HELD")["bookings"]] == [held]
    assert [b["id"] for b in olga.get("/shows/gala/bookings?user=bob")["bookings"]] == [made[1]]
    assert olga.ask("GET", "/shows/gala/bookings?status=odd").status == 400
    answer = olga.post(f"/bookings/{made[0]}/cancel", {"reason": "rain"})
    assert answer.status == 200 and answer.json["status"] == "CANCELLED"
    assert olga.post(f"/bookings/{made[0]}/cancel").code == "ILLEGAL_STATE"
    row = olga.get("/audit")["audit"][0]
    assert (row["action"], row["booking"], row["settings"]) == ("booking.cancel", made[0],
                                                                {"reason": "rain"})
    assert row["before"]["status"] == "CONFIRMED" and row["after"]["status"] == "CANCELLED"


def test_what_was_paid_goes_back(gala, olga):
    gala.start_courier()
    client = gala.client()
    held = client.hold("gala", "ann", "GA", 2).json["id"]
    wait_until("the payment", lambda: client.pay(held, "k").json["status"] == "SUCCEEDED")
    assert olga.post(f"/bookings/{held}/cancel").status == 200
    wait_until("the refund", lambda: gala.rows(
        "SELECT amount FROM refunds WHERE status = 'SUCCEEDED'") == [{"amount": 2000}])


def test_partitions_are_seen_and_added(gala, olga):
    row, = olga.get("/partitions")["partitions"]
    assert row["partition"] == 1 and row["shows"] == 1 and row["heartbeat_age_ms"] is not None
    assert olga.post("/partitions", {"partition": 2}).status == 201
    assert olga.post("/partitions", {"partition": 2}).code == "ALREADY_EXISTS"
    assert olga.post("/partitions", {"partition": 0}).code == "INVALID"
    assert [row["partition"] for row in olga.get("/partitions")["partitions"]] == [1, 2]
    gala.start_allocator()
    gala.wait_owner(2)


def test_usherctl_asks_the_same_routes(gala, olga):
    client = gala.client()
    booked = client.book("gala", "ann", "GA", 2).json["id"]
    for words, seen in (
            (["show", "pause", "gala"], "paused"), (["show", "open", "1"], "open"),
            (["show", "change", "gala", "--set", "name=Late show", "--set", "max_per_user=null",
              "--set", "max_per_booking=3"], "Late show"),
            (["show", "price", "gala", "--tier", "GA", "--price", 7,
              "--steps", '[{"sold_permille":500,"price":9}]'], '"price": 9'),
            (["inventory", "add", "gala", "--tier", "GA", "--quantity", 5], '"capacity":9'),
            (["inventory", "block", "gala", "--tier", "GA", "--quantity", 1], '"blocked":1'),
            (["room", "set", "gala", "--mode", "off", "--rate", 60, "--no-show-seconds", 30,
              "--pause"], '{"mode":"off","rate":60,"paused":true,"no_show_ms":30000}'),
            (["booking", "list", "gala"], booked), (["booking", "cancel", booked], "CANCELLED"),
            (["audit", "--show", "gala", "--limit", 1], "booking.cancel")):
        result = gala.ctl(*words)
        assert result.code == 0 and seen.replace(" ", "") in result.out.replace(" ", ""), result
    assert {row["actor"] for row in olga.get("/audit")["audit"]} == {"olga", "usherctl"}
    assert gala.value("SELECT count(*) FROM audit WHERE request IS NOT NULL"
                      " AND action = 'show.room' AND actor = 'olga'") == 1
    for words, word in ((["show", "open", "none"], "NOT_FOUND"),
                        (["inventory", "remove", "gala", "--tier", "GA", "--quantity", 99],
                         "INVENTORY_IN_USE"),
                        (["show", "change", "gala", "--set", "hold_ms=5"], "INVALID")):
        result = gala.ctl(*words)
        assert result.code == 1 and word in result.err and result.err.count("\n") == 1, result
    for words in (["show", "open", "a/b"], ["show", "change", "gala", "--set", "name"],
                  ["inventory", "add", "gala", "--tier", "GA"], ["show", "move", "gala"],
                  ["show", "price", "gala", "--tier", "GA", "--steps", "{"],
                  ["admin-token", "a,b"], ["partition", "drain", "1", "--to", "1"]):
        assert gala.ctl(*words).code == 2, words


def test_usherctl_without_a_token_is_told_what_to_do(gala):
    env = {"USHER_ADMIN_URL": f"http://127.0.0.1:{gala.gateways[0].port}"}
    result = run_program("usherctl", "audit", env=env)
    assert result.code == 1 and "UNAUTHENTICATED" in result.err and "admin-token" in result.err
    away = run_program("usherctl", "audit", env={"USHER_ADMIN_URL": "http://127.0.0.1:1"})
    assert away.code == 1 and away.err.count("\n") == 1


def test_a_token_that_usherctl_makes_is_one(world):
    lines = world.ctl("admin-token", "mia").out.split()
    token, hashes = lines[1], lines[-1]
    assert hashes == "mia:" + hashlib.sha256(token.encode()).hexdigest() and len(token) == 64


def test_a_wrong_configuration_is_told(world):
    world.start_redis()
    for hashes in ("olga", "olga:12", "olga:" + "g" * 64, ":" + "a" * 64):
        gateway = world.start_gateway(wait=False, admin_token_hashes=hashes)
        world.expect_exit(gateway)
        wait_until("its end", lambda g=gateway: not g.alive())
        assert gateway.exit_code() == 2 and "admin-token" in gateway.tail()


def test_a_waiting_room_is_set_while_it_works(gala, olga):
    client = gala.client()
    done = olga.post("/shows/gala/room", {"order": "arrival", "rate": 60, "opens_at": "now",
                                          "no_show_seconds": 5})
    assert done.status == 200 and done.json["result"] == {
        "order": "arrival", "rate": 60, "opens_at": "now", "no_show_ms": 5000}
    wait_until("the room", lambda: client.get("/v1/shows/gala/queue").status == 503
               or client.get("/v1/shows/gala/queue").json["state"] != "off")
    assert client.book("gala", "ann", "GA").code == "QUEUE_REQUIRED"
    assert olga.post("/shows/gala/room", {"rate": 7, "paused": True}).status == 200
    told = wait_until("it to be paused", lambda: (
        room := client.get("/v1/shows/gala/queue").json).get("paused") and room)
    assert told["rate"] == 7 and told["state"] == "paused"
    for wrong in ({"rate": 0}, {"rate": "many"}, {"mode": "maybe"}, {"order": "size"},
                  {"opens_at": "soon"}, {"serving": 5}, {"order": "draw"}, {"places_each": 0}):
        answer = olga.post("/shows/gala/room", wrong)
        assert answer.status == 422, (wrong, answer)
    assert olga.post("/shows/gala/room", {"mode": "off"}).status == 200
    wait_until("it to be off", lambda: client.get("/v1/shows/gala/queue").json["state"] == "off")
    assert client.book("gala", "ann", "GA").status == 201
    rows = gala.rows("SELECT action, before, after FROM audit"
                     " WHERE request IS NOT NULL ORDER BY id")
    assert [row["action"] for row in rows] == ["show.room"] * 3
    assert rows[1]["before"] == {"rate": 60, "paused": False}


def test_a_tier_comes_and_is_renamed_while_it_sells(gala, olga):
    client = gala.client()
    assert client.book("gala", "ann", "GA", 3).status == 201
    answer = olga.post("/shows/gala/tiers", {"code": "Balcony", "price": 300, "capacity": 3,
                                             "steps": [{"sold_permille": 500, "price": 400}]})
    assert answer.status == 200 and answer.json["result"] == {
        "tier": 3, "code": "Balcony", "price": 300, "capacity": 3, "blocked": 0,
        "steps": [{"sold_permille": 500, "price": 400}]}, answer
    client.await_stock("gala", {"GA": 1, "VIP": 2, "Balcony": 3})
    assert client.book("gala", "bob", "Balcony", 2).json["amount"] == 600
    assert client.book("gala", "cid", "Balcony", 1).json["amount"] == 400  # the step holds
    assert client.book("gala", "dan", "Balcony", 1).code == "SOLD_OUT"
    renamed = olga.ask("PATCH", "/shows/gala/tiers/Balcony", {"code": "Upper ring"})
    assert renamed.json["result"] == {"tier": 3, "code": "Upper ring"}, renamed
    client.await_stock("gala", {"GA": 1, "VIP": 2, "Upper ring": 0})
    assert olga.post("/shows/gala/inventory/add", {"tier": "Upper ring", "quantity": 2}).status == 200
    assert olga.ask("PATCH", "/shows/gala/tiers/Upper%20ring", {"code": "Ring"}).status == 200
    gala.redis_client().flushall()  # what was added is there again, from Postgres
    wait_until("a booking of the renamed tier", lambda: client.book(
        "gala", "eve", "Ring", 1).status == 201)
    assert [row["action"] for row in olga.get("/audit?show=gala&limit=4")["audit"]] == [
        "tier.rename", "inventory.add", "tier.rename", "tier.add"]


@pytest.mark.parametrize("body", [
    {}, {"code": "B", "price": 1}, {"code": "GA", "price": 1, "capacity": 1},
    {"code": "", "price": 1, "capacity": 1}, {"code": "B", "price": -1, "capacity": 1},
    {"code": "B", "price": 1, "capacity": 1, "blocked": 2}, {"code": "B", "price": 1, "capacity": "x"},
    {"code": "B", "price": 1, "capacity": 1, "kind": "seats"},
    {"code": "B", "price": 1, "capacity": 1, "steps": [{"price": 2}]}])
def test_what_no_tier_can_be(gala, olga, body):
    answer = olga.post("/shows/gala/tiers", body)
    assert answer.code in ("INVALID", "ALREADY_EXISTS") and answer.json["detail"], answer
    assert gala.value("SELECT count(*) FROM tiers") == 2


def test_a_tier_cannot_be_called_like_another(gala, olga):
    assert olga.ask("PATCH", "/shows/gala/tiers/GA", {"code": "VIP"}).code == "ALREADY_EXISTS"
    assert olga.ask("PATCH", "/shows/gala/tiers/None", {"code": "X"}).status == 422
    assert olga.ask("PATCH", "/shows/gala/tiers/GA", {}).status == 422
    for number in range(3, 33):
        assert olga.post("/shows/gala/tiers", {"code": f"T{number}", "price": 1,
                                               "capacity": 1}).status == 200
    assert olga.post("/shows/gala/tiers", {"code": "T33", "price": 1, "capacity": 1}).status == 422
    assert gala.ctl("tier", "rename", "gala", "--tier", "T32", "--code", "Last one").code == 0
    assert gala.client().book("gala", "ann", "T31", 1).status == 201


def test_a_tier_comes_while_people_book(gala, olga):
    gala.show("many", {"Floor": (100, 100_000)}, max_per_booking=10)
    crowd = gala.crowd("many").start_traffic(16, ["Floor"])
    for number in range(1, 6):
        crowd.await_decided(30)
        result = gala.ctl("tier", "add", "many", "--code", f"Ring {number}", "--price", 5,
                          "--capacity", 7)
        assert result.code == 0, result
        assert gala.client().book("many", f"first {number}", f"Ring {number}", 7).status == 201
    crowd.finish()
