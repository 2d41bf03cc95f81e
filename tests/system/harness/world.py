"""A whole usher for one test: Redis, a database, shows, allocators, gateways."""

import hashlib
import secrets

import redis

from . import judge
from .crowd import Crowd, lines_of
from .postgres_server import quote
from .process import wait_until
from .programs import Allocator, Courier, Gateway, run_program
from .provider import SECRET, Provider
from .proxy import Proxy
from .redis_server import Redis
from .redis_users import denials
from .words import Keys

ALLOCATOR_USER, GATEWAY_USER = "test_allocator", "test_gateway"
COURIER_USER = "test_courier"
ADMIN_TOKEN = "usher_admin_" + "a1" * 32  # olga's; every gateway knows it
ADMIN_HASH = "olga:" + hashlib.sha256(ADMIN_TOKEN.encode()).hexdigest()


class World:
    """Starts what the test asks for; the fixture stops all of it and looks at the logs."""

    def __init__(self, folder, cluster, template):
        self.folder = folder
        self.cluster = cluster
        self.database = "t_" + secrets.token_hex(6)
        cluster.run("postgres", f"CREATE DATABASE {quote(self.database)} TEMPLATE {quote(template)}")
        cluster.run("postgres", f"REVOKE ALL ON DATABASE {quote(self.database)} FROM PUBLIC;"
                    f"GRANT CONNECT ON DATABASE {quote(self.database)}"
                    f" TO {ALLOCATOR_USER}, {GATEWAY_USER}, {COURIER_USER}")  # docs/OPERATE.md
        self.redis = None
        self.allocators = []
        self.gateways = []
        self.couriers = []
        self.provider = None        # a fake one, if asked for
        self.proxies = []
        self.redis_proxy = None     # a Proxy between the allocators and Redis, if asked for
        self.postgres_proxy = None  # … and Postgres
        self.expected_exits = set()
        self._clients = []
        self._connection = None

    # Starting.

    def start_redis(self, **options):
        self.redis = Redis(self.folder, **options).start()
        return self.redis

    def ctl(self, *words, **options):
        """usherctl on this world's database and Redis."""
        env = {"USHER_ADMIN_TOKEN": ADMIN_TOKEN,
               "USHER_ADMIN_URL": f"http://127.0.0.1:{self.gateways[0].port if self.gateways else 1}",
               "USHER_POSTGRES": self.cluster.url(self.database),
               "USHER_REDIS": self._redis_url("ctl")}
        return run_program("usherctl", *words, env=env, **options)

    def show(self, slug, tiers, **rules):
        """`tiers`: {"VIP": (price, capacity)}; rules are flags of `usherctl show create`."""
        words = ["show", "create", "--slug", slug]
        for name, value in rules.items():
            flag = "--" + name.replace("_", "-")
            words += [flag] if value is True else [flag, value]
        for code, (price, capacity) in tiers.items():
            words += ["--tier", f"{code}:{price}:{capacity}"]
        result = self.ctl(*words)
        assert result.code == 0, result
        return slug

    def _redis_url(self, program, port=None):
        """Of the program's own user; perhaps by a proxy's port."""
        return self.redis.url_of(program, port) if self.redis else "redis://127.0.0.1:1"

    def start_allocator(self, via_redis=None, via_postgres=None, **options):
        name = options.pop("name", f"allocator-{len(self.allocators) + 1}")
        options.setdefault("redis", self._redis_url("allocator", via_redis))
        options.setdefault("postgres", self.cluster.url(self.database, ALLOCATOR_USER,
                                                        via_postgres))
        allocator = Allocator(name, self.folder, **options)
        self.allocators.append(allocator)
        return allocator.start()

    def start_gateway(self, via_redis=None, via_postgres=None, wait=True, **options):
        name = options.pop("name", f"gateway-{len(self.gateways) + 1}")
        options.setdefault("redis", self._redis_url("gateway", via_redis))
        options.setdefault("postgres", self.cluster.url(self.database, GATEWAY_USER,
                                                        via_postgres))
        options.setdefault("admin_token_hashes", ADMIN_HASH)
        gateway = Gateway(name, self.folder, **options)
        self.gateways.append(gateway)
        gateway.start()
        if wait:
            gateway.wait_ready()
        return gateway

    def start_provider(self, plan=None):
        self.provider = Provider(plan)
        return self.provider

    def start_courier(self, via_redis=None, via_postgres=None, **options):
        """Carries to the world's provider if there is one, else the simulated one."""
        name = options.pop("name", f"courier-{len(self.couriers) + 1}")
        options.setdefault("redis", self._redis_url("courier", via_redis))
        options.setdefault("postgres", self.cluster.url(self.database, COURIER_USER, via_postgres))
        if self.provider is not None:
            options.setdefault("provider", "http")
            options.setdefault("provider_url", self.provider.url)
            options.setdefault("provider_secret", SECRET)
        courier = Courier(name, self.folder, **options)
        self.couriers.append(courier)
        return courier.start()

    def start(self, allocators=1, gateways=1, **redis_options):
        """The usual: Redis unless it runs, then these."""
        if self.redis is None:
            self.start_redis(**redis_options)
        for _ in range(allocators):
            self.start_allocator()
        for _ in range(gateways):
            self.start_gateway()
        return self

    def proxy(self, target, on_request=None):
        proxy = Proxy(target, on_request)
        self.proxies.append(proxy)
        return proxy

    def crowd(self, show, **options):
        return Crowd([gateway.port for gateway in self.gateways], show, **options)

    # Looking.

    def client(self, gateway=0, **options):
        client = self.gateways[gateway].client(**options)
        self._clients.append(client)
        return client

    @property
    def connection(self):
        """One connection as the owner; made anew when Postgres was away."""
        if self._connection is None or self._connection.closed:
            self._connection = self.cluster.connect(self.database)
        return self._connection

    def reconnect(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def rows(self, statement, *parameters):
        return judge.rows_of(self.connection, statement, *parameters)

    def value(self, statement, *parameters):
        return next(iter(self.rows(statement, *parameters)[0].values()))

    def keys(self, partition=1):
        return Keys(partition)

    def redis_client(self):
        return self.redis.client()

    def owner(self, partition=1):
        """The allocator that owns a partition and serves it, or None."""
        status = self.redis.client().hgetall(Keys(partition).status)
        name = status.get(b"allocator", b"").decode()
        if status.get(b"state") != b"serving":
            return None
        return next((a for a in self.allocators if a.name == name and a.alive()), None)

    def wait_owner(self, partition=1, other_than=None, seconds=15.0):
        def found():
            owner = self.owner(partition)
            return owner if owner is not other_than else None
        return wait_until(f"an owner of partition {partition}", found, seconds)

    # Judging.

    def judge(self, asks=()):
        """Nothing may be wrong: by our judge, and by the product's own `usherctl verify`."""
        self.reconnect()
        violations = judge.judge(self.connection, self.redis.client())
        if asks:
            numbers = {row["code"]: row["tier"] for row in self.rows("SELECT code, tier FROM tiers")}
            violations += judge.judge_history(self.connection, asks, lines_of(numbers))
        assert not violations, "\n".join(violations)
        result = self.ctl("verify")
        assert result.code == 0, result

    # Ending.

    @property
    def processes(self):
        redis = [self.redis.process] if self.redis else []
        return self.couriers + self.gateways + self.allocators + redis

    def expect_exit(self, process):
        """This one may have ended, by itself or by our hand; its exit code is the test's matter."""
        self.expected_exits.add(process)

    def close(self):
        """Stop what was started; what went wrong meanwhile, as sentences."""
        problems = self._denials()
        for client in self._clients:
            client.close()
        if self.provider is not None:
            self.provider.close()
        for process in self.couriers + self.gateways + self.allocators:
            problems += self._end(process)
        for proxy in self.proxies:
            proxy.close()
        if self.redis is not None and self.redis.process.alive():
            self.redis.stop()
        if self._connection is not None:
            self._connection.close()
        if self.cluster.process.alive():
            self.cluster.run("postgres", f"DROP DATABASE {quote(self.database)} WITH (FORCE)")
        for process in self.processes:
            problems += [f"{process.name}: {line}" for line in process.complaints()]
        return problems

    def _denials(self):
        """Commands that a program needs and ops/redis.acl does not grant."""
        servers = self.redis.servers if self.redis is not None else []
        try:
            return [problem for server in servers if server.process.alive()
                    for problem in denials(server.client())]
        except redis.exceptions.RedisError:
            return []  # a test may end with a Redis that is stopped, full or a replica

    def _end(self, process):
        if not process.alive():
            code = process.exit_code()
            if code in (None, 0, -9) or process in self.expected_exits:
                return []
            return [f"{process.name} ended with {code}"]
        try:
            code = process.stop()
        except TimeoutError as error:
            return [str(error)]
        return [] if code == 0 else [f"{process.name} ended with {code} when asked to stop"]
