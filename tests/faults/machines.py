"""A venue of several machines: Redis is a Cluster, Postgres a pair of which one confirms.

Three masters with a replica each, a primary with its standby, and programs that are told of them as
in an installation: redis+cluster://… of three nodes, a URL with both hosts of Postgres. There is no
proxy in between: a Cluster names its nodes itself.
"""

import re
import threading
import time
from datetime import datetime

import redis

from harness.process import wait_until
from harness.redis_cluster import NODE_TIMEOUT_MS, RedisCluster
from harness.words import Keys

from pair import Pair
from venue import DATABASE, PARTITIONS, Venue
from witness import RedisWitness

LOOK_SECONDS = 0.2           # between looks at who has which partition
MEND_SECONDS = 0.5           # between attempts to bring a slot to where it was going
PROMOTED = re.compile(r"^\d+:S (\d+ \w+ \d+ [\d:.]+) .*Failover election won", re.MULTILINE)
REPLICA_PROMOTED = "redis_replica_promoted"  # follows from others, or from a machine that is slow


class Machines(Venue):
    """As Venue; what is called `redis` and `postgres` are the Cluster and the primary of the moment."""

    confirming = True  # COMMIT waits for the standby

    def __init__(self, folder, seed):
        super().__init__(folder, seed)
        self.pair = None
        self.ports = {}       # partition → the port of its master, as last seen
        self.moving = {}      # partition → (its slot's next master, when to try)
        self._closing = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)

    # Building.

    def build(self):
        super().build()
        self.pair.start_standby()
        return self

    def _mount_disks(self):
        pass

    def _link_all(self):
        pass

    def _start_postgres(self):
        self.pair = Pair(self.folder, self.confirming).start_primary()
        self.postgres = self.pair.primary
        self._make_database()

    def _start_redis(self):
        self.redis = RedisCluster(self.folder, durable=True).start()
        self._see()
        self._looking.start()

    # Where things are.

    def redis_url(self, role):
        return self.redis.url_of(role)

    def postgres_url(self, role):
        return self.pair.url(DATABASE, f"test_{role}")

    def owners_postgres_url(self):
        return self.pair.url(DATABASE, "postgres")

    def redis_port(self, partition):
        return self.ports[partition]

    def witnesses(self):
        ports = [node.port for node in self.redis.nodes]
        return [RedisWitness(port, of_cluster=ports) for port in ports]

    def master_of(self, partition):
        """The node that was last seen to be it."""
        return next(node for node in self.redis.nodes if node.port == self.ports[partition])

    def client_of(self, node, seconds=0.3):
        return redis.Redis(host="127.0.0.1", port=node.port, socket_timeout=seconds,
                           socket_connect_timeout=seconds)

    def masters(self):
        return [node for node in self.redis.nodes if self._role(node) == "master"]

    def replica_of(self, master):
        """A living one, or None."""
        return next((node for node in self.redis.nodes
                     if self._master_port(node) == master.port), None)

    def _role(self, node):
        return self._replication(node).get("role")

    def _master_port(self, node):
        return self._replication(node).get("master_port")

    def _replication(self, node):
        try:
            with self.client_of(node) as client:
                return client.info("replication")
        except redis.exceptions.RedisError:
            return {}

    def _look(self):
        while not self._closing.wait(LOOK_SECONDS):
            self._see()

    def _see(self):
        for partition in PARTITIONS:
            last = self.ports.get(partition)
            for node in sorted(self.redis.nodes, key=lambda node: node.port != last):
                if self._has(node, partition):
                    self.ports[partition] = node.port
                    break

    def _has(self, node, partition):
        if not node.process.alive():
            return False
        try:
            with self.client_of(node) as client:
                client.execute_command("EXISTS", Keys(partition).status)
            return True
        except redis.exceptions.RedisError as error:  # ASK and TRYAGAIN come from the master
            return str(error).startswith(("ASK ", "TRYAGAIN "))

    # Slots.

    def begin_move(self, partition, target):
        """Part of the slot's keys go over, and it stays so until end_move()."""
        if partition in self.moving or target is self.master_of(partition):
            return
        self.moving[partition] = (target, float("inf"))
        self._carry(partition, rounds=1)

    def end_move(self, partition):
        if partition in self.moving:
            self.moving[partition] = (self.moving[partition][0], 0.0)

    def _carry(self, partition, rounds):
        """As redis-cli does it, key by key. True when it is done. What cannot be done now, since
        somebody is down, is done later; keys that are there twice are as the source has them."""
        target, source = self._leader(self.moving[partition][0]), self.master_of(partition)
        if source is target:
            return self._close_slot(partition)
        try:
            with self.client_of(source, 2) as here, self.client_of(target, 2) as there:
                slot = here.execute_command("CLUSTER", "KEYSLOT", Keys(partition).state)
                ids = [client.execute_command("CLUSTER", "MYID") for client in (here, there)]
                there.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
                here.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
                while keys := here.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 50):
                    here.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 1000, "REPLACE",
                                         "KEYS", *keys)
                    rounds -= 1
                    if rounds == 0:
                        return False
                for client in (there, here):
                    client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
            return self._close_slot(partition)
        except redis.exceptions.RedisError:
            return False

    def _leader(self, node):
        """Who has that node's slots now."""
        port = self._master_port(node) or node.port
        return next(other for other in self.redis.nodes if other.port == port)

    def _close_slot(self, partition):
        """Nobody believes any more that it is on its way: also whoever was down meanwhile."""
        for node in self.masters():
            with self.client_of(node, 2) as client:
                slot = client.execute_command("CLUSTER", "KEYSLOT", Keys(partition).state)
                client.execute_command("CLUSTER", "SETSLOT", slot, "STABLE")
        return True

    def _mend_slots(self):
        for partition, (target, at) in list(self.moving.items()):
            if time.monotonic() < at:
                continue
            if self._carry(partition, rounds=0):
                del self.moving[partition]
            else:
                self.moving[partition] = (target, time.monotonic() + MEND_SECONDS)

    # Watching.

    @property
    def daemons(self):
        return [node.process for node in self.redis.nodes] + self.pair.processes + \
            self.allocators + self.gateways + self.couriers

    def supervise(self):
        super().supervise()
        self.pair.step()
        self.postgres = self.pair.primary
        self._mend_slots()

    def _put_aside_broken_file(self, process):
        pass  # nothing here fills disks

    def save_redis_file(self):
        pass

    def losses(self):
        """A replica became a master, whoever wanted it: what it had not got yet is lost."""
        times = [datetime.strptime(told, "%d %b %Y %H:%M:%S.%f").timestamp()
                 for node in self.redis.nodes
                 for told in PROMOTED.findall(node.process.log.read_text(errors="replace"))]
        return [(REPLICA_PROMOTED, at - NODE_TIMEOUT_MS / 1000, at) for at in sorted(times)]

    # Ending.

    def heal(self):
        super().heal()
        for partition in list(self.moving):
            self.end_move(partition)

    def wait_healthy(self, seconds=60):
        super().wait_healthy(seconds)

        for partition in PARTITIONS:  # who died in the middle of a move came back in the middle of it
            self.moving.setdefault(partition, (self.master_of(partition), 0.0))

        def is_whole():
            self.supervise()
            return self.pair.is_whole and not self.moving and self._is_whole_cluster()
        wait_until("the servers to have each other again", is_whole, seconds, 0.1)

    def _is_whole_cluster(self):
        told = [self._replication(node) for node in self.redis.nodes]
        return sum(info.get("role") == "master" for info in told) == self.redis.masters and \
            all(info.get("role") == "master" or info.get("master_link_status") == "up" for info in told)

    def stop_servers(self):
        self._closing.set()
        if self._looking.is_alive():
            self._looking.join(10)
        if self.redis is not None:
            for node in self.redis.nodes:
                if node.process.alive():
                    node.kill9()
        if self.pair is not None:
            self.pair.close()
