"""A private usher for the benchmark, started and stopped by the scripts in ops/."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import psycopg2
import redis

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def process_fields(pid):
    """/proc/PID/stat behind the name, from the state on; None if there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def cpu_seconds(pid):
    fields = process_fields(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def children_of(pid):
    pids = [int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit()]
    parents = ((p, process_fields(p)) for p in pids)
    return [p for p, fields in parents if fields and int(fields[1]) == pid]


def rss_bytes(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def peak_rss_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


class System:
    """Redis, Postgres, three allocators, a gateway; more gateways when asked for."""

    def __init__(self, top, build, run_dir):
        self.top = pathlib.Path(top)
        self.build = pathlib.Path(build)
        self.run_dir = pathlib.Path(run_dir)
        self.port = free_port()
        self.more_gateways = []
        self.env = {}

    def _ops(self, script, check=True):
        env = dict(os.environ, RUN_DIR=str(self.run_dir), PORT=str(self.port),
                   BUILD=str(self.build), USHER_CONNECTIONS_MAX="18000")
        done = subprocess.run([self.top / "ops" / script], env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"ops/{script} failed:\n{done.stdout}")

    def up(self):
        """A new, empty system: what an earlier run left in the folder is removed."""
        if self.run_dir.exists():
            self._ops("down", check=False)
            self._ops("wipe", check=False)
        self._ops("up")
        for line in (self.run_dir / "usher.env").read_text().splitlines():
            name, _, value = line.partition("=")
            self.env[name] = value
        self.url = self.env["USHER_URL"]

    def down(self):
        for process in self.more_gateways:
            process.terminate()
        for process in self.more_gateways:
            process.wait(timeout=60)
        self.more_gateways = []
        self._ops("down", check=False)

    def wipe(self):
        self._ops("wipe", check=False)

    # --- Postgres and Redis ---------------------------------------------------------------------

    @property
    def postgres_password(self):
        return (self.run_dir / "secret" / "postgres").read_text().strip()

    def conninfo(self, database):
        """Through the unix socket, as the daemons do; the password goes by PGPASSWORD."""
        for line in (self.run_dir / "conf" / "allocator.conf").read_text().splitlines():
            if line.startswith("postgres = "):
                url = urllib.parse.urlsplit(line.partition(" = ")[2])
        at = urllib.parse.parse_qs(url.query)
        return f"host={at['host'][0]} port={at['port'][0]} user=postgres dbname={database}"

    def postgres(self, database="usher"):
        connection = psycopg2.connect(self.conninfo(database), password=self.postgres_password)
        connection.autocommit = True
        return connection

    def sql(self, statement, parameters=None, database="usher"):
        connection = self.postgres(database)
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            rows = cursor.fetchall() if cursor.description else []
        connection.close()
        return rows

    def make_database(self, name):
        self.sql(f"DROP DATABASE IF EXISTS {name}")
        self.sql(f"CREATE DATABASE {name}")

    def redis(self):
        return redis.Redis.from_url(self.env["USHER_REDIS"])

    # --- Shows ----------------------------------------------------------------------------------

    def ctl(self, *words):
        command = [self.build / "usherctl", "--config", self.run_dir / "conf" / "ctl.conf", *words]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"usherctl {' '.join(words)}: {done.stderr or done.stdout}")
        return done.stdout

    def create_shows(self, slugs, capacity=50_000_000, partition=1, hall=None):
        """Of one tier with a counter; or, where `hall` is (rows, numbers), with the numbered seats
        R1-1 … R<rows>-<numbers>."""
        tier, more = {"code": "A", "price": 10000, "capacity": capacity}, {}
        if hall:
            more["map"] = self.write_map(*hall).name
            del tier["capacity"]
        shows = [{"slug": slug, "partition": partition, "max_per_booking": 10, "tiers": [tier],
                  **more} for slug in slugs]
        path = self.run_dir / "bench-shows.json"
        path.write_text(json.dumps(shows))
        self.ctl("show", "create", "--file", str(path))

    def write_map(self, rows, numbers):
        path = self.run_dir / "bench-map.csv"
        lines = ["tier,row,number,count"] + [f"A,R{row + 1},1,{numbers}" for row in range(rows)]
        path.write_text("\n".join(lines) + "\n")
        return path

    def show_number(self, slug):
        return self.sql("SELECT show FROM shows WHERE slug = %s", (slug,))[0][0]

    def live_bookings(self, slug):
        return self.sql("SELECT sum(held + pending + confirmed) FROM tiers JOIN shows USING (show)"
                        " WHERE slug = %s", (slug,))[0][0]

    # --- Processes ------------------------------------------------------------------------------

    def pid(self, service):
        return int((self.run_dir / "pid" / service).read_text().split()[0])

    def owner(self, partition=1):
        """The service that owns the partition."""
        return self.sql("SELECT owner FROM partitions WHERE partition = %s", (partition,))[0][0]

    def cpu_seconds(self):
        """Of everything that serves: gateway, allocators, Redis, Postgres with its backends."""
        services = ["gateway", "redis", "allocator-1", "allocator-2", "allocator-3"]
        pids = [self.pid(s) for s in services]
        postmaster = self.pid("postgres")
        for parent in (self.pid("gateway"), postmaster):
            pids += children_of(parent)
        return sum(cpu_seconds(p) for p in pids + [postmaster])

    def gateway_pids(self):
        """Each gateway with its worker processes."""
        firsts = [self.pid("gateway")] + [p.pid for p in self.more_gateways]
        return [[first] + children_of(first) for first in firsts]

    def start_gateway(self):
        """One more, at a port of its own; returns its URL when it is ready."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        log = open(self.run_dir / "log" / f"gateway-{port}.log", "w", encoding="utf-8")
        env = dict(os.environ, USHER_CONNECTIONS_MAX="18000")
        process = subprocess.Popen(
            [self.build / "usher-gateway", "--config", self.run_dir / "conf" / "gateway.conf",
             "--listen", f"127.0.0.1:{port}", "--name", f"bench-{port}"],
            stdout=log, stderr=log, env=env)
        log.close()
        self.more_gateways.append(process)
        await_ready(url)
        return url

    def stop_gateways(self):
        for process in self.more_gateways:
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.more_gateways = []


def await_ready(url, seconds=30):
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url + "/readyz", timeout=2):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
