"""What operators do, straight through the queue: decided in order, committed with an audit row."""

import json
import os
import signal

import pytest

from harness.process import wait_until
from harness.stream import Stream
from harness.words import (ADMIN, ALREADY_EXISTS, BOOK, CATALOGUE, GRANTED, HOLD, INVALID,
                           INVENTORY_IN_USE, JOIN, LIMIT_EXCEEDED, NOT_FOUND, SALE_CLOSED,
                           SALE_PAUSED, SEAT_TAKEN, SOLD_OUT)


@pytest.fixture
def sale(world):
    """`gala` has four places of GA and two of VIP."""
    world.show("gala", {"GA": (1000, 4), "VIP": (5000, 2)}, max_per_user=4, max_per_booking=4)
    world.start(gateways=0)
    world.stream = Stream(world.redis_client())
    yield world
    world.judge()


def do(world, action, settings=None, **more):
    return world.stream.ask(ADMIN, user="olga", lines=(action, settings or {}), **more)


def book(world, quantity=1, user="ann", op=BOOK, tier=1):
    return world.stream.ask(op, user=user, lines=((tier, quantity),))


def tier(world, number=1):
    return world.rows("SELECT capacity, available, held, confirmed, blocked FROM tiers"
                      " WHERE show = 1 AND tier = %s", number)[0]


def audit(world):
    return world.rows("SELECT actor, action, show, booking, settings, before, after FROM audit"
                      " WHERE request IS NOT NULL ORDER BY id")


def test_inventory_moves_and_is_written_down(sale):
    assert do(sale, "inventory.add", {"tier": 1, "quantity": 6}).code == GRANTED
    assert do(sale, "inventory.block", {"tier": 1, "quantity": 3}).code == GRANTED
    answer = do(sale, "inventory.unblock", {"tier": 1, "quantity": 1})
    assert json.loads(answer.told) == {"tiers": [{"tier": 1, "capacity": 10, "available": 8,
                                                  "held": 0, "pending": 0, "confirmed": 0,
                                                  "blocked": 2}]}
    assert book(sale, 4).code == GRANTED
    assert do(sale, "inventory.remove", {"tier": 1, "quantity": 4}).code == GRANTED
    assert tier(sale) == {"capacity": 6, "available": 0, "held": 0, "confirmed": 4, "blocked": 2}
    rows = audit(sale)
    assert [row["action"] for row in rows] == ["inventory.add", "inventory.block",
                                               "inventory.unblock", "inventory.remove"]
    assert {row["actor"] for row in rows} == {"olga"}
    assert rows[0]["settings"] == {"tier": 1, "quantity": 6}
    assert rows[0]["before"]["tiers"][0]["capacity"] == 4
    assert rows[0]["after"]["tiers"][0]["capacity"] == 10


def test_what_is_sold_or_held_is_never_taken_away(sale):
    assert book(sale, 2).code == book(sale, 1, user="bob", op=HOLD).code == GRANTED
    for action in ("inventory.remove", "inventory.block"):
        answer = do(sale, action, {"tier": 1, "quantity": 2})
        assert (answer.code, answer.detail) == (INVENTORY_IN_USE, 1)
    answer = do(sale, "inventory.unblock", {"tier": 1, "quantity": 1})
    assert (answer.code, answer.detail) == (INVENTORY_IN_USE, 0)
    assert do(sale, "inventory.remove", {"tier": 1, "quantity": 1}).code == GRANTED
    assert book(sale, user="carl").code == SOLD_OUT
    assert len(audit(sale)) == 1


WRONG_INVENTORY = [
    ({"tier": 3, "quantity": 1}, NOT_FOUND), ({"tier": "1", "quantity": 1}, NOT_FOUND),
    ({"tier": 1, "quantity": 0}, INVALID), ({"tier": 1, "quantity": -1}, INVALID),
    ({"tier": 1, "quantity": 1.5}, INVALID), ({"tier": 1}, INVALID), ({}, NOT_FOUND),
    ({"tier": 1, "quantity": 100_000_000}, LIMIT_EXCEEDED)]


def test_inventory_that_is_none_changes_nothing(sale):
    for settings, code in WRONG_INVENTORY:
        assert do(sale, "inventory.add", settings).code == code, settings
    assert tier(sale)["capacity"] == 4 and audit(sale) == []


def test_settings_that_are_no_json(sale):
    request = sale.stream.request(ADMIN, user="olga", lines=("inventory.add", {}))
    request[1][-1][1] = "{"
    other = sale.stream.request(ADMIN, user="olga", lines=("show.change", {}))
    other[1][-1][1] = "[1"
    sale.stream.append(request)
    sale.stream.append(other)
    assert sale.stream.answer(request[0]).code == INVALID
    assert sale.stream.answer(other[0]).code == INVALID


def test_repeated_it_is_done_once(sale):
    first = do(sale, "inventory.add", {"tier": 1, "quantity": 1}, key="once")
    for forget in (False, True):
        if forget:
            sale.redis_client().delete(*sale.redis_client().keys("usher:*:reply:*"))
        again = do(sale, "inventory.add", {"tier": 1, "quantity": 1}, key="once")
        assert (again.code, again.told, again.at_ms) == (GRANTED, first.told, first.at_ms)
    assert tier(sale)["capacity"] == 5


def test_a_sale_is_paused_opened_and_closed(sale):
    assert do(sale, "show.pause").code == GRANTED
    assert book(sale).code == SALE_PAUSED
    assert do(sale, "show.open").code == GRANTED
    assert book(sale).code == GRANTED
    answer = do(sale, "show.close")
    assert json.loads(answer.told) == {"state": "closed"}
    assert book(sale).code == SALE_CLOSED
    assert [row["before"] for row in audit(sale)] == [{"state": "open"}, {"state": "paused"},
                                                      {"state": "open"}]


def test_rules_hold_from_there_on_in_order(sale):
    """All in one go: what stands before the change is decided by the old rules."""
    requests = [sale.stream.request(BOOK, user="ann", lines=((1, 3),)),
                sale.stream.request(ADMIN, user="olga",
                                    lines=("show.change", {"max_per_user": 1, "name": "New",
                                                           "sales_close_at": "2099-01-01T00:00Z"})),
                sale.stream.request(BOOK, user="bob", lines=((2, 2),)),
                sale.stream.request(ADMIN, user="olga",
                                    lines=("tier.price", {"tier": 2, "price": 7,
                                                          "steps": [{"sold_permille": 500,
                                                                     "price": 9}]})),
                sale.stream.request(BOOK, user="bob", lines=((2, 1),)),
                sale.stream.request(BOOK, user="carl", lines=((2, 1),))]
    for request in requests:
        sale.stream.append(request)
    answers = [sale.stream.answer(raw) for raw, _ in requests]
    assert [answer.code for answer in answers] == [GRANTED, GRANTED, LIMIT_EXCEEDED - 3, GRANTED,
                                                   GRANTED, GRANTED]
    assert [answers[at].booking["amount"] for at in (4, 5)] == [7, 9]
    assert audit(sale)[0]["after"] == {"max_per_user": 1, "name": "New",
                                       "sales_close_at": "2099-01-01T00:00:00+00:00"}
    assert sale.value("SELECT name FROM shows WHERE show = 1") == "New"


WRONG_RULES = [
    ("show.change", {"hold_ms": 5}), ("show.change", {"hold_ms": 90_000_000}),
    ("show.change", {"max_per_booking": "many"}), ("show.change", {"partition": 2}),
    ("show.change", {"sales_open_at": "soon"}), ("show.change", {"name": None}),
    ("show.change", {"sales_open_at": "2030-01-02T00:00Z", "sales_close_at": "2030-01-01T00:00Z"}),
    ("tier.price", {"tier": 9, "price": 1}), ("tier.price", {"tier": 1, "price": -1}),
    ("tier.price", {"tier": 1, "steps": [{"price": 1}]}), ("tier.price", {"tier": 1, "steps": {}}),
    ("show.create", {"slug": "other"}), ("show.paint", {"colour": "red"}), ("shows", {})]


def test_rules_that_the_database_refuses_are_refused(sale):
    for action, settings in WRONG_RULES:
        answer = do(sale, action, settings)
        assert answer.code == INVALID and answer.told, (action, settings)
    assert audit(sale) == []
    assert book(sale).code == GRANTED
    assert not sale.allocators[0].events("batch_refused")


def test_a_booking_is_cancelled_whoever_has_it(sale):
    raw = book(sale, 3).booking["id"]
    answer = do(sale, "booking.cancel", {"reason": "rain"}, booking=raw, key="c")
    assert answer.code == GRANTED and answer.booking["state"] == 4
    assert do(sale, "booking.cancel", {"reason": "rain"}, booking=raw, key="c").at_ms == answer.at_ms
    assert do(sale, "booking.cancel", {}, booking=raw).code != GRANTED
    row, = audit(sale)
    assert row["settings"] == {"reason": "rain"} and row["booking"].replace("-", "") == raw.hex()
    assert row["before"]["status"] == "CONFIRMED" and row["after"]["status"] == "CANCELLED"
    assert tier(sale)["available"] == 4


def test_who_waits_gets_what_is_added(sale):
    assert book(sale, 4).code == GRANTED
    request = sale.stream.request(JOIN, user="wendy")
    request[1][-1] = [1, 2]
    sale.stream.append(request)
    sale.stream.answer(request[0])
    more = sale.stream.request(ADMIN, user="olga", lines=("inventory.add", {"tier": 1,
                                                                            "quantity": 3}))
    late = sale.stream.request(BOOK, user="ida", lines=((1, 2),))
    sale.stream.append(more)
    sale.stream.append(late)
    assert sale.stream.answer(late[0]).code == 4  # one is left: two were offered before
    wait_until("an offer", lambda: sale.rows("SELECT id FROM bookings WHERE user_id = 'wendy'"))
    assert tier(sale) == {"capacity": 7, "available": 1, "held": 2, "confirmed": 4, "blocked": 0}


def test_a_hold_that_is_due_is_released_before_it(sale):
    """A run releases holds or does what an operator wants, and both get done."""
    sale.rows("UPDATE shows SET hold_ms = 1000 RETURNING show")
    sale.stream.ask(6)  # REFRESH
    assert book(sale, 4, op=HOLD).code == GRANTED
    wait_until("the places", lambda: do(sale, "inventory.remove",
                                        {"tier": 1, "quantity": 4}).code == GRANTED)
    assert tier(sale)["capacity"] == 0


SETTINGS = {"slug": "matinee", "name": "Matinée", "partition": 1, "state": "open",
            "starts_at": "2030-01-01T15:00:00+01:00", "max_per_user": 2,
            "tiers": [{"code": "A", "price": 100, "capacity": 5, "blocked": 1,
                       "steps": [{"sold_permille": 500, "price": 150}]},
                      {"code": "B", "price": 50, "capacity": 2}]}


def create(world, **settings):
    return world.stream.ask(ADMIN, show=CATALOGUE, user="olga",
                            lines=("show.create", {**SETTINGS, **settings}))


def test_a_show_is_created(sale):
    answer = create(sale)
    assert json.loads(answer.told) == {"show": "matinee", "show_id": 2, "partition": 1,
                                       "state": "open"}
    assert sale.stream.ask(BOOK, show=2, user="ann", lines=((1, 2),)).booking["amount"] == 200
    row, = audit(sale)
    assert (row["show"], row["action"], row["before"]) == (2, "show.create", None)
    assert create(sale).code == ALREADY_EXISTS
    assert create(sale, slug="late", show_id=2).code == ALREADY_EXISTS
    assert json.loads(create(sale, slug="late", show_id=77).told)["show_id"] == 77


WRONG_SHOWS = [
    {"slug": "UP"}, {"slug": None}, {"name": ""}, {"partition": 9}, {"partition": None},
    {"tiers": []}, {"tiers": None}, {"tiers": [{"code": "A", "price": 1, "capacity": -1}]},
    {"tiers": [{"code": "A", "price": 1, "capacity": 1}] * 2}, {"show_id": 2 ** 31 - 1},
    {"tiers": [{"code": "A", "price": 1, "capacity": 1, "blocked": 2}]}, {"state": "odd"}]


def test_a_show_that_cannot_be(sale):
    for settings in WRONG_SHOWS:
        answer = create(sale, **settings)
        assert answer.code in (INVALID, ALREADY_EXISTS) and answer.told, settings
    assert sale.value("SELECT count(*) FROM shows") == 1 and audit(sale) == []


def test_numbered_seats_are_blocked_by_name(world, tmp_path):
    seats = tmp_path / "seats.csv"
    seats.write_text("id,tier,row,number\n" + "".join(f"A-{n},GA,A,{n}\n" for n in range(1, 7)))
    result = world.ctl("show", "create", "--slug", "hall", "--tier", "GA:100", "--map", seats)
    assert result.code == 0, result
    world.start(gateways=0)
    world.stream = Stream(world.redis_client())
    taken = world.stream.ask(BOOK, lines=((1, 2),)).booking["seats"]
    answer = do(world, "seats.block", {"seats": [taken[0], 3, 4]})
    assert (answer.code, answer.conflicts) == (SEAT_TAKEN, [taken[0]])
    assert do(world, "seats.block", {"seats": [3, 4]}).code == GRANTED
    assert do(world, "seats.block", {"seats": [4, 5]}).code == GRANTED
    assert do(world, "seats.unblock", {"seats": [3]}).code == GRANTED
    assert do(world, "seats.block", {"seats": [99]}).code == NOT_FOUND
    assert do(world, "inventory.add", {"tier": 1, "quantity": 1}).code == INVALID
    assert tier(world) == {"capacity": 6, "available": 2, "held": 0, "confirmed": 2, "blocked": 2}
    assert world.stream.ask(BOOK, user="bob", lines=((1, 2),)).booking["seats"] == [3, 6]
    world.judge()


def test_the_owner_dies_while_operators_work(sale):
    """Each is done once, whoever does it."""
    sale.start_allocator()
    raws = []
    for at in range(30):
        request = sale.stream.request(ADMIN, user="olga", key=f"k{at}",
                                      lines=("inventory.add", {"tier": 1, "quantity": 1}))
        sale.stream.append(request)
        raws.append(request[0])
        if at == 10:
            owner = sale.wait_owner()
            sale.expect_exit(owner)
            os.kill(owner.pid, signal.SIGKILL)
    assert {sale.stream.answer(raw, 30).code for raw in raws} == {GRANTED}
    assert tier(sale)["capacity"] == 34 and len(audit(sale)) == 30
