"""What clients asked and were told, one JSON object a line, in the order in which it was written.

    {"wish": 7, "kind": "take", …}        somebody wants something: what, of which show, under which key
    {"exchange": 19, "wish": 7, …}        one request and what became of it: begin, end, status, body, id
    {"fault": "redis_killed", …}          what was broken, from when to when

Times are seconds of one clock (`now`), which no fault touches. `id` is the request's id as the
answer told it (X-Request-Id), so that an answer can be found in the journal.
"""

import itertools
import json
import threading
import time
from dataclasses import dataclass, field

DECIDED = (200, 201, 404, 409, 410, 422, 500, 504)  # of a command: its decision, good or bad
DOOR = (429, 503)                              # refused before it was asked

_start = time.time() - time.monotonic()


def now():
    """Wall time that never jumps: what the clock said when we began, and what has passed since."""
    return _start + time.monotonic()


@dataclass
class Wish:
    """One command of one client, sent once or again and again."""

    number: int
    kind: str                # take, several, change, pay, join, leave, read; reuse: something else
                             # under a take's key
    show: int
    key: str = None
    user: str = None
    op: str = None           # BOOK, HOLD; CONFIRM, CANCEL, EXTEND; PAY, JOIN, LEAVE; what is read
    lines: dict = None       # of a take and of who joins: tier's number → places
    seats: list = None       # of a take or a cancellation in part: those that it names
    parts: list = None       # of several: [[show, its lines], …], the request's own show first
    booking: str = None      # of a change, a read or who leaves: the booking's (the entry's) id
    give: list = None        # of a cancellation in part: [tier's number or 0, places]
    deadline_at_ms: int = None  # set where it is earlier than HTTP allows
    row: str = None          # the operation of clients.py that wished it
    exchanges: list = field(default_factory=list)

    method = "POST"          # how it is asked

    @property
    def begin(self):
        return self.exchanges[0]["begin"] if self.exchanges else None

    def decided(self):
        """The exchanges that told its decision."""
        return [e for e in self.exchanges if is_decision(e)]

    def ids(self):
        """Of requests: what was refused at the door is none, though its answer has an id too."""
        return {e["id"] for e in self.exchanges if e.get("id") and e["status"] not in DOOR}

    def attempts(self):
        return sum(1 for e in self.exchanges if e["what"] == "ask")


def is_decision(exchange):
    """A poll's 404 says that nothing is known of the request, which decides nothing."""
    if exchange["what"] == "poll" and exchange["status"] == 404:
        return False
    return exchange["status"] in DECIDED


class History:
    """In memory for the checker, and on disk for whoever looks afterwards."""

    def __init__(self, path=None):
        self.wishes = {}
        self.faults = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._file = open(path, "w", encoding="utf-8") if path else None

    def wish(self, kind, show, **what):
        with self._lock:
            wish = Wish(next(self._numbers), kind, show, **what)
            self.wishes[wish.number] = wish
            said = {"wish": wish.number, **{k: v for k, v in vars(wish).items()
                                            if k not in ("number", "exchanges")
                                            and v is not None}}
            self._write(said)
        return wish

    def exchange(self, wish, what, begin, status=None, body=None, request=None, error=None,
                 replayed=False, location=None):
        """`what`: ask (the command is sent) or poll (its request, or a read of something)."""
        said = {"exchange": next(self._numbers), "wish": wish.number, "what": what,
                "begin": round(begin, 6), "end": round(now(), 6), "status": status, "body": body,
                "id": request, "error": error, "replayed": replayed,
                "location": location}
        with self._lock:
            wish.exchanges.append(said)
            self._write(said)
        return said

    def fault(self, name, begin, end, note=""):
        with self._lock:
            said = {"fault": name, "begin": round(begin, 6), "end": round(end, 6), "note": note}
            self.faults.append(said)
            self._write(said)

    def _write(self, said):
        if self._file is not None:
            self._file.write(json.dumps(said, ensure_ascii=False) + "\n")

    def close(self):
        if self._file is not None:
            self._file.close()
            self._file = None


def load(path):
    """A history that was written by another run."""
    history = History()
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            said = json.loads(line)
            if "fault" in said:
                history.faults.append(said)
            elif "exchange" in said:
                history.wishes[said["wish"]].exchanges.append(said)
            else:
                if said.get("lines"):
                    said["lines"] = numbered(said["lines"])
                if said.get("parts"):
                    said["parts"] = [[show, numbered(lines)] for show, lines in said["parts"]]
                wish = Wish(said.pop("wish"), **said)
                history.wishes[wish.number] = wish
    return history


def numbered(lines):
    """JSON knows names only."""
    return {int(tier): places for tier, places in lines.items()}
