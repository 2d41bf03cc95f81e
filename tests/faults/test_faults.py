"""What breaks things breaks what it means to, all of it, and undoes it, by one thread."""

import random
import signal
import tempfile
import threading
from pathlib import Path

import pytest

from venue import DATABASE, PARTITIONS, Venue  # first: it makes the harness importable
import faults
from harness.postgres_server import Postgres
from harness.process import Process
from harness.programs import run_program


class Prompt(Venue):
    """Of a venue its database alone."""

    def __init__(self, folder):
        self.postgres = Postgres(folder).create().start()
        self.postgres.run("postgres", f"CREATE DATABASE {DATABASE}")
        result = run_program("usherctl", "migrate",
                             env={"USHER_POSTGRES": self.postgres.url(DATABASE)})
        assert result.code == 0, result
        for partition in PARTITIONS:
            self.postgres.run(DATABASE, "INSERT INTO partitions (partition) VALUES (%s)", partition)


@pytest.fixture
def prompt():
    with tempfile.TemporaryDirectory(prefix="usher-faults-") as name:
        Path(name).chmod(0o755)
        venue = Prompt(Path(name))
        yield venue
        venue.postgres.stop()


def test_a_partition_that_somebody_has_locked_is_not_stolen(prompt):
    partition = random.Random(1).choice(PARTITIONS)
    stolen = []
    thief = threading.Thread(target=lambda: stolen.append(faults.steal(prompt, partition)),
                             daemon=True)
    undo = faults.postgres_row_locked(prompt, random.Random(1))
    thief.start()
    thief.join(10)
    waited = thief.is_alive()
    undo()
    thief.join(10)
    assert not waited and stolen == [None]
    assert faults.steal(prompt, partition) is not None


def test_who_is_frozen_starts_and_loses_nobody(tmp_path):
    """Children come and go all the time: none is missed, and none is expected that is gone."""
    spawner = Process("spawner", ["/bin/sh", "-c", "while :; do for _ in 1 2 3 4; do :& done; wait; done"],
                      tmp_path).start()
    for _ in range(100):
        spawner.freeze()
        children = spawner.children()
        assert children == spawner.frozen[1] and spawner.state() == "T"
        spawner.thaw()
    spawner.kill_all()
    assert spawner.wait() == -signal.SIGKILL
