"""kill -9 of the allocator under load: how long nobody is served, and whether anything is lost."""

import os
import signal
import time

from .load import Storm

CELL_MS = 5
LIVE = 100_000


def takeover(bench):
    bench.say("takeover after kill -9, 100 k live bookings")
    bench.fresh_system()
    system = bench.system
    show = bench.new_show()
    bench.book(system.url, show, LIVE)
    booked = system.live_bookings(show)
    owner = system.owner(1)
    rate = round(bench.results["usher"]["hot"]["256"]["per_second"] / 2)
    storm = Storm(system.build, system.url, show=show, clients=512, rate=rate, seconds=6,
                  timeline=CELL_MS)
    time.sleep(2.5)
    killed_us = time.time() * 1e6
    os.kill(system.pid(owner), signal.SIGKILL)
    result = storm.finish()
    bench.check("takeover", result)
    kill_s = (killed_us - result["start_wall_us"]) / 1e6
    outage_s, resumed_s = outage_after(result["timeline"]["done"], kill_s)
    granted = sum(result["timeline"]["done"])
    in_postgres = system.live_bookings(show) - booked
    bench.results["takeover"] = {
        "rate": rate, "kill_s": round(kill_s, 3), "first_decision_s": round(resumed_s - kill_s, 3),
        "outage_s": round(outage_s, 3), "granted": granted, "in_postgres": in_postgres,
        "cell_ms": CELL_MS, "done": result["timeline"]["done"],
        "max_us": result["timeline"]["max_us"]}
    bench.say(f"  first new decision {resumed_s - kill_s:.3f} s after the kill; "
              f"granted {granted}, in Postgres {in_postgres}")
    if in_postgres < granted:
        bench.complain(f"takeover lost {granted - in_postgres} granted bookings")


def outage_after(done, kill_s):
    """The longest silence that begins after the kill, and when it ended. Cells of CELL_MS."""
    longest, resumed, silent = 0, kill_s, 0
    for cell in range(int(kill_s * 1000 / CELL_MS), len(done)):
        silent = 0 if done[cell] else silent + 1
        if silent >= longest and silent > 0:
            longest, resumed = silent, (cell + 1) * CELL_MS / 1000
    return longest * CELL_MS / 1000, resumed
