"""Bookings, refusals and reads a second: usher alone, and beside its rivals."""

import time

from .bench import CLIENTS, SPREAD_SHOWS, median, summary
from .limits import bare
from .load import Storm
from .rival import DESIGNS, SQL_DESIGNS, Rival
from .system import rss_bytes

POOLS = (1, 2, 4, 8, 16, 32, 64)
POOLS_QUICK = (1, 4, 16, 64)
REFERENCE_POOL = 64
KILLS, KILLS_QUICK = 8, 2
DUELLISTS = ("for_update", "atomic")


def usher(bench):
    """Each number of clients on one hot show and on many."""
    bench.say("usher, bookings")
    table = {"hot": {}, "spread": {}}
    for name, shows in (("hot", 1), ("spread", SPREAD_SHOWS)):
        for clients in CLIENTS:
            result = bench.load(bench.system.url, f"usher, {clients} clients, {words(shows)}",
                                clients=clients, show=bench.new_show(shows), shows=shows)
            table[name][str(clients)] = summary(result.step("book"))
    bench.results["usher"] = table
    gateway = bench.system.gateway_pids()[0]
    bench.results["gateway_mib"] = round(sum(map(rss_bytes, gateway)) / 2**20, 1)


def words(shows):
    return "one show" if shows == 1 else f"{shows} shows"


def sold_out_show(bench):
    show = bench.new_show(capacity=1)
    bench.book(bench.system.url, show, 1)
    return show


def other_requests(bench):
    """What is not a booking: sold out, reads, and everything mixed."""
    bench.say("usher, other requests")
    sold_out = sold_out_show(bench)
    refused = bench.load(bench.system.url, "sold out", mix="refused=1", sold_out=sold_out)
    show = bench.new_show()
    bench.book(bench.system.url, show, 1000)
    read = bench.load(bench.system.url, "availability", mix="read=1", show=show)
    mixed = bench.load(bench.system.url, "mixed", show=show, sold_out=sold_out,
                       mix="book=30,hold+confirm=10,refused=20,read=35,duplicate=5")
    bench.results["refused"] = summary(refused.step("refused"))
    bench.results["read"] = summary(read.step("read"))
    bench.results["mixed"] = {name: summary(step) for name, step in mixed["steps"].items()}


def rivals(bench):
    """The pools that serve each best, on one show and on many, then the same tables as usher's."""
    bench.system.make_database("rival")
    bench.results["rivals"] = {}
    for design, name in DESIGNS.items():
        if bench.quick and design == "for_update_fused":
            continue
        bench.say(f"rival: {name}")
        entry = {"name": name}
        for where, shows in (("hot", 1), ("spread", SPREAD_SHOWS)):
            scan = scan_shows(bench, design, shows) if design in SQL_DESIGNS else {1: 0.0}
            pool = max(scan, key=scan.get)
            entry |= {f"{where}_pool": pool, f"{where}_scan": {str(k): v for k, v in scan.items()},
                      where: rival_table(bench, design, pool, shows)}
        bench.results["rivals"][design] = entry


def scan_shows(bench, design, shows):
    return scan_pools(bench, lambda pool: Rival(bench.system, design, pool, shows),
                      f"{design}, {words(shows)}", "book", show="r", shows=shows)


def scan_pools(bench, make_rival, what, step, **load):
    """How many of the step a second with each size of the pool."""
    scan = {}
    for pool in POOLS_QUICK if bench.quick else POOLS:
        with make_rival(pool) as rival:
            result = bench.load(rival.url, f"{what}, {pool} connections", **load)
        scan[pool] = round(result.step(step).per_second, 1)
    return scan


def rival_table(bench, design, pool, shows):
    table = {}
    for clients in CLIENTS:
        with Rival(bench.system, design, pool, shows) as rival:
            result = bench.load(rival.url, f"{design}, {clients} clients, {words(shows)}",
                                clients=clients, show="r", shows=shows)
        table[str(clients)] = summary(result.step("book"))
    return table


def duel(bench):
    """What the targets compare, in turns, so that all meet the same weather."""
    bench.say("duel: one hot show, 256 clients")
    scores = {}
    sold_out = sold_out_show(bench)
    for _ in range(bench.rounds):
        result = bench.load(bench.system.url, "usher", show=bench.new_show())
        scores.setdefault("usher", []).append(result.step("book").per_second)
        result = bench.load(bench.system.url, "sold out", mix="refused=1", sold_out=sold_out)
        scores.setdefault("refused", []).append(result.step("refused").per_second)
        result = bench.load(bench.system.url, "availability", mix="read=1", show=sold_out)
        scores.setdefault("read", []).append(result.step("read").per_second)
        scores.setdefault("bare", []).append(bare(bench))
        for design in DUELLISTS:
            best = bench.results["rivals"][design]["hot_pool"]
            for pool in sorted({best, REFERENCE_POOL}):
                with Rival(bench.system, design, pool) as rival:
                    result = bench.load(rival.url, f"{design}, {pool} connections", show="r")
                key = f"{design}_{'64' if pool == REFERENCE_POOL else 'best'}"
                scores.setdefault(key, []).append(result.step("book").per_second)
    for design in DUELLISTS:
        scores.setdefault(f"{design}_best", scores[f"{design}_64"])
    bench.results["duel"] = {k: round(median(v), 1) for k, v in scores.items()}


def seckill_loss(bench):
    """Kill -9 under load, again and again: what was answered as booked and is nowhere."""
    bench.say("seckill, killed under load")
    answered = kept = 0
    for _ in range(KILLS_QUICK if bench.quick else KILLS):
        with Rival(bench.system, "seckill") as rival:
            storm = Storm(bench.system.build, rival.url, clients=256, seconds=2, show="r")
            time.sleep(1)
            rival.kill()
            answered += storm.finish().step("book")["done"]
        kept += bench.system.sql("SELECT count(*) FROM bookings", database="rival")[0][0]
    bench.results["seckill_loss"] = {"kills": KILLS_QUICK if bench.quick else KILLS,
                                     "answered": answered, "kept": kept, "lost": answered - kept}
    bench.say(f"  answered {answered}, in Postgres {kept}, lost {answered - kept}")
