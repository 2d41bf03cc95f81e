"""`usherctl verify` against waiting lists in Redis that were doctored: each must be told."""

import re

import pytest

from harness.words import Keys, id_bytes, pack, unpack


@pytest.fixture
def waiting(world):
    """Six people wait for groups of one and of two places; nobody decides any more."""
    world.show("full", {"GA": (0, 2), "VIP": (0, 1)}, number=1)
    world.start()
    client = world.client()
    assert client.book("full", "tom", "GA", 2).status == 201
    assert client.book("full", "tim", "VIP", 1).status == 201
    world.ids = {}
    for user, tier, quantity in (("ann", "GA", 2), ("bob", "GA", 1), ("cleo", "GA", 2),
                                 ("dan", "VIP", 1), ("eve", "GA", 1), ("fay", "GA", 2)):
        answer = client.post("/v1/shows/full/waitlist",
                             {"user": user, "tier": tier, "quantity": quantity})
        assert answer.status == 201, answer
        world.ids[user] = id_bytes(answer.json["id"])
    world.allocators[0].stop()
    return world


def verify(world):
    return world.ctl("verify", "--wait-seconds=8")


def entry_with(at, value):
    """The entry, but for one of its fields: tier, quantity, user, joined, position."""
    def doctor(redis, key, raw):
        entry = unpack(redis.hget(key, raw))
        entry[at] = value
        redis.hset(key, raw, pack(entry))
    return doctor


DOCTORED = {
    "not in the list by user": (
        "waiters:1", lambda r, k, raw: r.hdel(k, "1:cleo"), "list by user"),
    "another under its name": (
        "waiters:1", lambda r, k, raw: r.hset(k, "1:cleo", b"?" * 16), "list by user"),
    "not in the order": ("order:1:1:2", lambda r, k, raw: r.zrem(k, raw), "order"),
    "at another place": ("order:1:1:2", lambda r, k, raw: r.zadd(k, {raw: 99}), "order"),
    "not in the list by id": ("waiting:1", lambda r, k, raw: r.hdel(k, raw), "list by id"),
    "no entry": ("waiting:1", lambda r, k, raw: r.hset(k, raw, b"\xff"), "list by id"),
    "another tier": ("waiting:1", entry_with(0, 2), "list by id"),
    "another group": ("waiting:1", entry_with(1, 1), "list by id"),
    "another person": ("waiting:1", entry_with(2, b"mallory"), "list by id"),
    "another time": ("waiting:1", entry_with(3, 7), "list by id"),
    "another position": ("waiting:1", entry_with(4, 99), "list by id"),
}

COUNTS = {
    "who does not wait": ("waiting:1", lambda r, k: r.hset(k, b"?" * 16, b"?"), "how many wait"),
    "who is not there": ("waiters:1", lambda r, k: r.hset(k, "1:zoe", b"?" * 16), "how many wait"),
    "a size that nobody has": ("sizes:1", lambda r, k: r.hset(k, "1:9", 1), "how many wait"),
    "a count": ("show:1", lambda r, k: r.hset(k, "waits", 5), "how many wait"),
    "the last position": ("show:1", lambda r, k: r.hset(k, "joined", 5), "how many joined"),
}


def test_waiting_lists_that_are_right(waiting):
    assert verify(waiting).code == 0


@pytest.mark.parametrize("names", [list(DOCTORED)[0::2], list(DOCTORED)[1::2]])
def test_who_waits_is_compared_in_each_list(waiting, names):
    redis, raw = waiting.redis_client(), waiting.ids["cleo"]
    for name in names:
        where, doctor, told = DOCTORED[name]
        key = Keys(1).root + "1:" + where
        before = redis.dump(key)
        doctor(redis, key, raw)
        result = verify(waiting)
        redis.restore(key, 0, before, replace=True)
        assert result.code == 1, name
        assert re.search(rf"who waits as {raw.hex()[:8]}.* is not in Redis' {told} as it is",
                         result.out), (name, result)
        assert result.out.count("who waits as") == 1, (name, result)


def test_what_is_too_much_is_told(waiting):
    redis = waiting.redis_client()
    for name, (where, doctor, told) in COUNTS.items():
        key = Keys(1).root + "1:" + where
        before = redis.dump(key)
        doctor(redis, key)
        result = verify(waiting)
        redis.restore(key, 0, before, replace=True)
        assert result.code == 1 and told in result.out, (name, result)
    assert verify(waiting).code == 0
