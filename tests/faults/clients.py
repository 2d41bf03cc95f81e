"""People who book: what each of them does is a row of a table, and all that they are told is kept.

Adding an operation is adding a coroutine with a decorator. It says what it wishes (`visit.take`,
`visit.change`, `visit.look`) and asks for it in its own way (`visit.settle`, `visit.ask`).
"""

import asyncio
import itertools
import json
import random
import threading
from dataclasses import dataclass

import aiohttp
import redis.asyncio

from harness.words import BOOK, HOLD, Keys, id_text, pack
from harness.stream import Stream

from history import DOOR, is_decision, now

ROWS = {}
PEOPLE = 120           # who come again and again, so that limits of a person matter
SETTLE_SECONDS = 75.0  # how long a request may stay without its decision, faults and all
POLL_WAIT_SECONDS = 3


@dataclass(frozen=True)
class Row:
    name: str
    weight: int
    act: object


def operation(weight):
    def enter(act):
        ROWS[act.__name__] = Row(act.__name__, weight, act)
        return act
    return enter


# What people do.

@operation(14)
async def book(visit):
    await visit.settle(visit.take("BOOK"))


@operation(8)
async def book_without_a_key(visit):
    await visit.settle(visit.take("BOOK", key=False))


@operation(4)
async def book_several_tiers(visit):
    await visit.settle(visit.take("BOOK", tiers=3))


@operation(8)
async def book_and_cancel(visit):
    await cancelled(visit, visit.take("BOOK"))


@operation(6)
async def book_and_cancel_in_part(visit):
    booking = await visit.settle(visit.take("BOOK", quantity=3))
    if booking:
        line = visit.odds.choice(booking["items"])
        give = [line["tier"] if len(booking["items"]) > 1 else None,
                visit.odds.randint(1, line["quantity"])]
        if await visit.settle(visit.change("CANCEL", booking, give=give)):
            await visit.look_at(booking["id"])


@operation(10)
async def hold_and_confirm(visit):
    booking = await visit.settle(visit.take("HOLD"))
    if booking:
        await asyncio.sleep(visit.odds.uniform(0, 0.3))
        await visit.settle(visit.change("CONFIRM", booking))


@operation(10)
async def hold_and_pay(visit):
    """What it comes to is judged by the journal and by the provider's own books."""
    booking = await visit.settle(visit.take("HOLD"))
    if booking:
        await visit.settle(visit.pay(booking))
        if visit.odds.random() < 0.3:
            await visit.settle(visit.change("CANCEL", booking))


@operation(5)
async def hold_and_cancel(visit):
    await cancelled(visit, visit.take("HOLD"))


@operation(8)
async def hold_and_forget(visit):
    """It expires; a confirmation that comes about then is granted or refused, and that is that."""
    booking = await visit.settle(visit.take("HOLD"))
    if booking and visit.odds.random() < 0.5:
        await asyncio.sleep(visit.odds.uniform(0.8, 3.2))
        await visit.settle(visit.change("CONFIRM", booking))


@operation(6)
async def hold_extend_confirm(visit):
    booking = await visit.settle(visit.take("HOLD"))
    if booking and await visit.settle(visit.change("EXTEND", booking)):
        await asyncio.sleep(visit.odds.uniform(0, 2.0))
        await visit.settle(visit.change("CONFIRM", booking))


@operation(3)
async def hold_confirm_cancel_at_once(visit):
    """Three commands about one booking under way together: any order, one outcome each."""
    booking = await visit.settle(visit.take("HOLD"))
    if booking:
        await asyncio.gather(*[visit.settle(visit.change(op, booking))
                               for op in ("CONFIRM", "CANCEL", "EXTEND")])


@operation(6)
async def book_twice_at_once_under_one_key(visit):
    wish = visit.take("BOOK")
    await asyncio.gather(visit.settle(wish), visit.settle(wish))


@operation(8)
async def repeat_under_the_same_key(visit):
    """Once at once, once later: whatever happened meanwhile, the answer is the first one."""
    wish = visit.take(visit.odds.choice(["BOOK", "HOLD"]))
    await visit.settle(wish)
    await visit.ask(wish)
    await asyncio.sleep(visit.odds.uniform(0.5, 8.0))
    await visit.settle(wish)


@operation(3)
async def use_a_key_for_something_else(visit):
    """Refused, granted or repeated: a key stands for what it was first used for."""
    wish = visit.take("BOOK")
    await visit.settle(wish)
    await asyncio.sleep(visit.odds.uniform(0.0, 4.0))
    if any(said["status"] in (201, 409) for said in wish.decided()):
        await visit.settle(visit.reuse(wish), polling=False)


@operation(8)
async def lose_the_answer_and_repeat(visit):
    """The client hangs up before the answer comes, and comes again under its key."""
    wish = visit.take("BOOK")
    await visit.ask(wish, timeout=visit.odds.uniform(0.0005, 0.02))
    await visit.settle(wish)


@operation(4)
async def lose_the_answer_for_good(visit):
    await visit.ask(visit.take("BOOK", key=False), timeout=visit.odds.uniform(0.0005, 0.02))


@operation(10)
async def respond_async(visit):
    wish = visit.take(visit.odds.choice(["BOOK", "HOLD"]), key=visit.odds.random() < 0.5)
    await visit.settle(wish, prefer="respond-async")


@operation(4)
async def short_deadline(visit):
    """Into the stream, as a gateway writes it: HTTP gives nobody less than thirty seconds."""
    await visit.settle_in_stream(visit.odds.choice([1, 5, 20, 100, 500]))


@operation(5)
async def read_availability(visit):
    await visit.look("availability", f"/v1/shows/{visit.slug}/availability")


@operation(2)
async def read_shows(visit):
    await visit.look("show", visit.odds.choice(["/v1/shows", f"/v1/shows/{visit.slug}"]))


@operation(4)
async def read_a_booking(visit):
    booking = await visit.settle(visit.take("BOOK"))
    if booking:
        await visit.look_at(booking["id"])


async def cancelled(visit, wish):
    booking = await visit.settle(wish)
    if booking:
        await visit.settle(visit.change("CANCEL", booking))
        await visit.look_at(booking["id"])


# How they do it.

class Visit:
    """One person, one show, one operation."""

    def __init__(self, crowd, row, odds):
        self.crowd, self.row, self.odds = crowd, row, odds
        self.slug = odds.choices(list(crowd.shows), crowd.weights)[0]
        self.show = crowd.shows[self.slug]["number"]
        self.codes = crowd.shows[self.slug]["tiers"]
        self.user = f"person {odds.randrange(PEOPLE)}" if odds.random() < 0.6 else \
            f"guest {next(crowd.guests)}"

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

    def change(self, op, booking, give=None):
        wish = self.crowd.history.wish(
            "change", self.show, op=op, booking=booking["id"], row=self.row,
            key=self._key(self.odds.random() < 0.8),
            give=[self.codes.get(give[0], 0), give[1]] if give else None)
        wish.path = f"/v1/bookings/{booking['id']}/{op.lower()}"
        wish.request = {}
        if give:
            wish.request = {"quantity": give[1], **({"tier": give[0]} if give[0] else {})}
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
        return await self.crowd.exchange(wish, "ask", "POST", wish.path, wish.request, headers,
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
        self.weights = [5, 2, 4][:len(self.shows)]
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
        self.redis = redis.asyncio.Redis(host="127.0.0.1", port=self.venue.redis.port,
                                         socket_timeout=2, socket_connect_timeout=1)
        async with aiohttp.ClientSession(connector=connector) as self.session:
            await asyncio.gather(*[self._person(n) for n in range(self.people)])
        await self.redis.close()

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
            if await self.redis.xadd(Keys(partition).requests, {"b": pack([fields])},
                                     nomkstream=True) is None:
                status = 503
        except (redis.exceptions.RedisError, OSError, asyncio.TimeoutError) as problem:
            status, error = None, type(problem).__name__
        self.history.exchange(wish, "ask", begin, status, None, id_text(raw), error)
        return status != 503


def finished(errand):
    if errand.done():
        errand.result()  # what went wrong in it is a fault of ours
        return True
    return False
