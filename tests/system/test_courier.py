"""The courier and the provider die, hang, repeat themselves and come late; the money stays right.

After each of these the provider's own ledger is held against the bookings: at most one charge for
each, and money kept only for a booking that lives.
"""

import random
import threading
import time

import pytest

from harness.process import wait_until
from harness.provider import WEBHOOK_SECRET


@pytest.fixture
def shop(world):
    world.show("one", {"GA": (500, 4)}, number=1)
    world.start_provider()
    world.start_redis()
    world.start_allocator()
    world.start_gateway(payment_webhook_secret=WEBHOOK_SECRET)
    yield world
    settle_down(world)
    judge_money(world)
    world.judge()


def settle_down(world, seconds=20):
    """Every courier's work is done: nobody is asked about any more, either."""
    wait_until("the outbox to be empty",
               lambda: world.value("SELECT count(*) FROM outbox") == 0, seconds)


def judge_money(world):
    """The provider's ledger against the bookings."""
    client = world.client()
    for intent in world.provider.intents.values():
        booking = intent["metadata"]["booking"]
        assert len(world.provider.charges(booking)) == 1, f"{booking} was charged twice"
        seen = client.booking(booking).json
        kept = seen["amount"] if seen["status"] == "CONFIRMED" else 0
        assert world.provider.net(booking) == kept, (seen, intent, world.provider.refunds)


def held(client, user, quantity=1):
    answer = client.hold("one", user, "GA", quantity)
    assert answer.status == 201, answer
    return answer.json["id"]


def pay_later(client, booking, key="k"):
    """Paid, and not waited for."""
    assert client.pay(booking, key, prefer="respond-async").status == 202


def status_of(client, booking):
    return client.booking(booking).json["status"]


def await_status(client, booking, status, seconds=15):
    wait_until(f"{booking} to be {status}", lambda: status_of(client, booking) == status, seconds)


def kill_once(world, courier):
    """An action for a hook of the provider or a proxy: kills the courier, the first time only."""
    done = threading.Event()

    def act(*_):
        if not done.is_set():
            done.set()
            world.expect_exit(courier)
            courier.kill9()
            return "cut"
        return None
    act.done = done
    return act


@pytest.mark.parametrize("moment", ["before the charge", "after the charge"])
def test_a_courier_killed_while_it_asks_for_the_money(shop, moment):
    courier = shop.start_courier()
    action = kill_once(shop, courier)
    setattr(shop.provider, "on_charge" if moment == "before the charge" else "on_charged", action)
    client = shop.client()
    booking = held(client, "ann", 2)
    pay_later(client, booking)
    wait_until("the kill", action.done.is_set)
    shop.start_courier()
    await_status(client, booking, "CONFIRMED")


@pytest.mark.parametrize("moment", ["claim", "tell", "postpone"])
def test_a_courier_killed_between_two_steps(shop, moment):
    """Its words to Postgres and Redis pass a proxy, which kills it when it says them."""
    words = {"claim": b"claim_outbox", "tell": b"XADD", "postpone": b"postpone_outbox"}[moment]
    action = None

    def on_request(data):
        return action() if action and words in data else None

    proxy = shop.proxy(shop.redis.port if moment == "tell" else shop.cluster.port, on_request)
    way = {"via_redis": proxy.port} if moment == "tell" else {"via_postgres": proxy.port}
    courier = shop.start_courier(**way)
    wait_until("the courier", lambda: courier.events("connected"))
    client = shop.client()
    booking = held(client, "ann", 2)
    action = kill_once(shop, courier)
    pay_later(client, booking)
    wait_until("the kill", action.done.is_set)
    shop.start_courier()
    await_status(client, booking, "CONFIRMED")


def test_a_courier_killed_while_it_refunds(shop):
    courier = shop.start_courier()
    client = shop.client()
    booking = held(client, "ann", 3)
    assert client.pay(booking, "k").json["status"] == "SUCCEEDED"
    shop.expect_exit(courier)
    courier.kill9()
    assert client.cancel(booking, {"quantity": 1}).status == 200
    assert client.cancel(booking).status == 200
    assert shop.provider.refunds == []
    shop.start_courier()
    wait_until("the refunds", lambda: shop.provider.net(booking) == 0)


def test_a_stopped_courier_that_wakes(shop):
    """It was stopped with the answer in its hands; another has done all of it meanwhile."""
    sleeper = shop.start_courier()
    client = shop.client()
    asleep = threading.Event()

    def fall_asleep(_):
        if not asleep.is_set():
            asleep.set()
            sleeper.sigstop()

    shop.provider.on_charged = fall_asleep
    booking = held(client, "ann")
    pay_later(client, booking)
    wait_until("the stop", asleep.is_set)
    shop.start_courier()
    await_status(client, booking, "CONFIRMED")
    sleeper.cont()
    second = held(client, "bob")
    assert client.pay(second, "k2").json["status"] == "SUCCEEDED"


@pytest.mark.parametrize("fault", ["refuse", "busy", "die"])
def test_the_provider_breaks_off(shop, fault):
    """Before it takes the money, or after: the same key asks until it answers."""
    plans = iter([fault, fault, "succeed"])
    shop.provider.plan = lambda fields: next(plans)
    shop.start_courier()
    client = shop.client()
    booking = held(client, "ann", 2)
    paid = client.pay(booking, "k", prefer="wait=15")
    assert paid.json["status"] == "SUCCEEDED", paid


def given_up(shop):
    """A booking of two places whose money was taken while nobody can say so: it has FAILED."""
    shop.provider.plan = lambda fields: "hang"
    shop.start_courier(provider_ms=200, stuck_ms=600, lease_ms=1000)
    shop.provider.on_charged = lambda fields: setattr(shop.provider, "is_away", True)
    client = shop.client()
    booking = held(client, "ann", 2)
    pay_later(client, booking)
    await_status(client, booking, "FAILED")
    return client, booking


def test_the_provider_hangs_and_has_taken_the_money(shop):
    """The hold's places are free again, then its money comes to light and it is honoured."""
    client, booking = given_up(shop)
    client.await_stock("one", {"GA": (4, 0, 0)})
    assert client.booking(booking).json["payment"]["reason"] == "no_answer"
    shop.provider.is_away = False
    await_status(client, booking, "CONFIRMED")
    client.await_stock("one", {"GA": (2, 0, 2)})
    payment = client.booking(booking).json["payment"]
    assert payment["status"] == "SUCCEEDED" and payment["reason"] is None


def test_a_late_success_without_places_is_refunded(shop):
    client, booking = given_up(shop)
    assert client.book("one", "bob", "GA", 3).status == 201
    shop.provider.is_away = False
    wait_until("the refund", lambda: shop.provider.refunds)
    settle_down(shop)
    seen = client.booking(booking).json
    assert seen["status"] == "FAILED" and seen["payment"]["status"] == "SUCCEEDED"
    assert [(r["amount"], r["reason"], r["status"]) for r in seen["payment"]["refunds"]] == \
        [(1000, "late", "SUCCEEDED")]
    # Said once more, when there is room again: the money is back already, and so is the place.
    charge, = shop.provider.charges(booking)
    other = client.get("/v1/users/bob/bookings").json["bookings"][0]["id"]
    assert client.cancel(other).status == 200
    port = shop.gateways[0].port
    assert shop.provider.send_event(port, shop.provider.event(charge)).status == 200
    assert client.book("one", "carl", "GA").status == 201
    assert status_of(client, booking) == "FAILED"


def test_the_provider_never_heard_of_it(shop):
    """It was away all the time. The payment fails; what it is asked later is no charge."""
    shop.provider.is_away = True
    shop.start_courier(stuck_ms=500, check_ms=2000, again_ms_max=200)
    client = shop.client()
    booking = held(client, "ann")
    pay_later(client, booking)
    await_status(client, booking, "FAILED")
    shop.provider.asked.clear()
    shop.provider.is_away = False
    settle_down(shop)
    assert all(method == "GET" for method, _, _ in shop.provider.asked), shop.provider.asked
    assert shop.provider.intents == {}


def test_the_result_is_told_twice(shop):
    """By the courier and by webhooks, in any order."""
    shop.start_courier()
    client, port = shop.client(), shop.gateways[0].port
    booking = held(client, "ann")
    assert client.pay(booking, "k").json["status"] == "SUCCEEDED"
    charge, = shop.provider.charges(booking)
    for _ in range(3):
        assert shop.provider.send_event(port, shop.provider.event(charge)).status == 200
    failed = shop.provider.event(charge, "payment_intent.payment_failed")
    assert shop.provider.send_event(port, failed).status == 200
    assert client.book("one", "bob", "GA").status == 201  # all of it is decided by now
    assert status_of(client, booking) == "CONFIRMED"


def test_a_courier_without_redis_or_allocator(shop):
    """The money is taken; the result waits until somebody can decide."""
    allocator = shop.wait_owner()
    proxy = shop.proxy(shop.redis.port)
    courier = shop.start_courier(via_redis=proxy.port)
    wait_until("the courier", lambda: courier.events("connected"))
    client = shop.client()
    booking, other = held(client, "ann"), held(client, "bob")
    shop.provider.on_charged = lambda fields: proxy.cut()
    pay_later(client, booking)
    wait_until("the charge", lambda: shop.provider.taken(booking))
    time.sleep(0.5)
    assert status_of(client, booking) == "PENDING"
    shop.provider.on_charged = None
    proxy.restore()
    await_status(client, booking, "CONFIRMED")
    pay_later(client, other)
    shop.expect_exit(allocator)
    allocator.kill9()
    wait_until("the charge", lambda: shop.provider.taken(other) or not allocator.alive())
    shop.start_allocator()
    await_status(client, other, "CONFIRMED", 20)


def test_a_cancelled_payment_that_nobody_began_is_not_charged(shop):
    client = shop.client()
    booking = held(client, "ann")
    pay_later(client, booking)
    wait_until("PENDING", lambda: status_of(client, booking) == "PENDING")
    assert client.cancel(booking).status == 200
    shop.start_courier()
    settle_down(shop)
    assert shop.provider.asked == []
    assert client.booking(booking).json["payment"]["status"] == "FAILED"


def test_a_payment_that_lost_its_row_is_found(shop):
    client = shop.client()
    booking = held(client, "ann")
    pay_later(client, booking)
    wait_until("PENDING", lambda: status_of(client, booking) == "PENDING")
    with shop.connection.cursor() as cursor:
        cursor.execute("DELETE FROM outbox")
    shop.start_courier(stuck_ms=200, check_ms=300, again_ms_max=100)
    await_status(client, booking, "FAILED")


def test_many_pay_while_couriers_die(world):
    """Payments fail 30 % and in every other way, couriers are killed; every place ends free or paid
    by exactly one."""
    random.seed(4)
    world.show("one", {"GA": (500, 40)}, number=1, max_per_booking=4)
    provider = world.start_provider()
    chances = ["succeed"] * 10 + ["decline"] * 6 + ["die", "refuse", "busy", "later"]

    def plan(fields):
        return random.choice(chances)

    provider.plan = plan
    world.start(allocators=1, gateways=1)
    options = {"provider_ms": 300, "lease_ms": 800, "stuck_ms": 3000, "again_ms_max": 300}
    for _ in range(2):
        world.start_courier(**options)
    stop = threading.Event()
    said = {}

    def person(number):
        client = world.gateways[0].client()
        choice = random.Random(number)
        while not stop.is_set():
            made = client.hold("one", f"user {number}", "GA", choice.randint(1, 3))
            if made.status != 201:
                time.sleep(0.05)
                continue
            booking = made.json["id"]
            paid = client.pay(booking, f"{number}-{booking}", prefer="wait=3")
            if paid.status == 200:
                said[booking] = paid.json["status"]
            if choice.random() < 0.6:
                client.cancel(booking, {"quantity": 1} if choice.random() < 0.3 else {})
        client.close()

    people = [threading.Thread(target=person, args=(n,)) for n in range(10)]
    for thread in people:
        thread.start()
    for _ in range(5):
        time.sleep(0.8)
        victim = random.choice([c for c in world.couriers if c.alive()])
        world.expect_exit(victim)
        victim.kill9()
        world.start_courier(**options)
        with provider.lock:
            for intent in provider.intents.values():
                if intent["status"] == "processing" and random.random() < 0.7:
                    intent["status"] = random.choice(["succeeded", "canceled"])
    stop.set()
    for thread in people:
        thread.join()
    with provider.lock:
        for intent in provider.intents.values():
            if intent["status"] == "processing":
                intent["status"] = "succeeded"
    settle_down(world, 40)
    judge_money(world)
    assert world.value("SELECT count(*) FROM bookings WHERE status = 'PENDING'") == 0
    assert {"SUCCEEDED", "FAILED"} <= set(said.values())
    world.judge()
