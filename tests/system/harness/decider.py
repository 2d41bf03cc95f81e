"""The real decision script in a private Redis, driven as an allocator drives it."""

import json

from .process import REPOSITORY
from .words import (ADMIN, BOOK, CANCEL, CONFIRM, EXTEND, GRANTED, HOLD, JOIN, LEAVE, PAY, SETTLE, SEVERAL, Keys,
                    id_show, pack, pack_seats, unpack, unpack_seats)

# In the order in which they are joined.
PARTS = ("model", "state", "seats", "admission", "operations", "payments", "several", "waiting", "admin",
         "decide")


def script_source():
    return "".join((REPOSITORY / "lua" / f"{part}.lua").read_text() for part in PARTS)


class Decider:
    """One partition's Redis state of our own making, and the script that works on it."""

    def __init__(self, client, partition=1):
        self.redis = client
        self.keys = Keys(partition)
        self.script = client.register_script(script_source())
        self.epoch = 1
        self.version = 0
        self.generation = "g1"

    def load(self, partition, now=0):
        """Write a model's whole state as a rebuild would."""
        self.redis.flushall()
        self.redis.hset(self.keys.state, mapping={
            "epoch": self.epoch, "generation": self.generation, "version": self.version,
            "clean": 1, "now": now})
        for show in partition.shows.values():
            self.load_rules(show)
            self.load_counters(show)
            self.load_seats(show)

    def key(self, name):
        return self.keys.of_generation(self.generation, name)

    def load_rules(self, show):
        self.redis.hset(self.key(f"show:{show.number}"), mapping=rules_of(show))

    def load_counters(self, show):
        for number, tier in show.tiers.items():
            self.redis.hset(self.key(f"show:{show.number}"), mapping={
                f"{number}:{name}": getattr(tier, name)
                for name in ("available", "held", "pending", "confirmed", "blocked")})
            self.redis.hset(self.key(f"show:{show.number}"), f"{number}:seats",
                            int(tier.has_seats))

    def load_seats(self, show):
        if show.seats:
            self.redis.set(self.key(f"seats:{show.number}"), show.seat_bytes())

    def run(self, commands, now, known=(), epoch=None, version=None, generation=None):
        """One call of the script; what it returns, unpacked. Does not count versions."""
        bookings, shows = {}, {}
        for item in known:
            if isinstance(item, tuple):
                bookings[item[0]] = item[1]
            else:
                shows[item] = True
        arguments = [epoch or self.epoch, generation or self.generation,
                     self.version + 1 if version is None else version, now,
                     pack([wire(command) for command in commands]), pack([bookings, shows])]
        keys, places = self.places([command.id for command in commands])
        arguments.append(pack(places))
        keys.insert(0, self.keys.state)
        return unpack(self.script(keys=keys, args=arguments))

    def places(self, ids):
        """Where answers to these ids would lie, each place once and hashes first; and the places
        as the script takes them: how many are hashes, and the number of each id's own."""
        hashes, alone = [], []
        for key, field in map(self.keys.answer, ids):
            into = alone if field is None else hashes
            if key not in into:
                into.append(key)
        keys = hashes + alone
        return keys, [len(hashes), [keys.index(self.keys.answer(raw)[0]) + 1 for raw in ids]]

    def digest(self):
        """Stands for everything that Redis holds."""
        return self.redis.execute_command("DEBUG", "DIGEST")

    def snapshot(self, show):
        """What Redis holds of a show, in plain dictionaries."""
        return {
            "show": decoded(self.redis.hgetall(self.key(f"show:{show}"))),
            "users": {user.decode(): int(count) for user, count
                      in self.redis.hgetall(self.key(f"users:{show}")).items()},
            "bookings": {raw: booking_from(raw, unpack(packed)) for raw, packed
                         in self.redis.hgetall(self.key(f"bookings:{show}")).items()},
            "seats": self.redis.get(self.key(f"seats:{show}")),
            "holds": {raw: int(score) for raw, score
                      in self.redis.zrange(self.key("holds"), 0, -1, withscores=True)
                      if id_show(raw) == show},
            "waiting": self.waiting(show),
        }

    def waiting(self, show):
        """Who waits, in order; the lists that say so in other ways must agree."""
        entries = {raw: unpack(packed) for raw, packed
                   in self.redis.hgetall(self.key(f"waiting:{show}")).items()}
        orders, sizes = {}, {}
        for raw, (tier, quantity, user, _joined, position) in entries.items():
            orders.setdefault(f"order:{show}:{tier}:{quantity}", []).append((raw, position))
            sizes[f"{tier}:{quantity}"] = sizes.get(f"{tier}:{quantity}", 0) + 1
            assert self.redis.hget(self.key(f"waiters:{show}"), b"%d:" % tier + user) == raw
        for name, members in orders.items():
            seen = self.redis.zrange(self.key(name), 0, -1, withscores=True)
            assert seen == sorted(members, key=lambda member: member[1])
        assert decoded(self.redis.hgetall(self.key(f"sizes:{show}"))) == {
            slot: str(count) for slot, count in sizes.items()}
        assert self.redis.hlen(self.key(f"waiters:{show}")) == len(entries)
        assert int(self.redis.hget(self.key(f"show:{show}"), "waits") or 0) == len(entries)
        return [(raw, tier, quantity, user.decode(), joined, position)
                for raw, (tier, quantity, user, joined, position)
                in sorted(entries.items(), key=lambda entry: entry[1][4])]


def rules_of(show):
    """The fields of a show's hash that say its rules."""
    fields = {"state": show.state, "opens": show.opens, "closes": show.closes,
              "max_per_user": show.max_per_user, "max_per_booking": show.max_per_booking,
              "hold_ms": show.hold_ms, "hold_ms_max": show.hold_ms_max, "tiers": len(show.tiers),
              "payment": "required" if show.payment_required else "optional",
              "offer_ms": show.offer_ms}
    for number, tier in show.tiers.items():
        fields[f"{number}:price"] = tier.price
        fields[f"{number}:steps"] = ",".join(f"{by}{since}={price}"
                                             for by, since, price in tier.steps)
    return fields


def decoded(mapping):
    return {key.decode(): value.decode() for key, value in mapping.items()}


def booking_from(raw, fields):
    """A booking as lua/state.lua keeps it."""
    state, user, expires, extended, created, seats, payment, *flat = fields
    return {"id": raw, "user": user.decode(), "state": state, "created": created,
            "expires": expires, "extended": bool(extended), "payment": payment,
            "seats": unpack_seats(seats),
            "lines": [tuple(flat[i:i + 3]) for i in range(0, len(flat), 3)]}


def wire(command):
    """A command as the allocator hands it to the script."""
    head = [command.id, command.op, command.show, command.user, command.deadline]
    named = [pack_seats(command.seats)] if command.seats else []
    if command.op in (BOOK, HOLD):
        return head + [number for line in command.lines for number in line] + named
    if command.op == JOIN:
        return head + [command.tier, command.quantity]
    if command.op in (CONFIRM, EXTEND, PAY, LEAVE):
        return head + [command.booking]
    if command.op == CANCEL:
        return head + [command.booking, command.tier, command.quantity] + named
    if command.op == SEVERAL:
        return head + [command.take, [
            [part.id, part.show] + [number for line in part.lines for number in line]
            + ([pack_seats(part.seats)] if part.seats else []) for part in command.each()]]
    if command.op == ADMIN:
        settings = {"tier": command.tier, "quantity": command.quantity, "seats": command.seats}
        fields = rules_of(command.rules).items() if command.rules is not None else ()
        return head + [command.action, json.dumps(settings), command.booking, GRANTED, "{}",
                       [str(word) for pair in fields for word in pair]]
    if command.op == SETTLE:
        return head + [command.booking, command.payment, command.result]
    return head
