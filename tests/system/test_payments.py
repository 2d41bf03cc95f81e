"""Paying for a booking, and getting money back, as a client sees it."""

import json
import time

import pytest

from harness.process import wait_until
from harness.provider import WEBHOOK_SECRET


def hold(client, show, user, tier, quantity=1):
    answer = client.hold(show, user, tier, quantity)
    assert answer.status == 201, answer
    return answer.json["id"]


@pytest.fixture
def shop(world):
    """Paid and free places, a courier, a provider with books. The judge looks at the end."""
    world.show("one", {"GA": (500, 10), "FREE": (0, 5)}, number=1)
    world.show("strict", {"GA": (700, 5), "FREE": (0, 5)}, number=2, payment="required")
    world.start_provider()
    world.start_redis()
    world.start_allocator()
    world.start_gateway(payment_webhook_secret=WEBHOOK_SECRET)
    world.start_courier()
    yield world
    settle_down(world)
    world.judge()


def settle_down(world):
    """Nothing is left in the outbox."""
    wait_until("the outbox to be empty",
               lambda: world.value("SELECT count(*) FROM outbox") == 0, 15)


def status_of(client, booking):
    return client.booking(booking).json["status"]


def test_a_hold_is_paid(shop):
    client = shop.client()
    booking = hold(client, "one", "ann", "GA", 2)
    assert "payment" not in client.booking(booking).json
    paid = client.pay(booking, "k1", {"method": "pm_card_visa"})
    assert paid.status == 200 and paid.json["status"] == "SUCCEEDED", paid
    assert (paid.json["amount"], paid.json["currency"]) == (1000, "USD")
    assert paid.json["booking"] == booking and paid.json["booking_status"] == "CONFIRMED"
    seen = client.booking(booking).json
    assert seen["status"] == "CONFIRMED" and seen["payment"]["id"] == paid.json["id"]
    assert seen["payment"]["status"] == "SUCCEEDED" and seen["payment"]["refunded"] == 0
    charge, = shop.provider.charges(booking)
    assert charge["amount"] == 1000 and charge["currency"] == "usd"
    client.await_stock("one", {"GA": (8, 0, 2), "FREE": 5})


def test_the_same_key_is_the_same_payment(shop):
    client = shop.client()
    booking = hold(client, "one", "ann", "GA")
    first = client.pay(booking, "k1")
    again = client.pay(booking, '"k1"')
    assert first.header("Idempotent-Replayed") is None
    assert again.header("Idempotent-Replayed") == "true" and again.json == first.json
    other = client.pay(booking, "k2")
    assert (other.status, other.code) == (409, "ILLEGAL_STATE"), other
    reused = client.pay(booking, "k1", {"method": "pm_other"})
    assert (reused.status, reused.code) == (422, "KEY_REUSED")
    assert len(shop.provider.charges(booking)) == 1


def test_what_a_payment_must_have(shop):
    client = shop.client()
    booking = hold(client, "one", "ann", "GA")
    without = client.post(f"/v1/bookings/{booking}/payments", {})
    assert (without.status, without.code) == (400, "INVALID")
    for method in ("4242424242424242", "pm card", "", 7, "x" * 65):
        bad = client.pay(booking, "k", {"method": method})
        assert bad.status == 422 or method == "", (method, bad)
        if method == "":
            break
    assert client.pay("0" * 26, "k").status == 404
    gone = hold(client, "one", "bob", "GA")
    assert client.cancel(gone).status == 200
    refused = client.pay(gone, "k")
    assert (refused.status, refused.code) == (409, "ILLEGAL_STATE")


def test_a_declined_payment_gives_the_places_back(shop):
    shop.provider.plan = lambda fields: "decline"
    client = shop.client()
    booking = hold(client, "one", "ann", "GA", 3)
    failed = client.pay(booking, "k1")
    assert failed.status == 200, failed
    assert (failed.json["status"], failed.json["reason"]) == ("FAILED", "card_declined")
    assert status_of(client, booking) == "FAILED"
    client.await_stock("one", {"GA": (10, 0, 0), "FREE": 5})
    assert client.pay(booking, "k2").code == "ILLEGAL_STATE"
    assert shop.provider.taken() == []


def test_what_costs_nothing_is_paid_at_once(shop):
    client = shop.client()
    booking = hold(client, "strict", "ann", "FREE")
    paid = client.pay(booking, "k1")
    assert (paid.json["status"], paid.json["amount"]) == ("SUCCEEDED", 0), paid
    assert paid.json["booking_status"] == "CONFIRMED" and shop.provider.asked == []
    assert client.cancel(booking).status == 200
    assert client.booking(booking).json["payment"]["refunds"] == []


def test_a_show_that_must_be_paid(shop):
    client = shop.client()
    assert client.get("/v1/shows/strict").json["rules"]["payment"] == "required"
    assert client.get("/v1/shows/one").json["rules"]["payment"] == "optional"
    refused = client.book("strict", "ann", "GA")
    assert (refused.status, refused.code) == (409, "PAYMENT_REQUIRED")
    assert client.book("strict", "ann", "FREE").status == 201
    booking = hold(client, "strict", "ann", "GA")
    refused = client.confirm(booking)
    assert (refused.status, refused.code) == (409, "PAYMENT_REQUIRED")
    assert client.pay(booking, "k").json["status"] == "SUCCEEDED"
    assert client.confirm(hold(client, "strict", "ann", "FREE")).status == 200


def test_cancelling_gives_the_money_back(shop):
    client = shop.client()
    booking = hold(client, "one", "ann", "GA", 3)
    assert client.pay(booking, "k1").json["status"] == "SUCCEEDED"
    assert client.cancel(booking, {"quantity": 1}).json["amount"] == 1000
    wait_until("the refund", lambda: shop.provider.net(booking) == 1000)
    assert client.cancel(booking).json["status"] == "CANCELLED"
    wait_until("the rest", lambda: shop.provider.net(booking) == 0)
    settle_down(shop)
    payment = client.booking(booking).json["payment"]
    assert [(r["amount"], r["status"], r["reason"]) for r in payment["refunds"]] == \
        [(500, "SUCCEEDED", "cancelled"), (1000, "SUCCEEDED", "cancelled")]
    assert payment["refunded"] == payment["amount"] == 1500
    replay = client.pay(booking, "k1")
    assert replay.json["refunded"] == 1500 and replay.json["booking_status"] == "CANCELLED"


def test_cancelled_while_the_provider_is_at_it(shop):
    shop.provider.plan = lambda fields: "later"
    client = shop.client()
    booking = hold(client, "one", "ann", "GA", 2)
    pending = client.pay(booking, "k1", prefer="wait=1")
    assert (pending.status, pending.json["status"]) == (200, "PENDING"), pending
    assert client.pay(booking, "k2").json["code"] == "ILLEGAL_STATE"
    assert client.cancel(booking, {"quantity": 1}).json["status"] == "PENDING"
    assert client.cancel(booking).json["status"] == "CANCELLED"
    client.await_stock("one", {"GA": (10, 0, 0), "FREE": 5})
    shop.provider.settle(booking)
    wait_until("the money to be back", lambda: shop.provider.refunds and
               shop.provider.net(booking) == 0)
    settle_down(shop)
    seen = client.booking(booking).json
    assert seen["status"] == "CANCELLED" and seen["payment"]["status"] == "SUCCEEDED"


def test_a_part_that_was_given_back_meanwhile(shop):
    shop.provider.plan = lambda fields: "later"
    client = shop.client()
    booking = hold(client, "one", "ann", "GA", 3)
    assert client.pay(booking, "k1", prefer="wait=1").json["status"] == "PENDING"
    assert client.cancel(booking, {"quantity": 1}).status == 200
    shop.provider.settle(booking)
    wait_until("the difference", lambda: shop.provider.net(booking) == 1000)
    assert status_of(client, booking) == "CONFIRMED"


def test_a_payment_takes_its_time(shop):
    """The booking's hold runs out meanwhile, and does not matter any more."""
    shop.provider.plan = lambda fields: "later"
    shop.show("quick", {"GA": (100, 1)}, number=3, hold_seconds=1)
    client = shop.client()
    booking = hold(client, "quick", "ann", "GA")
    queued = client.pay(booking, "k1", prefer="respond-async")
    assert queued.status == 202, queued
    request = queued.header("Location")
    wait_until("the charge", lambda: shop.provider.charges(booking))
    time.sleep(1.2)
    assert status_of(client, booking) == "PENDING"
    assert client.book("quick", "bob", "GA").code == "SOLD_OUT"
    assert client.get(request).json["status"] == "PENDING"
    shop.provider.settle(booking)
    wait_until("the result", lambda: client.get(request).json["status"] == "SUCCEEDED")
    assert client.pay(booking, "k1").json["status"] == "SUCCEEDED"


def test_whoever_waits_is_told(shop):
    """By the message, not by the end of its wait: and by a webhook as well as by a courier."""
    shop.provider.plan = lambda fields: "later"
    client, port = shop.client(), shop.gateways[0].port
    booking = hold(client, "one", "ann", "GA")
    assert client.pay(booking, "k1", prefer="wait=0").status in (200, 202)
    wait_until("the charge", lambda: shop.provider.charges(booking))
    charge = shop.provider.charges(booking)[0]
    charge["status"] = "succeeded"
    assert shop.provider.send_event(port, shop.provider.event(charge)).status == 200
    paid = client.pay(booking, "k1", prefer="wait=10")
    assert paid.json["status"] == "SUCCEEDED", paid


def test_webhooks(shop):
    shop.provider.plan = lambda fields: "later"
    client, port, provider = shop.client(), shop.gateways[0].port, shop.provider
    booking = hold(client, "one", "ann", "GA")
    assert client.pay(booking, "k1", prefer="wait=1").json["status"] == "PENDING"
    charge = dict(provider.charges(booking)[0], status="canceled")
    event = provider.event(charge)
    assert provider.send_event(port, event, secret="whsec_wrong").status == 400
    assert provider.send_event(port, event, at=time.time() - 3600).status == 400
    assert client.ask("POST", "/webhooks/payments", json.dumps(event).encode()).status == 400
    assert status_of(client, booking) == "PENDING"
    strange = dict(charge, metadata={"order": "12"})
    assert provider.send_event(port, provider.event(strange)).status == 200
    assert provider.send_event(port, {"id": "evt_0", "type": "customer.created"}).status == 200
    assert provider.send_event(port, {"id": "evt_0"}).status == 422
    provider.charges(booking)[0]["status"] = "canceled"
    for _ in range(3):
        assert provider.send_event(port, event).status == 200
    wait_until("the failure", lambda: status_of(client, booking) == "FAILED")


def test_no_webhooks_without_a_secret(world):
    world.show("one", {"GA": (500, 10)}, number=1)
    world.start()
    body = b'{"type": "payment_intent.succeeded"}'
    assert world.client().ask("POST", "/webhooks/payments", body).status == 400


def test_the_simulated_provider(world):
    world.show("one", {"GA": (500, 200)}, number=1, max_per_booking=10)
    world.start()
    world.start_courier(simulated_failures=300, simulated_delay_ms=5)
    client = world.client()
    said = {}
    for number in range(60):
        booking = hold(client, "one", f"user {number}", "GA")
        said[booking] = client.pay(booking, f"k{number}").json["status"]
    assert set(said.values()) == {"SUCCEEDED", "FAILED"}, said
    for booking, status in said.items():
        assert status_of(client, booking) == {"SUCCEEDED": "CONFIRMED", "FAILED": "FAILED"}[status]
    world.judge()


def test_redis_is_lost_while_a_payment_is_pending(shop):
    shop.provider.plan = lambda fields: "later"
    client = shop.client()
    booking = hold(client, "one", "ann", "GA", 2)
    assert client.pay(booking, "k1", prefer="wait=1").json["status"] == "PENDING"
    shop.redis_client().flushall()
    shop.provider.settle(booking)
    wait_until("the payment", lambda: status_of(client, booking) == "CONFIRMED", 20)
    assert client.cancel(booking, {"quantity": 1}).status == 200
    wait_until("the refund", lambda: shop.provider.net(booking) == 500)
