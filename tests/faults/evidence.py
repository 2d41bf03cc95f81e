"""What is judged, read once, and the table of what must hold.

Each invariant is a row: a function that looks at the evidence and gives one sentence for each
violation. The families of rows are told.py, asked.py, order.py, rest.py, seats.py, waiting.py and
money.py; checker.py has all of them.
"""

import copy
import json
from dataclasses import dataclass, field

from harness import judge
from harness.words import (BOOK, CANCEL, CONFIRM, EXTEND, HOLD, JOIN, LEAVE, PAY, SEVERAL, id_bytes,
                           id_show, part_id)

from ledger import Replay, read_decisions

# What a wish asks for, in the words of history.py. SEVERAL makes bookings as BOOK and HOLD do.
OPS = {"BOOK": BOOK, "HOLD": HOLD, "CONFIRM": CONFIRM, "CANCEL": CANCEL, "EXTEND": EXTEND,
       "PAY": PAY, "JOIN": JOIN, "LEAVE": LEAVE}
CODES = {"SOLD_OUT": 1, "ALREADY_BOOKED": 2, "SEAT_TAKEN": 3, "NOT_ENOUGH": 4, "LIMIT_EXCEEDED": 5,
         "SALE_NOT_OPEN": 6, "SALE_CLOSED": 7, "HOLD_EXPIRED": 9, "ILLEGAL_STATE": 10,
         "NOT_FOUND": 11, "KEY_REUSED": 13, "TIMED_OUT": 14, "INVALID": 17, "INTERNAL": 18,
         "ALREADY_WAITING": 21, "STILL_AVAILABLE": 22}
COMMANDS = ("take", "several", "join", "change")  # whose answer is the decision itself
INVARIANTS = []


def invariant(number, sentence):
    """A row of the table: the design's number, what holds, and the function that finds where not."""
    def enter(find):
        INVARIANTS.append((number, find.__name__, sentence, find))
        return find
    return enter


@dataclass
class Books:
    """What a provider has written down (harness/provider.py)."""

    intents: list = field(default_factory=list)
    refunds: list = field(default_factory=list)

    @classmethod
    def of(cls, provider):
        with provider.lock:
            return cls(copy.deepcopy(list(provider.intents.values())),
                       copy.deepcopy(provider.refunds))

    def kept(self, intent):
        """Of a charge that was made: what was not given back."""
        if intent["status"] != "succeeded":
            return 0
        return intent["amount"] - sum(r["amount"] for r in self.refunds
                                      if r["payment_intent"] == intent["id"]
                                      and r["status"] != "failed")


@dataclass
class Evidence:
    """Everything that is judged."""

    history: object
    connection: object = None
    redis: object = None
    witness: list = field(default_factory=list)  # of Redis (witness.py)
    loses_stream: set = field(default_factory=set)  # names of faults
    books: Books = field(default_factory=Books)

    def __post_init__(self):
        rows = lambda statement: judge.rows_of(self.connection, statement)  # noqa: E731
        self.partitions = {p["partition"]: p for p in rows("SELECT * FROM partitions")}
        self.shows = rows("SELECT * FROM shows ORDER BY show")
        self.tiers = rows("SELECT * FROM tiers ORDER BY show, tier")
        self.moves = rows("SELECT * FROM show_moves ORDER BY id")
        self.seats = rows("SELECT * FROM seats ORDER BY show, position")
        self.batches = rows("SELECT * FROM batches ORDER BY version, partition")
        self.changes = {judge.raw_id(c["request"]): c for c in rows("SELECT * FROM booking_changes")}
        self.bookings = judge.read_bookings(self.connection)
        self.entries = {judge.raw_id(w["id"]): w for w in rows("SELECT * FROM waitlist")}
        self.codes = {(t["show"], t["code"]): t["tier"] for t in self.tiers}
        self.numbers = {s["slug"]: s["show"] for s in self.shows}
        self.positions = {(s["show"], s["id"]): s["position"] for s in self.seats}
        self.first = {}  # id → its first decision
        for decision in read_decisions(self.batches):
            self.first.setdefault(decision.raw, decision)
        self.wish_of = {id_bytes(i): wish for wish in self.history.wishes.values()
                        for i in wish.ids() if wish.kind in COMMANDS + ("pay", "leave")}
        self.replay = Replay(self, rows("SELECT * FROM price_steps ORDER BY show, tier, step"))
        self.replay.run(self.batches)

    def commands(self):
        return [w for w in self.history.wishes.values() if w.kind in COMMANDS]

    def positions_of(self, show, seats):
        return sorted(self.positions[show, seat] for seat in seats or ())

    def has(self, raw):
        """Did the request with this id, which was not refused then, make or change something?"""
        return raw in self.bookings or raw in self.changes or raw in self.entries


# Words about wishes.

def signatures(wish):
    """What it wants to have, a row for each booking: (show, user, operation, lines)."""
    if wish.kind == "several":
        return [(show, wish.user, wish.op, in_order(lines)) for show, lines in wish.parts]
    return [(wish.show, wish.user, wish.op, in_order(wish.lines))]


def in_order(lines):
    return tuple(sorted((lines or {}).items()))


def part_ids(raw, wish):
    """The ids of the bookings that a request for several makes, the request's own first."""
    return [raw if show == id_show(raw) else part_id(raw, show) for show, _ in wish.parts]


def unknown_requests(wish):
    """How many requests it may have made whose ids nobody told. One key makes one at most."""
    unknown = sum(1 for x in wish.exchanges if x["what"] == "ask" and not x["id"])
    if wish.key is not None:
        return min(unknown, 1) if not wish.ids() else 0
    return unknown


def bookings_told(wish, said):
    """The bookings that a granted answer shows: several, one, or none (who joined waits)."""
    body = json.loads(said["body"])
    if wish.kind == "several":
        return body["bookings"]
    return [] if wish.kind == "join" else [body]


def granted_exchanges(wish):
    return [said for said in wish.decided() if said["status"] in (200, 201)]
