"""`usherctl verify` against databases and Redis states that were doctored: each must be told."""

import re
import threading
import time

import pytest

from harness.process import wait_until
from harness.programs import run_program
from harness.stream import Stream
from harness.words import (BOOK, CANCEL, CONFIRM, EXTEND, HOLD, Keys, pack, pack_seats, unpack,
                           unpack_seats)
from test_seats import seats_show


@pytest.fixture
def busy(world):
    """A partition in which a little of everything has happened, and which is quiet now."""
    world.show("one", {"GA": (500, 40)}, number=1, max_per_user=2)
    world.show("two", {"A": (100, 50), "B": (200, 50)}, number=2, max_per_booking=20)
    world.start_redis()
    seats_show(world, number=3)
    world.start(gateways=0)
    world.wait_owner()
    stream = Stream(world.redis_client())
    for n in range(12):
        stream.ask(BOOK, user=f"user {n}")
    stream.ask(BOOK, user="back\\slash 'and \"quotes\"", lines=[(1, 2)])
    holds = [stream.ask(HOLD, show=2, user=f"ü{n}", lines=[(1, 2), (2, 3)] if n % 2 else [(2, 1)])
             .booking["id"] for n in range(8)]
    stream.ask(EXTEND, show=2, user="", booking=holds[0])
    stream.ask(CONFIRM, show=2, booking=holds[1], user="")
    stream.ask(CANCEL, show=2, booking=holds[2], user="")
    stream.ask(CANCEL, show=2, booking=holds[3], user="", tier=1, quantity=2)
    stream.ask(CANCEL, show=2, booking=holds[5], user="", tier=2, quantity=1)
    seated = [stream.ask(op, show=3, user=f"seated {n}", lines=[(1, 3)]).booking["id"]
              for n, op in enumerate((BOOK, HOLD, HOLD))]
    stream.ask(CANCEL, show=3, booking=seated[0], user="", tier=1, quantity=1)
    stream.ask(CANCEL, show=3, booking=seated[1], user="")
    world.holds = holds
    return world


def verify(world, *words):
    return world.ctl("verify", "--wait-seconds=8", *words)


def test_clean(busy):
    result = verify(busy)
    assert result.code == 0, result
    assert result.out == "verify: clean: 3 shows, 24 bookings, 1 partitions\n"


def test_clean_again_after_a_rebuild(busy):
    busy.redis_client().flushall()
    wait_until("a rebuild", lambda: busy.redis_client().hget(Keys(1).state, "clean") == b"1", 20)
    result = verify(busy)
    assert result.code == 0, result


# The database itself would refuse most of this.
WITHOUT_CHECKS = """
    DO $$ DECLARE c record; BEGIN
      FOR c IN SELECT conname, conrelid::regclass AS name FROM pg_constraint
               WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.name, c.conname);
      END LOOP;
    END $$;"""

# What is done to the database, and what must be told of it.
DOCTORED_POSTGRES = {
    "capacity": (WITHOUT_CHECKS +
                 "UPDATE tiers SET capacity = capacity + 1 WHERE show = 1",
                 r"show 1 tier 1: available 26, held 0, .* do not add up to its capacity of 41"),
    "counter": ("UPDATE tiers SET confirmed = confirmed - 1, available = available + 1"
                " WHERE show = 1",
                r"show 1 tier 1: it counts 0 held, 0 pending, 13 confirmed; its bookings have 0, "
                r"0, 14"),
    "lost booking": ("DELETE FROM bookings WHERE user_id = 'user 3'",
                     r"show 1 tier 1: it counts .*14 confirmed; its bookings have 0, 0, 13"),
    "unknown tier": ("UPDATE bookings SET tier = 9 WHERE user_id = 'user 3'",
                     r"show 1 tier 9: there are bookings of it, but no such tier"),
    "too many": ("UPDATE bookings SET user_id = 'user 1' WHERE user_id IN ('user 2', 'user 3')",
                 r"show 1: user user 1 has 3 live places, the show allows 2"),
    "too large": ("UPDATE shows SET max_per_booking = 4 WHERE show = 2",
                  r"booking .* of show 2: 5 places, the show allows 4 in one booking"),
    "foreign id": ("UPDATE bookings SET id = '00000009-0000-0000-0000-000000000000'"
                   " WHERE user_id = 'user 3'",
                   r"booking 00000009-.*: its id is not of its show 1"),
    "unknown show": ("INSERT INTO bookings SELECT '00000009-0000-0000-0000-000000000000',"
                     " created_ms, expires_ms, amount, fingerprint, 9, tier, quantity, price,"
                     " status, user_id FROM bookings WHERE user_id = 'user 3'",
                     r"show 9: there are 1 bookings of it, but no such show"),
    "amount": (WITHOUT_CHECKS +
               "UPDATE bookings SET amount = amount + 1 WHERE user_id = 'user 3'",
               r"booking .*: 1 places at 500 do not cost 501"),
    "lines": ("UPDATE booking_items SET quantity = quantity + 1 WHERE tier = 2",
              r"booking .*: it says 5 places for 800, its lines 6 for 1000"),
    "lost lines": ("DELETE FROM booking_items", r"booking .*: it says 5 places .*its lines 0 for 0"),
    "line of none": ("INSERT INTO booking_items SELECT id, 1, 0, 0 FROM bookings"
                     " WHERE user_id = 'user 3'",
                     r"booking .*: it has a line of tier 1, but is not of several tiers"),
    "several of one": ("INSERT INTO request_bookings SELECT id, 1, id, 'x' FROM bookings"
                       " WHERE user_id = 'user 3'",
                       r"request .* for several shows: it made 1 bookings of 1 shows, counted to 1"),
    "several people": ("INSERT INTO request_bookings SELECT f.id, 1, f.id, 'x'::bytea"
                       " FROM bookings f WHERE f.user_id = 'user 3' UNION ALL"
                       " SELECT f.id, 2, o.id, NULL FROM bookings f, bookings o"
                       " WHERE f.user_id = 'user 3' AND o.user_id = 'user 4'",
                       r"request .*: its booking .* is of another person, moment or kind"),
    "stuck hold": ("UPDATE partitions SET now_ms = now_ms + 2000000",
                   r"booking .* of show 2: it is still held \d+ ms after its time"),
    "lost change": (WITHOUT_CHECKS +
                    "UPDATE booking_changes SET booking = '00000002-0000-0000-0000-000000000000'",
                    r"request .*: it changed booking 00000002-.*, which does not exist"),
    "decided twice": ("UPDATE booking_changes SET request = (SELECT id FROM bookings LIMIT 1)"
                      " WHERE request = (SELECT request FROM booking_changes LIMIT 1)",
                      r"request .*: it made a booking and changed one"),
    "short journal": ("DELETE FROM batches WHERE version = (SELECT max(version) FROM batches)",
                      r"partition 1: it is at version (\d+) .*, its journal ends at version"),
    "torn journal": ("DELETE FROM batches WHERE version = 3",
                     r"partition 1: its journal has \d+ batches from version 1 to"),
    "cursor": ("UPDATE partitions SET cursor = '9-9' WHERE partition = 1",
               r"partition 1: it is at version \d+ \(cursor 9-9\), its journal ends"),
    "epoch": ("UPDATE batches SET epoch = epoch + 1 WHERE version = 3",
              r"partition 1: version 4 was committed under epoch 1 at .*, after epoch 2"),
}


def test_doctored_databases_are_told(busy):
    for allocator in busy.allocators:
        allocator.stop()
    busy.reconnect()
    copy = busy.database + "_copy"
    for name, (statement, told) in DOCTORED_POSTGRES.items():
        busy.cluster.run("postgres", f"CREATE DATABASE {copy} TEMPLATE {busy.database}")
        try:
            busy.cluster.run(copy, "SET session_replication_role = replica;" + statement)
            result = run_program("usherctl", "verify", "--postgres-only",
                                 env={"USHER_POSTGRES": busy.cluster.url(copy)})
        finally:
            busy.cluster.run("postgres", f"DROP DATABASE {copy} WITH (FORCE)")
        assert result.code == 1 and re.search("^verify: " + told, result.out, re.M), (name, result)
    result = verify(busy, "--postgres-only")
    assert result.code == 0, result


def a_field(redis, key):
    return sorted(redis.hkeys(key))[0]


def change_booking(redis, key, change):
    field = a_field(redis, key)
    booking = unpack(redis.hget(key, field))
    change(booking)
    redis.hset(key, field, pack(booking))


def put(index, value):
    def change(booking):
        booking[index] = value
    return change


def other_seats(booking):
    """As many, one of them next to where it was."""
    *seats, last = unpack_seats(booking[5])
    booking[5] = pack_seats(seats + [last + 1])


# Which key (of the state's generation unless it begins with a colon), what is done, what is told.
DOCTORED_REDIS = {
    "counter": ("show:1", lambda r, k: r.hincrby(k, "1:available", -1),
                r"show 1 \(one\): 1:available is 25 in Redis, 26 in Postgres"),
    "rule": ("show:1", lambda r, k: r.hset(k, "max_per_user", 9),
             r"show 1 \(one\): max_per_user is 9 in Redis, 2 in Postgres"),
    "no rule": ("show:1", lambda r, k: r.hdel(k, "opens"),
                r"show 1 \(one\): opens is nothing in Redis, 0 in Postgres"),
    "user": ("users:1", lambda r, k: r.hincrby(k, "user 3", 1),
             r"show 1: user user 3 has 2 live places in Redis, 1 in Postgres"),
    "no user": ("users:1", lambda r, k: r.hdel(k, "user 3"),
                r"show 1: user user 3 has 0 live places in Redis, 1 in Postgres"),
    "odd user": ("users:1", lambda r, k: r.hset(k, "st\\ra\"nger", 1),
                 r"user st\\ra\"nger: it is in Redis, and not in Postgres"),
    "no booking": ("bookings:2", lambda r, k: r.hdel(k, a_field(r, k)),
                   r"booking .* of show 2: it is live in Postgres \((HELD|CONFIRMED)\), and not in"),
    "odd booking": ("bookings:2", lambda r, k: r.hset(k, bytes(16), r.hget(k, a_field(r, k))),
                    r"booking 00000000-.*: it is in Redis, and not in Postgres"),
    "broken booking": ("bookings:1", lambda r, k: r.hset(k, a_field(r, k), b"\xff\x01"),
                       r"booking .*: what Redis has of it cannot be read"),
    "its status": ("bookings:1", lambda r, k: change_booking(r, k, put(0, 2)),
                   r"booking .*: PENDING in Redis, CONFIRMED in Postgres"),
    "its user": ("bookings:1", lambda r, k: change_booking(r, k, put(1, "eve")),
                 r"booking .*: of user eve in Redis, of user 0 in Postgres"),
    "its time": ("bookings:1", lambda r, k: change_booking(r, k, put(4, 5)),
                 r"booking .*: from 5 to 0 in Redis, from \d+ to 0 in Postgres"),
    "its places": ("bookings:1", lambda r, k: change_booking(r, k, put(8, 3)),
                   r"booking .*: it has other places in Redis than in Postgres"),
    "its seats": ("bookings:3", lambda r, k: change_booking(r, k, other_seats),
                  r"booking .*: it has other seats in Redis than in Postgres"),
    "a seat": ("seats:3", lambda r, k: r.setrange(k, 19, b"\x03"),
               r"show 3: the seat at position 20 is 3 in Redis, 0 in Postgres"),
    "its extension": ("bookings:2", lambda r, k: change_booking(r, k, put(3, 0)),
                      r"booking .*: Redis says that it was not extended"),
    "no hold": ("holds", lambda r, k: r.zremrangebyrank(k, 0, 0),
                r"booking .*: it is held, and Redis does not know until when"),
    "hold's end": ("holds", lambda r, k: r.zincrby(k, 1000, r.zrange(k, 0, 0)[0]),
                   r"booking .*: held until \d+ in Redis, \d+ in Postgres"),
    "odd hold": ("holds", lambda r, k: r.zadd(k, {bytes(15) + b"x": 9e15}),
                 r"hold of booking .*: it is in Redis, and not in Postgres"),
    "odd show": ("shows", lambda r, k: r.sadd(k, "77"),
                 r"show 77: Redis has it in partition 1, Postgres does not"),
    "wrong type": ("users:1", lambda r, k: (r.delete(k), r.set(k, "x")),
                   r"partition 1: Redis says of .*users:1: WRONGTYPE"),
    "availability": (":availability:1", lambda r, k: r.set(k, pack([1, 1, [[1, 40, 9, 0, 31, 0]]])),
                     r"show 1 tier 1: readers are told available 9, committed is 26"),
    "no availability": (":availability:1", lambda r, k: r.delete(k),
                        r"show 1: readers are told nothing of what is left"),
    "published": (":state", lambda r, k: r.hset(k, "published", 2),
                  r"partition 1: answers are published up to version 2 of"),
    "version": (":state", lambda r, k: r.hincrby(k, "version", 1),
                r"partition 1: version \d+ in Redis, \d+ in Postgres"),
    "epoch": (":state", lambda r, k: r.hset(k, "epoch", 9),
              r"partition 1: epoch 9 in Redis, 1 in Postgres"),
    "unclean": (":state", lambda r, k: r.hset(k, "clean", 0),
                r"partition 1: its state in Redis is not clean"),
    "generation": (":state", lambda r, k: r.hset(k, "generation", "old"),
                   r"partition 1: generation 'old' in Redis, '1' in Postgres"),
    "no state": (":state", lambda r, k: r.delete(k), r"partition 1: Redis has no state of it"),
    "no stream": (":requests", lambda r, k: r.delete(k), r"partition 1: its stream: ERR no such key"),
}


def rounds_of(table):
    """What touches different keys goes together: a look takes its time. The state stands alone."""
    rounds = []
    for name, (where, doctor, told) in table.items():
        fitting = [r for r in rounds if where != ":state" and where not in r and ":state" not in r]
        if not fitting:
            rounds.append({})
        (fitting or rounds[-1:])[0][where] = (name, doctor, told)
    return rounds


def test_doctored_redis_is_told(busy):
    for allocator in busy.allocators:
        allocator.stop()
    redis = busy.redis_client()
    root = Keys(1).root
    for doctored in rounds_of(DOCTORED_REDIS):
        keys = {w: root + (w[1:] if w.startswith(":") else "1:" + w) for w in doctored}
        before = {key: redis.dump(key) for key in keys.values()}
        for where, (_, doctor, _) in doctored.items():
            doctor(redis, keys[where])
        result = verify(busy)
        for key, value in before.items():
            redis.restore(key, 0, value, replace=True)
        for name, _, told in doctored.values():
            assert result.code == 1 and re.search("^verify: " + told, result.out, re.M), (name,
                                                                                          result)
    result = verify(busy)
    assert result.code == 0, result


def test_a_partition_that_is_never_quiet_is_said_to_be(busy):
    """Neither clean nor different: it could not be found out, and the exit code says so."""
    for allocator in busy.allocators:
        allocator.stop()
    redis, state = busy.redis_client(), Keys(1).state
    version = int(redis.hget(state, "version"))
    over = threading.Event()

    def move():
        while not over.is_set():
            redis.hincrby(state, "version", 1)
            time.sleep(0.005)

    mover = threading.Thread(target=move)
    mover.start()
    result = busy.ctl("verify", "--wait-seconds=2")
    over.set()
    mover.join()
    redis.hset(state, "version", version)
    assert result.code == 3 and "never quiet" in result.out, result
