"""The figures of a run as Markdown, put between two marks of a page."""

from .bench import CLIENTS
from .report import number, seats_rows
from .rival import SEAT_DESIGNS, SQL_DESIGNS

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def insert(page, results, plots_at):
    """Replaces what stands between the marks; the rest of the page is its writer's."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for figures ({BEGIN} … {END})")
    figures = "\n\n".join(sections(results, plots_at))
    page.write_text(f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}", encoding="utf-8")


def sections(results, plots_at):
    parts = [where(results), "### Targets", targets(results)]
    if "usher" in results:
        for key, title in (("hot", "One hot show"), ("spread", "64 shows")):
            parts += [f"### Bookings a second: {title}", throughput(results, key),
                      f"![{title}]({plots_at}/throughput-{key}.svg)"]
    if "limits" in results:
        parts += ["### Limits", limits(results)]
    if "seats" in results:
        parts += ["### Numbered seats", seats(results), seat_race(results)]
    if "mixed" in results:
        parts += ["### Other requests, 256 clients", other(results)]
    if "latency" in results:
        parts += ["### Latency against load", latency(results),
                  f"![latency]({plots_at}/latency.svg)"]
    if "cost" in results:
        parts += ["### Cost of a booking while its show fills", cost(results),
                  f"![cost]({plots_at}/cost.svg)"]
    if "takeover" in results:
        parts += ["### Takeover", takeover(results), f"![takeover]({plots_at}/takeover.svg)"]
    if "seckill_loss" in results:
        parts += ["### What write-behind loses", seckill(results)]
    return parts


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def where(results):
    m = results["machine"]
    changed = " with uncommitted changes" if m["changed"] else ""
    return (f"Measured {results['began'][:10]} on {m['cores']} cores of {m['cpu']}, "
            f"{m['memory_gib']} GiB, Linux {m['kernel']}, load before "
            f"{m['load_before']}; commit {m['commit']}{changed}; "
            f"`{results['command']}`, {results['seconds']} s.")


def targets(results):
    return table(("what", "figure", "target", ""),
                 [(r["what"], f"{number(r['figure'])} {r['unit']}",
                   f"{r['comparison']} {number(r['target'])} {r['unit']}", r["verdict"])
                  for r in results["targets"]])


def throughput(results, key):
    def row(name, cells):
        return (name, *(f"{cells[str(c)]['per_second']:,.0f} ({cells[str(c)]['p99_ms']:.1f})"
                        for c in CLIENTS))
    rows = [row("usher", results["usher"][key])]
    for design, r in results.get("rivals", {}).items():
        pool = f", pool of {r[key + '_pool']}" if design in SQL_DESIGNS else ""
        rows.append(row(r["name"] + pool, r[key]))
    return table(("a second (p99 in ms)", *(f"{c} clients" for c in CLIENTS)), rows)


def limits(results):
    names = {"bare_reads": "a bare responder, requests", "xadd": "XADD of 100 bytes, pipelined",
             "rows": "INSERT of bookings, 500 a transaction, one connection",
             "function": "commit_batch of 500, one connection"}
    return table(("", "a second"),
                 [(words, number(results["limits"][k])) for k, words in names.items()])


def other(results):
    rows = [("sold out", results["refused"]), ("availability", results["read"])]
    rows += [(f"mixed: {name}", step) for name, step in results["mixed"].items()]
    return table(("", "a second", "p50 ms", "p95 ms", "p99 ms"),
                 [(name, number(s["per_second"]), *(f"{s[p + '_ms']:.2f}"
                                                    for p in ("p50", "p95", "p99")))
                  for name, s in rows])


def seats(results):
    rows = list(seats_rows(results))
    head = [words for c in rows[0][1] for words in (f"{c} clients", "usher's seat holds are")]
    return table(("a second (p99 in ms)", *head),
                 [(name, *(cell for step, ratio in cells.values()
                           for cell in (f"{step['per_second']:,.0f} ({step['p99_ms']:.1f})",
                                        f"{ratio:.2f} ×")))
                  for name, cells in rows])


def seat_race(results):
    rows = [(SEAT_DESIGNS.get(name, name), number(s["per_second"]),
             *(f"{s[p + '_ms']:.2f}" for p in ("p50", "p95", "p99")))
            for name, s in results["seat_race"].items()]
    return table(("twenty clients for each seat", "answers a second", "p50 ms", "p95 ms", "p99 ms"),
                 rows)


def latency(results):
    return table(("asked a second", "p50 ms", "p95 ms", "p99 ms", "max ms"),
                 [(number(p["rate"]), *(f"{p[k + '_ms']:.2f}" for k in ("p50", "p95", "p99",
                                                                        "max")))
                  for p in results["latency"]])


def cost(results):
    return table(("bookings in the show", "elapsed µs", "CPU µs"),
                 [(number(c["bookings"]), f"{c['wall_us']:.1f}", f"{c['cpu_us']:.1f}")
                  for c in results["cost"]])


def takeover(results):
    t = results["takeover"]
    return (f"The owner was killed under {t['rate']:,} bookings a second; the first new decision "
            f"came {t['first_decision_s']:.3f} s later. {t['granted']:,} bookings were answered "
            f"as granted; Postgres has {t['in_postgres']:,}.")


def seckill(results):
    s = results["seckill_loss"]
    return (f"Killed {s['kills']} times under load, the Redis counter with write-behind had answered "
            f"{s['answered']:,} bookings; Postgres has {s['kept']:,}: {s['lost']:,} people hold "
            "a confirmation for nothing.")
