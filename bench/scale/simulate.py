#!/usr/bin/python3
"""What a sale needs and what its buyers see, computed from measured unit costs.

    bench/scale/simulate.py                 every scenario of docs/SCALE.md, as its tables
    bench/scale/simulate.py --people 50000 --places 5000 [--ramp 1] [--room 2000] [--partitions 1]

A simulation in steps of 10 ms: people come, each books once, gateways queue up to their bound, the
partition decides batches in turns that last as long as was measured, answers leave after the turn.
Nothing is random: the same arguments give the same figures. The unit costs are those of
docs/PERFORMANCE.md of the machine with the fast disk: two shared cores, the load generator on them.
"""

import argparse
from dataclasses import dataclass
from math import ceil

STEP_MS = 10

# CPU µs on one core, by where it is spent.
BOOKING_US = {"postgres": 12.0, "redis": 8.0, "gateway": 6.5, "allocator": 1.3}
REFUSAL_US = {"postgres": 1.0, "redis": 2.0, "gateway": 8.0, "allocator": 1.0}
READ_US = {"gateway": 5.0}
EVENT_US = {"gateway": 1.5}             # one event to one open stream
# What one partition does a second when a turn's parts have a core each: its slowest part decides.
GRANTS_S = 45_000
REFUSALS_S = 75_000
QUEUE_MS_MAX = 10_000                   # queue_wait_ms_max: beyond it, 503 at the door
BACKLOG_MAX = 500_000                   # backlog_requests_max
BATCH, IN_FLIGHT = 512, 2               # requests that a turn decides; turns on their way at once
RETRY_AFTER_MS = 5_000                  # who got 503 comes again after so long

STREAM_BYTES = 4 * 1024                 # an open stream or an awaiting connection, in the gateway
REDIS_BOOKING_BYTES = 185
REDIS_ANSWER_BYTES = 113
POSTGRES_BOOKING_BYTES = 420            # row, its two indexes, its share of the journal
WAL_BOOKING_BYTES = 700
ROUND_TRIP_MS = 1                       # gateway, Redis, Postgres: one data centre
SYNC_REPLICA_MS = 1                     # a standby that confirms each commit, in another building

# What a cloud asks, in dollars; orders of magnitude.
CORE_HOUR, GIB_HOUR, DISK_GIB_MONTH = 0.04, 0.005, 0.10


@dataclass
class Sale:
    """One show on one partition."""
    people: int
    places: int
    ramp_s: float = 1.0                 # they come evenly within so many seconds
    room_per_s: float = 0.0             # admissions a second; 0: no waiting room


@dataclass
class Outcome:
    granted: int = 0
    refused: int = 0
    at_the_door: int = 0                # times that 503 was told; these come again
    longest_queue: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    sold_out_s: float = 0.0
    all_told_s: float = 0.0


def arrivals(sale, step):
    """How many reach the queue in this step."""
    rate = sale.people / sale.ramp_s
    if sale.room_per_s:
        rate = min(rate, sale.room_per_s)
    begun, until = step * STEP_MS / 1000, (step + 1) * STEP_MS / 1000
    return min(sale.people, int(rate * until)) - min(sale.people, int(rate * begun))


def simulate(sale):
    """Run the sale until everybody has an answer."""
    out, queue, left, waits, again = Outcome(), [], sale.places, [], {}
    come = step = 0
    while come < sale.people or queue or again:
        now_ms = step * STEP_MS
        fresh = arrivals(sale, step)
        come += fresh
        fresh += again.pop(step, 0)
        if fresh:
            waiting = sum(count for _, count in queue)
            room = max(0, int(bound_of(left)) - waiting)
            if fresh > room:
                out.at_the_door += fresh - room
                later = step + RETRY_AFTER_MS // STEP_MS
                again[later] = again.get(later, 0) + fresh - room
            queue.append((now_ms, min(fresh, room)))
        budget_ms = float(STEP_MS)
        while queue and budget_ms > 0:
            came_ms, count = queue[0]
            rate = (GRANTS_S if left > 0 else REFUSALS_S) / 1000
            some = min(count, ceil(budget_ms * rate), left or count)
            if some == 0:
                queue.pop(0)
                continue
            budget_ms -= some / rate
            granted = min(left, some)
            left -= granted
            out.granted += granted
            out.refused += some - granted
            if left == 0 and granted:
                out.sold_out_s = now_ms / 1000
            waits.append((now_ms - came_ms + turn_ms(some), some))
            queue[0] = (came_ms, count - some)
            if count == some:
                queue.pop(0)
        out.longest_queue = max(out.longest_queue, sum(count for _, count in queue))
        step += 1
    out.all_told_s = step * STEP_MS / 1000
    out.p50_ms, out.p99_ms = percentile(waits, 0.50), percentile(waits, 0.99)
    return out


def bound_of(left):
    """How many may wait: what is decided within the bound on waiting."""
    return min(BACKLOG_MAX, (GRANTS_S if left else REFUSALS_S) * QUEUE_MS_MAX / 1000)


def turn_ms(count):
    """A turn and the answer's way back, when there is no queue."""
    return 1.5 + min(count, BATCH) / GRANTS_S * 1000 + 2 * ROUND_TRIP_MS + SYNC_REPLICA_MS


def percentile(waits, share):
    waits = sorted(waits)
    due = share * sum(count for _, count in waits)
    for wait, count in waits:
        due -= count
        if due <= 0:
            return wait
    return 0.0


def cores(rates):
    """Cores by part for rates a second of (booking, refusal, read, event); at 60 % of a core."""
    booking, refusal, read, event = rates
    need = {}
    for rate, costs in ((booking, BOOKING_US), (refusal, REFUSAL_US), (read, READ_US),
                        (event, EVENT_US)):
        for part, cost in costs.items():
            need[part] = need.get(part, 0.0) + rate * cost / 1e6 / 0.6
    return need


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("| --- |" + " ---: |" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


SALES = [
    ("50,000 press at once, 5,000 places", Sale(50_000, 5_000)),
    ("the same, 2,000 a second let in", Sale(50_000, 5_000, room_per_s=2_000)),
    ("1,000,000 press at once, 50,000 places", Sale(1_000_000, 50_000)),
    ("the same, 20,000 a second let in", Sale(1_000_000, 50_000, room_per_s=20_000)),
    ("5,000,000 press at once, 100,000 places", Sale(5_000_000, 100_000)),
    ("the same, 20,000 a second let in", Sale(5_000_000, 100_000, room_per_s=20_000)),
]

# name, people a day, open at the busiest, share of the day's bookings in the busiest hour
DAYS = [("1 ×", 1_000_000, 50_000), ("10 ×", 10_000_000, 500_000),
        ("100 ×", 100_000_000, 5_000_000)]
BOOKS, READS, PEAK_SHARE, BURST = 0.4, 30, 0.15, 20     # a person; of the day in an hour; × mean


def print_sales():
    rows = []
    for name, sale in SALES:
        out = simulate(sale)
        rows.append((name, number(out.p50_ms), number(out.p99_ms), number(out.longest_queue),
                     number(out.at_the_door), f"{out.sold_out_s:.1f}", f"{out.all_told_s:.1f}"))
    table(("one show, one partition", "p50 ms", "p99 ms", "longest queue", "503 at the door",
           "sold out after s", "all told after s"), rows)


def day(people, open_at_once):
    """Rates in the burst of the busiest hour, and what they need."""
    booking = people * BOOKS * PEAK_SHARE / 3600 * BURST
    refusal, read = 3 * booking, people * READS * PEAK_SHARE / 3600 * BURST
    event = open_at_once * 1.0
    need = cores((booking, refusal, read, event))
    return booking, refusal, read, event, need


def print_days():
    rows, costs = [], []
    for name, people, open_at_once in DAYS:
        booking, refusal, read, event, need = day(people, open_at_once)
        partitions = max(2, ceil((booking / GRANTS_S + refusal / REFUSALS_S) / 0.5))
        gateways = max(2, ceil(max(need["gateway"], open_at_once / 15_000)))
        rows.append((name, number(booking), number(refusal), number(read), number(event),
                     f"{need['gateway']:.1f}", f"{need['redis']:.2f}", f"{need['postgres']:.2f}",
                     partitions, gateways))
        memory = (open_at_once * STREAM_BYTES + 3 * people * BOOKS * REDIS_BOOKING_BYTES) / 2**30
        disk = people * BOOKS * 365 * POSTGRES_BOOKING_BYTES / 2**30
        machines = sum(need.values()) + partitions
        dollars = 730 * (2 * machines * CORE_HOUR + (memory + 8) * GIB_HOUR) + disk * DISK_GIB_MONTH
        costs.append((name, f"{2 * machines:.0f}", f"{memory:.1f}", number(disk), number(dollars)))
    table(("", "bookings/s", "refusals/s", "reads/s", "events/s", "cores gateway", "cores Redis",
           "cores Postgres", "partitions", "gateway processes"), rows)
    table(("", "cores, everything twice", "memory GiB", "disk of a year GiB", "dollars a month"),
          costs)


def print_distances():
    """A commit that waits for a far standby: a batch takes longer, and holds more."""
    rows = []
    for name, far_ms in (("no standby", 0), ("another building", 1), ("another city", 10),
                         ("another coast", 70), ("another continent", 150)):
        turn = 1.5 + BATCH / GRANTS_S * 1000 + far_ms
        rows.append((name, far_ms, number(min(GRANTS_S, IN_FLIGHT * BATCH / turn * 1000)),
                     number(turn_ms(1) - SYNC_REPLICA_MS + far_ms)))
    table(("standby that confirms each commit", "round trip ms", "bookings/s of one partition",
           "shortest answer ms"), rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--people", type=int, help="who press within the ramp")
    parser.add_argument("--places", type=int, default=5000)
    parser.add_argument("--ramp", type=float, default=1.0, help="seconds within which they come")
    parser.add_argument("--room", type=float, default=0.0, help="a waiting room's rate a second")
    asked = parser.parse_args()
    if asked.people is None:
        print_sales()
        print_days()
        print_distances()
        return
    out = simulate(Sale(asked.people, asked.places, asked.ramp, asked.room))
    for name, value in vars(out).items():
        print(f"{name:14} {number(value)}")


if __name__ == "__main__":
    main()
