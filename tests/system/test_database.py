"""The database is the last guard: a batch that is wrong is refused, whoever made it.

The tests speak as an allocator would whose own checks are all broken. They may call commit_batch
and no more; whatever they try, Postgres stays as it was.
"""

import psycopg2
import pytest

from harness import judge
from harness.words import BOOK, CANCEL, CONFIRM, EXTEND, Reply, pack
from harness.world import ALLOCATOR_USER

NOW = 1_800_000_000_000
COLUMNS = {
    "n_id": "uuid", "n_show": "integer", "n_user": "text", "n_expires": "bigint", "n_amount": "bigint",
    "n_fingerprint": "bigint", "n_tier": "integer", "n_quantity": "integer", "n_price": "bigint",
    "i_booking": "uuid", "i_tier": "integer", "i_quantity": "integer", "i_price": "bigint",
    "c_round": "integer", "c_request": "uuid", "c_booking": "uuid", "c_op": "smallint",
    "c_status": "integer", "c_expires": "bigint", "c_amount": "bigint", "c_give_tier": "integer",
    "c_give": "integer", "c_origin": "bytea", "c_answer": "bytea", "x_booking": "uuid",
    "t_show": "integer", "t_tier": "integer", "t_available": "integer", "t_held": "integer",
    "t_pending": "integer", "t_confirmed": "integer"}


def uuid(number, show=1):
    return f"{show:08x}-0000-0000-0000-{number:012x}"


class Committer:
    """One owner of partition 1, and the batches that it tries to commit."""

    def __init__(self, world):
        self.world = world
        self.connection = world.cluster.connect(world.database, ALLOCATOR_USER)
        self.epoch = self.call("SELECT epoch FROM claim_partition(1, 'test', 0)")[0][0]
        self.version = 0

    def call(self, statement, *parameters):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall()

    def commit(self, answers=(), **columns):
        """Columns as lists; what is not given is empty."""
        words = ["p_partition => 1, p_epoch => %s, p_version => %s, p_cursor => %s, p_now_ms => %s, "
                 "p_answers => %s"]
        values = [self.epoch, self.version + 1, f"{NOW}-{self.version + 1}", NOW,
                  pack([list(answer) for answer in answers])]
        for name, kind in COLUMNS.items():
            words.append(f"{name} => %s::{kind}[]")
            values.append(columns.pop(name, []))
        assert not columns, columns
        self.call(f"SELECT commit_batch({', '.join(words)})", *values)
        self.version += 1

    def book(self, number, quantity=1, user=None, tier=1, expires=None, price=100, left=None, **more):
        """A new booking of one tier, and the counters that go with it."""
        held, confirmed = (quantity, 0) if expires else (0, quantity)
        row = self.world.rows("SELECT * FROM tiers WHERE show = 1 AND tier = %s", tier)[0]
        columns = {
            "n_id": [uuid(number)], "n_show": [1], "n_user": [user or f"user {number}"],
            "n_expires": [expires], "n_amount": [quantity * price], "n_fingerprint": [7],
            "n_tier": [tier], "n_quantity": [quantity], "n_price": [price],
            "t_show": [1], "t_tier": [tier],
            "t_available": [row["available"] - quantity if left is None else left],
            "t_held": [row["held"] + held], "t_pending": [0],
            "t_confirmed": [row["confirmed"] + confirmed]}
        columns.update(more)
        self.commit(answers=[grant(number, quantity, user, tier, expires, price)], **columns)

    def change(self, number, status, *, request, op=CONFIRM, give=0, amount=100, expires=None, **counts):
        row = self.world.rows("SELECT * FROM tiers WHERE show = 1 AND tier = 1")[0]
        row.update(counts)
        self.commit(c_round=[1], c_request=[uuid(request)], c_booking=[uuid(number)], c_op=[op],
                    c_status=[status], c_expires=[expires], c_amount=[amount],
                    c_give_tier=[1 if give else 0], c_give=[give], c_origin=[b"before"],
                    c_answer=[b"answer"], t_show=[1], t_tier=[1], t_available=[row["available"]],
                    t_held=[row["held"]], t_pending=[0], t_confirmed=[row["confirmed"]])


def grant(number, quantity, user, tier, expires, price):
    raw = bytes.fromhex(uuid(number).replace("-", ""))
    booking = [raw, user or f"user {number}", 1 if expires else 3, NOW, expires or 0, quantity * price,
               [[tier, quantity, price]]]
    return [raw, "g", pack([0, NOW, 2 if expires else BOOK, b"f" * 8, 1, booking, None, 0])]


@pytest.fixture
def committer(world):
    world.show("one", {"A": (100, 10), "B": (200, 10)}, number=1, max_per_user=4)
    made = Committer(world)
    yield made
    made.connection.close()
    assert judge.judge_database(world.connection) == []


def contents(world):
    return [world.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in
            ("partitions", "tiers", "bookings", "booking_items", "booking_changes", "batches")]


class refused:
    """Postgres says no, by this constraint or state, and nothing has changed."""

    def __init__(self, committer, word):
        self.committer, self.word = committer, word

    def __enter__(self):
        self.before = contents(self.committer.world)

    def __exit__(self, kind, error, _trace):
        assert isinstance(error, psycopg2.Error), f"it was not refused: {kind}"
        said = f"{error.pgcode} {error.diag.constraint_name} {error.diag.message_primary}"
        assert self.word in said, said
        assert contents(self.committer.world) == self.before
        return True


def test_what_is_right_is_committed(committer):
    committer.book(1, 2)
    committer.book(2, 3, expires=NOW + 60000)
    committer.change(2, 3, request=90, amount=300, held=0, confirmed=5)
    row = committer.world.rows("SELECT available, held, confirmed FROM tiers WHERE tier = 1")[0]
    assert row == {"available": 5, "held": 0, "confirmed": 5}
    committer.world.rows("DELETE FROM booking_changes RETURNING 1")  # its answer was none


def test_the_fence(committer):
    committer.book(1)
    for epoch, version in ((-1, 0), (1, 0), (0, 1), (0, -1)):
        committer.epoch += epoch
        committer.version += version
        with refused(committer, "US001"):
            committer.book(2)
        committer.epoch -= epoch
        committer.version -= version
    committer.book(2)


def test_two_owners(committer):
    """The second one's claim ends the first one's right, whatever the first one believes."""
    second = Committer(committer.world)
    with refused(committer, "US001"):
        committer.book(1)
    for statement in ("SELECT stamp_partition(1, %s, 1)", "SELECT name_generation(1, %s, 'x')"):
        with refused(committer, "US001"):
            committer.call(statement, committer.epoch)
    second.book(1)
    second.connection.close()


def test_oversold(committer):
    with refused(committer, "check"):
        committer.book(1, 4, left=None, n_quantity=[11], n_amount=[1100], t_available=[-1],
                       t_confirmed=[11], n_user=["x"])
    for left in (9, 10, 5):  # counters that are not what the rows say
        with refused(committer, "23514"):
            committer.book(1, 2, left=left)


def test_an_id_twice(committer):
    committer.book(1)
    with refused(committer, "23505"):
        committer.book(1)
    with refused(committer, "23505"):
        committer.commit(n_id=[uuid(5)] * 2, n_show=[1] * 2, n_user=["a", "b"], n_expires=[None] * 2,
                         n_amount=[100] * 2, n_fingerprint=[1] * 2, n_tier=[1] * 2, n_quantity=[1] * 2,
                         n_price=[100] * 2, t_show=[1], t_tier=[1], t_available=[7], t_held=[0],
                         t_pending=[0], t_confirmed=[3])


def test_a_users_limit(committer):
    committer.book(1, 3, user="ann")
    with refused(committer, "max_per_user"):
        committer.book(2, 2, user="ann")
    committer.book(3, 1, user="ann", tier=2, price=200)
    with refused(committer, "max_per_user"):
        committer.book(4, 1, user="ann", tier=2, price=200)
    committer.book(5, 4, user="bob")


def test_illegal_moves(committer):
    committer.book(1)
    for status, counts in ((1, {"held": 1, "confirmed": 0}), (5, {"available": 10, "confirmed": 0}),
                           (6, {"available": 10, "confirmed": 0})):
        with refused(committer, "legal_moves"):
            committer.change(1, status, request=90, op=CANCEL, **counts)
    committer.change(1, 4, request=91, op=CANCEL, available=10, confirmed=0)
    for status, counts in ((3, {"available": 9, "confirmed": 1}), (1, {"available": 9, "held": 1})):
        with refused(committer, "legal_moves"):
            committer.change(1, status, request=92, **counts)
    committer.world.rows("DELETE FROM booking_changes RETURNING 1")


def test_changes_of_what_is_not_there(committer):
    with refused(committer, "23514"):
        committer.change(77, 3, request=90)
    with refused(committer, "23514"):
        committer.commit(x_booking=[uuid(77)])


def test_a_change_twice(committer):
    committer.book(1, expires=NOW + 60000)
    committer.change(1, 3, request=90, held=0, confirmed=1)
    with refused(committer, "23505"):
        committer.change(1, 4, request=90, op=CANCEL, available=10, confirmed=0)
    committer.world.rows("DELETE FROM booking_changes RETURNING 1")


def test_giving_back_more_than_there_is(committer):
    committer.book(1, 2)
    with refused(committer, "23514"):
        committer.change(1, 3, request=90, op=CANCEL, give=3, amount=0, available=11, confirmed=-1)
    with refused(committer, "23514"):
        committer.change(1, 3, request=90, op=CANCEL, give=1, amount=200, available=9, confirmed=1)


def test_an_expiry_of_what_is_booked(committer):
    committer.book(1)
    with refused(committer, "legal_moves"):
        committer.commit(x_booking=[uuid(1)], t_show=[1], t_tier=[1], t_available=[10], t_held=[0],
                         t_pending=[0], t_confirmed=[0])


def test_rows_that_mean_nothing(committer):
    for more in ({"n_quantity": [0], "n_amount": [0]}, {"n_quantity": [-1], "n_amount": [-100]},
                 {"n_amount": [1]}, {"n_tier": [33]}, {"n_user": [""]}, {"n_user": ["x" * 129]},
                 {"n_show": [99]}, {"n_expires": [1]}, {"n_tier": [0]}):
        with refused(committer, "23"):
            committer.book(1, **more)
    with refused(committer, "22"):
        committer.call("SELECT claim_partition(1, 'x', 'not a number')")


def test_lines_that_do_not_add_up(committer):
    lines = {"n_id": [uuid(1)], "n_show": [1], "n_user": ["ann"], "n_expires": [None], "n_fingerprint": [1],
             "n_tier": [0], "n_price": [0], "i_booking": [uuid(1)] * 2, "i_tier": [1, 2],
             "i_quantity": [1, 2], "i_price": [100, 200], "t_show": [1, 1], "t_tier": [1, 2],
             "t_available": [9, 8], "t_held": [0, 0], "t_pending": [0, 0], "t_confirmed": [1, 2]}
    for quantity, amount in ((2, 500), (4, 500), (3, 499)):
        with refused(committer, "23514"):
            committer.commit(n_quantity=[quantity], n_amount=[amount], **lines)
    with refused(committer, "23"):
        committer.commit(n_quantity=[3], n_amount=[500], **{**lines, "i_booking": [uuid(1), uuid(2)]})


def test_claims_stand_in_line_with_commits(committer):
    """A claim returns only when a commit under way has happened or never will."""
    import threading
    import time
    blocker = committer.world.cluster.connect(committer.world.database)
    blocker.autocommit = False
    blocker.cursor().execute("SELECT 1 FROM tiers WHERE show = 1 AND tier = 1 FOR UPDATE")
    failed = []

    def commit():
        try:
            committer.book(1)
        except psycopg2.Error as error:
            failed.append(error)
    slow = threading.Thread(target=commit)
    slow.start()
    time.sleep(0.3)
    claimed = []
    claimer = threading.Thread(target=lambda: claimed.append(Committer(committer.world)))
    claimer.start()
    time.sleep(0.3)
    assert not claimed, "the claim did not wait for the commit under way"
    blocker.rollback()
    slow.join(20)
    claimer.join(20)
    assert not failed and claimed
    assert claimed[0].call("SELECT version FROM partitions")[0][0] == 1, "the claim saw what came before it"
    claimed[0].connection.close()
    blocker.close()


def test_extending_leaves_counters_alone(committer):
    committer.book(1, expires=NOW + 60000)
    committer.change(1, 1, request=90, op=EXTEND, expires=NOW + 90000)
    row = committer.world.rows("SELECT status::text AS status, expires_ms FROM bookings")[0]
    assert row == {"status": "HELD", "expires_ms": NOW + 90000}
    committer.world.rows("DELETE FROM booking_changes RETURNING 1")


def test_the_answers_are_what_was_given(committer):
    committer.book(1)
    answers = list(judge.read_journal(committer.world.connection))
    assert len(answers) == 1 and Reply(answers[0][3]).booking["user"] == "user 1"
