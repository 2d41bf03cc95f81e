"""Section 5: the network between any two programs; clocks; several faults at once."""

import random
import time

import pytest

from harness.mischief import TIERS, finish, furnish, traffic
from harness.process import wait_until
from harness.stream import Stream
from harness.words import BOOK, CANCEL, CONFIRM, GRANTED, HOLD, SOLD_OUT


# The network between.

@pytest.mark.parametrize("between", ["allocator and Redis", "allocator and Postgres",
                                     "gateway and Redis", "gateway and Postgres"])
@pytest.mark.parametrize("how", ["cut", "frozen", "slow"])
def test_the_network_between(world, between, how):
    world.show("gala", TIERS, max_per_booking=10, hold_seconds=2)
    world.start_redis()
    proxy = world.proxy(world.redis.port if "Redis" in between else world.cluster.port)
    link = {"via_redis" if "Redis" in between else "via_postgres": proxy.port}
    bounds = {"redis_ms": 500, "postgres_ms": 1000} if "allocator" in between else {}
    for _ in range(2):
        world.start_allocator(**(link if "allocator" in between else {}), **bounds)
    for _ in range(2):
        world.start_gateway(**(link if "gateway" in between else {}))
    crowd = traffic(world)
    if how == "cut":
        for _ in range(3):
            proxy.cut()
            time.sleep(0.3)
            proxy.restore()
            time.sleep(0.5)
    elif how == "frozen":
        proxy.freeze()
        time.sleep(2)
        proxy.cut_once()
        proxy.thaw()
    else:
        proxy.delay(0.05)
        time.sleep(1.5)
        proxy.delay(0)
    finish(world, crowd)


# Several at once.

def test_redis_wiped_while_the_allocator_is_dead(world):
    furnish(world)
    crowd = traffic(world)
    for allocator in world.allocators:
        allocator.kill9()
    world.redis_client().flushall()
    world.start_allocator()
    world.start_allocator()
    finish(world, crowd)


def test_everything_killed_at_once(sturdy_world):
    world = furnish(sturdy_world)
    crowd = traffic(world)
    for process in world.allocators + world.gateways + [world.redis.process]:
        process.kill9()
    world.cluster.stop_immediately()
    world.cluster.start()
    world.redis.start()
    for process in world.gateways + world.allocators:
        process.start()
    for gateway in world.gateways:
        gateway.wait_ready()
    finish(world, crowd)


def test_random_mischief(sturdy_world):
    """A little of everything, in an order that the log names."""
    world = furnish(sturdy_world, heartbeat_ms_max=500, redis_ms=700, postgres_ms=1500)
    crowd = traffic(world)
    redis = world.redis_client

    def kill_owner():
        owner = world.owner()
        if owner is not None:
            owner.kill9()
            owner.start()

    def stop_owner():
        owner = world.owner()
        if owner is not None:
            owner.sigstop()
            time.sleep(random.uniform(0.3, 0.8))
            owner.cont()
            world.expect_exit(owner)

    def restart_redis():
        world.redis.kill9()
        world.redis.start()

    def terminate():
        world.reconnect()
        world.rows("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE datname = current_database() AND pid <> pg_backend_pid()""")
    deeds = [kill_owner, stop_owner, restart_redis, terminate, lambda: redis().flushall(),
             lambda: redis().script_flush(),
             lambda: redis().execute_command("CLIENT", "KILL", "TYPE", "normal")]
    for _ in range(12):
        random.choice(deeds)()
        time.sleep(random.uniform(0.05, 0.6))
        for allocator in world.allocators:
            if not allocator.alive():
                allocator.start()
    finish(world, crowd)


# Clocks.

def test_the_clock_ran_back(world):
    """The partition was last decided by a clock ahead of ours: a hold ends no earlier than it said,
    and one that has expired stays so."""
    world.show("gala", TIERS, hold_seconds=2, number=1, max_per_booking=60)
    world.start_redis()
    world.start_allocator()
    stream = Stream(world.redis_client())
    world.wait_owner()
    expired = stream.ask(HOLD, user="ann", lines=[(3, 60)])
    assert expired.code == GRANTED
    world.allocators[0].stop()
    ahead = int(time.time() * 1000) + 10_000
    world.rows("UPDATE partitions SET now_ms = %s WHERE partition = 1 RETURNING 1", ahead)
    world.start_allocator()
    wait_until("the hold to expire", lambda: world.rows(
        "SELECT 1 FROM bookings WHERE status = 'EXPIRED'"), 5)
    assert stream.ask(CONFIRM, booking=expired.booking["id"], deadline_ms=60_000).code != GRANTED
    held = stream.ask(HOLD, user="bob", lines=[(3, 60)], deadline_ms=60_000)
    assert held.code == GRANTED and held.booking["created"] >= ahead
    assert stream.ask(BOOK, user="cid", lines=[(3, 1)], deadline_ms=60_000).code == SOLD_OUT
    time.sleep(2.5)
    assert stream.ask(CONFIRM, user="bob", booking=held.booking["id"], deadline_ms=60_000).code == GRANTED
    assert stream.ask(CANCEL, user="bob", booking=held.booking["id"], deadline_ms=60_000).code == GRANTED
