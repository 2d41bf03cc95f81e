"""The scripts that end a turn: an owner of an older epoch changes nothing with them."""

import pathlib

import pytest

from harness.words import Keys

LUA = pathlib.Path(__file__).resolve().parents[2] / "lua"
KEYS = Keys(1)


@pytest.fixture
def redis(world):
    client = world.start_redis().client()
    client.hset(KEYS.state, "epoch", 7)
    return client


def run(redis, name, keys, *arguments):
    script = (LUA / f"{name}.lua").read_text()
    return redis.eval(script, len(keys), *keys, *arguments)


@pytest.mark.parametrize("epoch", ["6", "8", ""])
def test_a_report_is_only_the_owners(redis, epoch):
    keys = (KEYS.state, KEYS.status, KEYS.generations)
    redis.hset(KEYS.state, "generation", "5")
    assert run(redis, "report", keys, epoch, 10, "allocator", "zombie") == b"FENCED"
    assert not redis.exists(KEYS.generations)
    assert run(redis, "report", keys, 7, 10, "allocator", "heir", "state", "serving") == b"REPORTED"
    assert run(redis, "report", keys, epoch, 10, "allocator", "zombie") == b"FENCED"
    assert redis.hgetall(KEYS.status) == {b"allocator": b"heir", b"state": b"serving"}
    assert 0 < redis.ttl(KEYS.status) <= 10 and redis.smembers(KEYS.generations) == {b"5"}


@pytest.mark.parametrize("epoch", ["6", "8", ""])
def test_a_stamp_is_only_the_owners(redis, epoch):
    first = redis.xadd(KEYS.requests, {"b": "first"})
    second = redis.xadd(KEYS.requests, {"b": "second"})
    keys = (KEYS.state, KEYS.requests, KEYS.availability(1), KEYS.availability(2))
    assert run(redis, "stamp", keys, epoch, 5, second, "old", "old") == b"FENCED"
    assert redis.hget(KEYS.state, "published") is None
    assert not redis.exists(KEYS.availability(1)) and redis.xlen(KEYS.requests) == 2
    assert run(redis, "stamp", keys, 7, 6, second, "of 1", "of 2") == b"STAMPED"
    assert redis.hget(KEYS.state, "published") == b"6"
    assert [redis.get(KEYS.availability(show)) for show in (1, 2)] == [b"of 1", b"of 2"]
    assert [entry for entry, _ in redis.xrange(KEYS.requests)] == [second] and first < second


def test_a_redis_that_lost_all_belongs_to_nobody(redis):
    redis.flushall()
    keys = (KEYS.state, KEYS.status, KEYS.generations)
    assert run(redis, "report", keys, 7, 10, "allocator", "any") == b"FENCED"
    assert run(redis, "stamp", (KEYS.state, KEYS.requests), 7, 5, "0-1") == b"FENCED"
    assert redis.dbsize() == 0
