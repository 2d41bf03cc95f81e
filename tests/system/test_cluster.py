"""A Redis Cluster of real nodes: found, followed when slots move, survived when nodes die."""

import pytest

from harness.process import wait_until
from harness.redis_cluster import RedisCluster

PLACES = 20_000
PARTITIONS = 3


@pytest.fixture
def clustered(world):
    """Three partitions, their shows, and everything that serves them, on a cluster."""
    world.redis = RedisCluster(world.folder).start()
    for partition in range(1, PARTITIONS + 1):
        world.show(f"show-{partition}", {"VIP": (100, PLACES), "Floor": (50, PLACES)},
                   partition=partition)
    for _ in range(PARTITIONS + 1):
        world.start_allocator()
    for _ in range(2):
        world.start_gateway()
    world.start_courier()
    for partition in range(1, PARTITIONS + 1):
        world.wait_owner(partition)
    yield world
    world.redis.stop()


def sale(world):
    return [world.crowd(f"show-{partition}").start_traffic(
        8, ["VIP", "Floor"], seed=partition, people=f"lover of {partition}")
            for partition in range(1, PARTITIONS + 1)]


def go_on(crowds, count=100, seconds=60.0):
    for crowd in crowds:
        crowd.await_decided(count, seconds=seconds)


def finish(world, crowds):
    asks = [ask for crowd in crowds for ask in crowd.finish()]
    world.judge(asks)


def test_partitions_lie_on_their_own_nodes_and_all_are_served(clustered):
    crowds = sale(clustered)
    go_on(crowds)
    nodes = {clustered.redis.master_of(partition).port for partition in range(1, PARTITIONS + 1)}
    assert len(nodes) > 1
    finish(clustered, crowds)


def test_a_slot_that_moves_is_followed(clustered):
    crowds = sale(clustered)
    go_on(crowds)
    source = clustered.redis.master_of(1)
    target = next(node for node in clustered.redis.nodes[:3] if node is not source)
    clustered.redis.move_slot_of(1, target)
    assert clustered.redis.master_of(1) is target
    go_on(crowds)
    clustered.redis.move_slot_of(1, source)
    go_on(crowds)
    finish(clustered, crowds)


def test_a_node_dies_while_people_book(clustered):
    crowds = sale(clustered)
    go_on(crowds)
    dead = clustered.redis.master_of(1)
    dead.kill9()
    wait_until("a replica to take its place",
               lambda: clustered.redis.master_of(1) not in (None, dead), 60)
    go_on(crowds)
    dead.start()
    go_on(crowds)
    finish(clustered, crowds)
