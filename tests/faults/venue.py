"""A whole usher that is there to be broken: every link through a proxy, every daemon watched.

Three allocators for two partitions (one stands by), two gateways, a Redis with an append-only file,
a Postgres of its own. Whoever dies is started again after a pause; nothing here waits, so that one
fault can go on while the next one begins.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg2
import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from harness.postgres_server import BINARIES, Postgres, quote, unprivileged  # noqa: E402
from harness.process import Process, build_folder, wait_until  # noqa: E402
from harness.programs import Allocator, Courier, Gateway, run_program  # noqa: E402
from harness.world import ADMIN_HASH, ADMIN_TOKEN  # noqa: E402
from harness.provider import SECRET, Provider  # noqa: E402
from harness.proxy import Proxy  # noqa: E402
from harness.redis_server import Redis  # noqa: E402
from harness.words import Keys  # noqa: E402
from history import now  # noqa: E402
from witness import RedisWitness  # noqa: E402

UNREADABLE = "Bad file format reading the append only file"
DATABASE = "usher"
IMPATIENT = "SET lock_timeout = '300ms'; "
PARTITIONS = (1, 2)
ALLOCATORS, GATEWAYS, COURIERS = 3, 2, 2
HEARTBEAT_MS_MAX = 600
# What becomes of a charge: mostly it is made.
CHARGES = ["succeed"] * 14 + ["decline"] * 3 + ["die", "refuse", "busy"]
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
DISK_NAME = "usher-faults"  # as /proc/mounts has it
REDIS_DISK, POSTGRES_DISK = "384m", "768m"
POSTGRES_SETTINGS = """
max_wal_size = 96MB
min_wal_size = 32MB
deadlock_timeout = 500ms
"""
RESTART_SECONDS = (0.05, 0.6)  # how long the supervisor lets a dead daemon lie

# slug, partition, rules of `usherctl show create`, tiers as code: (price, capacity), or of numbered
# seats code: (price, rows, seats in a row). Rules may be lists.
SHOWS = (
    ("arena", 1, {"max-per-booking": 8, "hold-seconds": 2, "hold-seconds-max": 4},
     {"A": (5000, 200000), "B": (2500, 60), "C": (0, 25)}),
    ("cellar", 1, {"max-per-user": 2, "max-per-booking": 2, "hold-seconds": 1,
                   "hold-seconds-max": 3}, {"GA": (1500, 40)}),
    ("opera", 2, {"max-per-user": 6, "max-per-booking": 4, "hold-seconds": 3,
                  "hold-seconds-max": 5}, {"STALLS": (9000, 90), "BOX": (20000, 20000)}),
    ("hall", 1, {"max-per-user": 6, "max-per-booking": 6, "hold-seconds": 2, "hold-seconds-max": 4},
     {"FRONT": (4000, 3, 9), "REAR": (1500, 20, 16)}),
    ("gala", 2, {"max-per-user": 4, "max-per-booking": 4, "hold-seconds": 2, "hold-seconds-max": 3,
                 "offer-seconds": 1, "price-step": ["GA:50%:1500", "GA:90%:2000"]},
     {"GA": (1200, 8), "BOX": (3000, 3)}),
    *((f"inn-{night}", 2, {"series": "inn", "starts-at": f"2035-05-0{night}T14:00:00Z",
                           "max-per-user": 3, "max-per-booking": 3, "hold-seconds": 2,
                           "price-step": ["ROOM:75%:900"]},
       {"ROOM": (700, 12), "SUITE": (2100, 3)}) for night in range(1, 5)),
)
ROOM_SHOW = "club"  # has a waiting room, which never opens; nobody books there
BLOCKED_SEATS = 2  # at the end of a tier's first row


def map_of(code, rows, width):
    """A tier's seats for --map; a few of them are not for sale."""
    seats = [{"tier": code, "row": f"{code[0]}{row}", "number": 1, "count": width}
             for row in range(2, rows + 1)]
    sold = width - BLOCKED_SEATS
    return [{"tier": code, "row": f"{code[0]}1", "number": 1, "count": sold},
            {"tier": code, "row": f"{code[0]}1", "number": sold + 1, "count": BLOCKED_SEATS,
             "blocked": True}] + seats


def unmount_abandoned():
    """Disks of runs that were killed themselves."""
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        device, point = line.split()[:2]
        owner = Path(point).parent / "pid"
        if device != DISK_NAME or not owner.exists():
            continue
        if not Path(f"/proc/{owner.read_text(encoding='ascii')}").exists():
            subprocess.run(["umount", point], capture_output=True, check=False)


class DelayedProxy(Proxy):
    """A proxy whose late bytes are late until something has happened, not for some time."""

    late_until = None

    def wait_late(self):
        if self.late_until is None:
            super().wait_late()
            return
        end = time.monotonic() + 3
        while time.monotonic() < end and not self.late_until():
            time.sleep(0.001)


class Traps:
    """Verdicts on bytes to come: the first that fits is acted upon, once."""

    def __init__(self):
        self.armed = []   # (predicate on the bytes, verdict of a proxy, end)
        self.sprung = []  # verdicts
        self._lock = threading.Lock()

    def arm(self, predicate, verdict, seconds):
        with self._lock:
            self.armed.append((predicate, verdict, time.monotonic() + seconds))

    def disarm(self):
        with self._lock:
            self.armed.clear()

    def look(self, data):
        if not self.armed:
            return "pass"
        with self._lock:
            self.armed = [trap for trap in self.armed if time.monotonic() < trap[2]]
            for trap in self.armed:
                predicate, verdict, _ = trap
                if predicate(data):
                    self.armed.remove(trap)
                    self.sprung.append(verdict)
                    return verdict
        return "pass"


class Venue:
    """Everything that runs, by name; `faults.py` breaks it."""

    def __init__(self, folder, seed):
        self.folder = Path(folder)
        self.odds = random.Random(f"usher venue {seed}")
        self.disks = {}          # name → mount point, where this machine lets us mount
        self.missing = {}        # what cannot be done here → why
        self.links = {}          # "allocator-redis" … → Proxy
        self.traps = {}          # the same → Traps
        self.allocators, self.gateways, self.couriers, self.clocks = [], [], [], {}
        charges = random.Random(f"usher charges {seed}")
        self.provider = Provider(lambda fields: charges.choice(CHARGES))
        self.redis = self.postgres = None
        self.rest_until = {}     # process → not to be started before
        self.died_at = {}        # process → when it was found dead
        self.began_empty = []    # from when to when Redis was away before it began without its file
        self.expected = set()    # processes that may end by themselves now
        self.problems = []       # sentences
        self.saved_file = None   # a copy of Redis' append-only file
        self.shows = {}          # slug → {"number", "partition", "tiers": {code: number}, "seats":
                                 #         {id: tier's number}}

    # Building.

    def build(self):
        self._mount_disks()
        self._start_postgres()
        self._start_redis()
        self._link_all()
        for slug, partition, rules, tiers in SHOWS:
            self._create_show(slug, partition, rules, tiers)
        self._create_room()
        if not FAKETIME.exists():
            self.missing["clock"] = "libfaketime is not installed"
        elif "asan" in build_folder().name:
            self.missing["clock"] = "libfaketime does not go with sanitizers"
        for number in range(1, ALLOCATORS + 1):
            self.allocators.append(self._daemon(Allocator, f"allocator-{number}", "allocator", {
                "heartbeat_ms": 100, "heartbeat_ms_max": HEARTBEAT_MS_MAX, "stand_by_ms": 25,
                "redis_ms": 1000, "postgres_ms": 2000, "journal_batches_max": 10000000}))
        for number in range(1, GATEWAYS + 1):
            self.gateways.append(self._daemon(Gateway, f"gateway-{number}", "gateway", {
                "drain_ms": 1500, "ticket_keys": self.folder / "ticket_keys",
                "admin_token_hashes": ADMIN_HASH}))
        for number in range(1, COURIERS + 1):
            self.couriers.append(self._daemon(Courier, f"courier-{number}", "courier", {
                "provider": "http", "provider_url": self.provider.url, "provider_secret": SECRET,
                "stuck_ms": 5000, "check_ms": 8000, "again_ms_max": 500, "recovery_ms": 500}))
        for process in self.allocators + self.gateways + self.couriers:
            process.start()
        for gateway in self.gateways:
            gateway.wait_ready(30)
        self._must(self.ctl("room", "set", ROOM_SHOW, "--opens-at", "2099-01-01T00:00:00Z"))
        return self

    def _mount_disks(self):
        (self.folder / "pid").write_text(str(os.getpid()), encoding="ascii")
        unmount_abandoned()
        for name, size in (("redis", REDIS_DISK), ("postgres", POSTGRES_DISK)):
            point = self.folder / f"disk-{name}"
            point.mkdir()
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755",
                                   DISK_NAME, str(point)], capture_output=True, check=False)
            if done.returncode == 0:
                self.disks[name] = point
            else:
                self.missing["disk"] = "no right to mount a small tmpfs here: " + \
                    done.stderr.decode().strip()

    def _start_postgres(self):
        self.postgres = Postgres(self.disks.get("postgres", self.folder)).create()
        with open(self.postgres.data / "postgresql.conf", "a", encoding="ascii") as conf:
            conf.write(POSTGRES_SETTINGS)
        # As harness.postgres_server starts it, but with its log where there is always room.
        self.postgres.process = Process("postgres", [
            BINARIES / "postgres", "-D", self.postgres.data, "-p", self.postgres.port, "-k",
            self.postgres.folder], self.folder, run_as=unprivileged(), cwd="/")
        self.postgres.start()
        self._make_database()

    def _make_database(self):
        self.postgres.run("postgres", f"CREATE DATABASE {quote(DATABASE)}")
        self._must(self.ctl("migrate"))
        for role in ("allocator", "gateway", "courier"):
            self.postgres.run(DATABASE, f"CREATE ROLE test_{role} LOGIN IN ROLE usher_{role}")
        for partition in PARTITIONS[1:]:
            self._must(self.ctl("partition", "add", partition))

    def _start_redis(self):
        self.redis = Redis(self.disks.get("redis", self.folder), durable=True, options=[
            "--auto-aof-rewrite-min-size", "48mb", "--aof-load-truncated", "yes"])
        self.redis.process.log = self.folder / "redis.log"
        self.redis.start()

    def _link_all(self):
        for role in ("allocator", "gateway", "courier"):
            self._link(f"{role}-redis", self.redis.port)
            self._link(f"{role}-postgres", self.postgres.port)

    def _link(self, name, target):
        self.traps[name] = Traps()
        self.links[name] = DelayedProxy(target, self.traps[name].look)

    def _create_show(self, slug, partition, rules, tiers):
        words = ["show", "create", "--slug", slug, "--partition", partition]
        for name, value in rules.items():
            for each in value if isinstance(value, list) else [value]:
                words += [f"--{name}", each]
        seats = []
        for code, (price, *size) in tiers.items():
            words += ["--tier", f"{code}:{price}" + (f":{size[0]}" if len(size) == 1 else "")]
            if len(size) == 2:
                seats += map_of(code, *size)
        if seats:
            (self.folder / f"{slug}.json").write_text(json.dumps(seats), encoding="ascii")
            words += ["--map", self.folder / f"{slug}.json"]
        self._must(self.ctl(*words))
        row = self.postgres.run(DATABASE, "SELECT show FROM shows WHERE slug = %s", slug)[0]
        numbers = dict(self.postgres.run(DATABASE, "SELECT code, tier FROM tiers WHERE show = %s",
                                         row[0]))
        ids = self.postgres.run(DATABASE, "SELECT id, tier FROM seats WHERE show = %s AND status = 0"
                                " ORDER BY position", row[0])
        self.shows[slug] = {"number": row[0], "tiers": numbers, "partition": partition,
                            "seats": dict(ids)}

    def _create_room(self):
        (self.folder / "ticket_keys").write_text(f"1 {'5a' * 32}\n", encoding="ascii")
        self._must(self.ctl("show", "create", "--slug", ROOM_SHOW, "--partition", 1,
                            "--tier", "GA:1000:10"))

    def _daemon(self, kind, name, role, options):
        made = kind(name, self.folder, redis=self.redis_url(role),
                    postgres=self.postgres_url(role), **options)
        if "clock" not in self.missing:
            self.clocks[made] = self.folder / f"clock-{name}"
            self.set_clock(made, 0)
            made.env = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                        "FAKETIME_TIMESTAMP_FILE": str(self.clocks[made]),
                        "FAKETIME_CACHE_DURATION": "1", "NO_FAKE_STAT": "1"}
        return made

    def set_clock(self, process, seconds):
        """Its clock is so many seconds ahead (or behind) from now on; seen within a second."""
        path = self.clocks[process]
        fresh = path.with_suffix(".new")
        fresh.write_text(f"{seconds:+.3f}s\n", encoding="ascii")
        os.replace(fresh, path)

    @staticmethod
    def _must(result):
        assert result.code == 0, result

    # Where things are.

    def redis_url(self, role):
        """As a daemon knows it."""
        return self.redis.url_of(role, self.links[f"{role}-redis"].port)

    def postgres_url(self, role):
        return self.postgres.url(DATABASE, f"test_{role}", self.links[f"{role}-postgres"].port)

    def owners_postgres_url(self):
        """As usherctl knows it."""
        return self.postgres.url(DATABASE)

    def redis_port(self, _partition):
        """Of the server that has a partition's keys."""
        return self.redis.port

    def redis_of(self, partition, seconds=1.0):
        """A client of that server which does not wait for long."""
        return redis.Redis(host="127.0.0.1", port=self.redis_port(partition),
                           socket_timeout=seconds, socket_connect_timeout=seconds)

    def witnesses(self):
        """One for each server of Redis."""
        return [RedisWitness(self.redis.port)]

    # Looking.

    def ctl_environment(self):
        return {"USHER_ADMIN_TOKEN": ADMIN_TOKEN,
                "USHER_ADMIN_URL": f"http://127.0.0.1:{self.gateways[0].port if self.gateways else 1}",
                "USHER_POSTGRES": self.owners_postgres_url(),
                "USHER_REDIS": self.redis.url_of("ctl") if self.redis else "redis://127.0.0.1:1"}

    def ctl(self, *words):
        return run_program("usherctl", *words, env=self.ctl_environment(), seconds=60)

    def connect(self):
        return self.postgres.connect(DATABASE)

    def query(self, statement, *parameters):
        """Rows, or None while Postgres is away, or while somebody has locked what is asked for: that
        ends when the same thread comes to it."""
        try:
            return self.postgres.run(DATABASE, IMPATIENT + statement, *parameters)
        except psycopg2.Error:
            return None

    @property
    def daemons(self):
        return [self.redis.process, self.postgres.process] + self.allocators + self.gateways \
            + self.couriers

    def owner(self, partition):
        """The living allocator that says it serves a partition; any living one if none says so."""
        alive = [a for a in self.allocators if a.alive()]
        try:
            client = self.redis_of(partition, 0.3)
            name = client.hget(Keys(partition).status, "allocator") or b""
            client.close()
        except Exception:  # Redis is down, stopped, or forgetful: any will do
            name = b""
        return next((a for a in alive if a.name == name.decode()), alive[0] if alive else None)

    # Watching.

    def kill(self, process, pause=None):
        """SIGKILL, and nobody starts it again for so many seconds."""
        self.expect(process)
        if process.alive():
            os.kill(process.pid, signal.SIGKILL)
        self.let_rest(process, pause)

    def let_rest(self, process, pause=None):
        pause = self.odds.uniform(*RESTART_SECONDS) if pause is None else pause
        self.rest_until[process] = max(self.rest_until.get(process, 0), time.monotonic() + pause)

    def expect(self, process):
        """It may end by itself until it is started again; how, is no news."""
        self.expected.add(process)

    def supervise(self):
        """Start again who is dead and has lain long enough."""
        for process in self.daemons:
            if process.child is None or process.alive():
                continue
            if process not in self.died_at:
                self.died_at[process] = now()
            if process not in self.rest_until:
                self._note_exit(process)
                self.let_rest(process)
            elif time.monotonic() > self.rest_until[process]:
                del self.rest_until[process]
                self.expected.discard(process)
                self._sweep(process)
                self._put_aside_broken_file(process)
                del self.died_at[process]
                process.start()

    def _note_exit(self, process):
        ours = process in self.allocators + self.gateways + self.couriers
        if ours and process not in self.expected and process.exit_code() != 0:
            self.problems.append(f"{process.name} ended by itself with {process.exit_code()}: "
                                 f"{process.tail(3)}")

    def _put_aside_broken_file(self, process):
        """A full disk can leave Redis a file that it cannot read; make run's supervisor does this."""
        if process is not self.redis.process or UNREADABLE not in process.tail(5):
            return
        shutil.rmtree(self.redis.folder / "appendonlydir", ignore_errors=True)
        with process.log.open("a") as log:
            log.write("the append-only file was put aside\n")
        self.began_empty.append((self.died_at[process], now()))

    def _sweep(self, process):
        """libfaketime leaves these behind when its process is killed."""
        if process in self.clocks:
            for kind in ("faketime_shm", "sem.faketime_sem"):
                Path(f"/dev/shm/{kind}_{process.pid}").unlink(missing_ok=True)

    def losses(self):
        """What nobody had planned and made Redis lose requests: (fault, begin, end)."""
        return [("redis_began_empty", begin, end) for begin, end in self.began_empty]

    def all_alive(self):
        return all(process.alive() for process in self.daemons)

    def save_redis_file(self):
        """A copy of Redis' file, to come back with later. A torn one is part of the fun."""
        if not self.redis.process.alive():
            return
        into = self.folder / "old-file"
        fresh = self.folder / "old-file.new"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            self.redis.save_file(fresh)
        except (OSError, shutil.Error):
            return
        shutil.rmtree(into, ignore_errors=True)
        fresh.rename(into)
        self.saved_file = into

    # Ending.

    def heal(self):
        """Nothing is broken any more: links carry, clocks agree, whoever is stopped goes on."""
        for link in self.links.values():
            link.delay(0)
            link.restore()
            link.thaw()
        for traps in self.traps.values():
            traps.disarm()
        for process in self.clocks:
            self.set_clock(process, 0)
        self.provider.is_away = False
        self.provider.on_charge = self.provider.on_charged = None
        self.provider.on_refund = self.provider.on_refunded = None

    def wait_healthy(self, seconds=40):
        def ready():
            self.supervise()
            return self.all_alive() and all(self._is_ready(g) for g in self.gateways)
        wait_until("everything to run again", ready, seconds, 0.1)

    @staticmethod
    def _is_ready(gateway):
        client = gateway.client(timeout=3, is_checking=False)
        try:
            return client.get("/readyz").status == 200
        except OSError:
            return False
        finally:
            client.close()

    def close(self):
        self.provider.close()
        for process in self.gateways + self.couriers + self.allocators:
            if process.alive():
                try:
                    code = process.stop()
                    if code != 0:
                        self.problems.append(f"{process.name} ended with {code} when asked to")
                except TimeoutError as error:
                    self.problems.append(str(error))
            self.problems += [f"{process.name}: {line}" for line in process.complaints()]
        self.stop_servers()
        for process in self.clocks:
            if process.child is not None:
                self._sweep(process)

    def stop_servers(self):
        for link in self.links.values():
            link.close()
        if self.redis is not None and self.redis.process.alive():
            self.redis.process.kill9()
        if self.postgres is not None and self.postgres.process.alive():
            self.postgres.stop()

    def unmount(self):
        for point in self.disks.values():
            for _ in range(20):
                if subprocess.run(["umount", str(point)], capture_output=True,
                                  check=False).returncode == 0:
                    break
                time.sleep(0.1)
