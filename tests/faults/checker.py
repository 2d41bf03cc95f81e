"""The verdict: what clients were told, against Postgres and Redis once everything is at rest.

Nothing of the product is used. Each invariant is a row of a table (evidence.py), found in the files
of its family. The numbers are those of DESIGN.md, section "Why no seat is sold twice", and of the
design that it follows; see README.md here.
"""

import time

from harness import judge

# Families of invariants; each enters its rows into the table.
import asked  # noqa: F401
import money  # noqa: F401
import nights  # noqa: F401
import order  # noqa: F401
import rest  # noqa: F401
import seats  # noqa: F401
import told  # noqa: F401
import waiting  # noqa: F401
from evidence import CODES, COMMANDS, INVARIANTS, Books, Evidence  # noqa: F401


def judge_all(evidence, only=None):
    """Every violation: (number, name, sentence); of these rows alone, if they are named."""
    found = []
    for number, name, _sentence, find in INVARIANTS:
        if only is not None and name not in only:
            continue
        found += [(number, name, str(violation)) for violation in find(evidence)]
    return found


def wait_for_rest(connection, redis, seconds=40):
    """Until partitions stand still, holds have run out and the streams are empty, within a bound.

    Gives what still moves then; the invariants say what is wrong with it."""
    end = time.monotonic() + seconds
    before, owed = None, 0
    while time.monotonic() < end:
        state = judge.rows_of(connection, "SELECT partition, version, cursor FROM partitions"
                              " ORDER BY 1")
        held = judge.rows_of(connection, "SELECT count(*) AS n FROM bookings"
                             " WHERE status = 'HELD'")[0]["n"]
        try:
            waiting = sum(redis.xlen(judge.Keys(p["partition"]).requests) for p in state)
        except Exception:  # not back yet
            waiting = -1
        owed = judge.rows_of(connection, "SELECT count(*) AS n FROM outbox")[0]["n"]
        if state == before and held == 0 and waiting == 0 and owed == 0:
            return None
        before = state
        time.sleep(0.3)
    return f"held: {held}, in the streams: {waiting}, in the outbox: {owed}"
