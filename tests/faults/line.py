"""The waiting list of a show, as the journal makes it: who joined, who left, who is offered what.

Offers are in no answer of the journal. They follow from it: as soon as places are free, the first
in the order of joining whose group fits, and whose user may have so many, gets a hold of them.
"""

from dataclasses import dataclass


@dataclass
class Entry:
    """Somebody who waits, or did."""

    raw: bytes
    user: str
    tier: int
    quantity: int
    joined_ms: int
    number: int            # within the show, from 1
    status: str = "WAITING"
    ended_ms: int = None


class Line:
    def __init__(self):
        self.entries = {}  # id → Entry, in the order of joining
        self.waits = []    # those of them that wait still

    def join(self, raw, user, tier, quantity, now_ms):
        entry = Entry(raw, user, tier, quantity, now_ms, len(self.entries) + 1)
        self.entries[raw] = entry
        self.waits.append(entry)
        return entry

    def end(self, entry, status, now_ms):
        entry.status, entry.ended_ms = status, now_ms
        self.waits.remove(entry)

    def of_tier(self, tier):
        return [entry for entry in self.waits if entry.tier == tier]

    def waits_already(self, user, tier):
        return any(entry.user == user for entry in self.of_tier(tier))

    def first_that_fits(self, tier, fits):
        return next((entry for entry in self.of_tier(tier) if fits(entry)), None)
