"""The judge must be able to fail: doctored databases, Redis states and histories are each found."""

import json

import pytest

from harness import judge
from harness.answers import Answers
from harness.judge import Ask
from harness.stream import Stream
from harness.words import BOOK, CANCEL, CONFIRM, HOLD, id_text, pack, unpack
from test_seats import seats_show
from test_verify import WITHOUT_CHECKS, other_seats

# What is done to the database, and a word of the sentence that the judge must find for it.
DATABASES = {
    "a sum": (WITHOUT_CHECKS + "UPDATE tiers SET available = available + 1 WHERE show = 1", "counters"),
    "a counter": ("UPDATE tiers SET available = available - 1, confirmed = confirmed + 1 WHERE show = 1",
                  "counters"),
    "a booking lost": ("DELETE FROM bookings WHERE user_id = 'user 3'", "not there"),
    "a booking too many": ("INSERT INTO bookings SELECT '00000001-0000-0000-0000-000000000009', created_ms,"
                           " expires_ms, amount, fingerprint, show, tier, quantity, price, status, 'eve'"
                           " FROM bookings WHERE user_id = 'user 3'", "nobody asked for"),
    "another's": ("UPDATE bookings SET user_id = 'eve' WHERE user_id = 'user 3'", "another's"),
    "another price": ("UPDATE bookings SET price = 1, amount = quantity WHERE user_id = 'user 3'", "price"),
    "more places": ("UPDATE bookings SET quantity = 2, amount = 1000 WHERE user_id = 'user 3'", "more"),
    "a line changed": ("UPDATE booking_items SET quantity = quantity + 1 WHERE tier = 2", "add up"),
    "a line lost": ("DELETE FROM booking_items WHERE tier = 2", "add up"),
    "a limit": ("UPDATE bookings SET user_id = 'user 1' WHERE user_id IN ('user 2', 'user 3')", "allows"),
    "a large one": ("UPDATE shows SET max_per_booking = 4 WHERE show = 2", "allows"),
    "outside the sale": ("UPDATE shows SET sales_open_at = now() + '1 hour' WHERE show = 1", "sale"),
    "an old hold": ("UPDATE bookings SET created_ms = 1, expires_ms = 2 WHERE status = 'HELD'", "past"),
    "ended too early": ("UPDATE bookings SET status = 'EXPIRED' WHERE status = 'HELD'", "before its time"),
    "held too long": ("UPDATE bookings SET expires_ms = expires_ms + 90000000 WHERE status = 'HELD'",
                      "longer than"),
    "a gap": ("DELETE FROM batches WHERE version = 3", "gap"),
    "the end": ("DELETE FROM batches WHERE version = (SELECT max(version) FROM batches)", "end where"),
    "the cursor": ("UPDATE partitions SET cursor = '9-9'", "end where"),
    "an epoch": ("UPDATE batches SET epoch = epoch + 1 WHERE version = 3", "backwards"),
    "a cursor back": ("UPDATE batches SET cursor = '1-1' WHERE version = 3", "backwards"),
    "a change lost": ("DELETE FROM booking_changes", "written down"),
    "a change nobody asked for": (
        "INSERT INTO booking_changes SELECT '00000002-0000-0000-0000-000000000009', booking, op, at_ms, "
        "answer FROM booking_changes LIMIT 1", "nobody asked for"),
    "a foreign id": ("UPDATE bookings SET id = '00000009-0000-0000-0000-000000000000'"
                     " WHERE user_id = 'user 3'", "lead to its show"),
    "a seat of nobody's": ("DELETE FROM seats_taken WHERE position = 1", "seats"),
    "a seat of another": ("UPDATE seats_taken SET booking = (SELECT booking FROM seats_taken"
                          " WHERE position = 4) WHERE position = 1", "not its booking's"),
    "a seat that is none": ("UPDATE seats_taken SET position = 9999 WHERE position = 1", "no seat"),
    "a seat of the dead": ("UPDATE bookings SET status = 'CANCELLED' WHERE user_id = 'seated 0'",
                           "not its booking's"),
    "a list that is longer": ("ALTER TABLE bookings DROP CONSTRAINT as_many_seats_as_places;"
                              "UPDATE bookings SET seats = seats || 9 WHERE seats[1] = 1",
                              "list is not"),
    "a list of others": ("UPDATE bookings SET seats = '{1,2,9}' WHERE seats[1] = 1", "list is not"),
    "an unknown tier": ("UPDATE bookings SET tier = 9 WHERE user_id = 'user 3'", "no tier"),
}


@pytest.fixture
def quiet(world):
    """A little of everything, and then nobody who would mend what the test breaks."""
    world.show("one", {"GA": (500, 40)}, number=1, max_per_user=2)
    world.show("two", {"A": (100, 50), "B": (200, 50)}, number=2, max_per_booking=20)
    world.start_redis()
    seats_show(world, number=3)
    world.start(gateways=0)
    world.wait_owner()
    stream = Stream(world.redis_client())
    for n in range(2):
        stream.ask(BOOK, show=3, user=f"seated {n}", lines=[(1, 3)])
    for n in range(6):
        stream.ask(BOOK, user=f"user {n}")
    stream.ask(BOOK, user="greedy", lines=[(1, 3)])
    holds = [stream.ask(HOLD, show=2, user=f"holder {n}", lines=[(1, 2), (2, 3)] if n % 2 else [(2, 1)])
             .booking["id"] for n in range(4)]
    stream.ask(CONFIRM, show=2, booking=holds[1], user="")
    stream.ask(CANCEL, show=2, booking=holds[2], user="")
    world.judge()
    world.allocators[0].stop()
    world.reconnect()
    return world


def test_a_clean_world_is_clean(quiet):
    assert judge.judge(quiet.connection, quiet.redis_client()) == []


def test_doctored_databases(quiet):
    connection = quiet.connection
    connection.autocommit = False
    for name, (statement, word) in DATABASES.items():
        connection.cursor().execute("SET LOCAL session_replication_role = replica; " + statement)
        found = judge.judge_database(connection)
        connection.rollback()
        assert any(word in sentence for sentence in found), (name, found)
    connection.autocommit = True


def test_a_journal_that_contradicts_itself(quiet):
    """Two decisions for one id; a refusal for what was made."""
    last = quiet.rows("SELECT * FROM batches ORDER BY version DESC LIMIT 1")[0]
    answers = {raw: data for _, _, raw, data in judge.read_journal(quiet.connection)}
    made = next(iter(judge.read_bookings(quiet.connection)))
    fields = unpack(answers[made])
    refusal = pack([1, *fields[1:5], None, None, 0])
    for items, word in (([[made, "g", refusal]], "two decisions"),
                        ([[bytes([0, 0, 0, 1]) + bytes(12), "g", answers[made]]], "another")):
        quiet.connection.cursor().execute(
            "UPDATE batches SET answers = %s WHERE version = %s", (pack(items), last["version"]))
        found = judge.judge_journal(quiet.connection)
        assert found, word
    quiet.connection.cursor().execute("UPDATE batches SET answers = %s WHERE version = %s",
                                      (bytes(last["answers"]), last["version"]))
    assert judge.judge_journal(quiet.connection) == []


def other_id(raw):
    """Of the same show, and nobody's."""
    return raw[:15] + bytes([raw[15] ^ 1])


def doctored_redis(redis, generation):
    """Each breaks one thing; name → deed."""
    key = f"usher:{{1}}:{generation}:"
    raw, data = next(iter(redis.hgetall(f"{key}bookings:1").items()))
    answers = Answers(redis)

    seated, its_data = next(iter(redis.hgetall(f"{key}bookings:3").items()))

    def change_seats():
        fields = unpack(its_data)
        other_seats(fields)
        redis.hset(f"{key}bookings:3", seated, pack(fields))

    def change(index, value):
        fields = unpack(data)
        fields[index] = value
        redis.hset(f"{key}bookings:1", raw, pack(fields))
    return {
        "a counter": lambda: redis.hincrby(f"{key}show:1", "1:available", 1),
        "a price": lambda: redis.hset(f"{key}show:1", "1:price", 1),
        "a rule": lambda: redis.hset(f"{key}show:1", "max_per_user", 9),
        "a user's count": lambda: redis.hincrby(f"{key}users:1", "user 1", 1),
        "a stranger": lambda: redis.hset(f"{key}users:1", "eve", 1),
        "a booking lost": lambda: redis.hdel(f"{key}bookings:1", raw),
        "a booking too many": lambda: redis.hset(f"{key}bookings:1", other_id(raw), data),
        "its state": lambda: change(0, 2),
        "its user": lambda: change(1, "eve"),
        "its places": lambda: change(8, 7),
        "its seats": change_seats,
        "a seat": lambda: redis.setrange(f"{key}seats:3", 0, b"\x00"),
        "no seats": lambda: redis.delete(f"{key}seats:3"),
        "a hold lost": lambda: redis.zremrangebyrank(f"{key}holds", 0, 0),
        "a hold moved": lambda: redis.zincrby(f"{key}holds", 5, redis.zrange(f"{key}holds", 0, 0)[0]),
        "the version": lambda: redis.hincrby("usher:{1}:state", "version", 1),
        "the epoch": lambda: redis.hincrby("usher:{1}:state", "epoch", 1),
        "the generation": lambda: redis.hset("usher:{1}:state", "generation", "x"),
        "unclean": lambda: redis.hset("usher:{1}:state", "clean", 0),
        "unpublished": lambda: redis.hset("usher:{1}:state", "published", 1),
        "availability": lambda: redis.set("usher:{1}:availability:1", pack([1, 1, [[1, 40, 9, 0, 31, 0]]])),
        "a false refusal": lambda: answers.put(raw, pack([1, 1, 1, b"f" * 8, 1, None, None, 0])),
        "a false grant": lambda: answers.put(other_id(raw), answers.get(raw)),
        "another false refusal": lambda: redis.set(
            answers.keys.reply(raw), pack([1, 1, 1, b"f" * 8, 1, None, None, 0]), ex=600),
        "an answer for ever": lambda: redis.persist(answers.keys.answer(raw)[0]),
        "undecided": lambda: redis.xadd("usher:{1}:requests", {"b": pack([])}),
        "nothing left": redis.flushall,
    }


def test_doctored_redis(quiet):
    redis = quiet.redis_client()
    generation = quiet.value("SELECT generation FROM partitions")
    saved = {key: (redis.dump(key), max(redis.pttl(key), 0)) for key in redis.keys()}
    for name in doctored_redis(redis, generation):
        doctored_redis(redis, generation)[name]()
        found = judge.judge_redis(quiet.connection, redis)
        redis.flushall()
        for key, (data, left_ms) in saved.items():
            redis.restore(key, left_ms, data, replace=True)
        assert found, name
    assert judge.judge_redis(quiet.connection, redis) == []


def history(quiet):
    """What the clients of the quiet world would remember."""
    asks = []
    for booking in judge.read_bookings(quiet.connection).values():
        hold = booking["user_id"].startswith("holder")
        ask = Ask(booking["user_id"], {"tier": booking["lines"]}, key=booking["user_id"])
        ask.sendings = 1
        said = {"id": id_text(booking["raw"]), "user": booking["user_id"], "quantity": booking["quantity"],
                "amount": booking["amount"], "status": "HELD" if hold else "CONFIRMED"}
        ask.answers.append((201, json.dumps(said).encode()))
        if booking["status"] in ("CONFIRMED", "CANCELLED") and hold:
            change = Ask(ask.user, {}, key="c")
            change.answers.append((200, b"{}"))
            ask.changes.append(("confirm" if booking["status"] == "CONFIRMED" else "cancel", change))
        asks.append(ask)
    refused = Ask("greedy", {"tier": {1: 3}}, key="greedy")
    refused.answers.append((409, b"{}"))
    return asks + [refused]


def lines(body):
    return {tier: line[0] if isinstance(line, tuple) else line for tier, line in body["tier"].items()}


def edit(ask, **changes):
    said = json.loads(ask.answers[0][1])
    said.update(changes)
    ask.answers[0] = (ask.answers[0][0], json.dumps(said).encode())


DOCTORED_HISTORIES = {
    "told twice differently": lambda asks: asks[0].answers.append((409, b"{}")),
    "told of another booking": lambda asks: edit(asks[0], id="0" * 26),
    "told another amount": lambda asks: edit(asks[0], amount=1),
    "told another quantity": lambda asks: edit(asks[0], quantity=9),
    "refused and has one": lambda asks: asks[0].answers.__setitem__(0, (409, b"{}")),
    "timed out and has one": lambda asks: asks[0].answers.__setitem__(0, (504, b"{}")),
    "granted and has none": lambda asks: asks[-1].answers.__setitem__(
        0, (201, asks[0].answers[0][1])),
    "asked for other places": lambda asks: asks[0].body.__setitem__("tier", {1: 9}),
    "never asked": lambda asks: asks.pop(0),
    "a hold that was never confirmed": lambda asks: next(
        a for a in asks if a.outcome("confirm")).changes.clear(),
    "a booking that nobody cancelled": lambda asks: next(
        a for a in asks if a.outcome("cancel")).changes.clear(),
    "a cancellation without effect": lambda asks: asks[0].changes.append(
        ("cancel", next(a for a in asks if a.outcome("cancel")).changes[0][1])),
}


def test_doctored_histories(quiet):
    assert judge.judge_history(quiet.connection, history(quiet), lines) == []
    for name, doctor in DOCTORED_HISTORIES.items():
        asks = history(quiet)
        doctor(asks)
        assert judge.judge_history(quiet.connection, asks, lines), name
