"""Journals that say something else than was decided."""

from harness.words import GRANTED, HOLD, TIMED_OUT, pack, unpack

from doctoring import doctored, is_grant, journal, with_answer, write
from evidence import CODES


@doctored("postgres", "decisions_are_true")
def another_number_was_left(_clean, cursor):
    with_answer(cursor, is_grant, lambda fields: fields.__setitem__(6, fields[6] + 1))


@doctored("postgres", "decisions_are_true")
def sold_out_with_places_left(_clean, cursor):
    def change(fields):
        fields[0], fields[5] = CODES["SOLD_OUT"], None
    with_answer(cursor, lambda r: is_grant(r) and r.available > 1000, change)


@doctored("postgres", "decisions_are_true")
def refused_as_late_before_its_deadline(_clean, cursor):
    with_answer(cursor, lambda r: r.code == CODES["SOLD_OUT"],
                lambda fields: fields.__setitem__(0, TIMED_OUT))


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
    fields[0], fields[5] = CODES["SOLD_OUT"], None
    write(cursor, partition, version, answers + [[answers[index][0], b"", pack(fields)]])


@doctored("postgres", "decisions_are_true")
def a_request_that_could_not_be_decided(_clean, cursor):
    with_answer(cursor, lambda r: r.code != GRANTED,
                lambda fields: fields.__setitem__(0, CODES["INTERNAL"]))


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
