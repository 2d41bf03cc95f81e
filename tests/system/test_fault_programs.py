"""Section 5: allocators and gateways that are killed, stopped and woken; no descriptors left."""

import os
import random
import resource
import socket
import time

import pytest

from harness.mischief import TIERS, finish, furnish, traffic, works_again
from harness.process import patience, wait_until


# Allocators.

@pytest.mark.parametrize("slow", ["nothing", "Postgres", "Redis"])
def test_an_allocator_killed_at_any_moment(world, slow):
    """Under load; where a server is slow, most moments are within a step of the protocol."""
    world.show("gala", TIERS, max_per_booking=10, hold_seconds=2)
    world.start_redis()
    links = {}
    if slow != "nothing":
        proxy = world.proxy(world.redis.port if slow == "Redis" else world.cluster.port)
        proxy.delay(0.01)
        links = {"via_redis" if slow == "Redis" else "via_postgres": proxy.port}
    for _ in range(2):
        world.start_allocator(**links)
    for _ in range(2):
        world.start_gateway()
    crowd = traffic(world)
    for _ in range(5 if slow == "nothing" else 3):
        time.sleep(random.uniform(0.01, 0.3))
        owner = world.wait_owner()
        before = world.value("SELECT epoch FROM partitions WHERE partition = 1")
        owner.kill9()
        began = time.monotonic()
        world.wait_owner(other_than=owner)
        assert time.monotonic() - began < patience(4), "the standby took too long"
        assert world.value("SELECT epoch FROM partitions WHERE partition = 1") > before
        world.start_allocator(**links)
    finish(world, crowd)


def test_all_allocators_killed_and_started_anew(world):
    furnish(world)
    crowd = traffic(world)
    for allocator in world.allocators:
        allocator.kill9()
    time.sleep(1)
    decided = crowd.decided()
    time.sleep(0.5)
    assert crowd.decided() == decided, "somebody was answered with nobody there to decide"
    world.start_allocator()
    finish(world, crowd)


def test_an_allocator_asked_to_stop(world):
    """It finishes what it has begun; the standby goes on."""
    furnish(world)
    crowd = traffic(world)
    for _ in range(3):
        owner = world.wait_owner()
        assert owner.stop() == 0
        world.wait_owner(other_than=owner)
        world.start_allocator()
        crowd.await_decided(50)
    finish(world, crowd)


def test_an_allocator_stopped_and_woken_after_takeover(world):
    """The zombie commits nothing, decides nothing, and is gone."""
    furnish(world, heartbeat_ms_max=2500)
    crowd = traffic(world)
    for _ in range(3):
        zombie = world.wait_owner()
        zombie.sigstop()
        heir = world.wait_owner(other_than=zombie, seconds=10)
        crowd.await_decided(30)
        epoch = world.value("SELECT epoch FROM partitions WHERE partition = 1")
        zombie.cont()
        world.expect_exit(zombie)
        crowd.await_decided(50)
        assert world.owner() is heir
        assert world.value("SELECT epoch FROM partitions WHERE partition = 1") == epoch
        wait_until("the zombie to notice", lambda z=zombie: not z.alive() or z.events("fenced")
                   or z.events("away"))
        if not zombie.alive():
            world.start_allocator()
    finish(world, crowd)


def test_a_zombie_that_holds_a_decided_batch(world):
    """Stopped again and again for just longer than its heartbeat, woken at once by the takeover."""
    furnish(world, heartbeat_ms_max=150, heartbeat_ms=50)
    crowd = traffic(world)
    for _ in range(8):
        owner = world.wait_owner()
        owner.sigstop()
        time.sleep(random.uniform(0.1, 0.35))
        owner.cont()
        world.expect_exit(owner)
        time.sleep(random.uniform(0.0, 0.2))
        if sum(a.alive() for a in world.allocators) < 2:
            world.start_allocator()
    finish(world, crowd)


def test_an_allocator_alone_is_stopped_and_woken(world):
    """Nobody took its place: it goes on."""
    furnish(world, heartbeat_ms_max=400)
    world.allocators[1].stop()
    crowd = traffic(world)
    owner = world.wait_owner()
    owner.sigstop()
    time.sleep(1.5)
    owner.cont()
    finish(world, crowd)
    assert owner.alive()


# Gateways.

def test_a_gateway_killed(world):
    """Its clients come again elsewhere, under the same key, and hear the same."""
    furnish(world)
    crowd = traffic(world)
    world.gateways[0].kill9()
    crowd.await_decided(100)
    world.gateways[0].start()
    world.gateways[0].wait_ready()
    finish(world, crowd)


def test_a_gateway_killed_while_it_awaits(world):
    furnish(world)
    for allocator in world.allocators:
        allocator.sigstop()
    first, second = world.client(0), world.client(1)
    path = first.book("gala", "ann", "A", 2, key="k", prefer="respond-async").header("Location")
    data = b"POST /v1/shows/gala/bookings HTTP/1.1\r\nHost: t\r\nIdempotency-Key: w\r\n" \
           b"Content-Type: application/json\r\nContent-Length: 39\r\n\r\n" \
           b'{"user":"bob","tier":"A","quantity":2 }\n'[:-1]
    with socket.create_connection(("127.0.0.1", world.gateways[0].port)) as waiting:
        waiting.sendall(data)
        wait_until("the request to stand in the stream", lambda: world.redis_client().xlen(
            world.keys().requests) >= 2, 5)
        world.gateways[0].kill9()
    for allocator in world.allocators:
        allocator.cont()
    again = second.book("gala", "ann", "A", 2, key="k", prefer="wait=20")
    assert again.status == 201 and second.get(path).body == again.body
    bob = second.post("/v1/shows/gala/bookings", {"user": "bob", "tier": "A", "quantity": 2}, key="w",
                      prefer="wait=20")
    assert bob.status == 201
    assert world.value("SELECT count(*) FROM bookings") == 2
    world.gateways[0].start()
    works_again(world)
    world.judge()


# Descriptors.

def test_out_of_descriptors(world):
    """The gateway has no descriptor left: it takes no new connections, and goes on when it has."""
    furnish(world)
    gateway = world.gateways[0]
    client = world.client(0)
    assert client.book("gala", "ann", "A", 1).status == 201
    in_use = len(os.listdir(f"/proc/{gateway.pid}/fd"))
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (in_use + 5, in_use + 5))
    crowd = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(50)]
    try:
        time.sleep(0.3)
        used = cpu_seconds(gateway.pid)
        assert client.book("gala", "bob", "A", 1).status == 201, "who is connected is served"
        time.sleep(1)
        assert cpu_seconds(gateway.pid) - used < 0.7, "it spins"
    finally:
        for connection in crowd:
            connection.close()
    fresh = world.client(0)
    wait_until("a new connection to be served", lambda: fresh.get("/livez").status == 200, 10)
    works_again(world)
    world.judge()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100
