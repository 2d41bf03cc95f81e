"""Numbered seats of a show, as the journal makes them: whose each one is, and which are the best.

Best available is decided by the model of the tests (harness/model.py), which looks at every choice.
"""

from harness.model import Seat, Show

TAKEN, BLOCKED = 1, 4  # statuses: to the model only 0, available, is not one of these


class Hall:
    def __init__(self, show, rows):
        """`rows`: of the table of seats."""
        self.model = Show(show, {}, seats={
            row["position"]: Seat(row["tier"], BLOCKED if row["status"] == BLOCKED else 0)
            for row in rows})

    @property
    def seats(self):
        return self.model.seats

    def taken(self, positions):
        """Those of them that nobody can have now."""
        return [at for at in positions if at not in self.seats or self.seats[at].status]

    def best(self, lines):
        """What a request for so many places of tiers gets that names no seats; fewer if there are."""
        tiers = {seat.tier for seat in self.seats.values()}
        return sorted(at for tier, places in lines.items() if tier in tiers
                      for at in self.best_of(tier, places))

    def best_of(self, tier, places):
        free = [at for run in self.model.free_runs(tier) for at in run]
        return self.model.best(tier, places) if 0 < places <= len(free) else free[:places]

    def places(self, lines):
        """How many of a booking's places are numbered."""
        tiers = {seat.tier for seat in self.seats.values()}
        return sum(places for tier, places in lines.items() if tier in tiers)

    def take(self, raw, positions):
        for at in positions:
            self.seats[at].status, self.seats[at].booking = TAKEN, raw

    def give(self, positions):
        for at in positions:
            self.seats[at].status, self.seats[at].booking = 0, b""

    def of(self, raw):
        return sorted(at for at, seat in self.seats.items() if seat.booking == raw)
