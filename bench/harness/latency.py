"""Open loop: answers' latency at a fixed rate of arrival, from when each was due."""

from .bench import summary

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
SHARES_QUICK = (0.25, 0.5, 0.75)


def measure(bench):
    """Of several runs at each share, the one in the middle by its p99: on a shared machine one run
    in some is stopped for a tenth of a second by others, which says nothing about usher."""
    bench.say("latency against load")
    bench.fresh_system()  # nobody tidies up after millions of bookings of earlier measures
    full = bench.results["usher"]["hot"]["256"]["per_second"]
    curve = []
    for share in SHARES_QUICK if bench.quick else SHARES:
        rate = round(full * share)
        runs = [summary(bench.load(bench.system.url, f"{share:.0%} of {full:.0f}/s", rate=rate,
                                   show=bench.new_show()).step("book"))
                for _ in range(bench.rounds)]
        middle = sorted(runs, key=lambda run: run["p99_ms"])[len(runs) // 2]
        curve.append({"share": share, "rate": rate, **middle})
    bench.results["latency"] = curve
