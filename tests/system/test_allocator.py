"""One allocator by itself: requests written into the stream, answers read from Redis."""

import time

import pytest

from harness.process import wait_until
from harness.stream import Stream
from harness.words import (ALREADY_BOOKED, BOOK, CANCEL, CANCELLED, CONFIRM, CONFIRMED, EXTEND,
                           GRANTED, HELD, HOLD, HOLD_EXPIRED, ID_EPOCH_MS, ILLEGAL_STATE, KEY_REUSED,
                           NOT_FOUND, REFRESH, SOLD_OUT, TIMED_OUT, Reply, fresh_id, id_text, pack, unpack)


@pytest.fixture
def partition(world):
    """Shows 1 (three places, one a user) and 2 (two tiers), and one allocator."""
    world.show("one", {"GA": (500, 3)}, number=1, max_per_user=1)
    world.show("two", {"A": (100, 50), "B": (200, 50)}, number=2, hold_seconds=2,
               max_per_booking=50)
    world.start_redis()
    world.start_allocator()
    world.wait_owner()
    yield Stream(world.redis_client())
    world.judge()


def test_decisions_one_by_one(partition):
    first = partition.ask(BOOK, user="ann")
    assert first.code == GRANTED and first.available == 2
    assert first.booking["state"] == CONFIRMED and first.booking["amount"] == 500
    assert partition.ask(BOOK, user="ann").code == ALREADY_BOOKED
    held = partition.ask(HOLD, show=2, user="ann", lines=[(2, 2), (1, 1)])
    assert held.booking["state"] == HELD and held.booking["amount"] == 500
    assert held.booking["expires"] - held.booking["created"] == 2000
    again = partition.ask(EXTEND, show=2, user="", booking=held.booking["id"])
    assert again.booking["expires"] - again.booking["created"] == 4000
    assert partition.ask(CONFIRM, show=2, booking=held.booking["id"]).booking["state"] == CONFIRMED
    part = partition.ask(CANCEL, show=2, booking=held.booking["id"], tier=2, quantity=1)
    assert part.booking["lines"] == [(2, 1, 200), (1, 1, 100)] and part.booking["amount"] == 300
    gone = partition.ask(CANCEL, show=2, booking=held.booking["id"])
    assert gone.booking["state"] == CANCELLED
    assert partition.ask(BOOK, show=77).code == NOT_FOUND
    assert partition.ask(REFRESH, show=2, user="").code == GRANTED


def test_one_entry_of_many_requests(partition):
    """In order within the entry, and all of them answered."""
    requests = [partition.request(BOOK, user=f"user {n}") for n in range(6)]
    partition.append(*requests)
    codes = [partition.answer(raw).code for raw, _ in requests]
    assert codes == [GRANTED] * 3 + [SOLD_OUT] * 3


def test_a_booking_and_its_changes_in_one_entry(partition):
    """A batch may make a booking and go through all of its life."""
    hold = partition.request(HOLD, show=2, user="ann", lines=[(1, 4)])
    steps = [partition.request(EXTEND, show=2, booking=hold[0], key="e"),
             partition.request(CONFIRM, show=2, booking=hold[0], key="c"),
             partition.request(CANCEL, show=2, booking=hold[0], tier=1, quantity=1, key="p"),
             partition.request(CANCEL, show=2, booking=hold[0], key="w"),
             partition.request(CONFIRM, show=2, booking=hold[0], key="x")]
    partition.append(hold, *steps)
    answers = [partition.answer(raw) for raw, _ in [hold, *steps]]
    assert [a.code for a in answers] == [GRANTED] * 5 + [ILLEGAL_STATE]
    assert [a.booking["state"] for a in answers[:5]] == [HELD, HELD, CONFIRMED, CONFIRMED, CANCELLED]


def test_a_repeated_id(world, partition):
    """In the same entry, in a later one, after Redis' answer is gone, and with another body."""
    first = partition.request(BOOK, user="ann", key="k")
    partition.append(first, first)
    before = wait_until("the reply", lambda: partition.answers.get(first[0]))
    partition.append(first)
    other = partition.request(BOOK, user="ann", lines=[(1, 2)], key="k")
    partition.append(other)
    partition.ask(BOOK, user="fence 1")
    assert partition.answers.get(first[0]) == before
    partition.answers.forget(first[0])
    partition.append(first)
    again = partition.answer(first[0])
    assert again.code == GRANTED and again.booking["user"] == "ann"
    assert world.value("SELECT count(*) FROM bookings WHERE user_id = 'ann'") == 1


def listen(partition, *requests):
    """What gateways would hear on their channel: [(id, repeated, Reply)]."""
    heard = partition.redis.pubsub()
    heard.subscribe("usher:replies:tests")
    heard.get_message(timeout=5)
    partition.append(*requests)
    found, end = [], time.monotonic() + 10
    while len(found) < len(requests) and time.monotonic() < end:
        message = heard.get_message(timeout=0.2)
        if message and message["type"] == "message":
            _, items = unpack(message["data"])
            found += [(raw, repeated, Reply(data)) for raw, repeated, data in items]
    heard.close()
    return found


def test_what_gateways_hear(partition):
    """Every request of an entry is answered on the channel, repetitions marked as such."""
    first = partition.request(BOOK, user="ann", key="k")
    other = partition.request(BOOK, user="ann", lines=[(1, 2)], key="k")
    heard = listen(partition, first, first, partition.request(BOOK, user="bob"))
    assert [(r, a.code) for _, r, a in heard] == [(0, GRANTED), (1, GRANTED), (0, GRANTED)]
    heard = listen(partition, first)
    assert [(raw, r, a.code) for raw, r, a in heard] == [(first[0], 1, GRANTED)]
    # Another body under the same id: the first answer goes out, and its fingerprint tells.
    heard = listen(partition, other)
    assert len(heard) == 1
    raw, _, answer = heard[0]
    assert raw == first[0]
    assert answer.code == KEY_REUSED or answer.fingerprint == first[1][5] != other[1][5]


def test_what_is_told_of_shows(world, partition):
    """What a batch left of each show that it touched, on that show's channel; no seats in these."""
    heard = partition.redis.pubsub()
    heard.psubscribe("usher:show:*")
    heard.get_message(timeout=5)
    partition.ask(HOLD, show=2, user="ann", lines=[(2, 2), (1, 1)])
    message = wait_until("news", lambda: heard.get_message(timeout=0.2))
    kind, show, record = unpack(message["data"])
    assert (message["channel"], kind, show) == (b"usher:show:2", 1, 2)
    assert record == partition.redis.get(world.keys().availability(2))
    assert unpack(record)[2] == [[1, 50, 49, 1, 0, 0], [2, 50, 48, 2, 0, 0]]
    partition.ask(BOOK, user="ann")
    message = wait_until("more news", lambda: heard.get_message(timeout=0.2))
    assert unpack(message["data"])[:2] == [1, 1]
    heard.close()


def test_deadlines(world, partition):
    """What is read after its deadline is refused, and never granted afterwards."""
    world.allocators[0].sigstop()
    late = [partition.request(BOOK, user="late", deadline_ms=300, key="late"),
            partition.request(HOLD, show=2, user="late", deadline_ms=300)]
    partition.append(*late)
    in_time = partition.request(BOOK, user="in time")
    partition.append(in_time)
    time.sleep(0.5)
    world.allocators[0].cont()
    assert [partition.answer(raw).code for raw, _ in late] == [TIMED_OUT] * 2
    assert partition.answer(in_time[0]).code == GRANTED
    partition.append(partition.request(BOOK, user="late", key="late"))
    partition.ask(BOOK, user="fence")
    assert partition.answer(late[0][0]).code == TIMED_OUT, "a refused one stays refused"
    assert world.value("SELECT count(*) FROM bookings WHERE user_id = 'late'") == 0


def test_holds_expire(partition):
    hold = partition.ask(HOLD, show=2, user="ann", lines=[(1, 50)])
    assert partition.ask(BOOK, show=2, user="bob", lines=[(1, 1)]).code == SOLD_OUT
    time.sleep(max(0, hold.booking["expires"] / 1000 - time.time()))
    assert partition.ask(BOOK, show=2, user="bob", lines=[(1, 50)]).code == GRANTED
    assert partition.ask(CONFIRM, show=2, booking=hold.booking["id"]).code == HOLD_EXPIRED


def test_holds_expire_after_a_takeover(world, partition):
    """The next owner knows of them, whether or not it had to write Redis anew."""
    partition.ask(HOLD, show=2, user="ann", lines=[(1, 50)])
    world.allocators[0].kill9()
    world.start_allocator()
    wait_until("the hold to expire", lambda: world.rows(
        "SELECT 1 FROM bookings WHERE status = 'EXPIRED'"), 5)


def test_more_holds_expire_at_once_than_one_batch_takes(world, partition):
    world.show("many", {"GA": (0, 2000)}, number=3, hold_seconds=1)
    for first in range(0, 1500, 250):
        partition.append(*[partition.request(HOLD, show=3, user=f"user {n}")
                           for n in range(first, first + 250)])
    wait_until("the holds", lambda: world.value("SELECT count(*) FROM bookings") == 1500)
    wait_until("their end", lambda: world.value(
        "SELECT count(*) FROM bookings WHERE status = 'EXPIRED'") == 1500)
    assert partition.ask(BOOK, show=3, user="ann", lines=[(1, 10)]).available == 1990


def test_a_long_backlog(world, partition):
    """Entries stand in the stream while nobody owns the partition; then all are decided in order."""
    world.show("big", {"GA": (100, 5000)}, number=3)
    world.allocators[0].stop()
    requests = [partition.request(BOOK, show=3, user=f"user {n}", lines=[(1, 2)])
                for n in range(3000)]
    for first in range(0, 3000, 60):
        partition.append(*requests[first:first + 60])
    world.start_allocator()
    answers = [partition.answer(raw, 30) for raw, _ in requests]
    assert [a.code for a in answers] == [GRANTED] * 2500 + [SOLD_OUT] * 500
    assert [a.available for a in answers[:2500]] == list(range(4998, -1, -2))


def test_the_stream_is_trimmed_behind_the_cursor(partition):
    for number in range(50):
        partition.append(partition.request(BOOK, show=2, user=f"user {number}"))
    wait_until("the trim", lambda: partition.redis.xlen(partition.keys.requests) <= 1)


def test_two_partitions_two_allocators_and_one_stands_by(world):
    for number in (1, 2):
        world.show(f"show-{number}", {"GA": (0, 10)}, number=number, partition=number)
    world.start_redis()
    for _ in range(3):
        world.start_allocator()
    owners = {world.wait_owner(1), world.wait_owner(2)}
    assert len(owners) == 2
    for number in (1, 2):
        stream = Stream(world.redis_client(), number)
        assert stream.ask(BOOK, show=number).code == GRANTED
        # A request that stands in the wrong stream takes nothing.
        assert stream.ask(BOOK, show=3 - number, user="stray").code == NOT_FOUND
    for owner in owners:
        owner.kill9()
        standby = wait_until("a standby", lambda o=owner: next(
            (a for a in world.allocators if a.alive() and a not in owners), None))
        assert standby is not None
        break
    world.wait_owner(1)
    world.wait_owner(2)
    world.judge()


def test_one_partition_by_number(world):
    world.show("show-2", {"GA": (0, 10)}, number=2, partition=2)
    world.start_redis()
    world.start_allocator(partition=2)
    assert world.wait_owner(2) is world.allocators[0]
    assert world.owner(1) is None


def test_a_stream_key_of_another_kind(world):
    """Rubbish under the stream's name is said, not a reason to end."""
    world.show("one", {"GA": (500, 3)}, number=1)
    world.start_redis()
    redis = world.redis_client()
    redis.set(world.keys().requests, "rubbish")
    world.start_allocator()
    time.sleep(0.5)
    assert world.allocators[0].alive()
    redis.delete(world.keys().requests)
    world.wait_owner()
    assert Stream(redis).ask(BOOK).code == GRANTED
    world.judge()


def test_nonsense_in_the_stream(partition):
    for fields in ({"b": b""}, {"b": b"\xc1"}, {"b": b"\xdf\xff\xff\xff\xff"}, {"x": "y"},
                   {"b": pack([])}, {"b": pack([[1, 2]])}, {"b": pack({"a": 1})},
                   {"b": pack([[b"x" * 16, 99, 1, "u", 1, b"f" * 8, "g", "", []]])},
                   {"b": pack([[b"x" * 15, 1, 1, "u", 1, b"f" * 8, "g", "", [[1, 1]]]])},
                   {"b": b"\x91" * 100000}, {"b": b"\xdb\xff\xff\xff\xff" + b"x" * 10}):
        partition.redis.xadd(partition.keys.requests, fields)
    assert partition.ask(BOOK).code == GRANTED
    # One bad request spoils its entry, and no other.
    good = partition.request(BOOK, user="bob")
    partition.redis.xadd(partition.keys.requests, {"b": pack([good[1], [1]])})
    assert partition.ask(BOOK, user="cid").code == GRANTED
    assert partition.answers.get(good[0]) is None


def test_answers_expire_by_their_kind(partition):
    now = int(time.time() * 1000)
    keyed = partition.request(BOOK, user="ann", key="k")
    fresh = partition.request(BOOK, user="bob", raw=fresh_id(1, now - 5000))
    distant = partition.request(BOOK, user="cid", deadline_ms=600000)
    early, late = (partition.request(BOOK, user="dan", raw=fresh_id(1, at, 600000))
                   for at in (ID_EPOCH_MS, now + 10 ** 11))  # by clocks that are wrong
    kinds = ((keyed, 86400), (fresh, 600), (distant, 661), (early, 600), (late, 720))
    partition.append(*(request for request, _ in kinds))
    for (raw, _), seconds in kinds:
        partition.answer(raw)
        left = partition.answers.seconds_left(raw)
        assert seconds - 60 < left <= seconds, id_text(raw)


def together(partition, count):
    """Requests whose answers lie in one hash, and its key."""
    made = int(time.time() * 1000)
    requests = [partition.request(BOOK, show=2, user=f"user {n}", raw=fresh_id(2, made))
                for n in range(count)]
    return requests, partition.keys.answer(requests[0][0])[0]


def test_answers_made_together_lie_together(partition):
    """In a table from the first on: Redis would search a list of them from end to end."""
    requests, key = together(partition, 3)
    keyed = partition.request(BOOK, show=2, user="zoe", key="z")
    partition.append(*requests, keyed)
    assert [partition.answer(raw).code for raw, _ in [*requests, keyed]] == [GRANTED] * 4
    assert set(partition.redis.hkeys(key)) == {b"", *(raw for raw, _ in requests)}
    assert partition.redis.object("ENCODING", key) == b"hashtable"
    assert partition.redis.type(partition.keys.reply(keyed[0])) == b"string"


def test_a_hash_of_answers_never_lives_shorter(partition):
    """Nor for ever: who finds it without an end gives it one."""
    (first, second, third, fourth), key = together(partition, 4)
    for request, change, least, most in (
            (first, lambda: None, 540, 600),
            (second, lambda: partition.redis.expire(key, 5000), 4900, 5000),
            (third, lambda: partition.redis.expire(key, 50), 540, 600),
            (fourth, lambda: partition.redis.persist(key), 540, 600)):
        change()
        partition.append(request)
        partition.answer(request[0])
        assert least < partition.answers.seconds_left(request[0]) <= most
    assert len(partition.redis.hkeys(key)) == 5
    partition.redis.delete(key)  # as if it had expired: who comes later makes it again
    late = partition.request(BOOK, show=2, user="late", raw=first[0][:15] + b"?")
    partition.append(late)
    assert partition.answer(late[0]).code == GRANTED
    assert 540 < partition.redis.ttl(key) <= 600


def test_a_repeated_fresh_id(partition):
    """In the same entry and in later ones; granted, and refused before there was a place again."""
    requests, _ = together(partition, 2)
    partition.append(requests[0], requests[0])
    partition.append(requests[0], requests[1])
    assert [partition.answer(raw).code for raw, _ in requests] == [GRANTED] * 2
    many = partition.request(BOOK, show=2, user="max", lines=[(1, 49)])
    partition.append(many)
    assert partition.answer(many[0]).code != GRANTED
    first = partition.answers.get(many[0])
    assert partition.ask(CANCEL, show=2, booking=requests[0][0], user="").code == GRANTED
    partition.append(many, requests[1])
    partition.ask(BOOK, user="fence")
    assert partition.answers.get(many[0]) == first
