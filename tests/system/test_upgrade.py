"""Every process is replaced by one of another version while people book, as docs/OPERATE.md says:
not one request is refused or lost."""

import signal

import pytest

from harness.front import Haproxy, Nginx
from harness.process import build_folder, free_port, wait_until
from harness.programs import run_program

NOTICE_MS = 5000  # as in the package's configuration


@pytest.fixture(scope="session")
def next_version(session_folder):
    """A copy of the programs that calls itself by another version: its folder and that version."""
    version = run_program("usher-gateway", "--version").out.split()[-1]
    other = version[:-1] + ("9" if version[-1] != "9" else "8")
    folder = session_folder / "next"
    folder.mkdir()
    for name in ("usher-allocator", "usher-gateway", "usher-courier"):
        program = (build_folder() / name).read_bytes()
        assert version.encode() in program
        (folder / name).write_bytes(program.replace(version.encode(), other.encode()))
        (folder / name).chmod(0o755)
    return folder, other


class Sale:
    """A world that sells, of this version; step by step it becomes one of the next."""

    def __init__(self, world, next_version, **options):
        self.world = world
        self.programs, self.version = next_version
        self.gateway_options = {"drain_notice_ms": NOTICE_MS, "trusted_proxies": "127.0.0.1",
                                **options}
        world.start_redis()
        world.show("gala", {"STD": (1000, 1000000), "VIP": (5000, 1000000)}, max_per_booking=10)
        for _ in range(2):
            world.start_allocator()
        world.wait_owner()
        world.start_courier()
        for _ in range(2):
            self.start_gateway()
        self.old_gateways = list(world.gateways)

    def start_gateway(self, **options):
        """Its own log says when it serves: its port may be another's, too."""
        gateway = self.world.start_gateway(wait=False, **self.gateway_options, **options)
        wait_until(f"{gateway.name} to serve", lambda: gateway.events("serving"))
        return gateway

    def replace_allocators(self, crowd):
        """New ones stand by before the old ones are asked to end: standbys first, the owner last."""
        world = self.world
        old = list(world.allocators)
        for _ in old:
            world.start_allocator(programs=self.programs)
        owner = world.owner()
        for allocator in sorted(old, key=lambda one: one is owner):
            assert allocator.stop() == 0
            crowd.await_decided(100)
        assert world.wait_owner() in world.allocators[len(old):]

    def replace_gateways(self, crowd):
        """A new one beside each old one, then the old one ends, in its own time."""
        for old in self.old_gateways:
            self.start_gateway(programs=self.programs)
            old.send(signal.SIGTERM)
            assert old.wait(NOTICE_MS / 1000 + 40) == 0
            crowd.await_decided(100)

    def replace_courier(self):
        self.world.start_courier(programs=self.programs)
        assert self.world.couriers[0].stop() == 0

    def end(self, crowd):
        crowd.await_decided(200)
        asks = crowd.finish()
        assert crowd.losses == []
        assert set(crowd.refusals) <= {202}, crowd.refusals
        assert {status for ask in asks for status, _ in ask.answers} <= {200, 201}
        assert len(asks) == crowd.decided() > 500
        self.world.judge(asks)
        for gateway in self.world.gateways:
            if gateway.alive():
                health = gateway.client().get("/health").json
                assert health["server"]["version"] == self.version


def test_nobody_comes_to_one_that_cannot_serve_yet(world):
    """A gateway that begins at another's port, and whose Redis is not to be had, has no clients."""
    world.start_redis()
    world.show("gala", {"STD": (1000, 1000)})
    world.start_allocator()
    world.start_gateway()
    port = world.gateways[0].port
    proxy = world.proxy(free_port())  # to where nobody is
    late = world.start_gateway(via_redis=proxy.port, port=port, wait=False)
    wait_until("it to begin", lambda: late.events("postgres_ready"))
    for number in range(40):
        client = world.client()
        assert client.book("gala", f"user {number}", "STD", 1).status == 201
        client.close()
    assert not late.events("serving")
    proxy.target = world.redis.port
    wait_until("it to serve", lambda: late.events("serving"))
    world.gateways[0].stop()
    assert late.client().book("gala", "last", "STD", 1).status == 201


def test_at_one_port(world, next_version):
    """New gateways, of two processes each, listen at the port of the old ones; nothing is in front."""
    sale = Sale(world, next_version, port=free_port(), workers=2)
    crowd = world.crowd("gala").start_traffic(32, ["STD", "VIP"], seed=1)
    crowd.await_decided(100)
    sale.replace_allocators(crowd)
    sale.replace_gateways(crowd)
    sale.replace_courier()
    sale.end(crowd)


@pytest.mark.parametrize("kind", [Haproxy, Nginx], ids=lambda kind: kind.kind)
def test_behind_a_proxy(world, next_version, kind):
    """The proxy knows the ports of old and new ones; whoever is not there is passed over."""
    sale = Sale(world, next_version)
    later = [free_port(), free_port()]
    front = kind(world.folder, world.gateways + [Place(port) for port in later]).start()
    try:
        crowd = world.crowd("gala", front=front).start_traffic(32, ["STD", "VIP"], seed=2)
        crowd.await_decided(100)
        sale.replace_allocators(crowd)
        for old, port in zip(sale.old_gateways, later):
            sale.gateway_options["port"] = port
            sale.old_gateways = [old]
            sale.replace_gateways(crowd)
        sale.replace_courier()
        sale.end(crowd)
    finally:
        front.stop()


class Place:
    """Where a gateway will be."""

    def __init__(self, port):
        self.port = port
