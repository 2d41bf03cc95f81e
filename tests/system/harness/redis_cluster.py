"""Several Redis servers: nodes of a cluster, or a master with replicas."""

import os
import subprocess

import redis

from .process import free_port, patience, wait_until
from .redis_server import Redis
from .redis_users import RedisUsers
from .words import Keys

SLOTS = 16384
NODE_TIMEOUT_MS = 2000


class RedisCluster:
    """Real nodes on loopback: masters first, then a replica for each."""

    def __init__(self, folder, masters=3, replicas=1, strict=False, durable=False):
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS),
                   "--cluster-require-full-coverage", "no", "--cluster-replica-validity-factor",
                   "0", "--repl-diskless-sync-delay", "0"]
        count = masters * (1 + replicas)
        self.users = RedisUsers(folder, strict)
        self.nodes = [Redis(folder, durable, f"node-{number}", users=self.users, options=[
            *options, "--cluster-port", str(free_port())]) for number in range(1, count + 1)]
        self.masters, self.replicas = masters, replicas

    @property
    def url(self):
        return self.url_of("ops")

    def url_of(self, program, _port=None):
        return f"redis+cluster://{self.users.login(program)}" + ",".join(
            f"127.0.0.1:{node.port}" for node in self.nodes[:3])

    def start(self):
        for node in self.nodes:
            node.start()
        subprocess.run(["redis-cli", "--cluster", "create",
                        *[f"127.0.0.1:{node.port}" for node in self.nodes],
                        "--cluster-replicas", str(self.replicas), "--cluster-yes", "--user", "usher_ops"],
                       env={**os.environ, "REDISCLI_AUTH": self.users.password["ops"]}, check=True, stdout=subprocess.DEVNULL, timeout=patience(60))
        for node in self.nodes:
            self._await_known(node)
        wait_until("replicas to follow", self._replicas_follow, 30)
        return self

    @staticmethod
    def _await_known(node):
        client = node.client()
        wait_until("a node to know of the cluster", lambda: all(
            fact in _raw(client, "CLUSTER", "INFO")
            for fact in (b"cluster_state:ok", b"cluster_slots_ok:16384")), 30)

    def restart(self, node):
        """One that was killed."""
        node.start()
        self._await_known(node)

    def _replicas_follow(self):
        infos = [node.client().info("replication") for node in self.nodes]
        links = [info.get("master_link_status") == "up" for info in infos if info["role"] == "slave"]
        return len(links) == self.masters * self.replicas and all(links)

    def master_of(self, partition):
        """The node that has a partition's keys, as the cluster's living nodes see it."""
        key = Keys(partition).state
        for node in self.nodes:
            if not node.process.alive():
                continue
            client = node.client()
            try:
                client.execute_command("EXISTS", key)
            except redis.exceptions.ResponseError:
                continue
            if client.info("replication")["role"] == "master":
                return node
        return None

    # What a World and its judge want of a Redis.

    @property
    def servers(self):
        return self.nodes

    @property
    def process(self):
        return next((node for node in self.nodes if node.process.alive()), self.nodes[0]).process

    def client(self):
        """One that finds the node of each key by itself."""
        node = next(node for node in self.nodes if node.process.alive())
        return redis.RedisCluster(host="127.0.0.1", port=node.port, socket_timeout=10,
                                  **self.users.of_tests)

    def node_id(self, node):
        return _raw(node.client(), "CLUSTER", "MYID").decode()

    def move_slot_of(self, partition, target):
        """Reshard: as redis-cli does it, key by key, while everybody works."""
        source = self.master_of(partition)
        source_client, target_client = source.client(), target.client()
        slot = source_client.execute_command("CLUSTER", "KEYSLOT", Keys(partition).state)
        target_client.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", self.node_id(source))
        source_client.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", self.node_id(target))
        while True:
            keys = source_client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100)
            if not keys:
                break
            source_client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000,
                                          "AUTH2", "usher_ops", self.users.password["ops"],
                                          "KEYS", *keys)
        for client in (target_client, source_client):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", self.node_id(target))

    def stop(self):
        for node in self.nodes:
            if node.process.alive():
                node.stop()


def _raw(client, *words):
    value = client.execute_command(*words)
    if isinstance(value, dict):
        return "\r\n".join(f"{key}:{text}" for key, text in value.items()).encode()
    return value if isinstance(value, bytes) else str(value).encode()
