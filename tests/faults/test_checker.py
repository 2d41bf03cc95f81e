"""The checker can fail: doctored histories, databases, journals and Redis, and who must speak.

A quiet run of the whole system gives evidence without a violation. Each row of the table below then
spoils one thing (in a copy, in a transaction that is rolled back, in a Redis that is restored) and
names the invariant that has to say so. A test makes sure that every invariant has such a row.
"""

import copy
import json
import tempfile
import time
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest

from venue import Venue  # first: it makes the harness importable
import checker
import faults
import schedule
from clients import Crowd
from harness.answers import Answers
from harness.words import (BOOK, GRANTED, HOLD, Keys, Reply, fresh_id, id_bytes, id_text, pack,
                           unpack)
from history import History, load
from witness import TRIGGERS, RedisWitness

QUIET_SECONDS = 8
DOCTORED = []


def doctored(what, *invariants):
    """A row: what is spoiled ("history", "postgres" or "redis"), and who must speak."""
    def enter(act):
        DOCTORED.append(pytest.param(what, act, invariants, id=act.__name__))
        return act
    return enter


# Evidence of a run in which nothing broke.

class Quiet:
    """A venue at rest, and what its clients remember."""

    def __init__(self, folder):
        self.venue = Venue(folder, 1).build()
        self.venue.postgres.run("usher", TRIGGERS)
        self.history = History(folder / "history.jsonl")
        self.witness = RedisWitness(self.venue.redis.port).start()
        crowd = Crowd(self.venue, self.history, 1, people=16, pause=0.15).start()
        time.sleep(QUIET_SECONDS)
        crowd.stop()
        assert crowd.join(60)
        self.redis = self.venue.redis.client()
        self.connection = self.venue.connect()
        assert checker.wait_for_rest(self.connection, self.redis) is None
        for allocator in self.venue.allocators:  # nobody mends what is spoiled
            allocator.stop()
        self.dump = {key: (self.redis.dump(key), max(self.redis.pttl(key), 0))
                     for key in self.redis.keys()}

    def evidence(self, history=None, connection=None, witness=None):
        return checker.Evidence(history or self.history, connection or self.connection, self.redis,
                                witness or [], set())

    def copy_of_history(self):
        history = History()
        history.wishes = copy.deepcopy(self.history.wishes)
        return history

    def restore_redis(self):
        self.redis.flushall()
        for key, (value, left_ms) in self.dump.items():
            self.redis.restore(key, left_ms, value)

    def close(self):
        self.witness.close()
        self.history.close()
        self.connection.close()
        self.venue.close()
        self.venue.unmount()


@pytest.fixture(scope="session")
def quiet():
    with tempfile.TemporaryDirectory(prefix="usher-faults-") as name:
        Path(name).chmod(0o755)
        made = Quiet(Path(name))
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="session")
def clean(quiet):
    return quiet.evidence(witness=quiet.witness.found)


def spoken(evidence):
    return {name for _, name, _ in checker.judge_all(evidence)}


def test_nothing_is_wrong_when_nothing_was_broken(quiet, clean):
    assert checker.judge_all(clean) == []
    assert len(clean.first) > 300, "the crowd did too little to show anything"
    codes = {decision.reply.code for decision in clean.first.values()}
    assert {GRANTED, checker.CODES["SOLD_OUT"], checker.CODES["ALREADY_BOOKED"]} & codes
    assert quiet.venue.ctl("verify").code == 0 or not quiet.venue.all_alive()


def test_a_history_on_disk_is_the_history(quiet):
    quiet.history._file.flush()
    again = load(quiet.venue.folder / "history.jsonl")
    assert {n: w.decided() for n, w in again.wishes.items()} == \
        {n: w.decided() for n, w in quiet.history.wishes.items()}
    assert checker.judge_all(quiet.evidence(again)) == []


@pytest.mark.parametrize("what, act, invariants", DOCTORED)
def test_what_is_spoiled_is_found(quiet, clean, what, act, invariants):
    missed = set(invariants) - {"history": spoil_history, "postgres": spoil_postgres,
                                "redis": spoil_redis}[what](quiet, clean, act)
    assert not missed, f"silent: {missed}"


def spoil_history(quiet, clean, act):
    history = quiet.copy_of_history()
    act(clean, history)
    return spoken(quiet.evidence(history))


def spoil_postgres(quiet, clean, act):
    connection = quiet.venue.connect()
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            # The database would refuse most of this: first its guards are taken away.
            drop_checks(connection, cursor)
            cursor.execute("SET LOCAL session_replication_role = replica")
            act(clean, cursor)
        return spoken(quiet.evidence(connection=connection))
    finally:
        connection.rollback()
        connection.close()


def spoil_redis(quiet, clean, act):
    try:
        act(clean, quiet.redis)
        return spoken(quiet.evidence())
    finally:
        quiet.restore_redis()


DEADLOCKS_MAX = 10
DROP_CHECKS = """
DO $$ DECLARE c record; BEGIN
  FOR c IN SELECT conrelid::regclass AS of_table, conname FROM pg_constraint
           WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND conrelid <> 0 LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.of_table, c.conname);
  END LOOP;
END $$"""


def drop_checks(connection, cursor):
    """The daemons live on and read these tables, in an order of their own."""
    for left in reversed(range(DEADLOCKS_MAX)):
        try:
            cursor.execute(DROP_CHECKS)
            return
        except psycopg2.errors.DeadlockDetected:
            connection.rollback()
            if left == 0:
                raise


def test_every_invariant_has_a_row():
    named = {name for row in DOCTORED for name in row.values[2]}
    assert {name for _, name, _, _ in checker.INVARIANTS} - named == {"redis_witness_is_silent"}
    # … which has tests of its own, below.


# Histories.

def wishes(history, fits):
    found = [wish for wish in history.wishes.values() if fits(wish)]
    assert found, "the crowd wished nothing like it"
    return found


def a_granted(history, kind="take", key=True):
    return wishes(history, lambda w: w.kind == kind and (w.key is not None) == key and
                  any(said["status"] in (200, 201) for said in w.decided()))[0]


def said_by(wish):
    return wish.decided()[0]


def rewrite(said, **members):
    said["body"] = json.dumps({**json.loads(said["body"]), **members})


@doctored("history", "acknowledged_is_there", "told_is_decided")
def told_of_a_booking_that_is_not_there(_clean, history):
    wish = a_granted(history)
    for said in wish.decided():
        said["id"] = id_text(fresh_id(wish.show, int(time.time() * 1000)))
        rewrite(said, id=said["id"])


@doctored("history", "told_is_decided")
def told_of_more_places_than_were_given(_clean, history):
    said = said_by(a_granted(history))
    rewrite(said, quantity=json.loads(said["body"])["quantity"] + 1)


@doctored("history", "told_is_decided")
def told_another_reason(_clean, history):
    wish = wishes(history, lambda w: w.decided() and said_by(w)["status"] == 409)[0]
    code = json.loads(said_by(wish)["body"])["code"]
    for said in wish.decided():
        rewrite(said, code="LIMIT_EXCEEDED" if code == "SOLD_OUT" else "SOLD_OUT")


@doctored("history", "told_is_decided")
def told_granted_what_was_refused(clean, history):
    wish = wishes(history, lambda w: w.kind == "take" and w.decided() and
                  said_by(w)["status"] == 409)[0]
    granted = said_by(a_granted(history))
    for said in wish.decided():
        said["status"], said["body"] = granted["status"], granted["body"]


@doctored("history", "acknowledged_is_there")
def told_of_another_ones_booking(_clean, history):
    rewrite(said_by(a_granted(history)), user="somebody else")


@doctored("history", "acknowledged_is_there")
def told_confirmed_what_is_cancelled_now(clean, history):
    """Nobody cancelled it: the journal knows of no such change."""
    wish = wishes(history, lambda w: w.kind == "take" and w.op == "HOLD" and w.decided() and
                  said_by(w)["status"] == 201 and clean.bookings[
                      id_bytes(json.loads(said_by(w)["body"])["id"])]["status"] == "EXPIRED")[0]
    rewrite(said_by(wish), status="CONFIRMED")


@doctored("history", "answers_are_equal")
def two_answers_under_one_key(_clean, history):
    wish = wishes(history, lambda w: w.key is not None and len(w.decided()) > 1)[0]
    rewrite(wish.decided()[1], amount=1, error="another")


@doctored("history", "answers_are_equal")
def two_ids_under_one_key(_clean, history):
    wish = wishes(history, lambda w: w.key is not None and len(w.decided()) > 1)[0]
    wish.decided()[1]["id"] = id_text(fresh_id(wish.show, 0))


@doctored("history", "keys_are_not_reused")
def a_key_that_was_reused(_clean, history):
    granted = said_by(a_granted(history))
    wish = wishes(history, lambda w: w.kind == "reuse" and w.decided())[0]
    said_by(wish).update(status=201, body=granted["body"])


@doctored("history", "everything_was_asked_for")
def nobody_asked(_clean, history):
    del history.wishes[a_granted(history).number]


@doctored("history", "everything_was_asked_for")
def somebody_asked_for_something_else(_clean, history):
    wish = a_granted(history)
    wish.lines = {tier: places + 1 for tier, places in wish.lines.items()}


@doctored("history", "changes_were_asked_for")
def nobody_asked_for_the_change(_clean, history):
    del history.wishes[a_granted(history, "change").number]


@doctored("history", "changes_were_asked_for")
def another_change_was_asked_for(_clean, history):
    wish = a_granted(history, "change")
    wish.op = "CANCEL" if wish.op == "CONFIRM" else "CONFIRM"


@doctored("history", "timed_out_is_nothing")
def told_timed_out_and_granted(_clean, history):
    for said in a_granted(history).decided():
        said["status"] = 504
        rewrite(said, code="TIMED_OUT")


@doctored("history", "timed_out_is_nothing", "answers_are_equal", "told_is_decided")
def granted_and_then_told_timed_out(_clean, history):
    wish = wishes(history, lambda w: w.kind == "take" and w.key is not None and
                  len(w.decided()) > 1 and said_by(w)["status"] == 201)[0]
    last = wish.decided()[-1]
    last["status"] = 504
    rewrite(last, code="TIMED_OUT")


@doctored("history", "timed_out_is_nothing", "answers_are_equal", "told_is_decided")
def told_timed_out_of_what_had_been_granted(clean, history):
    """Asked again since; but the booking is older than the 504."""
    wish = wishes(history, lambda w: w.kind == "take" and w.key is not None and
                  len(w.decided()) > 1 and said_by(w)["status"] == 201)[0]
    first = said_by(wish)
    first["status"] = 504
    rewrite(first, code="TIMED_OUT")
    for said in wish.exchanges:
        said["begin"] += 60
        said["end"] += 60


@doctored("history", "timed_out_is_nothing")
def granted_after_its_deadline(clean, history):
    wish = a_granted(history)
    decision = clean.first[id_bytes(said_by(wish)["id"])]
    wish.deadline_at_ms = decision.reply.at_ms - 1


@doctored("history", "order_is_of_time")
def decided_before_it_was_asked(clean, history):
    raw = next(raw for raw in clean.first if raw in clean.wish_of)
    for said in history.wishes[clean.wish_of[raw].number].exchanges:
        said["begin"] += 1000
        said["end"] += 1000


@doctored("history", "reads_are_fresh")
def a_stale_read(clean, history):
    """It was cancelled, its owner knew, and still it is shown as before."""
    wish = wishes(history, lambda w: w.kind == "read" and w.op == "booking" and any(
        x["status"] == 200 and json.loads(x["body"])["status"] == "CANCELLED"
        for x in w.exchanges))[0]
    rewrite(wish.exchanges[0], status="CONFIRMED")


@doctored("history", "reads_are_fresh")
def a_booking_that_is_not_found(_clean, history):
    wish = wishes(history, lambda w: w.op == "booking" and w.exchanges[0]["status"] == 200)[0]
    wish.exchanges[0]["status"] = 404


@doctored("history", "availability_adds_up")
def availability_that_does_not_add_up(_clean, history):
    wish = wishes(history, lambda w: w.op == "availability")[0]
    tiers = json.loads(wish.exchanges[0]["body"])["tiers"]
    tiers[0]["held"] += 1
    rewrite(wish.exchanges[0], tiers=tiers)


@doctored("history", "no_internal_errors")
def an_error_of_ours(_clean, history):
    wish = wishes(history, lambda w: w.op == "show")[0]
    wish.exchanges[0]["status"] = 500


@doctored("history", "no_internal_errors")
def refused_at_the_door_for_ever(_clean, history):
    wish = wishes(history, lambda w: w.op == "show")[0]
    wish.exchanges[0].update(status=503, error="no Retry-After")


@doctored("history", "nothing_is_stuck")
def never_decided(_clean, history):
    for said in a_granted(history).exchanges:
        said.update(status=202)


@doctored("history", "accepted_is_decided")
def lost_from_the_queue(clean, history):
    """The journal knows nothing of it, and no fault explains that."""
    wish = wishes(history, lambda w: w.row == "respond_async" and
                  any(x["status"] == 202 and x["what"] == "ask" for x in w.exchanges))[0]
    fresh = id_text(fresh_id(wish.show, int(time.time() * 1000)))
    for said in wish.exchanges:
        said["id"] = fresh


def test_a_504_by_absence_ends_its_sending_only(quiet, clean):
    """Somebody was told 504 because nobody knew of the request, and asked again under the key."""
    history = quiet.copy_of_history()
    wish = next(w for w in reversed(list(history.wishes.values())) if w.kind == "take" and
                w.key is not None and len(w.decided()) == 1 and said_by(w)["status"] == 201)
    told = {**said_by(wish), "status": 504, "begin": wish.begin - 35, "end": wish.begin - 1}
    rewrite(told, code="TIMED_OUT")
    wish.exchanges.insert(0, {**told, "what": "ask", "status": 202, "end": wish.begin - 33})
    wish.exchanges.insert(1, {**told, "what": "poll"})
    assert spoken(quiet.evidence(history)) == set()


# Databases.

def one(cursor, statement, *parameters):
    cursor.execute(statement, parameters or None)
    row = cursor.fetchone()
    assert row is not None, statement
    return row


@doctored("postgres", "postgres_is_whole")
def a_counter_that_is_off(_clean, cursor):
    cursor.execute("UPDATE tiers SET available = available - 1, held = held + 1"
                   " WHERE (show, tier) = (1, 1)")


@doctored("postgres", "postgres_is_whole", "recount_equals_postgres")
def a_place_out_of_nothing(_clean, cursor):
    cursor.execute("UPDATE tiers SET available = available + 1 WHERE (show, tier) = (1, 1)")


@doctored("postgres", "postgres_is_whole")
def a_person_with_too_much(_clean, cursor):
    cursor.execute("UPDATE shows SET max_per_user = 1")


@doctored("postgres", "postgres_is_whole")
def a_booking_without_its_lines(_clean, cursor):
    booking, = one(cursor, "SELECT booking FROM booking_items LIMIT 1")
    cursor.execute("DELETE FROM booking_items WHERE booking = %s", [booking])


@doctored("postgres", "postgres_is_whole", "recount_equals_postgres", "everything_was_asked_for")
def a_booking_that_nobody_made(_clean, cursor):
    raw = fresh_id(1, int(time.time() * 1000))
    cursor.execute("INSERT INTO bookings SELECT (%s)::uuid, created_ms, expires_ms, amount,"
                   " fingerprint, show, tier, quantity, price, status, 'nobody', origin"
                   " FROM bookings WHERE show = 1 AND status = 'CONFIRMED' AND tier > 0 LIMIT 1",
                   [raw.hex()])
    cursor.execute("UPDATE tiers t SET available = available - quantity,"
                   " confirmed = confirmed + quantity FROM bookings b"
                   " WHERE b.id = (%s)::uuid AND t.show = b.show AND t.tier = b.tier", [raw.hex()])


@doctored("postgres", "recount_equals_postgres", "acknowledged_is_there")
def a_booking_that_is_lost(_clean, cursor):
    """Counters and all: Postgres by itself is whole."""
    booking, show, tier, quantity = one(
        cursor, "DELETE FROM bookings b WHERE id = (SELECT id FROM bookings WHERE tier > 0"
        " AND status = 'CONFIRMED' AND origin IS NULL AND id NOT IN"
        " (SELECT booking FROM booking_changes) LIMIT 1)"
        " RETURNING id, show, tier, quantity")
    assert booking
    cursor.execute("UPDATE tiers SET confirmed = confirmed - %s, available = available + %s"
                   " WHERE show = %s AND tier = %s", [quantity, quantity, show, tier])


@doctored("postgres", "recount_equals_postgres", "acknowledged_is_there")
def a_booking_cancelled_by_nobody(_clean, cursor):
    show, tier, quantity = one(
        cursor, "UPDATE bookings SET status = 'CANCELLED' WHERE id = (SELECT id FROM bookings"
        " WHERE tier > 0 AND status = 'CONFIRMED' LIMIT 1) RETURNING show, tier, quantity")
    cursor.execute("UPDATE tiers SET confirmed = confirmed - %s, available = available + %s"
                   " WHERE show = %s AND tier = %s", [quantity, quantity, show, tier])


@doctored("postgres", "acknowledged_is_there")
def a_booking_of_another_person(_clean, cursor):
    cursor.execute("UPDATE bookings SET user_id = 'somebody else' WHERE status = 'CONFIRMED'")


@doctored("postgres", "recount_equals_postgres")
def a_hold_with_another_end(_clean, cursor):
    cursor.execute("UPDATE bookings SET expires_ms = expires_ms - 1 WHERE status = 'EXPIRED'")


@doctored("postgres", "no_hold_is_stuck", "recount_equals_postgres")
def a_hold_that_never_ends(_clean, cursor):
    cursor.execute("UPDATE bookings SET status = 'HELD', expires_ms = created_ms + 1000"
                   " WHERE id = (SELECT id FROM bookings WHERE status = 'EXPIRED' LIMIT 1)")


@doctored("postgres", "no_hold_is_stuck")
def a_hold_that_ended_early(_clean, cursor):
    cursor.execute("UPDATE bookings SET expires_ms = expires_ms + 3600000"
                   " WHERE status = 'EXPIRED'")


@doctored("postgres", "shows_are_whole")
def half_a_show(_clean, cursor):
    cursor.execute("INSERT INTO shows (show, slug, name, partition) VALUES (99, 'half', 'Half', 1)")


@doctored("postgres", "changes_were_asked_for")
def a_change_that_nobody_made(_clean, cursor):
    cursor.execute("INSERT INTO booking_changes SELECT (%s)::uuid, booking, op, at_ms, answer"
                   " FROM booking_changes LIMIT 1", [fresh_id(1, 0).hex()])


@doctored("postgres", "journal_runs_forward", "postgres_is_whole")
def a_gap_in_the_journal(_clean, cursor):
    cursor.execute("DELETE FROM batches WHERE version = 5")


@doctored("postgres", "journal_runs_forward")
def an_epoch_that_runs_backwards(_clean, cursor):
    cursor.execute("UPDATE batches SET epoch = epoch + 1 WHERE version = 5")


@doctored("postgres", "journal_runs_forward")
def a_clock_that_runs_backwards(_clean, cursor):
    cursor.execute("UPDATE batches SET now_ms = now_ms + 3600000 WHERE version = 5")


@doctored("postgres", "journal_runs_forward")
def a_cursor_that_the_journal_does_not_know(_clean, cursor):
    cursor.execute("UPDATE partitions SET cursor = '1-1'")


@doctored("postgres", "postgres_witness_is_silent")
def a_commit_under_another_epoch(_clean, cursor):
    cursor.execute("SET LOCAL session_replication_role = origin")
    cursor.execute("INSERT INTO batches SELECT partition, version + 1000000, epoch + 1, cursor,"
                   " now_ms, answers FROM batches LIMIT 1")


@doctored("postgres", "postgres_witness_is_silent")
def a_cursor_that_moves_alone(_clean, cursor):
    cursor.execute("SET LOCAL session_replication_role = origin")
    cursor.execute("UPDATE partitions SET cursor = split_part(cursor, '-', 1)::bigint + 1 || '-0'")


# Journals: what was decided, told otherwise.

def journal(cursor, fits):
    """The first batch with an answer that fits: (partition, version, its answers, which one)."""
    cursor.execute("SELECT partition, version, answers FROM batches ORDER BY 1, 2")
    for partition, version, packed in cursor.fetchall():
        answers = unpack(bytes(packed))
        for index, (_raw, _to, answer) in enumerate(answers):
            if fits(Reply(answer)):
                return partition, version, answers, index
    raise AssertionError("no answer in the journal fits")


def write(cursor, partition, version, answers):
    cursor.execute("UPDATE batches SET answers = %s WHERE partition = %s AND version = %s",
                   [pack(answers), partition, version])


def with_answer(cursor, fits, change):
    partition, version, answers, index = journal(cursor, fits)
    fields = unpack(answers[index][2])
    change(fields)
    answers[index][2] = pack(fields)
    write(cursor, partition, version, answers)


def is_grant(reply):
    return reply.code == GRANTED and reply.op in (BOOK, HOLD) and reply.available is not None


@doctored("postgres", "decisions_are_true")
def another_number_was_left(_clean, cursor):
    with_answer(cursor, is_grant, lambda fields: fields.__setitem__(6, fields[6] + 1))


@doctored("postgres", "decisions_are_true")
def sold_out_with_places_left(_clean, cursor):
    def change(fields):
        fields[0], fields[5] = checker.CODES["SOLD_OUT"], None
    with_answer(cursor, lambda r: is_grant(r) and r.available > 1000, change)


@doctored("postgres", "decisions_are_true")
def refused_as_late_before_its_deadline(_clean, cursor):
    with_answer(cursor, lambda r: r.code == checker.CODES["SOLD_OUT"],
                lambda fields: fields.__setitem__(0, checker.TIMED_OUT))


@doctored("postgres", "decisions_are_true")
def the_order_of_two_batches_swapped(_clean, cursor):
    partition, first, one_half, _ = journal(cursor, is_grant)
    cursor.execute("SELECT version, answers FROM batches WHERE partition = %s AND version > %s"
                   " AND octet_length(answers) > 100 ORDER BY 1 OFFSET 40 LIMIT 1",
                   [partition, first])
    second, packed = cursor.fetchone()
    write(cursor, partition, first, unpack(bytes(packed)))
    write(cursor, partition, second, one_half)


@doctored("postgres", "one_decision_an_id", "decisions_are_true", "postgres_is_whole")
def two_decisions_for_one_id(_clean, cursor):
    partition, version, answers, index = journal(cursor, is_grant)
    fields = unpack(answers[index][2])
    fields[0], fields[5] = checker.CODES["SOLD_OUT"], None
    write(cursor, partition, version, answers + [[answers[index][0], b"", pack(fields)]])


@doctored("postgres", "decisions_are_true")
def a_request_that_could_not_be_decided(_clean, cursor):
    with_answer(cursor, lambda r: r.code != GRANTED,
                lambda fields: fields.__setitem__(0, checker.CODES["INTERNAL"]))


@doctored("postgres", "decisions_are_true")
def a_hold_that_is_longer_than_its_show_says(_clean, cursor):
    def change(fields):
        fields[5][4] += 1
    with_answer(cursor, lambda r: r.code == GRANTED and r.op == HOLD, change)


@doctored("postgres", "decisions_are_true")
def a_confirmation_of_what_was_over(_clean, cursor):
    """The hold ran out, and then it was confirmed."""
    def change(fields):
        fields[5][4] -= 3600000
    with_answer(cursor, lambda r: r.code == GRANTED and r.op == HOLD, change)


# Redis.

def live_show(clean, client):
    partition = clean.partitions[1]
    return Keys(1), partition["generation"], Keys(1).of_generation(partition["generation"], "show:1")


@doctored("redis", "redis_equals_postgres")
def a_counter_in_redis(clean, client):
    client.hincrby(live_show(clean, client)[2], "1:available", 1)


@doctored("redis", "redis_equals_postgres")
def a_person_in_redis(clean, client):
    keys, generation, _ = live_show(clean, client)
    client.hincrby(keys.of_generation(generation, "users:1"), "somebody", 1)


@doctored("redis", "redis_equals_postgres")
def a_booking_missing_in_redis(clean, client):
    keys, generation, _ = live_show(clean, client)
    name = keys.of_generation(generation, "bookings:1")
    client.hdel(name, next(iter(client.hgetall(name))))


@doctored("redis", "redis_equals_postgres")
def a_hold_left_in_redis(clean, client):
    keys, generation, _ = live_show(clean, client)
    client.zadd(keys.of_generation(generation, "holds"), {fresh_id(1, 0): 1})


@doctored("redis", "redis_equals_postgres")
def another_version_in_redis(_clean, client):
    client.hincrby(Keys(1).state, "version", 1)


@doctored("redis", "redis_equals_postgres")
def a_state_that_is_unclean(_clean, client):
    client.hset(Keys(2).state, "clean", 0)


@doctored("redis", "redis_equals_postgres")
def an_entry_left_in_the_stream(_clean, client):
    client.xadd(Keys(1).requests, {"b": pack([])})


@doctored("redis", "redis_equals_postgres")
def a_refusal_for_somebody_who_has_a_booking(clean, client):
    raw = next(raw for raw, b in clean.bookings.items() if b["show"] == 1)
    refused = next(d for d in clean.first.values() if d.reply.code != GRANTED)
    Answers(client).put(raw, refused.bytes)


@doctored("redis", "redis_equals_postgres")
def answers_that_stay_for_ever(_clean, client):
    client.persist(next(client.scan_iter(match=Keys(1).answers("*"), count=1000)))


@doctored("redis", "redis_equals_postgres")
def availability_of_another_day(_clean, client):
    number, version, counts = unpack(client.get(Keys(1).availability(1)))
    counts[0][2] += 1
    client.set(Keys(1).availability(1), pack([number, version, counts]))


# The witness of Redis.

def seen(*lines):
    witness = RedisWitness(0)
    for line in lines:
        witness.see(line.encode())
    return witness.found


CLIENT, SCRIPT = '+1700000000.000001 [0 127.0.0.1:5000] ', '+1700000000.000002 [0 lua] '
STATE = '"usher:{1}:state"'
TAKE_7, TAKE_8 = (f'{SCRIPT}"HSET" {STATE} "epoch" "{n}"' for n in (7, 8))
UNCLEAN = f'{SCRIPT}"HSET" {STATE} "clean" "0"'


def decide(epoch):
    return f'{CLIENT}"EVALSHA" "abc" "2" {STATE} "usher:{{1}}:answers:1" "{epoch}" "7" "3" "0"'


def test_the_witness_of_redis_is_silent_about_an_owner():
    assert seen(TAKE_7, decide(7), UNCLEAN, TAKE_8, decide(8), UNCLEAN) == []


def test_the_witness_of_redis_sees_a_zombie():
    found = seen(TAKE_7, decide(7), UNCLEAN, TAKE_8, decide(7), UNCLEAN)
    assert found == ["partition 1: its state in Redis was changed under epoch 7 while 8 has it"]


def test_the_witness_of_redis_sees_an_epoch_that_runs_backwards():
    assert seen(TAKE_8, TAKE_7) == ["partition 1: Redis was taken with epoch 7 after 8"]


def test_the_witness_of_redis_knows_nothing_of_an_emptied_one():
    assert seen(TAKE_8, f'{CLIENT}"FLUSHALL"', TAKE_7, decide(7), UNCLEAN) == []


def test_what_the_witness_of_redis_saw_is_a_violation(quiet):
    assert spoken(quiet.evidence(witness=["somebody did something"])) == \
        {"redis_witness_is_silent"}


# The schedule.

def test_a_seed_is_a_schedule():
    assert schedule.plan(7, 120, faults.ROWS) == schedule.plan(7, 120, faults.ROWS)
    assert schedule.plan(7, 120, faults.ROWS) != schedule.plan(8, 120, faults.ROWS)


def test_the_default_run_has_every_fault():
    for seed in range(20):
        events = schedule.plan(seed, 150, faults.ROWS)
        missing = set(faults.ROWS) - {event.name for event in events}
        assert len(missing) <= len(faults.ROWS) // 4, (seed, missing)
        assert all(event.at + event.lasting < 150 for event in events)


def test_thirty_minutes_have_at_least_two_hundred_faults():
    assert len(schedule.plan(1, 30 * 60, faults.ROWS)) >= 200
