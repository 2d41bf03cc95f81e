"""People who book, and all that they are told. What each of them does is a row of operations.py.
"""

import asyncio
import itertools
import json
import random
import threading

import aiohttp
import redis.asyncio

from harness.words import BOOK, HOLD, Keys, id_text, pack
from harness.stream import Stream

import operations_seats  # noqa: F401  (enters its rows)
import operations_waiting  # noqa: F401
from history import DOOR, is_decision, now
from operations import ROWS

EVERYDAY = {"arena": 5, "cellar": 2, "opera": 4}  # shows of operations that do not choose one
PEOPLE = 120           # who come again and again, so that limits of a person matter
SETTLE_SECONDS = 75.0  # how long a request may stay without its decision, faults and all
POLL_WAIT_SECONDS = 3
ELSEWHERE = ("MOVED ", "ASK ", "TRYAGAIN ", "CLUSTERDOWN ")  # refusals of a cluster's node


class Visit:
    """One person, one show, one operation."""

    def __init__(self, crowd, row, odds):
        self.crowd, self.row, self.odds = crowd, row, odds
        self.go_to(odds.choices(list(EVERYDAY), list(EVERYDAY.values()))[0])
        self.user = f"person {odds.randrange(PEOPLE)}" if odds.random() < 0.6 else \
            f"guest {next(crowd.guests)}"

    def go_to(self, slug):
        self.slug = slug
        self.show = self.crowd.shows[slug]["number"]
        self.codes = self.crowd.shows[slug]["tiers"]
        self.seats = self.crowd.shows[slug]["seats"]

    # Wishes.

    def take(self, op, tiers=1, quantity=1, key=True):
        chosen = self.odds.sample(sorted(self.codes), min(tiers, len(self.codes)))
        lines = {self.codes[code]: self.odds.randint(1, max(2, quantity)) for code in chosen}
        wish = self.crowd.history.wish("take", self.show, user=self.user, op=op, lines=lines,
                                       key=self._key(key), row=self.row)
        wish.path = f"/v1/shows/{self.slug}/bookings"
        items = [{"tier": code, "quantity": lines[self.codes[code]]} for code in chosen]
        wish.request = {"user": self.user, **(items[0] if len(items) == 1 else {"items": items})}
        if op == "HOLD":
            wish.request["hold"] = True
        return wish

    def take_seats(self, op, seats):
        """These, named."""
        tiers = [self.seats[seat] for seat in seats]
        return self._take(op, {tier: tiers.count(tier) for tier in tiers},
                          {"seats": seats}, seats=list(seats))

    def take_best(self, op, code, places):
        return self._take(op, {self.codes[code]: places}, {"tier": code, "best": places})

    def _take(self, op, lines, asked, **more):
        wish = self.crowd.history.wish("take", self.show, user=self.user, op=op, lines=lines,
                                       key=self._key(self.odds.random() < 0.8), row=self.row,
                                       **more)
        wish.path = f"/v1/shows/{self.slug}/bookings"
        wish.request = {"user": self.user, **asked, **({"hold": True} if op == "HOLD" else {})}
        return wish

    def take_several(self, op, parts):
        """`parts`: [(show's slug, code, places), …], the own show first."""
        shows = self.crowd.shows
        wish = self.crowd.history.wish(
            "several", self.show, user=self.user, op=op, row=self.row,
            key=self._key(self.odds.random() < 0.8),
            parts=[[shows[slug]["number"], {shows[slug]["tiers"][code]: places}]
                   for slug, code, places in parts])
        wish.path = f"/v1/shows/{self.slug}/bookings"
        wish.request = {"user": self.user, "items": [
            {"show": slug, "tier": code, "quantity": places} for slug, code, places in parts]}
        if op == "HOLD":
            wish.request["hold"] = True
        return wish

    def change(self, op, booking, give=None, seats=None):
        wish = self.crowd.history.wish(
            "change", self.show, op=op, booking=booking["id"], row=self.row,
            key=self._key(self.odds.random() < 0.8), seats=seats,
            give=[self.codes.get(give[0], 0), give[1]] if give else None)
        wish.path = f"/v1/bookings/{booking['id']}/{op.lower()}"
        wish.request = {"seats": seats} if seats else {}
        if give:
            wish.request = {"quantity": give[1], **({"tier": give[0]} if give[0] else {})}
        return wish

    def join(self, code, places, key=None):
        key = self.odds.random() < 0.8 if key is None else key
        wish = self.crowd.history.wish("join", self.show, op="JOIN", user=self.user, row=self.row,
                                       lines={self.codes[code]: places}, key=self._key(key))
        wish.path = f"/v1/shows/{self.slug}/waitlist"
        wish.request = {"user": self.user, "tier": code, "quantity": places}
        return wish

    def leave(self, entry):
        wish = self.crowd.history.wish("leave", self.show, op="LEAVE", booking=entry["id"],
                                       row=self.row)
        wish.path, wish.request, wish.method = f"/v1/waitlist/{entry['id']}", None, "DELETE"
        return wish

    def pay(self, booking):
        wish = self.crowd.history.wish("pay", self.show, op="PAY", booking=booking["id"],
                                       key=self._key(True), row=self.row)
        wish.path, wish.request = f"/v1/bookings/{booking['id']}/payments", {}
        return wish

    def reuse(self, wish):
        """Another body under the key of a wish."""
        other = self.crowd.history.wish("reuse", wish.show, user=wish.user, op=wish.op,
                                        key=wish.key, row=self.row)
        other.path, other.request = wish.path, {**wish.request, "hold": True}
        return other

    def _key(self, wanted):
        return f"key {next(self.crowd.keys)}" if wanted else None

    # Asking.

    async def ask(self, wish, timeout=12.0, prefer="wait=2"):
        """Send it once. The answer's status, or None if there was none."""
        headers = {"Prefer": prefer} if prefer else {}
        if wish.key is not None:
            headers["Idempotency-Key"] = wish.key
        return await self.crowd.exchange(wish, "ask", wish.method, wish.path, wish.request, headers,
                                         timeout)

    async def settle(self, wish, prefer=None, polling=True):
        """Ask, poll, ask again under the same key, until it is decided. The booking, if granted.

        Without a key it is sent once: another sending would be another request. Not polling: an id
        tells the answer to what its key was first used for, which is not what is asked here."""
        prefer = prefer or self.odds.choice([None, "wait=2", "wait=1", "wait=5"])
        end, location = now() + SETTLE_SECONDS, None
        while now() < end:
            if location is None:
                said = await self.ask(wish, prefer=prefer)
            else:
                said = await self.poll(wish, location)
            if is_decision(said):
                return granted(said)
            if said["status"] == 202:
                location = said["location"] if polling else None
                continue
            if wish.key is None and location is None:
                return None
            # Nothing is known of it any more, or there was no answer: perhaps ask again.
            if wish.key is not None and (said["status"] == 404 or self.odds.random() < 0.3):
                location = None
            await asyncio.sleep(self.odds.uniform(0.1, 0.5))
        return None

    async def poll(self, wish, location):
        return await self.crowd.exchange(wish, "poll", "GET", location, None,
                                         {"Prefer": f"wait={POLL_WAIT_SECONDS}"}, 12.0)

    async def settle_in_stream(self, deadline_ms):
        code = self.odds.choice(sorted(self.codes))
        lines = {self.codes[code]: self.odds.randint(1, 2)}
        op = self.odds.choice(["BOOK", "HOLD"])
        raw, fields = Stream.request(BOOK if op == "BOOK" else HOLD, self.show, self.user,
                                     list(lines.items()), deadline_ms=deadline_ms)
        wish = self.crowd.history.wish("take", self.show, user=self.user, op=op, lines=lines,
                                       deadline_at_ms=fields[4], row=self.row)
        if not await self.crowd.append(wish, self.crowd.shows[self.slug]["partition"], raw, fields):
            return
        end = now() + SETTLE_SECONDS
        while now() < end and not is_decision(await self.poll(wish,
                                                              f"/v1/requests/{id_text(raw)}")):
            await asyncio.sleep(0.3)

    # Reading.

    async def look(self, what, path):
        wish = self.crowd.history.wish("read", self.show, op=what, row=self.row)
        await self.crowd.exchange(wish, "look", "GET", path, None, {}, 6.0)

    async def join_room(self, slug):
        wish = self.crowd.history.wish("read", self.show, op="queue", row=self.row)
        await self.crowd.exchange(wish, "look", "POST", f"/v1/shows/{slug}/queue", None, {}, 6.0)

    async def see_entry(self, entry):
        """What has become of somebody who waits, or None."""
        wish = self.crowd.history.wish("read", self.show, op="entry", booking=entry["id"],
                                       row=self.row)
        said = await self.crowd.exchange(wish, "look", "GET", f"/v1/waitlist/{entry['id']}", None,
                                         {}, 6.0)
        return json.loads(said["body"]) if said["status"] == 200 else None

    async def look_at(self, booking):
        wish = self.crowd.history.wish("read", self.show, op="booking", booking=booking,
                                       row=self.row)
        await self.crowd.exchange(wish, "look", "GET", f"/v1/bookings/{booking}", None, {}, 6.0)


def granted(said):
    return json.loads(said["body"]) if said["status"] in (200, 201) else None


class Crowd:
    """So many people at once, in a thread of its own, until they are told to go home."""

    def __init__(self, venue, history, seed, people=24, pause=0.08):
        self.venue, self.history = venue, history
        self.shows = venue.shows
        self.seed, self.people, self.pause = seed, people, pause
        self.keys, self.guests = itertools.count(1), itertools.count(1)
        self.problem = None
        self._ports = itertools.cycle([gateway.port for gateway in venue.gateways])
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        """Nobody begins anything new; who has begun goes on until it is decided."""
        self._stopping.set()

    def ended(self):
        return not self._thread.is_alive()

    def join(self, seconds):
        self._thread.join(seconds)
        if self.problem is not None:
            raise self.problem
        return self.ended()

    def _run(self):
        try:
            asyncio.run(self._open())
        except Exception as error:  # handed to join()
            self.problem = error

    async def _open(self):
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=20)
        self.redis = {}  # port → client
        async with aiohttp.ClientSession(connector=connector) as self.session:
            await asyncio.gather(*[self._person(n) for n in range(self.people)])
        for client in self.redis.values():
            await client.close()

    async def _person(self, number):
        odds = random.Random(f"usher client {self.seed} {number}")
        names = list(ROWS)
        weights = [ROWS[name].weight for name in names]
        errands = set()
        while not self._stopping.is_set():
            # An errand that hangs in a fault does not keep its person from the next one.
            if len(errands) < 8:
                row = ROWS[odds.choices(names, weights)[0]]
                visit = Visit(self, row.name, random.Random(odds.getrandbits(64)))
                errands.add(asyncio.ensure_future(row.act(visit)))
            await asyncio.sleep(odds.uniform(0.5, 1.5) * self.pause)
            errands = {errand for errand in errands if not finished(errand)}
        await asyncio.gather(*errands)

    async def exchange(self, wish, what, method, path, body, headers, timeout):
        """One request, written down with its outcome."""
        begin = now()
        url = f"http://127.0.0.1:{next(self._ports)}{path}"
        try:
            async with self.session.request(
                    method, url, json=body, headers=headers,
                    timeout=aiohttp.ClientTimeout(total=timeout)) as response:
                text = (await response.read()).decode()
                fields = response.headers
                unkind = response.status in DOOR and "Retry-After" not in fields
                return self.history.exchange(
                    wish, what, begin, response.status, text, fields.get("X-Request-Id"),
                    "no Retry-After" if unkind else None,
                    fields.get("Idempotent-Replayed") == "true", fields.get("Location"))
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            return self.history.exchange(wish, what, begin, error=type(error).__name__)

    async def append(self, wish, partition, raw, fields):
        """One request straight into the stream; True unless it certainly is not there."""
        begin, status, error = now(), 202, None
        try:
            if await self._redis_of(partition).xadd(Keys(partition).requests, {"b": pack([fields])},
                                                    nomkstream=True) is None:
                status = 503
        except (redis.exceptions.RedisError, OSError, asyncio.TimeoutError) as problem:
            if str(problem).startswith(ELSEWHERE):
                status = 503
            else:
                status, error = None, type(problem).__name__
        self.history.exchange(wish, "ask", begin, status, None, id_text(raw), error)
        return status != 503

    def _redis_of(self, partition):
        port = self.venue.redis_port(partition)
        if port not in self.redis:
            self.redis[port] = redis.asyncio.Redis(host="127.0.0.1", port=port, socket_timeout=2,
                                                   socket_connect_timeout=1)
        return self.redis[port]


def finished(errand):
    if errand.done():
        errand.result()  # what went wrong in it is a fault of ours
        return True
    return False
