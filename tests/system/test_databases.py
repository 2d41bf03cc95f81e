"""Several databases: each partition's truth lies in one of them, and home says in which."""

import json
import subprocess
import time

import psycopg2
import pytest

from harness.databases import FIRST, LAST, RANGE, Other, add_partition as add
from harness.process import build_folder
from harness.world import ALLOCATOR_USER

@pytest.fixture
def beside(world):
    """Another database in the same cluster: enough for what is said and refused."""
    other = Other(world, world.cluster, world.database + "_b")
    yield other
    other.drop()


def refuses(run, statement, word):
    with pytest.raises(psycopg2.Error) as caught:
        run(statement)
    assert word in str(caught.value), caught.value


# Adding.

def test_a_partition_in_another_database_is_a_row_there_and_a_pointer_here(world, beside):
    assert f"numbers from {FIRST} to {LAST}" in add(world, 7, beside).out
    assert world.rows("SELECT * FROM partitions WHERE partition = 7")[0]["dsn"] == beside.dsn
    assert beside.run("SELECT partition, dsn FROM partitions") == [(7, "")]
    assert "was there already" in add(world, 7, beside).out
    add(world, 8, beside)
    assert beside.run("SELECT partition FROM partitions ORDER BY 1") == [(7,), (8,)]
    assert world.value("SELECT count(*) FROM databases") == 2
    assert world.value("SELECT last_show FROM databases WHERE dsn = ''") == LAST - RANGE


def test_what_died_half_way_is_done_again(world, beside):
    """Every state in which it may have been left leads to the same end."""
    world.value("SELECT name_home()")                                  # after the first step …
    assert beside.value("SELECT count(*) FROM partitions") == 0
    first = world.rows("SELECT * FROM reserve_database(%s)", beside.dsn)[0]  # … the second …
    home = world.value("SELECT id FROM databases WHERE dsn = ''")
    beside.run("SELECT join_home(%s, %s, %s, %s, 7)", home, first["id"], first["first_show"],
               first["last_show"])                                     # … and the third
    verify = world.ctl("verify", "--postgres-only")
    assert verify.code == 0, verify  # nobody knows of that database yet
    add(world, 7, beside)
    again = world.rows("SELECT * FROM databases WHERE dsn <> ''")
    assert again == [first]
    assert world.ctl("verify", "--postgres-only").code == 0


def test_it_may_be_killed_at_any_moment(world, beside):
    command = [build_folder() / "usherctl", "partition", "add", "7", "--dsn", beside.dsn]
    env = {"PATH": "/usr/bin:/bin", "USHER_POSTGRES": world.cluster.url(world.database)}
    for attempt in range(25):
        child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(attempt * 0.002)
        child.kill()
        child.wait()
        verify = world.ctl("verify", "--postgres-only")
        assert verify.code == 0, verify
    add(world, 7, beside)
    assert beside.run("SELECT partition FROM partitions") == [(7,)]
    assert world.rows("SELECT dsn FROM partitions") == [{"dsn": beside.dsn}]
    ours, theirs = world.rows("SELECT * FROM databases ORDER BY dsn")
    assert (ours["last_show"], theirs["first_show"]) == (FIRST - 1, FIRST)
    assert beside.run("SELECT home::text, id::text, first_show FROM databases") == \
        [(str(ours["id"]), str(theirs["id"]), FIRST)]


def test_a_row_without_its_pointer_is_told(world, beside):
    add(world, 7, beside)
    world.value("DELETE FROM partitions WHERE partition = 7 RETURNING 1")
    add(world, 8, beside)
    told = world.ctl("verify", "--postgres-only")
    assert told.code == 1 and "partition 7: it is in" in told.out
    add(world, 7, beside)
    beside.run("DELETE FROM partitions WHERE partition = 8")
    told = world.ctl("verify", "--postgres-only")
    assert told.code == 1 and "partition 8: home says that it is in" in told.out


@pytest.mark.parametrize("dsn, word", [
    ("host=b password=secret", "has a password"),
    ("postgresql://u:secret@b/usher", "has a password"),
    ("postgresql://b/usher?p%61ssword=secret", "has a password"),
    ("host=b sslpassword=x", "has a password"),
    ("", "names no database"),
    ("somewhere", "neither a libpq URL nor"),
    ("hots=b", "neither a libpq URL nor"),
    ("host=b dbname=" + "x" * 1000, "longer than 1000 bytes")])
def test_a_dsn_that_cannot_stand_in_a_row_is_refused(world, dsn, word):
    result = world.ctl("partition", "add", 7, "--dsn", dsn)
    assert result.code == 2 and word in result.err and "secret" not in result.err, result
    assert world.value("SELECT count(*) FROM databases") == 1


@pytest.mark.parametrize("dsn", [
    "host=b password=secret", "postgresql://u:secret@b/usher", "host=b PassWord = secret", "b",
    "host=b\n", "postgresql://b/usher?password=x"])
def test_the_database_refuses_such_a_dsn_too(world, dsn):
    with pytest.raises(psycopg2.errors.CheckViolation):
        world.rows("SELECT * FROM reserve_database(%s)", dsn)


def test_databases_that_cannot_be_added_are_refused(world, beside):
    def fails(word, number=7, dsn=None):
        result = world.ctl("partition", "add", number, "--dsn", dsn or beside.dsn)
        assert result.code == 1 and word in result.err and result.err.count("\n") == 1, result

    fails("connecting", dsn="host=127.0.0.1 port=1")
    fails("was never migrated", dsn="dbname=template1")
    fails("is home itself", dsn=f"dbname={world.database}")
    beside.run("UPDATE schema_migrations SET sha256 = 'x' WHERE version = 3")
    result = world.ctl("partition", "add", 7, "--dsn", beside.dsn)
    assert result.code == 1 and "has other migrations" in result.err, result
    beside.run("DELETE FROM schema_migrations WHERE version >= 3")
    fails("lacks migrations")
    assert world.value("SELECT count(*) FROM databases") == 1  # nothing was reserved for them


def test_a_database_has_one_home_and_one_name(world, beside):
    def fails(ctl, word, dsn):
        result = ctl("partition", "add", 9, "--dsn", dsn)
        assert result.code == 1 and word in result.err, result

    third = Other(world, world.cluster, world.database + "_c")
    try:
        third.run("INSERT INTO partitions (partition) VALUES (3)")
        fails(world.ctl, "partitions or shows of its own", third.dsn)
        add(world, 7, beside)
        fails(world.ctl, 'is known at home as "', f"dbname={beside.database}")
        fails(third.ctl, "belongs to another home", beside.dsn)
        fails(third.ctl, "belongs to another home", f"dbname={world.database}")
        fails(beside.ctl, "belongs to another one", third.dsn)
    finally:
        third.drop()
    taken = world.ctl("partition", "add", 7)
    assert taken.code == 1 and "partition 7 is there already: it is in host=" in taken.err
    assert world.ctl("partition", "add", 1).code == 0
    taken = world.ctl("partition", "add", 1, "--dsn", beside.dsn)
    assert taken.code == 1 and "partition 1 is there already: it is at home" in taken.err


def test_numbers_that_home_has_used_are_given_to_nobody(world, beside):
    world.show("far", {"GA": (1, 1)}, number=LAST - 5)
    result = world.ctl("partition", "add", 7, "--dsn", beside.dsn)
    assert result.code == 1 and "numbers that another database would need" in result.err, result


# The guards.

def test_a_pointer_cannot_be_claimed_or_committed_to(world, beside):
    add(world, 7, beside)
    connection = world.cluster.connect(world.database, ALLOCATOR_USER)

    def call(statement):
        with connection.cursor() as cursor:
            cursor.execute(statement)

    refuses(call, "SELECT claim_partition(7, 'me', 0)", "pointer_has_no_owner")
    refuses(call, "SELECT stamp_partition(7, 1, 5)", "has another owner")
    refuses(call, "SELECT name_generation(7, 1, 'g')", "has another owner")
    columns = world.rows("SELECT pronargs AS n FROM pg_proc WHERE proname = 'commit_batch'")[0]["n"]
    empty = ", ".join(["'{}'"] * (columns - 6))
    refuses(call, f"SELECT commit_batch(7, 0, 1, '1-1', 1, '\\x90', {empty})",
            "pointer_has_no_owner")
    connection.close()
    assert world.rows("SELECT epoch, version FROM partitions WHERE partition = 7") == \
        [{"epoch": 0, "version": 0}]


def test_a_pointer_has_no_shows_and_none_comes_to_it(world, beside):
    add(world, 7, beside)
    world.show("here", {"GA": (1, 1)}, number=5)
    run = lambda statement: world.cluster.run(world.database, statement)  # noqa: E731
    word = "Partition 7 is in another database"
    refuses(run, "INSERT INTO shows (show, slug, name, partition) VALUES (9, 'x', 'X', 7)", word)
    refuses(run, "UPDATE shows SET partition = 7", word)
    refuses(run, """SELECT admin_create_show('{"slug": "x", "name": "X", "partition": 7,
        "tiers": [{"code": "A", "price": 1, "capacity": 1}]}')""", word)
    refuses(run, """SELECT admin_move_show(5, '{"to": 7}')""", "not there, or no allocator has it")
    refuses(run, "SELECT admin_hand_over(5, 1, 7, 3, 3)", "pointer_has_no_owner")
    refuses(run, "UPDATE partitions SET dsn = '' WHERE partition = 7", "stays in its database")
    refuses(run, "UPDATE partitions SET dsn = (SELECT max(dsn) FROM databases) WHERE partition = 1",
            "stays in its database")
    refuses(run, "INSERT INTO partitions (partition, dsn) VALUES (8, 'dbname=unknown')",
            "partitions_dsn_fkey")


def test_a_show_has_a_number_of_its_database(world, beside):
    add(world, 7, beside)
    run = lambda statement: world.cluster.run(world.database, statement)  # noqa: E731
    new = "INSERT INTO shows (show, slug, name, partition) VALUES (%s, 'x', 'X', %s)"
    assert world.ctl("partition", "add", 1).code == 0
    refuses(run, new % (LAST, 1), f"numbers from 1 to {LAST - RANGE}, not {LAST}")
    refuses(beside.run, new % (5, 7), f"numbers from {FIRST} to {LAST}, not 5")
    beside.run(new % (LAST, 7))
    refuses(beside.run, """SELECT admin_create_show('{"slug": "y", "name": "Y", "partition": 7,
        "tiers": [{"code": "A", "price": 1, "capacity": 1}]}')""", f"not {LAST + 1}")


def test_partitions_are_added_at_home_alone(world, beside):
    add(world, 7, beside)
    refuses(beside.run, "INSERT INTO partitions (partition) VALUES (8)", "belongs to another one")
    refuses(beside.run, """SELECT admin_add_partition('{"partition": 8}')""", "belongs to another")
    assert "belongs to another one" in beside.ctl("partition", "add", 8).err
    made = beside.ctl("show", "create", "--slug", "x", "--partition", 9, "--tier", "A:1:1")
    assert made.code == 1 and "belongs to another one" in made.err


def test_a_database_that_has_moved_is_named_anew_in_one_place(world, beside):
    add(world, 7, beside)
    world.rows("UPDATE databases SET dsn = 'host=new dbname=usher' WHERE dsn <> '' RETURNING 1")
    assert world.value("SELECT dsn FROM partitions WHERE partition = 7") == "host=new dbname=usher"


# usherctl.

def test_shows_are_made_where_their_partition_is(world, beside, tmp_path):
    add(world, 7, beside)
    world.show("home", {"GA": (100, 5)})
    world.show("away", {"GA": (100, 5)}, partition=7)
    world.show("away-too", {"GA": (100, 5)}, partition=7)
    assert world.value("SELECT string_agg(slug, ',') FROM shows") == "home"
    assert beside.run("SELECT show, slug FROM shows ORDER BY show") == \
        [(FIRST, "away"), (FIRST + 1, "away-too")]
    assert beside.value("SELECT count(*) FROM audit WHERE action = 'show.create'") == 2
    listed = world.ctl("show", "list").out
    assert [line.split()[1] for line in listed.splitlines()[1:]] == ["home", "away", "away-too"]
    taken = world.ctl("show", "create", "--slug", "home", "--partition", 7, "--tier", "A:1:1")
    assert taken.code == 1 and "there is one in another database (home)" in taken.err
    both = tmp_path / "shows.json"
    tiers = [{"code": "A", "price": 1, "capacity": 1}]
    both.write_text(json.dumps([{"slug": "one", "tiers": tiers},
                                {"slug": "two", "tiers": tiers, "partition": 7}]))
    mixed = world.ctl("show", "create", "--file", both)
    assert mixed.code == 1 and "one and two are of different databases" in mixed.err, mixed
    assert world.value("SELECT count(*) FROM shows") == 1


def test_a_waiting_room_is_set_and_told_where_its_show_is(world, beside):
    add(world, 7, beside)
    world.show("home", {"GA": (100, 5)})
    world.show("away", {"GA": (100, 5)}, partition=7)
    world.start(allocators=2)
    for partition in (1, 7):
        world.wait_owner(partition)
    for slug in ("home", "away"):
        done = world.ctl("room", "set", slug, "--rate", "60", "--no-show-seconds", "30", "--pause")
        assert done.code == 0, done
        told = json.loads(world.ctl("room", "show", slug).out)
        assert (told["show"], told["rate"], told["no_show_ms"], told["paused"]) == \
            (slug, 60, 30000, True)
    noted = beside.run("SELECT actor, action, settings, after FROM audit WHERE action = 'show.room'")
    settings = {"rate": 60, "no_show_ms": 30000, "paused": True}
    assert noted == [("olga", "show.room", settings, settings)]
    assert world.value("SELECT count(*) FROM audit WHERE action = 'show.room'") == 1
    assert "NOT_FOUND" in world.ctl("room", "set", "nowhere", "--pause").err
    world.ctl("room", "set", "away", "--order", "draw", "--opens-at", "2035-01-01T00:00:00Z")
    assert "has not opened yet" in world.ctl("draw", "verify", "away").err
    world.rows("UPDATE databases SET dsn = 'host=127.0.0.1 port=1' WHERE dsn <> '' RETURNING 1")
    assert world.ctl("room", "show", "home").code == 0
    unknown = world.ctl("room", "show", "away")
    assert unknown.code == 1 and "host=127.0.0.1 port=1, which cannot be asked" in unknown.err, unknown


def test_a_series_is_made_where_its_partition_is(world, beside, tmp_path):
    add(world, 7, beside)
    schedule = tmp_path / "series.json"
    schedule.write_text(json.dumps({
        "series": "slots", "partition": 7, "days": {"from": "2030-05-01", "to": "2030-05-02"},
        "slots": [{"begins": "10:00", "ends": "11:00"}], "utc_offset": "+00:00",
        "rooms": [{"slug": "hall", "name": "Hall",
                   "tiers": [{"code": "A", "price": 1, "capacity": 1}]}]}))
    made = world.ctl("series", "create", "--file", schedule)
    assert made.code == 0 and "2 shows created" in made.out, made
    assert beside.value("SELECT count(*) FROM shows WHERE series = 'slots'") == 2
    described = json.loads(schedule.read_text())
    described["partition"] = 1
    described["rooms"][0]["slug"] = "foyer"
    schedule.write_text(json.dumps(described))
    apart = world.ctl("series", "create", "--file", schedule)
    assert apart.code == 1 and "is on partition 7; a series stays on one" in apart.err, apart


def test_verify_and_status_look_at_every_database(world, beside):
    add(world, 7, beside)
    world.show("home", {"GA": (100, 5)})
    world.show("away", {"GA": (100, 5)}, partition=7)
    clean = world.ctl("verify", "--postgres-only")
    assert clean.code == 0 and "clean: 2 shows, 0 bookings, 2 partitions" in clean.out, clean
    beside.run("UPDATE shows SET slug = 'home'")
    twice = world.ctl("verify", "--postgres-only")
    assert twice.code == 1 and "has the slug home, as another one in host=" in twice.out, twice
    world.start_redis()
    status = json.loads(world.ctl("status", "--json").out)
    assert [p["database"] for p in status["partitions"]] == ["", beside.dsn]
    assert beside.dsn in world.ctl("status").out
    world.rows("UPDATE databases SET dsn = 'host=127.0.0.1 port=1' WHERE dsn <> '' RETURNING 1")
    away = world.ctl("verify", "--postgres-only")
    assert away.code == 3 and "host=127.0.0.1 port=1" in away.err, away
    status = world.ctl("status")
    assert status.code == 1 and "Postgres: host=127.0.0.1 port=1" in status.out, status
    listed = world.ctl("show", "list")
    assert listed.code == 1 and "home" in listed.out, listed
