"""What people were told: it is what was decided, it is there, and it is told the same again."""

import json
from datetime import datetime

from harness.words import GRANTED, STATES, TIMED_OUT, id_bytes, id_text

from evidence import (CODES, OPS, bookings_told, granted_exchanges, invariant)
from ledger import read_decisions, same_decision
from reasons import DEADLINE_SECONDS, SKEW_SECONDS


@invariant(2, "whoever was told of a booking has it, as it was last changed")
def acknowledged_is_there(e):
    for wish in e.commands():
        for said in granted_exchanges(wish):
            for told in bookings_told(wish, said):
                yield from told_differs(e, wish, told)


def told_differs(e, wish, told):
    row = e.bookings.get(id_bytes(told["id"]))
    if row is None:
        yield f"wish {wish.number} was told of {told['id']}, which Postgres does not have"
    elif (row["user_id"], row["show"]) != (told["user"], e.numbers[told["show"]]):
        yield f"wish {wish.number} was told {told}, Postgres has {row}"
    elif row["status"] not in lawful_states(e, told):
        yield f"{told['id']} is {row['status']}; its owner was told {told['status']}"


def lawful_states(e, told):
    """States that a booking can have come to, by decisions, from one that was told."""
    states = {STATES[change.state] for change in e.replay.changes.get(id_bytes(told["id"]), [])}
    states.add(told["status"])
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
            elif conflicts_differ(e, wish, said, decision.reply):
                yield f"wish {wish.number} was told {said['body']}; {decision} says " \
                      f"{decision.reply.conflicts}"
            elif code == GRANTED:
                yield from grant_differs(e, wish, said, decision)


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


def conflicts_differ(e, wish, said, reply):
    """Seats that a refusal names as not available."""
    named = json.loads(said["body"]).get("conflicts") or []
    return e.positions_of(wish.show, named) != reply.conflicts


def grant_differs(e, wish, said, decision):
    reply, body = decision.reply, json.loads(said["body"])
    if wish.kind == "join":
        waiting = reply.waiting or {}
        told = (id_bytes(body["id"]), body["user"], e.codes[wish.show, body["tier"]],
                body["quantity"], milliseconds(body["joined_at"]), body["place"])
        if body["status"] != "WAITING" or told != tuple(waiting.get(name) for name in (
                "id", "user", "tier", "quantity", "joined", "place")):
            yield f"wish {wish.number} was told {body}; {decision} says {waiting}"
    else:
        granted = [reply.booking] + reply.others
        told = bookings_told(wish, said)
        if len(told) != len(granted) or any(map(booking_differs, [e] * len(told), told, granted)):
            yield f"wish {wish.number} was told {body}; {decision} says {granted}"
    if wish.kind != "several" and reply.op != OPS[wish.op]:
        yield f"wish {wish.number} asked for {wish.op} and got {decision.reply.op}"
    elif wish.kind == "take" and reply.booking["user"] != wish.user:
        yield f"wish {wish.number} asked as {wish.user} and got {reply.booking}"


def booking_differs(e, body, booking):
    show = e.numbers[body["show"]]
    lines = {e.codes[show, i["tier"]]: (i["quantity"], i["price"]) for i in body["items"]}
    told = [id_bytes(body["id"]), body["user"], body["status"], body["quantity"], body["amount"],
            milliseconds(body["created_at"]), lines, e.positions_of(show, body.get("seats"))]
    decided = [booking["id"], booking["user"], STATES[booking["state"]],
               sum(n for _, n, _ in booking["lines"]), booking["amount"], booking["created"],
               {t: (n, p) for t, n, p in booking["lines"]}, booking["seats"]]
    if body["status"] == "HELD":  # only a hold has an end to tell of
        told.append(milliseconds(body["expires_at"]))
        decided.append(booking["expires"])
    return told != decided


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


@invariant(4, "who was told TIMED_OUT has nothing, and nothing was granted after its deadline")
def timed_out_is_nothing(e):
    for wish in e.commands():
        for said in wish.decided():
            raw = id_bytes(said["id"]) if said["id"] else None
            if said["status"] == 504 and e.has(raw) and not is_of_its_sending_only(e, wish, said):
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


@invariant(5, "what was answered before something else was asked, was decided before it")
def order_is_of_time(e):
    latest = {}  # partition → (begin, wish) of the latest to begin among those decided so far
    for raw, decision in e.first.items():  # in the order of decisions
        wish = e.wish_of.get(raw)
        if wish is None:
            continue
        # A gateway may say 504 by the clock; what the queue decides then is the same, but later.
        mine = [x for x in wish.decided() if x["id"] == id_text(raw) and x["status"] != 504]
        begin = wish.begin
        before = latest.get(decision.partition)
        if mine and before is not None and min(x["end"] for x in mine) < before[0]:
            yield f"{decision} (wish {wish.number}) was answered before wish " \
                  f"{before[1].number} was asked, which was decided earlier"
        if before is None or begin > before[0]:
            latest[decision.partition] = (begin, wish)
