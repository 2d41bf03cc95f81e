"""Allocators are told of home, and own partitions of every database that it names."""

import time

import pytest

from harness.databases import FIRST, add_partition, judge_both, pair_up
from harness.process import wait_until
from harness.stream import Stream
from harness.words import BOOK, GRANTED, HOLD, NOT_ENOUGH


@pytest.fixture
def pair(sturdy_world, elsewhere):
    """`here` in partition 1 at home, `there` in partition 7 in a database of its own."""
    world = pair_up(sturdy_world, elsewhere)
    world.streams = {n: Stream(world.redis_client(), n) for n in (1, 7)}
    return world


def book(world, partition, op=BOOK, **more):
    return world.streams[partition].ask(op, show=1 if partition == 1 else FIRST, **more)


def sessions(cluster, database):
    return cluster.run("postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND "
                       "application_name LIKE 'allocator%%'", database)[0][0]


def test_each_partition_is_decided_in_its_database(pair):
    world = pair
    world.start(allocators=2, gateways=0)
    for partition in (1, 7):
        world.wait_owner(partition)
        assert book(world, partition, user="ann", lines=((1, 2),)).code == GRANTED
        assert book(world, partition, op=HOLD, user="bob").code == GRANTED
        assert book(world, partition, user="eve", lines=((1, 8),)).code == NOT_ENOUGH
    assert world.value("SELECT count(*) FROM bookings") == 2
    assert world.other.value("SELECT count(*) FROM bookings") == 2
    assert world.rows("SELECT epoch, version FROM partitions WHERE partition = 7") == \
        [{"epoch": 0, "version": 0}]
    # Who owns something has its two sessions there, and none elsewhere.
    assert sessions(world.cluster, world.database) == 2
    assert sessions(world.other.cluster, world.other.database) == 2
    judge_both(world)


def test_a_standby_takes_over_in_either_database(pair):
    world = pair
    world.start(allocators=3, gateways=0)
    for partition in (1, 7):
        first = world.wait_owner(partition)
        assert book(world, partition, user="ann").code == GRANTED
        world.expect_exit(first)
        first.kill9()
        began = time.monotonic()
        assert book(world, partition, user="bob").code == GRANTED
        assert time.monotonic() - began < 10
        world.start_allocator()
    judge_both(world)


def test_one_that_owned_here_takes_over_there(pair):
    """Whoever loses its database looks at all of them again."""
    world = pair
    world.start(allocators=2, gateways=0)
    owners = {n: world.wait_owner(n) for n in (1, 7)}
    world.expect_exit(owners[7])
    owners[7].kill9()
    world.rows("UPDATE partitions SET epoch = epoch + 1 WHERE partition = 1 RETURNING 1")
    taken = wait_until("the one that is left to own something", lambda: next(
        (n for n in (1, 7) if world.owner(n) is owners[1]), None))
    assert book(world, taken, user="ann").code == GRANTED
    world.start_allocator()
    for partition in (1, 7):
        world.wait_owner(partition)
        assert book(world, partition, user="bob").code == GRANTED
    judge_both(world)


def test_an_allocator_may_be_told_of_one_partition(pair):
    world = pair
    world.start_allocator(partition=7)
    world.wait_owner(7)
    assert book(world, 7, user="ann").code == GRANTED
    assert world.owner(1) is None
    world.start_allocator(partition=1)
    world.wait_owner(1)
    judge_both(world)


def test_a_partition_that_home_does_not_point_to_is_nobodys(pair):
    world = pair
    world.other.run("SELECT set_config('usher.joins', '9', false); "
                    "INSERT INTO partitions (partition) VALUES (9)")
    world.start(allocators=3, gateways=0)
    for partition in (1, 7):
        world.wait_owner(partition)
    time.sleep(0.5)
    assert world.other.value("SELECT epoch FROM partitions WHERE partition = 9") == 0
    add_partition(world, 9, world.other)
    world.wait_owner(9)


def test_one_that_hung_while_it_was_asked_is_looked_at_soon_again(sturdy_world, elsewhere):
    """However long it was waited for: there may be nobody else who stands by."""
    world = sturdy_world
    proxy = world.proxy(elsewhere.port)
    pair_up(world, elsewhere, port=proxy.port)

    def hang(data):
        if b"pg_try_advisory_lock" in data:
            proxy.on_request = None
            proxy.freeze()
    proxy.on_request = hang
    allocator = world.start_allocator(partition=7, postgres_ms=3000)
    wait_until("it to be given up", lambda: "event=database_away" in allocator.tail())
    proxy.thaw()
    world.wait_owner(7)
    judge_both(world)


@pytest.mark.parametrize("down, up", [("kill9", "start"), ("freeze", "thaw")])
def test_a_database_that_is_away_takes_nobody_elsewhere_along(pair, down, up):
    """Takeover goes on in the one while the other is dead or hangs, whichever is home."""
    world = pair
    world.start(allocators=4, gateways=0)
    databases = {1: world.cluster, 7: world.other.cluster}
    for partition in databases:
        world.wait_owner(partition)
        assert book(world, partition, user="ann").code == GRANTED
    for away, stays in ((7, 1), (1, 7)):
        getattr(databases[away], down)()
        owner = world.owner(stays)
        world.expect_exit(owner)
        owner.kill9()
        assert book(world, stays, user=f"while {away} is away").code == GRANTED
        getattr(databases[away], up)()
        world.reconnect()
        assert book(world, away, user="afterwards", deadline_ms=60000).code == GRANTED
        world.start_allocator()
    judge_both(world)
