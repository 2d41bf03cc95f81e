"""What the tests of faults have in common: a crowd at work, and the judgement after the harm.

Each does its harm while a crowd books, holds, confirms and cancels; then waits until new requests
are decided again, and has everything judged: Postgres by itself, Redis against Postgres, and every
answer that anybody got.
"""

import time

from .judge import Ask
from .process import wait_until

TIERS = {"A": (100, 30000), "B": (250, 30000), "C": (0, 60)}


def furnish(world, **allocator_options):
    """Two allocators (one stands by), two gateways, a show with room and a tier that sells out."""
    world.show("gala", TIERS, max_per_booking=10, hold_seconds=2)
    if world.redis is None:
        world.start_redis()
    for _ in range(2):
        world.start_allocator(**allocator_options)
    for _ in range(2):
        world.start_gateway()
    return world


def traffic(world, clients=12):
    crowd = world.crowd("gala").start_traffic(clients, list(TIERS))
    crowd.await_decided(100)
    return crowd


def works_again(world, seconds=20.0):
    """New requests are granted, through every gateway."""
    for index, gateway in enumerate(world.gateways):
        if not gateway.alive():
            continue
        client = world.client(index)

        def is_granted(client=client):
            answer = client.book("gala", f"probe {time.monotonic()}", "A", 1, prefer="wait=1")
            return answer.status == 201
        wait_until("bookings to be granted again", is_granted, seconds, 0.05)


def finish(world, crowd, more=150):
    """Some more traffic, then the end of it, and the judgement."""
    works_again(world)
    crowd.await_decided(more)
    asks = crowd.finish()
    # The probes of works_again were asked for, and whether they were answered is of no matter.
    for row in world.rows("SELECT user_id FROM bookings WHERE user_id LIKE 'probe %'"):
        asks.append(Ask(row["user_id"], {"tier": "A", "quantity": 1}))
        asks[-1].sendings = 1
    world.judge(asks)
