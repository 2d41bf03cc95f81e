"""Numbered seats: named ones, the best available, the map that people see."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from harness import judge
from harness.process import wait_until

TIERS = {"Stalls": 4500, "Circle": 7000}


def write_map(world, entries, name="map.json"):
    path = world.folder / name
    path.write_text(json.dumps(entries))
    return path


def seats_show(world, slug="hall", entries=None, tiers=None, **rules):
    """A show of numbered seats: two rows of ten, tier Stalls, unless it is told otherwise."""
    entries = entries or [{"tier": "Stalls", "row": row, "number": 1, "count": 10} for row in "AB"]
    words = ["show", "create", "--slug", slug, "--map", write_map(world, entries)]
    for name, value in rules.items():
        words += ["--" + name.replace("_", "-"), value]
    for code in tiers or {entry["tier"]: None for entry in entries}:
        words += ["--tier", f"{code}:{TIERS[code]}"]
    result = world.ctl(*words)
    assert result.code == 0, result
    return slug


def seats_of(client, show="hall", query=""):
    answer = client.get(f"/v1/shows/{show}/seats{query}")
    assert answer.status == 200, answer
    return answer.json


def statuses(client, show="hall"):
    return {seat["id"]: seat["status"] for seat in seats_of(client, show)["seats"]}


def await_statuses(client, show="hall", **wanted):
    """Readers hear of a change a moment after its client: by status, the ids; no others differ."""
    expected = {seat: status for status, seats in wanted.items() for seat in seats}
    def seen():
        return {i: s for i, s in statuses(client, show).items() if s != "available"} == expected
    wait_until(f"seats {expected}", seen, 5.0)


def test_a_map_is_told_seat_by_seat(world):
    world.start_redis()
    seats_show(world, entries=[
        {"tier": "Stalls", "section": "Left", "row": "A", "number": 7, "x": 1.5, "y": 2},
        {"tier": "Stalls", "section": "Left", "row": "A", "number": "8a", "accessible": True},
        {"tier": "Circle", "id": "Box \"1\"", "blocked": True},
        {"tier": "Circle", "row": "1", "number": 1, "count": 2}])
    world.start()
    client = world.client()
    body = seats_of(client)
    assert body["complete"] is True and body["next"] is None
    assert body["seats"] == [
        {"id": "Left-A-7", "tier": "Stalls", "section": "Left", "row": "A", "number": "7",
         "x": 1.5, "y": 2, "status": "available"},
        {"id": "Left-A-8a", "tier": "Stalls", "section": "Left", "row": "A", "number": "8a",
         "accessible": True, "status": "available"},
        {"id": 'Box "1"', "tier": "Circle", "status": "blocked"},
        {"id": "1-1", "tier": "Circle", "row": "1", "number": "1", "status": "available"},
        {"id": "1-2", "tier": "Circle", "row": "1", "number": "2", "status": "available"}]
    assert seats_of(client, query="?form=status")["statuses"] == "00300"
    tiers = client.availability("hall").json["tiers"]
    assert [(t["capacity"], t["available"], t["blocked"]) for t in tiers] == [(2, 2, 0), (3, 2, 1)]
    assert [t.get("seats") for t in client.get("/v1/shows/hall").json["tiers"]] == [True, True]
    world.judge()


def test_named_seats_all_or_nothing_with_conflicts(world):
    world.start_redis()
    seats_show(world)
    world.start()
    client = world.client()
    booked = client.book("hall", "ann", seats=["B-3", "A-1"])
    assert booked.status == 201
    assert booked.json["seats"] == ["A-1", "B-3"] and booked.json["amount"] == 9000
    assert booked.json["quantity"] == 2 and booked.json["items"][0]["tier"] == "Stalls"
    refused = client.hold("hall", "bob", seats=["A-1", "A-2", "B-3"])
    assert (refused.status, refused.code) == (409, "SEAT_TAKEN")
    assert refused.json["conflicts"] == ["A-1", "B-3"]
    assert refused.json["error"] == "Seat not available"
    await_statuses(client, booked=["A-1", "B-3"])
    assert client.booking(booked.json["id"]).json["seats"] == ["A-1", "B-3"]
    history = client.get("/v1/users/ann/bookings").json["bookings"]
    assert [b["seats"] for b in history] == [["A-1", "B-3"]]
    world.judge()


def test_bad_seats_are_refused_and_change_nothing(world):
    world.start_redis()
    seats_show(world)
    world.show("field", {"Grass": (100, 5)})
    world.start()
    client = world.client()
    for body, status in (({"seats": ["A-11"]}, 404), ({"seats": ["A-1", "A-1"]}, 422),
                         ({"seats": []}, 422), ({"seats": "A-1"}, 422), ({"seats": [1]}, 422),
                         ({"seats": ["A-1"], "tier": "Stalls"}, 422),
                         ({"seats": ["A-1"], "best": 1}, 422),
                         ({"tier": "Stalls", "best": 0}, 422),
                         ({"tier": "Stalls", "best": 1, "quantity": 1}, 422),
                         ({"seats": [f"A-{n}" for n in range(1, 11)] + ["B-1"]}, 409)):
        assert client.post("/v1/shows/hall/bookings", {"user": "ann", **body}).status == status
    assert client.book("field", "ann", seats=["A-1"]).status == 404
    for query in ("?form=table", "?since=x", "?since=1&form=status", "?cursor=a"):
        assert client.get("/v1/shows/hall/seats" + query).status == 400
    assert client.get("/v1/shows/field/seats").status == 404
    assert set(statuses(client).values()) == {"available"}
    world.judge()


def test_twenty_at_once_for_one_seat(world):
    world.start_redis()
    seats_show(world)
    world.start(gateways=2)
    clients = [world.client(n % 2) for n in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: clients[n].hold("hall", f"u{n}", seats=["A-5"]),
                                range(20)))
    assert sorted(a.status for a in answers) == [201] + [409] * 19
    assert all(a.json["conflicts"] == ["A-5"] for a in answers if a.status == 409)
    await_statuses(clients[0], held=["A-5"])
    world.judge()


def test_the_best_available_leave_no_single_seat(world):
    world.start_redis()
    seats_show(world, max_per_booking=20)
    world.start()
    client = world.client()
    took = [client.book("hall", f"u{n}", "Stalls", best=best).json["seats"]
            for n, best in enumerate([3, 4, 2, 3, 2, 1, 4])]
    assert took == [["A-1", "A-2", "A-3"], ["A-4", "A-5", "A-6", "A-7"], ["B-1", "B-2"],
                    ["A-8", "A-9", "A-10"], ["B-3", "B-4"], ["B-5"],
                    ["B-6", "B-7", "B-8", "B-9"]]
    assert client.book("hall", "v", "Stalls", best=2).code == "NOT_ENOUGH"
    assert client.book("hall", "v", "Stalls", 1).json["seats"] == ["B-10"]
    assert client.book("hall", "w", "Stalls", best=1).code == "SOLD_OUT"
    world.judge()


def test_a_hold_is_confirmed_cancelled_in_part_and_expires(world):
    world.start_redis()
    seats_show(world, hold_seconds=2)
    world.start()
    client = world.client()
    held = client.hold("hall", "ann", seats=["A-1", "A-2", "A-3", "A-4"]).json
    await_statuses(client, held=held["seats"])
    part = client.cancel(held["id"], {"seats": ["A-2"]})
    assert part.status == 200 and part.json["seats"] == ["A-1", "A-3", "A-4"]
    assert client.cancel(held["id"], {"seats": ["A-2"]}).code == "INVALID"
    assert client.cancel(held["id"], {"seats": ["A-1"], "quantity": 1}).status == 422
    assert client.confirm(held["id"]).json["seats"] == ["A-1", "A-3", "A-4"]
    assert client.cancel(held["id"], {"quantity": 1}).json["seats"] == ["A-1", "A-3"]
    other = client.hold("hall", "bob", seats=["B-1"]).json
    await_statuses(client, booked=["A-1", "A-3"], held=["B-1"])
    await_statuses(client, booked=["A-1", "A-3"])  # bob's time is over
    assert client.booking(other["id"]).json["status"] == "EXPIRED"
    assert client.booking(other["id"]).json["seats"] == ["B-1"]
    assert client.cancel(held["id"]).json["status"] == "CANCELLED"
    assert client.booking(held["id"]).json["seats"] == ["A-1", "A-3"]
    await_statuses(client)
    world.judge()


def test_a_repeated_key_gets_the_same_seats(world):
    world.start_redis()
    seats_show(world)
    world.start()
    client = world.client()
    first = client.book("hall", "ann", "Stalls", best=2, key="k")
    again = client.book("hall", "ann", "Stalls", best=2, key="k")
    assert again.body == first.body and again.header("Idempotent-Replayed") == "true"
    refused = client.book("hall", "bob", seats=["A-1"], key="l")
    assert client.book("hall", "bob", seats=["A-1"], key="l").body == refused.body
    assert client.book("hall", "bob", seats=["A-3"], key="l").code == "KEY_REUSED"
    # When Redis has forgotten, Postgres has not.
    world.redis_client().flushall()
    wait_until("the answer again", lambda: client.book(
        "hall", "ann", "Stalls", best=2, key="k").body == first.body, 15.0)
    world.judge()


def test_changes_since_a_version(world):
    world.start_redis()
    seats_show(world)
    world.start()
    client = world.client()
    whole = seats_of(client)
    assert seats_of(client, query=f"?since={whole['version']}")["seats"] == []
    client.book("hall", "ann", seats=["A-1"])
    held = client.hold("hall", "bob", seats=["B-1", "B-2"]).json
    client.cancel(held["id"], {"seats": ["B-2"]})
    await_statuses(client, booked=["A-1"], held=["B-1"])
    changes = seats_of(client, query=f"?since={whole['version']}")
    assert changes["complete"] is False
    assert {s["id"]: s["status"] for s in changes["seats"]} == {
        "A-1": "booked", "B-1": "held", "B-2": "available"}
    assert seats_of(client, query=f"?since={changes['version']}")["seats"] == []
    answer = client.get("/v1/shows/hall/seats")
    assert client.get("/v1/shows/hall/seats", if_none_match=answer.header("ETag")).status == 304
    # Longer ago than anybody remembers: all of it.
    world.redis_client().flushall()
    wait_until("a rebuild", lambda: client.book("hall", "cy", seats=["A-9"]).status == 201, 15.0)
    await_statuses(client, booked=["A-1", "A-9"], held=["B-1"])
    whole = seats_of(client, query="?since=0")
    assert whole["complete"] is True and len(whole["seats"]) == 20


def test_seats_come_back_from_postgres(world):
    world.start_redis()
    seats_show(world, entries=[{"tier": tier, "section": tier, "row": row, "number": 1, "count": 7}
                               for row in "AB" for tier in TIERS])
    world.start()
    client = world.client()
    held = client.hold("hall", "ann", items=[{"tier": "Stalls", "best": 3},
                                             {"tier": "Circle", "quantity": 2}])
    assert held.json["seats"] == ["Stalls-A-1", "Stalls-A-2", "Stalls-A-3", "Circle-A-1",
                                  "Circle-A-2"]
    await_statuses(client, held=held.json["seats"])
    world.redis_client().flushall()
    wait_until("a rebuild", lambda: client.confirm(held.json["id"]).status == 200, 15.0)
    await_statuses(client, booked=held.json["seats"])
    world.judge()
    assert client.cancel(held.json["id"], {"seats": ["Stalls-A-1", "Circle-A-1"]}).code == "INVALID"
    assert client.cancel(held.json["id"]).status == 200
    await_statuses(client)
    world.judge()


def test_closed_shows_tell_their_seats_too(world):
    world.start_redis()
    seats_show(world)
    world.start()
    client = world.client()
    assert client.book("hall", "ann", seats=["A-1"]).status == 201
    assert world.ctl("show", "close", "hall").code == 0
    world.redis_client().flushall()
    wait_until("a rebuild", lambda: world.owner() is not None, 15.0)
    await_statuses(client, booked=["A-1"])


def test_maps_that_are_wrong_create_nothing(world):
    world.start_redis()
    create = ["show", "create", "--slug", "hall", "--tier", "Stalls:100"]
    seat = {"tier": "Stalls", "row": "A", "number": 1}
    for entries, words in (
            ([seat, seat], ["two seats", "A-1"]), ([{**seat, "tier": "Box"}], ["entry 1", "Box"]),
            ([seat, {"tier": "Stalls"}], ["entry 2", "no id"]), ([1], ["entry 1", "object"]),
            ([{**seat, "colour": 1}], ["entry 1", "colour"]), ({"rows": []}, ["no array"]),
            ([{**seat, "count": 0}], ["entry 1", "count"]), ([], ["no capacity"]),
            ([{**seat, "count": 100001}], ["count"]), ([{**seat, "x": 1}], ["go together"]),
            ([{**seat, "row": "x" * 41}], ["row"]), ([{**seat, "blocked": "no"}], ["blocked"])):
        result = world.ctl(*create, "--map", write_map(world, entries))
        assert result.code == 2 and all(word in result.err for word in words), (entries, result)
    for text, words in (("tier,row\nStalls,A\n", ["two seats"] * 0),
                        ("tier,row,nr\n", ["column 'nr'"]), ("tier,row\nStalls\n", [":2:", "1 fields"]),
                        ('tier,row\nStalls,"A\n', [":2:", "quote"]),
                        ("tier,tier\n", ["twice"])):
        path = world.folder / "map.csv"
        path.write_text(text)
        result = world.ctl(*create[:3], "wrong" if words else "right", *create[4:], "--map", path)
        assert result.code == (2 if words else 0), (text, result)
        assert all(word in result.err for word in words), (text, result)
    result = world.ctl("show", "create", "--slug", "none", "--tier", "Stalls:100")
    assert result.code == 2 and "capacity" in result.err
    assert [row["slug"] for row in world.rows("SELECT slug FROM shows")] == ["right"]


def test_a_map_of_a_hundred_thousand_seats(world):
    """Import, the whole map, the best of a fresh and of a ragged hall; times are told, not judged."""
    world.start_redis()
    rows = [{"tier": "Stalls", "section": f"S{n // 50}", "row": n % 50, "number": 1, "count": 40}
            for n in range(2500)]
    told = {}
    begun = time.monotonic()
    seats_show(world, entries=rows, max_per_booking=1000)
    told["import"] = time.monotonic() - begun
    world.start()
    client = world.client()
    for what, ask in (("first look", lambda: seats_of(client, query="?form=status")),
                      ("all statuses", lambda: seats_of(client, query="?form=status")),
                      ("a page", lambda: seats_of(client)),
                      ("best of two", lambda: client.book("hall", "ann", "Stalls", best=2)),
                      ("a named seat", lambda: client.book("hall", "ann", seats=["S49-49-40"]))):
        begun = time.monotonic()
        answer = ask()
        told[what] = time.monotonic() - begun
    assert answer.status == 201
    assert len(seats_of(client, query="?form=status")["statuses"]) == 100_000
    page, ids = seats_of(client), set()
    while page is not None:
        ids |= {seat["id"] for seat in page["seats"]}
        page = page["next"] and seats_of(client, query=f"?cursor={page['next']}")
    assert len(ids) == 100_000
    begun = time.monotonic()
    world.redis_client().flushall()
    wait_until("a rebuild", lambda: client.book("hall", "bob", "Stalls", best=2).status == 201, 30)
    told["rebuild to the next booking"] = time.monotonic() - begun
    world.judge()
    print("\n" + "\n".join(f"{what}: {seconds * 1000:.1f} ms" for what, seconds in told.items()))


def test_verify_sees_a_seat_that_is_wrong(world):
    world.start_redis()
    seats_show(world)
    world.start()
    client = world.client()
    booking = client.book("hall", "ann", seats=["A-1"]).json["id"]
    world.judge()
    redis, keys = world.redis_client(), world.keys()
    key = keys.of_generation(redis.hget(keys.state, "generation").decode(), "seats:1")
    redis.setrange(key, 1, b"\x03")
    result = world.ctl("verify")
    assert result.code == 1 and "seat at position 2 is 3 in Redis, 0 in Postgres" in result.out
    redis.setrange(key, 1, b"\x00")
    world.judge()
    for statement, undo, words in (
            ("INSERT INTO seats_taken VALUES (1, 2, '{0}')",
             "DELETE FROM seats_taken WHERE position = 2", "seat A-2"),
            ("INSERT INTO seats_taken VALUES (1, 999, '{0}')",
             "DELETE FROM seats_taken WHERE position = 999", "position 999"),
            ("DELETE FROM seats_taken WHERE position = 1",
             "INSERT INTO seats_taken VALUES (1, 1, '{0}')", "places in tiers"),
            ("UPDATE seats_taken SET booking = '00000000-0000-0000-0000-000000000000'",
             "UPDATE seats_taken SET booking = '{0}'", "1 blocked")):
        row = world.rows("SELECT id FROM bookings")[0]
        world.rows(statement.format(row["id"]) + " RETURNING 1")
        result = world.ctl("verify", "--postgres-only")
        assert result.code == 1 and words in result.out, (statement, result)
        assert judge.judge_database(world.connection), statement
        world.rows(undo.format(row["id"]) + " RETURNING 1")
    world.judge()
    assert client.cancel(booking).status == 200


COMMIT_SEATS = """SELECT commit_seats(%s::uuid[], %s::integer[], %s::integer[], %s::text[],
  %s::uuid[], '{}', %s::integer[], %s::integer[], %s::uuid[], %s::uuid[], %s::uuid[])"""
BLOCKED = "00000000-0000-0000-0000-000000000000"
NEW = "00000001-0000-0000-0000-000000000001"


def test_the_database_refuses_seats_that_do_not_fit(world):
    """The last guard: whatever a script says, a seat has one booking, and a booking its seats."""
    world.start_redis()
    seats_show(world)
    world.start()
    client = world.client()
    client.book("hall", "ann", seats=["A-1"])
    client.book("hall", "bob", seats=["A-3"])
    mine, other = (row["id"] for row in world.rows("SELECT id FROM bookings ORDER BY user_id"))
    for new, changed, moves in (
            ([], [], ([1], [2], [None], [mine], [])),             # not in its list
            ([], [], ([1], [1], [None], [other], [])),            # it is not available
            ([], [], ([1], [1], [other], [None], [])),            # it is not this booking's
            ([], [], ([1], [2], [mine], [None], [])),             # the booking does not have it
            ([], [], ([1], [1], [mine], [None], [])),             # the booking lives
            ([], [], ([1], [1], [mine], [BLOCKED], [])),
            ([], [], ([1, 1], [1, 2], [mine, None], [None, mine], [])),
            ([], [], ([1], [99], [None], [BLOCKED], [])),         # there is no such seat
            ([(NEW, 1, 1, "{1}")], [], ([], [], [], [], [])),     # somebody has it
            ([(NEW, 1, 1, "{2,2}")], [], ([], [], [], [], [])),   # one seat twice
            ([(NEW, 1, 2, "{2}")], [], ([], [], [], [], [])),     # a seat of another tier
            ([(NEW, 1, 1, "{99}")], [], ([], [], [], [], [])),    # no seat
            ([(NEW, 1, 1, "{2}"), (mine, 1, 1, "{2}")], [], ([], [], [], [], []))):
        with pytest.raises(psycopg2.errors.IntegrityError):
            world.rows(COMMIT_SEATS, *([list(column) for column in zip(*new)] or [[]] * 4), changed,
                       *moves)
    for statement in ("UPDATE bookings SET seats = '{2}' WHERE id = %s",
                      "UPDATE bookings SET status = 'CANCELLED' WHERE id = %s"):
        with world.connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(statement, [mine])
            with pytest.raises(psycopg2.errors.CheckViolation):  # it was changed, its seat was not
                cursor.execute(COMMIT_SEATS, [[], [], [], [], [mine], [], [], [], [], []])
            cursor.execute("ROLLBACK")
    for statement in ("UPDATE bookings SET seats = '{1,2}' WHERE id = %s",
                      "UPDATE bookings SET quantity = 2, amount = 2 * price WHERE id = %s"):
        with pytest.raises(psycopg2.errors.CheckViolation):  # as many as its places
            world.rows(statement, mine)
    world.judge()
