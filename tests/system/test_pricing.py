"""Prices that step up by the share sold or by time: what people are told is what they pay."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from harness.process import wait_until


def at(seconds):
    """RFC 3339, so many seconds from now."""
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def make(world, *words):
    result = world.ctl("show", "create", *words)
    assert result.code == 0, result


def prices(client, show):
    """As availability and the show itself tell it, once both are up to date."""
    availability = client.get(f"/v1/shows/{show}/availability").json["tiers"]
    tiers = client.get(f"/v1/shows/{show}").json["tiers"]
    return [tier["price"] for tier in availability], [tier["price"] for tier in tiers]


def await_price(client, show, price):
    wait_until(f"a price of {price}", lambda: prices(client, show) == ([price], [price]))


@pytest.fixture
def steps(world):
    make(world, "--slug", "rising", "--tier", "GA:1000:10", "--price-step", "GA:50%:1500",
         "--price-step", "GA:90%:2000")
    world.start()
    yield world
    world.judge()


def test_the_price_steps_up_with_what_is_sold(steps):
    client = steps.client()
    assert client.book("rising", "ann", "GA", 5).json["amount"] == 5000
    await_price(client, "rising", 1500)
    booking = client.book("rising", "bob", "GA", 4).json
    assert booking["amount"] == 6000 and booking["items"][0]["price"] == 1500
    await_price(client, "rising", 2000)
    # What is given back makes it cheaper again; who has a place keeps the price that it had.
    assert client.post(f"/v1/bookings/{booking['id']}/cancel", {"quantity": 3}).json["amount"] == 1500
    await_price(client, "rising", 1500)
    assert client.book("rising", "cid", "GA", 1).json["amount"] == 1500


def test_a_hold_counts_and_keeps_its_price(steps):
    client = steps.client()
    held = client.book("rising", "ann", "GA", 5, hold=True).json
    assert held["amount"] == 5000
    assert client.book("rising", "bob", "GA", 1).json["amount"] == 1500
    confirmed = client.post(f"/v1/bookings/{held['id']}/confirm", {}).json
    assert confirmed["amount"] == 5000 and confirmed["items"][0]["price"] == 1000


def test_prices_are_there_again_after_a_rebuild(steps):
    client = steps.client()
    client.book("rising", "ann", "GA", 5)
    steps.redis_client().flushall()
    wait_until("a decision", lambda: client.book("rising", "bob", "GA", 1).status == 201)
    assert client.get("/v1/users/bob/bookings").json["bookings"][0]["amount"] == 1500


def test_the_price_steps_by_time_and_the_last_step_counts(world):
    make(world, "--slug", "clock", "--tier", "GA:1000:10", "--price-step", f"GA:{at(-60)}:1200",
         "--price-step", f"GA:{at(3600)}:9000")
    make(world, "--slug", "soon", "--tier", "GA:1000:10", "--price-step", f"GA:{at(2)}:1700",
         "--price-step", "GA:10%:1800")
    world.start()
    client = world.client()
    await_price(client, "clock", 1200)
    assert client.book("clock", "ann", "GA", 1).json["amount"] == 1200
    await_price(client, "soon", 1700)
    assert client.book("soon", "ann", "GA", 1).json["amount"] == 1700
    assert client.book("soon", "bob", "GA", 1).json["amount"] == 1800
    world.judge()


def test_steps_from_a_file(world, tmp_path):
    world.start_redis()
    path = tmp_path / "show.json"
    path.write_text(json.dumps({"slug": "filed", "tiers": [
        {"code": "A", "price": 10, "capacity": 4, "price_steps": [
            {"sold_percent": 25, "price": 20}, {"from": "2030-01-01T00:00:00+01:00", "price": 30}]},
        {"code": "B", "price": 10, "capacity": 4}]}))
    make(world, "--file", str(path))
    rows = world.rows("SELECT tier, step, sold_permille, extract(epoch FROM from_at)::bigint AS at,"
                      " price FROM price_steps ORDER BY tier, step")
    assert [tuple(row.values()) for row in rows] == [
        (1, 1, 250, None, 20), (1, 2, None, 1893452400, 30)]


@pytest.mark.parametrize("step, says", [
    ("GA:0%:5", "CODE:N%:PRICE"), ("GA:101%:5", "CODE:N%:PRICE"), ("GA:50:5", "N% or at a time"),
    ("GA:2030-02-30T00:00:00Z:5", "N% or at a time"), ("XX:50%:5", "no tier 'XX'"),
    ("GA:50%", "CODE:N%:PRICE"), ("GA:50%:-1", "CODE:N%:PRICE"), ("GA", "CODE:N%:PRICE")])
def test_what_is_no_step_is_refused(world, step, says):
    result = world.ctl("show", "create", "--slug", "no", "--tier", "GA:10:5", "--price-step", step)
    assert result.code == 2 and says in result.err and result.err.count("\n") == 1
    assert world.value("SELECT count(*) FROM shows") == 0


@pytest.mark.parametrize("steps, says", [
    ([{"sold_percent": 0, "price": 1}], "a price step is"),
    ([{"sold_percent": 101, "price": 1}], "1 to 100 percent"),
    ([{"sold_percent": 10}], "a price step is"),
    ([{"sold_percent": 10, "price": -1}], "out of range"),
    ([{"from": "tomorrow", "price": 1}], "at a time"),
    ([{"from": "2030-01-01T00:00:00Z", "price": 1}] * 17, "not a long one"),
    ("half", "must be an array")])
def test_what_is_no_step_in_a_file_is_refused(world, tmp_path, steps, says):
    path = tmp_path / "show.json"
    path.write_text(json.dumps({"slug": "no", "tiers": [
        {"code": "A", "price": 10, "capacity": 4, "price_steps": steps}]}))
    result = world.ctl("show", "create", "--file", str(path))
    assert result.code == 2 and says in result.err
