"""Several shows in one request: a booking for each of them, or none."""

from harness import judge
from harness.words import GRANTED, SEVERAL, id_bytes, id_text

from evidence import invariant, part_ids


@invariant(6, "one request for several shows made a booking for each, at one moment, or none at all")
def several_are_all_or_none(e):
    rows = {}  # request → its bookings, by position
    for row in judge.rows_of(e.connection, "SELECT * FROM request_bookings"
                                           " ORDER BY request, position"):
        rows.setdefault(judge.raw_id(row["request"]), []).append(judge.raw_id(row["booking"]))
    for raw, decision in e.first.items():
        if decision.reply.op != SEVERAL or decision.reply.code != GRANTED:
            continue
        made = [said["id"] for said in [decision.reply.booking] + decision.reply.others]
        if rows.pop(raw, None) != made or len(made) < 2:
            yield f"{decision} made {list(map(id_text, made))}, and Postgres has other rows of it"
        moments = {e.bookings[part]["created_ms"] for part in made if part in e.bookings}
        if moments != {decision.now_ms} or not set(made) <= set(e.bookings):
            yield f"{decision} made bookings of {moments}, of which some are not there"
    yield from (f"nobody granted the bookings of {id_text(raw)}" for raw in rows)
    for wish in e.commands():
        for raw in map(id_bytes, wish.ids() if wish.kind == "several" else ()):
            there = [part in e.bookings for part in part_ids(raw, wish)]
            if any(there) and not all(there):
                yield f"wish {wish.number} has some of {wish.parts}: {there}"
