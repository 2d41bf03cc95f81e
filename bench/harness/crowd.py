"""50,000 connections over three gateways that all await one decision, while others book."""

import json
import os
import signal
import time
import urllib.request

from .load import Storm
from .system import rss_bytes

CONNECTIONS = 50_000
GATEWAYS = 3
PROCESSES = 4
BOOKING_RATE = 1000


def measure(bench):
    bench.say(f"{CONNECTIONS} connections over {GATEWAYS} gateways")
    system = bench.system
    urls = [system.url] + [system.start_gateway() for _ in range(GATEWAYS - 1)]
    slow, busy = bench.new_show(partition=2), bench.new_show(partition=1)
    bench.book(system.url, slow, 10)
    before = resident(system)
    crowd = Storm(system.build, urls, open=CONNECTIONS, open_kind="await", path="-",
                  processes=PROCESSES, seconds=20)
    crowd.await_open()
    idle = resident(system)
    stopped = system.pid(system.owner(2))
    os.kill(stopped, signal.SIGSTOP)
    location = ask_without_waiting(system.url, slow)
    crowd.tell(location)
    others = Storm(system.build, urls, show=busy, clients=48, rate=BOOKING_RATE, seconds=8)
    time.sleep(2)
    awaiting = resident(system)
    # The hung owner is ended by the standby, which then decides: the change that all wait for.
    booking = others.finish()
    held = crowd.finish()
    bench.check("bookings meanwhile", booking)
    os.kill(stopped, signal.SIGCONT)
    report(bench, before, idle, awaiting, held, booking)
    system.stop_gateways()


def resident(system):
    return [sum(rss_bytes(pid) for pid in pids) for pids in system.gateway_pids()]


def per_connection(before, after):
    """Of the gateways that were started for this: the first one may have memory to spare."""
    grown = sum(after[1:]) - sum(before[1:])
    return grown / (CONNECTIONS * (GATEWAYS - 1) / GATEWAYS)


def ask_without_waiting(url, show):
    """A request that nobody decides for now; its address."""
    body = json.dumps({"user": "the-one", "tier": "A", "quantity": 1}).encode()
    request = urllib.request.Request(
        f"{url}/v1/shows/{show}/bookings", body,
        {"Content-Type": "application/json", "Prefer": "respond-async"})
    with urllib.request.urlopen(request) as answer:
        return answer.headers["Location"]


def report(bench, before, idle, awaiting, held, booking):
    p95 = booking.step("book").ms("p95")
    spread_s = (held["open_last_wall_us"] - held["open_first_wall_us"]) / 1e6
    per = [per_connection(before, after) for after in (idle, awaiting)]
    bench.results["crowd"] = {
        "connections": held["open"], "lost": held["open_lost"],
        "reached": held["open_answers"], "reached_within_s": round(spread_s, 3),
        "bytes_idle": round(per[0]), "bytes_awaiting": round(per[1]),
        "booking_p95_ms": p95, "booking_per_second": booking.step("book").per_second}
    bench.say(f"  {held['open']} held, {held['open_lost']} lost, {held['open_answers']} reached "
              f"within {spread_s:.2f} s; {per[0]:.0f} B idle, {per[1]:.0f} B awaiting; "
              f"bookings p95 {p95:.1f} ms")
