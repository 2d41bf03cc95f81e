"""Redis: each program logs in as a user of its own, which may do what its code does and no more.

Every world of these tests runs its programs as those users, and fails if Redis refused one of them
anything (harness/redis_users.py); here it is what an installation has, where nobody else may in.
"""

import json
import re
import stat
import time

import psycopg2
import pytest
import redis

from harness import draw
from harness.process import REPOSITORY, wait_until
from harness.provider import WEBHOOK_SECRET
from harness.redis_cluster import RedisCluster
from harness.redis_replicas import RedisReplicas
from harness.redis_server import Redis
from harness.redis_users import PROGRAMS
from harness.room import FAST, joined, keys_of, room, wait_state
from harness.words import Keys
from test_admin import HASHES, Operator
from test_backup import shell

# What each program is made of. base/keys.c makes one command, of those that look for answers, and
# base/program_report.c those by which programs tell how they are.
REPORTS = "base/program_report.c"
SOURCES = {"gateway": ["gateway/*.c", "base/keys.c", REPORTS],
           "allocator": ["allocator/*.c", "base/keys.c"],
           "courier": ["courier/*.c", REPORTS], "ctl": ["ctl/*.c"]}
SCRIPTS_OF_GATEWAYS = {"limits", "room_join", "room_come", "seatmap"}
# Words that are commands of Redis too, and are none where they stand.
NO_COMMANDS = {"gateway": {"wait"}, "allocator": {"readonly"}, "courier": {"publish"}, "ctl": {"time", "type"}}
ROLES = ("gateway", "allocator", "courier")
FREE = {"auth", "hello", "quit", "reset"}  # of whoever is not logged in


@pytest.fixture(scope="module")
def server(session_folder):
    """As installed, with a little in it."""
    started = Redis(session_folder, name="privileges", strict=True, options=[
        "--enable-debug-command", "yes", "--enable-module-command", "yes"]).start()
    client = started.client()
    client.hset(Keys(1).state, "epoch", 1)
    client.xadd(Keys(1).requests, {"b": "x"})
    client.set("other", "x")
    yield started
    assert client.hgetall(Keys(1).state) == {b"epoch": b"1"} and client.get("other") == b"x"
    client.close()
    started.stop()


def as_user(server, name):
    return redis.Redis(port=server.port, username=f"usher_{name}",
                       password=server.users.password[name], socket_timeout=10)


# The lists.

def granted():
    """{"gateway": {"ping", "script|load", …}, …} as ops/redis.acl says."""
    users, name = {}, None
    for line in (REPOSITORY / "ops/redis.acl").read_text().splitlines():
        if line.startswith("user "):
            name = line.split()[1].removeprefix("usher_")
        if not line.startswith("#") and name is not None:
            users.setdefault(name, set()).update(re.findall(r"\+([a-z@|]+)", line))
    return users


def words_of(patterns, regex):
    return {word.lower() for pattern in patterns for path in REPOSITORY.glob(pattern)
            for word in re.findall(regex, path.read_text())}


def needed(program, commands):
    """The commands that stand in a program's sources and in those of its scripts."""
    found = words_of(SOURCES[program], r'"([A-Z]{3,})(?: %[sb])*"')
    if program != "gateway":
        found |= words_of(["link/redis.c"], r'SPAN\("([A-Z]{3,})"\)')
        if not words_of(SOURCES[program], r"(redis_load_script)\("):
            found.discard("script")
    scripts = {path.stem for path in REPOSITORY.glob("lua/*.lua")}
    assert SCRIPTS_OF_GATEWAYS <= scripts
    scripts = {"gateway": SCRIPTS_OF_GATEWAYS, "allocator": scripts - SCRIPTS_OF_GATEWAYS}
    found |= words_of([f"lua/{name}.lua" for name in scripts.get(program, ())], r"'([A-Z]{3,})'")
    return (found & commands) - NO_COMMANDS[program] - FREE


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_user_has_the_commands_of_its_code_and_no_others(server, program):
    client = server.client()
    commands = {name.decode().lower() for name in client.execute_command("COMMAND LIST")}
    containers = {name.split("|")[0] for name in commands if "|" in name}
    assert not granted()[program] & containers, "subcommands are granted one by one"
    assert {name.split("|")[0] for name in granted()[program]} == needed(program, commands)


@pytest.mark.parametrize("program", PROGRAMS)
def test_of_all_commands_that_redis_has_each_user_may_those(server, program):
    client = server.client()
    commands = {name.decode() for name in client.execute_command("COMMAND LIST")}
    may = set()
    for name in commands - {name.split("|")[0] for name in commands if "|" in name}:
        words = name.split("|")
        arity = client.execute_command("COMMAND INFO", name)[0][1]
        filler = ["1"] * (abs(arity) - len(words))
        said = client.execute_command("ACL", "DRYRUN", f"usher_{program}", *words, *filler)
        if b"to run the" not in said:  # at most, a key or channel is refused
            may.add(name)
    assert may - FREE == granted()[program]


# Refusals. What a program may name and what it may not, as they lie in Redis.

P1 = Keys(1)
KEY = {"state": P1.state, "requests": P1.requests, "status": P1.status, "other": "other",
       "answers": "usher:{1}:answers:7", "reply": "usher:{1}:reply:x", "queued": "usher:{1}:queued:x",
       "availability": "usher:{1}:availability:1", "generations": "usher:{1}:generations",
       "news": "usher:{1}:queue-news:1", "room": "usher:{1}:room:1", "came": "usher:{1}:room-came:1",
       "users": "usher:{1}:room-users:1", "limit": "usher:{1}:limit:u:01", "elsewhere": "usher:{2}:limit:u:01",
       "show": "usher:{1}:3:show:1", "bookings": "usher:{1}:3:bookings:1", "seats": "usher:{1}:3:seats:1",
       "admitted": "usher:{1}:3:admitted:1", "courier": "usher:{1}:report:courier:x",
       "couriers": "usher:{1}:reports:courier", "gateways": "usher:{1}:reports:gateway",
       "gateway": "usher:{1}:report:gateway:x"}

NOBODY = [
    "FLUSHALL", "FLUSHDB", "KEYS *", "SCAN 0", "RANDOMKEY", "DBSIZE", "CONFIG GET *",
    "CONFIG SET requirepass x", "CONFIG REWRITE", "DEBUG SLEEP 0", "SHUTDOWN NOSAVE", "SCRIPT FLUSH",
    "SCRIPT KILL", "SCRIPT EXISTS x", "ACL LIST", "ACL SETUSER x on", "ACL WHOAMI", "ACL GENPASS",
    "MODULE LIST", "MODULE LOAD x", "REPLICAOF NO ONE", "SLAVEOF NO ONE", "FAILOVER", "PSYNC ? -1",
    "SYNC", "REPLCONF x y", "SAVE", "BGSAVE", "BGREWRITEAOF", "LASTSAVE", "MONITOR", "CLIENT KILL x:1",
    "CLIENT LIST", "CLIENT PAUSE 1", "CLIENT NO-EVICT on", "FUNCTION LIST", "FUNCTION FLUSH",
    "FUNCTION LOAD x", "FCALL x 0", "SLOWLOG GET", "LATENCY RESET", "MEMORY STATS", "SWAPDB 0 1",
    "CLUSTER RESET", "CLUSTER NODES", "PSUBSCRIBE *", "SUBSCRIBE other", "PUBLISH other x",
    "SSUBSCRIBE usher:shows", "PUBSUB NUMPAT", "GET {other}", "SET {other} x", "DEL {other}",
    "UNLINK {other}", "RENAME {other} {state}", "COPY {other} {state}", "SORT {requests}",
    "DUMP {state}", "RESTORE {state} 0 x", "MIGRATE h 1 {state} 0 1", "OBJECT ENCODING {state}",
    "EXPIRE {other} 1", "PERSIST {other}", "MOVE {state} 1", "GETDEL {other}", "WATCH {state}"]
READS = {"get": "GET {}", "hgetall": "HGETALL {}", "hget": "HGET {} x", "mget": "MGET {}",
         "xrange": "XRANGE {} - +", "getbit": "GETBIT {} 1", "smembers": "SMEMBERS {}",
         "xread": "XREAD STREAMS {} 0"}
WRITES = {"set": "SET {} x", "hset": "HSET {} x y", "del": "DEL {}", "unlink": "UNLINK {}",
          "xadd": "XADD {} * b x", "xtrim": "XTRIM {} MAXLEN 0", "xdel": "XDEL {} 1-1",
          "setbit": "SETBIT {} 1 1", "incr": "INCR {}", "sadd": "SADD {} x", "expire": "EXPIRE {} 1",
          "hincrby": "HINCRBY {} x 1", "rpush": "RPUSH {} x", "setrange": "SETRANGE {} 0 x"}
# Keys whose every write, and every read, is another program's business; then single commands.
BUSINESS = {
    "gateway": {
        "writes": ["state", "status", "answers", "reply", "availability", "generations", "news", "show",
                   "bookings", "seats", "admitted", "elsewhere", "courier"],
        "reads": ["requests", "generations", "show", "bookings", "elsewhere"],
        "words": ["XTRIM {requests} MAXLEN 0", "XDEL {requests} 1-1", "DEL {requests}",
                  "SET {requests} x", "XADD {state} * b x", "HSET {room} serving 9",
                  "SETBIT {room} 1 1", "SET {room} x", "DEL {room}", "DEL {users}", "HGETALL {users}",
                  "SET {came} x", "INCR {queued}", "DEL {limit}", "HSET {limit} a b",
                  "PUBLISH usher:replies:g x", "PUBLISH usher:show:1 x", "MULTI", "SUBSCRIBE usher:other",
                  "EVAL_RO x 0", "XREADGROUP GROUP g c STREAMS {requests} >"]},
    "allocator": {
        "writes": ["limit", "queued", "elsewhere", "courier", "couriers", "gateway"],
        "reads": ["limit", "queued", "courier", "couriers"],
        "words": ["SUBSCRIBE usher:replies:g", "SUBSCRIBE usher:shows", "PUBLISH usher:shows x", "EVAL x 0",
                  "XGROUP SETID {requests} g 0", "XINFO GROUPS {requests}", "RENAME {state} {status}",
                  "PEXPIRE {state} 1", "INCR {availability}", "TIME"]},
    "courier": {
        "writes": ["state", "answers", "reply", "availability", "show", "bookings", "seats", "limit", "room",
                   "came", "users", "queued", "status", "generations", "gateway", "gateways"],
        "reads": ["state", "requests", "answers", "reply", "bookings", "limit", "room", "users", "status",
                  "courier", "couriers", "gateway"],
        "words": ["XTRIM {requests} MAXLEN 0", "XDEL {requests} 1-1", "DEL {requests}", "SET {requests} x",
                  "XLEN {requests}", "EVAL x 0", "EVALSHA x 0", "SCRIPT LOAD x", "PUBLISH usher:replies:g x",
                  "SUBSCRIBE usher:replies:g", "MULTI"]},
    "ctl": {
        "writes": list(KEY), "reads": ["limit", "users", "answers", "reply", "queued"],
        "words": ["EVAL x 0", "EVALSHA x 0", "EVAL_RO x 0", "SCRIPT LOAD x", "PUBLISH usher:replies:g x",
                  "SUBSCRIBE usher:replies:g", "MULTI", "XGROUP CREATE {requests} g 0", "PUBSUB NUMSUB x"]},
}


def refusals(program):
    business = BUSINESS[program]
    yield from (word.format(**KEY) for word in NOBODY + business["words"])
    yield from (word.format(KEY[key]) for key in business["writes"] for word in WRITES.values())
    yield from (word.format(KEY[key]) for key in business["reads"] for word in READS.values())


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_not_a_programs_business_is_refused(server, program):
    client = as_user(server, program)
    assert client.ping()
    asked = set(refusals(program))
    for words in sorted(asked):
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*words.split())
            pytest.fail(f"{program} may {words}")
    assert len(asked) > 150


SCRIPTS = [("gateway", "return redis.call('HSET', KEYS[1], 'epoch', 9)", "state"),
           ("gateway", "return redis.call('SET', KEYS[1], 'x')", "requests"),
           ("gateway", "return redis.call('HGETALL', KEYS[1])", "bookings"),
           ("gateway", "redis.call('FLUSHALL') return KEYS[1]", "limit"),
           ("gateway", "return redis.call('PUBLISH', 'usher:show:1', KEYS[1])", "limit"),
           ("allocator", "return redis.call('SET', KEYS[1], 'x')", "limit"),
           ("allocator", "redis.call('FLUSHDB') return KEYS[1]", "state"),
           ("allocator", "return redis.call('GET', KEYS[1])", "other")]


@pytest.mark.parametrize("program, script, key", SCRIPTS)
def test_a_script_may_no_more_than_who_sends_it(server, program, script, key):
    client = as_user(server, program)
    sha = client.script_load(script)
    with pytest.raises(redis.exceptions.RedisError) as refused:
        client.evalsha(sha, 1, KEY[key])
    assert re.search("can't run this command|can't access|can't publish|permission", str(refused.value)), refused.value


def test_nobody_else_is_let_in(server):
    for login in ({}, {"password": "x"}, {"username": "usher_ops", "password": "x"},
                  {"username": "default", "password": server.users.password["ops"]},
                  {"username": "usher_ctl", "password": server.users.password["ops"]}):
        with pytest.raises(redis.exceptions.RedisError):
            redis.Redis(port=server.port, **login).ping()


def test_passwords_do_not_stand_in_the_file(server):
    text = server.users.file.read_text()
    assert not [name for name, password in server.users.password.items() if password in text]
    assert "nopass" not in text and text.count(" on #") == len(server.users.password)


def test_those_who_replicate_and_watch_read_no_key(server):
    for name in ("replica", "sentinel"):
        client = as_user(server, name)
        for words in ("GET other", "SET other x", "HGETALL " + P1.state, "FLUSHALL", "KEYS *",
                      "EVAL x 0", "CONFIG GET *", "ACL LIST", "SHUTDOWN", "PUBLISH usher:show:1 x"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*words.split())


def test_the_page_says_how_to_make_them(world, tmp_path):
    """The commands of docs/OPERATE.md make users and roles that the programs can be started with."""
    world.start_redis()
    shell("users", tmp_path)
    made = []
    for _ in range(2):  # again, as after a restore
        shell("roles", tmp_path, USHER_PG=world.cluster.url(world.database))
        made.append([(tmp_path / f"postgres-{name}").read_text() for name in ROLES])
    assert made[0] == made[1]
    world.redis.users.file.write_text((tmp_path / "users.acl").read_text())
    world.redis_client().acl_load()
    def password(name):
        return (tmp_path / name).read_text().strip()
    def login(name):
        return redis.Redis(port=world.redis.port, username=f"usher_{name}",
                           password=password(f"redis-{name}"))
    assert all(login(name).ping() for name in (*PROGRAMS, "ops"))
    for name in ROLES:
        assert stat.S_IMODE((tmp_path / f"postgres-{name}").stat().st_mode) == 0o600
        connection = world.cluster.connect(world.database, name)
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("CREATE TEMPORARY TABLE x ()")
        connection.close()
    login("ops").execute_command("ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all")
    for statement in ("DROP OWNED BY gateway, allocator, courier",
                      "DROP ROLE gateway, allocator, courier"):
        world.cluster.run(world.database, statement)


# A life, as installed.

def test_a_whole_life(world):
    """Everything that programs do with Redis. What was refused fails it when the world ends."""
    world.show("gala", {"GA": (1000, 4), "VIP": (5000, 6)}, max_per_user=4, max_per_booking=4,
               hold_seconds=2)
    world.show("fest", {"GA": (1000, 6)})
    seats = world.folder / "map.json"
    seats.write_text(json.dumps([{"tier": "Stalls", "row": "A", "number": 1, "count": 9}]))
    assert world.ctl("show", "create", "--slug", "hall", "--map", seats, "--tier",
                     "Stalls:4500").code == 0
    assert world.ctl("partition", "add", 2).code == 0
    world.start_provider()
    world.start(allocators=3, gateways=0, strict=True)
    world.start_gateway(ticket_keys=keys_of(world, draw.KEYS_FILE), admin_token_hashes=HASHES,
                        payment_webhook_secret=WEBHOOK_SECRET, limit_user="1000/60",
                        limit_address="1000/60", limit_show="1000/60", limit_cancellations="100/60",
                        limit_users_of_address="100/60")
    world.start_courier()
    for partition in (1, 2):
        world.wait_owner(partition)
    client = world.client()
    operator = Operator(client)

    buy(client)
    stand_in_line(world, client)
    pay(world, client)
    move(world, client, operator)
    world.redis.client().flushall()
    after_the_flood(world, client)
    assert world.ctl("status").code == 0
    world.judge()


def buy(client):
    assert client.book("gala", "ann", "GA", 2).status == 201
    assert client.hold("gala", "hal", "GA", 1).status == 201  # it expires
    seats = client.post("/v1/shows/hall/bookings", {"user": "cleo", "seats": ["A-1", "A-2"]})
    assert seats.status == 201, seats
    taken = client.post("/v1/shows/hall/bookings", {"user": "dan", "seats": ["A-2"]}, key="k1")
    assert taken.status == 409
    assert client.post("/v1/shows/hall/bookings", {"user": "dan", "seats": ["A-2"]},
                       key="k1").status == 409
    assert client.get("/v1/shows/hall/seats").status == 200
    late = client.post("/v1/shows/gala/bookings", {"user": "eve", "tier": "VIP", "quantity": 1},
                       prefer="respond-async")
    assert late.status == 202
    wait_until("the answer", lambda: client.get(
        late.header("Location")).json.get("status") == "CONFIRMED")
    keyed = client.post("/v1/shows/gala/bookings", {"user": "eve", "tier": "VIP", "quantity": 1},
                        key="k2", prefer="respond-async")
    wait_until("the keyed answer", lambda: client.get(
        keyed.header("Location")).json.get("status") == "CONFIRMED")
    assert client.post(f"/v1/bookings/{late.header('Location').rsplit('/', 1)[1]}/cancel",
                       {"user": "eve"}).status == 200


def stand_in_line(world, client):
    # The waiting list: somebody gives back what another waits for.
    rest = client.book("gala", "tom", "GA", 1)
    if rest.status == 409:  # hal's hold is not over yet
        rest = wait_until("a place", lambda: (a := client.book("gala", "tom", "GA", 1)).status == 201 and a)
    last = client.book("gala", "tim", "GA", 1)
    waiting = client.post("/v1/shows/gala/waitlist", {"user": "wim", "tier": "GA", "quantity": 1})
    assert waiting.status == 201, waiting
    back = rest if last.status != 201 else last
    assert client.post(f"/v1/bookings/{back.json['id']}/cancel",
                       {"user": back.json["user"]}).status == 200
    wait_until("the offer", lambda: client.get(
        f"/v1/waitlist/{waiting.json['id']}").json["status"] != "WAITING")
    # The waiting room, with a stream that hears of it.
    room(world, "--order", "arrival", "--rate", FAST, show="fest")
    mine = joined(client, "ann", show="fest")[0]
    admission = wait_state(client, mine["ticket"], "admitted")["admission"]
    assert client.book("fest", "ann", "GA", admission=admission).status == 201


def pay(world, client):
    held = client.hold("gala", "pat", "VIP", 1)
    assert held.status == 201, held
    paid = client.pay(held.json["id"], "k3", {"method": "pm_card_visa"})
    assert paid.status == 200 and paid.json["status"] == "SUCCEEDED", paid
    wait_until("the outbox to be empty", lambda: world.value("SELECT count(*) FROM outbox") == 0, 15)


def move(world, client, operator):
    assert world.ctl("show", "pause", "gala").code == 0
    assert world.ctl("show", "open", "gala").code == 0
    added = operator.post("/shows/gala/inventory/add", {"tier": "VIP", "quantity": 2})
    assert added.status == 200, added
    assert world.ctl("show", "move", "gala", "--to", 2).code == 0
    assert wait_until("a booking there", lambda: (
        a := client.book("gala", "moe", "VIP", 1)).status == 201 and a)
    assert operator.get("/partitions")


def after_the_flood(world, client):
    booked = wait_until("a booking after it", lambda: (
        a := client.book("gala", "noah", "VIP", 1)).status == 201 and a, 30)
    wait_until("the seats after it", lambda: client.post(
        "/v1/shows/hall/bookings", {"user": "noah", "seats": ["A-5"]}).status == 201, 30)
    wait_until("the room after it", lambda: client.ask(
        "POST", "/v1/shows/fest/queue", {"user": "noah"}).status == 201, 30)
    assert client.get(f"/v1/bookings/{booked.json['id']}").status == 200
    time.sleep(0.6)  # reports are made twice a second


@pytest.fixture
def spread(request, world):
    """Several servers, where nobody is let in without a password either."""
    world.redis = request.param(world.folder, strict=True).start()
    world.show("show", {"VIP": (100, 20_000)})
    for _ in range(2):
        world.start_allocator()
    world.start_gateway()
    world.start_courier()
    world.wait_owner()
    yield world
    world.redis.stop()


@pytest.mark.parametrize("spread", [RedisReplicas, RedisCluster], indirect=True)
def test_a_master_dies(spread):
    """Replicas log in to their master, Sentinel to both, and the programs to who comes after."""
    crowd = spread.crowd("show").start_traffic(8, ["VIP"], seed=1)
    crowd.await_decided(100)
    is_cluster = isinstance(spread.redis, RedisCluster)
    def master():
        return spread.redis.master_of(1) if is_cluster else spread.redis.master()
    first = master()
    first.kill9()
    assert wait_until("another master", master, 60) is not first
    crowd.await_decided(100, seconds=60)
    spread.judge(crowd.finish())
    assert spread.ctl("status").code == 0
