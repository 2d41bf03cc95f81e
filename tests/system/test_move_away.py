"""A show has moved between nodes of a cluster, and the node where it was, or where it is, is away."""

import pytest

from harness.process import wait_until
from harness.redis_cluster import RedisCluster
from harness.stream import Stream
from harness.words import ADMIN, BOOK, GRANTED, SOLD_OUT, keyed_id

FORMER, HERE = 1, 3
GALA, OTHER, THERE = 1, 2, 3  # the one that moves; the others stay in either partition


@pytest.fixture
def clustered(world):
    """`gala` is sold out in partition 1; 1 and 3 lie on different nodes."""
    world.redis = RedisCluster(world.folder, replicas=0, durable=True).start()
    world.show("gala", {"GA": (1000, 2)})
    world.show("other", {"GA": (100, 50)}, partition=FORMER)
    for partition in (2, HERE):
        assert world.ctl("partition", "add", partition).code == 0
    world.show("there", {"GA": (100, 50)}, partition=HERE)
    world.start(allocators=3, gateways=0)
    for partition in (FORMER, 2, HERE):
        world.wait_owner(partition)
    assert world.redis.master_of(FORMER) is not world.redis.master_of(HERE)
    world.streams = {n: Stream(world.redis_client(), n) for n in (FORMER, HERE)}
    yield world
    world.redis.stop()


def ask(world, partition, seconds=10.0, **more):
    stream = world.streams[partition]
    request = stream.request(BOOK, **more)
    stream.append(request)
    return stream.answer(request[0], seconds)


def administrate(world, partition, *lines):
    answer = world.streams[partition].ask(ADMIN, user="olga", show=GALA, lines=lines)
    assert answer.code == GRANTED, answer


def epoch(world, partition):
    return world.value("SELECT epoch FROM partitions WHERE partition = %s", partition)


def events(world, name):
    return [event for allocator in world.allocators for event in allocator.events(name)]


def sold_and_moved(world):
    """What was answered before: name → key and reply."""
    told = {}
    for name, code in (("ann", GRANTED), ("bob", GRANTED), ("late", SOLD_OUT)):
        raw = keyed_id(GALA, name)
        told[name] = raw, ask(world, FORMER, raw=raw, user=name)
        assert told[name][1].code == code
    administrate(world, FORMER, "show.move", {"to": HERE})
    world.wait_owner(HERE)
    administrate(world, HERE, "inventory.add", {"tier": 1, "quantity": 5})
    return told


def is_repeated(world, told):
    for name, (raw, first) in told.items():
        again = ask(world, HERE, raw=raw, user=name)
        assert (again.code, again.at_ms) == (first.code, first.at_ms), name


def test_who_comes_where_the_show_is_now_is_served(clustered):
    """Whoever is known only there has the first answer from the journal; the others wait once."""
    told = sold_and_moved(clustered)
    node = clustered.redis.master_of(FORMER)
    node.kill9()
    before = epoch(clustered, HERE)
    assert ask(clustered, HERE, raw=keyed_id(GALA, "new"), user="new", seconds=30).code == GRANTED
    assert ask(clustered, HERE, show=THERE, user="new").code == GRANTED
    assert epoch(clustered, HERE) == before, "nobody has lost the partition over it"
    is_repeated(clustered, told)
    assert events(clustered, "journal_adopted")
    # The next owner knows nothing of it, and is served the same.
    owner = clustered.owner(HERE)
    clustered.start_allocator()
    owner.kill9()
    clustered.wait_owner(HERE, other_than=owner)
    assert ask(clustered, HERE, raw=keyed_id(GALA, "next"), user="next", seconds=40).code == GRANTED
    is_repeated(clustered, told)
    clustered.redis.restart(node)
    wait_until("it to be asked again", lambda: (
        ask(clustered, HERE, raw=keyed_id(GALA, "next"), user="next").code == GRANTED
        and events(clustered, "elsewhere_back")), 60, 0.5)
    is_repeated(clustered, told)
    clustered.wait_owner(FORMER)
    clustered.judge()


def test_a_moment_without_it_changes_nothing(clustered):
    """Back in time, it is asked, and nobody has taken it for lost."""
    told = sold_and_moved(clustered)
    node = clustered.redis.master_of(FORMER)
    node.kill9()
    stream, raw = clustered.streams[HERE], told["late"][0]
    stream.append(stream.request(BOOK, raw=raw, user="late", show=GALA))
    wait_until("it to be missed", lambda: events(clustered, "elsewhere_away"))
    clustered.redis.restart(node)
    assert stream.answer(raw).at_ms == told["late"][1].at_ms
    assert not events(clustered, "journal_adopted")
    clustered.judge()


def test_who_comes_where_the_show_was_keeps_nobody_waiting(clustered):
    """What cannot be handed over is lost to its deadline; the other shows are sold."""
    sold_and_moved(clustered)
    node = clustered.redis.master_of(HERE)
    node.kill9()
    stream, raw = clustered.streams[FORMER], keyed_id(GALA, "astray")
    stream.append(stream.request(BOOK, raw=raw, user="astray", show=GALA))
    assert ask(clustered, FORMER, show=OTHER, user="bob", seconds=30).code == GRANTED
    lost = events(clustered, "not_handed_over")
    assert len(lost) == 1 and "requests=1" in lost[0]
    assert clustered.streams[FORMER].answers.get(raw) is None
    clustered.redis.restart(node)
    clustered.wait_owner(HERE)
    wait_until("its shows to be sold", lambda: ask(
        clustered, HERE, raw=raw, user="astray", seconds=30).code == GRANTED, 40)
    clustered.judge()
