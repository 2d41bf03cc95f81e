"""What can break: a row each. Adding a fault is adding a function with a decorator. Couriers and the
provider are in faults_money.py.

A fault does its harm at once and returns what undoes it (or None); the run calls that when the
fault has lasted as long as the schedule says. `odds` is the fault's own, from the schedule's seed.
Nothing here waits for anything to recover: the next fault may come meanwhile.
"""

import os
import resource
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import redis

from harness.process import Process, build_folder, signal_all
from harness.words import Keys

from venue import HEARTBEAT_MS_MAX, IMPATIENT, PARTITIONS, ROOM_SHOW

MOVABLE = ("arena", "cellar", "opera", "hall", "gala")  # nights of one series stay together
ALLOCATOR_PAST_HEARTBEAT = (HEARTBEAT_MS_MAX / 1000 + 0.3, HEARTBEAT_MS_MAX / 1000 + 1.5)
ROWS = {}


# What follows from others: after a full disk, Redis could not read its file and began without one.
BEGAN_EMPTY = "redis_began_empty"


@dataclass(frozen=True)
class Row:
    name: str
    lasting: tuple      # seconds, from and to
    weight: int         # cards in the deck (schedule.py)
    needs: str          # what the machine may lack: "disk", "clock" or nothing
    loses_stream: bool  # may Redis lose requests that it had taken?
    act: object

    def __call__(self, venue, odds):
        return self.act(venue, odds)


def fault(lasting=(0.0, 0.0), weight=1, needs="", loses_stream=False, table=ROWS):
    def enter(act):
        table[act.__name__] = Row(act.__name__, lasting, weight, needs, loses_stream, act)
        return act
    return enter


# Daemons killed. The supervisor starts them again.

@fault(weight=2)
def allocator_killed(venue, odds):
    owner = venue.owner(odds.choice(PARTITIONS))
    if owner is not None:
        venue.kill(owner, odds.uniform(0.0, 1.0))


@fault()
def allocators_all_killed(venue, odds):
    for allocator in venue.allocators:
        venue.kill(allocator, odds.uniform(0.1, 0.8))


@fault()
def allocator_asked_to_stop(venue, odds):
    owner = venue.owner(odds.choice(PARTITIONS))
    if owner is not None:
        os.kill(owner.pid, signal.SIGTERM)
        venue.let_rest(owner)


@fault(weight=2)
def gateway_killed(venue, odds):
    venue.kill(odds.choice(venue.gateways), odds.uniform(0.0, 0.8))


@fault()
def gateway_asked_to_stop(venue, odds):
    gateway = odds.choice(venue.gateways)
    if gateway.alive():
        os.kill(gateway.pid, signal.SIGTERM)
        venue.let_rest(gateway)


@fault(loses_stream=True)
def redis_killed(venue, odds):
    venue.kill(venue.redis.process, odds.uniform(0.0, 1.0))


@fault()
def postgres_killed(venue, odds):
    """The postmaster alone; its children notice."""
    venue.kill(venue.postgres.process, odds.uniform(0.1, 0.6))


@fault()
def postgres_child_killed(venue, odds):
    """One backend dies by SIGKILL: Postgres ends all of them and recovers."""
    children = backends_of(venue)
    if children:
        os.kill(odds.choice(children), signal.SIGKILL)


@fault(weight=2)
def postgres_stopped_immediately(venue, odds):
    process = venue.postgres.process
    if process.alive():
        os.kill(process.pid, signal.SIGQUIT)
        venue.let_rest(process, odds.uniform(0.1, 1.0))


@fault(loses_stream=True)
def everything_killed(venue, odds):
    for process in venue.daemons:
        venue.kill(process, odds.uniform(0.1, 0.5))


@fault(lasting=(0.0, 0.0), weight=2)
def usherctl_killed(venue, odds):
    """In the middle of a command that writes several rows, or of one that asks for attention."""
    slug = f"made-{odds.getrandbits(40):x}"
    words = odds.choice([
        ("show", "create", "--slug", slug, "--tier", "A:100:10", "--tier", "B:100:20",
         "--tier", "C:100:30"),
        ("show", "open", "arena"), ("show", "open", "opera"), ("verify", "--wait-seconds", "1")])
    command = Process("usherctl", [build_folder() / "usherctl", *words], venue.folder,
                      env=venue.ctl_environment()).start()
    time.sleep(odds.uniform(0.0, 0.02))
    if command.alive():
        command.kill9()


@fault(lasting=(0.3, 1.0), weight=4)
def show_moved(venue, odds):
    """To the other partition, while it sells; whoever asks for it may be killed before it is done."""
    return moved(venue, odds.choice(MOVABLE), odds.choice(PARTITIONS))


@fault(lasting=(0.3, 1.0), weight=3)
def show_with_a_room_moved(venue, odds):
    """Who joins meanwhile has a number that nobody else has."""
    return moved(venue, ROOM_SHOW, odds.choice(PARTITIONS))


def moved(venue, slug, to):
    command = Process("usherctl", [build_folder() / "usherctl", "show", "move", slug, "--to", str(to)],
                      venue.folder, env=venue.ctl_environment()).start()

    def end():
        if command.alive():
            command.kill9()
    return end


# Daemons stopped (SIGSTOP), and woken when their time has passed.

@fault(lasting=ALLOCATOR_PAST_HEARTBEAT, weight=3)
def owner_stopped_past_its_heartbeat(venue, odds):
    """The zombie: a standby takes its place, then it wakes."""
    return stopped(venue, venue.owner(odds.choice(PARTITIONS)))


@fault(lasting=(0.05, 0.4))
def owner_stopped_shortly(venue, odds):
    return stopped(venue, venue.owner(odds.choice(PARTITIONS)))


@fault(lasting=(0.2, 1.5))
def gateway_stopped(venue, odds):
    return stopped(venue, odds.choice(venue.gateways))


@fault(lasting=(0.2, 1.8))
def redis_stopped(venue, _odds):
    return stopped(venue, venue.redis.process)


@fault(lasting=(0.2, 2.5))
def postgres_stopped(venue, _odds):
    """All backends stand still, and so do new ones: the postmaster too."""
    process = venue.postgres.process
    if not process.alive():
        return None
    process.freeze()
    return process.thaw


def stopped(venue, process):
    if process is None or not process.alive():
        return None
    pid = process.pid
    signal_all([pid], signal.SIGSTOP)

    def wake():
        if process.alive() and process.pid == pid:
            signal_all([pid], signal.SIGCONT)
    return wake


# Redis, by its own commands and by its file.

@fault(weight=2, loses_stream=True)
def redis_emptied(venue, _odds):
    tell_redis(venue, "FLUSHALL")


@fault()
def redis_scripts_flushed(venue, _odds):
    tell_redis(venue, "SCRIPT", "FLUSH")


@fault()
def redis_clients_cut(venue, _odds):
    tell_redis(venue, "CLIENT", "KILL", "TYPE", "normal")


@fault()
def redis_subscribers_cut(venue, _odds):
    tell_redis(venue, "CLIENT", "KILL", "TYPE", "pubsub")


@fault()
def redis_paused(venue, odds):
    tell_redis(venue, "CLIENT", "PAUSE", str(odds.randint(200, 1500)))


@fault(weight=2, loses_stream=True)
def redis_back_with_an_old_file(venue, odds):
    process = venue.redis.process
    if venue.saved_file is None or not process.alive():
        return
    venue.expect(process)
    process.kill9()
    folder = venue.redis.folder / "appendonlydir"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(venue.saved_file, folder)
    venue.let_rest(process, odds.uniform(0.0, 0.4))


@fault(loses_stream=True)
def redis_back_without_its_file(venue, odds):
    process = venue.redis.process
    if not process.alive():
        return
    venue.expect(process)
    process.kill9()
    shutil.rmtree(venue.redis.folder / "appendonlydir", ignore_errors=True)
    venue.let_rest(process, odds.uniform(0.0, 0.4))


@fault(lasting=ALLOCATOR_PAST_HEARTBEAT, loses_stream=True)
def redis_back_with_an_old_file_while_its_owner_sleeps(venue, odds):
    """Neither the sleeper nor its heir may go on with what Redis has then."""
    owner = venue.owner(odds.choice(PARTITIONS))
    wake = stopped(venue, owner)
    redis_back_with_an_old_file(venue, odds)
    return wake


@fault(lasting=(0.3, 1.5))
def redis_out_of_memory(venue, _odds):
    try:
        client = venue.redis.client()
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 0.8))
    except redis.exceptions.RedisError:
        return None
    return lambda: tell_redis(venue, "CONFIG", "SET", "maxmemory", "0")


@fault(loses_stream=True)
def partition_deleted_in_redis(venue, odds):
    """An operator's slip: some of a partition's keys are gone."""
    keys = Keys(odds.choice(PARTITIONS))
    tell_redis(venue, "DEL", odds.choice([keys.state, keys.requests, keys.generations]))


def tell_redis(venue, *words, of=PARTITIONS[0]):
    client = venue.redis_of(of)
    try:
        client.execute_command(*words)
    except redis.exceptions.RedisError:
        pass  # it is down, or stopped, or has cut us off too
    finally:
        client.close()


# Postgres.

@fault(weight=2)
def postgres_backends_terminated(venue, _odds):
    venue.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
               " WHERE datname = current_database() AND pid <> pg_backend_pid()"
               " AND usename LIKE 'test_%%'")


@fault()
def postgres_backend_of_an_owner_terminated(venue, _odds):
    venue.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
               " WHERE usename = 'test_allocator' ORDER BY random() LIMIT 1")


@fault(lasting=(0.3, 2.5))
def postgres_row_locked(venue, odds):
    """Somebody at a prompt has a partition's row, and goes for a coffee."""
    connection = None
    try:
        connection = venue.connect()
        connection.autocommit = False
        with connection.cursor() as cursor:
            cursor.execute(IMPATIENT + "SELECT * FROM partitions WHERE partition = %s FOR UPDATE",
                           [odds.choice(PARTITIONS)])
    except Exception:  # Postgres is away, or the row is taken
        return None
    return connection.close


def backends_of(venue):
    process = venue.postgres.process
    if not process.alive():
        return []
    return [pid for pid in process.children() if b"test_" in command_line(pid)]


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


# Two that believe they own a partition. A session's lock keeps usher's own allocators apart; where
# it does not (a failover, say), epochs must.

@fault(weight=2)
def partition_stolen(venue, odds):
    """Somebody else claims it in Postgres, takes it in Redis, and is never heard of again."""
    partition = odds.choice(PARTITIONS)
    epoch = steal(venue, partition)
    if epoch is not None:
        tell_redis(venue, "HSET", Keys(partition).state, "epoch", str(epoch), of=partition)


@fault(weight=2)
def partition_stolen_between_claim_and_take(venue, odds):
    steal(venue, odds.choice(PARTITIONS))


def steal(venue, partition):
    rows = venue.query("SELECT epoch FROM claim_partition(%s, 'thief', 0)", partition)
    return rows[0][0] if rows else None


# A commit, and a decision, on their way.

def is_commit(data):
    """The Bind of the statement "commit" on its unnamed portal."""
    return b"\0commit\0" in data


def is_decide(data):
    """The decision script with at least one request: it names where its answer would lie."""
    script = data[data.rindex(b"EVALSHA"):] if b"EVALSHA" in data else b""
    return b"}:answers:" in script or b"}:reply:" in script


@fault(lasting=(0.5, 0.5), weight=2)
def commit_lost_on_its_way(venue, odds):
    trap_commits(venue, "cut", odds.randint(1, 3))


@fault(lasting=(0.5, 0.5), weight=3)
def commit_answer_lost(venue, odds):
    trap_commits(venue, "cut_after", odds.randint(1, 3))


def trap_commits(venue, verdict, times):
    for _ in range(times):
        venue.traps["allocator-postgres"].arm(is_commit, verdict, 1.5)


@fault(lasting=(1.0, 1.5), weight=3)
def commit_late_after_the_next_claim(venue, odds):
    """Postgres hears of the commit when somebody else has claimed the partition already."""
    claims = EpochWatch(venue)
    venue.links["allocator-postgres"].late_until = claims.has_moved
    venue.traps["allocator-postgres"].arm(claims.fits(is_commit), "late", 1.5)


@fault(lasting=(1.0, 1.5), weight=3)
def decision_late_after_the_next_take(venue, odds):
    """Redis hears of a decision when the next owner has taken the partition already."""
    takes = TakeWatch(venue)
    venue.links["allocator-redis"].late_until = takes.has_moved
    venue.traps["allocator-redis"].arm(takes.fits(is_decide), "late", 1.5)


class Watch:
    """Looks how far the epochs are when a trap springs, and whether they have moved since."""

    def __init__(self, venue):
        self.venue = venue
        self.before = None

    def fits(self, predicate):
        def springs(data):
            if not predicate(data):
                return False
            self.before = self.epochs()
            return self.before is not None
        return springs

    def has_moved(self):
        seen = self.epochs()
        return seen is not None and seen != self.before


class EpochWatch(Watch):
    """In Postgres, over a connection of its own."""

    connection = None

    def epochs(self):
        try:
            if self.connection is None:
                self.connection = self.venue.connect()
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT partition, epoch FROM partitions ORDER BY 1")
                return cursor.fetchall()
        except Exception:  # Postgres is away: nothing to be late for
            self.connection = None
            return None


class TakeWatch(Watch):
    """In Redis."""

    client = None

    def epochs(self):
        try:
            if self.client is None:
                self.client = self.venue.redis_of(PARTITIONS[0])
            return [self.client.hget(Keys(p).state, "epoch") for p in PARTITIONS]
        except redis.exceptions.RedisError:
            return None


# The network: every link can be slow, cut, or half open.

def network(name):
    """Three rows for a link. (venue.py names the links.)"""
    @fault(lasting=(0.2, 1.2))
    def cut(venue, _odds):
        venue.links[name].cut()
        return venue.links[name].restore

    @fault(lasting=(0.5, 2.5))
    def half_open(venue, _odds):
        link = venue.links[name]
        link.freeze()

        def end():
            link.cut_once()
            link.thaw()
        return end

    @fault(lasting=(0.3, 1.5))
    def slow(venue, odds):
        link = venue.links[name]
        link.delay(odds.uniform(0.005, 0.1))
        return lambda: link.delay(0)

    for how in (cut, half_open, slow):
        row = ROWS.pop(how.__name__)
        title = f"{name.replace('-', '_')}_{how.__name__}"
        ROWS[title] = Row(title, row.lasting, row.weight, row.needs, row.loses_stream, row.act)


for link_name in ("allocator-redis", "allocator-postgres", "gateway-redis", "gateway-postgres",
                  "courier-redis", "courier-postgres"):
    network(link_name)


# Clocks: a jump ahead and, when the fault ends, the jump back (or the other way round).

CLOCK_JUMP_SECONDS = 3.0


@fault(lasting=(1.5, 4.0), needs="clock")
def allocator_clock_jumps(venue, odds):
    return clock_jump(venue, odds, odds.choice(venue.allocators))


@fault(lasting=(1.5, 4.0), needs="clock")
def allocator_clocks_all_jump(venue, odds):
    undo = [clock_jump(venue, odds, allocator) for allocator in venue.allocators]
    return lambda: [back() for back in undo]


@fault(lasting=(1.5, 4.0), needs="clock")
def gateway_clock_jumps(venue, odds):
    return clock_jump(venue, odds, odds.choice(venue.gateways))


def clock_jump(venue, odds, process):
    venue.set_clock(process, odds.choice([-1, 1]) * odds.uniform(0.5, CLOCK_JUMP_SECONDS))
    return lambda: venue.set_clock(process, 0)


# Bounds of the machine.

@fault(lasting=(0.5, 2.0), needs="disk")
def redis_disk_full(venue, _odds):
    return fill(venue, "redis")


@fault(lasting=(0.5, 2.0), needs="disk")
def postgres_disk_full(venue, _odds):
    """Its data and its write-ahead log."""
    undo = fill(venue, "postgres")
    venue.let_rest(venue.postgres.process, 0.5)
    return undo


def fill(venue, name):
    """The rest of a small disk is taken by somebody else."""
    ballast = venue.disks[name] / "ballast"
    disk = os.statvfs(venue.disks[name])
    with open(ballast, "wb") as file:
        for share in (1.0, 0.995, 0.98):  # the others write meanwhile
            try:
                os.posix_fallocate(file.fileno(), 0, int(disk.f_bavail * disk.f_frsize * share))
                break
            except OSError:
                pass
    return lambda: ballast.unlink(missing_ok=True)


@fault(lasting=(0.5, 2.0))
def gateway_out_of_descriptors(venue, odds):
    gateway = odds.choice(venue.gateways)
    if not gateway.alive():
        return None
    used = len(os.listdir(f"/proc/{gateway.pid}/fd"))
    return limited(gateway, resource.RLIMIT_NOFILE, used + odds.randint(0, 3))


@fault(lasting=(0.5, 1.5))
def allocator_out_of_descriptors(venue, odds):
    allocator = venue.owner(odds.choice(PARTITIONS))
    if allocator is None:
        return None
    used = len(os.listdir(f"/proc/{allocator.pid}/fd"))
    return limited(allocator, resource.RLIMIT_NOFILE, used)


@fault(lasting=(0.5, 1.5))
def allocator_out_of_memory(venue, odds):
    allocator = venue.owner(odds.choice(PARTITIONS))
    if allocator is None or not allocator.alive():
        return None
    venue.expect(allocator)  # it may say so and end: nothing is half-done by that
    pages = int(Path(f"/proc/{allocator.pid}/statm").read_text().split()[0])
    return limited(allocator, resource.RLIMIT_AS,
                   pages * resource.getpagesize() + odds.randint(0, 1 << 20))


def limited(process, what, soft):
    """A lower soft limit for a while. Whoever was started anew meanwhile has none."""
    pid = process.pid
    try:
        before = resource.prlimit(pid, what)
        resource.prlimit(pid, what, (soft, before[1]))
    except (ProcessLookupError, OSError):
        return None

    def lift():
        if process.alive() and process.pid == pid:
            resource.prlimit(pid, what, before)
    return lift
