"""The checker can fail: doctored histories, databases, journals, books and Redis, and who must speak.

A quiet run of the whole system gives evidence without a violation. Each row of doctored_*.py then
spoils one thing (in a copy, in a transaction that is rolled back, in a Redis that is restored) and
names the invariant that has to say so. A test makes sure that every invariant has such a row.
"""

import copy
import tempfile
import time
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest

from venue import Venue  # first: it makes the harness importable
import checker
# Each enters its rows into the table.
import doctored_asked  # noqa: F401
import doctored_journal  # noqa: F401
import doctored_money  # noqa: F401
import doctored_postgres  # noqa: F401
import doctored_redis  # noqa: F401
import doctored_seats  # noqa: F401
import doctored_told  # noqa: F401
import doctored_waiting  # noqa: F401
from clients import Crowd
from doctoring import DOCTORED, rewrite, said_by
from harness.words import GRANTED
from history import History, load
from witness import TRIGGERS, RedisWitness

QUIET_SECONDS = 12


# Evidence of a run in which nothing broke.

class Quiet:
    """A venue at rest, and what its clients remember."""

    def __init__(self, folder):
        self.venue = Venue(folder, 1).build()
        self.venue.postgres.run("usher", TRIGGERS)
        self.history = History(folder / "history.jsonl")
        self.witness = RedisWitness(self.venue.redis.port).start()
        crowd = Crowd(self.venue, self.history, 1, people=16, pause=0.2).start()
        time.sleep(QUIET_SECONDS)
        crowd.stop()
        assert crowd.join(60)
        self.redis = self.venue.redis.client()
        self.connection = self.venue.connect()
        assert checker.wait_for_rest(self.connection, self.redis) is None
        self.books = checker.Books.of(self.venue.provider)
        for allocator in self.venue.allocators:  # nobody mends what is spoiled
            allocator.stop()
        self.dump = {key: (self.redis.dump(key), max(self.redis.pttl(key), 0))
                     for key in self.redis.keys()}

    def evidence(self, history=None, connection=None, witness=None, books=None):
        return checker.Evidence(history or self.history, connection or self.connection, self.redis,
                                witness or [], set(), books or self.books)

    def copy_of_history(self):
        history = History()
        history.wishes = copy.deepcopy(self.history.wishes)
        return history

    def restore_redis(self):
        self.redis.flushall()
        for key, (value, left_ms) in self.dump.items():
            self.redis.restore(key, left_ms, value, replace=True)  # gateways report meanwhile

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


def spoken(evidence, only=None):
    return {name for _, name, _ in checker.judge_all(evidence, only)}


def test_nothing_is_wrong_when_nothing_was_broken(quiet, clean):
    assert checker.judge_all(clean) == []
    assert len(clean.first) > 300, "the crowd did too little to show anything"
    codes = {decision.reply.code for decision in clean.first.values()}
    assert {GRANTED} | {checker.CODES[name] for name in (
        "SOLD_OUT", "LIMIT_EXCEEDED", "SEAT_TAKEN", "NOT_ENOUGH")} <= codes
    assert clean.replay.offers and clean.books.refunds
    assert quiet.venue.ctl("verify").code == 0 or not quiet.venue.all_alive()


def test_a_history_on_disk_is_the_history(quiet):
    quiet.history._file.flush()
    again = load(quiet.venue.folder / "history.jsonl")
    assert {n: w.decided() for n, w in again.wishes.items()} == \
        {n: w.decided() for n, w in quiet.history.wishes.items()}
    assert checker.judge_all(quiet.evidence(again)) == []


@pytest.mark.parametrize("what, act, invariants", DOCTORED, ids=lambda of: getattr(
    of, "__name__", None))
def test_what_is_spoiled_is_found(quiet, clean, what, act, invariants):
    missed = set(invariants) - {"history": spoil_history, "postgres": spoil_postgres,
                                "redis": spoil_redis, "books": spoil_books}[what](
                                    quiet, clean, act, invariants)
    assert not missed, f"silent: {missed}"


def spoil_history(quiet, clean, act, only):
    history = quiet.copy_of_history()
    act(clean, history)
    return spoken(quiet.evidence(history), only)


def spoil_postgres(quiet, clean, act, only):
    connection = quiet.venue.connect()
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            # The database would refuse most of this: first its guards are taken away.
            drop_checks(connection, cursor)
            cursor.execute("SET LOCAL session_replication_role = replica")
            act(clean, cursor)
        return spoken(quiet.evidence(connection=connection), only)
    finally:
        connection.rollback()
        connection.close()


def spoil_books(quiet, clean, act, only):
    books = copy.deepcopy(quiet.books)
    act(clean, books)
    return spoken(quiet.evidence(books=books), only)


def spoil_redis(quiet, clean, act, only):
    try:
        act(clean, quiet.redis)
        return spoken(quiet.evidence(), only)
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
    named = {name for _, _, invariants in DOCTORED for name in invariants}
    assert {name for _, name, _, _ in checker.INVARIANTS} - named == {"redis_witness_is_silent"}
    # … which has a test of its own, below, and others in test_witness.py.


def test_what_the_witness_of_redis_saw_is_a_violation(quiet):
    assert spoken(quiet.evidence(witness=["somebody did something"])) == \
        {"redis_witness_is_silent"}


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


@pytest.mark.parametrize("status, found", [(409, {"order_is_of_time"}), (504, set())])
def test_a_504_is_no_sign_of_a_decision(quiet, clean, status, found):
    """A gateway says it by the clock; the decision that says the same stands in line until then."""
    history = quiet.copy_of_history()
    raw = next(raw for raw in reversed(clean.first) if raw in clean.wish_of)
    for said in history.wishes[clean.wish_of[raw].number].exchanges:
        said["begin"] -= 60000
        said["end"] -= 60000
        if said["status"] in (200, 201, 409):
            said["status"] = status
    assert spoken(quiet.evidence(history), {"order_is_of_time"}) == found
