"""When what breaks: drawn from a seed, so that a seed replays a run.

Every fault of the table comes up once before any comes up twice, like cards of a shuffled deck; in
the decks after the first one, heavier ones have more cards. Most come alone, some two or three
together.
"""

import random
from dataclasses import dataclass

GAP_SECONDS = (1.0, 2.6)      # calm between one group's end and the next group's beginning
TOGETHER_SECONDS = (0.0, 0.5)  # between faults of one group
GROUP_SIZES = (1, 1, 1, 1, 1, 1, 2, 2, 2, 3)


@dataclass(frozen=True)
class Event:
    """A fault that begins `at` seconds after the start, and lasts."""

    at: float
    name: str
    lasting: float
    seed: int      # of the fault's own choices

    def __str__(self):
        return f"{self.at:7.2f} s  {self.name} for {self.lasting:.2f} s"


def plan(seed, seconds, rows):
    """The events of a run. `rows`: the table of faults, name → row (faults.py)."""
    odds = random.Random(f"usher faults {seed}")
    deck, events, at = shuffled(dict.fromkeys(rows, 1), odds), [], 2.0
    while at < seconds:
        end = at
        for _ in range(odds.choice(GROUP_SIZES)):
            if not deck:
                deck = shuffled({name: row.weight for name, row in rows.items()}, odds)
            row = rows[deck.pop()]
            begin = at + odds.uniform(*TOGETHER_SECONDS) * (end > at)
            event = Event(begin, row.name, odds.uniform(*row.lasting), odds.getrandbits(32))
            if event.at + event.lasting < seconds:
                events.append(event)
            end = max(end, event.at + event.lasting)
        at = end + odds.uniform(*GAP_SECONDS)
    return sorted(events, key=lambda event: event.at)


def shuffled(cards, odds):
    deck = [name for name in sorted(cards) for _ in range(cards[name])]
    odds.shuffle(deck)
    return deck
