"""make run, up, down and status: a whole usher started, broken, found again and stopped."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg2
import pytest
import redis
from harness.process import REPOSITORY, build_folder, free_port, patience, wait_until

SERVICES = ("postgres", "redis", "allocator-1", "allocator-2", "allocator-3", "gateway",
            "courier")
UP_SECONDS = 60


class Run:
    """One RUN_DIR with its port, driven as a person drives it: by make."""

    def __init__(self, run_dir, checkout=REPOSITORY, build=None):
        self.run_dir, self.checkout, self.port = Path(run_dir), Path(checkout), free_port()
        self.build = build or build_folder()

    def command(self, target, **variables):
        given = {"PORT": self.port, "RUN_DIR": self.run_dir, "BUILD": self.build, **variables}
        return ["make", "--no-print-directory", "-C", str(self.checkout), target,
                *[f"{name}={value}" for name, value in given.items()]]

    def make(self, target, **variables):
        # Through files, not pipes: what stays in the background must not hold the test.
        with tempfile.TemporaryFile() as out:
            done = subprocess.run(self.command(target, **variables), stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=subprocess.STDOUT, env=environment(),
                                  timeout=patience(UP_SECONDS), check=False)
            out.seek(0)
            return done.returncode, out.read().decode()

    def up(self):
        code, text = self.make("up")
        assert code == 0, text
        return text

    def down(self):
        code, text = self.make("down")
        assert code == 0, text
        assert self.alive() == {}

    def pids(self):
        return {record.name: int(record.read_text().split()[0])
                for record in (self.run_dir / "pid").glob("*")
                if record.suffix != ".new"}  # about to be renamed

    def alive(self):
        return {name: pid for name, pid in self.pids().items() if is_alive(pid)}

    def env(self):
        text = (self.run_dir / "usher.env").read_text()
        return dict(line.split("=", 1) for line in text.splitlines())

    def ask(self, path, body=None):
        request = urllib.request.Request(self.env()["USHER_URL"] + path)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=patience(10)) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read() or b"null")

    def book(self, user, quantity=1):
        code, booking = self.ask("/v1/shows/festival/bookings",
                                 {"user": user, "tier": "VIP", "quantity": quantity})
        assert code == 201, booking
        return booking

    def is_ready(self):
        with urllib.request.urlopen(self.env()["USHER_URL"] + "/readyz", timeout=2) as answer:
            return answer.status == 200

    def query(self, sql):
        connection = psycopg2.connect(self.env()["USHER_PG"])
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall()
        finally:
            connection.close()


def environment():
    """A person's shell: nothing of make's own, nothing meant for another usher."""
    kept = ("PATH", "HOME", "USER", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS")
    return {name: os.environ[name] for name in kept if name in os.environ}


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    wait_until(f"the end of process {pid}", lambda: not is_alive(pid))


@contextlib.contextmanager
def runs():
    """Makes runs in folders of their own; all of them are stopped and removed at the end."""
    made, folders = [], []

    def make_run(**options):
        folder = tempfile.mkdtemp(prefix="usher-run-")
        os.chmod(folder, 0o755)
        folders.append(folder)
        made.append(Run(Path(folder) / "run", **options))
        return made[-1]
    try:
        yield make_run
    finally:
        for run in made:
            if run.run_dir.exists():
                run.make("down")
                left = run.alive()
                code, text = run.make("wipe")
                assert not left and code == 0, (left, text)
        for folder in folders:
            shutil.rmtree(folder)


@pytest.fixture(name="make_run")
def fixture_make_run():
    with runs() as make_run:
        yield make_run


@pytest.fixture(name="shared", scope="module")
def fixture_shared():
    """A run that is up, for the tests that only look."""
    with runs() as make_run:
        run = make_run()
        run.said = run.up()
        yield run


def test_a_booking_survives_down_and_up(make_run):
    run = make_run()
    said = run.up()
    assert f"http://127.0.0.1:{run.port}" in said and "/bookings" in said
    booking = run.book("ann", 2)
    assert run.query("SELECT status::text, quantity FROM bookings WHERE user_id = 'ann'") == \
        [("CONFIRMED", 2)]
    assert redis.from_url(run.env()["USHER_REDIS"]).ping()
    for private in ("usher.env", "conf/gateway.conf", "conf/allocator.conf", "secret/usher"):
        assert (run.run_dir / private).stat().st_mode & 0o777 == 0o600, private
    code, text = run.make("status")
    assert code == 0 and text.count(" runs ") == len(SERVICES) + 1 and "is ready" in text
    pids = run.pids()
    run.down()
    assert not [name for name, pid in pids.items() if is_alive(pid)]
    assert "nothing runs" in run.make("status")[1]
    run.up()
    assert run.ask(f"/v1/bookings/{booking['id']}") == (200, booking)
    assert "already up" in run.up()


def test_the_first_curl_that_it_prints_books(shared):
    said = shared.said
    curl = said[said.index("  curl -s -X POST"):].split("\n\n")[0]
    answer = subprocess.run(["bash", "-c", curl], capture_output=True, check=True, timeout=30)
    assert json.loads(answer.stdout)["status"] == "CONFIRMED"


def test_the_demo_has_a_hundred_numbered_seats(shared):
    code, events = shared.ask("/events")
    assert code == 200 and events[0]["slug"] == "theatre"
    code, seats = shared.ask(f"/seats?event_id={events[0]['id']}")
    assert code == 200 and len(seats) == 100
    for seat in (seats[99]["id"], 1):
        code, held = shared.ask("/holds", {"seat_id": seat, "user_email": "ann@example.com"})
        assert code == 201 and held["hold_id"], held


def test_the_roles_can_do_what_they_need_and_no_more(shared):
    run = shared
    assert run.query("SELECT rolname, rolsuper FROM pg_roles "
                     "WHERE rolname IN ('usher', 'allocator', 'courier', 'gateway') ORDER BY 1") == \
        [("allocator", False), ("courier", False), ("gateway", False), ("usher", False)]
    url = run.env()["USHER_PG"].split("@")[1]
    for role in ("allocator", "gateway"):
        secret = (run.run_dir / "secret" / role).read_text()
        connection = psycopg2.connect(f"postgresql://{role}:{secret}@{url}")
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM shows")
            assert cursor.fetchone()[0] > 1
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("UPDATE tiers SET available = available + 1")
        connection.close()
    secret = (run.run_dir / "secret" / "courier").read_text()
    connection = psycopg2.connect(f"postgresql://courier:{secret}@{url}")
    with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute("SELECT count(*) FROM bookings")
    connection.close()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(f"postgresql://usher:wrong@{url}")
    address = run.env()["USHER_REDIS"].split("@")[1]
    with pytest.raises(redis.AuthenticationError):
        redis.from_url(f"redis://{address}").ping()
    for name in ("gateway", "allocator", "courier", "ctl"):
        secret = (run.run_dir / "secret" / f"redis-{name}").read_text()
        program = redis.from_url(f"redis://usher_{name}:{secret}@{address}")
        assert program.ping() and secret not in (run.run_dir / "conf" / "redis.acl").read_text()
        with pytest.raises(redis.exceptions.NoPermissionError):
            program.set("usher:{1}:limit:x" if name != "gateway" else "usher:{1}:state", "x")


def test_durability_is_on(shared):
    run = shared
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert run.query(f"SHOW {name}") == [("on",)]
    store = redis.from_url(run.env()["USHER_REDIS"], decode_responses=True)
    assert store.config_get("append*")["appendonly"] == "yes"
    assert store.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_what_is_killed_is_started_again(make_run):
    run = make_run()
    run.up()
    booking = run.book("ann")
    before = run.pids()
    for name in SERVICES:
        os.kill(before[name], signal.SIGKILL)
    wait_until("all of them running again", lambda: sorted(run.alive()) == sorted(before) and
               all(run.pids()[name] != before[name] for name in SERVICES))
    wait_until("readiness", run.is_ready, seconds=20)
    assert run.pids()["supervisor"] == before["supervisor"]
    wait_until("the booking", lambda: run.ask(f"/v1/bookings/{booking['id']}")[0] == 200)
    run.book("ben")
    log = (run.run_dir / "log" / "run.log").read_text()
    for name in SERVICES:
        assert f"{name} (process {before[name]}) ended with signal KILL" in log


def test_a_killed_supervisor_is_recovered_from(make_run):
    run = make_run()
    run.up()
    booking = run.book("ann")
    kill(run.pids()["supervisor"])
    left = run.alive()
    assert sorted(left) == sorted(SERVICES)
    assert "an earlier run was killed" in run.up()
    assert not [name for name, pid in left.items() if is_alive(pid)]
    assert run.ask(f"/v1/bookings/{booking['id']}")[0] == 200
    kill(run.pids()["supervisor"])
    run.down()


def test_it_comes_back_after_everything_was_killed_at_once(make_run):
    """As after a power cut: nobody tidies up, and the pids may belong to strangers since."""
    run = make_run()
    run.up()
    booking = run.book("ann")
    pids = run.pids()
    kill(pids.pop("supervisor"))
    for pid in pids.values():
        kill(pid)
    stranger = subprocess.Popen(["sleep", "300"])
    try:
        for name in SERVICES:
            record = run.run_dir / "pid" / name
            record.write_text(" ".join([str(stranger.pid), *record.read_text().split()[1:]]))
        postmaster = run.run_dir / "postgres" / "data" / "postmaster.pid"
        lines = postmaster.read_text().splitlines(keepends=True)
        postmaster.write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
        run.up()
        assert run.ask(f"/v1/bookings/{booking['id']}")[0] == 200
        run.down()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_two_run_side_by_side(make_run, shared):
    one, two = make_run(), shared
    one.up()
    one.book("from one")
    two.book("from two")
    assert one.query("SELECT user_id FROM bookings") == [("from one",)]
    assert ("from one",) not in two.query("SELECT user_id FROM bookings")
    one.down()
    assert len(two.alive()) == len(SERVICES) + 1
    two.book("from two again")


def test_what_is_taken_is_refused_in_one_line(make_run, shared):
    one, two = shared, make_run()
    code, text = two.make("run", PORT=one.port)
    assert code != 0 and f"port {one.port} is in use" in text
    code, text = one.make("run", PORT=two.port)
    assert code != 0 and "another usher runs in" in text
    for port in ("0", "70000", "http", "-1"):
        code, text = two.make("run", PORT=port)
        assert code != 0 and "PORT must be a number" in text
    assert len(one.alive()) == len(SERVICES) + 1 and not two.alive()


def test_ctrl_c_stops_everything_that_make_run_started(make_run):
    run = make_run()
    with tempfile.TemporaryFile() as out:
        person = subprocess.Popen(run.command("run"), stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=subprocess.STDOUT, env=environment(),
                                  start_new_session=True)
        wait_until("the first words", (run.run_dir / "ready").exists, seconds=UP_SECONDS)
        run.book("ann")
        pids = run.pids()
        os.killpg(person.pid, signal.SIGINT)
        person.wait(patience(30))
        assert not [name for name, pid in pids.items() if is_alive(pid)]
        out.seek(0)
        assert "stopped; the data stays in" in out.read().decode()


def test_it_works_where_postgres_may_not_enter(make_run):
    """A checkout under /root: the folder is its owner's alone."""
    with tempfile.TemporaryDirectory(prefix="usher-closed-") as closed:
        checkout = Path(closed) / "usher"
        shutil.copytree(REPOSITORY, checkout,
                        ignore=lambda folder, _: {".git", "build", "run", "__pycache__"}
                        if Path(folder) == REPOSITORY else set())
        run = make_run(checkout=checkout)
        run.run_dir = checkout / "run"
        assert os.stat(closed).st_mode & 0o777 == 0o700
        run.up()
        booking = run.book("ann")
        run.down()
        run.up()
        assert run.ask(f"/v1/bookings/{booking['id']}")[0] == 200
        if os.geteuid() == 0:
            cluster = (run.run_dir / "postgres").resolve()
            assert cluster.parent == Path("/var/lib/usher")
        run.down()
        code, text = run.make("wipe")
        assert code == 0, text
        assert not run.run_dir.exists() and (os.geteuid() != 0 or not cluster.exists())


def test_nothing_missing_means_nothing_done(tmp_path):
    """Neither root nor the network are asked for."""
    install = REPOSITORY / "ops" / "install"
    for name in ("sudo", "apt-get", "dpkg"):
        (tmp_path / name).write_text("#!/bin/sh\necho called >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    began = time.monotonic()
    done = subprocess.run([install, "build", "run"], capture_output=True, check=False,
                          env={**environment(), "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert time.monotonic() - began < patience(5)
    done = subprocess.run([install, "kitchen"], capture_output=True, check=False)
    assert done.returncode == 1 and b"no section [kitchen]" in done.stderr


def test_the_pages_and_the_example_are_what_the_programs_say():
    done = subprocess.run([REPOSITORY / "ops" / "manual", "--check"], capture_output=True,
                          env={**environment(), "BUILD": str(build_folder())}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for program in ("usher-gateway", "usher-allocator", "usher-courier", "usherctl"):
        done = subprocess.run([build_folder() / program, "--config",
                               REPOSITORY / "ops" / "usher.conf", "--check-config"],
                              capture_output=True, env=environment(), check=False)
        assert done.returncode == 0, done.stderr
    for page in ("gateway/usher-gateway.8", "allocator/usher-allocator.8", "courier/usher-courier.8",
                 "ctl/usherctl.8"):
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z",
                               REPOSITORY / page], capture_output=True, check=False)
        assert done.returncode == 0 and done.stderr == b"", done.stderr
        assert "\n=" not in (REPOSITORY / page).read_text(), f"{page}: a value begins a line"
