"""Numbered seats: holds of seats beside bookings and holds of a counter, and beside the design that
locks each seat's row; in turns, so that all meet the same weather."""

from .bench import median, summary
from .rival import SEAT_DESIGNS, Rival
from .throughput import scan_pools

CLIENTS = (64, 256)
ROWS, NUMBERS = 1000, 100
RACERS = 20
RACED_SEATS = 1000


def measure(bench):
    """A run ends with its time, or when its halls are sold."""
    bench.say(f"numbered seats, halls of {ROWS * NUMBERS}")
    bench.fresh_system()
    bench.system.make_database("rival")
    designs = [d for d in SEAT_DESIGNS if not (bench.quick and d.endswith("_fused"))]
    pools = {design: best_pool(bench, design) for design in designs}
    runs = {}
    for _ in range(bench.rounds):
        for clients in CLIENTS:
            for name, step in turn(bench, clients, pools):
                runs.setdefault(name, {}).setdefault(str(clients), []).append(summary(step))
    bench.results["seats"] = {name: {clients: middle(steps) for clients, steps in table.items()}
                              for name, table in runs.items()}
    bench.results["seat_pools"] = pools
    bench.results["seat_race"] = {"usher": race_usher(bench),
                                  **{d: race_rival(bench, d, pools[d]) for d in designs}}


def turn(bench, clients, pools):
    """Each of them once; what it is called and what became of its requests."""
    url = bench.system.url
    for name, kind in (("bookings", "book"), ("holds", "hold")):
        result = bench.load(url, f"usher, {name} of a counter, {clients} clients",
                            clients=clients, mix=f"{kind}=1", show=bench.new_show())
        yield name, result.step(kind)
    halls = 1 if bench.quick else 2
    result = bench.load(url, f"usher, seat holds, {clients} clients", clients=clients,
                        show=bench.new_show(halls, hall=(ROWS, NUMBERS)), shows=halls,
                        mix="seat=1", seats=f"R{{1..{ROWS}}}-{{1..{NUMBERS}}}")
    yield "seats", result.step("seat")
    for design, pool in pools.items():
        with hall_of(bench, design, pool) as rival:
            result = bench.load(rival.url, f"{design}, {pool} connections, {clients} clients",
                                clients=clients, **rival_load())
        yield design, result.step("seat")


def hall_of(bench, design, pool):
    return Rival(bench.system, design, pool, seats=ROWS * NUMBERS)


def rival_load(kind="seat"):
    return {"mix": f"{kind}=1", "show": "r", "seats": f"{{1..{ROWS * NUMBERS}}}"}


def best_pool(bench, design):
    scan = scan_pools(bench, lambda pool: hall_of(bench, design, pool), design, "seat",
                      **rival_load())
    return max(scan, key=scan.get)


def middle(steps):
    return {key: round(median(step[key] for step in steps), 3) for key in steps[0]}


def race_usher(bench):
    show = bench.new_show(hall=(RACED_SEATS // NUMBERS, NUMBERS))
    return race(bench, bench.system.url, "usher", show,
                f"R{{1..{RACED_SEATS // NUMBERS}}}-{{1..{NUMBERS}}}")


def race_rival(bench, design, pool):
    with hall_of(bench, design, pool) as rival:
        return race(bench, rival.url, design, "r", f"{{1..{RACED_SEATS}}}")


def race(bench, url, name, show, seats):
    """Twenty go for each seat: one has it, nineteen are told so."""
    result = bench.load(url, f"{name}, {RACERS} clients for each seat", show=show, seats=seats,
                        mix="seat-race=1", racers=RACERS, seconds=60, warmup=0)
    step = result.step("race")
    if (step["done"], step["refused"]) != (RACED_SEATS, RACED_SEATS * (RACERS - 1)):
        bench.complain(f"{name}: of {RACED_SEATS} contested seats {step['done']} were held, "
                       f"{step['refused']} requests refused")
    return summary(step)
