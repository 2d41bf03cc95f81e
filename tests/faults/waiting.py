"""The waiting list: first come, first offered, as far as it fits, and never more than is free."""

import json

from harness.words import id_bytes, id_text

from evidence import granted_exchanges, invariant

ENDED = {"LEFT", "DECLINED"}  # what who left is told


@invariant(2, "whoever was told that they wait stood in the list, and whoever left does no more")
def acknowledged_waits(e):
    for wish in e.history.wishes.values():
        if wish.kind not in ("join", "leave"):
            continue
        for said in granted_exchanges(wish):
            body = json.loads(said["body"])
            row = e.entries.get(id_bytes(body["id"]))
            if row is None:
                yield f"wish {wish.number} was told of {body['id']}, which Postgres does not have"
            elif (row["user_id"], row["quantity"], row["tier"]) != \
                    (body["user"], body["quantity"], e.codes[row["show"], body["tier"]]):
                yield f"wish {wish.number} was told {body}, Postgres has {row}"
            elif wish.kind == "leave" and (
                    body["status"] not in ENDED or body["status"] != status_of(e, row)):
                yield f"wish {wish.number} was told {body['status']} of {body['id']}, which is " \
                      f"{status_of(e, row)}"


def status_of(e, row):
    """As a reader would be told: an offer is what its booking is."""
    if row["status"] != "OFFERED":
        return row["status"]
    booking = e.bookings.get(bytes.fromhex(row["id"].replace("-", "")))
    return {"HELD": "OFFERED", "PENDING": "OFFERED", "CONFIRMED": "ACCEPTED",
            "CANCELLED": "DECLINED"}.get(booking["status"] if booking else None, "EXPIRED")


@invariant(5, "offers are made in the order of joining, to the first group that fits, when it does")
def offers_are_in_order(e):
    """The recount makes them by itself: who was offered what, when, at which price, until when."""
    for show, line in e.replay.lines.items():
        rows = {raw: row for raw, row in e.entries.items() if row["show"] == show}
        for raw, mine in line.entries.items():
            row = rows.pop(raw, None)
            if row is None:
                yield f"{id_text(raw)} joined by the journal and does not stand in Postgres"
            elif (row["status"], row["ended_ms"], row["joined_ms"], row["position"]) != \
                    (mine.status, mine.ended_ms, mine.joined_ms, mine.number):
                yield f"{id_text(raw)} is {dict(row, answer=None)} in Postgres and {mine} by recount"
        yield from (f"{id_text(raw)} waits in Postgres and never joined" for raw in rows)
    for raw, offer in e.replay.offers.items():
        row = e.bookings.get(raw)
        if row is not None and (row["created_ms"], row["price"]) != (offer["at_ms"], offer["price"]):
            yield f"offer {id_text(raw)} was made at {row['created_ms']} for {row['price']}, not " \
                  f"at {offer['at_ms']} for {offer['price']}"


@invariant(7, "at rest nobody who waits is passed over: for none of them is there what they wait for")
def nobody_is_passed_over(e):
    rules = {s["show"]: s for s in e.shows}
    free = {(t["show"], t["tier"]): t["available"] for t in e.tiers}
    has = {}
    for row in e.bookings.values():
        if row["status"] in ("HELD", "PENDING", "CONFIRMED"):
            key = row["show"], row["user_id"]
            has[key] = has.get(key, 0) + row["quantity"]
    for raw, row in e.entries.items():
        show, limit = row["show"], rules[row["show"]]["max_per_user"]
        mine = has.get((show, row["user_id"]), 0)
        if row["status"] == "WAITING" and rules[show]["state"] == "open" and \
                row["quantity"] <= free[show, row["tier"]] and \
                (limit is None or mine + row["quantity"] <= limit):
            yield f"{id_text(raw)} waits for {row['quantity']} places while " \
                  f"{free[show, row['tier']]} are free"


@invariant(9, "a read of who waits shows what it was at some moment of the read")
def entries_are_fresh(e):
    for wish in e.history.wishes.values():
        if wish.kind != "read" or wish.op != "entry":
            continue
        for said in wish.exchanges:
            if said["status"] == 404:
                yield f"wish {wish.number}: {wish.booking} joined and is not found"
            elif said["status"] == 200:
                body, raw = json.loads(said["body"]), id_bytes(wish.booking)
                was = e.replay.lines[wish.show].entries.get(raw)
                if was is None or not may_be(was, body):
                    yield f"wish {wish.number} read {body}, and it was {was}"


def may_be(was, body):
    """WAITING as long as the list says; then what its offer came to, or that it left."""
    place, booking = body["place"], body["booking"]
    if body["status"] == "WAITING":
        return place is not None and place >= 1 and booking is None
    if body["status"] == "LEFT":
        return was.status == "LEFT" and place is None and booking is None
    return was.status == "OFFERED" and place is None and booking is not None and \
        booking["id"] == body["id"] and booking["quantity"] <= was.quantity
