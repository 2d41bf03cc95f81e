"""What a booking costs while a show fills, and what live bookings take of memory."""

import time

from .bench import median
from .system import peak_rss_bytes

LEVELS = (1_000, 10_000, 100_000, 1_000_000)
LEVELS_QUICK = (1_000, 10_000, 100_000)
CHUNKS = 3
SMALL_LEVEL = 1_000


def cost(bench):
    """At each level three chunks are timed; at the smallest each on a show of its own."""
    bench.say("cost per booking")
    chunk = 5_000 if bench.quick else 20_000
    levels = []
    show = None
    for level in LEVELS_QUICK if bench.quick else LEVELS:
        chunks = []
        for _ in range(CHUNKS):
            if show is None or level == SMALL_LEVEL:
                show = bench.new_show()
            fill(bench, show, level)
            chunks.append(timed_chunk(bench, show, chunk))
        levels.append({"bookings": level,
                       "wall_us": round(median(c["wall_us"] for c in chunks), 2),
                       "cpu_us": round(median(c["cpu_us"] for c in chunks), 2)})
        bench.say(f"  from {level:>9} bookings: {levels[-1]['wall_us']:7.1f} µs, "
                  f"{levels[-1]['cpu_us']:7.1f} µs of CPU")
    bench.results["cost"] = levels
    return show


def fill(bench, show, level):
    missing = level - (bench.system.live_bookings(show) or 0)
    if missing > 0:
        bench.book(bench.system.url, show, missing)


def timed_chunk(bench, show, bookings):
    cpu = bench.system.cpu_seconds()
    result = bench.book(bench.system.url, show, bookings)
    cpu = bench.system.cpu_seconds() - cpu
    return {"wall_us": result["window_seconds"] * 1e6 / bookings, "cpu_us": cpu * 1e6 / bookings}


def insert_bookings(bench, show, bookings):
    """Confirmed bookings straight into Postgres, as if they had been made long ago. Redis does not
    know them: a rebuild must follow before the next booking of the show's partition."""
    number = bench.system.show_number(show)
    bench.system.sql(
        "INSERT INTO bookings (id, created_ms, amount, fingerprint, show, tier, quantity, price,"
        " status, user_id)"
        " SELECT (lpad(to_hex(%(show)s), 8, '0') || '000000000000' || lpad(to_hex(n), 12, '0'))"
        "::uuid, 1767225600000 + n, 10000, n, %(show)s, 1, 1, 10000, 'CONFIRMED', 'grown-' || n"
        " FROM generate_series(1, %(bookings)s) n",
        {"show": number, "bookings": bookings})
    bench.system.sql("UPDATE tiers SET available = available - %s, confirmed = confirmed + %s"
                     " WHERE show = %s", (bookings, bookings, number))


def rebuild_and_memory(bench):
    """Redis is wiped under a show of a million bookings; how long until it sells again, and what
    it holds then."""
    bench.say("rebuild of 1 M live bookings, and memory")
    bench.fresh_system()
    system = bench.system
    bookings = 1_000_000
    small = await_rebuild(bench, bench.new_show())
    before = memory_of_redis(system)
    live_before = live(system)
    show = bench.new_show()
    insert_bookings(bench, show, bookings)
    seconds = await_rebuild(bench, show)
    grown = memory_of_redis(system) - before
    live_grown = live(system) - live_before
    owner = system.pid(system.owner(1))
    bench.results["rebuild"] = {"bookings": live(system), "seconds": round(seconds, 3),
                                "seconds_when_empty": round(small, 3)}
    bench.results["memory"] = {
        "redis_bytes_per_booking": round(grown / live_grown, 1),
        "allocator_mib": round(peak_rss_bytes(owner) / 2**20, 1)}
    bench.say(f"  {live(system)} live bookings: sells again {seconds:.2f} s after the wipe; "
              f"{grown / live_grown:.0f} B each in Redis")


def live(system):
    return int(system.sql("SELECT sum(held + pending + confirmed) FROM tiers")[0][0])


def memory_of_redis(system):
    """Once the old generation is gone: the number stands still."""
    redis = system.redis()
    before = None
    for _ in range(100):
        now = redis.info("memory")["used_memory"]
        if before is not None and abs(now - before) < 200_000:
            break
        before = now
        time.sleep(0.3)
    return now


def await_rebuild(bench, show):
    """Wipe Redis, then ask for one booking after the other until one is granted; seconds."""
    system = bench.system
    system.redis().flushall()
    began = time.monotonic()
    while time.monotonic() - began < 120:
        result = bench.book_quietly(system.url, show)
        if result.step("book")["done"]:
            return time.monotonic() - began
        time.sleep(0.01)
    raise RuntimeError("no booking was granted within two minutes of a wiped Redis")
