"""The results as text for people, and where they were measured."""

import os
import pathlib
import platform
import subprocess

from .bench import CLIENTS
from .rival import SEAT_DESIGNS


def machine(top):
    cpu = next((line.partition(":")[2].strip()
                for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": round(memory, 1),
            "kernel": platform.release(), "commit": git(top, "rev-parse", "--short", "HEAD"),
            "load_before": round(os.getloadavg()[0], 2),
            "changed": bool(git(top, "status", "--porcelain", "--untracked-files=no"))}


def git(top, *words):
    done = subprocess.run(["git", "-C", top, *words], text=True, capture_output=True, check=False)
    return done.stdout.strip()


def number(value):
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


def targets_table(judged):
    lines = [f"{'':50} {'figure':>12}   {'target':>12}"]
    for row in judged:
        figure = f"{number(row['figure'])} {row['unit']}"
        target = f"{row['comparison']} {number(row['target'])} {row['unit']}"
        lines.append(f"{row['what']:50} {figure:>12}   {target:>12}   {row['verdict']}")
    return "\n".join(lines)


def throughput_table(results, where):
    """Bookings a second and p99 for each number of clients; `where` is hot or spread."""
    systems = {"usher": results["usher"][where]}
    for rival in results.get("rivals", {}).values():
        systems[rival["name"]] = rival[where]
    head = "".join(f"{c:>9} clients   " for c in CLIENTS)
    lines = [f"{'bookings/s (p99 ms)':24}{head}"]
    for name, table in systems.items():
        cells = "".join(f"{table[str(c)]['per_second']:>9,.0f} ({table[str(c)]['p99_ms']:6.1f}) "
                        for c in CLIENTS)
        lines.append(f"{name:24}{cells}")
    return "\n".join(lines)


def seats_rows(results):
    """Name, what the design is called or None, and of each number of clients the summary and how
    many times it goes into usher's seat holds."""
    names = {"bookings": "usher, bookings of a counter", "holds": "usher, holds of a counter",
             "seats": "usher, seat holds"}
    held = results["seats"]["seats"]
    for key, table in results["seats"].items():
        name = names.get(key) or (f"{SEAT_DESIGNS[key]}, pool of {results['seat_pools'][key]}")
        yield name, {clients: (step, held[clients]["per_second"] / step["per_second"])
                     for clients, step in table.items()}


def seats_table(results):
    rows = list(seats_rows(results))
    head = "".join(f"{c + ' clients':>20}      " for c in rows[0][1])
    lines = [f"{'a second (p99 ms)':42}{head}"]
    for name, cells in rows:
        lines.append(f"{name:42}" + "".join(
            f"{step['per_second']:>9,.0f} ({step['p99_ms']:6.1f}) {ratio:6.2f}×  "
            for step, ratio in cells.values()))
    return "\n".join(lines + ["×: usher's seat holds against it"])


def whole(results):
    parts = []
    if "usher" in results:
        parts += ["one hot show", throughput_table(results, "hot"), "",
                  "64 shows", throughput_table(results, "spread"), ""]
    if "seats" in results:
        parts += ["numbered seats", seats_table(results), ""]
    parts.append(targets_table(results["targets"]))
    for complaint in results["complaints"]:
        parts.append("! " + complaint)
    return "\n".join(parts)
