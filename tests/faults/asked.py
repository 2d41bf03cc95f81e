"""Nothing is there that nobody asked for, and nothing twice."""

from collections import Counter

from harness import judge
from harness.words import SETTLE, id_bytes, id_text

from evidence import OPS, in_order, invariant, part_ids, signatures, unknown_requests


@invariant(3, "nothing is there that nobody asked for, and nothing twice")
def everything_was_asked_for(e):
    room = Counter()   # signatures of requests that were sent and whose ids nobody knows
    part_of = {}       # id of a booking → its wish for several, and which of its parts it is
    for wish in e.commands():
        if wish.kind == "change":
            continue
        for signature in signatures(wish):
            room[signature] += unknown_requests(wish)
        for raw in map(id_bytes, wish.ids() if wish.kind == "several" else ()):
            part_of.update(zip(part_ids(raw, wish), ((wish, at) for at in range(99))))
    for raw, row in e.bookings.items():
        wish, at = part_of.get(raw, (e.wish_of.get(raw), 0))
        has = signature_of(e, raw, row)
        if wish is None:
            room[has] -= 1
            if room[has] < 0:
                yield f"nobody asked for booking {id_text(raw)}: {has}"
        elif wish.kind not in ("take", "several", "join") or signatures(wish)[at] != has:
            yield f"wish {wish.number} asked for {signatures(wish)} and has {has}"


def signature_of(e, raw, row):
    """What a booking was when it was made, as a wish for it would say."""
    if raw in e.entries:
        entry = e.entries[raw]
        return (row["show"], row["user_id"], "JOIN", ((entry["tier"], entry["quantity"]),))
    made = e.replay.made.get(raw)
    lines = made if made is not None else {t: n for t, (n, _) in row["lines"].items()}
    return (row["show"], row["user_id"], "BOOK" if row["expires_ms"] is None else "HOLD",
            in_order(lines))


@invariant(3, "a change was asked for by somebody, about this booking")
def changes_were_asked_for(e):
    room = Counter()
    for wish in e.history.wishes.values():
        if wish.kind in ("change", "pay", "leave"):
            room[wish.booking, OPS[wish.op]] += unknown_requests(wish)
    for raw, row in e.changes.items():
        wish = e.wish_of.get(raw)
        booking = id_text(judge.raw_id(row["booking"]))
        if row["op"] == SETTLE:  # nobody's but the provider's, whose books are judged in money.py
            continue
        if wish is None:
            room[booking, row["op"]] -= 1
            if room[booking, row["op"]] < 0:
                yield f"nobody asked for change {id_text(raw)} of {booking}"
        elif (wish.booking, OPS[wish.op]) != (booking, row["op"]):
            yield f"wish {wish.number} asked for {wish.op} of {wish.booking}; Postgres has {row}"


@invariant(3, "who waits has asked to, once; who left the list has asked for that")
def waiting_was_asked_for(e):
    room, left = Counter(), Counter()
    for wish in e.history.wishes.values():
        if wish.kind == "join":
            room[signatures(wish)[0]] += unknown_requests(wish)
        elif wish.kind == "leave":
            left[wish.booking] += 1
    for raw, row in e.entries.items():
        wish = e.wish_of.get(raw)
        has = (row["show"], row["user_id"], "JOIN", ((row["tier"], row["quantity"]),))
        if wish is None:
            room[has] -= 1
            if room[has] < 0:
                yield f"nobody asked to wait as {id_text(raw)}: {has}"
        elif wish.kind != "join" or signatures(wish)[0] != has:
            yield f"wish {wish.number} asked for {signatures(wish)} and waits for {has}"
        if row["status"] == "LEFT" and not left[id_text(raw)]:
            yield f"{id_text(raw)} has left the list, and nobody asked for that"
