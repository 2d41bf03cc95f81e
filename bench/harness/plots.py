"""The four plots of a run."""

from . import plot
from .bench import CLIENTS


def draw_all(results, folder):
    """Whatever was measured; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for key, name, draw in (("usher", "throughput-hot.svg", throughput("hot", "one hot show")),
                            ("usher", "throughput-spread.svg", throughput("spread", "64 shows")),
                            ("latency", "latency.svg", latency),
                            ("cost", "cost.svg", cost),
                            ("takeover", "takeover.svg", takeover)):
        if key in results:
            draw(results, folder / name)
            files.append(folder / name)
    return files


def throughput(where, words):
    def draw(results, path):
        systems = {"usher": results["usher"][where]}
        for rival in results.get("rivals", {}).values():
            systems[rival["name"]] = rival[where]
        series = [(name, [(c, table[str(c)]["per_second"]) for c in CLIENTS])
                  for name, table in systems.items()]
        plot.lines(path, f"Bookings a second, {words}", "clients", "bookings/s", series,
                   x_log=True, y_log=True, x_ticks=CLIENTS)
    return draw


def latency(results, path):
    curve = results["latency"]
    series = [(p, [(point["rate"], point[f"{p}_ms"]) for point in curve])
              for p in ("p50", "p95", "p99")]
    plot.lines(path, "Latency of an awaited booking (open loop)", "bookings asked a second", "ms",
               series)


def cost(results, path):
    levels = results["cost"]
    series = [(name, [(level["bookings"], level[key]) for level in levels])
              for name, key in (("elapsed", "wall_us"), ("CPU, all processes", "cpu_us"))]
    plot.lines(path, "Cost of a booking while its show fills", "bookings in the show", "µs",
               series, x_log=True)


TIMELINE_MS = 50


def takeover(results, path):
    t = results["takeover"]
    per = TIMELINE_MS // t["cell_ms"]
    cells = [sum(t["done"][i:i + per]) for i in range(0, len(t["done"]), per)]
    data = [(i * TIMELINE_MS / 1000, n * 1000 / TIMELINE_MS) for i, n in enumerate(cells)]
    plot.lines(path, "Bookings granted while the allocator is killed", "seconds", "bookings/s",
               [("granted", data)], marks=[(t["kill_s"], "kill -9")], dots=False)
