"""The judge: section 3 recounted from Postgres, and compared with Redis and with what clients heard.

It shares no code with the product and takes nothing on trust: not the counters (it counts bookings),
not the journal (it looks for what it promises), not Redis (it builds what must be there). Each rule
is a row of a table and gives one sentence for each violation.
"""

import json
import time

import psycopg2.extras

from .answers import Answers
from .process import patience
from .words import (BOOK, GRANTED, HOLD, LIVE, SEVERAL, STATES, Keys, Reply, id_bytes, id_show,
                    id_text, part_id, unpack, unpack_seats)

NUMBERS = {name: number for number, name in STATES.items()}


# What Postgres alone must say. Each statement finds violations: one row, one sentence.

STATEMENTS = (
    ("a tier's counters are not the places of its bookings", """
        WITH places AS (
          SELECT b.show, coalesce(i.tier, b.tier) AS tier, b.status,
                 sum(coalesce(i.quantity, b.quantity)) AS places
          FROM bookings b LEFT JOIN booking_items i ON b.tier = 0 AND i.booking = b.id
          WHERE b.status IN ('HELD', 'PENDING', 'CONFIRMED') GROUP BY 1, 2, 3)
        SELECT t.show, t.tier, t.held, t.pending, t.confirmed, t.available, t.blocked, t.capacity,
               h.places AS held_found, p.places AS pending_found, c.places AS confirmed_found
        FROM tiers t
        LEFT JOIN places h ON h.show = t.show AND h.tier = t.tier AND h.status = 'HELD'
        LEFT JOIN places p ON p.show = t.show AND p.tier = t.tier AND p.status = 'PENDING'
        LEFT JOIN places c ON c.show = t.show AND c.tier = t.tier AND c.status = 'CONFIRMED'
        WHERE t.held <> coalesce(h.places, 0) OR t.pending <> coalesce(p.places, 0)
           OR t.confirmed <> coalesce(c.places, 0)
           OR t.available + t.held + t.pending + t.confirmed + t.blocked <> t.capacity
           OR t.available < 0"""),
    ("a booking has places in no tier", """
        SELECT b.id FROM bookings b LEFT JOIN booking_items i ON b.tier = 0 AND i.booking = b.id
        LEFT JOIN tiers t ON t.show = b.show AND t.tier = coalesce(i.tier, b.tier)
        WHERE t.tier IS NULL"""),
    ("a booking's lines do not add up to it", """
        SELECT b.id, b.quantity, b.amount, s.places, s.amount AS amount_of_lines, s.lines
        FROM bookings b, LATERAL (
          SELECT count(*) AS lines, coalesce(sum(i.quantity), 0) AS places,
                 coalesce(sum(i.quantity * i.price), 0) AS amount
          FROM booking_items i WHERE i.booking = b.id) s
        WHERE (b.tier = 0 AND (s.places <> b.quantity OR s.amount <> b.amount OR s.lines < 2))
           OR (b.tier > 0 AND (s.lines > 0 OR b.amount <> b.quantity * b.price))"""),
    ("an offer is not the booking of who waited", """
        SELECT w.id, w.status, b.id AS booking FROM waitlist w LEFT JOIN bookings b ON b.id = w.id
        WHERE (w.status = 'OFFERED') <> (b.id IS NOT NULL)
           OR b.show <> w.show OR b.tier <> w.tier OR b.user_id <> w.user_id
           OR b.quantity > w.quantity OR (b.id IS NOT NULL AND b.expires_ms IS NULL)"""),
    ("an id does not lead to its show", """
        SELECT id, show FROM bookings
        WHERE ('x' || left(replace(id::text, '-', ''), 8))::bit(32)::integer <> show"""),
    ("a user has more than the show allows", """
        SELECT b.show, b.user_id, sum(b.quantity) AS places, s.max_per_user
        FROM bookings b JOIN shows s USING (show)
        WHERE b.status IN ('HELD', 'PENDING', 'CONFIRMED')
          AND b.created_ms > coalesce((SELECT max(a.at_ms) FROM audit a WHERE a.show = b.show
                                       AND a.settings ? 'max_per_user'), -1)
        GROUP BY b.show, b.user_id, s.max_per_user HAVING sum(b.quantity) > s.max_per_user"""),
    ("a booking has more than the show allows", """
        SELECT b.id, b.quantity, s.max_per_booking FROM bookings b JOIN shows s USING (show)
        WHERE b.quantity > s.max_per_booking
          AND b.created_ms > coalesce((SELECT max(a.at_ms) FROM audit a WHERE a.show = b.show
                                       AND a.settings ? 'max_per_booking'), -1)"""),
    ("a booking was sold outside the sale", """
        SELECT b.id FROM bookings b JOIN shows s USING (show)
        WHERE (b.created_ms < extract(epoch FROM s.sales_open_at) * 1000
            OR b.created_ms >= extract(epoch FROM s.sales_close_at) * 1000)
          AND b.created_ms > coalesce((SELECT max(a.at_ms) FROM audit a WHERE a.show = b.show
                                       AND a.settings ?| '{sales_open_at,sales_close_at}'), -1)"""),
    ("a hold lives long past its time", """
        SELECT b.id, b.expires_ms FROM bookings b
        WHERE b.status = 'HELD' AND b.expires_ms < extract(epoch FROM now()) * 1000 - 1500"""),
    ("an expired hold ended before its time", """
        SELECT b.id FROM bookings b JOIN shows s USING (show) JOIN partitions p USING (partition)
        WHERE b.status = 'EXPIRED' AND b.expires_ms > p.now_ms"""),
    ("a hold is longer than its show allows", """
        SELECT b.id FROM bookings b JOIN shows s USING (show)
        WHERE b.expires_ms > b.created_ms + s.hold_ms_max"""),
    ("a booking is not paid as it says", """
        SELECT b.id, b.status, b.payment, p.id AS paid_by, p.status AS payment_status
        FROM bookings b LEFT JOIN payments p ON p.booking = b.id
        WHERE b.payment IS DISTINCT FROM p.id
           OR (b.status = 'PENDING' AND p.status IS DISTINCT FROM 'PENDING')
           OR (b.status = 'FAILED' AND (p.status IS NULL OR p.status = 'PENDING'))
           OR (b.status = 'CONFIRMED' AND p.status <> 'SUCCEEDED')
           OR (b.status IN ('HELD', 'EXPIRED') AND p.id IS NOT NULL)"""),
    ("a payment and its refunds do not balance", """
        SELECT p.id, p.status, p.amount, b.status AS booking_status, b.amount AS booking_amount,
               r.refunded
        FROM payments p JOIN bookings b ON b.id = p.booking, LATERAL (
          SELECT coalesce(sum(r.amount), 0) AS refunded FROM refunds r WHERE r.payment = p.id) r
        WHERE (p.status <> 'SUCCEEDED' AND r.refunded > 0)
           OR (p.status = 'SUCCEEDED' AND p.amount - r.refunded <>
               CASE WHEN b.status = 'CONFIRMED' THEN b.amount ELSE 0 END)"""),
    ("nobody carries what is owed", """
        SELECT p.id, p.status FROM payments p
        WHERE p.status = 'PENDING' AND NOT EXISTS (
          SELECT FROM outbox o WHERE o.payment = p.id AND o.kind <> 'refund')
        UNION ALL
        SELECT r.id, r.status FROM refunds r WHERE (r.status = 'PENDING') <> EXISTS (
          SELECT FROM outbox o WHERE o.refund = r.id)"""),
    ("a booking came back without a payment", """
        SELECT b.id FROM bookings b JOIN booking_changes c ON c.booking = b.id AND c.op = 8
        WHERE NOT EXISTS (SELECT FROM payments p WHERE p.booking = b.id)"""),
    ("a tier's counters are not its numbered seats", """
        SELECT t.show, t.tier, t.available, t.held, t.pending, t.confirmed, t.blocked, s.found
        FROM tiers t, LATERAL (
          SELECT array_agg(n.found ORDER BY n.status) AS found FROM (
            SELECT status, (SELECT count(*) FROM seats s WHERE s.show = t.show AND s.tier = t.tier
                            AND s.status = u.status) AS found
            FROM generate_series(0, 4) AS u (status)) n) s
        WHERE t.kind = 'seats'
          AND s.found <> ARRAY[t.available, t.held, t.pending, t.confirmed, t.blocked]::bigint[]"""),
    ("a seat is not its booking's", """
        SELECT s.show, s.id, s.status, s.booking, b.status AS booking_status
        FROM seats s LEFT JOIN bookings b ON b.id = s.booking
        LEFT JOIN booking_seats l ON l.booking = s.booking
        WHERE s.booking IS NOT NULL AND (
          b.status::text IS DISTINCT FROM (ARRAY['HELD', 'PENDING', 'CONFIRMED'])[s.status]
          OR s.status = 0 OR b.show <> s.show OR NOT coalesce(s.position = ANY (l.seats), false))"""),
    ("what is taken is no seat", """
        SELECT t.* FROM seats_taken t LEFT JOIN seat_map m USING (show, position)
        WHERE m.show IS NULL"""),
    ("a live booking has other seats than places", """
        SELECT p.*, s.seats FROM (
          SELECT b.id, t.tier, coalesce(i.quantity, b.quantity) AS places
          FROM bookings b LEFT JOIN booking_items i ON b.tier = 0 AND i.booking = b.id
          JOIN tiers t ON t.show = b.show AND t.tier = coalesce(i.tier, b.tier)
          WHERE t.kind = 'seats' AND b.status IN ('HELD', 'PENDING', 'CONFIRMED')) p,
        LATERAL (SELECT count(*) AS seats FROM seats s
                 WHERE s.booking = p.id AND s.tier = p.tier) s
        WHERE p.places <> s.seats"""),
    ("a live booking's list is not its seats", """
        SELECT b.id, l.seats, m.seats AS its FROM bookings b
        LEFT JOIN booking_seats l ON l.booking = b.id
        LEFT JOIN (SELECT s.show, s.booking, array_agg(s.position ORDER BY s.position) AS seats
                   FROM seats s WHERE s.booking IS NOT NULL GROUP BY s.show, s.booking) m
          ON m.show = b.show AND m.booking = b.id
        WHERE b.status IN ('HELD', 'PENDING', 'CONFIRMED') AND l.seats IS DISTINCT FROM m.seats"""),
    ("one request's bookings are not of one person and one moment", """
        SELECT r.request, r.booking FROM request_bookings r
        JOIN bookings f ON f.id = r.request JOIN bookings b ON b.id = r.booking
        WHERE (b.user_id, b.created_ms, b.fingerprint) <> (f.user_id, f.created_ms, f.fingerprint)
           OR (b.expires_ms IS NULL) <> (f.expires_ms IS NULL)"""),
    ("one request has the bookings of one show, or a gap among them", """
        SELECT r.request, count(*), max(r.position) FROM request_bookings r GROUP BY r.request
        HAVING count(*) < 2 OR count(*) <> max(r.position)"""),
    ("the journal has a gap", """
        SELECT b.partition, b.version FROM batches b JOIN partitions p USING (partition)
        WHERE b.version < p.version AND NOT EXISTS (
          SELECT FROM batches n WHERE n.partition = b.partition AND n.version = b.version + 1)
          AND NOT EXISTS (SELECT FROM show_moves m WHERE m.to_partition = b.partition
            AND m.skipped > 0 AND m.to_version - m.skipped - 1 = b.version)"""),
    ("the journal does not end where the partition is", """
        SELECT p.partition, p.version, p.cursor, b.version AS journal, b.cursor AS journal_cursor
        FROM partitions p LEFT JOIN LATERAL (
          SELECT * FROM batches b WHERE b.partition = p.partition ORDER BY version DESC LIMIT 1) b
          ON true
        WHERE p.version > 0
          AND (b.version IS DISTINCT FROM p.version OR b.cursor IS DISTINCT FROM p.cursor
               OR b.epoch > p.epoch OR b.now_ms > p.now_ms)"""),
    ("the journal runs backwards", """
        SELECT b.partition, b.version FROM batches b
        JOIN batches n ON n.partition = b.partition AND n.version = b.version + 1
        WHERE n.epoch < b.epoch OR n.now_ms < b.now_ms
           OR split_part(n.cursor, '-', 1)::numeric < split_part(b.cursor, '-', 1)::numeric
           OR (split_part(n.cursor, '-', 1) = split_part(b.cursor, '-', 1)
               AND split_part(n.cursor, '-', 2)::numeric < split_part(b.cursor, '-', 2)::numeric)"""),
)


def judge_database(connection):
    """Violations that Postgres shows by itself."""
    found = []
    for sentence, statement in STATEMENTS:
        found += [f"{sentence}: {row}" for row in rows_of(connection, statement)]
    return found + judge_journal(connection)


def rows_of(connection, statement, *parameters):
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute(statement, parameters or None)
        return [dict(row) for row in cursor.fetchall()]


def raw_id(text):
    """Postgres' uuid as the 16 bytes of an id."""
    return bytes.fromhex(text.replace("-", ""))


def read_journal(connection):
    """(partition, version, id, answer's bytes) of everything that was ever answered."""
    for row in rows_of(connection, "SELECT partition, version, answers FROM batches ORDER BY 1, 2"):
        for raw, _reply_to, answer in unpack(bytes(row["answers"])):
            yield row["partition"], row["version"], raw, answer


def read_bookings(connection):
    """id → row, with its lines {tier: (quantity, price)} and its seats, those that it has or had."""
    bookings = {}
    for row in rows_of(connection, "SELECT * FROM bookings"):
        row["raw"] = raw_id(row["id"])
        row["lines"] = {row["tier"]: (row["quantity"], row["price"])} if row["tier"] else {}
        row["seats"] = []
        bookings[row["raw"]] = row
    for item in rows_of(connection, "SELECT * FROM booking_items"):
        bookings[raw_id(item["booking"])]["lines"][item["tier"]] = (item["quantity"], item["price"])
    for item in rows_of(connection, "SELECT * FROM booking_seats"):
        if raw_id(item["booking"]) in bookings:
            bookings[raw_id(item["booking"])]["seats"] = item["seats"]
    return bookings


def judge_journal(connection):
    """Invariant 3 inside Postgres: one decision an id, and what was granted is there."""
    found, first = [], {}
    bookings = read_bookings(connection)
    changes = {raw_id(row["request"]): row for row in
               rows_of(connection, "SELECT * FROM booking_changes")}
    parts = read_parts(connection)
    for partition, version, raw, data in read_journal(connection):
        where = f"partition {partition}, version {version}, {id_text(raw)}"
        if raw in first:
            if first[raw] != data:
                found.append(f"an id has two decisions: {where}")
            continue
        first[raw] = data
        reply = Reply(data)
        if reply.code != GRANTED:
            if raw in bookings or raw in changes:
                found.append(f"a refused request changed something: {where}")
        elif reply.op in (BOOK, HOLD):
            found += judge_grant(where, reply, bookings.get(raw))
        elif reply.op == SEVERAL:
            found += judge_several(where, raw, reply, bookings, parts.get(raw), data)
            first.update((other["id"], None) for other in reply.others)
        elif reply.booking is not None:
            change = changes.get(raw)
            if change is None or bytes(change["answer"]) != data:
                found.append(f"a granted change is not written down as answered: {where}")
    if is_whole(connection):
        found += [f"nobody asked for booking {id_text(raw)}" for raw in bookings
                  if raw not in first]
        found += [f"nobody asked for change {id_text(raw)}" for raw in changes if raw not in first]
    return found


def read_parts(connection):
    """Of requests for several shows: request → [(booking, answer), …] by position."""
    parts = {}
    for row in rows_of(connection, "SELECT * FROM request_bookings ORDER BY request, position"):
        answer = None if row["answer"] is None else bytes(row["answer"])
        parts.setdefault(raw_id(row["request"]), []).append((raw_id(row["booking"]), answer))
    return parts


def judge_several(where, raw, reply, bookings, parts, data):
    """A booking for each show, all of them there as granted, and written down as answered."""
    granted = [reply.booking] + reply.others
    ids = [said["id"] for said in granted]
    found = []
    if ids != [part_id(raw, id_show(each)) if at else raw for at, each in enumerate(ids)] or \
            len({id_show(each) for each in ids}) != len(ids):
        found.append(f"the bookings of one request have other ids than they must: {where}")
    if parts != [(each, None if at else data) for at, each in enumerate(ids)]:
        found.append(f"a request for several is not written down as answered: {where}")
    for said in granted:
        found += judge_grant(where, reply, bookings.get(said["id"]), said)
    return found


def is_whole(connection):
    """Does the journal still reach back to the first batch?"""
    return not rows_of(connection, """
        SELECT 1 FROM partitions p WHERE p.version > 0 AND NOT EXISTS (
          SELECT FROM batches b WHERE b.partition = p.partition AND b.version = 1)""")


def judge_grant(where, reply, booking, said=None):
    """Is a booking there as it was granted, apart from what lawfully became of it since?"""
    if booking is None:
        return [f"a granted booking is not there: {where}"]
    show = id_show(said["id"]) if said else reply.show
    said = said or reply.booking
    found = []
    if (said["user"], said["created"], show) != \
            (booking["user_id"], booking["created_ms"], booking["show"]):
        found.append(f"a booking is another's or of another time than granted: {where}")
    if {tier for tier, _, _ in said["lines"]} != set(booking["lines"]):
        found.append(f"a booking has other tiers than granted: {where}")
    for tier, quantity, price in said["lines"]:
        has = booking["lines"].get(tier, (0, price))
        if has[0] > quantity or has[1] != price:
            found.append(f"a booking has more or at another price than granted: {where}")
    if said["amount"] != sum(quantity * price for _, quantity, price in said["lines"]):
        found.append(f"a grant's amount is not its lines' sum: {where}")
    return found


# What Redis must say when Postgres says so and nothing is under way.

def judge_redis(connection, redis):
    """Violations in a Redis at rest. Only meaningful while versions stand still."""
    found = []
    for partition in rows_of(connection, "SELECT * FROM partitions WHERE dsn = ''"):
        found += judge_partition(connection, redis, partition)
    return found


def judge_partition(connection, redis, partition):
    keys = Keys(partition["partition"])
    state = {k.decode(): v.decode() for k, v in redis.hgetall(keys.state).items()}
    if not state and partition["epoch"] == 0:
        return []  # nobody has ever owned it
    if not state:
        return [f"partition {partition['partition']} has no state in Redis"]
    found = []
    for name in ("epoch", "version", "generation"):
        if state.get(name) != str(partition[name]):
            found.append(f"partition {partition['partition']}: {name} is {partition[name]} in "
                         f"Postgres and {state.get(name)} in Redis")
    if state.get("clean") != "1":
        found.append(f"partition {partition['partition']} is unclean in Redis")
    if found:
        return found
    published = state.get("published")
    if partition["version"] and published != str(partition["version"]):
        found.append(f"partition {partition['partition']}: published {published}, not "
                     f"{partition['version']}")
    waiting = redis.xread({keys.requests: partition["cursor"]}, count=1)
    if waiting:
        found.append(f"partition {partition['partition']}: undecided requests in the stream")
    bookings = read_bookings(connection)
    shows = rows_of(connection, "SELECT * FROM shows WHERE partition = %s",
                    partition["partition"])
    loaded = {int(n) for n in redis.smembers(keys.of_generation(state["generation"], "shows"))}
    for show in shows:
        mine = [b for b in bookings.values()
                if b["show"] == show["show"] and NUMBERS[b["status"]] in LIVE]
        tiers = rows_of(connection, "SELECT * FROM tiers WHERE show = %s ORDER BY tier",
                        show["show"])
        show["seat_bytes"] = seat_bytes(rows_of(
            connection, "SELECT position, tier, status FROM seats WHERE show = %s", show["show"]))
        if show["show"] in loaded:
            waiting = rows_of(connection, "SELECT * FROM waitlist WHERE show = %s", show["show"])
            found += judge_show(redis, keys, state["generation"], show, tiers, mine, waiting)
        elif any(b["status"] == "HELD" for b in mine):
            found.append(f"show {show['show']} has holds and is not loaded")
        found += judge_availability(redis, keys, show, tiers)
    found += judge_rooms(connection, redis, partition["partition"])
    found += judge_answers(Answers(redis, partition["partition"]), bookings)
    return found


HISTORY = "return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')"


def judge_rooms(connection, redis, partition):
    """Numbers are given in one place, and none that was not reserved; one for each user."""
    found = []
    for row in rows_of(connection, "SELECT r.*, s.partition FROM rooms r JOIN shows s USING (show)"):
        keys = {name: f"usher:{{{partition}}}:{name}:{row['show']}" for name in ("room", "room-users")}
        room = redis.hgetall(keys["room"])
        gives = b"history" in room and room[b"history"] == redis.eval(HISTORY, 1, keys["room"])
        here = row["partition"] == partition
        if row["counted_in"] is not None:
            found.append(f"show {row['show']}: its waiting room has not arrived")
        elif gives and not here:
            found.append(f"show {row['show']}: partition {partition} gives numbers too")
        elif gives:
            last = int(room[b"next"])
            numbers = [int(n) for n in redis.hvals(keys["room-users"])]
            if last > row["issued_upto"] or int(room[b"upto"]) > row["issued_upto"]:
                found.append(f"show {row['show']}: {room} and {row['issued_upto']} are reserved")
            if numbers and (max(numbers) > last or len(set(numbers)) != len(numbers)):
                found.append(f"show {row['show']}: somebody has a number that is not theirs")
    return found


def judge_show(redis, keys, generation, show, tiers, live, waiting):
    number, found = show["show"], []

    def differs(what, wanted, seen):
        if wanted != seen:
            found.append(f"show {number}: {what} should be {wanted} and Redis has {seen}")

    fields = redis.hgetall(keys.of_generation(generation, f"show:{number}"))
    rules = {"state": show["state"], "max_per_user": show["max_per_user"] or 0,
             "max_per_booking": show["max_per_booking"], "hold_ms": show["hold_ms"],
             "hold_ms_max": show["hold_ms_max"], "tiers": len(tiers),
             "offer_ms": show["offer_ms"] or show["hold_ms"],
             "payment": show["payment"]}
    for name, wanted in rules.items():
        differs(name, str(wanted).encode(), fields.get(name.encode()))
    for tier in tiers:
        for name in ("price", "available", "held", "pending", "confirmed"):
            field = f"{tier['tier']}:{name}"
            differs(field, str(tier[name]).encode(), fields.get(field.encode()))
    differs("seats", show["seat_bytes"], redis.get(keys.of_generation(generation,
                                                                      f"seats:{number}")))
    users = {}
    for booking in live:
        user = booking["user_id"].encode()
        users[user] = users.get(user, 0) + booking["quantity"]
    for what, wanted, seen in judge_waiting(redis, keys, generation, show, waiting):
        differs(what, wanted, seen)
    seen = redis.hgetall(keys.of_generation(generation, f"users:{number}"))
    differs("users", users, {user: int(count) for user, count in seen.items()})
    seen = redis.hgetall(keys.of_generation(generation, f"bookings:{number}"))
    differs("live bookings", {b["raw"]: packed(b) for b in live},
            {raw: unpacked(data) for raw, data in seen.items()})
    seen = redis.zrange(keys.of_generation(generation, "holds"), 0, -1, withscores=True)
    differs("holds", {b["raw"]: b["expires_ms"] for b in live if b["status"] == "HELD"},
            {raw: int(score) for raw, score in seen
             if int.from_bytes(raw[:4], "big") == number})
    return found


def seat_bytes(seats):
    """A show's seats as base/seats.h lays them out, or None."""
    if not seats:
        return None
    found = {seat["position"]: (seat["tier"] - 1) * 8 + seat["status"] for seat in seats}
    return bytes(found.get(at, 255) for at in range(1, max(found) + 2))


def judge_waiting(redis, keys, generation, show, entries):
    """What of the waiting list should be, as (what, wanted, seen)."""
    number = show["show"]
    waits = [e for e in entries if e["status"] == "WAITING"]
    orders, sizes = {}, {}
    for entry in waits:
        slot = f"{entry['tier']}:{entry['quantity']}"
        orders.setdefault(slot, {})[raw_id(entry["id"])] = entry["position"]
        sizes[slot.encode()] = sizes.get(slot.encode(), 0) + 1

    def read(name):
        return redis.hgetall(keys.of_generation(generation, f"{name}:{number}"))
    yield "who waits", {raw_id(e["id"]): [e["tier"], e["quantity"], e["user_id"].encode(),
                                          e["joined_ms"], e["position"]] for e in waits}, \
        {raw: unpack(data) for raw, data in read("waiting").items()}
    yield "who waits by user", {f"{e['tier']}:{e['user_id']}".encode(): raw_id(e["id"])
                                for e in waits}, read("waiters")
    yield "the groups that wait", sizes, {slot: int(n) for slot, n in read("sizes").items()}
    for slot, order in orders.items():
        seen = redis.zrange(keys.of_generation(generation, f"order:{number}:{slot}"), 0, -1,
                            withscores=True)
        yield f"the order of {slot}", order, {raw: int(score) for raw, score in seen}
    fields = read("show")
    yield "how many wait", len(waits), int(fields.get(b"waits", 0))
    yield "how many joined", max((e["position"] for e in entries), default=0), \
        int(fields.get(b"joined", 0))


def packed(booking):
    """The part of a live booking that Postgres and Redis both know."""
    return (NUMBERS[booking["status"]], booking["user_id"].encode(), booking["created_ms"],
            raw_id(booking["payment"]) if booking["payment"] else b"", booking["seats"],
            {tier: line for tier, line in booking["lines"].items() if line[0]})


def unpacked(data):
    state, user, _expires, _extended, created, seats, payment, *flat = unpack(data)
    return (state, user, created, payment, unpack_seats(seats),
            {flat[i]: (flat[i + 1], flat[i + 2]) for i in range(0, len(flat), 3) if flat[i + 1]})


def judge_availability(redis, keys, show, tiers):
    data = redis.get(keys.availability(show["show"]))
    if data is None:
        return []
    number, _version, counts = unpack(data)
    wanted = [[t["tier"], t["capacity"], t["available"], t["held"],
               t["pending"] + t["confirmed"], t["blocked"]] for t in tiers]
    if number != show["show"] or sorted(counts) != wanted:
        return [f"show {show['show']}: the availability for readers is {counts}, not {wanted}"]
    return []


def judge_answers(answers, bookings):
    """Whatever Redis would answer for an id is what Postgres has, and not for ever."""
    found = []
    for raw, data in answers.all():
        if answers.seconds_left(raw) == -1:
            found.append(f"the answer for {id_text(raw)} would be kept for ever")
        reply = Reply(data)
        if reply.code != GRANTED and raw in bookings:
            found.append(f"{id_text(raw)} is answered as refused and has a booking")
        elif reply.code == GRANTED and reply.op in (BOOK, HOLD):
            found += judge_grant(id_text(raw), reply, bookings.get(raw))
        elif reply.code == GRANTED and reply.op == SEVERAL:
            for said in [reply.booking] + reply.others:
                found += judge_grant(id_text(raw), reply, bookings.get(said["id"]), said)
    return found


# What clients were told.

class Ask:
    """One wish of one client: a command, sent once or again and again, and all that came back."""

    def __init__(self, user, body, key=None, copies=1):
        self.user = user      # nobody else in this history has the name
        self.body = body
        self.key = key        # without one, each sending is another request
        self.copies = copies  # sent by so many at the same time
        self.sendings = 0
        self.answers = []     # (status, body's bytes) of final answers, in order of arrival
        self.changes = []     # (what, Ask) that followed, on the booking that was granted

    @property
    def granted(self):
        return next((body for status, body in self.answers if status == 201), None)

    def outcome(self, what):
        """The status that a change was answered with; None: not sent; 0: sent, never answered."""
        asked = [change for name, change in self.changes if name == what]
        if not asked:
            return None
        return asked[0].answers[0][0] if asked[0].answers else 0


FINAL = (200, 201, 409, 410, 504)


def judge_history(connection, asks, lines):
    """Every answer is true, and nothing is there that nobody asked for.

    lines(body) gives {tier's number: quantity} of what an ask's body wishes."""
    found, by_user = [], {}
    for booking in read_bookings(connection).values():
        by_user.setdefault(booking["user_id"], []).append(booking)
    for ask in asks:
        mine = by_user.pop(ask.user, [])
        found += [f"{ask.user}: {problem}" for problem in judge_ask(ask, mine, lines)]
    found += [f"nobody asked for the booking of {user}" for user in by_user]
    return found


def judge_ask(ask, mine, lines):
    found = judge_key(ask) + [p for _, change in ask.changes for p in judge_key(change)]
    if len(mine) > (1 if ask.key is not None else ask.sendings):
        found.append(f"{len(mine)} bookings for {ask.sendings} sendings, key {ask.key}")
    for booking in mine:
        had = {tier: quantity for tier, (quantity, _) in booking["lines"].items()}
        if had != lines(ask.body):
            found.append(f"asked for {ask.body} and has {had}")
    for status, body in ask.answers:
        if status == 201:
            found += judge_granted(ask, body, mine)
        elif ask.key is not None and mine:
            found.append(f"was told {status} and has a booking: {body!r}")
    return found


def judge_key(ask):
    if ask.key is not None and len(set(ask.answers)) > 1:
        return [f"different answers under one key: {ask.answers}"]
    return []


def judge_granted(ask, body, mine):
    """Is what was granted there, and has nothing become of it but what its owner was told?"""
    said = json.loads(body)
    booking = next((b for b in mine if b["raw"] == id_bytes(said["id"])), None)
    if booking is None:
        return [f"was told of {said['id']}, which Postgres does not have"]
    found = []
    if (said["user"], said["quantity"], said["amount"]) != \
            (booking["user_id"], booking["quantity"], booking["amount"]):
        found.append(f"was told {said}, Postgres has {booking}")
    lawful = lawful_ends(ask, said["status"])
    if booking["status"] not in lawful:
        found.append(f"is {booking['status']}, not one of {sorted(lawful)}: {said['id']}")
    return found


def lawful_ends(ask, granted_as):
    """States in which a booking may be found, by what was asked of it and answered."""
    confirm, cancel = ask.outcome("confirm"), ask.outcome("cancel")
    if cancel == 200:
        return {"CANCELLED"}
    ends = {"CANCELLED"} if cancel == 0 else set()
    if granted_as == "CONFIRMED" or confirm == 200:
        return ends | {"CONFIRMED"}
    return ends | {"HELD", "EXPIRED"} | ({"CONFIRMED"} if confirm == 0 else set())


# All of it.

def judge(connection, redis=None, seconds=8.0):
    """The violations that remain once everything has come to rest, within a bound."""
    end = time.monotonic() + patience(seconds)
    while True:
        found = judge_database(connection)
        if redis is not None and not found:
            found = judge_redis(connection, redis)
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.1)
