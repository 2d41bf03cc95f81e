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
ATTACH_SECONDS = 12  # for 50,000 requests to be asked; a wait may last 30 s


def measure(bench):
    bench.say(f"{CONNECTIONS} connections over {GATEWAYS} gateways")
    system = bench.system
    urls = [system.url] + [system.start_gateway() for _ in range(GATEWAYS - 1)]
    slow, busy = bench.new_show(partition=2), bench.new_show(partition=1)
    bench.book(system.url, slow, 10)
    before = resident(system)
    crowd = Storm(system.build, urls, open=CONNECTIONS, open_kind="await", path="-",
                  processes=PROCESSES, seconds=ATTACH_SECONDS + 12)
    crowd.await_open()
    idle = resident(system)
    owner, standby = system.pid(system.owner(2)), system.pid(standby_of(system))
    stop(standby, owner)
    crowd.tell(ask_without_waiting(system.url, slow))
    others = Storm(system.build, urls, show=busy, clients=48, rate=BOOKING_RATE,
                   seconds=ATTACH_SECONDS + 3)
    time.sleep(ATTACH_SECONDS)
    awaiting = resident(system)
    # The standby ends the owner that hangs and decides: the change that all wait for.
    go_on(standby)
    booking = others.finish()
    held = crowd.finish()
    bench.check("bookings meanwhile", booking)
    if held["sample"]:
        bench.complain(f"an awaiting connection was told {held['sample']}")
    go_on(owner)
    report(bench, before, idle, awaiting, held, booking)
    system.stop_gateways()


def standby_of(system):
    owners = {system.owner(1), system.owner(2)}
    return next(s for s in ("allocator-1", "allocator-2", "allocator-3") if s not in owners)


def stop(*pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


def go_on(*pids):
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


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
        "busy": held["open_busy"],
        "reached": held["open_answers"], "reached_within_s": round(spread_s, 3),
        "bytes_idle": round(per[0]), "bytes_awaiting": round(per[1]),
        "booking_p95_ms": p95, "booking_per_second": booking.step("book").per_second}
    bench.say(f"  {held['open']} held, {held['open_lost']} lost, {held['open_answers']} reached "
              f"({held['open_busy']} told to come again) within {spread_s:.2f} s; {per[0]:.0f} B idle, {per[1]:.0f} B awaiting; "
              f"bookings p95 {p95:.1f} ms")
