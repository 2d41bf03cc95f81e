"""Section 3 as a small program: what a partition must decide, kept in plain dictionaries.

It knows nothing of Redis, streams or batches in flight. It is written from the design's words; the
tests hold the real decision script against it.
"""

from dataclasses import dataclass, field

from .words import (ADMIN, ALREADY_BOOKED, ALREADY_WAITING, BOOK, CANCEL, CANCELLED, CONFIRM, CONFIRMED,
                    DIFFERENT_PARTITIONS, EXPIRED, EXTEND, FAILED, GRANTED, HELD, HOLD,
                    HOLD_EXPIRED, ILLEGAL_STATE, INVALID, INVENTORY_IN_USE, JOIN, LEAVE, LEGAL_MOVES, LIMIT_EXCEEDED,
                    LIVE, NOT_ENOUGH, NOT_FOUND, PAY, PAYMENT_REQUIRED, PENDING, REFRESH,
                    SALE_CLOSED, SALE_NOT_OPEN, SALE_PAUSED, SEAT_TAKEN, SETTLE, SEVERAL, SOLD_OUT,
                    STILL_AVAILABLE, SUCCEEDED, TIMED_OUT, part_id)

PLACES_IN = {HELD: "held", PENDING: "pending", CONFIRMED: "confirmed"}
SEAT_IN = {HELD: 1, PENDING: 2, CONFIRMED: 3}  # base/seats.h; 0 available, 4 blocked


@dataclass
class Tier:
    price: int
    capacity: int
    blocked: int = 0
    available: int = 0
    held: int = 0
    pending: int = 0
    confirmed: int = 0
    steps: tuple = ()  # ("s", per mille of the capacity taken, price) or ("t", time, price)
    has_seats: bool = False

    def __post_init__(self):
        self.available = self.capacity - self.blocked

    def price_at(self, now):
        """The last step that holds says it."""
        price = self.price
        taken = self.held + self.pending + self.confirmed
        for by, since, step_price in self.steps:
            if (taken * 1000 if by == "s" else now) >= since * (self.capacity if by == "s" else 1):
                price = step_price
        return price


@dataclass
class Booking:
    id: bytes
    user: str
    state: int
    created: int
    expires: int  # 0: never
    lines: dict   # tier → [quantity, price], in the order in which they were asked
    extended: bool = False
    payment: bytes = b""  # while a word of it may still change the booking
    seats: list = field(default_factory=list)  # positions, ascending

    @property
    def places(self):
        return sum(quantity for quantity, _ in self.lines.values())

    @property
    def amount(self):
        return sum(quantity * price for quantity, price in self.lines.values())


@dataclass
class Seat:
    tier: int
    status: int = 0
    booking: bytes = b""


@dataclass
class Show:
    number: int
    tiers: dict  # number → Tier
    state: str = "open"
    opens: int = 0
    closes: int = 0
    max_per_user: int = 0
    max_per_booking: int = 10
    hold_ms: int = 60000
    hold_ms_max: int = 90000
    payment_required: bool = False
    offer_ms: int = 60000
    bookings: dict = field(default_factory=dict)  # id → Booking, the dead ones too
    waiting: list = field(default_factory=list)   # Waiting, in the order of joining
    joined: int = 0
    returned: bool = False  # places have come back, or may be looked for
    seats: dict = field(default_factory=dict)     # position → Seat; between blocks there is none

    def seat_bytes(self):
        """As base/seats.h lays them out; a separator behind the last one."""
        last = max(self.seats)
        return bytes((self.seats[at].tier - 1) * 8 + self.seats[at].status if at in self.seats
                     else 255 for at in range(1, last + 2))

    def free_runs(self, tier):
        """Lists of neighbouring available seats of a tier, as long as they can be, in order."""
        runs, last = [], None
        for position, seat in sorted(self.seats.items()):
            if seat.tier == tier and seat.status == 0:
                if last != position - 1:
                    runs.append([])
                runs[-1].append(position)
                last = position
        return runs

    def best(self, tier, n):
        """By the design's words: no single seat is left over if that can be avoided; else together;
        else in as few blocks, and as close, as can be. The first of equals."""
        runs = self.free_runs(tier)
        for run in runs:
            if len(run) == n or len(run) >= n + 2:
                return run[:n]
        for run in runs:
            if len(run) >= n:
                return run[:n]
        free = [position for run in runs for position in run]
        choices = [free[at:at + n] for at in range(len(free) - n + 1)]
        return min(choices, key=lambda c: (len({self.block_of(p) for p in c}), c[-1] - c[0], c[0]))

    def block_of(self, position):
        while position - 1 in self.seats:
            position -= 1
        return position

    def live(self):
        return [b for b in self.bookings.values() if b.state in LIVE]

    def places_of_user(self, user):
        return sum(b.places for b in self.live() if b.user == user)


@dataclass
class Waiting:
    id: bytes
    tier: int
    quantity: int
    user: str
    joined: int
    position: int


@dataclass
class Command:
    id: bytes
    op: int
    show: int
    user: str
    deadline: int
    lines: list = field(default_factory=list)  # BOOK, HOLD: (tier, quantity)
    booking: bytes = b""                       # CONFIRM, CANCEL, EXTEND
    tier: int = 0                              # CANCEL in part, JOIN
    quantity: int = 0
    payment: bytes = b""                       # SETTLE
    result: int = SUCCEEDED
    seats: list = field(default_factory=list)  # BOOK, HOLD, CANCEL: these
    action: str = ""                           # ADMIN: what, of `tier`, `quantity`, `seats` or
    rules: object = None                       # `booking`; or a Show that has the new rules
    take: int = BOOK                           # SEVERAL: BOOK or HOLD
    parts: list = field(default_factory=list)  # … and (show, lines) of each, its own show first
    named: dict = field(default_factory=dict)  # … and the seats that are named: show → seats

    def each(self):
        """SEVERAL as the commands, one for each show, that it stands for."""
        return [Command(part_id(self.id, show) if at else self.id, self.take, show, self.user,
                        self.deadline, lines=lines, seats=self.named.get(show, []))
                for at, (show, lines) in enumerate(self.parts)]


@dataclass
class Decision:
    code: int
    detail: int = 0
    available: int = None  # BOOK, HOLD granted: left of the first line's tier
    booking: dict = None   # granted: what the booking is after it
    parts: list = None     # SEVERAL granted: the decision of each
    show: int = 0          # SEVERAL refused: for this one's sake
    place: int = None      # JOIN granted
    waiting: Waiting = None  # JOIN, LEAVE granted: who it is


class Partition:
    """All shows of a partition; decides commands one by one."""

    def __init__(self, shows):
        self.shows = {show.number: show for show in shows}
        self.offers = []  # made since somebody last looked

    def release(self, now):
        """Expire what is due; the ids, earliest first."""
        due = [b for show in self.shows.values() for b in show.live()
               if b.state == HELD and b.expires <= now]
        due.sort(key=lambda b: (b.expires, b.id))
        for booking in due:
            self._move(self._show_of(booking.id), booking, EXPIRED)
        for show in self.shows.values():
            self._offer(show, now)
        return [booking.id for booking in due]

    def decide(self, command, now):
        decision = self._decide(command, now)
        if command.show in self.shows:
            self._offer(self.shows[command.show], now)
        return decision

    def decide_alone(self, command, now):
        """As the script does an ADMIN: who waits is looked at later."""
        return self._decide(command, now)

    def _decide(self, command, now):
        if now > command.deadline:
            return Decision(TIMED_OUT)
        if command.op == SEVERAL:
            return self._several(command, now)
        show = self.shows.get(command.show)
        if show is None:
            return Decision(NOT_FOUND)
        if command.op == REFRESH:
            show.returned = True
            return Decision(GRANTED)
        if command.op == ADMIN:
            return self._admin(show, command)
        if command.op in (BOOK, HOLD):
            return self._take(show, command, now)
        if command.op == JOIN:
            return self._join(show, command, now)
        if command.op == LEAVE:
            return self._leave(show, command)
        return self._change(show, command)

    def check(self):
        """Invariants 1 and 6 of the model itself: a model that is wrong proves nothing."""
        for show in self.shows.values():
            for number, tier in show.tiers.items():
                for state, name in PLACES_IN.items():
                    counted = sum(b.lines[number][0] for b in show.bookings.values()
                                  if b.state == state and number in b.lines)
                    assert counted == getattr(tier, name), (show.number, number, name)
                total = tier.available + tier.held + tier.pending + tier.confirmed + tier.blocked
                assert total == tier.capacity and tier.available >= 0
                if tier.has_seats:
                    mine = [s.status for s in show.seats.values() if s.tier == number]
                    assert [mine.count(status) for status in range(5)] == [
                        tier.available, tier.held, tier.pending, tier.confirmed, tier.blocked]
            for booking in show.live():
                assert booking.seats == [p for p, s in sorted(show.seats.items())
                                         if s.booking == booking.id]

    def _show_of(self, booking):
        return self.shows[int.from_bytes(booking[:4], "big")]

    def _several(self, command, now):
        for at, part in enumerate(command.each()):
            show = self.shows.get(part.show)
            if show is None:
                return Decision(DIFFERENT_PARTITIONS if at else NOT_FOUND, show=part.show)
            refusal = self._refuse_take(show, part, now)
            if refusal is not None:
                refusal.show = part.show
                return refusal
        return Decision(GRANTED, parts=[self._take(self.shows[part.show], part, now)
                                        for part in command.each()])

    def _take(self, show, command, now):
        refusal = self._refuse_take(show, command, now)
        if refusal is not None:
            return refusal
        is_hold = command.op == HOLD
        booking = Booking(
            command.id, command.user, HELD if is_hold else CONFIRMED, now,
            now + show.hold_ms if is_hold else 0,
            {tier: [quantity, show.tiers[tier].price_at(now)] for tier, quantity in command.lines})
        for tier, quantity in command.lines:
            show.tiers[tier].available -= quantity
            self._count(show, tier, booking.state, quantity)
        show.bookings[booking.id] = booking
        self._seat(show, booking, self._choose(show, command), SEAT_IN[booking.state])
        first = show.tiers[command.lines[0][0]]
        return Decision(GRANTED, available=first.available, booking=shown(booking))

    @staticmethod
    def _choose(show, command):
        if command.seats:
            return command.seats
        return sorted(position for tier, quantity in command.lines if show.tiers[tier].has_seats
                      for position in show.best(tier, quantity))

    @staticmethod
    def _seat(show, booking, positions, status):
        booking.seats = list(positions)
        for position in positions:
            assert show.seats[position].status == 0
            show.seats[position].status, show.seats[position].booking = status, booking.id

    @staticmethod
    def _unseat(show, booking, positions):
        for position in positions:
            assert show.seats[position].booking == booking.id
            show.seats[position].status, show.seats[position].booking = 0, b""

    @staticmethod
    def _refuse_named(show, command):
        """Named seats that do not fit what is asked."""
        if any(position not in show.seats for position in command.seats):
            return Decision(NOT_FOUND)
        wanted = [(tier, quantity) for tier, quantity in command.lines if show.tiers[tier].has_seats]
        tiers = [show.seats[position].tier for position in command.seats]
        if sorted(wanted) != sorted((tier, tiers.count(tier)) for tier in set(tiers)):
            return Decision(INVALID)
        return None

    def _refuse_take(self, show, command, now):
        if any(tier not in show.tiers for tier, _ in command.lines):
            return Decision(NOT_FOUND)
        if command.seats and self._refuse_named(show, command):
            return self._refuse_named(show, command)
        if show.state == "draft" or show.opens > now:
            return Decision(SALE_NOT_OPEN)
        if show.state == "paused":
            return Decision(SALE_PAUSED)
        if show.state != "open" or 0 < show.closes <= now:
            return Decision(SALE_CLOSED)
        places = sum(quantity for _, quantity in command.lines)
        if places > show.max_per_booking:
            return Decision(LIMIT_EXCEEDED, show.max_per_booking)
        for tier, quantity in command.lines:
            if command.seats and show.tiers[tier].has_seats:
                continue
            left = show.tiers[tier].available
            if left == 0:
                return Decision(SOLD_OUT)
            if left < quantity:
                return Decision(NOT_ENOUGH, left)
        taken = [position for position in command.seats if show.seats[position].status]
        if taken:
            return Decision(SEAT_TAKEN, taken)
        refusal = self._refuse_user(show, command.user, places)
        if refusal is not None:
            return refusal
        costs = any(show.tiers[tier].price_at(now) for tier, _ in command.lines)
        if command.op == BOOK and show.payment_required and costs:
            return Decision(PAYMENT_REQUIRED)
        return None

    def _refuse_user(self, show, user, places):
        if show.max_per_user and show.places_of_user(user) + places > show.max_per_user:
            if show.max_per_user == 1:
                return Decision(ALREADY_BOOKED)
            return Decision(LIMIT_EXCEEDED, show.max_per_user)
        return None

    def _join(self, show, command, now):
        tier, quantity = show.tiers.get(command.tier), command.quantity
        if tier is None:
            return Decision(NOT_FOUND)
        if not is_on_sale(show, now):
            return Decision(SALE_NOT_OPEN if show.state == "draft" or show.opens > now
                            else SALE_PAUSED if show.state == "paused" else SALE_CLOSED)
        if quantity > show.max_per_booking:
            return Decision(LIMIT_EXCEEDED, show.max_per_booking)
        if quantity > tier.capacity:
            return Decision(NOT_ENOUGH, tier.capacity)
        refusal = self._refuse_user(show, command.user, quantity)
        if refusal is not None:
            return refusal
        others = [w for w in show.waiting if w.tier == command.tier]
        if any(w.user == command.user for w in others):
            return Decision(ALREADY_WAITING)
        if tier.available >= quantity and not others:
            return Decision(STILL_AVAILABLE, tier.available)
        show.joined += 1
        waiting = Waiting(command.id, command.tier, quantity, command.user, now, show.joined)
        show.waiting.append(waiting)
        show.returned = True
        return Decision(GRANTED, place=len(others) + 1, waiting=waiting)

    def _leave(self, show, command):
        for waiting in show.waiting:
            if waiting.id == command.booking:
                if command.user not in ("", waiting.user):
                    return Decision(NOT_FOUND)
                show.waiting.remove(waiting)
                return Decision(GRANTED, waiting=waiting)
        booking = show.bookings.get(command.booking)
        if booking is None or command.user not in ("", booking.user):
            return Decision(NOT_FOUND)
        if booking.state == EXPIRED:
            return Decision(HOLD_EXPIRED)
        if booking.state != HELD:
            return Decision(ILLEGAL_STATE, booking.state)
        self._move(show, booking, CANCELLED)
        return Decision(GRANTED, booking=shown(booking))

    def _offer(self, show, now):
        """While the sale is on, the first that fits and may have so many gets a hold."""
        returned, show.returned = show.returned, False
        for number, tier in show.tiers.items():
            while returned and is_on_sale(show, now):
                fits = [w for w in show.waiting if w.tier == number
                        and w.quantity <= min(tier.available, show.max_per_booking)
                        and self._refuse_user(show, w.user, w.quantity) is None]
                if not fits:
                    break
                first = fits[0]
                show.waiting.remove(first)
                booking = Booking(first.id, first.user, HELD, now, now + show.offer_ms,
                                  {number: [first.quantity, tier.price_at(now)]})
                tier.available -= first.quantity
                tier.held += first.quantity
                show.bookings[first.id] = booking
                if tier.has_seats:
                    self._seat(show, booking, sorted(show.best(number, first.quantity)), SEAT_IN[HELD])
                self.offers.append(shown(booking))

    def _admin(self, show, command):
        if command.rules is not None:
            change_rules(show, command.rules)
            decision = Decision(GRANTED)
        elif command.booking:
            command = Command(command.id, CANCEL, show.number, "", command.deadline,
                              booking=command.booking)
            decision = self._change(show, command)
        elif command.action.startswith("seats."):
            decision = self._move_seats(show, command)
        else:
            decision = self._move_inventory(show, command)
        show.returned = show.returned or decision.code == GRANTED
        return decision

    @staticmethod
    def _move_inventory(show, command):
        """Never what is sold or held: places come from where they lie."""
        tier, n = show.tiers.get(command.tier), command.quantity
        source, target = {"inventory.add": (None, "available"),
                          "inventory.remove": ("available", None),
                          "inventory.block": ("available", "blocked"),
                          "inventory.unblock": ("blocked", "available")}[command.action]
        if tier is None:
            return Decision(NOT_FOUND)
        if tier.has_seats:
            return Decision(INVALID)
        if source and getattr(tier, source) < n:
            return Decision(INVENTORY_IN_USE, getattr(tier, source))
        for name, change in ((source, -n), (target, n)):
            if name:
                setattr(tier, name, getattr(tier, name) + change)
        tier.capacity += (n if not source else 0) - (n if not target else 0)
        return Decision(GRANTED)

    @staticmethod
    def _move_seats(show, command):
        source, target = (0, 4) if command.action == "seats.block" else (4, 0)
        seats = [show.seats.get(position) for position in command.seats]
        if None in seats:
            return Decision(NOT_FOUND)
        taken = [p for p, seat in zip(command.seats, seats) if seat.status not in (0, 4)]
        if taken:
            return Decision(SEAT_TAKEN, taken)
        for seat in seats:
            if seat.status == source:
                seat.status = target
                change = 1 if target == 4 else -1
                show.tiers[seat.tier].blocked += change
                show.tiers[seat.tier].available -= change
        return Decision(GRANTED)

    def _change(self, show, command):
        booking = show.bookings.get(command.booking)
        if booking is None or command.user not in ("", booking.user):
            return Decision(NOT_FOUND)
        if command.op == SETTLE:
            return self._settle(show, booking, command)
        if booking.state == EXPIRED:
            return Decision(HOLD_EXPIRED)
        if booking.state not in LIVE:
            return Decision(ILLEGAL_STATE, booking.state)
        change = {CONFIRM: self._confirm, CANCEL: self._cancel, EXTEND: self._extend,
                  PAY: self._pay}[command.op]
        return change(show, booking, command)

    def _confirm(self, show, booking, _command):
        if booking.state != HELD:
            return Decision(ILLEGAL_STATE, booking.state)
        if show.payment_required and booking.amount:
            return Decision(PAYMENT_REQUIRED)
        self._move(show, booking, CONFIRMED)
        return Decision(GRANTED, booking=shown(booking))

    def _pay(self, show, booking, command):
        if booking.state != HELD:
            return Decision(ILLEGAL_STATE, booking.state)
        booking.payment = command.id
        self._move(show, booking, PENDING if booking.amount else CONFIRMED)
        return Decision(GRANTED, booking=shown(booking))

    def _settle(self, show, booking, command):
        """Money that was taken finds its booking, or goes back."""
        if booking.payment != command.payment or booking.state in (HELD, CONFIRMED):
            return Decision(ILLEGAL_STATE, booking.state)
        before = shown(booking)
        if command.result != SUCCEEDED:
            if booking.state == FAILED:
                return Decision(ILLEGAL_STATE, booking.state)
            if booking.state == PENDING:
                self._move(show, booking, FAILED)
            return Decision(GRANTED, booking=shown(booking))
        if booking.state == PENDING or (booking.state == FAILED and self._has_room(show, booking)):
            self._move(show, booking, CONFIRMED)
            return Decision(GRANTED, booking=shown(booking))
        booking.payment = b""
        return Decision(GRANTED, booking=before)

    @staticmethod
    def _has_room(show, booking):
        return all(show.tiers[tier].available >= quantity
                   for tier, (quantity, _) in booking.lines.items()) and all(
            show.seats[position].status == 0 for position in booking.seats) and (
            not show.max_per_user
            or show.places_of_user(booking.user) + booking.places <= show.max_per_user)

    def _cancel(self, show, booking, command):
        if command.seats:
            return self._cancel_seats(show, booking, command.seats)
        if command.tier == 0 and command.quantity == 0:
            self._move(show, booking, CANCELLED)
            return Decision(GRANTED, booking=shown(booking))
        tier = command.tier
        if tier == 0 and len(booking.lines) == 1:
            tier = next(iter(booking.lines))
        if tier not in booking.lines:
            return Decision(INVALID)
        has = booking.lines[tier][0]
        quantity = command.quantity or has
        if quantity > has:
            return Decision(NOT_ENOUGH, has)
        if quantity == booking.places:
            self._move(show, booking, CANCELLED)
            return Decision(GRANTED, booking=shown(booking))
        mine = [p for p in booking.seats if show.seats[p].tier == tier]
        self._give(show, booking, tier, quantity, mine[-quantity:] if mine else [])
        return Decision(GRANTED, booking=shown(booking))

    def _cancel_seats(self, show, booking, seats):
        tiers = {show.seats[position].tier for position in seats if position in booking.seats}
        if not set(seats) <= set(booking.seats) or (len(tiers) > 1 and seats != booking.seats):
            return Decision(INVALID)
        if len(seats) == booking.places:
            self._move(show, booking, CANCELLED)
            return Decision(GRANTED, booking=shown(booking))
        if len(tiers) > 1:
            return Decision(INVALID)
        self._give(show, booking, tiers.pop(), len(seats), seats)
        return Decision(GRANTED, booking=shown(booking))

    def _give(self, show, booking, tier, quantity, seats):
        booking.lines[tier][0] -= quantity
        self._count(show, tier, booking.state, -quantity)
        show.tiers[tier].available += quantity
        show.returned = True
        self._unseat(show, booking, seats)
        booking.seats = [p for p in booking.seats if p not in seats]

    def _extend(self, show, booking, _command):
        if booking.state != HELD:
            return Decision(ILLEGAL_STATE, booking.state)
        expires = min(booking.expires + show.hold_ms, booking.created + show.hold_ms_max)
        if booking.extended or expires <= booking.expires:
            return Decision(LIMIT_EXCEEDED, 1)
        booking.expires, booking.extended = expires, True
        return Decision(GRANTED, booking=shown(booking))

    def _move(self, show, booking, to):
        assert (booking.state, to) in LEGAL_MOVES
        for tier, (quantity, _) in booking.lines.items():
            if booking.state in PLACES_IN:
                self._count(show, tier, booking.state, -quantity)
            else:
                show.tiers[tier].available -= quantity
            if to in PLACES_IN:
                self._count(show, tier, to, quantity)
            else:
                show.tiers[tier].available += quantity
                show.returned = True
        if booking.state == CONFIRMED:
            booking.payment = b""
        if to in SEAT_IN:
            for position in booking.seats:
                seat = show.seats[position]
                assert seat.booking == (booking.id if booking.state in SEAT_IN else b"")
                seat.status, seat.booking = SEAT_IN[to], booking.id
        else:
            self._unseat(show, booking, booking.seats)
        booking.state = to

    @staticmethod
    def _count(show, tier, state, quantity):
        name = PLACES_IN[state]
        setattr(show.tiers[tier], name, getattr(show.tiers[tier], name) + quantity)


RULES = ("state", "opens", "closes", "max_per_user", "max_per_booking", "hold_ms", "hold_ms_max",
         "offer_ms", "payment_required")


def change_rules(show, rules):
    """The rules of another show, its tiers' prices too."""
    for name in RULES:
        setattr(show, name, getattr(rules, name))
    others = list(rules.tiers.values()) if isinstance(rules.tiers, dict) else rules.tiers
    for tier, other in zip(show.tiers.values(), others):
        tier.price, tier.steps = other.price, other.steps


def is_on_sale(show, now):
    return (show.state == "open" and show.opens <= now
            and not 0 < show.closes <= now)


def shown(booking):
    """A booking as it is now, apart from what becomes of it later."""
    return {"id": booking.id, "user": booking.user, "state": booking.state,
            "created": booking.created, "expires": booking.expires, "extended": booking.extended,
            "payment": booking.payment, "seats": list(booking.seats),
            "lines": [(tier, quantity, price)
                      for tier, (quantity, price) in booking.lines.items()]}
