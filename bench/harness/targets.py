"""The targets of DESIGN.md, each a row: what, how it is computed, what it should be."""

AT_LEAST, AT_MOST = "≥", "≤"


def duel(name):
    return lambda r: r["duel"]["usher"] / r["duel"][name]


def cost_growth(r):
    costs = [level["wall_us"] for level in r["cost"]]
    return max(costs) / costs[0]


def seat_share(r):
    """With as many clients as serve the seats worst."""
    return min(100 * r["seats"]["seats"][clients]["per_second"] / counter["per_second"]
               for clients, counter in r["seats"]["bookings"].items())


def half_load(percentile):
    return lambda r: next(p for p in r["latency"] if p["share"] == 0.5)[percentile]


# what, figure from the results, comparison, target, unit
ROWS = (
    ("bookings against FOR UPDATE, 64 connections", duel("for_update_64"), AT_LEAST, 20, "×"),
    ("bookings against atomic UPDATE, 64 connections", duel("atomic_64"), AT_LEAST, 10, "×"),
    ("bookings against FOR UPDATE, its best pool", duel("for_update_best"), AT_LEAST, 6, "×"),
    ("bookings against atomic UPDATE, its best pool", duel("atomic_best"), AT_LEAST, 5, "×"),
    ("bookings against the raw limit",
     lambda r: 100 * r["duel"]["usher"] / r["limits"]["rows"], AT_LEAST, 50, "%"),
    ("\"sold out\" against bookings",
     lambda r: r["duel"]["refused"] / r["duel"]["usher"], AT_LEAST, 3, "×"),
    ("reads against a bare responder",
     lambda r: 100 * r["duel"]["read"] / r["duel"]["bare"], AT_LEAST, 70, "%"),
    ("seat holds against counter bookings", seat_share, AT_LEAST, 70, "%"),
    ("latency at half load, p50", half_load("p50_ms"), AT_MOST, 3, "ms"),
    ("latency at half load, p99", half_load("p99_ms"), AT_MOST, 20, "ms"),
    ("open connections held", lambda r: r["crowd"]["connections"], AT_LEAST, 50_000, ""),
    ("memory of an awaiting connection", lambda r: r["crowd"]["bytes_awaiting"] / 1024,
     AT_MOST, 6, "KiB"),
    ("a change reaches all of them within",
     lambda r: r["crowd"]["reached_within_s"] if r["crowd"]["reached"] >= 50_000 else None,
     AT_MOST, 1, "s"),
    ("booking p95 meanwhile", lambda r: r["crowd"]["booking_p95_ms"], AT_MOST, 500, "ms"),
    ("listeners held", lambda r: r["listeners"]["connections"], AT_LEAST, 50_000, ""),
    ("memory of a listener", lambda r: r["listeners"]["bytes_each"] / 1024, AT_MOST, 6, "KiB"),
    ("a change reaches all listeners within",
     lambda r: r["listeners"]["behind_ms"]["max"] / 1000
     if r["listeners"]["told_end"] >= 50_000 else None, AT_MOST, 1, "s"),
    ("booking p95 while they listen", lambda r: r["listeners"]["booking_p95_ms"],
     AT_MOST, 500, "ms"),
    ("first new decision after kill -9", lambda r: r["takeover"]["first_decision_s"],
     AT_MOST, 1, "s"),
    ("rebuild of 1 M bookings", lambda r: r["rebuild"]["seconds"], AT_MOST, 5, "s"),
    ("memory of an allocator", lambda r: r["memory"]["allocator_mib"], AT_MOST, 64, "MiB"),
    ("memory of a gateway", lambda r: r["gateway_mib"], AT_MOST, 32, "MiB"),
    ("Redis, a live booking", lambda r: r["memory"]["redis_bytes_per_booking"], AT_MOST, 300, "B"),
    ("cost of a booking in the fullest show against 1 k", cost_growth, AT_MOST, 1.3, "×"),
)


def judge(results):
    """Each row with its figure and whether it was met; a figure that is missing was not."""
    judged = []
    for what, figure_of, comparison, target, unit in ROWS:
        try:
            figure = figure_of(results)
        except (KeyError, StopIteration, ZeroDivisionError):
            figure = None
        met = figure is not None and (figure >= target if comparison == AT_LEAST
                                      else figure <= target)
        judged.append({"what": what, "figure": None if figure is None else round(figure, 3),
                       "comparison": comparison, "target": target, "unit": unit,
                       "verdict": "not measured" if figure is None else
                       "met" if met else "missed"})
    return judged
