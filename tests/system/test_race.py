"""The race: far more people than places, and the allocator killed again and again meanwhile."""

import collections
import json

from harness.judge import Ask


def test_two_thousand_clients_race_for_a_hundred_places(world):
    world.show("final", {"GA": (4200, 100)}, max_per_user=1)
    world.start(allocators=2, gateways=2)
    asks = [Ask(f"user {n}", {"user": f"user {n}", "tier": "GA", "quantity": 1}, key=f"race {n}",
                copies=2 if n % 10 == 0 else 1) for n in range(2000)]
    crowd = world.crowd("final").start_race(asks, at_once=300)
    for _ in range(3):
        # Once it has decided something, in the middle of what comes next.
        crowd.await_decided(60)
        owner = world.wait_owner()
        owner.kill9()
        world.start_allocator()
    crowd.join()

    statuses = collections.Counter(status for ask in asks for status, _ in ask.answers)
    assert sum(statuses.values()) == 2200, statuses
    assert set(statuses) == {201, 409}, statuses
    assert sum(1 for ask in asks if ask.granted) == 100
    for ask in asks:
        for status, body in ask.answers:
            assert status == 201 or json.loads(body)["code"] == "SOLD_OUT", body
    assert world.value("SELECT count(*) FROM bookings") == 100
    assert world.rows("SELECT available, held, confirmed FROM tiers") == \
        [{"available": 0, "held": 0, "confirmed": 100}]
    world.judge(asks)


def test_a_mixed_sale(world):
    """No faults: holds, confirmations and cancellations of many clients, and every answer true."""
    world.show("mixed", {"A": (100, 300), "B": (200, 300), "C": (300, 40)}, hold_seconds=1)
    world.start(allocators=1, gateways=2)
    crowd = world.crowd("mixed").start_traffic(40, ["A", "B", "C"])
    crowd.await_decided(1500, 60)
    asks = crowd.finish()
    assert not crowd.refusals, crowd.refusals
    world.judge(asks)
