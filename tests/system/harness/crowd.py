"""Many clients at once, as real ones behave: they wait, poll, come again under their key, and
remember all that they were told."""

import asyncio
import itertools
import json
import random
import threading
import time

import aiohttp

from .judge import FINAL, Ask
from .process import patience


def lines_of(numbers):
    """For the judge: what a body asks for as {tier's number: quantity}; numbers: code → number."""
    def lines(body):
        items = body.get("items") or [body]
        return {numbers[item["tier"]]: item["quantity"] for item in items}
    return lines


class Crowd:
    """Runs in a thread of its own; the test does its mischief meanwhile.

    `ports`: of the gateways, taken in turn. Whoever gets no final answer goes on asking under the
    same key until `seconds` have passed; whoever asked without a key asks once."""

    def __init__(self, ports, show, seconds=60.0, front=None):
        self.ports = itertools.cycle(ports)
        self.front = front  # a Front to ask instead of the gateways
        self.show = show
        self.seconds = patience(seconds)
        self.asks = []
        self.refusals = {}  # status at the door → how often
        self.losses = []    # requests that got no answer at all
        self.problem = None
        self._stopping = threading.Event()
        self._thread = None
        self._session = self._origin = None

    # What a test calls.

    def start(self, work):
        """`work`: a coroutine function of this crowd's, run in the thread."""
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()
        return self

    def start_race(self, asks, at_once):
        """Each of these wishes once, so many at a time."""
        self.asks = asks
        return self.start(lambda: self._race(asks, at_once))

    def start_traffic(self, clients, tiers, seed=None, people="user"):
        """Booking, holding, confirming and cancelling until finish() is called. Crowds that are
        judged together are made of other people each."""
        return self.start(lambda: self._traffic(clients, tiers, random.Random(seed), people))

    def decided(self):
        return sum(1 for ask in list(self.asks) if ask.answers)

    def granted(self):
        return sum(1 for ask in list(self.asks) if ask.granted)

    def await_decided(self, count, seconds=30.0):
        """Until that many wishes more have their answer."""
        goal = self.decided() + count
        end = time.monotonic() + patience(seconds)
        while self.decided() < goal:
            assert self._thread.is_alive(), f"the crowd has ended: {self.problem}"
            assert time.monotonic() < end, f"only {self.decided()} of {goal} decided"
            time.sleep(0.005)

    def finish(self):
        self._stopping.set()
        return self.join()

    def join(self):
        self._thread.join(self.seconds * 2)
        assert not self._thread.is_alive(), "the crowd does not end"
        if self.problem is not None:
            raise self.problem
        return self.asks

    # What happens in the thread.

    def _run(self, work):
        try:
            asyncio.run(self._with_session(work))
        except Exception as error:  # handed to join()
            self.problem = error

    async def _with_session(self, work):
        connector, self._origin = aiohttp.TCPConnector(limit=0), None
        if self.front is not None:
            connector, self._origin = self.front.crowd_session()
        timeout = aiohttp.ClientTimeout(total=40)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as self._session:
            await work()

    async def _race(self, asks, at_once):
        gate = asyncio.Semaphore(at_once)

        async def run(ask):
            async with gate:
                await asyncio.gather(*[self._wish(ask) for _ in range(ask.copies)])
        await asyncio.gather(*[run(ask) for ask in asks])

    async def _traffic(self, clients, tiers, odds, people):
        numbers = itertools.count()

        async def client():
            while not self._stopping.is_set():
                await self._customer(f"{people} {next(numbers)}", tiers, odds)
                await asyncio.sleep(0.002)
        await asyncio.gather(*[client() for _ in range(clients)])

    async def _customer(self, user, tiers, odds):
        """One visit: a booking or a hold, and perhaps more with it."""
        chosen = odds.sample(tiers, min(len(tiers), odds.choice([1, 1, 1, 2])))
        items = [{"tier": tier, "quantity": odds.randint(1, 3)} for tier in chosen]
        body = {"user": user, **(items[0] if len(items) == 1 else {"items": items})}
        if odds.random() < 0.4:
            body["hold"] = True
        ask = Ask(user, body, key=f"key of {user}" if odds.random() < 0.9 else None)
        ask.copies = 2 if ask.key and odds.random() < 0.1 else 1
        self.asks.append(ask)
        await asyncio.gather(*[self._wish(ask) for _ in range(ask.copies)])
        if ask.granted is None:
            return
        booking = json.loads(ask.granted)["id"]
        steps = (["confirm"] if "hold" in body and odds.random() < 0.6 else []) + \
            (["cancel"] if odds.random() < 0.2 else [])
        for step in steps:
            change = Ask(user, {}, key=f"{step} of {user}")
            ask.changes.append((step, change))
            await self._settle(change, f"/v1/bookings/{booking}/{step}")

    async def _wish(self, ask):
        await self._settle(ask, f"/v1/shows/{self.show}/bookings")

    async def _settle(self, ask, path):
        """Ask until the answer is final or patience is at its end."""
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            ask.sendings += 1
            try:
                pause = await self._send(ask, path)
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
                self.losses.append(repr(error))
                pause = 0.1
            if pause is None or ask.key is None:
                return
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _send(self, ask, path):
        """None: answered. Otherwise how long to wait before asking again."""
        headers = {"Prefer": "wait=2"}
        if ask.key is not None:
            headers["Idempotency-Key"] = ask.key
        base = self._origin or f"http://127.0.0.1:{next(self.ports)}"
        status, body, location = await self._exchange("POST", base + path, ask.body, headers)
        if status == 202:
            status, body, location = await self._exchange(
                "GET", base + location, None, {"Prefer": "wait=2"})
        if status in FINAL:
            ask.answers.append((status, body))
            return None
        # What stands in front may not know what became of it.
        if status not in (202, 503, 404) and not (status in (502, 504) and self.front):
            raise AssertionError(f"{ask.user} was told {status}: {body!r}")
        self.refusals[status] = self.refusals.get(status, 0) + 1
        return 0.2

    async def _exchange(self, method, url, body, headers):
        async with self._session.request(method, url, json=body, headers=headers) as response:
            text = await response.read()
            location = response.headers.get("Location")
            if response.status == 202:
                assert location and location.startswith("/v1/requests/"), response.headers
            if response.status == 503:
                assert int(response.headers["Retry-After"]) >= 1
            return response.status, text, location
