"""The draw and the tickets of waiting rooms, written down a second time from base/draw.h and
base/ticket.h."""

import base64
import hashlib
import hmac
import struct

SECRET = bytes(range(32))
KEYS_FILE = f"# first signs\n7 {SECRET.hex()}\n"


def number_of(key, count, arrival):
    half = 1
    while 4 ** half < count:
        half += 1
    mask = 2 ** half - 1
    x = arrival - 1
    while True:
        left, right = x >> half, x & mask
        for turn in range(8):
            digest = hmac.new(key, struct.pack(">BI", turn, right), hashlib.sha256).digest()
            left, right = right, left ^ int.from_bytes(digest[:4], "big") & mask
        x = left << half | right
        if x < count:
            return x + 1


def commitment_of(key):
    return hashlib.sha256(key).digest()


def user_tag(user):
    return hashlib.sha256(user.encode()).digest()[:8] if user else bytes(8)


def sign(kind, show, number, expires_ms, user="", secret=SECRET, key=7):
    body = struct.pack(">BBII", kind, key, show, number) + expires_ms.to_bytes(6, "big")
    body += user_tag(user)
    mac = hmac.new(secret, body, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(body + mac).rstrip(b"=").decode()


def read(text):
    """(kind, show, number, expires_ms) of a ticket, whoever signed it."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert len(raw) == 56
    kind, _, show, number = struct.unpack(">BBII", raw[:10])
    return kind, show, number, int.from_bytes(raw[10:16], "big")


def keys_file(folder):
    """A file for the option ticket_keys."""
    path = folder / "ticket_keys"
    path.write_text(KEYS_FILE)
    return path
