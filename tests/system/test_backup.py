"""Backup and restore, by the very commands of docs/OPERATE.md, while people book."""

import os
import re
import subprocess
from pathlib import Path

from harness.postgres_server import BINARIES, Postgres
from harness.process import REPOSITORY, build_folder

PAGE = Path(__file__).resolve().parents[2] / "docs/OPERATE.md"
SECONDS = 120


def commands(name):
    """The block of the page that is called so."""
    found = re.search(rf"^```sh {name}\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert found, f"the page has no block {name}"
    return found.group(1)


def shell(name, folder, **variables):
    env = dict(variables, PATH=f"{build_folder()}:{BINARIES}:{REPOSITORY}/ops:{os.environ['PATH']}")
    done = subprocess.run(["bash", "-euc", commands(name)], cwd=folder, env=env, timeout=SECONDS,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def book(client, user):
    return client.post("/v1/shows/show/bookings", {"user": user, "tier": "Floor", "quantity": 1})


def test_a_backup_taken_while_people_book_is_whole(sturdy_world, session_folder, tmp_path):
    world = sturdy_world
    world.show("show", {"Floor": (100, 100_000)})
    world.start()
    client = world.client()
    before = [book(client, f"before-{number}") for number in range(20)]
    assert {answer.status for answer in before} == {201}
    crowd = world.crowd("show").start_traffic(16, ["Floor"], seed=1)
    crowd.await_decided(100)
    shell("backup", tmp_path, USHER_PG=world.cluster.url(world.database))
    crowd.await_decided(100)
    crowd.finish()
    after = book(client, "after")
    assert after.status == 201
    stop_programs(world)

    restored = Postgres(session_folder, "restored").create().start()
    world.cluster.stop()
    world.reconnect()
    world.cluster = restored
    addresses = {"USHER_PG": restored.url(world.database), "USHER_REDIS": world.redis.url}
    try:
        shell("restore", tmp_path, RESTORE_PG=restored.url("postgres"))
        assert not world.value("SELECT has_database_privilege('public', current_database(), 'CONNECT')")
        shell("begin", tmp_path, **addresses)
        world.start()
        world.wait_owner()
        shell("verify", tmp_path, **addresses)
        client = world.client(gateway=len(world.gateways) - 1)
        for answer in before:
            assert client.get(f"/v1/bookings/{answer.json['id']}").json == answer.json
        assert client.get(f"/v1/bookings/{after.json['id']}").status == 404
        assert book(client, "anew").status == 201
        world.judge()
        stop_programs(world)
    finally:
        world.reconnect()
        restored.stop()


def stop_programs(world):
    for process in world.gateways + world.allocators:
        if process.alive():
            assert process.stop() == 0
