"""The table of evidence that is tampered with, and what its rows have in common.

A row spoils one thing of what a quiet run has left behind, and names the invariants that have to say
so. The rows are in doctored_*.py; test_checker.py spoils, and listens.
"""

import json

from harness.words import BOOK, GRANTED, HOLD, Reply, pack, unpack

DOCTORED = []  # (what is spoiled, the function that does it, the invariants)


def doctored(what, *invariants):
    """A row. The function gets the clean evidence and what it spoils:

      "history"   a copy of what clients were told          "postgres"  a cursor, rolled back later
      "books"     a copy of the provider's books            "redis"     a client; all is restored
    """
    def enter(act):
        DOCTORED.append((what, act, invariants))
        return act
    return enter


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


# Databases.

def one(cursor, statement, *parameters):
    cursor.execute(statement, parameters or None)
    row = cursor.fetchone()
    assert row is not None, statement
    return row


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
