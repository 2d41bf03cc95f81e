"""usherctl: what it does, what it says, and how it refuses."""

import json
import shutil

import pytest

from harness.process import REPOSITORY, build_folder
from harness.programs import run_program
from harness.stream import Stream
from harness.words import BOOK, GRANTED, SALE_CLOSED, SALE_NOT_OPEN

TIER = ["--tier", "GA:500:10"]


@pytest.fixture
def empty(cluster, request):
    """A database in which nothing was ever migrated."""
    name = "empty_" + request.node.name[:40]
    cluster.run("postgres", f'CREATE DATABASE "{name}"')
    yield name
    cluster.run("postgres", f'DROP DATABASE "{name}" WITH (FORCE)')


def migrate(cluster, database):
    return run_program("usherctl", "migrate", env={"USHER_POSTGRES": cluster.url(database)})


def test_migrate_twice_and_at_once(cluster, empty):
    first = migrate(cluster, empty)
    assert first.code == 0 and "applied 0001_core" in first.out
    again = migrate(cluster, empty)
    assert again.code == 0 and "applied" not in again.out
    rows = cluster.run(empty, "SELECT version, name, length(sha256) FROM schema_migrations "
                              "ORDER BY version")
    numbers = sorted(int(path.name[:4]) for path in (REPOSITORY / "sql").glob("*.sql"))
    assert rows[0] == (1, "core", 64) and [row[0] for row in rows] == numbers


def test_migrate_refuses_what_was_changed(cluster, empty):
    migrate(cluster, empty)
    cluster.run(empty, "UPDATE schema_migrations SET sha256 = 'other' WHERE version = 2")
    result = migrate(cluster, empty)
    assert result.code == 1 and "0002_commit was changed after it was applied" in result.err


def test_migrate_refuses_a_newer_database(cluster, empty):
    migrate(cluster, empty)
    cluster.run(empty, "INSERT INTO schema_migrations VALUES (999, 'future', 'x')")
    result = migrate(cluster, empty)
    assert result.code == 1 and "newer than this program" in result.err
    assert result.err.count("\n") == 1


def test_migrate_waits_for_another_but_not_for_ever(cluster, empty):
    connection = cluster.connect(empty)
    connection.cursor().execute("SELECT pg_advisory_lock(8463219673215)")
    result = run_program("usherctl", "--timeout-ms=1000", "migrate",
                         env={"USHER_POSTGRES": cluster.url(empty)})
    connection.close()
    assert result.code == 1 and "another migration" in result.err
    assert cluster.run(empty, "SELECT to_regclass('shows')") == [(None,)]


def test_show_create_writes_what_it_was_told(world):
    result = world.ctl("show", "create", "--slug", "gig", "--name", "Größe", "--number", 7,
                       "--category", "movie", "--partition", 3, "--max-per-user", 4,
                       "--max-per-booking", 2, "--hold-seconds", 60, "--starts-at",
                       "2030-01-01T20:00:00+02:00", "--opens-at=2029-01-01T00:00:00Z",
                       "--closes-at", "2029-12-31T00:00:00Z", "--currency", "EUR", "--draft",
                       "--tier", "VIP:10000:5", "--tier", "Stehplatz 2:0:100")
    assert result.code == 0 and "number 7" in result.out, result
    show = world.rows("SELECT * FROM shows")[0]
    assert (show["slug"], show["name"], show["category"]) == ("gig", "Größe", "movie")
    assert (show["partition"], show["state"], show["currency"]) == (3, "draft", "EUR")
    assert (show["max_per_user"], show["max_per_booking"]) == (4, 2)
    assert (show["hold_ms"], show["hold_ms_max"]) == (60000, 120000)
    assert show["starts_at"].timestamp() == 1893520800
    tiers = world.rows("SELECT code, price, capacity, available FROM tiers ORDER BY tier")
    assert [tuple(row.values()) for row in tiers] == [("VIP", 10000, 5, 5),
                                                       ("Stehplatz 2", 0, 100, 100)]
    assert "gig" in world.ctl("show", "list").out
    assert world.ctl("show", "create", "--slug", "next", *TIER).out.startswith("show next: number 8")


WRONG = [
    ["--slug", "Upper", *TIER],
    ["--slug", "a", "--tier", "GA:500"],
    ["--slug", "a", "--tier", "GA:-5:10"],
    ["--slug", "a", "--tier", "GA:1.5:10"],
    ["--slug", "a", "--tier", "GA:500:99999999999"],
    ["--slug", "a", "--tier", "/:500:1"],
    ["--slug", "a", *TIER, *TIER],
    ["--slug", "a"],
    [*TIER],
    ["--slug", "a", *TIER, "--max-per-user", "0"],
    ["--slug", "a", *TIER, "--max-per-booking", "1001"],
    ["--slug", "a", *TIER, "--starts-at", "2030-02-30T00:00:00Z"],
    ["--slug", "a", *TIER, "--starts-at", "tomorrow"],
    ["--slug", "a", *TIER, "--opens-at", "2030-01-02T00:00:00Z", "--closes-at",
     "2030-01-01T00:00:00Z"],
    ["--slug", "a", *TIER, "--ends-at", "tomorrow"],
    ["--slug", "a", *TIER, "--starts-at", "2030-01-02T00:00:00Z", "--ends-at",
     "2030-01-02T00:00:00Z"],
    ["--slug", "a", *TIER, "--series", "No Slug"],
    ["--slug", "a", *TIER, "--currency", "usd"],
    ["--slug", "a", *TIER, "--name", "line\nbreak"],
    ["--slug", "a", *TIER, "--colour", "red"],
    ["--slug", "a", *TIER, "extra"],
    ["--slug", "a", *TIER, "--number"],
    ["--file", "x.json", *TIER],
]


def test_show_create_refuses_what_is_wrong(world):
    for words in WRONG:
        result = world.ctl("show", "create", *words)
        assert result.code == 2 and result.err.count("\n") == 1 and not result.out, (words, result)
    world.show("taken", {"GA": (1, 1)}, number=1)
    for words in (["--slug", "taken", *TIER], ["--slug", "b", "--number", "1", *TIER]):
        result = world.ctl("show", "create", *words)
        assert result.code == 1 and result.err.count("\n") == 1, (words, result)
    assert world.value("SELECT count(*) FROM shows") == 1


def test_show_create_from_a_file_is_all_or_nothing(world, tmp_path):
    def create(shows, *words):
        (tmp_path / "shows.json").write_text(shows if isinstance(shows, str) else json.dumps(shows))
        return world.ctl("show", "create", "--file", tmp_path / "shows.json", *words)

    tiers = [{"code": "GA", "price": 100, "capacity": 5}]
    good = {"slug": "a", "tiers": tiers, "draft": True, "max_per_user": 2}
    for bad in ({"slug": "b"}, {"slug": "b", "tiers": tiers, "max_per_usr": 1}, 7, "text",
                {"slug": "b", "tiers": [{"code": "GA", "price": 1.5, "capacity": 5}]},
                {"slug": "b", "tiers": tiers, "draft": "yes"},
                {"slug": "b", "tiers": tiers, "number": 0}):
        result = create([good, bad])
        assert result.code == 2 and "show 2" in result.err, result
    assert create("{").code == 2
    assert create([good, good]).code == 1   # the database refuses the second: none is there
    assert world.value("SELECT count(*) FROM shows") == 0
    assert create(good).code == 0
    assert create([good, dict(good, slug="c")]).code == 1
    assert create([good, dict(good, slug="c")], "--if-absent").code == 0
    assert create([good, dict(good, slug="c")], "--if-absent").code == 0
    assert [row["slug"] for row in world.rows("SELECT slug FROM shows ORDER BY show")] == ["a", "c"]


def test_open_and_close_take_their_turn_in_the_stream(world):
    world.show("gig", {"GA": (500, 10)}, number=1, draft=True)
    world.start()
    stream = Stream(world.redis_client())
    assert stream.ask(BOOK, user="ann").code == SALE_NOT_OPEN
    result = world.ctl("show", "open", "gig")
    assert result.code == 0 and "open" in result.out, result
    assert stream.ask(BOOK, user="ann").code == GRANTED
    assert world.ctl("show", "close", "1").code == 0
    assert stream.ask(BOOK, user="bob").code == SALE_CLOSED
    assert world.ctl("show", "open", "none").code == 1
    world.judge()


def test_a_draft_is_not_open(world):
    world.show("gig", {"GA": (500, 10)}, number=1, draft=True)
    world.start(gateways=0)
    world.wait_owner()
    assert Stream(world.redis_client()).ask(BOOK, user="ann").code == SALE_NOT_OPEN
    world.judge()


def test_partition_add(world):
    assert world.ctl("partition", "add", 9).code == 0
    assert "already" in world.ctl("partition", "add", 9).out
    for word in ("0", "-1", "x", "99999999999"):
        assert world.ctl("partition", "add", word).code == 2
    assert world.value("SELECT count(*) FROM partitions WHERE partition = 9") == 1


def test_status_shows_owner_backlog_and_gateways(world):
    world.show("gig", {"GA": (500, 10)}, number=1)
    assert world.ctl("partition", "add", 2).code == 0
    world.start_redis()
    before = json.loads(world.ctl("status", "--json").out)
    assert before["partitions"][0] == {
        "partition": 1, "database": "", "owner": "", "epoch": 0, "version": 0, "cursor": "0-0",
        "heartbeat_age_ms": None, "state": "no report", "stream": False, "backlog": 0,
        "oldest_ms": None, "rate": None}
    world.start_allocator(partition=1)
    owner = world.wait_owner()
    stream = Stream(world.redis_client())
    stream.ask(BOOK, user="ann")
    listener = world.redis_client().pubsub()
    listener.subscribe("usher:replies:some-gateway")
    listener.get_message(timeout=5)
    status = json.loads(world.ctl("status", "--json").out)
    one, two = status["partitions"]
    assert one["owner"] == owner.name and one["epoch"] == 1 and one["version"] == 1
    assert one["state"] == "serving" and one["backlog"] == 0 and one["heartbeat_age_ms"] < 5000
    assert two["owner"] == "" and status["gateways"] == ["some-gateway"] and status["redis"] == "ok"
    listener.close()
    owner.kill9()
    stream.append(stream.request(BOOK, user="bob"))
    behind = json.loads(world.ctl("status", "--json").out)["partitions"][0]
    assert behind["backlog"] >= 1 and 0 <= behind["oldest_ms"] < 30000
    text = world.ctl("status").out
    assert "allocator" in text and "gateways: 0" in text


def test_servers_that_are_away(world):
    result = run_program("usherctl", "--postgres=host=/nowhere", "migrate")
    assert result.code == 1 and result.err.count("\n") == 1
    status = world.ctl("status")
    assert status.code == 1 and "Redis: " in status.out
    assert world.ctl("verify").code == 3
    assert run_program("usherctl", "--postgres=no string", "migrate").code == 2
    assert run_program("usherctl", "--redis=http://x", "status").code == 2


def test_help_lists_every_command_where_it_belongs():
    named = run_program("usherctl", "which").err.partition("give one of: ")[2].strip().split(", ")
    lines = run_program("usherctl", "--help").out.partition("Commands:\n")[2].partition("\nusherctl")[0].split("\n")
    listed = []
    for line in lines:
        first, _, seconds = line.strip().partition(" ")
        listed += [f"{first} {second}" for second in seconds.split("|")] if seconds else [first]
    assert listed == named and len(named) > 30
    assert len(lines) == len({name.split()[0] for name in named}), "what begins alike stands together"


def test_help_and_unknown_commands():
    for words in (["--help"], ["migrate", "--help"], ["show", "create", "--help"],
                  ["show", "list", "--help"], ["show", "open", "--help"], ["status", "--help"],
                  ["series", "create", "--help"], ["partition", "add", "--help"], ["verify", "--help"]):
        result = run_program("usherctl", *words)
        assert result.code == 0 and result.out.startswith("usage: usherctl"), (words, result)
    for words in ([], ["shows"], ["show"], ["show", "sell"], ["migrate", "now"]):
        result = run_program("usherctl", *words)
        assert result.code == 2 and result.err.count("\n") == 1, (words, result)


def test_the_program_carries_its_migrations(tmp_path, cluster, empty):
    """It works from anywhere: nothing of the checkout is needed."""
    shutil.copy(build_folder() / "usherctl", tmp_path / "usherctl")
    assert migrate(cluster, empty).code == 0
