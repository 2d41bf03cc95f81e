"""Section 5: Postgres stopped, killed, hanging, its sessions ended, commits of unknown outcome."""

import os
import random
import signal
import time

import pytest

from harness.mischief import TIERS, finish, furnish, traffic, works_again
from harness.process import signal_all, wait_until


# Postgres.

def test_postgres_stopped_immediately(sturdy_world):
    """As after a crash, and away for a while: nothing is answered as booked meanwhile."""
    world = furnish(sturdy_world)
    crowd = traffic(world)
    world.cluster.stop_immediately()
    time.sleep(0.3)
    granted = crowd.granted()
    time.sleep(2)
    assert crowd.granted() == granted, "something was granted without Postgres"
    assert all(process.alive() for process in world.allocators + world.gateways)
    client = world.client()
    assert client.get("/livez").status == 200 and client.get("/readyz").status == 503
    assert client.get("/health").status == 503
    world.cluster.start()
    finish(world, crowd)


def test_the_queue_fills_while_postgres_is_away(sturdy_world):
    """To its bound, then 503 at once; what was queued in time is decided once it is back."""
    world = sturdy_world
    world.show("gala", TIERS)
    world.start_allocator()
    world.start_gateway(backlog_requests_max=100)
    client = world.client()
    assert client.book("gala", "first", "A", 1).status == 201
    world.cluster.stop_immediately()
    queued, refused = [], 0
    for number in range(1000):
        answer = client.book("gala", f"user {number}", "A", 1, prefer="respond-async")
        if answer.status == 202:
            queued.append(answer.header("Location"))
        else:
            assert answer.status == 503 and int(answer.header("Retry-After")) >= 1
            refused += 1
        if refused >= 50:
            break
        time.sleep(0.005)
    assert refused >= 50 and 50 <= len(queued) <= 300
    world.cluster.start()
    statuses = {client.get(path, prefer="wait=20").status for path in queued}
    assert statuses == {201}
    wait_until("new bookings", lambda: client.book("gala", "last", "A", 1).status == 201)
    assert world.value("SELECT count(*) FROM bookings WHERE user_id LIKE 'user %'") == len(queued)
    world.judge()


def test_postgres_killed(sturdy_world):
    world = furnish(sturdy_world)
    crowd = traffic(world)
    for _ in range(2):
        world.cluster.kill9()
        time.sleep(random.uniform(0.1, 0.5))
        world.cluster.start()
        works_again(world)
    finish(world, crowd)


def test_a_postgres_child_killed(sturdy_world):
    """One backend dies by SIGKILL: Postgres restarts all of them and recovers."""
    world = furnish(sturdy_world)
    crowd = traffic(world)
    pid = world.value("SELECT pid FROM pg_stat_activity WHERE usename = 'test_allocator' LIMIT 1")
    world.reconnect()
    assert pid in world.cluster.process.children()
    os.kill(pid, signal.SIGKILL)
    finish(world, crowd)


def test_postgres_backends_terminated(world):
    furnish(world)
    crowd = traffic(world)
    for _ in range(6):
        world.rows("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE datname = current_database() AND pid <> pg_backend_pid()""")
        crowd.await_decided(20)
        time.sleep(random.uniform(0.0, 0.2))
    finish(world, crowd)


def test_postgres_hangs(sturdy_world):
    """Every backend stands still for longer than the allocator waits for a commit."""
    world = furnish(sturdy_world, postgres_ms=500)
    crowd = traffic(world)
    children = world.cluster.process.children()
    signal_all(children, signal.SIGSTOP)
    time.sleep(3)
    signal_all(children, signal.SIGCONT)
    finish(world, crowd)


@pytest.mark.parametrize("how", ["cut", "cut_after", "late"])
def test_connection_cut_during_commit(world, how):
    """The request to commit is lost, or its answer is, or it lands a second after all was cut."""
    chances = random.Random()
    hits = []

    def look(data):
        if b"commit" in data and chances.random() < 0.05 and len(hits) < 6:
            hits.append(how)
            return how
        return "pass"
    world.show("gala", TIERS, max_per_booking=10, hold_seconds=2)
    world.start_redis()
    proxy = world.proxy(world.cluster.port, look)
    for _ in range(2):
        world.start_allocator(via_postgres=proxy.port, postgres_ms=1500)
    for _ in range(2):
        world.start_gateway()
    crowd = traffic(world)
    wait_until("cuts", lambda: len(hits) >= 6, 60)
    finish(world, crowd)
