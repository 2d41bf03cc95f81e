"""What happens when: a test for each row of section 5 that the core touches.

Each does its harm while a crowd books, holds, confirms and cancels; then waits until new requests
are decided again, and has everything judged: Postgres by itself, Redis against Postgres, and every
answer that anybody got.
"""

import random
import resource
import socket
import time

import pytest

from harness.process import patience, wait_until
from harness.stream import Stream
from harness.words import BOOK, CANCEL, CONFIRM, GRANTED, HOLD, SOLD_OUT, fresh_id, pack

TIERS = {"A": (100, 30000), "B": (250, 30000), "C": (0, 60)}


def furnish(world, **allocator_options):
    """Two allocators (one stands by), two gateways, a show with room and a tier that sells out."""
    world.show("gala", TIERS, max_per_booking=10, hold_seconds=2)
    if world.redis is None:
        world.start_redis()
    for _ in range(2):
        world.start_allocator(**allocator_options)
    for _ in range(2):
        world.start_gateway()
    return world


def traffic(world, clients=12):
    crowd = world.crowd("gala").start_traffic(clients, list(TIERS))
    crowd.await_decided(100)
    return crowd


def works_again(world, seconds=20.0):
    """New requests are granted, through every gateway."""
    for index, gateway in enumerate(world.gateways):
        if not gateway.alive():
            continue
        client = world.client(index)

        def is_granted(client=client):
            answer = client.book("gala", f"probe {time.monotonic()}", "A", 1, prefer="wait=1")
            return answer.status == 201
        wait_until("bookings to be granted again", is_granted, seconds, 0.05)


def finish(world, crowd, more=150):
    """Some more traffic, then the end of it, and the judgement."""
    works_again(world)
    crowd.await_decided(more)
    asks = crowd.finish()
    # The probes of works_again are nobody's history: judge the crowd's own.
    probes = world.rows("SELECT user_id FROM bookings WHERE user_id LIKE 'probe %%'")
    judge_crowd(world, asks, {row["user_id"] for row in probes})


def judge_crowd(world, asks, others):
    from harness.judge import Ask
    body = {"tier": "A", "quantity": 1}
    strangers = [Ask(user, body) for user in others]
    for stranger in strangers:
        stranger.sendings = 1
    world.judge(asks + strangers)


# Allocators.

def test_an_allocator_killed_at_any_moment(world):
    furnish(world)
    crowd = traffic(world)
    for _ in range(5):
        time.sleep(random.uniform(0.01, 0.3))
        owner = world.wait_owner()
        before = world.value("SELECT epoch FROM partitions WHERE partition = 1")
        owner.kill9()
        began = time.monotonic()
        world.wait_owner(other_than=owner)
        assert time.monotonic() - began < patience(3), "the standby took too long"
        assert world.value("SELECT epoch FROM partitions WHERE partition = 1") > before
        world.start_allocator()
    finish(world, crowd)


def test_all_allocators_killed_and_started_anew(world):
    furnish(world)
    crowd = traffic(world)
    for allocator in world.allocators:
        allocator.kill9()
    time.sleep(1)
    decided = crowd.decided()
    time.sleep(0.5)
    assert crowd.decided() == decided, "somebody was answered with nobody there to decide"
    world.start_allocator()
    finish(world, crowd)


def test_an_allocator_asked_to_stop(world):
    """It finishes what it has begun; the standby goes on."""
    furnish(world)
    crowd = traffic(world)
    for _ in range(3):
        owner = world.wait_owner()
        assert owner.stop() == 0
        world.wait_owner(other_than=owner)
        world.start_allocator()
        crowd.await_decided(50)
    finish(world, crowd)


def test_an_allocator_stopped_and_woken_after_takeover(world):
    """The zombie commits nothing, decides nothing, and is gone."""
    furnish(world, heartbeat_ms_max=2500)
    crowd = traffic(world)
    for _ in range(3):
        zombie = world.wait_owner()
        zombie.sigstop()
        heir = world.wait_owner(other_than=zombie, seconds=10)
        crowd.await_decided(30)
        epoch = world.value("SELECT epoch FROM partitions WHERE partition = 1")
        zombie.cont()
        world.expect_exit(zombie)
        crowd.await_decided(50)
        assert world.owner() is heir
        assert world.value("SELECT epoch FROM partitions WHERE partition = 1") == epoch
        wait_until("the zombie to notice", lambda z=zombie: not z.alive() or z.events("fenced")
                   or z.events("away"))
        if not zombie.alive():
            world.start_allocator()
    finish(world, crowd)


def test_a_zombie_that_holds_a_decided_batch(world):
    """Stopped again and again for just longer than its heartbeat, woken at once by the takeover."""
    furnish(world, heartbeat_ms_max=150, heartbeat_ms=50)
    crowd = traffic(world)
    for _ in range(8):
        owner = world.wait_owner()
        owner.sigstop()
        time.sleep(random.uniform(0.1, 0.35))
        owner.cont()
        world.expect_exit(owner)
        time.sleep(random.uniform(0.0, 0.2))
        if sum(a.alive() for a in world.allocators) < 2:
            world.start_allocator()
    finish(world, crowd)


def test_an_allocator_alone_is_stopped_and_woken(world):
    """Nobody took its place: it goes on."""
    furnish(world, heartbeat_ms_max=400)
    world.allocators[1].stop()
    crowd = traffic(world)
    owner = world.wait_owner()
    owner.sigstop()
    time.sleep(1.5)
    owner.cont()
    finish(world, crowd)
    assert owner.alive()


# Gateways.

def test_a_gateway_killed(world):
    """Its clients come again elsewhere, under the same key, and hear the same."""
    furnish(world)
    crowd = traffic(world)
    world.gateways[0].kill9()
    crowd.await_decided(100)
    world.gateways[0].start()
    world.gateways[0].wait_ready()
    finish(world, crowd)


def test_a_gateway_killed_while_it_awaits(world):
    furnish(world)
    for allocator in world.allocators:
        allocator.sigstop()
    first, second = world.client(0), world.client(1)
    path = first.book("gala", "ann", "A", 2, key="k", prefer="respond-async").header("Location")
    data = b"POST /v1/shows/gala/bookings HTTP/1.1\r\nHost: t\r\nIdempotency-Key: w\r\n" \
           b"Content-Type: application/json\r\nContent-Length: 39\r\n\r\n" \
           b'{"user":"bob","tier":"A","quantity":2 }\n'[:-1]
    with socket.create_connection(("127.0.0.1", world.gateways[0].port)) as waiting:
        waiting.sendall(data)
        wait_until("the request to stand in the stream", lambda: world.redis_client().xlen(
            world.keys().requests) >= 2, 5)
        world.gateways[0].kill9()
    for allocator in world.allocators:
        allocator.cont()
    again = second.book("gala", "ann", "A", 2, key="k", prefer="wait=20")
    assert again.status == 201 and second.get(path).body == again.body
    bob = second.post("/v1/shows/gala/bookings", {"user": "bob", "tier": "A", "quantity": 2}, key="w",
                      prefer="wait=20")
    assert bob.status == 201
    assert world.value("SELECT count(*) FROM bookings") == 2
    world.gateways[0].start()
    works_again(world)
    world.judge()


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
    import os
    import signal
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
    import os
    import signal
    children = world.cluster.process.children()
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)
    for pid in children:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass
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


# The network between.

@pytest.mark.parametrize("between", ["allocator and Redis", "allocator and Postgres",
                                     "gateway and Redis", "gateway and Postgres"])
@pytest.mark.parametrize("how", ["cut", "frozen", "slow"])
def test_the_network_between(world, between, how):
    world.show("gala", TIERS, max_per_booking=10, hold_seconds=2)
    world.start_redis()
    proxy = world.proxy(world.redis.port if "Redis" in between else world.cluster.port)
    link = {"via_redis" if "Redis" in between else "via_postgres": proxy.port}
    bounds = {"redis_ms": 500, "postgres_ms": 1000} if "allocator" in between else {}
    for _ in range(2):
        world.start_allocator(**(link if "allocator" in between else {}), **bounds)
    for _ in range(2):
        world.start_gateway(**(link if "gateway" in between else {}))
    crowd = traffic(world)
    if how == "cut":
        for _ in range(3):
            proxy.cut()
            time.sleep(0.3)
            proxy.restore()
            time.sleep(0.5)
    elif how == "frozen":
        proxy.freeze()
        time.sleep(2)
        proxy.cut_once()
        proxy.thaw()
    else:
        proxy.delay(0.05)
        time.sleep(1.5)
        proxy.delay(0)
    finish(world, crowd)


# Resources and clocks.

def test_out_of_descriptors(world):
    """The gateway has no descriptor left: it takes no new connections, and goes on when it has."""
    furnish(world)
    gateway = world.gateways[0]
    client = world.client(0)
    assert client.book("gala", "ann", "A", 1).status == 201
    import os
    in_use = len(os.listdir(f"/proc/{gateway.pid}/fd"))
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (in_use + 5, in_use + 5))
    crowd = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(50)]
    try:
        time.sleep(0.3)
        used = cpu_seconds(gateway.pid)
        assert client.book("gala", "bob", "A", 1).status == 201, "who is connected is served"
        time.sleep(1)
        assert cpu_seconds(gateway.pid) - used < 0.7, "it spins"
    finally:
        for connection in crowd:
            connection.close()
    fresh = world.client(0)
    wait_until("a new connection to be served", lambda: fresh.get("/livez").status == 200, 10)
    works_again(world)
    world.judge()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_the_clock_ran_back(world):
    """The partition was last decided by a clock ahead of ours: a hold ends no earlier than it said,
    and one that has expired stays so."""
    world.show("gala", TIERS, hold_seconds=2, number=1, max_per_booking=60)
    world.start_redis()
    world.start_allocator()
    stream = Stream(world.redis_client())
    world.wait_owner()
    expired = stream.ask(HOLD, user="ann", lines=[(3, 60)])
    assert expired.code == GRANTED
    world.allocators[0].stop()
    ahead = int(time.time() * 1000) + 10_000
    world.rows("UPDATE partitions SET now_ms = %s WHERE partition = 1 RETURNING 1", ahead)
    world.start_allocator()
    wait_until("the hold to expire", lambda: world.rows(
        "SELECT 1 FROM bookings WHERE status = 'EXPIRED'"), 5)
    assert stream.ask(CONFIRM, booking=expired.booking["id"], deadline_ms=60_000).code != GRANTED
    held = stream.ask(HOLD, user="bob", lines=[(3, 60)], deadline_ms=60_000)
    assert held.code == GRANTED and held.booking["created"] >= ahead
    assert stream.ask(BOOK, user="cid", lines=[(3, 1)], deadline_ms=60_000).code == SOLD_OUT
    time.sleep(2.5)
    assert stream.ask(CONFIRM, user="bob", booking=held.booking["id"], deadline_ms=60_000).code == GRANTED
    assert stream.ask(CANCEL, user="bob", booking=held.booking["id"], deadline_ms=60_000).code == GRANTED


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


# Several at once.

def test_redis_wiped_while_the_allocator_is_dead(world):
    furnish(world)
    crowd = traffic(world)
    for allocator in world.allocators:
        allocator.kill9()
    world.redis_client().flushall()
    world.start_allocator()
    world.start_allocator()
    finish(world, crowd)


def test_everything_killed_at_once(sturdy_world):
    world = furnish(sturdy_world)
    crowd = traffic(world)
    for process in world.allocators + world.gateways + [world.redis.process]:
        process.kill9()
    world.cluster.stop_immediately()
    world.cluster.start()
    world.redis.start()
    for process in world.gateways + world.allocators:
        process.start()
    for gateway in world.gateways:
        gateway.wait_ready()
    finish(world, crowd)


def test_random_mischief(sturdy_world):
    """A little of everything, in an order that the log names."""
    world = furnish(sturdy_world, heartbeat_ms_max=500, redis_ms=700, postgres_ms=1500)
    crowd = traffic(world)
    redis = world.redis_client

    def kill_owner():
        owner = world.owner()
        if owner is not None:
            owner.kill9()
            owner.start()

    def stop_owner():
        owner = world.owner()
        if owner is not None:
            owner.sigstop()
            time.sleep(random.uniform(0.3, 0.8))
            owner.cont()
            world.expect_exit(owner)

    def restart_redis():
        world.redis.kill9()
        world.redis.start()

    def terminate():
        world.reconnect()
        world.rows("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE datname = current_database() AND pid <> pg_backend_pid()""")
    deeds = [kill_owner, stop_owner, restart_redis, terminate, lambda: redis().flushall(),
             lambda: redis().script_flush(),
             lambda: redis().execute_command("CLIENT", "KILL", "TYPE", "normal")]
    for _ in range(12):
        random.choice(deeds)()
        time.sleep(random.uniform(0.05, 0.6))
        for allocator in world.allocators:
            if not allocator.alive():
                allocator.start()
    finish(world, crowd)
