"""The blocking links (link/) against servers of their own: see link_probe.c."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))


def as_postgres(*command):
    if os.getuid() != 0:
        return [str(word) for word in command]
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
            *map(str, command)]


def wait_until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="usher-link-"))
    path.chmod(0o755)
    (path / "postgres").mkdir()
    if os.getuid() == 0:
        shutil.chown(path / "postgres", "postgres")
    yield path
    shutil.rmtree(path)


def stop(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture
def redis(folder):
    socket = folder / "redis.sock"
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL)
    wait_until(socket.exists, "Redis does not start")
    yield socket, process
    stop(process)


@pytest.fixture
def postgres(folder):
    data = folder / "postgres" / "data"
    subprocess.run(as_postgres(POSTGRES / "initdb", "-D", data, "-A", "trust", "-U", "postgres",
                               "--no-sync"),
                   check=True, stdout=subprocess.DEVNULL, cwd="/")
    process = subprocess.Popen(
        as_postgres(POSTGRES / "postgres", "-D", data, "-k", folder / "postgres", "-h", "",
                    "-c", "fsync=off"),
        stderr=(folder / "postgres.log").open("w"), cwd="/")
    conninfo = f"host={folder / 'postgres'} dbname=postgres user=postgres"
    wait_until(lambda: subprocess.run([POSTGRES / "pg_isready", "-q", "-d", conninfo],
                                      check=False).returncode == 0, "Postgres does not start")
    yield conninfo, process
    stop(process)


def test_links(redis, postgres):
    socket, redis_process = redis
    conninfo, postgres_process = postgres
    environment = os.environ | {
        "LINK_REDIS": str(socket), "LINK_REDIS_PID": str(redis_process.pid),
        "LINK_POSTGRES": conninfo, "LINK_POSTGRES_PID": str(postgres_process.pid)}
    done = subprocess.run([BUILD / "tests" / "link" / "link_probe"], env=environment, timeout=150,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
