"""A gateway that reads what may be a little old from a replica: by streaming, and under its faults."""

import re
import time

import pytest

from harness.postgres_server import Postgres
from harness.process import patience, wait_until
from harness.world import ADMIN_TOKEN, GATEWAY_USER

LAG_MS = 1000  # where a test waits for it to be exceeded
LONG_MS = 60_000
OVERVIEWS = ("/v1/shows", "/v1/admin/shows", "/v1/admin/shows/show/bookings",
             "/v1/admin/shows/show/statistics", "/v1/admin/audit")


class Replica(Postgres):
    """Of the world's primary, with what may happen to it."""

    def pause(self):
        self.run("postgres", "SELECT pg_wal_replay_pause()")
        wait_until("replay to be paused", lambda: self.run(
            "postgres", "SELECT pg_get_wal_replay_pause_state()") == [("paused",)])

    def resume(self):
        self.run("postgres", "SELECT pg_wal_replay_resume()")


@pytest.fixture
def replica(sturdy_world, session_folder):
    primary = sturdy_world.cluster
    made = Replica(session_folder, f"{primary.name[:11]}replica").create_standby_of(primary)
    made.start()
    yield made
    made.stop()


def start_gateway(world, replica, lag_ms, **options):
    """Without an allocator, if the world has none: nobody books, and the primary's log is still."""
    options.setdefault("postgres_replica", replica.url(world.database, GATEWAY_USER))
    world.start_gateway(wait=bool(world.allocators), replica_lag_ms_max=lag_ms, **options)
    await_status(world, "ok")
    return world.client()


def report(world):
    return world.client().get("/health").json["replica"]


def await_status(world, *words):
    wait_until(f"a replica that is {' or '.join(words)}",
               lambda: report(world)["status"] in words, 30)


def ask(client, path, **headers):
    return client.get(path, authorization=f"Bearer {ADMIN_TOKEN}", **headers)


def names(client, **headers):
    answer = ask(client, "/v1/shows", **headers)
    assert answer.status == 200, answer
    return [show["name"] for show in answer.json["shows"]], answer.header("Age")


def metric(client, name):
    text = client.get("/metrics").body.decode()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])


def rename(world, name):
    world.rows("UPDATE shows SET name = %s RETURNING show", name)


def test_overviews_are_the_replicas_and_say_how_old_they_may_be(sturdy_world, replica):
    world = sturdy_world
    world.show("show", {"Floor": (100, 10)}, name="first")
    world.start_allocator()
    client = start_gateway(world, replica, LONG_MS)
    replica.pause()
    rename(world, "second")
    before = metric(client, 'usher_gateway_reads_total{from="replica"}')
    for path in OVERVIEWS:
        answer = ask(client, path)
        assert answer.status == 200 and int(answer.header("Age")) >= 1, answer
    assert metric(client, 'usher_gateway_reads_total{from="replica"}') == before + len(OVERVIEWS)
    seen, age = names(client)
    assert seen == ["first"]
    assert ask(client, "/v1/shows").header("Cache-Control") == f"public, max-age={int(age) + 1}"
    assert report(world)["lag_ms"] > 0
    assert 0 < metric(client, "usher_gateway_replica_lag_seconds") < LONG_MS / 1000
    for wish in ("no-cache", "max-age=0", "no-transform, No-Cache"):
        assert names(client, cache_control=wish) == (["second"], None)
    replica.resume()
    wait_until("the replica to know the second name", lambda: names(client)[0] == ["second"])


def test_reports_are_the_replicas_until_somebody_wants_the_newest(sturdy_world, replica):
    """They have a connection of their own, which finds out for itself how far the replica is."""
    world = sturdy_world
    world.show("show", {"Floor": (100, 10)})
    world.start_allocator()
    client = start_gateway(world, replica, LONG_MS)
    path = "/v1/admin/shows/show/analytics/sales?step=all"

    def booked(**headers):
        answer = ask(client, path, **headers)
        assert answer.status == 200, answer
        return [row["bookings"] for row in answer.json["rows"]], answer.header("Age")

    assert client.book("show", "ann", "Floor").status == 201
    wait_until("the replica's word", lambda: booked()[0] == [1] and booked()[1])
    replica.pause()
    assert client.book("show", "bob", "Floor").status == 201
    rows, age = booked()
    assert rows == [1] and age is not None
    assert booked(cache_control="no-cache") == ([2], None)
    replica.resume()
    wait_until("the second booking", lambda: booked()[0] == [2])


def test_who_has_booked_sees_it_at_once(sturdy_world, replica):
    world = sturdy_world
    world.show("show", {"Floor": (100, 10)})
    world.start_allocator()
    client = start_gateway(world, replica, LONG_MS)
    replica.pause()
    made = client.book("show", "ann", "Floor", 1)
    assert made.status == 201, made
    booking = made.json["id"]
    for path in (f"/v1/bookings/{booking}", "/v1/users/ann/bookings"):
        answer = client.get(path)
        assert answer.status == 200 and booking in answer.body.decode(), answer
        assert answer.header("Age") is None
    assert ask(client, "/v1/admin/shows/show/bookings").json["bookings"] == []
    # What the replica cannot know yet is no reason to say that it is not there.
    world.show("young", {"Floor": (100, 10)})
    answer = ask(client, "/v1/admin/shows/young/statistics")
    assert answer.status == 200 and answer.header("Age") is None, answer
    replica.resume()
    world.judge()


def test_what_is_told_is_never_older_than_it_says(sturdy_world, replica):
    """Names are written one after the other, the replica pauses now and then: whatever was
    committed an Age before a question was asked is in its answer."""
    world = sturdy_world
    world.show("show", {"Floor": (100, 10)})
    client = start_gateway(world, replica, 2 * LAG_MS)
    committed = []  # when each of the names was
    ages = set()
    for i in range(240):
        rename(world, str(i))
        committed.append(time.monotonic())
        if i % 80 == 30:
            replica.pause()
        elif i % 80 == 70:
            replica.resume()
        asked = time.monotonic()
        (seen,), age = names(client)
        ages.add(age)
        must = [n for n, at in enumerate(committed) if at < asked - int(age or 0)]
        assert not must or int(seen) >= must[-1], (i, seen, age)
        time.sleep(0.02)
    assert ages - {None}, "the replica was never asked"


def test_a_replica_that_stands_still_is_left_and_asked_again_when_it_goes_on(sturdy_world, replica):
    world = sturdy_world
    world.show("show", {"Floor": (100, 10)}, name="first")
    client = start_gateway(world, replica, LAG_MS)
    for name in ("second", "third"):
        replica.pause()
        rename(world, name)
        paused = time.monotonic()
        while time.monotonic() - paused < LAG_MS / 1000:
            time.sleep(0.02)
        assert names(client) == ([name], None)
        assert report(world)["status"] == "behind" and report(world)["lag_ms"] > LAG_MS
        replica.resume()
        await_status(world, "ok")
        assert names(client)[0] == [name]


@pytest.mark.parametrize("fault", ["stop", "kill9"])
def test_nobody_waits_for_a_replica_that_is_away(sturdy_world, replica, fault):
    world = sturdy_world
    world.show("show", {"Floor": (100, 10)}, name="first")
    client = start_gateway(world, replica, LAG_MS)
    if fault == "stop":
        replica.freeze()
    else:
        replica.kill9()
    rename(world, "second")
    asked = time.monotonic()
    assert names(client) == (["second"], None)
    # The lag, and a tick; not as long as one waits for a primary.
    assert time.monotonic() - asked < patience(LAG_MS / 1000 + 2)
    await_status(world, "down")
    for _ in range(20):
        assert names(client) == (["second"], None)
    if fault == "stop":
        replica.thaw()
    else:
        replica.start()
    await_status(world, "ok")
    assert names(client)[0] == ["second"]


def test_what_is_known_of_one_replica_is_not_believed_of_another(
        sturdy_world, session_folder, replica):
    """Of two in the URL the first dies; the second was paused long ago."""
    world = sturdy_world
    world.show("show", {"Floor": (100, 10)}, name="first")
    name = f"{world.cluster.name[:11]}second"
    second = Replica(session_folder, name).create_standby_of(world.cluster).start()
    try:
        second.pause()
        rename(world, "second")
        hosts = f"127.0.0.1:{replica.port},127.0.0.1:{second.port}"
        client = start_gateway(world, replica, LONG_MS, postgres_replica=(
            f"postgresql://{GATEWAY_USER}@{hosts}/{world.database}?target_session_attrs=standby"))
        assert names(client) == (["second"], "1")
        replica.kill9()

        def status_of_the_second():
            assert names(client)[0] == ["second"]
            return report(world)["status"] == "behind"
        wait_until("the second to be asked how far it is", status_of_the_second, 30)
        second.resume()
        await_status(world, "ok")
    finally:
        second.stop()


def test_a_replica_that_was_promoted_is_not_asked(sturdy_world, replica):
    world = sturdy_world
    world.show("show", {"Floor": (100, 10)}, name="first")
    client = start_gateway(world, replica, LONG_MS)
    replica.promote()
    await_status(world, "promoted")
    replica.run(world.database, "UPDATE shows SET name = 'stray'")
    assert names(client) == (["first"], None)


def test_a_replica_of_another_timeline_is_not_asked_until_it_follows(
        sturdy_world, session_folder, replica):
    """The primary dies, and the other standby takes its place: the replica knows more or less than
    that one, and a position says nothing."""
    world = sturdy_world
    world.show("show", {"Floor": (100, 10)}, name="first")
    old = world.cluster
    second = Postgres(session_folder, f"{old.name[:11]}second").create_standby_of(old).start()
    try:
        hosts = f"127.0.0.1:{old.port},127.0.0.1:{second.port}"
        client = start_gateway(
            world, replica, LAG_MS, postgres=f"postgresql://{GATEWAY_USER}@{hosts}/"
            f"{world.database}?target_session_attrs=read-write")
        old.stop()
        second.promote()
        world.cluster = second
        world.reconnect()
        rename(world, "second")
        await_status(world, "other_timeline")
        wait_until("the new primary to be read",
                   lambda: ask(client, "/v1/shows").status == 200, 30)
        assert names(client) == (["second"], None)
        replica.run("postgres", "ALTER SYSTEM SET primary_conninfo = "
                                f"'host=127.0.0.1 port={second.port} user=postgres'")
        replica.run("postgres", "SELECT pg_reload_conf()")

        def follows():
            second.run("postgres", "CHECKPOINT")
            replica.run("postgres", "CHECKPOINT")  # its control file says whom it follows
            return report(world)["status"] == "ok"
        wait_until("the replica to follow the new primary", follows, 60, pause=0.5)
        assert names(client)[0] == ["second"]
    finally:
        world.reconnect()
        second.stop()


def test_without_a_primary_the_replica_answers_as_long_as_it_may(sturdy_world, replica):
    world = sturdy_world
    world.show("show", {"Floor": (100, 10)}, name="first")
    client = start_gateway(world, replica, 8 * LAG_MS)
    world.cluster.kill9()
    seen, age = names(client)
    assert seen == ["first"] and int(age) >= 1
    await_status(world, "behind")
    answer = client.get("/v1/shows")
    assert answer.status == 503 and answer.header("Age") is None, answer
    world.cluster.start()
    world.reconnect()
    await_status(world, "ok")
    assert names(client)[0] == ["first"]


def end_of_log(world):
    return world.value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")


def fill_page(world):
    """To its last byte, if nobody else writes: what comes next begins behind a header."""
    def emit(size):
        world.rows("SELECT pg_logical_emit_message(false, '', repeat('x', %s))", size)
    begin = end_of_log(world)
    emit(600)
    cost = end_of_log(world) - begin
    left = 8192 - end_of_log(world) % 8192
    if left >= cost:
        emit(600 + left - cost)
    return end_of_log(world) % 8192 == 24


def fill_file(world):
    rename(world, "second")
    world.rows("SELECT pg_switch_wal()")
    return True


@pytest.mark.parametrize("fill", [fill_page, fill_file])
def test_a_log_that_ends_on_an_edge_is_no_lag(sturdy_world, replica, fill):
    """Nothing is behind the edge but a header, which no replica replays before a record comes."""
    world = sturdy_world
    world.show("show", {"Floor": (100, 10)})
    start_gateway(world, replica, LAG_MS)

    def status_on_the_edge():
        """None if somebody wrote meanwhile."""
        wait_until("an edge", lambda: fill(world), 30, 0)
        end = end_of_log(world)
        time.sleep(1.5 * LAG_MS / 1000)
        status = report(world)["status"]
        return status if end_of_log(world) == end else None
    assert wait_until("a log that stands still", status_on_the_edge, 60) == "ok"
