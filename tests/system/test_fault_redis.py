"""Section 5: Redis killed, wiped, brought back with an old file, troubled, hanging, full."""

import random
import time

import pytest

from harness.mischief import TIERS, finish, furnish, traffic, works_again
from harness.process import patience, wait_until
from harness.stream import Stream
from harness.words import BOOK, GRANTED


# Redis.

def test_redis_killed_and_back_with_its_file(sturdy_world):
    world = furnish(sturdy_world)
    crowd = traffic(world)
    for _ in range(2):
        world.redis.kill9()
        time.sleep(random.uniform(0.2, 1.0))
        world.redis.start()
        works_again(world)
    finish(world, crowd)


def test_redis_away_for_a_while(sturdy_world):
    """503 with Retry-After at once, nothing answered as booked, and it goes on by itself."""
    world = furnish(sturdy_world)
    crowd = traffic(world)
    client = world.client()
    world.redis.kill9()
    wait_until("refusals", lambda: client.book("gala", "x", "A", 1).status == 503, 10)
    began = time.monotonic()
    for _ in range(20):
        answer = client.book("gala", "x", "A", 1)
        assert answer.status == 503 and answer.code == "OVERLOADED"
    assert time.monotonic() - began < patience(2), "refusals are to come at once"
    assert client.get("/livez").status == 200 and client.get("/readyz").status == 503
    assert client.get("/v1/shows/gala").status == 200, "Postgres is there to read from"
    assert all(process.alive() for process in world.allocators + world.gateways)
    world.redis.start()
    finish(world, crowd)
    wait_until("readiness", lambda: client.get("/readyz").status == 200)


def test_redis_wiped(world):
    furnish(world)
    crowd = traffic(world)
    for wipe in ("FLUSHALL", "FLUSHDB", "FLUSHALL"):
        world.redis_client().execute_command(wipe)
        works_again(world)
        crowd.await_decided(50)
    finish(world, crowd)


def test_redis_back_without_its_file(sturdy_world):
    world = furnish(sturdy_world)
    crowd = traffic(world)
    world.redis.kill9()
    for path in (world.redis.folder / "appendonlydir").iterdir():
        path.unlink()
    world.redis.start()
    finish(world, crowd)


def test_redis_back_with_an_old_file(sturdy_world):
    world = furnish(sturdy_world)
    crowd = traffic(world)
    world.redis.save_file(world.folder / "old")
    crowd.await_decided(300)
    world.redis.kill9()
    world.redis.restore_file(world.folder / "old")
    world.redis.start()
    works_again(world)
    crowd.await_decided(100)
    finish(world, crowd)


def test_redis_back_with_an_old_file_after_a_takeover(sturdy_world):
    """The file knows the old owner's epoch and version: neither owner may go on with it."""
    world = furnish(sturdy_world, heartbeat_ms_max=400)
    crowd = traffic(world)
    world.redis.save_file(world.folder / "old")
    zombie = world.wait_owner()
    zombie.sigstop()
    world.wait_owner(other_than=zombie)
    crowd.await_decided(100)
    world.redis.kill9()
    world.redis.restore_file(world.folder / "old")
    world.redis.start()
    zombie.cont()
    world.expect_exit(zombie)
    finish(world, crowd)


@pytest.mark.parametrize("what", ["SCRIPT FLUSH", "CLIENT KILL TYPE normal", "CLIENT PAUSE 700",
                                  "CLIENT KILL TYPE pubsub"])
def test_redis_troubled(world, what):
    furnish(world)
    crowd = traffic(world)
    for _ in range(4):
        world.redis_client().execute_command(*what.split())
        crowd.await_decided(30)
    finish(world, crowd)


def test_redis_hangs(world):
    """Longer than anybody waits for it: the answers are late or refused, never wrong."""
    furnish(world, redis_ms=500)
    crowd = traffic(world)
    world.redis.sigstop()
    time.sleep(3)
    world.redis.cont()
    finish(world, crowd)


def test_redis_out_of_memory(world):
    """Writes are refused by Redis; requests are refused at the door or time out, none is half-done."""
    furnish(world)
    crowd = traffic(world)
    client = world.client()
    redis = world.redis_client()
    redis.config_set("maxmemory", int(redis.info("memory")["used_memory"] * 0.9))
    wait_until("refusals", lambda: client.book("gala", "x", "A", 1, prefer="wait=1").status
               in (503, 202), 10)
    time.sleep(1)
    redis.config_set("maxmemory", 0)
    finish(world, crowd)


def test_keys_of_the_state_deleted(world):
    """Part of Redis is gone (an operator's slip): it is noticed and written anew."""
    furnish(world)
    crowd = traffic(world)
    redis = world.redis_client()
    for key in (world.keys().state, world.keys().requests):
        redis.delete(key)
        works_again(world)
    finish(world, crowd)


def test_the_list_of_namespaces_deleted(world):
    """Nothing is sold wrongly without it, and so nothing is rebuilt; but it is needed to tidy up."""
    furnish(world)
    redis, keys = world.redis_client(), world.keys()
    before = redis.smembers(keys.generations)
    redis.delete(keys.generations)
    wait_until("the list", lambda: redis.smembers(keys.generations) == before)
    world.judge()


def test_answers_survive_a_wiped_redis(world):
    """The journal brings back what was answered, refusals too."""
    world.show("tiny", {"GA": (500, 2)})
    world.start()
    client = world.client()
    granted = client.book("tiny", "ann", "GA", 2, key="granted")
    refused = client.book("tiny", "bob", "GA", 1, key="refused")
    plain = client.book("tiny", "cid", "GA", 1, prefer="respond-async").header("Location")
    plain_answer = client.get(plain, prefer="wait=5")
    assert (granted.status, refused.code, plain_answer.code) == (201, "SOLD_OUT", "SOLD_OUT")
    world.redis_client().flushall()
    wait_until("readiness", lambda: world.owner() and client.get("/readyz").status == 200)
    assert client.cancel(granted.json["id"], prefer="wait=20").status == 200
    for key, user, first in (("granted", "ann", granted), ("refused", "bob", refused)):
        again = client.book("tiny", user, "GA", 2 if user == "ann" else 1, key=key)
        assert (again.status, again.body) == (first.status, first.body)
        assert again.header("Idempotent-Replayed") == "true"
    assert client.get(plain).body == plain_answer.body
    world.judge()


def test_the_stream_is_behind_the_cursor(world):
    """Redis came back with a clock, or a file, behind what is committed: new entries are seen."""
    world.show("gala", TIERS, number=1)
    world.start_redis()
    ahead = int(time.time() * 1000) + 3_600_000
    world.rows("UPDATE partitions SET cursor = %s WHERE partition = 1 RETURNING 1", f"{ahead}-7")
    stream = Stream(world.redis_client())
    waiting = stream.request(BOOK, user="early")
    stream.append(waiting)
    world.start_allocator()
    assert stream.answer(waiting[0]).code == GRANTED, "what stood behind the cursor is decided too"
    assert stream.ask(BOOK, user="late").code == GRANTED
    world.start_gateway()
    assert world.client().book("gala", "ann", "A", 1).status == 201
    world.judge()


def test_entries_appended_while_redis_had_forgotten(sturdy_world):
    """An old file comes back, its stream takes new entries at once; each is decided once."""
    world = sturdy_world
    world.show("gala", TIERS, number=1)
    world.start_allocator()
    stream = Stream(world.redis_client())
    world.wait_owner()
    before = [stream.ask(BOOK, user=f"before {n}").booking["id"] for n in range(5)]
    world.redis.save_file(world.folder / "old")
    after = [stream.ask(BOOK, user=f"after {n}").booking["id"] for n in range(5)]
    world.allocators[0].kill9()
    world.redis.kill9()
    world.redis.restore_file(world.folder / "old")
    world.redis.start()
    fresh = [stream.request(BOOK, user=f"fresh {n}") for n in range(5)]
    for request in fresh:
        stream.append(request)
    repeated = stream.request(BOOK, user="after 0", raw=after[0])
    stream.append(repeated)
    world.start_allocator()
    assert [stream.answer(raw).code for raw, _ in fresh] == [GRANTED] * 5
    assert stream.answer(after[0]).code == GRANTED
    made = {bytes.fromhex(row["id"].replace("-", "")) for row in world.rows("SELECT id FROM bookings")}
    assert made == set(before + after + [raw for raw, _ in fresh])
    world.judge()
