"""Fixtures: a Postgres cluster for the session, a world for each test, logs where one fails."""

import fcntl
import os
import secrets
import signal
import tempfile
from pathlib import Path

import pytest

from harness.postgres_server import Postgres
from harness.programs import run_program
from harness.world import ALLOCATOR_USER, COURIER_USER, GATEWAY_USER, World

TEMPLATE = "usher_template"
LOG_LINES = 25


def pytest_configure():
    """A polite kill ends the run as Ctrl-C does: fixtures stop what they started."""
    def interrupt(_number, _frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for world in getattr(item, "usher_worlds", []):
            for process in world.processes:
                report.sections.append((f"end of {process.log.name}", process.tail(LOG_LINES)))


@pytest.fixture(scope="session")
def session_folder():
    # Not pytest's own temporary folder: Postgres' user must be able to enter it.
    with tempfile.TemporaryDirectory(prefix="usher-tests-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def migrated(session_folder):
    """A stopped cluster with a migrated template database and the programs' login roles. The
    files that ops/test runs share one, which the first of them makes."""
    templates = os.environ.get("USHER_TEMPLATES")
    if templates is None:
        return make_migrated(Postgres(session_folder, "template"))
    with open(Path(templates) / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cluster = Postgres(templates, "template")
        if not cluster.folder.exists():
            making = make_migrated(Postgres(templates, f"making-{os.getpid()}"))
            making.folder.rename(cluster.folder)
    return cluster


def make_migrated(cluster):
    cluster.create().start()
    try:
        cluster.run("postgres", f"CREATE DATABASE {TEMPLATE}")
        result = run_program("usherctl", "migrate",
                             env={"USHER_POSTGRES": cluster.url(TEMPLATE)})
        assert result.code == 0, result
        cluster.run("postgres", f"CREATE ROLE {ALLOCATOR_USER} LOGIN IN ROLE usher_allocator")
        cluster.run("postgres", f"CREATE ROLE {GATEWAY_USER} LOGIN IN ROLE usher_gateway")
        cluster.run("postgres", f"CREATE ROLE {COURIER_USER} LOGIN IN ROLE usher_courier")
    finally:
        cluster.stop()
    return cluster


@pytest.fixture(scope="session")
def cluster(session_folder, migrated):
    """The cluster that tests share, a database each. Whoever stops Postgres takes own_cluster."""
    shared = Postgres(session_folder, "shared").create_from(migrated).start()
    yield shared
    shared.stop()


@pytest.fixture
def own_cluster(tmp_path_factory, session_folder, migrated, request):
    # A socket lies in it, whose whole path has 107 bytes.
    words = request.node.name.translate({ord(c): "_" for c in "[]/ :-"})[:30]
    name = f"own_{secrets.token_hex(3)}_{words}"
    own = Postgres(session_folder, name).create_from(migrated).start()
    yield own
    if own.process.alive():
        own.stop()


@pytest.fixture
def elsewhere(session_folder, migrated):
    """A cluster for another database, of the test's own, to be stopped and killed."""
    other = Postgres(session_folder, f"else_{secrets.token_hex(3)}").create_from(migrated).start()
    yield other
    if other.process.alive():
        other.stop()


def make_world(request, session_folder, cluster):
    folder = Path(tempfile.mkdtemp(prefix="world-", dir=session_folder))
    world = World(folder, cluster, TEMPLATE)
    request.node.usher_worlds = getattr(request.node, "usher_worlds", []) + [world]
    return world


def end_world(world):
    problems = world.close()
    assert not problems, "\n".join(problems)


@pytest.fixture
def world(request, session_folder, cluster):
    """A world on the shared cluster."""
    made = make_world(request, session_folder, cluster)
    yield made
    end_world(made)


@pytest.fixture
def sturdy_world(request, session_folder, own_cluster):
    """A world whose Postgres may be stopped and killed, with a Redis that keeps a file."""
    made = make_world(request, session_folder, own_cluster)
    made.start_redis(durable=True)
    yield made
    end_world(made)
