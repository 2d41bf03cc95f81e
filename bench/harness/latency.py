"""Open loop: answers' latency at a fixed rate of arrival, from when each was due."""

from .bench import summary

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
SHARES_QUICK = (0.25, 0.5, 0.75)


def measure(bench):
    bench.say("latency against load")
    full = bench.results["usher"]["hot"]["256"]["per_second"]
    curve = []
    for share in SHARES_QUICK if bench.quick else SHARES:
        rate = round(full * share)
        result = bench.load(bench.system.url, f"{share:.0%} of {full:.0f}/s", rate=rate,
                            show=bench.new_show())
        curve.append({"share": share, "rate": rate, **summary(result.step("book"))})
    bench.results["latency"] = curve
