"""What the parts reach alone: nothing above them can be faster."""

import json
import subprocess


def measure(bench):
    bench.say("limits")
    bench.results["limits"] = {
        "bare_reads": bare(bench),
        "xadd": xadd(bench),
        "rows": batches(bench, "rows"),
        "function": batches(bench, "function"),
    }


def bare(bench):
    """usher's HTTP server with nothing behind it."""
    process = subprocess.Popen([bench.system.build / "bench" / "bare", "127.0.0.1:0"], text=True,
                               stdout=subprocess.PIPE)
    url = "http://127.0.0.1:" + process.stdout.readline().split()[1]
    result = bench.load(url, "a bare responder", mix="read=1")
    process.terminate()
    process.communicate()
    return round(result.step("read").per_second, 1)


def xadd(bench):
    out = bench.program("limit_xadd", 1 if bench.quick else 3,
                        USHER_REDIS=bench.system.env["USHER_REDIS"])
    rate = json.loads(out)["entries_per_second"]
    bench.say(f"  {'XADD of 100 bytes, pipelined':<44} {rate:13.0f}/s")
    return rate


def batches(bench, kind):
    """In a database of its own with usher's own tables."""
    system = bench.system
    system.make_database("limits")
    migrations = sorted((system.top / "sql").glob("[0-9]*.sql"))
    system.sql("".join(m.read_text() for m in migrations), database="limits")
    out = bench.program("limit_batch", system.conninfo("limits"), 2 if bench.quick else 5, 500,
                        kind, PGPASSWORD=system.postgres_password)
    rate = json.loads(out)["rows_per_second"]
    system.sql("DROP DATABASE limits")
    what = {"rows": "INSERT of 500 bookings, one connection",
            "function": "commit_batch of 500, one connection"}[kind]
    bench.say(f"  {what:<44} {rate:13.0f}/s")
    return rate
