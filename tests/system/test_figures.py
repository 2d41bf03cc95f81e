"""What /metrics tells beside the gateway's own counts: payments, couriers, places, locks, and whoever
reports of himself."""

import re
import subprocess

import pytest

from harness.locks import somebody_waits
from harness.process import wait_until
from harness.receiver import Receiver

EXPIRY_SECONDS = 10  # base/program_report.h


def figures_of(client):
    """(name, labels) → value; the page is as promtool wants it."""
    answer = client.get("/metrics")
    assert answer.status == 200
    checked = subprocess.run(["/usr/bin/promtool", "check", "metrics"], input=answer.body,
                             capture_output=True, timeout=30, check=False)
    assert checked.returncode == 0 and not checked.stdout + checked.stderr, checked
    figures = {}
    for line in answer.body.decode().splitlines():
        if line and not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = frozenset(re.findall(r'(\w+)="([^"]*)"', labels or ""))
            assert (name, pairs) not in figures, f"twice: {line}"
            figures[name, pairs] = float(value)
    return figures


def figure(client, name, **labels):
    """The one with these labels; None: there is none."""
    return figures_of(client).get((name, frozenset(labels.items())))


def await_figure(client, value, name, seconds=20, **labels):
    wait_until(f"{name} {labels} to be {value}",
               lambda: figure(client, name, **labels) == value, seconds)


def test_payments_and_the_courier_who_carries_them(world):
    world.show("gala", {"GA": (500, 10)})
    world.start_provider(plan=lambda fields: "decline" if fields["amount"] == "1000" else "succeed")
    world.start()
    world.start_courier(name="carrier")
    client = world.client()
    for quantity, status in ((1, "SUCCEEDED"), (2, "FAILED")):
        held = client.hold("gala", f"user {quantity}", "GA", quantity)
        paid = client.pay(held.json["id"], f"k{quantity}", {"method": "pm_card_visa"})
        assert paid.json["status"] == status, paid
    for result in ("succeeded", "failed"):
        await_figure(client, 1, "usher_payment_seconds_count", partition="1", result=result)
        await_figure(client, 1, "usher_courier_provider_answers_total", courier="carrier",
                     call="charge", result=result)
    assert figure(client, "usher_payment_seconds_sum", partition="1", result="succeeded") > 0
    assert figure(client, "usher_payment_seconds_count", partition="1", result="given_up") == 0
    assert figure(client, "usher_courier_provider_seconds_count", courier="carrier",
                  call="charge") == 2
    assert figure(client, "usher_courier_cpu_seconds_total", courier="carrier") > 0
    assert figure(client, "usher_courier_resident_bytes", courier="carrier") > 0


def test_a_payment_that_an_earlier_owner_began_is_timed(world):
    world.show("gala", {"GA": (500, 10)})
    provider = world.start_provider(plan=lambda fields: "later")
    world.start()
    world.start_courier()
    client = world.client()
    held = client.hold("gala", "ann", "GA", 1)
    paid = client.pay(held.json["id"], "k", {"method": "pm_card_visa"}, prefer="respond-async")
    assert paid.status in (200, 202), paid
    wait_until("the provider to work on it", lambda: provider.charges(held.json["id"]))
    first = world.owner()
    first.kill9()
    world.start_allocator()
    world.wait_owner(other_than=first)
    assert figure(client, "usher_payment_seconds_count", partition="1",
                  result="succeeded") in (None, 0)
    provider.settle(held.json["id"])
    await_figure(client, 1, "usher_payment_seconds_count", partition="1", result="succeeded")


def test_deliveries(world):
    world.show("gala", {"GA": (500, 10)})
    world.start()
    world.start_courier(webhook_first_ms=20, webhook_allow="127.0.0.0/8")
    receiver = Receiver()
    try:
        assert world.ctl("webhook", "add", receiver.url).code == 0
        client = world.client()
        assert client.book("gala", "ann", "GA", 1).status == 201
        wait_until("a delivery to be counted", lambda: (figure(
            client, "usher_courier_deliveries_total", courier="courier-1", kind="webhook",
            result="delivered") or 0) >= 1, 20)
        assert figure(client, "usher_courier_delivery_seconds_count", courier="courier-1",
                      kind="webhook") >= 1
        assert figure(client, "usher_courier_deliveries_total", courier="courier-1", kind="mail",
                      result="delivered") == 0
    finally:
        receiver.close()


def test_couriers_of_one_name_are_one_and_the_dead_are_forgotten(world):
    world.show("gala", {"GA": (500, 10)})
    world.start()
    first = world.start_courier(name='a "name"')
    world.start_courier(name='a "name"')
    client = world.client()
    redis = world.redis_client()
    wait_until("both to report", lambda: redis.scard("usher:{1}:reports:courier") == 2, 20)
    assert all(0 < redis.ttl(key) <= EXPIRY_SECONDS
               for key in redis.keys("usher:{1}:report:courier:*"))
    label = "a__name_"
    wait_until("the gateway to hear of them", lambda: figure(
        client, "usher_courier_cpu_seconds_total", courier=label) is not None, 20)
    first.kill9()
    wait_until("one of them to be forgotten",
               lambda: redis.scard("usher:{1}:reports:courier") == 1
               and len(redis.keys("usher:{1}:report:courier:*")) == 1, 3 * EXPIRY_SECONDS)
    world.couriers[1].kill9()
    wait_until("both to be forgotten", lambda: figure(
        client, "usher_courier_cpu_seconds_total", courier=label) is None, 3 * EXPIRY_SECONDS)
    assert not redis.keys("usher:{1}:report*:courier*")


def test_places_of_shows_on_sale(world):
    world.show("old", {"GA": (500, 10)})
    world.show("young", {"GA": (500, 7), "VIP": (900, 3)})
    world.show("draft", {"GA": (500, 10)}, draft=True)
    world.start(gateways=0)
    gateway = world.start_gateway(show_gauges=1)
    world.start_gateway()
    world.start_gateway(show_gauges=0)
    client, all_of_them, none = (world.client(n) for n in range(3))
    assert gateway is world.gateways[0]
    assert client.book("young", "ann", "GA", 2).status == 201
    assert client.hold("young", "bob", "VIP", 1).status == 201
    for state, places in (("available", 7), ("held", 1), ("confirmed", 2), ("pending", 0),
                          ("blocked", 0)):
        await_figure(client, places, "usher_show_places", show="young", state=state)
    await_figure(all_of_them, 10, "usher_show_places", show="old", state="available")

    def shows(of):
        return {dict(labels)["show"] for name, labels in figures_of(of)
                if name == "usher_show_places"}
    assert shows(client) == {"young"} and shows(all_of_them) == {"young", "old"}
    wait_until("the third to have looked",
               lambda: figure(none, "usher_postgres_lock_waits") is not None, 20)
    assert shows(none) == set()


def test_any_worker_tells_what_one_looks_up(world):
    world.show("gala", {"GA": (500, 10)})
    world.start(gateways=0)
    world.start_gateway(workers=3)
    clients = [world.client() for _ in range(8)]  # a connection each, to whichever takes it
    for client in clients:
        wait_until("the places", lambda c=client: figure(
            c, "usher_show_places", show="gala", state="available") == 10, 20)
        await_figure(client, 1, "usher_gateways")


def test_who_waits_for_a_lock_is_counted(world):
    world.show("gala", {"GA": (500, 10)})
    world.start()
    client = world.client()
    await_figure(client, 0, "usher_postgres_lock_waits")
    with somebody_waits(world):
        await_figure(client, 1, "usher_postgres_lock_waits")
        assert figure(client, "usher_postgres_lock_wait_seconds") >= 0
    await_figure(client, 0, "usher_postgres_lock_waits")
    assert figure(client, "usher_postgres_lock_wait_seconds") == 0


def test_availability_is_a_stage_of_its_own(world):
    world.show("gala", {"GA": (500, 10)})
    world.start()
    client = world.client()

    def counted(stage):
        return figure(client, "usher_gateway_stage_seconds_count", stage=stage)
    before = counted("availability")
    for _ in range(3):
        assert client.get("/v1/shows/gala/availability").status == 200
    reads = counted("read")  # this very look is counted after it
    assert counted("availability") == before + 3
    assert client.get("/v1/shows/gala").status == 200
    assert counted("availability") == before + 3 and counted("read") > reads


@pytest.mark.parametrize("name", ["usher_gateway_cpu_seconds_total", "usher_gateway_resident_bytes",
                                  "usher_allocator_cpu_seconds_total",
                                  "usher_allocator_resident_bytes"])
def test_programs_tell_what_they_use(world, name):
    world.show("gala", {"GA": (500, 10)})
    world.start()
    labels = {"partition": "1"} if "allocator" in name else {}
    wait_until(name, lambda: (figure(world.client(), name, **labels) or 0) > 0, 20)


def test_without_redis_what_is_known_is_told(sturdy_world):
    world = sturdy_world
    world.show("gala", {"GA": (500, 10)})
    world.start()
    world.start_courier()
    client = world.client()
    wait_until("the courier", lambda: figure(client, "usher_courier_cpu_seconds_total",
                                             courier="courier-1") is not None, 20)
    await_figure(client, 1, "usher_gateways")
    world.redis.kill9()
    wait_until("what Redis had told to be told no more",
               lambda: figure(client, "usher_gateways") is None
               and figure(client, "usher_courier_cpu_seconds_total", courier="courier-1") is None,
               20)
    assert figure(client, "usher_gateways_wanted") is None
    assert figure(client, "usher_show_places", show="gala", state="available") == 10
    world.redis.start()
    await_figure(client, 1, "usher_gateways")
