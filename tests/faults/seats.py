"""Numbered seats: each is one booking's at most, and what all who speak of it say is the same."""

import json

from harness.words import CONFIRMED, HELD, PENDING, STATES, id_text

from evidence import invariant

STATUS_IN = {STATES[HELD]: 1, STATES[PENDING]: 2, STATES[CONFIRMED]: 3}
BLOCKED = 4


@invariant(1, "a seat has one live booking at most; its row says what that booking's list and state do")
def seats_are_of_their_bookings(e):
    has = {}     # id → positions of the seats that say they are its own
    listed = {}  # (show, position) → the live booking that lists it
    for seat in e.seats:
        if seat["booking"] is not None:
            has.setdefault(id_bytes_of(seat), []).append(seat)
        elif seat["status"] not in (0, BLOCKED):
            yield f"seat {name_of(seat)} has status {seat['status']} and no booking"
    for raw, row in e.bookings.items():
        mine, status = has.pop(raw, []), STATUS_IN.get(row["status"])
        if status is None:
            yield from (f"seat {name_of(seat)} is of {id_text(raw)}, which is {row['status']}"
                        for seat in mine)
            continue
        if any((seat["show"], seat["status"]) != (row["show"], status) for seat in mine) or \
                [seat["position"] for seat in mine] != row["seats"]:
            yield f"{id_text(raw)} is {row['status']} of show {row['show']} with seats " \
                  f"{row['seats']}; of it are {mine}"
        for position in row["seats"]:
            other = listed.setdefault((row["show"], position), raw)
            if other != raw:
                yield f"{id_text(other)} and {id_text(raw)} both list seat {position} of show " \
                      f"{row['show']}"
        hall = e.replay.halls.get(row["show"])
        places = hall.places({t: n for t, (n, _) in row["lines"].items()}) if hall else 0
        if places != len(row["seats"]):
            yield f"{id_text(raw)} has {places} numbered places and lists seats {row['seats']}"
    yield from (f"seat {name_of(seat)} is of {id_text(raw)}, which nobody knows"
                for raw, seats in has.items() for seat in seats)


def id_bytes_of(seat):
    return bytes.fromhex(seat["booking"].replace("-", ""))


def name_of(seat):
    return f"{seat['id']} of show {seat['show']}"


@invariant(1, "the recount of seats ends where Postgres is: every list, every seat")
def seats_recounted(e):
    for raw, mine in e.replay.bookings.items():
        row = e.bookings.get(raw)
        if row is not None and row["seats"] != mine["seats"]:
            yield f"{id_text(raw)} has seats {row['seats']} in Postgres and {mine['seats']} by " \
                  f"recount"
    for seat in e.seats:
        mine = e.replay.halls[seat["show"]].seats[seat["position"]]
        has = id_bytes_of(seat) if seat["booking"] else b""
        if has != mine.booking or seat["tier"] != mine.tier:
            yield f"seat {name_of(seat)} is of {has and id_text(has)} in Postgres and of " \
                  f"{mine.booking and id_text(mine.booking)} by recount"


@invariant(7, "at rest no seat is locked: whoever holds it is in time, and nobody is still paying")
def no_seat_is_locked(e):
    clocks = {s["show"]: e.partitions[s["partition"]]["now_ms"] for s in e.shows}
    for seat in e.seats:
        row = e.bookings.get(id_bytes_of(seat)) if seat["booking"] else None
        if seat["status"] == STATUS_IN["PENDING"]:
            yield f"seat {name_of(seat)} still waits for a payment"
        elif seat["status"] == STATUS_IN["HELD"] and (
                row is None or (row["expires_ms"] or 0) < clocks[seat["show"]] - 1000):
            yield f"seat {name_of(seat)} is held for {row and row['id']}, whose time is over"


@invariant(9, "a read shows all seats of a show, and those that are blocked as blocked")
def maps_are_whole(e):
    blocked = {}  # show → for each of its seats in order: is it blocked?
    for seat in e.seats:
        blocked.setdefault(seat["show"], []).append(seat["status"] == BLOCKED)
    for wish in e.history.wishes.values():
        for said in wish.exchanges if wish.op == "seats" else ():
            if said["status"] == 200:
                statuses = json.loads(said["body"])["statuses"]
                if [status == "3" for status in statuses] != blocked[wish.show]:
                    yield f"wish {wish.number} read seats {statuses}"
