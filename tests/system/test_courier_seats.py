"""Numbered seats are paid for, and given back, while the courier or the provider dies at each step.

Whatever died, the seats end as one booking's that was paid for once, or free with the money back.
"""

import threading

import pytest

from harness.process import wait_until
from test_courier import (await_status, judge_money, kill_once, pay_later, settle_down,
                          status_of)
from test_seats import await_statuses, seats_show

SEATS = ["A-1", "A-2", "B-5"]
# What a courier says to whom at each step, by the words in it; of a charge, then of a refund.
CHARGE_WORDS = {"claims it": b"claim_outbox", "tells the result": b"XADD",
                "puts it off": b"postpone_outbox"}
REFUND_WORDS = {"claims it": b"claim_outbox", "settles it": b"settle_refund"}

HASTE = {"provider_ms": 200, "lease_ms": 1000, "stuck_ms": 600, "again_ms": 50, "again_ms_max": 200}


@pytest.fixture
def hall(world):
    world.start_provider()
    world.start_redis()
    seats_show(world, hold_seconds=600)
    world.start_allocator()
    world.start_gateway()
    yield world
    settle_down(world)
    judge_money(world)
    world.judge()


def held(world):
    client = world.client()
    answer = client.hold("hall", "ann", seats=SEATS)
    assert answer.status == 201, answer
    return client, answer.json["id"]


def paid(world):
    """Paid for by a courier that is not there any more."""
    courier = world.start_courier()
    client, booking = held(world)
    assert client.pay(booking, "k").json["status"] == "SUCCEEDED"
    courier.stop()
    return client, booking


def courier_killed_saying(world, words):
    """A courier behind a proxy that kills it as soon as it says this. Gives what tells of that."""
    armed = []

    def on_request(data):
        return armed[0]() if armed and words in data else None

    to_redis = words == b"XADD"
    proxy = world.proxy(world.redis.port if to_redis else world.cluster.port, on_request)
    courier = world.start_courier(**{"via_redis" if to_redis else "via_postgres": proxy.port})
    wait_until("the courier", lambda: courier.events("connected"))
    armed.append(kill_once(world, courier))
    return armed[0]


def dies_once(world):
    """A hook after which the provider is away; a second courier's later asking finds it back."""
    gone = threading.Event()

    def act(_fields):
        if not gone.is_set():
            gone.set()
            world.provider.is_away = True
    act.done = gone
    return act


def sold(world, client, booking):
    """One booking has the seats and has paid for them."""
    await_status(client, booking, "CONFIRMED", 30)
    await_statuses(client, booked=SEATS)
    assert client.hold("hall", "bob", seats=SEATS[:1]).code == "SEAT_TAKEN"
    assert world.provider.net(booking) == client.booking(booking).json["amount"]


def given_back(world, client, booking):
    wait_until("the refund", lambda: world.provider.net(booking) == 0, 30)
    assert status_of(client, booking) == "CANCELLED"
    await_statuses(client)
    assert client.hold("hall", "bob", seats=SEATS).status == 201


# The courier.

@pytest.mark.parametrize("step", CHARGE_WORDS)
def test_the_courier_is_killed_when_it(hall, step):
    killed = courier_killed_saying(hall, CHARGE_WORDS[step])
    client, booking = held(hall)
    pay_later(client, booking)
    wait_until("the kill", killed.done.is_set)
    hall.start_courier()
    sold(hall, client, booking)


@pytest.mark.parametrize("step", ["on_charge", "on_charged"])
def test_the_courier_is_killed_while_it_charges(hall, step):
    courier = hall.start_courier()
    killed = kill_once(hall, courier)
    setattr(hall.provider, step, killed)
    client, booking = held(hall)
    pay_later(client, booking)
    wait_until("the kill", killed.done.is_set)
    hall.start_courier()
    sold(hall, client, booking)


@pytest.mark.parametrize("step", REFUND_WORDS)
def test_the_courier_of_a_refund_is_killed_when_it(hall, step):
    client, booking = paid(hall)
    killed = courier_killed_saying(hall, REFUND_WORDS[step])
    assert client.cancel(booking).status == 200
    wait_until("the kill", killed.done.is_set)
    hall.start_courier()
    given_back(hall, client, booking)


@pytest.mark.parametrize("step", ["on_refund", "on_refunded"])
def test_the_courier_is_killed_while_it_refunds(hall, step):
    client, booking = paid(hall)
    courier = hall.start_courier()
    killed = kill_once(hall, courier)
    setattr(hall.provider, step, killed)
    assert client.cancel(booking).status == 200
    wait_until("the kill", killed.done.is_set)
    hall.start_courier()
    given_back(hall, client, booking)


# The provider.

@pytest.mark.parametrize("step", ["on_charge", "on_charged"])
def test_the_provider_dies_while_it_charges(hall, step):
    """It is back in time: the same key is asked again, and nobody is charged twice."""
    died = dies_once(hall)
    setattr(hall.provider, step, died)
    hall.start_courier()
    client, booking = held(hall)
    pay_later(client, booking)
    wait_until("its death", died.done.is_set)
    hall.provider.is_away = False
    sold(hall, client, booking)


@pytest.mark.parametrize("step", ["on_refund", "on_refunded"])
def test_the_provider_dies_while_it_refunds(hall, step):
    client, booking = paid(hall)
    died = dies_once(hall)
    setattr(hall.provider, step, died)
    hall.start_courier()
    assert client.cancel(booking).status == 200
    wait_until("its death", died.done.is_set)
    hall.provider.is_away = False
    given_back(hall, client, booking)
    assert len(hall.provider.refunds) == 1


@pytest.mark.parametrize("taken", [False, True])
def test_the_provider_is_dead_for_too_long(hall, taken):
    """Nobody can say what became of the payment: the seats are free again. Money that comes to light
    afterwards goes back, because somebody else has one of them."""
    died = dies_once(hall)
    setattr(hall.provider, "on_charged" if taken else "on_charge", died)
    hall.start_courier(**HASTE, check_ms=600000 if taken else 2000)
    client, booking = held(hall)
    pay_later(client, booking)
    await_status(client, booking, "FAILED", 30)
    await_statuses(client)
    other = client.hold("hall", "bob", seats=SEATS[1:2])
    assert other.status == 201
    hall.provider.is_away = False
    if taken:
        wait_until("the refund", lambda: hall.provider.refunds, 30)
    settle_down(hall, 40)
    assert status_of(client, booking) == "FAILED" and hall.provider.net(booking) == 0
    await_statuses(client, held=SEATS[1:2])


def test_money_that_comes_late_has_its_very_seats(hall):
    """They are free still: it is honoured."""
    died = dies_once(hall)
    hall.provider.on_charged = died
    hall.start_courier(**HASTE)
    client, booking = held(hall)
    pay_later(client, booking)
    await_status(client, booking, "FAILED", 30)
    await_statuses(client)
    hall.provider.is_away = False
    sold(hall, client, booking)
