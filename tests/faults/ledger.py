"""The journal, decided a second time.

Every answer that was committed, in the order in which it was decided, against a model of our own:
counters, what each person has, holds and their time. A grant must leave exactly what the journal
says is left; a refusal must have had its reason at that moment.
"""

import heapq
from dataclasses import dataclass

from harness.words import (ALREADY_BOOKED, BOOK, CANCEL, CANCELLED, CONFIRM, CONFIRMED, EXPIRED,
                           EXTEND, GRANTED, HELD, HOLD, HOLD_EXPIRED, ILLEGAL_STATE, INTERNAL,
                           LEGAL_MOVES, LIMIT_EXCEEDED, LIVE, NOT_ENOUGH, PAY, SETTLE, SOLD_OUT,
                           STATES, TIMED_OUT, Reply, id_bytes, id_text, unpack)

DEADLINE_SECONDS = 30  # of a request over HTTP, counted from its arrival
SKEW_SECONDS = 8       # clocks that jumped, and what a gateway needs until a request has its time


@dataclass
class Decision:
    """One answer of the journal."""

    partition: int
    version: int
    position: int
    now_ms: int
    raw: bytes
    reply: Reply
    bytes: bytes

    def __str__(self):
        return f"{id_text(self.raw)} (partition {self.partition}, version {self.version})"


def read_decisions(batches):
    """All answers in order, repetitions included. `batches`: rows, in order."""
    for row in batches:
        for position, (raw, _to, answer) in enumerate(unpack(bytes(row["answers"]))):
            yield Decision(row["partition"], row["version"], position, row["now_ms"], raw,
                           Reply(answer), answer)


def same_decision(a, b):
    """`available` is of the moment, and is not told again once only Postgres knows the answer."""
    return (a.code, a.at_ms, a.op, a.fingerprint, a.show, a.booking, a.detail) == \
           (b.code, b.at_ms, b.op, b.fingerprint, b.show, b.booking, b.detail)


class Replay:
    """A partition's shows as the journal makes them, batch for batch."""

    def __init__(self, shows, tiers, wishes):
        self.found = []
        self.rules = {show["show"]: show for show in shows}
        self.left = {(t["show"], t["tier"]): t["capacity"] - t["blocked"] for t in tiers}
        self.prices = {(t["show"], t["tier"]): t["price"] for t in tiers}
        self.has = {}        # (show, user) → places
        self.bookings = {}   # id → {"state", "user", "show", "expires", "lines": {tier: places}}
        self.changes = {}    # id → [(Decision, state, places)] of its life, the first one included
        self.ends = []       # (expiry, id): a heap of all that holds were ever given
        self.first = {}      # id → Decision
        self.wishes = wishes  # id → the wish that it came from, where a client knows it

    def run(self, batches):
        for batch in batches:
            self.release_due(batch["now_ms"])
            for decision in read_decisions([batch]):
                before = self.first.setdefault(decision.raw, decision)
                if before is decision:
                    self.decide(decision)
                elif not same_decision(before.reply, decision.reply):
                    self.found.append(f"two decisions: {before} and {decision}")
        return self

    def release_due(self, now_ms):
        while self.ends and self.ends[0][0] <= now_ms:
            end, raw = heapq.heappop(self.ends)
            booking = self.bookings[raw]
            if booking["state"] == HELD and booking["expires"] == end:
                self.move(raw, EXPIRED)

    def move(self, raw, state):
        booking = self.bookings[raw]
        if (booking["state"], state) not in LEGAL_MOVES:
            self.found.append(f"{id_text(raw)} went from {STATES[booking['state']]} to "
                              f"{STATES[state]}")
        was, booking["state"] = booking["state"], state
        if was not in LIVE:  # honoured: it has its places again
            for tier, places in booking["lines"].items():
                self.give(booking, tier, -places)
                if self.left[booking["show"], tier] < 0:
                    self.found.append(f"{id_text(raw)} came back to places that were not free")
        if state not in LIVE:
            for tier, places in booking["lines"].items():
                self.give(booking, tier, places)

    def give(self, booking, tier, places):
        self.left[booking["show"], tier] += places
        self.has[booking["show"], booking["user"]] -= places

    def decide(self, decision):
        reply = decision.reply
        if reply.at_ms != decision.now_ms:
            self.found.append(f"{decision} was answered at {reply.at_ms} in a batch of "
                              f"{decision.now_ms}")
        if reply.code == INTERNAL:
            self.found.append(f"{decision} could not be decided")
        elif reply.code == GRANTED and reply.op in (BOOK, HOLD):
            self.grant(decision)
        elif reply.code == GRANTED and reply.op in (CONFIRM, CANCEL, EXTEND, PAY, SETTLE):
            self.change(decision)
        elif reply.code != GRANTED:
            self.refuse(decision)

    # Grants.

    def grant(self, decision):
        said, show = decision.reply.booking, decision.reply.show
        lines = {tier: places for tier, places, _ in said["lines"]}
        wanted = HELD if decision.reply.op == HOLD else CONFIRMED
        if said["id"] != decision.raw or said["state"] != wanted:
            self.found.append(f"{decision} granted something else: {said}")
        rules, user = self.rules[show], said["user"]
        if sum(lines.values()) > rules["max_per_booking"]:
            self.found.append(f"{decision} is larger than a booking may be")
        for tier, places in lines.items():
            self.left[show, tier] -= places
            if self.left[show, tier] < 0:
                self.found.append(f"{decision} sold tier {tier} of show {show} beyond its end")
        if any(self.prices[show, tier] != price for tier, _, price in said["lines"]):
            self.found.append(f"{decision} has another price than its show")
        self.has[show, user] = self.has.get((show, user), 0) + sum(lines.values())
        if rules["max_per_user"] and self.has[show, user] > rules["max_per_user"]:
            self.found.append(f"{decision} gives {user} more than the show allows")
        if decision.reply.op == HOLD and said["expires"] != decision.now_ms + rules["hold_ms"]:
            self.found.append(f"{decision} holds for another time than its show says")
        self.bookings[decision.raw] = {"state": wanted, "user": user, "show": show, "lines": lines,
                                       "created": said["created"], "expires": said["expires"]}
        heapq.heappush(self.ends, (said["expires"], decision.raw))
        self.check_left(decision, said["lines"][0][0])
        self.note(decision, decision.raw)

    def check_left(self, decision, tier):
        said, here = decision.reply.available, self.left[decision.reply.show, tier]
        if said is not None and said != here:
            self.found.append(f"{decision} left {said} in tier {tier} by its own word and {here} "
                              f"by recount")

    def note(self, decision, raw):
        booking = self.bookings[raw]
        self.changes.setdefault(raw, []).append(
            (decision, booking["state"], sum(booking["lines"].values())))

    def change(self, decision):
        said = decision.reply.booking
        raw, booking = said["id"], self.bookings.get(said["id"])
        if booking is None:
            self.found.append(f"{decision} changed a booking that nobody made")
            return
        if booking["state"] not in LIVE and decision.reply.op != SETTLE:
            self.found.append(f"{decision} changed a booking that was "
                              f"{STATES[booking['state']]} already")
        lines = {tier: places for tier, places, _ in said["lines"]}
        if decision.reply.op == CANCEL and said["state"] != CANCELLED:
            for tier, places in list(booking["lines"].items()):
                self.give(booking, tier, places - lines.get(tier, 0))
            booking["lines"] = lines
        elif lines != booking["lines"]:
            self.found.append(f"{decision} changed its lines: {lines}, not {booking['lines']}")
        if said["state"] != booking["state"]:
            self.move(raw, said["state"])
        elif decision.reply.op == CONFIRM:
            self.found.append(f"{decision} confirmed what was {STATES[booking['state']]}")
        if decision.reply.op == EXTEND:
            limit = booking["created"] + self.rules[booking["show"]]["hold_ms_max"]
            if not booking["expires"] <= said["expires"] <= limit:
                self.found.append(f"{decision} extended from {booking['expires']} to "
                                  f"{said['expires']}, at most {limit}")
            booking["expires"] = said["expires"]
            heapq.heappush(self.ends, (said["expires"], raw))
        self.note(decision, raw)

    # Refusals: was it so at that moment?

    def refuse(self, decision):
        wish, reply = self.wishes.get(decision.raw), decision.reply
        if wish is None:
            return
        reason = {  # a booking that was made is never NOT_FOUND, and nobody asked for another
            SOLD_OUT: self.is_sold_out, NOT_ENOUGH: self.is_not_enough,
            ALREADY_BOOKED: self.is_over_limit, LIMIT_EXCEEDED: self.is_over_limit,
            HOLD_EXPIRED: self.is_expired, ILLEGAL_STATE: self.is_in_state,
            TIMED_OUT: self.is_late,
        }.get(reply.code)
        if reason is None or not reason(wish, reply):
            self.found.append(f"{decision} was refused with code {reply.code} (detail "
                              f"{reply.detail}), and that was not so")

    def is_sold_out(self, wish, _reply):
        return wish.kind == "take" and any(self.left[wish.show, t] == 0 for t in wish.lines)

    def is_not_enough(self, wish, reply):
        if wish.kind != "take":
            return False
        short = [self.left[wish.show, t] for t, n in sorted(wish.lines.items())
                 if self.left[wish.show, t] < n]
        return bool(short) and short[0] == reply.detail

    def is_over_limit(self, wish, reply):
        if wish.kind != "take":
            return False
        rules, places = self.rules[wish.show], sum(wish.lines.values())
        limit = rules["max_per_user"]
        has = self.has.get((wish.show, wish.user), 0)
        return places > rules["max_per_booking"] or (limit is not None and has + places > limit)

    def is_expired(self, wish, _reply):
        return self.state_for(wish) == EXPIRED

    def is_in_state(self, wish, reply):
        state = self.state_for(wish)
        return state is not None and (state == reply.detail)

    def state_for(self, wish):
        booking = self.bookings.get(id_bytes(wish.booking)) if wish.booking else None
        return booking["state"] if booking else None

    def is_late(self, wish, reply):
        """Its deadline is thirty seconds after its arrival, or what it said itself."""
        deadline = wish.deadline_at_ms or \
            (wish.begin + DEADLINE_SECONDS - SKEW_SECONDS) * 1000
        return reply.at_ms > deadline
