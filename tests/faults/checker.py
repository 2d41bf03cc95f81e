"""The verdict: what clients were told, against Postgres and Redis once everything is at rest.

Nothing of the product is used. Each invariant is a row of a table: a function that looks at the
evidence and gives one sentence for each violation. The numbers are those of DESIGN.md, section
"Why no seat is sold twice", and of the design that it follows; see README.md here.
"""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from harness import judge
from harness.words import (BOOK, CANCEL, CONFIRM, EXTEND, GRANTED, HELD, HOLD, PAY, SETTLE, STATES,
                           TIMED_OUT, id_bytes, id_text)

from history import DOOR, is_decision
from ledger import DEADLINE_SECONDS, SKEW_SECONDS, Replay, read_decisions, same_decision

OPS = {"BOOK": BOOK, "HOLD": HOLD, "CONFIRM": CONFIRM, "CANCEL": CANCEL, "EXTEND": EXTEND}
CODES = {"SOLD_OUT": 1, "ALREADY_BOOKED": 2, "NOT_ENOUGH": 4, "LIMIT_EXCEEDED": 5,
         "SALE_NOT_OPEN": 6, "SALE_CLOSED": 7, "HOLD_EXPIRED": 9, "ILLEGAL_STATE": 10,
         "NOT_FOUND": 11, "KEY_REUSED": 13, "TIMED_OUT": 14, "INVALID": 17, "INTERNAL": 18}
STREAM_LOSS_SECONDS = 2  # around a fault that loses requests of the stream
LOOKS_MAX = 5            # at Redis and Postgres at rest
INVARIANTS = []


@dataclass
class Evidence:
    """Everything that is judged, read once."""

    history: object
    connection: object = None
    redis: object = None
    witness: list = field(default_factory=list)  # of Redis (witness.py)
    loses_stream: set = field(default_factory=set)  # names of faults

    def __post_init__(self):
        rows = lambda statement: judge.rows_of(self.connection, statement)  # noqa: E731
        self.partitions = {p["partition"]: p for p in rows("SELECT * FROM partitions")}
        self.shows = rows("SELECT * FROM shows ORDER BY show")
        self.tiers = rows("SELECT * FROM tiers ORDER BY show, tier")
        self.batches = rows("SELECT * FROM batches ORDER BY partition, version")
        self.changes = {judge.raw_id(c["request"]): c for c in rows("SELECT * FROM booking_changes")}
        self.bookings = judge.read_bookings(self.connection)
        self.codes = {(t["show"], t["code"]): t["tier"] for t in self.tiers}
        self.first = {}  # id → its first decision
        for decision in read_decisions(self.batches):
            self.first.setdefault(decision.raw, decision)
        self.wish_of = {id_bytes(i): wish for wish in self.history.wishes.values()
                        for i in wish.ids() if wish.kind in ("take", "change")}
        replay = Replay(self.shows, self.tiers, self.wish_of)
        self.replay = replay.run(self.batches)

    def commands(self):
        return [w for w in self.history.wishes.values() if w.kind in ("take", "change")]


def invariant(number, sentence):
    """A row of the table: the design's number, what holds, and the function that finds where not."""
    def enter(find):
        INVARIANTS.append((number, find.__name__, sentence, find))
        return find
    return enter


def judge_all(evidence):
    """Every violation: (number, name, sentence)."""
    found = []
    for number, name, _sentence, find in INVARIANTS:
        found += [(number, name, str(violation)) for violation in find(evidence)]
    return found


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


# What people were told.

@invariant(2, "whoever was told of a booking has it, as it was last changed")
def acknowledged_is_there(e):
    for wish in e.commands():
        for said in granted_exchanges(wish):
            body = json.loads(said["body"])
            row = e.bookings.get(id_bytes(body["id"]))
            if row is None:
                yield f"wish {wish.number} was told of {body['id']}, which Postgres does not have"
            elif (row["user_id"], row["show"]) != (body["user"], wish.show):
                yield f"wish {wish.number} was told {body}, Postgres has {row}"
            elif row["status"] not in lawful_states(e, body):
                yield f"{body['id']} is {row['status']}; its owner was told {body['status']}"


def granted_exchanges(wish):
    return [said for said in wish.decided() if said["status"] in (200, 201)]


def lawful_states(e, body):
    """States that a booking can have come to, by decisions, from one that was told."""
    raw = id_bytes(body["id"])
    states = {STATES[state] for _, state, _ in e.replay.changes.get(raw, [])}
    states.add(body["status"])
    if "CANCELLED" in states:
        return {"CANCELLED"}
    if "CONFIRMED" in states:
        return {"CONFIRMED"}
    if "PENDING" in states:
        return {"FAILED"}
    return {"HELD", "EXPIRED"}


@invariant(2, "every answer is a decision of the journal, to the letter")
def told_is_decided(e):
    for wish in e.commands():
        for said in wish.decided():
            decision = e.first.get(id_bytes(said["id"])) if said["id"] else None
            code = answer_code(said)
            if decision is None:
                if code != TIMED_OUT:
                    yield f"wish {wish.number} was told {said['status']} {said['body']}: " \
                          f"nobody decided {said['id']}"
            elif is_of_its_sending_only(e, wish, said):
                continue
            elif code != decision.reply.code:
                yield f"wish {wish.number} was told code {code}; {decision} says " \
                      f"{decision.reply.code}"
            elif code == GRANTED:
                yield from grant_differs(e, wish, json.loads(said["body"]), decision)


def is_of_its_sending_only(e, wish, said):
    """A 504 that the journal does not have (a gateway found nothing after the deadline) ends the
    sendings of a key before it. Whoever asks on under the key asks anew, and may be granted."""
    if said["status"] != 504 or wish.key is None:
        return False
    decision = e.first.get(id_bytes(said["id"]))
    asked_on = any(x["what"] == "ask" and x["end"] >= said["end"] and x is not said
                   for x in wish.exchanges)
    return asked_on and (decision is None or (
        decision.reply.code != TIMED_OUT and
        decision.reply.at_ms >= (said["end"] - SKEW_SECONDS) * 1000))


def answer_code(said):
    if said["status"] in (200, 201):
        return GRANTED
    return CODES.get(json.loads(said["body"]).get("code"), -1)


def grant_differs(e, wish, body, decision):
    booking = decision.reply.booking
    lines = {e.codes[wish.show, i["tier"]]: (i["quantity"], i["price"]) for i in body["items"]}
    told = (id_bytes(body["id"]), body["user"], body["status"], body["quantity"], body["amount"],
            milliseconds(body["created_at"]), milliseconds(body["expires_at"]), lines)
    # Only a hold has an end to tell of.
    decided = (booking["id"], booking["user"], STATES[booking["state"]],
               sum(n for _, n, _ in booking["lines"]), booking["amount"], booking["created"],
               booking["expires"], {t: (n, p) for t, n, p in booking["lines"]})
    if told[:5] + told[7:] != decided[:5] + decided[7:] or told[5] != decided[5] or \
            (body["status"] == "HELD" and told[6] != decided[6]):
        yield f"wish {wish.number} was told {body}; {decision} says {booking}"
    wanted = OPS[wish.op]
    if decision.reply.op != wanted or (wish.kind == "take" and decision.reply.booking["user"]
                                       != wish.user):
        yield f"wish {wish.number} asked for {wish.op} as {wish.user} and got {booking}"


def milliseconds(text):
    if text is None:
        return 0
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


@invariant(3, "one wish under one key has one answer, to the byte")
def answers_are_equal(e):
    for wish in e.commands():
        by_id = {}
        for said in wish.decided():
            if is_of_its_sending_only(e, wish, said):
                continue
            group = wish.number if wish.key is not None else said["id"]
            by_id.setdefault(group, set()).add((said["status"], body_of(said)))
        for answers in by_id.values():
            if len(answers) > 1:
                yield f"wish {wish.number} ({wish.op}, key {wish.key}) was told {answers}"
        if wish.key is not None and len(wish.ids()) > 1:
            yield f"wish {wish.number} under one key has several ids: {wish.ids()}"


def body_of(said):
    """A problem names the place where it was told, and hints at what else there is at the moment; the
    rest of it is the answer."""
    body = json.loads(said["body"])
    if said["status"] >= 400:
        body.pop("instance", None)
        body.pop("alternatives", None)
    return json.dumps(body, sort_keys=True)


@invariant(3, "a key that was used is refused to anything else")
def keys_are_not_reused(e):
    for wish in e.history.wishes.values():
        for said in wish.decided() if wish.kind == "reuse" else ():
            if said["status"] != 422 or json.loads(said["body"]).get("code") != "KEY_REUSED":
                yield f"wish {wish.number} used key {wish.key} for something else and was told " \
                      f"{said['status']} {said['body']}"


@invariant(3, "an id has one decision, wherever it is kept")
def one_decision_an_id(e):
    for decision in read_decisions(e.batches):
        if not same_decision(e.first[decision.raw].reply, decision.reply):
            yield f"{e.first[decision.raw]} and {decision} differ"


@invariant(3, "nothing is there that nobody asked for, and nothing twice")
def everything_was_asked_for(e):
    room = Counter()  # signatures of takes that were sent and whose ids nobody knows
    for wish in e.commands():
        if wish.kind == "take":
            room[signature(wish)] += unknown_requests(wish)
    for raw, row in e.bookings.items():
        wish = e.wish_of.get(raw)
        if wish is None:
            hold = row["expires_ms"] is not None
            first = e.first.get(raw)
            lines = {t: n for t, n, _ in first.reply.booking["lines"]} if first and \
                first.reply.booking else {t: n for t, (n, _) in row["lines"].items()}
            asked = (row["show"], row["user_id"], "HOLD" if hold else "BOOK",
                     tuple(sorted(lines.items())))
            room[asked] -= 1
            if room[asked] < 0:
                yield f"nobody asked for booking {id_text(raw)}: {asked}"
        elif wish.kind != "take" or (row["show"], row["user_id"]) != (wish.show, wish.user):
            yield f"wish {wish.number} asked for {signature(wish)} and has {row}"
        elif (raw in e.first and e.first[raw].reply.booking is not None and
              {t: n for t, n, _ in e.first[raw].reply.booking["lines"]} != wish.lines):
            yield f"wish {wish.number} asked for {wish.lines} and was given " \
                  f"{e.first[raw].reply.booking['lines']}"


def unknown_requests(wish):
    """How many requests it may have made whose ids nobody told. One key makes one at most."""
    unknown = sum(1 for x in wish.exchanges if x["what"] == "ask" and not x["id"])
    if wish.key is not None:
        return min(unknown, 1) if not wish.ids() else 0
    return unknown


def signature(wish):
    return (wish.show, wish.user, wish.op, tuple(sorted((wish.lines or {}).items())))


@invariant(3, "a change was asked for by somebody, about this booking")
def changes_were_asked_for(e):
    room = Counter()
    for wish in e.commands():
        if wish.kind == "change":
            room[wish.booking, OPS[wish.op]] += unknown_requests(wish)
    for wish in e.history.wishes.values():
        if wish.kind == "pay":
            room[wish.booking, PAY] += 1
    for raw, row in e.changes.items():
        wish = e.wish_of.get(raw)
        booking = id_text(judge.raw_id(row["booking"]))
        if row["op"] == SETTLE:  # nobody's but the provider's, whose books are judged in run.py
            continue
        if wish is None:
            room[booking, row["op"]] -= 1
            if room[booking, row["op"]] < 0:
                yield f"nobody asked for change {id_text(raw)} of {booking}"
        elif (wish.booking, OPS[wish.op]) != (booking, row["op"]):
            yield f"wish {wish.number} asked for {wish.op} of {wish.booking}; Postgres has {row}"


@invariant(4, "who was told TIMED_OUT has nothing, and nothing was granted after its deadline")
def timed_out_is_nothing(e):
    for wish in e.commands():
        for said in wish.decided():
            raw = id_bytes(said["id"]) if said["id"] else None
            if said["status"] == 504 and (raw in e.bookings or raw in e.changes) and \
                    not is_of_its_sending_only(e, wish, said):
                yield f"wish {wish.number} was told {said['body']} and has it all the same"
    for raw, decision in e.first.items():
        wish = e.wish_of.get(raw)
        if wish is None or decision.reply.code != GRANTED or wish.begin is None:
            continue
        latest = wish.deadline_at_ms
        if latest is None:  # by its last sending: a client that came again waits anew
            latest = (wish.exchanges[-1]["begin"] + DEADLINE_SECONDS + SKEW_SECONDS) * 1000
        if decision.reply.at_ms > latest:
            yield f"{decision} was granted at {decision.reply.at_ms}, its deadline was {latest}"


# Order.

@invariant(5, "batches follow each other: version, epoch, cursor and clock never run backwards")
def journal_runs_forward(e):
    last = {}
    for batch in e.batches:
        before = last.get(batch["partition"])
        if before is not None and not (
                batch["version"] == before["version"] + 1 and batch["epoch"] >= before["epoch"] and
                batch["now_ms"] >= before["now_ms"] and
                cursor_of(batch) >= cursor_of(before)):
            yield f"partition {batch['partition']}: {place(before)} is followed by {place(batch)}"
        last[batch["partition"]] = batch
    for number, batch in last.items():
        partition = e.partitions[number]
        if (batch["version"], batch["cursor"]) != (partition["version"], partition["cursor"]):
            yield f"partition {number} is at {place(partition)}, its journal ends at {place(batch)}"


def cursor_of(row):
    return tuple(int(part) for part in row["cursor"].split("-"))


def place(row):
    return {name: row[name] for name in ("version", "epoch", "cursor", "now_ms")}


@invariant(5, "what was answered before something else was asked, was decided before it")
def order_is_of_time(e):
    latest = {}  # partition → (begin, wish) of the latest to begin among those decided so far
    for raw, decision in e.first.items():  # in the order of decisions
        wish = e.wish_of.get(raw)
        if wish is None:
            continue
        mine = [x for x in wish.decided() if x["id"] == id_text(raw) and
                not is_of_its_sending_only(e, wish, x)]
        begin = wish.begin
        before = latest.get(decision.partition)
        if mine and before is not None and min(x["end"] for x in mine) < before[0]:
            yield f"{decision} (wish {wish.number}) was answered before wish " \
                  f"{before[1].number} was asked, which was decided earlier"
        if before is None or begin > before[0]:
            latest[decision.partition] = (begin, wish)


# Reads.

@invariant(9, "a read shows a booking as it was at some moment of the read")
def reads_are_fresh(e):
    acknowledged = {}  # id → [(time of the answer, index of the change)]
    for wish in e.commands():
        for said in granted_exchanges(wish):
            raw = id_bytes(json.loads(said["body"])["id"])
            for index, (decision, _, _) in enumerate(e.replay.changes.get(raw, [])):
                if said["id"] and decision.raw == id_bytes(said["id"]):
                    acknowledged.setdefault(raw, []).append((said["end"], index))
    for wish in e.history.wishes.values():
        if wish.kind != "read" or wish.op != "booking":
            continue
        for said in wish.exchanges:
            if said["status"] not in (200, 404):
                continue
            raw = id_bytes(wish.booking)
            if said["status"] == 404:
                yield f"wish {wish.number}: {wish.booking} was granted and is not found"
                continue
            known = max((index for end, index in acknowledged.get(raw, [])
                         if end < said["begin"]), default=0)
            body = json.loads(said["body"])
            may = {(STATES[state], places) for _, state, places
                   in e.replay.changes.get(raw, [])[known:]}
            may |= {("EXPIRED", places) for status, places in may if status == "HELD"}
            if (body["status"], body["quantity"]) not in may:
                yield f"wish {wish.number} read {body['status']} of {body['quantity']}, not one " \
                      f"of {may}"


@invariant(1, "availability adds up whenever it is read")
def availability_adds_up(e):
    capacity = {(t["show"], t["code"]): t["capacity"] for t in e.tiers}
    for wish in e.history.wishes.values():
        for said in wish.exchanges:
            if wish.op != "availability" or said["status"] != 200:
                continue
            body = json.loads(said["body"])
            for tier in body["tiers"]:
                counts = [tier["available"], tier["held"], tier["booked"]]
                if min(counts) < 0 or sum(counts) != capacity[wish.show, tier["tier"]]:
                    yield f"wish {wish.number} read {tier}"


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
            told = next((x for x in wish.exchanges if is_decision(x)), None)
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


# Waiting for rest.

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
