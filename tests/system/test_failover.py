"""Two Postgres servers, one that confirms the other's commits: the first dies, the second goes on."""

import pytest

from harness.postgres_server import Postgres
from harness.world import ALLOCATOR_USER, GATEWAY_USER

PLACES = 4000


@pytest.fixture
def standby(sturdy_world, session_folder):
    """Follows the world's cluster, which waits for it at each COMMIT."""
    primary = sturdy_world.cluster
    follower = Postgres(session_folder, f"{primary.name[:11]}standby").create_standby_of(primary)
    follower.start()
    primary.confirm_commits_by_standby()
    yield follower
    sturdy_world.reconnect()
    if follower.process.alive():
        follower.stop()


def both(world, standby, user):
    """The URL of an installation with two servers: libpq finds the one that can be written."""
    hosts = f"127.0.0.1:{world.cluster.port},127.0.0.1:{standby.port}"
    return f"postgresql://{user}@{hosts}/{world.database}?target_session_attrs=read-write"


def start(world, standby):
    world.show("show", {"VIP": (100, PLACES), "Floor": (50, PLACES)})
    for _ in range(2):
        world.start_allocator(postgres=both(world, standby, ALLOCATOR_USER))
    for _ in range(2):
        world.start_gateway(postgres=both(world, standby, GATEWAY_USER))
    world.wait_owner()


@pytest.mark.parametrize("way", ["kill9", "stop_immediately"])
def test_what_was_confirmed_is_on_the_standby_that_is_promoted(sturdy_world, standby, way):
    world = sturdy_world
    start(world, standby)
    crowd = world.crowd("show").start_traffic(24, ["VIP", "Floor"], seed=7)
    crowd.await_decided(300)
    getattr(world.cluster, way)()
    crowd_before = crowd.decided()
    standby.promote()
    world.cluster = standby
    world.reconnect()
    crowd.await_decided(300, seconds=60)
    asks = crowd.finish()
    assert crowd.decided() > crowd_before
    world.judge(asks)


def test_an_old_primary_that_still_runs_cannot_confirm_anything(sturdy_world, standby):
    """The worst failover: nobody fenced the old one. It has lost the standby that confirms, so
    its commits hang and nobody is answered; the programs are told of the new one."""
    world = sturdy_world
    start(world, standby)
    crowd = world.crowd("show").start_traffic(16, ["VIP", "Floor"], seed=8)
    crowd.await_decided(200)
    old = world.cluster
    standby.promote()
    old.stop_immediately()
    world.cluster = standby
    world.reconnect()
    crowd.await_decided(200, seconds=60)
    world.judge(crowd.finish())
