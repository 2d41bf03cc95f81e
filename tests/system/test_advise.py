"""usherctl advise: what it sees, what it says should be done, and that gateways tell autoscalers the
same."""

import json
import shlex

from harness.databases import pair_up
from harness.locks import somebody_waits
from harness.process import wait_until
from test_figures import EXPIRY_SECONDS, await_figure, figure

ASYNC = "respond-async"


def advise(world, *words, code=0):
    said = world.ctl("advise", "--seconds", 1, "--json", *words)
    assert said.code == code, said
    return json.loads(said.out)


def whats(said):
    return [advice["what"] for advice in said["advice"]]


def number_of(world, slug):
    return world.value("SELECT show FROM shows WHERE slug = %s", slug)


def reported(world, field, partition=1):
    return world.redis_client().hget(world.keys(partition).status, field) or b""


def book_many(client, show, count):
    for n in range(count):
        assert client.book(show, f"{show} {n}", "GA", 1).status == 201


def test_an_idle_system_is_told_that_less_would_do(world):
    world.show("gala", {"GA": (500, 10)})
    assert world.ctl("partition", "add", 2).code == 0
    world.start(allocators=2, gateways=2)
    for partition in (1, 2):
        world.wait_owner(partition)
    wait_until("both gateways to report", lambda: advise(world)["gateways"]["count"] == 2, 20)
    said = advise(world)
    assert whats(said) == ["partitions_many", "gateways_many"]
    assert not any(advice["needed"] for advice in said["advice"])
    assert (said["partitions_wanted"], said["gateways_wanted"]) == (1, 1)
    assert said["lock_waits"] == 0 and 0 <= said["redis_busy"] <= 1.5
    assert [p["capacity"] for p in said["partitions"]] == [None, None]
    text = world.ctl("advise", "--seconds", 1)
    assert text.code == 0 and "Nothing has to be done." in text.out
    assert "partitions: 2, 1 would do (usherctl partition drain 2 --to 1)" in text.out
    assert "gateways: 2, 1 would do" in text.out


def test_the_hot_show_is_named_while_people_book(world):
    world.show("festival", {"GA": (500, 1000000)}, max_per_booking=10)
    world.show("lecture", {"GA": (500, 1000)})
    world.start()
    crowd = world.crowd("festival").start_traffic(8, ["GA"])
    book_many(world.client(), "lecture", 3)
    crowd.await_decided(100)
    wait_until("the allocator to know it",
               lambda: int(reported(world, "hot_show") or 0) == number_of(world, "festival"))
    said = world.ctl("advise", "--seconds", 2, "--json")
    text = world.ctl("advise", "--seconds", 1)
    crowd.finish()
    seen, = json.loads(said.out)["partitions"]
    assert seen["hot_show"] == "festival" and 0.5 < seen["hot_share"] <= 1
    assert seen["decided"] > 0 and seen["serving"]
    assert "show festival is " in text.out and "partition 1 decides " in text.out


class Stuck:
    """A partition whose requests stand in line: its owner does not move, and its last report, which
    said what was hot, does not expire."""

    def __init__(self, world, partition=1):
        self.world, self.partition = world, partition
        self.owner = world.wait_owner(partition)

    def __enter__(self):
        self.owner.sigstop()
        self.world.redis_client().persist(self.world.keys(self.partition).status)
        return self

    def ask(self, client, show):
        assert client.book(show, "late", "GA", 1, prefer=ASYNC).status == 202
        wait_until("it to have waited long", lambda: self.oldest_ms() > 1000, 20)

    def oldest_ms(self):
        partitions = json.loads(self.world.ctl("status", "--json").out)["partitions"]
        mine, = (p for p in partitions if p["partition"] == self.partition)
        return mine["oldest_ms"]

    def __exit__(self, *_):
        self.owner.cont()


def hot_permille(world, slug="festival", partition=1, database=None):
    """Of all requests, if it is this show that most are for."""
    is_hot = int(reported(world, "hot_show", partition) or 0) == number_of(database or world, slug)
    return int(reported(world, "hot_permille", partition) or 0) if is_hot else 0


def test_a_hot_show_is_to_have_a_partition_of_its_own_and_gets_it(world):
    world.show("festival", {"GA": (500, 1000)})
    world.show("lecture", {"GA": (500, 1000)})
    world.start(gateways=0)
    world.start_gateway(idle_ms=600000)
    client = world.client()
    book_many(client, "lecture", 10)
    book_many(client, "festival", 40)
    wait_until("the allocator to know it", lambda: 700 < hot_permille(world) < 940)
    with Stuck(world) as stuck:
        stuck.ask(client, "festival")
        said = advise(world, code=4)
        assert whats(said)[0] == "hot_show" and said["advice"][0]["needed"]
        assert said["partitions"][0]["use"] == 1 and said["partitions"][0]["wait_ms"] > 1000
        assert "show festival is" in said["advice"][0]["why"]
        add, move = said["advice"][0]["commands"]
        assert (add, move) == ("usherctl partition add 2", "usherctl show move festival --to 2")
        assert said["partitions_wanted"] == 2
        # What it says is done, word by word.
        assert world.ctl(*add.split()[1:]).code == 0
        world.start_allocator(partition=2)
        world.wait_owner(2)
        said = advise(world, code=4)
        assert said["advice"][0]["commands"] == [move]
    done = world.ctl(*move.split()[1:])
    assert done.code == 0, done
    assert world.value("SELECT partition FROM shows WHERE slug = 'festival'") == 2
    assert client.book("festival", "first", "GA", 1).status == 201
    world.judge()


def test_shows_are_not_to_move_to_another_database(world):
    """An empty partition elsewhere is of no use to a show that is hot here, and is not one too many."""
    pair_up(world, world.cluster, places=1000)
    try:
        world.show("lecture", {"GA": (500, 1000)}, partition=7)
        world.start(gateways=0, allocators=2)
        for partition in (1, 7):
            world.wait_owner(partition)
        world.start_gateway(idle_ms=600000)
        client = world.client()
        await_figure(client, 2, "usher_partitions_wanted")
        said = advise(world)
        assert said["partitions_wanted"] == 2 and "partitions_many" not in whats(said)
        book_many(client, "lecture", 10)
        book_many(client, "there", 40)
        wait_until("the allocator to know it",
                   lambda: 700 < hot_permille(world, "there", 7, world.other) < 940)
        with Stuck(world, 7) as stuck:
            stuck.ask(client, "there")
            said = advise(world, code=4)
        assert said["advice"][0]["commands"] == [
            f"usherctl partition add 8 --dsn '{world.other.dsn}'", "usherctl show move there --to 8"]
        assert shlex.split(said["advice"][0]["commands"][0])[-1] == world.other.dsn
    finally:
        world.other.drop()


def test_a_show_that_is_alone_is_to_have_a_waiting_room(world):
    world.show("festival", {"GA": (500, 1000)})
    world.start()
    client = world.client()
    book_many(client, "festival", 40)
    wait_until("the allocator to know it", lambda: hot_permille(world) == 1000)
    with Stuck(world) as stuck:
        stuck.ask(client, "festival")
        said = advise(world, code=4)
        assert whats(said)[0] == "waiting_room"
        command, = said["advice"][0]["commands"]
        assert command.startswith("usherctl room set festival ")
    done = world.ctl(*command.split()[1:])  # behind those who stand in line
    assert done.code == 0, done
    with Stuck(world) as stuck:
        stuck.ask(client, "festival")
        said = advise(world)
        assert "waiting_room" not in whats(said) and said["partitions"][0]["waiting_room"]


def test_a_partition_that_nobody_serves(world):
    world.show("gala", {"GA": (500, 10)})
    assert world.ctl("partition", "add", 2).code == 0
    world.start(allocators=0, gateways=0)
    world.start_allocator(partition=1)
    world.wait_owner(1)
    said = advise(world, code=4)
    assert whats(said) == ["not_served"] and "partition 2" in said["advice"][0]["why"]
    text = world.ctl("advise", "--seconds", 1)
    assert text.code == 4 and "To be done:\n* partition 2: no allocator serves it" in text.out


def test_locks_that_are_waited_for(world):
    world.show("gala", {"GA": (500, 10)})
    world.start()
    with somebody_waits(world):
        wait_until("the lock to be waited for", lambda: world.value(
            "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
        said = advise(world, code=4)
        assert said["lock_waits"] == 1 and "lock_waits" in whats(said)


def test_autoscalers_are_told_the_same(world):
    world.show("gala", {"GA": (500, 10)})
    assert world.ctl("partition", "add", 2).code == 0
    world.start(allocators=2, gateways=0)
    for _ in range(2):
        world.start_gateway(scale_window_ms=6000)
    client = world.client()
    await_figure(client, 2, "usher_gateways")
    said = advise(world)
    await_figure(client, said["gateways_wanted"], "usher_gateways_wanted", seconds=60)
    await_figure(client, said["partitions_wanted"], "usher_partitions_wanted", seconds=60)
    for partition in ("1", "2"):
        assert figure(client, "usher_partition_use", partition=partition) == 0
    assert 0 <= figure(client, "usher_gateway_busy_ratio") <= 1
    assert figure(client, "usher_gateway_connections_max") > 0


def test_until_it_has_looked_for_long_a_gateway_wants_no_fewer(world):
    world.show("gala", {"GA": (500, 10)})
    world.start(gateways=0)
    world.start_gateway(scale_window_ms=86400000)
    world.start_gateway(scale_window_ms=86400000)
    client = world.client()
    await_figure(client, 2, "usher_gateways")
    assert figure(client, "usher_gateways_wanted") in (1, 2)  # as many as it first saw
    assert advise(world)["gateways_wanted"] == 1


def test_a_gateway_that_is_gone_is_not_counted(world):
    world.show("gala", {"GA": (500, 10)})
    world.start(gateways=2)
    client = world.client()
    await_figure(client, 2, "usher_gateways")
    redis = world.redis_client()
    assert redis.smembers("usher:{1}:reports:gateway") == {b"gateway-1", b"gateway-2"}
    assert 0 < redis.ttl("usher:{1}:report:gateway:gateway-2") <= EXPIRY_SECONDS
    world.gateways[1].kill9()
    await_figure(client, 1, "usher_gateways", seconds=3 * EXPIRY_SECONDS)
    wait_until("its name to be taken out",
               lambda: redis.smembers("usher:{1}:reports:gateway") == {b"gateway-1"})
    assert advise(world)["gateways"]["count"] == 1


def test_what_cannot_be_asked_is_said(world):
    world.show("gala", {"GA": (500, 10)})
    said = world.ctl("advise", "--seconds", 1)
    assert said.code == 1 and said.err.count("\n") == 1 and "Redis" in said.err, said
    for words in (("--seconds", 0), ("--seconds", "soon"), ("now",)):
        said = world.ctl("advise", *words)
        assert said.code == 2 and said.err.count("\n") == 1, said
