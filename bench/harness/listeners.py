"""50,000 listeners to a show's stream of events over three gateways, while the show sells out."""

import time
import urllib.request

from .crowd import resident
from .load import Storm

CONNECTIONS = 50_000
GATEWAYS = 3
PROCESSES = 4
BOOKING_RATE = 1000
ATTACH_SECONDS = 15  # for the listeners to come, and for the machine to be quiet again
SALE_SECONDS = 15
AFTER_SECONDS = 5    # the end must be heard of


def measure(bench, connections=CONNECTIONS):
    bench.say(f"{connections} listeners over {GATEWAYS} gateways")
    bench.fresh_system()
    system = bench.system
    urls = [system.url] + [system.start_gateway() for _ in range(GATEWAYS - 1)]
    show = bench.new_show(capacity=BOOKING_RATE * SALE_SECONDS * 3 // 4)
    bench.book(system.url, show, 10)
    before = resident(system)
    crowd = Storm(system.build, urls, open=connections, open_kind="listen", path="-",
                  processes=PROCESSES,
                  seconds=ATTACH_SECONDS + SALE_SECONDS + AFTER_SECONDS + 2)
    crowd.await_open()
    crowd.tell(f"/v1/shows/{show}/events")
    time.sleep(ATTACH_SECONDS)
    listening, streams = resident(system), sum(open_streams(url) for url in urls)
    # As many again as there are places ask in vain at the end: the sale is over for all.
    booking = Storm(system.build, urls, show=show, clients=48, rate=BOOKING_RATE,
                    seconds=SALE_SECONDS).finish()
    heard = crowd.finish()
    bench.check("bookings meanwhile", booking)
    if heard["sample"]:
        bench.complain(f"a listener was told {heard['sample']}")
    report(bench, connections, streams, before, listening, heard, booking)
    system.stop_gateways()


def open_streams(url):
    with urllib.request.urlopen(url + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(int(float(line.split()[-1])) for line in lines
               if line.startswith("usher_gateway_streams{"))


def per_listener(connections, before, after):
    """Of the gateways that were started for this: the first one may have memory to spare."""
    grown = sum(after[1:]) - sum(before[1:])
    return grown / (connections * (GATEWAYS - 1) / GATEWAYS)


def report(bench, connections, streams, before, listening, heard, booking):
    step, behind = booking.step("book"), heard["behind_us"]
    each = per_listener(connections, before, listening)
    if heard["told_end"] != connections or heard["version_min"] != heard["version_max"]:
        bench.complain(f"{heard['told_end']} of {connections} heard of the end; versions "
                       f"{heard['version_min']} to {heard['version_max']}")
    bench.results["listeners"] = {
        "connections": streams, "lost": heard["open_lost"], "told_end": heard["told_end"],
        "events": heard["open_answers"], "bytes_each": round(each),
        "behind_ms": {name: behind[name] / 1000 for name in ("p50", "p99", "max")},
        "booking_p95_ms": step.ms("p95"), "bookings": step["done"], "refused": step["refused"]}
    bench.say(f"  {streams} held, {heard['open_lost']} lost, {each:.0f} B each; behind p50 "
              f"{behind['p50'] / 1000:.0f}, p99 {behind['p99'] / 1000:.0f}, max "
              f"{behind['max'] / 1000:.0f} ms over {heard['open_answers']} events; "
              f"{step['done']} bookings p95 {step.ms('p95'):.1f} ms, "
              f"{heard['told_end']} heard of the end")
