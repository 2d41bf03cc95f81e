"""make faults: break things while people book, then judge every answer.

    /usr/bin/python3 tests/faults/run.py [--venue ordinary|machines] [--minutes 3] [--seed N]
                                         [--only FAULT[,FAULT…]] [--weight FAULT=N …] [--keep]

Prints the seed first; the same seed breaks the same things at the same moments. Ends with 1 if
anything was violated, and then keeps logs and history (the folder is printed).
"""

import argparse
import heapq
import itertools
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from venue import Venue  # first: it makes the harness importable
import checker
import faults
import faults_machines
import schedule
from clients import SETTLE_SECONDS, Crowd
from history import History, is_decision, now
from machines import REPLICA_PROMOTED, Machines
from witness import TRIGGERS

TAIL_SECONDS = 30          # of the run: nothing breaks any more, the last deadlines pass
SAVE_FILE_EVERY = 7.0      # seconds between copies of Redis' file
TICK_SECONDS = 0.01
TOLD_OF_A_KIND = 8
OUTAGE_SECONDS = 0.15      # a silence that is shorter is none
FOLLOWING = (faults.BEGAN_EMPTY, REPLICA_PROMOTED)
VENUES = {"ordinary": (Venue, faults.ROWS), "machines": (Machines, faults_machines.ROWS)}
OUTAGE_BEFORE = 0.3        # an outage belongs to the faults that began since shortly before it


def main():
    options = parse()
    print(f"faults: seed {options.seed}, venue {options.venue}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="usher-faults-"))
    folder.chmod(0o755)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupted)
    venue = VENUES[options.venue][0](folder, options.seed)
    history = History(folder / "history.jsonl")
    try:
        venue.build()
        violations = run(venue, history, options)
    except BaseException:
        print(f"faults: stopped; what there is of logs and history is in {folder}", flush=True)
        raise
    finally:
        venue.close()
        history.close()
        venue.unmount()
    violations += [("-", "daemons", problem) for problem in venue.problems]
    report(history, violations, venue, options)
    if violations:
        print(f"faults: again with: make faults VENUE={options.venue} SEED={options.seed} "
              f"MINUTES={options.minutes:g}")
    if violations or options.keep:
        print(f"faults: logs and history are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"faults: {len(history.wishes)} operations, {len(history.faults)} faults, "
          f"{len(violations)} violations")
    return 1 if violations else 0


def interrupted(_number, _frame):
    raise KeyboardInterrupt


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venue", choices=VENUES, default="ordinary")
    parser.add_argument("--minutes", type=float, default=3.0, help="of booking, end to end")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", default="", help="these faults and no others")
    parser.add_argument("--weight", action="append", default=[], metavar="FAULT=N",
                        help="so many cards in the deck")
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--keep", action="store_true", help="keep the folder in any case")
    parser.add_argument("--list", action="store_true", help="print the schedule, run nothing")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1, 1 << 31)
    options.rows = rows_of(parser, options)
    if options.list:
        for event in plan_of(options, options.rows):
            print(event)
        sys.exit(0)
    return options


def rows_of(parser, options):
    rows = dict(VENUES[options.venue][1])
    weights = dict(pair.split("=", 1) for pair in options.weight)
    only = [name for name in options.only.split(",") if name]
    for name in [*weights, *only]:
        if name not in rows:
            parser.error(f"no such fault: {name}; there are {', '.join(sorted(rows))}")
    for name, number in weights.items():
        rows[name] = replace(rows[name], weight=int(number))
    return {name: rows[name] for name in (only or rows)}


def plan_of(options, rows):
    return schedule.plan(options.seed, max(10.0, options.minutes * 60 - TAIL_SECONDS), rows)


# The run.

def run(venue, history, options):
    rows = {name: row for name, row in options.rows.items() if row.needs not in venue.missing}
    for need, why in sorted(venue.missing.items()):
        skipped = sorted(n for n, row in options.rows.items() if row.needs == need)
        print(f"faults: SKIPPED, {why}: {', '.join(skipped)}", flush=True)
    venue.postgres.run("usher", TRIGGERS)
    witnesses = [witness.start() for witness in venue.witnesses()]
    crowd = Crowd(venue, history, options.seed, options.people).start()
    start = time.monotonic()
    break_things(venue, history, plan_of(options, rows), rows, crowd, start)
    venue.heal()
    while time.monotonic() - start < options.minutes * 60 - TAIL_SECONDS + 2:
        tick(venue)
    crowd.stop()
    await_crowd(venue, crowd)
    try:
        venue.wait_healthy()
    except TimeoutError as error:  # a verdict there is, all the same
        venue.problems.append(str(error))
    for name, begin, end in venue.losses():
        history.fault(name, begin, end)
    violations = verdict(venue, history, witnesses)
    for witness in witnesses:
        witness.close()
    return violations


def break_things(venue, history, events, rows, crowd, start):
    """The schedule, event by event; what is undone later goes back into the same queue."""
    order = itertools.count()
    todo = [(event.at, next(order), event, None) for event in events]
    heapq.heapify(todo)
    saved = 0.0
    while todo:
        elapsed = time.monotonic() - start
        if todo[0][0] > elapsed:
            if elapsed - saved > SAVE_FILE_EVERY:
                saved = elapsed
                venue.save_redis_file()
            tick(venue)
            if crowd.problem is not None:
                raise crowd.problem
            continue
        _, _, event, undo = heapq.heappop(todo)
        if undo is not None:
            undo()
            continue
        begin = now()
        undo = rows[event.name](venue, random.Random(event.seed))
        history.fault(event.name, begin, now() + event.lasting)
        print(f"faults: {event.at:6.1f} s {event.name}"
              + (f" for {event.lasting:.1f} s" if event.lasting else ""), flush=True)
        if undo is not None:
            heapq.heappush(todo, (elapsed + event.lasting, next(order), event, undo))


def tick(venue):
    venue.supervise()
    time.sleep(TICK_SECONDS)


def await_crowd(venue, crowd):
    """The last ones are served; whoever is not, within a bound, is stuck and will be found so."""
    end = time.monotonic() + SETTLE_SECONDS + 30
    while not crowd.ended() and time.monotonic() < end:
        tick(venue)
    if not crowd.join(1):
        raise TimeoutError("the clients do not end")


def verdict(venue, history, witnesses):
    connection, redis = venue.connect(), venue.redis.client()
    moving = checker.wait_for_rest(connection, redis)
    if moving:
        print(f"faults: not at rest: {moving}", flush=True)
    began = time.monotonic()
    evidence = checker.Evidence(history, connection, redis,
                                [found for witness in witnesses for found in witness.found],
                                losing(), checker.Books.of(venue.provider))
    violations = checker.judge_all(evidence)
    result = venue.ctl("verify")
    if result.code != 0:
        violations.append(("-", "usherctl verify", repr(result)))
    commands, decided, unjudged = (sum(getattr(witness, name) for witness in witnesses)
                                   for name in ("commands", "decided", "unjudged"))
    print(f"faults: Redis ran {commands} commands, {decided} runs of the script ({unjudged} writes "
          f"while the witness knew of no epoch); {len(evidence.first)} requests were decided in {len(evidence.batches)} batches; "
          f"judged in {time.monotonic() - began:.1f} s")
    print(f"faults: {len(evidence.replay.offers)} offers to {len(evidence.entries)} who "
          f"waited; the provider made {len(venue.provider.taken())} charges for "
          f"{len(evidence.books.intents)} bookings, and {len(evidence.books.refunds)} refunds")
    connection.close()
    return violations


def losing():
    """Names of what makes Redis lose requests that it had taken."""
    return {name for _, rows in VENUES.values() for name, row in rows.items() if row.loses_stream} | \
        set(FOLLOWING)


# The account.

def report(history, violations, venue, options):
    print("\noperations                          wished decided granted refused  lost  door")
    for name, counts in sorted(by_operation(history).items()):
        print(f"  {name:32} {counts['wished']:7} {counts['decided']:7} {counts['granted']:7} "
              f"{counts['refused']:7} {counts['lost']:5} {counts['door']:5}")
    outages = by_fault(history, venue.shows)
    print("\nfaults                                              times  longest outage  alone")
    for name in sorted(options.rows):
        times, longest, alone = outages.get(name, (0, 0.0, 0.0))
        print(f"  {name:48} {times:6}  {longest:12.2f} s  {alone:.2f} s")
    if violations:
        print("\nviolations")
        told = Counter()
        for number, name, sentence in violations:
            told[name] += 1
            if told[name] <= TOLD_OF_A_KIND:
                print(f"  [{number}] {name}: {sentence[:1500]}")
        print("  " + ", ".join(f"{name}: {count}" for name, count in told.most_common()))


def by_operation(history):
    counts = defaultdict(Counter)
    for wish in history.wishes.values():
        count = counts[wish.row]
        count["wished"] += 1
        said = [e for e in wish.exchanges if is_decision(e)]
        count["decided"] += bool(said)
        count["granted"] += bool(said) and said[0]["status"] in (200, 201)
        count["refused"] += bool(said) and said[0]["status"] not in (200, 201)
        count["lost"] += sum(1 for e in wish.exchanges if e["status"] is None)
        count["door"] += sum(1 for e in wish.exchanges if e["status"] in (429, 503))
    return counts


def by_fault(history, shows):
    """name → (how often, longest outage, longest where it was the only fault about).

    An outage is a time in which nobody heard a decision of some partition."""
    partition_of = {show["number"]: show["partition"] for show in shows.values()}
    told = defaultdict(list)
    for wish in history.wishes.values():
        if wish.kind in checker.COMMANDS:
            told[partition_of[wish.show]] += [e["end"] for e in wish.exchanges
                                              if is_decision(e) and e["status"] != 504]
    gaps = [(a, b) for times in map(sorted, told.values()) for a, b in zip(times, times[1:])
            if b - a > OUTAGE_SECONDS]
    counts = {f["fault"]: [0, 0.0, 0.0] for f in history.faults}
    for fault in history.faults:
        counts[fault["fault"]][0] += 1
    for begin, end in gaps:
        about = [f for f in history.faults
                 if begin - OUTAGE_BEFORE <= f["end"] and f["begin"] <= end]
        for fault in about:
            count = counts[fault["fault"]]
            count[1] = max(count[1], end - begin)
            count[2] = max(count[2], end - begin) if len(about) == 1 else count[2]
    return counts


if __name__ == "__main__":
    sys.exit(main())
