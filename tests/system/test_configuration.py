"""How the programs are configured, what they say when it is wrong, and what they connect to."""

import re
import socket
import time

import pytest
import redis

from harness.process import free_port
from harness.programs import run_program
from harness.world import ALLOCATOR_USER, GATEWAY_USER

PROGRAMS = ("usher-gateway", "usher-allocator", "usher-courier", "usherctl")

@pytest.mark.parametrize("program", PROGRAMS)
def test_help_and_version(program):
    shown = run_program(program, "--help")
    assert shown.code == 0 and "--redis" in shown.out and "--config" in shown.out
    assert run_program(program, "--version").code == 0
    assert re.search(r"\d+\.\d+\.\d+", run_program(program, "--version").out)


BAD_FLAGS = [["--redis=http://x"], ["--log-format=xml"], ["--redis="], ["--frobnicate"], ["--postgres=host='"],
             ["--config=/nowhere/at/all"], ["stray"]]
BAD_OF = {
    "usher-gateway": [["--listen=nonsense"], ["--listen=127.0.0.1:99999"], ["--workers=0"],
                      ["--workers=-1"], ["--workers=x"], ["--workers=99999999999999999999"],
                      ["--idle-ms=1.5"], ["--log-level=loud"], ["--name=two words"],
                      ["--postgres-replica=host='"], ["--replica-lag-ms-max=99"]],
    "usher-allocator": [["--partition=-1"], ["--heartbeat-ms=0"], ["--log-level=loud"],
                        ["--redis-ms=99999999999"]],
    "usher-courier": [["--provider=cash"], ["--provider=http"], ["--lease-ms=1000"],
                      ["--provider=http", "--provider-secret=x", "--provider-url=ftp://x"],
                      ["--again-ms=10", "--again-ms-max=5"], ["--simulated-failures=1001"]],
    "usherctl": [["--timeout-ms=0"]],
}


@pytest.mark.parametrize("program, flags", [(p, f) for p in PROGRAMS for f in BAD_FLAGS + BAD_OF[p]
                                            if not (p == "usherctl" and f == ["stray"])])
def test_bad_configuration_is_one_line(program, flags):
    result = run_program(program, *flags, "--check-config")
    assert result.code == 2, result
    assert len(result.err.splitlines()) == 1 and result.err.startswith(program), result
    assert not result.out


@pytest.mark.parametrize("program", PROGRAMS)
def test_files_and_variables(program, tmp_path):
    section = {"usher-gateway": "gateway", "usher-allocator": "allocator",
               "usher-courier": "courier", "usherctl": "ctl"}[program]
    file = tmp_path / "usher.conf"
    file.write_text(f"[usher]\nredis = redis://127.0.0.1:6379\n[{section}]\n")
    assert run_program(program, "--config", file, "--check-config").code == 0
    for text, word in ((f"[{section}]\nfrobnicate = 1\n", "frobnicate"), ("[usher]\nredis = x\n", "redis"),
                       ("[usher\n", str(file)), ("nonsense\n", str(file))):
        file.write_text(text)
        result = run_program(program, "--config", file, "--check-config")
        assert result.code == 2 and word in result.err and len(result.err.splitlines()) == 1, result
    result = run_program(program, "--check-config", env={"USHER_REDIS": "nonsense"})
    assert result.code == 2 and "USHER_REDIS" in result.err
    # A flag wins over a variable, a variable over the file.
    file.write_text("[usher]\nredis = nonsense\n")
    assert run_program(program, "--config", file, "--check-config",
                       env={"USHER_REDIS": "redis://127.0.0.1"}).code == 0
    assert run_program(program, "--check-config", "--redis=redis://127.0.0.1",
                       env={"USHER_REDIS": "nonsense"}).code == 0


def test_secrets_are_not_printed(world):
    world.start_redis()
    url = f"redis://:hunter2@127.0.0.1:{world.redis.port}"
    allocator = world.start_allocator(redis=url)
    gateway = world.start_gateway(wait=False, redis=url)
    courier = world.start_courier(redis=url, provider="http", provider_secret="sk_hunter2")
    time.sleep(1)
    for process in (allocator, gateway, courier):
        assert process.alive() and "hunter2" not in process.log.read_text()


def test_a_port_that_is_taken(world):
    world.show("gala", {"VIP": (10000, 20)})
    world.start()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        gateway = world.start_gateway(wait=False, listen=f"127.0.0.1:{port}")
        world.expect_exit(gateway)
        assert gateway.wait() not in (0, None)
        assert gateway.log.read_text().strip()


def test_several_hosts(world):
    """A libpq URL of several hosts: the first is nobody, the second is it."""
    world.show("gala", {"VIP": (10000, 20)})
    world.start_redis()
    def url(user):
        return (f"postgresql://{user}@127.0.0.1:{free_port()},127.0.0.1:{world.cluster.port}/"
                f"{world.database}?target_session_attrs=read-write")
    world.start_allocator(postgres=url(ALLOCATOR_USER))
    world.start_gateway(postgres=url(GATEWAY_USER))
    assert world.client().book("gala", "ann", "VIP", 1).status == 201
    world.judge()


def test_redis_by_its_socket(world):
    world.show("gala", {"VIP": (10000, 20)})
    world.start_redis()
    url = f"unix://{world.redis.socket}"
    world.start_allocator(redis=url)
    world.start_gateway(redis=url)
    assert world.client().book("gala", "ann", "VIP", 1).status == 201
    world.judge()


def test_redis_with_a_password_and_a_database(world):
    world.show("gala", {"VIP": (10000, 20)})
    world.start_redis()
    admin = world.redis_client()
    admin.config_set("requirepass", "p@ss:w/rd")
    url = f"redis://:p%40ss%3Aw%2Frd@127.0.0.1:{world.redis.port}/3"
    world.start_allocator(redis=url)
    world.start_gateway(redis=url)
    assert world.client().book("gala", "ann", "VIP", 1).status == 201
    there = redis.Redis(port=world.redis.port, password="p@ss:w/rd", db=3)
    assert there.exists("usher:{1}:state")
