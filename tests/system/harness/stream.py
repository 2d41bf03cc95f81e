"""Straight to the stream: requests as a gateway writes them, for what HTTP cannot ask."""

import hashlib
import json
import time

from .answers import Answers
from .process import wait_until
from .words import (ADMIN, BOOK, CANCEL, CONFIRM, EXTEND, HOLD, PAY, SETTLE, SEVERAL, SUCCEEDED, Keys,
                    Reply, fresh_id, keyed_id, pack)


def arguments_of(op, lines, booking, tier, quantity, payment=b"", result=SUCCEEDED):
    if op == ADMIN:  # lines: the action and its settings
        return [lines[0], json.dumps(lines[1]), booking]
    if op in (BOOK, HOLD):
        return [list(line) for line in lines]
    if op == SEVERAL:  # lines: BOOK or HOLD, and rows of show, tier, quantity
        return [lines[0], [list(row) for row in lines[1]]]
    if op in (CONFIRM, EXTEND):
        return [booking]
    if op == CANCEL:
        return [booking, tier, quantity]
    if op == PAY:
        return [booking, ""]
    if op == SETTLE:
        return [booking, payment, result, "ref_1", "" if result == SUCCEEDED else "declined"]
    return []


class Stream:
    """A partition's stream, and the answers in Redis."""

    def __init__(self, client, partition=1):
        self.redis = client
        self.keys = Keys(partition)
        self.answers = Answers(client, partition)

    @staticmethod
    def request(op, show=1, user="ann", lines=((1, 1),), booking=b"", tier=0, quantity=0,
                raw=None, deadline_ms=30000, key=None, payment=b"", result=SUCCEEDED):
        """One request, packed as base/request.h says. Returns (id, fields)."""
        now = int(time.time() * 1000)
        if raw is None:
            raw = keyed_id(show, key) if key else fresh_id(show, now, max(deadline_ms, 1))
        arguments = arguments_of(op, lines, booking, tier, quantity, payment, result)
        fingerprint = hashlib.sha256(pack([op, show, user, arguments])).digest()[:8]
        return raw, [raw, op, show, user, now + deadline_ms, fingerprint, "tests", "", arguments]

    def append(self, *requests):
        """One entry with these requests; its id in the stream."""
        return self.redis.xadd(self.keys.requests, {"b": pack([fields for _, fields in requests])})

    def answer(self, raw, seconds=10.0):
        data = wait_until("an answer", lambda: self.answers.get(raw), seconds, 0.005)
        return Reply(data)

    def ask(self, op, **arguments):
        """Append one request alone and wait for its answer."""
        request = self.request(op, **arguments)
        self.append(request)
        return self.answer(request[0])
