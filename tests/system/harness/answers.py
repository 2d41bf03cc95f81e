"""The answers that Redis keeps: fresh ids' as fields of hashes, all others under keys of their own."""

from .words import Keys, id_bytes


class Answers:
    """A dictionary id → answer's bytes, of one partition."""

    def __init__(self, client, partition=1):
        self.redis = client
        self.keys = Keys(partition)

    def get(self, raw):
        key, field = self.keys.answer(raw)
        return self.redis.get(key) if field is None else self.redis.hget(key, field)

    def put(self, raw, data):
        key, field = self.keys.answer(raw)
        if field is None:
            self.redis.set(key, data, ex=600)
        else:
            self.redis.hset(key, field, data)
            self.redis.expire(key, 600)

    def forget(self, raw):
        key, field = self.keys.answer(raw)
        if field is None:
            self.redis.delete(key)
        else:
            self.redis.hdel(key, field)

    def seconds_left(self, raw):
        """-1: it would be kept for ever; -2: there is no such key."""
        return self.redis.ttl(self.keys.answer(raw)[0])

    def all(self):
        """Pairs of id and answer; what expires meanwhile may be missing."""
        for key in self.redis.scan_iter(match=self.keys.reply("*"), count=1000):
            data = self.redis.get(key)
            if data is not None:
                yield id_bytes(key.rsplit(b":", 1)[1].decode()), data
        for key in self.redis.scan_iter(match=self.keys.answers("*"), count=1000):
            for field, data in self.redis.hgetall(key).items():
                if field != b"":  # the field that makes the hash a table
                    yield field, data
