"""Refunds that the provider takes its time with, refuses, or takes back again."""

import threading

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
    for intent in world.provider.intents.values():
        assert len(world.provider.charges(intent["metadata"]["booking"])) == 1


def cancelled(shop, **courier):
    """A booking that was paid and cancelled, and its refund, which the provider has heard of."""
    courier = shop.start_courier(**courier)
    client = shop.client()
    booking = client.hold("one", "ann", "GA", 2).json["id"]
    assert client.pay(booking, "k").json["status"] == "SUCCEEDED"
    assert client.cancel(booking).status == 200
    wait_until("the refund to be asked for", lambda: shop.provider.refunds)
    return courier, booking, shop.provider.refunds[0]


def refund_of(shop, booking):
    payment = shop.client().booking(booking).json["payment"]
    refund, = payment["refunds"]
    return refund["status"], payment["refunded"]


def await_refund(shop, booking, status):
    wait_until(f"the refund to be {status}", lambda: refund_of(shop, booking)[0] == status, 20)


def outbox(shop):
    return shop.value("SELECT count(*) FROM outbox")


def asked(shop, refund):
    """How often the refund was asked for by its name."""
    return [path for method, path, _ in shop.provider.asked
            if method == "GET" and path == f"/v1/refunds/{refund['id']}"]


def test_a_refund_that_takes_its_time(shop):
    shop.provider.refund_plan = lambda fields: "pending"
    _, booking, refund = cancelled(shop)
    wait_until("it to be asked for by its name", lambda: len(asked(shop, refund)) >= 2, 20)
    assert refund_of(shop, booking) == ("PENDING", 1000) and outbox(shop) == 1
    shop.provider.end_refund(refund)
    await_refund(shop, booking, "SUCCEEDED")
    assert refund_of(shop, booking) == ("SUCCEEDED", 1000) and outbox(shop) == 0
    assert len(shop.provider.refunds) == 1, "it was made once"
    shop.judge()


def test_a_refund_that_fails_in_the_end(shop):
    """Nothing hides it: the booking tells, and so does verify."""
    shop.provider.refund_plan = lambda fields: "pending"
    _, booking, refund = cancelled(shop)
    wait_until("it to be asked for by its name", lambda: asked(shop, refund), 20)
    shop.provider.end_refund(refund, "failed")
    await_refund(shop, booking, "FAILED")
    assert refund_of(shop, booking) == ("FAILED", 0) and outbox(shop) == 0
    verify = shop.ctl("verify")
    assert verify.code == 1 and "the provider refused to give 1000 back" in verify.out, verify
    assert "expired_or_canceled_card" in verify.out


def test_the_courier_dies_before_it_has_the_refunds_name(shop):
    """The same key brings the provider's first answer again, and with it the name."""
    shop.provider.refund_plan = lambda fields: "die"
    courier, booking, refund = cancelled(shop)
    shop.expect_exit(courier)
    courier.kill9()
    shop.provider.end_refund(refund)
    shop.start_courier()
    await_refund(shop, booking, "SUCCEEDED")
    assert len(shop.provider.refunds) == 1 and outbox(shop) == 0
    shop.judge()


def test_news_of_a_refund(shop):
    """A webhook has it asked for at once, where a courier would have waited for long."""
    shop.provider.refund_plan = lambda fields: "pending"
    _, booking, refund = cancelled(shop, again_ms=600_000, again_ms_max=600_000)
    wait_until("the courier to have its name",
               lambda: shop.value("SELECT reference FROM refunds") == refund["id"])
    port = shop.gateways[0].port
    assert shop.provider.send_event(port, shop.provider.event(refund)).status == 200
    wait_until("it to be asked for", lambda: asked(shop, refund), 20)
    assert refund_of(shop, booking)[0] == "PENDING"
    wait_until("the courier to be done", lambda: shop.value(
        "SELECT count(*) FROM outbox WHERE next_at > clock_timestamp() + interval '5 minutes'"))
    shop.provider.end_refund(refund)
    assert shop.provider.send_event(port, shop.provider.event(refund)).status == 200
    await_refund(shop, booking, "SUCCEEDED")
    shop.judge()


def test_money_that_comes_back(shop):
    """It was given back, says the provider, and later that the bank did not take it."""
    _, booking, refund = cancelled(shop)
    await_refund(shop, booking, "SUCCEEDED")
    wait_until("the outbox to be empty", lambda: outbox(shop) == 0)
    port = shop.gateways[0].port
    assert shop.provider.send_event(port, shop.provider.event(refund)).status == 200
    wait_until("it to be asked for", lambda: asked(shop, refund), 20)
    wait_until("the outbox to be empty", lambda: outbox(shop) == 0)
    assert refund_of(shop, booking) == ("SUCCEEDED", 1000), "nothing was wrong then"
    shop.provider.end_refund(refund, "failed")
    event = shop.provider.event(refund, "refund.failed")
    assert shop.provider.send_event(port, event).status == 200
    await_refund(shop, booking, "FAILED")
    assert refund_of(shop, booking) == ("FAILED", 0) and outbox(shop) == 0
    assert shop.ctl("verify").code == 1


def test_news_of_nothing(shop):
    """Of refunds that are not usher's, or that nobody knows; and who does not sign is nobody."""
    provider, port = shop.provider, shop.gateways[0].port
    listener = shop.start_courier()
    strange = {"object": "refund", "id": "re_1", "status": "failed", "metadata": {}}
    assert provider.send_event(port, provider.event(strange)).status == 200
    strange["metadata"] = {"refund": "0" * 26}
    assert provider.send_event(port, provider.event(strange)).status == 200
    assert provider.send_event(port, provider.event(strange), secret="wrong").status == 400
    _, booking, _ = cancelled(shop)
    await_refund(shop, booking, "SUCCEEDED")
    assert listener.alive() and outbox(shop) == 0
    shop.judge()


@pytest.mark.parametrize("first", ["refund", "removal"])
def test_a_refund_is_settled_while_a_webhook_is_removed(shop, first):
    """Whichever comes first, the other waits: no delivery is left that belongs to nobody."""
    shop.provider.refund_plan = lambda fields: "pending"
    courier, _, refund = cancelled(shop, again_ms=600_000, again_ms_max=600_000)
    wait_until("the courier to have its name",
               lambda: shop.value("SELECT reference FROM refunds") == refund["id"])
    added = shop.ctl("webhook", "add", "http://127.0.0.1:9/", "--event", "payment.*")
    assert added.code == 0, added
    number = shop.value("SELECT id FROM subscriptions")
    settle = "SELECT settle_refund(id, true, '', '') FROM refunds"
    session = shop.cluster.connect(shop.database)
    session.autocommit = False
    late = shop.cluster.connect(shop.database)
    if first == "refund":
        session.cursor().execute(settle)
        other = threading.Thread(target=lambda: shop.ctl("webhook", "remove", number))
    else:
        session.cursor().execute("SELECT admin_unsubscribe('webhook', '{\"webhook\": %s}')" % number)
        other = threading.Thread(target=lambda: late.cursor().execute(settle))
    other.start()
    wait_until("the other to wait",
               lambda: shop.value("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
    session.commit()
    other.join(30)
    session.close()
    late.close()
    assert shop.value("SELECT count(*) FROM subscriptions") == 0
    assert shop.value("SELECT status FROM refunds") == "SUCCEEDED"
    wait_until("a courier to have taken away what is left", lambda: shop.value(
        "SELECT (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM delivery_chores)") == 0)
    assert courier.alive()
