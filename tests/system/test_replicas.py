"""A Redis with a replica, under a Sentinel: the master dies, and comes back as a replica."""

import pytest

from harness.process import wait_until
from harness.redis_replicas import RedisReplicas


@pytest.fixture
def replicated(world):
    world.redis = RedisReplicas(world.folder).start()
    world.show("show", {"VIP": (100, 20_000), "Floor": (50, 20_000)})
    for _ in range(2):
        world.start_allocator()
    for _ in range(2):
        world.start_gateway()
    world.start_courier()
    world.wait_owner()
    yield world
    world.redis.stop()


def test_the_replica_is_never_asked_while_there_is_a_master(replicated):
    crowd = replicated.crowd("show").start_traffic(8, ["VIP"], seed=1)
    crowd.await_decided(100)
    replica = next(s for s in replicated.redis.servers if s is not replicated.redis.master())
    names = {client["cmd"] for client in replica.client().client_list()
             if client["flags"] == "N"}
    assert not names & {"xadd", "evalsha", "xread"}, names
    replicated.judge(crowd.finish())


def test_a_master_dies_while_people_book(replicated):
    crowd = replicated.crowd("show").start_traffic(16, ["VIP", "Floor"], seed=2)
    crowd.await_decided(200)
    first = replicated.redis.master()
    first.kill9()
    second = wait_until("Sentinel to make the replica the master", replicated.redis.master, 60)
    assert second is not first
    crowd.await_decided(200, seconds=60)
    first.start()
    wait_until("the old master to be a replica",
               lambda: first.client().info("replication")["role"] == "slave", 60)
    crowd.await_decided(200, seconds=60)
    assert replicated.redis.master() is second
    replicated.judge(crowd.finish())
