"""Postgres by itself, and with Redis at rest; nobody is stuck, and nobody got in under a fence."""

import time

from harness import judge
from harness.words import HELD, STATES, id_bytes, id_text

from evidence import invariant
from history import DOOR, is_decision
from reasons import DEADLINE_SECONDS

STREAM_LOSS_SECONDS = 2  # around a fault that loses requests of the stream
LOOKS_MAX = 5            # at Redis and Postgres at rest


# What Postgres must say by itself.

@invariant(1, "in Postgres alone, counters are places, limits hold, the journal has no gap")
def postgres_is_whole(e):
    return judge.judge_database(e.connection)


@invariant(1, "decided again by recount, every grant was possible and every refusal was true")
def decisions_are_true(e):
    return e.replay.found


@invariant(1, "the recount ends where Postgres is: every booking in its state, every counter")
def recount_equals_postgres(e):
    for raw, mine in e.replay.bookings.items():
        row = e.bookings.get(raw)
        if row is None:
            yield f"{id_text(raw)} was granted and is not in Postgres"
            continue
        state, status = STATES[mine["state"]], row["status"]
        # A hold may have run out after the last decision of its partition.
        if state != status and (state, status) != ("HELD", "EXPIRED"):
            yield f"{id_text(raw)} is {status} in Postgres and {state} by recount"
        has = {tier: places for tier, (places, _) in row["lines"].items() if places}
        if has != {t: n for t, n in mine["lines"].items() if n}:
            yield f"{id_text(raw)} has {has} in Postgres and {mine['lines']} by recount"
        if mine["expires"] and row["expires_ms"] != mine["expires"]:
            yield f"{id_text(raw)} ends at {row['expires_ms']}, not {mine['expires']}"
    late = {raw for raw, b in e.replay.bookings.items()
            if b["state"] == HELD and raw in e.bookings and e.bookings[raw]["status"] == "EXPIRED"}
    for tier in e.tiers:
        key = (tier["show"], tier["tier"])
        left = e.replay.left[key] + sum(
            e.replay.bookings[raw]["lines"].get(tier["tier"], 0) for raw in late
            if e.replay.bookings[raw]["show"] == tier["show"])
        if left != tier["available"]:
            yield f"tier {key} has {tier['available']} left and {left} by recount"


@invariant(1, "a show is there whole or not at all")
def shows_are_whole(e):
    has = {t["show"] for t in e.tiers}
    return [f"show {s['slug']} has no tier" for s in e.shows if s["show"] not in has]


# Liveness, and rest.

@invariant(11, "nobody hears of an error that is ours, and a refusal at the door says when to come back")
def no_internal_errors(e):
    for wish in e.history.wishes.values():
        for said in wish.exchanges:
            if said["status"] is not None and said["status"] >= 500 and \
                    said["status"] not in (503, 504):
                yield f"wish {wish.number} was told {said['status']} {said['body']}"
            if said["status"] in DOOR and said["error"]:
                yield f"wish {wish.number} was told {said['status']} with {said['error']}"
            if said["status"] in (400, 405, 413, 415, 422) and wish.kind != "reuse":
                yield f"wish {wish.number} was told {said['status']} {said['body']}"


@invariant(7, "no request is stuck: whoever asked on was told in the end")
def nothing_is_stuck(e):
    for wish in e.commands():
        asked = [x for x in wish.exchanges if x["what"] == "ask"]
        accepted = any(x["status"] == 202 for x in wish.exchanges)
        gave_up = wish.row in ("lose_the_answer_for_good",)
        if wish.decided() or gave_up or not asked:
            continue
        if wish.key is not None or accepted:
            yield f"wish {wish.number} ({wish.row}) was never decided: {len(wish.exchanges)} " \
                  f"exchanges, last {wish.exchanges[-1]}"


@invariant(2, "what stands in the queue is decided, unless Redis lost it")
def accepted_is_decided(e):
    losses = [(f["begin"] - STREAM_LOSS_SECONDS, f["end"] + STREAM_LOSS_SECONDS)
              for f in e.history.faults if f["fault"] in e.loses_stream]
    for wish in e.commands():
        for accepted in wish.exchanges:
            if accepted["status"] != 202 or not accepted["id"] or accepted["what"] != "ask":
                continue
            told = next((x for x in wish.exchanges
                         if is_decision(x) and x["id"] == accepted["id"]), None)
            end = told["end"] if told else accepted["end"] + DEADLINE_SECONDS
            if id_bytes(accepted["id"]) in e.first:
                continue
            if not any(begin < end and accepted["begin"] < over for begin, over in losses):
                yield f"wish {wish.number}: {accepted['id']} was taken into the queue and never " \
                      f"decided, and Redis had lost nothing"


@invariant(7, "at rest nothing is held past its time, and who holds is about to confirm")
def no_hold_is_stuck(e):
    for raw, row in e.bookings.items():
        clock = e.partitions[next(s["partition"] for s in e.shows
                                  if s["show"] == row["show"])]["now_ms"]
        if row["status"] == "HELD" and row["expires_ms"] < clock - 1000:
            yield f"{id_text(raw)} is held until {row['expires_ms']}; it is {clock}"
        if row["status"] == "EXPIRED" and row["expires_ms"] > clock:
            yield f"{id_text(raw)} expired before its time"


@invariant(9, "Redis at rest equals Postgres, and the streams are empty")
def redis_equals_postgres(e):
    """A machine that stands still for seconds can make one owner follow another even at rest: what is
    looked at while epochs change is looked at again."""
    if e.redis is None:
        return []
    for _ in range(LOOKS_MAX):
        before = tenures(e)
        found = differences(e)
        if tenures(e) == before:
            break
        time.sleep(1)
    return found


def tenures(e):
    return judge.rows_of(e.connection, "SELECT partition, epoch, version FROM partitions ORDER BY 1")


def differences(e):
    found = judge.judge_redis(e.connection, e.redis)
    for number in e.partitions:
        length = e.redis.xlen(judge.Keys(number).requests)
        if length:
            found.append(f"partition {number}: {length} entries are left in the stream")
    return found


# The fence.

@invariant(10, "nobody committed under an epoch that was over, or moved a cursor without its batch")
def postgres_witness_is_silent(e):
    rows = judge.rows_of(e.connection, "SELECT to_regclass('public.witness') AS it")
    if rows[0]["it"] is None:
        return []
    return [row["what"] for row in judge.rows_of(e.connection, "SELECT what FROM witness")]


@invariant(10, "nobody changed Redis' state under an epoch that was over")
def redis_witness_is_silent(e):
    return e.witness
