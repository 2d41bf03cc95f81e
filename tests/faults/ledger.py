"""The journal, decided a second time.

Every answer that was committed, in the order in which it was decided, against a model of our own:
counters, numbered seats, prices, what each person has, who waits, holds and their time. A grant must
leave exactly what the journal says is left; a refusal must have had its reason at that moment
(reasons.py).
"""

import heapq
from collections import defaultdict
from dataclasses import dataclass

from harness.words import (BOOK, CANCEL, CANCELLED, CONFIRM, CONFIRMED, EXPIRED, EXTEND, GRANTED,
                           HELD, HOLD, INTERNAL, JOIN, LEAVE, LEGAL_MOVES, LIVE, PAY, SETTLE,
                           SEVERAL, STATES, Reply, id_show, id_text, part_id, unpack)

from hall import Hall
from line import Line
from reasons import Reasons


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


@dataclass
class Change:
    """What a booking was after something happened to it."""

    request: bytes  # whose decision it was; None: nobody's, it is an offer
    state: int
    places: int


def read_decisions(batches):
    """All answers in order, repetitions included. `batches`: rows, in order."""
    for row in batches:
        for position, (raw, _to, answer) in enumerate(unpack(bytes(row["answers"]))):
            yield Decision(row["partition"], row["version"], position, row["now_ms"], raw,
                           Reply(answer), answer)


def same_decision(a, b):
    """`available` is of the moment, and is not told again once only Postgres knows the answer."""
    def told(reply):
        return (reply.code, reply.at_ms, reply.op, reply.fingerprint, reply.show, reply.booking,
                reply.others, reply.waiting, reply.conflicts, reply.detail)
    return told(a) == told(b)


class Replay:
    """All shows as the journal makes them, batch for batch."""

    def __init__(self, evidence, steps):
        self.found = []
        self.rules = {show["show"]: show for show in evidence.shows}
        self.tiers = {(t["show"], t["tier"]): t for t in evidence.tiers}
        self.capacity = {key: t["capacity"] for key, t in self.tiers.items()}
        self.left = {key: t["capacity"] - t["blocked"] for key, t in self.tiers.items()}
        self.steps = defaultdict(list)
        for step in steps:
            self.steps[step["show"], step["tier"]].append(step)
        rows = defaultdict(list)
        for seat in evidence.seats:
            rows[seat["show"]].append(seat)
        self.halls = {show: Hall(show, seats) for show, seats in rows.items()}
        self.lines = {show: Line() for show in self.rules}
        self.where = {show: rules["partition"] for show, rules in self.rules.items()}
        self.moves = evidence.moves
        for move in reversed(evidence.moves):
            self.where[move["show"]] = move["from_partition"]
        self.has = defaultdict(int)  # (show, user) → places
        self.bookings = {}   # id → {"state", "user", "show", "expires", "lines", "seats", …}
        self.changes = {}    # id → [Change, …] of its life, the first one included
        self.made = {}       # id → its lines when it was made
        self.offers = {}     # id → its price, and when it was made
        self.ends = []       # (expiry, id): a heap of all that holds were ever given
        self.first = {}      # id → Decision
        self.wishes = evidence.wish_of  # id → the wish that it came from, where a client knows it
        self.positions_of = evidence.positions_of
        self.reasons = Reasons(self)

    def run(self, batches):
        """In the order of their versions, whatever the partition: a show goes to no lower one."""
        for batch in batches:
            self.release_due(batch["partition"], batch["now_ms"])
            for decision in read_decisions([batch]):
                before = self.first.setdefault(decision.raw, decision)
                if before is decision:
                    self.decide(decision)
                elif not same_decision(before.reply, decision.reply):
                    self.found.append(f"two decisions: {before} and {decision}")
            self.move_shows(batch)
        return self

    def move_shows(self, batch):
        """A show leaves behind the batch that decides it, and is there behind the last one of the
        other partition that did not have it; until then it is nowhere."""
        at = batch["partition"], batch["version"]
        for move in self.moves:
            left = move["from_partition"], move["from_version"]
            came = move["to_partition"], move["to_version"]
            if at == left:
                # Of equal versions, the other partition's may have been the first.
                first = came[1] == left[1] and came[0] < left[0]
                self.where[move["show"]] = came[0] if first else None
            elif at == came and self.where[move["show"]] is None:
                self.where[move["show"]] = came[0]

    # Places.

    def seated(self, show):
        """Its tiers of numbered seats."""
        return [tier for (of, tier), row in self.tiers.items()
                if of == show and row["kind"] == "seats"]

    def may_have(self, show, user, places):
        limit = self.rules[show]["max_per_user"]
        return limit is None or self.has[show, user] + places <= limit

    def price(self, show, tier, now_ms):
        """That of the last step that holds, by what is taken now."""
        row = self.tiers[show, tier]
        price = row["price"]
        taken = row["capacity"] - row["blocked"] - self.left[show, tier]
        for step in self.steps[show, tier]:
            by_share = step["sold_permille"]
            if taken * 1000 >= by_share * row["capacity"] if by_share is not None else \
                    now_ms >= step["from_at"].timestamp() * 1000:
                price = step["price"]
        return price

    def release_due(self, partition, now_ms):
        """Of this partition: each has a clock of its own."""
        later = []
        while self.ends and self.ends[0][0] <= now_ms:
            end, raw = heapq.heappop(self.ends)
            booking = self.bookings[raw]
            if self.where[booking["show"]] != partition:
                later.append((end, raw))
            elif booking["state"] == HELD and booking["expires"] == end:
                self.move(raw, EXPIRED)
        for end in later:
            heapq.heappush(self.ends, end)
        for show in self.rules:
            if self.where[show] == partition:
                self.offer(show, now_ms)

    def move(self, raw, state):
        booking = self.bookings[raw]
        if (booking["state"], state) not in LEGAL_MOVES:
            self.found.append(f"{id_text(raw)} went from {STATES[booking['state']]} to "
                              f"{STATES[state]}")
        was, booking["state"] = booking["state"], state
        if was not in LIVE and state in LIVE:  # honoured: it has its places again
            for tier, places in booking["lines"].items():
                self.give(booking, tier, -places)
                if self.left[booking["show"], tier] < 0:
                    self.found.append(f"{id_text(raw)} came back to places that were not free")
            self.sit(raw, booking["seats"])
        elif was in LIVE and state not in LIVE:
            for tier, places in booking["lines"].items():
                self.give(booking, tier, places)
            self.stand_up(booking, booking["seats"])

    def give(self, booking, tier, places):
        self.left[booking["show"], tier] += places
        self.has[booking["show"], booking["user"]] -= places

    def sit(self, raw, positions):
        show = self.bookings[raw]["show"]
        if show in self.halls:
            taken = self.halls[show].taken(positions)
            if taken:
                self.found.append(f"{id_text(raw)} has seats of show {show} that were not "
                                  f"available: {taken}")
            self.halls[show].take(raw, [at for at in positions if at not in taken])

    def stand_up(self, booking, positions):
        if booking["show"] in self.halls:
            self.halls[booking["show"]].give(positions)

    # Decisions.

    def decide(self, decision):
        reply = decision.reply
        if reply.at_ms != decision.now_ms:
            self.found.append(f"{decision} was answered at {reply.at_ms} in a batch of "
                              f"{decision.now_ms}")
        if reply.code == INTERNAL:
            self.found.append(f"{decision} could not be decided")
        elif reply.code != GRANTED:
            if not self.reasons.hold(decision):
                self.found.append(f"{decision} was refused with code {reply.code} (detail "
                                  f"{reply.detail}, {reply.conflicts}), and that was not so")
        elif reply.op in (BOOK, HOLD):
            self.grant(decision, reply.booking)
        elif reply.op == SEVERAL:
            self.grant_several(decision)
        elif reply.op == JOIN:
            self.join(decision)
        elif reply.op == LEAVE and reply.waiting is not None:
            self.leave(decision)
        elif reply.op in (CONFIRM, CANCEL, EXTEND, PAY, SETTLE, LEAVE):
            self.change(decision)
        self.offer(reply.show, decision.now_ms)

    def grant_several(self, decision):
        granted = [decision.reply.booking] + decision.reply.others
        wish = self.wishes.get(decision.raw)
        if wish is not None and sorted((id_show(s["id"]), sorted((t, n) for t, n, _ in s["lines"]))
                                       for s in granted) != \
                sorted((show, sorted(lines.items())) for show, lines in wish.parts):
            self.found.append(f"{decision} granted other parts than {wish.parts}: {granted}")
        for at, said in enumerate(granted):
            wanted = part_id(decision.raw, id_show(said["id"])) if at else decision.raw
            if said["id"] != wanted or said["state"] != granted[0]["state"]:
                self.found.append(f"{decision} granted something else: {said}")
            self.grant(decision, said)

    def grant(self, decision, said):
        reply, show, user = decision.reply, id_show(said["id"]), said["user"]
        lines = {tier: places for tier, places, _ in said["lines"]}
        if reply.op != SEVERAL and (said["id"], said["state"]) != \
                (decision.raw, HELD if reply.op == HOLD else CONFIRMED):
            self.found.append(f"{decision} granted something else: {said}")
        if any(self.price(show, tier, decision.now_ms) != price
               for tier, _, price in said["lines"]):
            self.found.append(f"{decision} has another price than its show: {said}")
        self.check_seats(decision, said, lines)
        if said["created"] != decision.now_ms:
            self.found.append(f"{decision} made a booking of another time: {said}")
        expires = said["expires"] if said["state"] == HELD else 0
        if expires and expires != decision.now_ms + self.rules[show]["hold_ms"]:
            self.found.append(f"{decision} holds for another time than its show says")
        self.make(decision, said["id"], user, said["state"], lines, said["seats"], expires)
        if reply.op != SEVERAL:
            self.check_left(decision, said["lines"][0][0])
        self.note(decision.raw, said["id"])

    def check_seats(self, decision, said, lines):
        """Those that were named, or the best that were available."""
        show, wish = id_show(said["id"]), self.wishes.get(decision.raw)
        hall = self.halls.get(show)
        if hall is None or wish is None:
            if len(said["seats"]) != (hall.places(lines) if hall else 0):
                self.found.append(f"{decision} has {said['seats']} for {lines}")
            return
        wanted = self.positions_of(show, wish.seats) if wish.seats else hall.best(lines)
        if said["seats"] != wanted:
            self.found.append(f"{decision} has seats {said['seats']}, not {wanted}")

    def make(self, decision, raw, user, state, lines, seats, expires):
        """A new booking: it takes its places, whether there are any or not."""
        show = id_show(raw)
        rules, places = self.rules[show], sum(lines.values())
        if places > rules["max_per_booking"]:
            self.found.append(f"{decision} is larger than a booking may be")
        for tier, wanted in lines.items():
            self.left[show, tier] -= wanted
            if self.left[show, tier] < 0:
                self.found.append(f"{decision} sold tier {tier} of show {show} beyond its end")
        if not self.may_have(show, user, places):
            self.found.append(f"{decision} gives {user} more than the show allows")
        self.has[show, user] += places
        self.bookings[raw] = {"state": state, "user": user, "show": show, "lines": lines,
                              "seats": list(seats), "created": decision.now_ms,
                              "expires": expires}
        self.made[raw] = dict(lines)
        self.sit(raw, seats)
        if expires:
            heapq.heappush(self.ends, (expires, raw))

    def check_left(self, decision, tier):
        said, here = decision.reply.available, self.left[decision.reply.show, tier]
        if said is not None and said != here:
            self.found.append(f"{decision} left {said} in tier {tier} by its own word and {here} "
                              f"by recount")

    def note(self, request, raw):
        booking = self.bookings[raw]
        self.changes.setdefault(raw, []).append(
            Change(request, booking["state"], sum(booking["lines"].values())))

    # Changes.

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
            self.give_back(decision, booking, lines)
        elif lines != booking["lines"]:
            self.found.append(f"{decision} changed its lines: {lines}, not {booking['lines']}")
        elif said["seats"] != booking["seats"]:
            self.found.append(f"{decision} changed its seats: {said['seats']}, not "
                              f"{booking['seats']}")
        if said["state"] != booking["state"]:
            self.move(raw, said["state"])
        elif decision.reply.op == CONFIRM:
            self.found.append(f"{decision} confirmed what was {STATES[booking['state']]}")
        if decision.reply.op == EXTEND:
            self.extend(decision, raw, booking)
        self.note(decision.raw, raw)

    def give_back(self, decision, booking, lines):
        """A cancellation in part: the seats that were named, or the last ones of their tier."""
        wish, kept = self.wishes.get(decision.raw), decision.reply.booking["seats"]
        given = [at for at in booking["seats"] if at not in kept]
        if not set(kept) <= set(booking["seats"]):
            self.found.append(f"{decision} kept seats {kept} of {booking['seats']}")
        if booking["show"] in self.halls:
            if self.halls[booking["show"]].places(lines) != len(kept):
                self.found.append(f"{decision} keeps seats {kept} for {lines}")
            tiers = {self.halls[booking["show"]].seats[at].tier for at in given}
            last = [at for at in booking["seats"]
                    if self.halls[booking["show"]].seats[at].tier in tiers][-len(given):]
            wanted = self.positions_of(booking["show"], wish.seats) if wish and wish.seats else last
            if wish is not None and given != wanted:
                self.found.append(f"{decision} gave seats {given} back, not {wanted}")
        for tier, places in list(booking["lines"].items()):
            self.give(booking, tier, places - lines.get(tier, 0))
        self.stand_up(booking, given)
        booking["lines"], booking["seats"] = lines, kept

    def extend(self, decision, raw, booking):
        expires = decision.reply.booking["expires"]
        limit = booking["created"] + self.rules[booking["show"]]["hold_ms_max"]
        if not booking["expires"] <= expires <= limit:
            self.found.append(f"{decision} extended from {booking['expires']} to {expires}, at "
                              f"most {limit}")
        booking["expires"] = expires
        heapq.heappush(self.ends, (expires, raw))

    # Waiting.

    def join(self, decision):
        said, show = decision.reply.waiting, decision.reply.show
        line = self.lines[show]
        tier, quantity, user = said["tier"], said["quantity"], said["user"]
        others = line.of_tier(tier)
        if line.waits_already(user, tier):
            self.found.append(f"{decision} waits twice")
        if not others and self.left[show, tier] >= quantity:
            self.found.append(f"{decision} waits for what is free")
        line.join(decision.raw, user, tier, quantity, decision.now_ms)
        if (said["id"], said["joined"], said["place"]) != \
                (decision.raw, decision.now_ms, len(others) + 1):
            self.found.append(f"{decision} was told {said}, and {len(others)} wait before it")

    def leave(self, decision):
        said, line = decision.reply.waiting, self.lines[decision.reply.show]
        entry = line.entries.get(said["id"])
        if entry is None or entry.status != "WAITING":
            self.found.append(f"{decision} left, and did not wait: {entry}")
        else:
            line.end(entry, "LEFT", decision.now_ms)

    def offer(self, show, now_ms):
        """While somebody who waits fits into what is free, tier by tier."""
        line = self.lines.get(show)
        if line is None or not line.waits:
            return
        rules = self.rules[show]
        for of, tier in self.tiers:
            def fits(entry):
                return (entry.quantity <= min(self.left[show, entry.tier],
                                              rules["max_per_booking"])
                        and self.may_have(show, entry.user, entry.quantity))
            entry = line.first_that_fits(tier, fits) if of == show else None
            while entry is not None:
                self.make_offer(line, entry, show, now_ms)
                entry = line.first_that_fits(tier, fits)

    def make_offer(self, line, entry, show, now_ms):
        rules, lines = self.rules[show], {entry.tier: entry.quantity}
        hall, of = self.halls.get(show), self.first[entry.raw]
        self.offers[entry.raw] = {"price": self.price(show, entry.tier, now_ms), "at_ms": now_ms}
        line.end(entry, "OFFERED", now_ms)
        made = Decision(of.partition, of.version, of.position, now_ms, entry.raw, of.reply, b"")
        self.make(made, entry.raw, entry.user, HELD, lines, hall.best(lines) if hall else [],
                  now_ms + (rules["offer_ms"] or rules["hold_ms"]))
        self.note(None, entry.raw)
