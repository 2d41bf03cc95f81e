"""Why a request was refused, and whether that was so at that moment of the recount."""

from harness.words import (ALREADY_BOOKED, ALREADY_WAITING, EXPIRED, HOLD_EXPIRED, ILLEGAL_STATE,
                           LEAVE, LIMIT_EXCEEDED, NOT_ENOUGH, NOT_FOUND, SEAT_TAKEN, SEVERAL,
                           SOLD_OUT, STILL_AVAILABLE, TIMED_OUT, id_bytes)

DEADLINE_SECONDS = 30  # of a request over HTTP, counted from its arrival
SKEW_SECONDS = 8       # clocks that jumped, and what a gateway needs until a request has its time


class Reasons:
    """Looks at a Replay (ledger.py), and at the wish where a client knows it."""

    def __init__(self, replay):
        self.replay = replay
        self.of_code = {  # a booking that was made is never NOT_FOUND, and nobody asked for another
            SOLD_OUT: self.is_sold_out, NOT_ENOUGH: self.is_not_enough,
            SEAT_TAKEN: self.is_taken, ALREADY_BOOKED: self.is_over_limit,
            LIMIT_EXCEEDED: self.is_over_limit, HOLD_EXPIRED: self.is_expired,
            ILLEGAL_STATE: self.is_in_state, ALREADY_WAITING: self.waits_already,
            STILL_AVAILABLE: self.is_available, TIMED_OUT: self.is_late, NOT_FOUND: self.has_left}

    def hold(self, decision):
        """Was it so? Nobody can say of a request whose sender does not know its id."""
        wish = self.replay.wishes.get(decision.raw)
        reason = self.of_code.get(decision.reply.code)
        return wish is None or (reason is not None and reason(wish, decision.reply))

    def asked(self, wish, reply):
        """The show and the lines that the refusal is about."""
        if reply.op == SEVERAL:
            return next((part for part in wish.parts if part[0] == reply.refused_show),
                        (wish.show, {}))
        return wish.show, wish.lines or {}

    def counted(self, wish, reply):
        """Places of tiers that are taken by their number: [(tier, wanted, left), …]."""
        show, lines = self.asked(wish, reply)
        seated = self.replay.seated(show) if wish.seats else ()
        return [(tier, places, self.replay.left[show, tier])
                for tier, places in sorted(lines.items()) if tier not in seated]

    def is_sold_out(self, wish, reply):
        return wish.kind in ("take", "several") and \
            any(left == 0 for _, _, left in self.counted(wish, reply))

    def is_not_enough(self, wish, reply):
        if wish.kind == "join":  # more than the tier has, whoever sits there
            return any(places > self.replay.capacity[wish.show, tier] == reply.detail
                       for tier, places in wish.lines.items())
        if wish.kind not in ("take", "several"):
            return False
        short = [left for _, places, left in self.counted(wish, reply) if left < places]
        return bool(short) and short[0] == reply.detail

    def is_taken(self, wish, reply):
        """Those seats and no others of the wish were not available."""
        hall = self.replay.halls.get(wish.show)
        if hall is None or not wish.seats:
            return False
        taken = hall.taken(self.replay.positions_of(wish.show, wish.seats))
        return taken == reply.conflicts != []

    def is_over_limit(self, wish, reply):
        if wish.kind not in ("take", "several", "join"):
            return False
        show, lines = self.asked(wish, reply)
        places = sum(lines.values())
        return places > self.replay.rules[show]["max_per_booking"] or \
            not self.replay.may_have(show, wish.user, places)

    def is_expired(self, wish, _reply):
        return self.state_for(wish) == EXPIRED

    def is_in_state(self, wish, reply):
        state = self.state_for(wish)
        return state is not None and (state == reply.detail)

    def state_for(self, wish):
        booking = self.replay.bookings.get(id_bytes(wish.booking)) if wish.booking else None
        return booking["state"] if booking else None

    def waits_already(self, wish, _reply):
        line = self.replay.lines[wish.show]
        return wish.kind == "join" and any(line.waits_already(wish.user, t) for t in wish.lines)

    def is_available(self, wish, reply):
        if wish.kind != "join":
            return False
        (tier, places), = wish.lines.items()
        left = self.replay.left[wish.show, tier]
        return left >= places and left == reply.detail and \
            not self.replay.lines[wish.show].of_tier(tier)

    def has_left(self, wish, reply):
        entry = self.replay.lines[wish.show].entries.get(id_bytes(wish.booking or ""))
        return reply.op == LEAVE and entry is not None and entry.status == "LEFT"

    def is_late(self, wish, reply):
        """Its deadline is thirty seconds after its arrival, or what it said itself."""
        deadline = wish.deadline_at_ms or \
            (wish.begin + DEADLINE_SECONDS - SKEW_SECONDS) * 1000
        return reply.at_ms > deadline
