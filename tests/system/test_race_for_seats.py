"""Five thousand people want a thousand numbered seats. Some let their holds run out, three payments
of ten are declined, and couriers die in the middle of it. In the end every seat is free, or belongs
to exactly one booking whose owner has paid for it once."""

import asyncio
import collections
import itertools
import json
import random
import threading

import aiohttp

from harness.process import patience, wait_until

PEOPLE, AT_ONCE = 5000, 200
ROWS, NUMBERS = 20, 50
SEATS = [f"{row}-{number}" for row in range(1, ROWS + 1) for number in range(1, NUMBERS + 1)]
PRICE = 4500
ATTEMPTS = 3        # seats that one person tries
ABANDONED = 0.25    # of those who hold a seat never pay
DECLINED = 0.30     # of the payments


def hall(world):
    path = world.folder / "hall.json"
    path.write_text(json.dumps([{"tier": "Stalls", "row": str(row), "number": 1, "count": NUMBERS}
                                for row in range(1, ROWS + 1)]))
    result = world.ctl("show", "create", "--slug", "hall", "--map", path, "--tier",
                       f"Stalls:{PRICE}", "--hold-seconds", "2")
    assert result.code == 0, result


class Person:
    """Tries seats until one is held; then pays, or thinks better of it and does nothing."""

    def __init__(self, number):
        self.name = f"person {number}"
        self.odds = random.Random(number)
        self.booking = None     # what it holds or held
        self.paid = None        # what the last word on its payment was

    async def visit(self, crowd):
        for attempt in range(ATTEMPTS):
            seat = self.odds.choice(SEATS)
            status, body = await crowd.post("/v1/shows/hall/bookings",
                                            {"user": self.name, "seats": [seat], "hold": True},
                                            f"{self.name}, {attempt}")
            crowd.told[status, body.get("code")] += 1
            if status == 201:
                assert body["seats"] == [seat] and body["status"] == "HELD", body
                self.booking = body["id"]
                break
            assert body["conflicts"] == [seat], body
        if self.booking is not None and self.odds.random() >= ABANDONED:
            await self.pay(crowd)

    async def pay(self, crowd):
        status, body = await crowd.post(f"/v1/bookings/{self.booking}/payments",
                                        {"user": self.name}, f"{self.name} pays")
        crowd.told["payment", body.get("status", body.get("code"))] += 1
        self.paid = body.get("status") if status == 200 else body["code"]


class Crowd:
    def __init__(self, ports):
        self.ports = itertools.cycle(ports)
        self.people = [Person(number) for number in range(PEOPLE)]
        self.told = collections.Counter()
        self.problem = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        try:
            asyncio.run(self.everybody())
        except BaseException as error:  # handed to join()
            self.problem = error

    async def everybody(self):
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(person):
            async with gate:
                await person.visit(self)
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0),
                                         timeout=timeout) as self.session:
            await asyncio.gather(*[one(person) for person in self.people])

    async def post(self, path, body, key):
        """Until there is a final word; "not settled yet" is none."""
        headers = {"Idempotency-Key": key, "Prefer": "wait=5"}
        while True:
            async with self.session.post(f"http://127.0.0.1:{next(self.ports)}{path}", json=body,
                                         headers=headers) as response:
                told = await response.json(content_type=None)
            if response.status in (202, 503) or told.get("status") == "PENDING":
                await asyncio.sleep(0.2)
                continue
            assert response.status in (200, 201, 409, 410), (response.status, told)
            return response.status, told

    def join(self):
        self.thread.join(patience(240))
        assert not self.thread.is_alive(), f"the crowd does not end: {self.told}"
        if self.problem is not None:
            raise self.problem


def test_five_thousand_people_and_a_thousand_seats(world):
    odds = random.Random(7)
    world.start_redis()
    hall(world)
    world.start_provider(lambda fields: "decline" if odds.random() < DECLINED else "succeed")
    world.start(allocators=2, gateways=2)
    couriers = [world.start_courier(), world.start_courier()]
    crowd = Crowd([gateway.port for gateway in world.gateways])
    crowd.thread.start()
    for _ in range(4):
        taken = len(world.provider.taken())
        wait_until("more payments", lambda n=taken: len(world.provider.taken()) > n + 20
                   or not crowd.thread.is_alive(), 60)
        victim = couriers.pop(0)
        world.expect_exit(victim)
        victim.kill9()
        couriers.append(world.start_courier())
    crowd.join()
    rest(world)

    judge_seats(world)
    judge_people(world, crowd)
    judge_money(world)
    world.judge()
    assert crowd.told["payment", "SUCCEEDED"] > 0 and crowd.told["payment", "FAILED"] > 0
    assert crowd.told[409, "SEAT_TAKEN"] > 0


def rest(world):
    """Whoever let a hold run out has lost it, and no payment is under way."""
    wait_until("all holds to end and all payments to settle", lambda: world.value(
        "SELECT (SELECT count(*) FROM bookings WHERE status IN ('HELD', 'PENDING'))"
        " + (SELECT count(*) FROM outbox)") == 0, 60)


def judge_seats(world):
    assert world.value("SELECT count(*) FROM seats") == len(SEATS)
    assert world.value("SELECT count(*) FROM seats WHERE status NOT IN (0, 3)") == 0
    assert world.rows("SELECT s.id FROM seats s LEFT JOIN bookings b ON b.id = s.booking"
                      " WHERE s.status = 3 AND b.status IS DISTINCT FROM 'CONFIRMED'") == []
    confirmed = world.value("SELECT count(*) FROM bookings WHERE status = 'CONFIRMED'")
    assert confirmed == world.value("SELECT count(*) FROM seats WHERE status = 3") > 0


def judge_people(world, crowd):
    """Whoever was told that the payment succeeded has the seat; nobody else has one."""
    client = world.client()
    for person in crowd.people:
        if person.booking is None:
            continue
        status = client.booking(person.booking).json["status"]
        if person.paid is None:
            assert status == "EXPIRED", (person.name, status)
        else:
            assert (person.paid == "SUCCEEDED") == (status == "CONFIRMED"), \
                (person.name, person.paid, status)


def judge_money(world):
    client = world.client()
    for intent in world.provider.intents.values():
        booking = intent["metadata"]["booking"]
        assert len(world.provider.charges(booking)) == 1, f"{booking} was charged twice"
        seen = client.booking(booking).json
        kept = PRICE if seen["status"] == "CONFIRMED" else 0
        assert world.provider.net(booking) == kept, (seen, intent)
