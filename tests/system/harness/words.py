"""The domain's words and the forms of ids, keys and answers, written down a second time.

Taken from the headers by hand, not from the product's code: a change there that is not meant to
happen shows up here.
"""

import hashlib
import os

import msgpack

BOOK, HOLD, CONFIRM, CANCEL, EXTEND, REFRESH, PAY, SETTLE, JOIN, LEAVE = range(1, 11)
SUCCEEDED, DECLINED, GIVEN_UP = 1, 2, 3  # results of a payment
SEVERAL, ADMIN = 11, 12
HELD, PENDING, CONFIRMED, CANCELLED, EXPIRED, FAILED = 1, 2, 3, 4, 5, 6
STATES = {1: "HELD", 2: "PENDING", 3: "CONFIRMED", 4: "CANCELLED", 5: "EXPIRED", 6: "FAILED"}
LIVE = (HELD, PENDING, CONFIRMED)
LEGAL_MOVES = {(1, 2), (1, 3), (1, 4), (1, 5), (2, 3), (2, 6), (2, 4), (2, 5), (3, 4),
               (6, 3)}

GRANTED, SOLD_OUT, ALREADY_BOOKED, SEAT_TAKEN, NOT_ENOUGH, LIMIT_EXCEEDED = 0, 1, 2, 3, 4, 5
SALE_NOT_OPEN, SALE_CLOSED, QUEUE_REQUIRED, HOLD_EXPIRED, ILLEGAL_STATE = 6, 7, 8, 9, 10
NOT_FOUND, PAYMENT_FAILED, KEY_REUSED, TIMED_OUT, OVERLOADED = 11, 12, 13, 14, 15
RATE_LIMITED, INVALID, INTERNAL, PAYMENT_REQUIRED = 16, 17, 18, 19
DIFFERENT_PARTITIONS = 20
ALREADY_WAITING, STILL_AVAILABLE = 21, 22
INVENTORY_IN_USE, SALE_PAUSED, ALREADY_EXISTS = 25, 26, 27
CATALOGUE = 2 ** 31 - 1  # the show of requests about the list of shows

ID_EPOCH_MS = 1704067200000
ANSWER_BUCKET_MS = 128
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def fresh_id(show, now_ms, deadline_ms=30000, random=None):
    """16 bytes as base/id.h lays them out."""
    random = int.from_bytes(os.urandom(6), "big") >> 2 if random is None else random
    made = (now_ms - ID_EPOCH_MS) & (2 ** 41 - 1)
    number = show << 96 | made << 54 | -(-deadline_ms // 4000) << 46 | random & (2 ** 46 - 1)
    return number.to_bytes(16, "big")


def keyed_id(show, *parts):
    """An id of the keyed kind. Its hash is any: only the gateway knows how it makes its own."""
    digest = int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:12], "big")
    return (show << 96 | 1 << 95 | digest & (2 ** 95 - 1)).to_bytes(16, "big")


def part_id(of, show):
    """The id of the booking of another show that a request for several makes."""
    number = show.to_bytes(4, "big")
    if not of[4] & 0x80:
        return number + of[4:]
    digest = hashlib.sha256(of + number).digest()[:12]
    return number + bytes([digest[0] | 0x80]) + digest[1:]


def id_text(raw):
    number = int.from_bytes(raw, "big")
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def id_bytes(text):
    number = 0
    for letter in text.lower():
        number = number << 5 | ALPHABET.index(letter)
    return number.to_bytes(16, "big")


def id_made_ms(raw):
    """None if the id is keyed."""
    number = int.from_bytes(raw, "big")
    return None if number >> 95 & 1 else (number >> 54 & (2 ** 41 - 1)) + ID_EPOCH_MS


def id_show(raw):
    return int.from_bytes(raw[:4], "big")


def pack(value):
    """msgpack with bytes as `str`, which is all that Redis' cmsgpack reads."""
    return msgpack.packb(value, use_bin_type=False)


def unpack(data):
    """Strings come out as bytes: ids are not UTF-8."""
    return msgpack.unpackb(data, raw=True, strict_map_key=False)


def pack_seats(positions):
    """Positions as base/seats.h packs them."""
    return b"".join(position.to_bytes(4, "big") for position in positions)


def unpack_seats(packed):
    return [int.from_bytes(packed[at:at + 4], "big") for at in range(0, len(packed), 4)]


class Keys:
    """Names in Redis, as base/keys.h lists them."""

    def __init__(self, partition):
        self.root = f"usher:{{{partition}}}:"
        self.requests = self.root + "requests"
        self.state = self.root + "state"
        self.status = self.root + "status"
        self.generations = self.root + "generations"

    def reply(self, raw):
        """`raw`: an id's 16 bytes, or "*" for a pattern."""
        return self.root + "reply:" + (id_text(raw) if isinstance(raw, bytes) else raw)

    def answers(self, bucket):
        """`bucket`: a number, or "*" for a pattern."""
        return f"{self.root}answers:{bucket}"

    def answer(self, raw):
        """Where an id's answer lies: a hash and its field, or a key and None."""
        made = id_made_ms(raw)
        if made in (None, ID_EPOCH_MS):
            return self.reply(raw), None
        return self.answers(made // ANSWER_BUCKET_MS), raw

    def availability(self, show):
        return f"{self.root}availability:{show}"

    def of_generation(self, generation, name):
        return f"{self.root}{generation}:{name}"


class Reply:
    """An answer as base/answer.h writes it, read back."""

    def __init__(self, data):
        (self.code, self.at_ms, self.op, self.fingerprint, self.show, booking, self.available,
         self.detail, *more) = unpack(data)
        self.booking, self.waiting = None, None
        if booking is not None and len(booking) == 6:
            raw, user, tier, quantity, joined, place = booking
            self.waiting = {"id": raw, "user": user.decode(), "tier": tier, "quantity": quantity,
                            "joined": joined, "place": place}
        else:
            self.booking = self.booking_from(booking)
        self.conflicts = []   # SEAT_TAKEN: seats
        self.others = []      # SEVERAL: the bookings beside the first
        self.refused_show = 0
        self.told = ""        # ADMIN: JSON, or a sentence
        if more and self.op == ADMIN and self.code != SEAT_TAKEN:
            self.told = more[0].decode()
        elif more and self.op != SEVERAL:
            self.conflicts = unpack_seats(more[0])
        elif more and isinstance(more[0], bytes):
            self.others = [self.booking_from(other) for other in unpack(more[0])]
        elif more:
            self.refused_show = more[0]
            self.conflicts = unpack_seats(more[1]) if len(more) > 1 else []

    @staticmethod
    def booking_from(booking):
        if booking is None:
            return None
        raw, user, state, created, expires, amount, lines, *seats = booking
        return {"id": raw, "user": user.decode(), "state": state, "created": created,
                "expires": expires, "amount": amount, "lines": [tuple(line) for line in lines],
                "seats": unpack_seats(seats[0]) if seats else []}
