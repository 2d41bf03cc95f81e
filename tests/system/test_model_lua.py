"""Random commands through the real decision script, held against the model of section 3.

Two drivers for one machine: hypothesis' own choices, which shrink to short stories, and its random
numbers with the odds of a busy sale, which reach deep states.
"""

import json
import os

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (RuleBasedStateMachine, initialize, invariant, rule,
                                 run_state_machine_as_test)

from harness.answers import Answers
from harness.decider import Decider, booking_from
from harness.model import Command, Partition, Seat, Show, Tier, change_rules
from harness.redis_server import Redis
from harness.words import (ADMIN, BOOK, CANCEL, CONFIRM, DECLINED, EXTEND, GIVEN_UP, GRANTED, HELD, HOLD,
                           ID_EPOCH_MS, JOIN, LEAVE, LIVE, PAY, REFRESH, SEAT_TAKEN, SETTLE,
                           SEVERAL, SUCCEEDED, fresh_id, id_show, keyed_id, pack_seats,
                           unpack_seats)

START_MS = 1_770_000_000_000
USERS = ["ann", "bob", "cé", "d" * 128]
EXAMPLES = int(os.environ.get("USHER_EXAMPLES", "40"))
ACTIONS = ["inventory.add", "inventory.remove", "inventory.block", "inventory.unblock",
           "seats.block", "seats.unblock", "booking.cancel", "show.change"]
WRONGS = ["epoch", "taken", "version", "ahead", "generation", "unclean", "missing", "repeated"]
PAUSES = [0, 1, 400, 999, 1000, 5000, 10_000, 30_000]


class Lockstep:
    """One partition: the model on one side, Redis on the other, the same batches for both."""

    def __init__(self, client, partition):
        self.model = partition
        self.decider = Decider(client)
        self.decider.load(partition)
        self.now = START_MS
        self.ids = []   # of every BOOK and HOLD ever asked, granted or not
        self.made = []  # of those that were granted
        self.paid = {}  # booking → the last PAY of it that was granted
        self.seats = self.seats_now()
        self.count = 0

    def command(self, draft):
        """A draft with what only this moment knows."""
        self.count += 1
        deadline = self.now - 1 if draft.get("late") else self.now + 30_000
        if draft["op"] in (BOOK, HOLD):
            raw = fresh_id(draft["show"], self.now, random=self.count)
            self.ids.append(raw)
            lines, seats = self.named(draft)
            return Command(raw, draft["op"], draft["show"], draft["user"], deadline,
                           lines=lines, seats=seats)
        if draft["op"] == SEVERAL:
            first = draft["parts"][0][0]
            fitting = [(show, *self.named({**draft, "show": show, "lines": lines}))
                       for show, lines in draft["parts"]]
            several = Command(fresh_id(first, self.now, random=self.count), SEVERAL, first,
                              draft["user"], deadline, take=draft["take"],
                              parts=[(show, lines) for show, lines, _ in fitting],
                              named={show: seats for show, _, seats in fitting})
            self.ids += [part.id for part in several.each()]
            return several
        if draft["op"] == JOIN:
            raw = fresh_id(draft["show"], self.now, random=self.count)
            self.ids.append(raw)
            return Command(raw, JOIN, draft["show"], draft["user"], deadline,
                           tier=draft["tier"], quantity=draft["quantity"])
        if draft["op"] == REFRESH:
            return Command(fresh_id(draft["show"], self.now, random=self.count), REFRESH,
                           draft["show"], "", deadline)
        target = fresh_id(1, 0, random=draft["pick"])
        ids = self.made if draft["made"] else self.ids
        if draft["pick"] < len(ids):
            target = ids[-1 - draft["pick"]]
        if draft["op"] == SETTLE:
            return Command(keyed_id(id_show(target), self.count), SETTLE, id_show(target), "",
                           deadline, booking=target, payment=self.paid.get(target, b"?" * 16),
                           result=draft["result"])
        user = draft["user"]
        if user == "owner":
            user = next((b.user for s in self.model.shows.values()
                         for b in [*s.waiting, *s.bookings.values()] if b.id == target), "ann")
        command = Command(keyed_id(id_show(target), self.count), draft["op"], id_show(target), user,
                          deadline, booking=target, tier=draft["tier"], quantity=draft["quantity"])
        booking = next((s.bookings[target] for s in self.model.shows.values()
                        if target in s.bookings), None)
        if draft["op"] == CANCEL and draft.get("seats") and booking and booking.seats:
            command.tier = command.quantity = 0
            command.seats = booking.seats[draft["seats"] - 1::2] or [1]
        return command

    def named(self, draft):
        """The lines and the seats of a draft that may name some: most of the time they fit."""
        show, lines = self.model.shows.get(draft["show"]), draft["lines"]
        if not draft.get("named") or show is None or not show.seats:
            return lines, []
        order = sorted(show.seats)
        seats = sorted({order[at % len(order)] if at < 200 else at for at in draft["named"]})
        tiers = [show.seats[position].tier for position in seats if position in show.seats]
        if draft["fits"]:
            lines = [line for line in lines
                     if line[0] in show.tiers and not show.tiers[line[0]].has_seats]
            lines += [(tier, tiers.count(tier)) for tier in sorted(set(tiers))]
        return lines or [(1, 1)], seats

    def ask(self, commands):
        """As the allocator: what the script needs is looked up, and it is asked again."""
        asked = {c.show for c in commands} | {show for c in commands for show, _ in c.parts}
        known = [number for number in asked if number not in self.model.shows]
        for _ in range(3):
            before = self.decider.digest()
            result = self.decider.run(commands, self.now, known)
            if result[0] != b"NEED":
                return result
            assert self.decider.digest() == before, "NEED changed something"
            assert not result[1], f"a show that is loaded was asked for: {result[1]}"
            known += [self.looked_up(raw) for raw in result[2]]
        raise AssertionError("the script never has enough")

    def looked_up(self, raw):
        """What Postgres would say of a booking: as it was before this batch."""
        show = self.model.shows.get(id_show(raw))
        booking = show and show.bookings.get(raw)
        if booking is None:
            return (raw, [0, "", 0, 0, 0, "", ""])
        assert booking.state not in LIVE, "a live booking was not found in Redis"
        lines = [n for tier, line in booking.lines.items() for n in (tier, *line)]
        return (raw, [booking.state, booking.user, booking.expires, int(booking.extended),
                      booking.created, pack_seats(booking.seats), booking.payment, *lines])

    def batch(self, drafts, pause):
        self.now += pause
        commands = [self.command(draft) for draft in drafts]
        result = self.ask(commands)
        self.hold_against(commands, result)
        holds = [b.expires for s in self.model.shows.values() for b in s.live() if b.state == HELD]
        assert result[2] == min(holds, default=0)

    def admin(self, number, action, draft, rules, pause):
        """Alone in its run, which waits for what is due; who waits is looked at by the next."""
        self.now += pause
        self.count += 1
        show = self.model.shows[number]
        command = Command(keyed_id(number, self.count), ADMIN, number, "olga",
                          self.now + 30_000 * (not draft.get("late")) - 1, action=action)
        if action == "show.change":
            command.rules = Show(number, dict(show.tiers))
            change_rules(command.rules, show)
            others = rules.tiers.values() if isinstance(rules.tiers, dict) else rules.tiers
            command.rules.tiers = {n: Tier(other.price, 0, steps=other.steps)
                                   for n, other in zip(show.tiers, others)}
            for n in show.tiers:
                command.rules.tiers.setdefault(n, show.tiers[n])
            for name in ("state", "max_per_user", "max_per_booking", "hold_ms", "offer_ms"):
                setattr(command.rules, name, getattr(rules, name))
        elif action == "booking.cancel":
            mine = [raw for raw in self.made if id_show(raw) == number]
            command.booking = mine[-1 - draft["pick"] % len(mine)] if mine else fresh_id(number, 0)
        elif action.startswith("seats."):
            order = sorted(show.seats) or [1]
            command.seats = sorted({order[at % len(order)] if at < 200 else at
                                    for at in draft["named"]})
        else:
            command.tier, command.quantity = draft["tier"], draft["quantity"]
        result = self.ask([command])
        if result[1] == 0:
            self.hold_against([], result)
            result = self.ask([command])
        self.hold_against([command], result, self.model.decide_alone)
        self.batch([], 0)

    def hold_against(self, commands, result, decide=None):
        assert result[0] == b"DONE", result
        self.decider.version += 1
        _, taken, _, decisions, expired, counters, seats, waits = result
        assert taken == len(commands) == len(decisions)
        self.model.offers = []
        if decide is None:
            assert expired == self.model.release(self.now)
        else:
            assert expired == []
        for command, decision in zip(commands, decisions):
            expected = (decide or self.model.decide)(command, self.now)
            note(f"{command} → {decision}, expected {expected}")
            compare(command, decision, expected, self.now)
            if expected.code == GRANTED and command.op in (BOOK, HOLD, JOIN):
                self.made.append(command.id)
            elif expected.code == GRANTED and command.op == SEVERAL:
                self.made += [part.id for part in command.each()]
            elif expected.code == GRANTED and command.op == PAY:
                self.paid[command.booking] = command.id
        self.check_moves(seats, taken_by(commands, decisions, waits))
        assert sorted(waits) == sorted(offered(booking) for booking in self.model.offers)
        for number, tier, *figures in counters:
            stock = self.model.shows[number].tiers[tier]
            assert figures == [stock.available, stock.held, stock.pending, stock.confirmed,
                               stock.blocked]

    def check_moves(self, seats, taken):
        """As the commit does it: what is said to move does, new bookings take what their lists have,
        and then everybody has exactly the seats that he should have."""
        moves, undone = seats or [[], []]
        assert len({(show, at) for show, at, _, _ in moves}) == len(moves)
        assert set(undone) <= set(taken)
        for show, at, had, has in moves:
            assert had != has and self.seats[show, at] == had
            self.seats[show, at] = b""
        for raw in set(taken) - set(undone):
            for at in taken[raw]:
                assert self.seats[id_show(raw), at] == b""
                self.seats[id_show(raw), at] = raw
        for show, at, _, has in moves:
            if has:
                assert self.seats[show, at] == b""
                self.seats[show, at] = has
        assert self.seats == self.seats_now()

    def seats_now(self):
        """Who has each seat; the id of no booking, where it is blocked."""
        return {(show.number, at): bytes(16) if seat.status == 4 else seat.booking
                for show in self.model.shows.values() for at, seat in show.seats.items()}

    def wrong_owner(self, drafts, how):
        """Whoever is not exactly where Redis is changes nothing."""
        commands = [self.command(draft) for draft in drafts]
        decider, state = self.decider, self.decider.keys.state
        changes = {"epoch": {"epoch": decider.epoch + 1}, "repeated": {"version": decider.version},
                   "version": {"version": decider.version - 1},
                   "ahead": {"version": decider.version + 2},
                   "generation": {"generation": "g0"}}.get(how, {})
        saved = decider.redis.hgetall(state)
        if how == "taken":
            decider.redis.hset(state, "epoch", decider.epoch + 1)
        elif how == "unclean":
            decider.redis.hset(state, "clean", 0)
        elif how == "missing":
            decider.redis.delete(state)
        before = decider.digest()
        result = decider.run(commands, self.now, **changes)
        assert result[0] == (b"FENCED" if how == "taken" else b"REBUILD"), result
        assert decider.digest() == before
        decider.redis.hset(state, mapping=saved)

    def change_rules(self, number, rules):
        """As after a REFRESH: another state, other limits; stock and bookings stay."""
        show = self.model.shows[number]
        change_rules(show, rules)
        self.decider.load_rules(show)

    def check(self):
        self.model.check()
        for show in self.model.shows.values():
            snapshot = self.decider.snapshot(show.number)
            for number, tier in show.tiers.items():
                for name in ("available", "held", "pending", "confirmed", "blocked"):
                    assert int(snapshot["show"][f"{number}:{name}"]) == getattr(tier, name)
            live = {b.id: b for b in show.live()}
            users = {user: show.places_of_user(user) for user in USERS}
            assert snapshot["users"] == {user: n for user, n in users.items() if n}
            assert set(snapshot["bookings"]) == set(live)
            for raw, seen in snapshot["bookings"].items():
                compare_booking(seen, live[raw])
            if show.seats:
                assert snapshot["seats"] == show.seat_bytes()
            assert snapshot["waiting"] == [
                (w.id, w.tier, w.quantity, w.user, w.joined, w.position) for w in show.waiting]
            assert snapshot["holds"] == {b.id: b.expires for b in live.values() if b.state == HELD}
        state = self.decider.redis.hgetall(self.decider.keys.state)
        assert int(state[b"version"]) == self.decider.version and state[b"clean"] == b"1"
        assert int(state[b"now"]) <= self.now


def offered(booking):
    """An offer as the script says it."""
    (tier, quantity, price), = booking["lines"]
    return [booking["id"], booking["user"].encode(), booking["expires"], tier, quantity, price,
            pack_seats(booking["seats"])]


def taken_by(commands, decisions, waits):
    """The seats that new bookings took when they were made: id → positions."""
    taken = {wait[0]: wait[6] for wait in waits}
    for command, decision in zip(commands, decisions):
        if not isinstance(decision, list) or decision[0] != GRANTED:
            continue
        if command.op in (BOOK, HOLD):
            taken[command.id] = b"".join(decision[3 + len(command.lines):])
        elif command.op == SEVERAL:
            for part, one in zip(command.each(), decision[1:]):
                taken[part.id] = b"".join(one[3 + len(part.lines):])
    return {raw: unpack_seats(packed) for raw, packed in taken.items() if packed}


def compare(command, decision, expected, now):
    if expected.show:
        if expected.code == SEAT_TAKEN:
            decision[1] = unpack_seats(decision[1])
        assert decision == [expected.code, expected.detail, expected.show]
        return
    if expected.parts and decision[0] == GRANTED:
        assert len(decision) == 1 + len(expected.parts)
        for part, seen, one in zip(command.each(), decision[1:], expected.parts):
            compare(part, seen, one, now)
        return
    if expected.code != GRANTED:
        seen = decision[:2] if isinstance(decision, list) else [decision, 0]
        if expected.code == SEAT_TAKEN:
            seen[1] = unpack_seats(seen[1])
        assert seen == [expected.code, expected.detail]
        return
    assert decision[0] == GRANTED
    if command.op in (BOOK, HOLD):
        booking = expected.booking
        assert decision[1:3] == [expected.available, booking["expires"]]
        prices = [price for _, _, price in booking["lines"]]
        assert decision[3:3 + len(prices)] == prices
        assert unpack_seats(b"".join(decision[3 + len(prices):])) == booking["seats"]
        assert booking["created"] == now
    elif command.op == JOIN:
        assert decision[1:] == [expected.place, expected.waiting.position]
    elif command.op == ADMIN and not command.booking:
        assert len(decision) == 2 and json.loads(decision[1]) is not None
    elif expected.waiting is not None:
        w = expected.waiting
        assert decision[1:] == [[w.tier, w.quantity, w.user.encode(), w.joined, w.position]]
    elif command.op != REFRESH:
        assert booking_from(command.booking, decision[2]) == expected.booking
        assert decision[1][0] in LIVE or command.op == SETTLE


def compare_booking(seen, booking):
    assert seen == {
        "id": booking.id, "user": booking.user, "state": booking.state,
        "created": booking.created, "expires": booking.expires, "extended": booking.extended,
        "payment": booking.payment, "seats": booking.seats,
        "lines": [(tier, quantity, price) for tier, (quantity, price) in booking.lines.items()]}


def lay_out(show, numbered, row, blocked=()):
    """Give tiers numbered seats: rows of this length, tier by tier; every so-many-th is blocked."""
    position = count = 0
    for number, tier in show.tiers.items():
        if number not in numbered or tier.capacity == 0:
            continue
        tier.has_seats = True
        for at in range(tier.capacity):
            position += 2 if at % row == 0 and position else 1
            count += 1
            show.seats[position] = Seat(number, 4 if count in blocked else 0)
            if count in blocked:
                tier.blocked += 1
                tier.available -= 1
    return show


# The first driver: hypothesis chooses, and shrinks what fails.

STEPS = st.lists(st.one_of(
    st.tuples(st.just("s"), st.sampled_from([1, 334, 500, 1000]), st.sampled_from([150, 0])),
    st.tuples(st.just("t"), st.sampled_from([START_MS, START_MS + 5000]), st.sampled_from([200, 7]))),
    max_size=3).map(tuple)
TIERS = st.builds(Tier, price=st.sampled_from([100, 0, 4999, 100_000_000_000]),
                  capacity=st.integers(0, 12), steps=STEPS)
SHOWS = st.builds(
    Show, number=st.just(0), tiers=st.lists(TIERS, min_size=1, max_size=3),
    state=st.sampled_from(["open"] * 9 + ["draft", "closed", "paused", "open"]),
    opens=st.sampled_from([0] * 6 + [START_MS + 20_000, 0]),
    closes=st.sampled_from([0] * 6 + [START_MS + 60_000, 0]),
    max_per_user=st.sampled_from([0, 4, 1, 0]), max_per_booking=st.sampled_from([30, 4, 1, 30]),
    hold_ms=st.sampled_from([1000, 10_000]), hold_ms_max=st.sampled_from([10_000, 15_000]),
    payment_required=st.sampled_from([False, False, True]),
    offer_ms=st.sampled_from([1000, 5000]))
NAMED = st.one_of(st.just([]), st.lists(st.sampled_from([*range(30), 250]), max_size=4))
TAKES = st.fixed_dictionaries({
    "op": st.sampled_from([BOOK, HOLD]), "show": st.sampled_from([1, 2, 1, 1, 9, 1]),
    "user": st.sampled_from(USERS), "late": st.sampled_from([0] * 5 + [1, 0]),
    "named": NAMED, "fits": st.sampled_from([1, 1, 1, 0]),
    "lines": st.lists(st.tuples(st.sampled_from([1, 2, 3, 32, 1]), st.integers(1, 6)),
                      min_size=1, max_size=3, unique_by=lambda line: line[0])})
LINES = st.lists(st.tuples(st.sampled_from([1, 2, 1, 1]), st.integers(1, 3)), min_size=1,
                 max_size=2, unique_by=lambda line: line[0])
SEVERALS = st.fixed_dictionaries({
    "op": st.just(SEVERAL), "take": st.sampled_from([BOOK, HOLD]),
    "user": st.sampled_from(USERS), "late": st.sampled_from([0] * 5 + [1, 0]),
    "named": NAMED, "fits": st.sampled_from([1, 1, 1, 0]),
    "parts": st.lists(st.tuples(st.sampled_from([1, 2, 1, 2, 9]), LINES), min_size=2, max_size=3,
                      unique_by=lambda part: part[0])})
CHANGES = st.fixed_dictionaries({
    "op": st.sampled_from([CONFIRM, CANCEL, EXTEND, LEAVE, CANCEL, PAY, SETTLE]),
    "result": st.sampled_from([SUCCEEDED, DECLINED, GIVEN_UP]),
    "made": st.booleans(), "pick": st.integers(0, 8),  # counted back from the newest
    "user": st.sampled_from(["owner", "", "mallory", "owner"]),
    "late": st.sampled_from([0] * 5 + [1, 0]),
    "seats": st.sampled_from([0, 1, 2, 3]),
    "tier": st.sampled_from([0, 1, 2, 3, 0]), "quantity": st.sampled_from([0, 1, 2, 5, 0])})
JOINS = st.fixed_dictionaries({
    "op": st.just(JOIN), "show": st.sampled_from([1, 2, 1, 1, 9, 1]),
    "user": st.sampled_from(USERS), "late": st.sampled_from([0] * 5 + [1, 0]),
    "tier": st.sampled_from([1, 2, 3, 32, 1]), "quantity": st.integers(1, 6)})
REFRESHES = st.fixed_dictionaries({"op": st.just(REFRESH), "show": st.sampled_from([1, 2])})
ADMINS = st.fixed_dictionaries({
    "late": st.sampled_from([0] * 5 + [1, 0]), "tier": st.sampled_from([1, 2, 3, 32, 1]),
    "quantity": st.integers(1, 6), "pick": st.integers(0, 8),
    "named": st.lists(st.sampled_from([*range(30), 250]), max_size=4)})
BATCHES = st.lists(st.one_of(TAKES, TAKES, SEVERALS, CHANGES, CHANGES, JOINS, REFRESHES),
                   max_size=12)


class Machine(RuleBasedStateMachine):
    client = None  # of a Redis that the test starts

    def __init__(self):
        super().__init__()
        self.lockstep = None

    @initialize(first=SHOWS, second=SHOWS, numbered=st.sets(st.integers(1, 3)),
                row=st.integers(1, 6), blocked=st.sets(st.integers(1, 20), max_size=3))
    def begin(self, first, second, numbered, row, blocked):
        for number, show in enumerate((first, second), 1):
            show.number, show.tiers = number, dict(enumerate(show.tiers, 1))
        lay_out(first, numbered, row, blocked)
        lay_out(second, numbered - {2}, row + 1)
        self.lockstep = Lockstep(self.client, Partition([first, second]))

    @rule(drafts=BATCHES, pause=st.sampled_from(PAUSES))
    def batch(self, drafts, pause):
        self.lockstep.batch(drafts, pause)

    @rule(drafts=BATCHES, how=st.sampled_from(WRONGS))
    def wrong_owner(self, drafts, how):
        self.lockstep.wrong_owner(drafts, how)

    @rule(number=st.sampled_from([1, 2]), rules=SHOWS)
    def change_rules(self, number, rules):
        self.lockstep.change_rules(number, rules)

    @rule(number=st.sampled_from([1, 2]), action=st.sampled_from(ACTIONS), draft=ADMINS,
          rules=SHOWS, pause=st.sampled_from(PAUSES))
    def admin(self, number, action, draft, rules, pause):
        self.lockstep.admin(number, action, draft, rules, pause)

    @invariant()
    def redis_equals_the_model(self):
        if self.lockstep is not None:
            self.lockstep.check()


# The second driver: the odds of a busy sale.

def busy_show(random, number):
    steps = [(), (), (("s", 500, 300), ("t", START_MS + 10_000, 400))]
    tiers = {tier: Tier(random.choice([0, 100, 4999]), random.choice([0, 3, 20, 60]),
                        steps=random.choice(steps))
             for tier in range(1, random.randint(2, 4))}
    show = Show(number, tiers, max_per_user=random.choice([0, 0, 1, 6]),
                max_per_booking=random.choice([4, 12]), hold_ms=random.choice([2000, 10_000]),
                hold_ms_max=random.choice([10_000, 15_000]),
                payment_required=random.random() < 0.2, offer_ms=random.choice([1000, 5000]))
    numbered = random.sample([1, 2, 3], random.randint(0, 3))
    return lay_out(show, numbered, random.choice([1, 5, 12, 60]), (3, 4, 17))


def busy_draft(random):
    late = random.random() < 0.03
    if random.random() < 0.1:
        shows = random.sample([1, 2], 2) + random.choice([[], [], [], [9]])
        return {"op": SEVERAL, "take": random.choice([BOOK, HOLD]), "late": late,
                "user": random.choice(USERS), "fits": random.random() < 0.9,
                "named": [random.randint(0, 120) for _ in range(random.choice([0, 0, 1, 3]))],
                "parts": [(show, [(1, random.randint(1, 2))]) for show in shows]}
    if random.random() < 0.55:
        tiers = random.sample([1, 2, 3], random.choice([1, 1, 1, 2]))
        return {"op": random.choice([BOOK, HOLD, HOLD]), "show": random.choice([1, 1, 2]),
                "user": random.choice(USERS), "late": late, "fits": random.random() < 0.9,
                "named": [random.randint(0, 120) for _ in range(random.choice([0, 0, 1, 3]))],
                "lines": [(tier, random.randint(1, 4)) for tier in tiers]}
    if random.random() < 0.3:
        return {"op": JOIN, "show": random.choice([1, 1, 2]), "user": random.choice(USERS),
                "late": late, "tier": random.choice([1, 1, 2, 3]), "quantity": random.randint(1, 4)}
    return {"op": random.choice([CONFIRM, CANCEL, CANCEL, EXTEND, PAY, PAY, SETTLE, SETTLE, LEAVE]),
            "result": random.choice([SUCCEEDED, DECLINED, GIVEN_UP]),
            "made": random.random() < 0.8, "pick": random.randint(0, 14),
            "user": random.choice(["owner"] * 8 + ["", "mallory"]), "late": late,
            "seats": random.choice([0, 0, 1, 2]),
            "tier": random.choice([0, 0, 1, 2]), "quantity": random.choice([0, 1, 1, 2])}


def run_busy_sale(client, random):
    lockstep = Lockstep(client, Partition([busy_show(random, number) for number in (1, 2)]))
    for _ in range(60):
        drafts = [busy_draft(random) for _ in range(random.choice([0, 1, 8, 40]))]
        lockstep.batch(drafts, random.choice([0, 1, 50, 999, 2000]))
        if random.random() < 0.1:
            lockstep.wrong_owner([busy_draft(random)], random.choice(WRONGS))
        if random.random() < 0.3:
            draft = {"late": random.random() < 0.05, "tier": random.choice([1, 1, 2, 3]),
                     "quantity": random.randint(1, 5), "pick": random.randint(0, 14),
                     "named": [random.randint(0, 120) for _ in range(random.choice([1, 3]))]}
            rules = busy_show(random, 1)
            rules.state = random.choice(["open", "open", "paused"])
            lockstep.admin(random.choice([1, 2]), random.choice(ACTIONS), draft, rules,
                           random.choice([0, 1, 999, 2000]))
        if random.random() < 0.05:
            rules = busy_show(random, 1)
            rules.state = random.choice(["open", "open", "closed"])
            lockstep.change_rules(random.choice([1, 2]), rules)
        lockstep.check()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    server = Redis(tmp_path_factory.mktemp("lua"), options=["--enable-debug-command", "yes"])
    server.start()
    yield server.client()
    server.stop()


def test_chosen_commands_agree_with_the_model(client):
    bound = type("Bound", (Machine,), {"client": client})
    run_state_machine_as_test(bound, settings=settings(
        max_examples=EXAMPLES, stateful_step_count=40, deadline=None, print_blob=True,
        suppress_health_check=list(HealthCheck)))


def test_a_busy_sale_agrees_with_the_model(client):
    @settings(max_examples=EXAMPLES, deadline=None, print_blob=True,
              suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=True))
    def sell(random):
        run_busy_sale(client, random)
    sell()


def take(op, number, count, now, user="ann"):
    return Command(fresh_id(1, now, random=number), op, 1, user, now + 1000, lines=[(1, count)])


def test_more_holds_due_than_one_run_releases(client):
    """Then the requests wait for the next run: nobody is refused for places that are due."""
    lockstep = Lockstep(client, Partition([Show(1, {1: Tier(100, 1200)}, hold_ms=1000)]))
    for first in range(0, 1200, 400):
        result = lockstep.decider.run(
            [take(HOLD, first + i, 1, START_MS) for i in range(400)], START_MS)
        assert result[1] == 400
        lockstep.decider.version += 1
    released, rounds, last = [], 0, take(BOOK, 5000, 10, START_MS + 1000)
    while not released or result[1] == 0:
        result = lockstep.decider.run([last], START_MS + 1000)
        lockstep.decider.version += 1
        assert result[0] == b"DONE" and len(result[4]) <= 512
        released += result[4]
        rounds += 1
    assert rounds == 3 and len(set(released)) == len(released) == 1200
    assert result[3] == [[GRANTED, 1190, 0, 100]]


def test_an_answered_id_gets_its_answer_and_consumes_nothing(client):
    """Wherever its answer lies: in one hash with others, in another one, under a key of its own."""
    lockstep = Lockstep(client, Partition([Show(1, {1: Tier(100, 5)})]))
    answers = Answers(client)
    commands = [take(BOOK, 1, 2, START_MS), take(BOOK, 2, 2, START_MS), take(BOOK, 3, 2, START_MS),
                take(BOOK, 4, 2, START_MS - 1000), take(BOOK, 5, 2, ID_EPOCH_MS)]
    commands += [Command(keyed_id(1, key), BOOK, 1, "ann", START_MS + 1000, lines=[(1, 2)])
                 for key in ("k", "l")]
    new = (1, 5)
    for place, command in enumerate(commands):
        if place not in new:
            answers.put(command.id, b"\x00any answer\xff%d" % place)
    order = [0, 1, 5, 2, 0, 3, 6, 4]
    result = lockstep.decider.run([commands[place] for place in order], START_MS)
    left = iter(([GRANTED, 3, 0, 100], [GRANTED, 1, 0, 100]))
    assert result[3] == [next(left) if place in new else b"\x00any answer\xff%d" % place
                         for place in order]
    assert result[5] == [[1, 1, 1, 0, 0, 4, 0]]


def test_the_largest_batch(client):
    """512 requests, each for a show of its own: no list in the script outgrows Lua's stack."""
    partition = Partition([Show(number, {1: Tier(1, 1)}) for number in range(1, 513)])
    lockstep = Lockstep(client, partition)
    commands = [Command(fresh_id(number, START_MS), BOOK, number, f"user {number}",
                        START_MS + 1, lines=[(1, 1)]) for number in range(1, 513)]
    result = lockstep.decider.run(commands, START_MS)
    assert result[3] == [[GRANTED, 0, 0, 1]] * 512
    assert len(result[5]) == 512


def test_a_show_that_moves_away_leaves_nothing_behind(client):
    @settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.none())
    def leave(_):
        shows = [Show(number, {1: Tier(100, 6), 2: Tier(100, 6)}) for number in (1, 2)]
        lay_out(shows[0], {2}, 3)
        lockstep = Lockstep(client, Partition(shows))
        drafts = [{"op": op, "show": show, "user": user, "late": 0, "lines": [(1, 2), (2, 1)]}
                  for show in (1, 2) for op, user in ((HOLD, "ann"), (BOOK, "bob"), (HOLD, "cé"))]
        drafts += [{"op": JOIN, "show": show, "user": USERS[3], "late": 0, "tier": 1, "quantity": 2}
                   for show in (1, 2)]
        lockstep.batch(drafts, 0)
        lockstep.check()
        command = Command(keyed_id(1, "move"), ADMIN, 1, "olga", lockstep.now + 1, action="show.move")
        result = lockstep.ask([command])
        assert result[0] == b"DONE" and result[3] == [[GRANTED, b"{}"]]
        assert result[4:] == [[], [], [], []]
        lockstep.decider.version += 1
        left = [key for key in client.keys("*:g1:*:*")
                if key.split(b":g1:")[1].split(b":")[1] == b"1"]
        assert left == []
        del lockstep.model.shows[1]
        lockstep.seats = lockstep.seats_now()
        lockstep.check()
        lockstep.batch([{"op": BOOK, "show": 2, "user": "ann", "late": 0, "lines": [(2, 1)]}],
                       100_000)
        lockstep.check()
    leave()
