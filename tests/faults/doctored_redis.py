"""A Redis that differs from Postgres."""

from harness.answers import Answers
from harness.words import GRANTED, Keys, fresh_id, pack, unpack

from doctoring import doctored
from venue import PARTITIONS, ROOM_SHOW


def live_show(clean, client):
    partition = clean.partitions[1]
    return Keys(1), partition["generation"], Keys(1).of_generation(partition["generation"], "show:1")


@doctored("redis", "redis_equals_postgres")
def a_counter_in_redis(clean, client):
    client.hincrby(live_show(clean, client)[2], "1:available", 1)


@doctored("redis", "redis_equals_postgres")
def a_person_in_redis(clean, client):
    keys, generation, _ = live_show(clean, client)
    client.hincrby(keys.of_generation(generation, "users:1"), "somebody", 1)


@doctored("redis", "redis_equals_postgres")
def a_booking_missing_in_redis(clean, client):
    keys, generation, _ = live_show(clean, client)
    name = keys.of_generation(generation, "bookings:1")
    client.hdel(name, next(iter(client.hgetall(name))))


@doctored("redis", "redis_equals_postgres")
def a_hold_left_in_redis(clean, client):
    keys, generation, _ = live_show(clean, client)
    client.zadd(keys.of_generation(generation, "holds"), {fresh_id(1, 0): 1})


@doctored("redis", "redis_equals_postgres")
def another_version_in_redis(_clean, client):
    client.hincrby(Keys(1).state, "version", 1)


@doctored("redis", "redis_equals_postgres")
def a_state_that_is_unclean(_clean, client):
    client.hset(Keys(2).state, "clean", 0)


@doctored("redis", "redis_equals_postgres")
def an_entry_left_in_the_stream(_clean, client):
    client.xadd(Keys(1).requests, {"b": pack([])})


@doctored("redis", "redis_equals_postgres")
def a_refusal_for_somebody_who_has_a_booking(clean, client):
    raw = next(raw for raw, b in clean.bookings.items() if b["show"] == 1)
    refused = next(d for d in clean.first.values() if d.reply.code != GRANTED)
    Answers(client).put(raw, refused.bytes)


@doctored("redis", "redis_equals_postgres")
def answers_that_stay_for_ever(_clean, client):
    client.persist(next(client.scan_iter(match=Keys(1).answers("*"), count=1000)))


@doctored("redis", "redis_equals_postgres")
def availability_of_another_day(_clean, client):
    number, version, counts = unpack(client.get(Keys(1).availability(1)))
    counts[0][2] += 1
    client.set(Keys(1).availability(1), pack([number, version, counts]))


def rooms(clean):
    """The keys of the waiting room: where its show is, and elsewhere."""
    number = clean.numbers[ROOM_SHOW]
    here = next(s["partition"] for s in clean.shows if s["show"] == number)
    return [f"{Keys(p).root}room:{number}" for p in sorted(PARTITIONS, key=lambda p: p != here)]


@doctored("redis", "redis_equals_postgres")
def a_waiting_room_in_two_places(clean, client):
    here, elsewhere = rooms(clean)
    client.hset(elsewhere, mapping=client.hgetall(here))


@doctored("redis", "redis_equals_postgres")
def numbers_that_nobody_reserved(clean, client):
    client.hincrby(rooms(clean)[0], "next", 1_000_000)
