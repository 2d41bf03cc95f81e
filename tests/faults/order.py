"""The journal runs forward, and what is read is what was true at some moment of the read."""

import json

from harness.words import STATES, id_bytes

from evidence import bookings_told, granted_exchanges, invariant


@invariant(5, "batches follow each other: version, epoch, cursor and clock never run backwards")
def journal_runs_forward(e):
    last = {}
    skipped = {(move["to_partition"], move["to_version"]): move["skipped"] for move in e.moves}
    for batch in e.batches:
        before = last.get(batch["partition"])
        gap = skipped.get((batch["partition"], batch["version"]), 0)
        if before is not None and not (
                batch["version"] == before["version"] + 1 + gap and batch["epoch"] >= before["epoch"] and
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


# Reads.

@invariant(9, "a read shows a booking as it was at some moment of the read")
def reads_are_fresh(e):
    acknowledged = {}  # id → [(time of the answer, index of the change)]
    for wish in e.commands():
        for said in granted_exchanges(wish):
            for raw in [id_bytes(told["id"]) for told in bookings_told(wish, said)]:
                for index, change in enumerate(e.replay.changes.get(raw, [])):
                    if said["id"] and change.request == id_bytes(said["id"]):
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
            may = {(STATES[change.state], change.places) for change
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


@invariant(3, "no number of a waiting room was given twice")
def numbers_are_given_once(e):
    seen = {}  # order of arrival → whose
    for wish in e.history.wishes.values():
        for said in wish.exchanges if wish.op == "queue" else ():
            if said["status"] != 201:
                continue
            arrival = json.loads(said["body"])["arrival"]
            if arrival in seen:
                yield f"wishes {seen[arrival]} and {wish.number} both came as number {arrival}"
            seen[arrival] = wish.number
