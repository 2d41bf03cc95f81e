"""A master, its replica, and a Sentinel that puts one in the place of the other."""

import redis

from .process import Process, free_port, wait_until
from .redis_server import Redis
from .redis_users import RedisUsers

SENTINEL = """
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor usher 127.0.0.1 {master} 1
sentinel down-after-milliseconds usher 1000
sentinel failover-timeout usher 5000
sentinel auth-user usher usher_sentinel
sentinel auth-pass usher {password}
"""


def is_master(server):
    """As far as it says; one that is just promoted, or killed, cuts whoever asks."""
    try:
        return server.process.alive() and server.client().info("replication")["role"] == "master"
    except redis.exceptions.ConnectionError:
        return False


class RedisReplicas:
    """Two servers that replicate; who is the master is Sentinel's to say."""

    def __init__(self, folder, strict=False):
        self.users = RedisUsers(folder, strict)
        self.servers = [Redis(folder, name=f"redis-{n}", users=self.users) for n in (1, 2)]
        self.sentinel = None
        self.folder = folder

    @property
    def url(self):
        return self.url_of("ops")

    def url_of(self, program, _port=None):
        return f"redis://{self.users.login(program)}" + ",".join(
            f"127.0.0.1:{server.port}" for server in self.servers)

    def start(self):
        first, second = self.servers
        first.start()
        second.start()
        second.client().execute_command("REPLICAOF", "127.0.0.1", first.port)
        wait_until("the replica to follow", lambda: second.client().info("replication").get(
            "master_link_status") == "up", 30)
        conf = self.folder / "sentinel.conf"
        conf.write_text(SENTINEL.format(port=free_port(), folder=self.folder, master=first.port,
                                        password=self.users.password["sentinel"]))
        self.sentinel = Process("sentinel", ["/usr/bin/redis-server", conf, "--sentinel"],
                                self.folder)
        self.sentinel.start()
        wait_until("Sentinel to know the replica",
                   lambda: "+slave" in self.sentinel.tail(50), 30)
        return self

    def master(self):
        """The only one that says so, or None."""
        masters = [server for server in self.servers if is_master(server)]
        return masters[0] if len(masters) == 1 else None

    # What a World and its judge want of a Redis.

    @property
    def process(self):
        return (self.master() or self.servers[0]).process

    def client(self):
        return wait_until("a master", self.master, 30).client()

    def stop(self):
        self.sentinel.stop()
        for server in self.servers:
            if server.process.alive():
                server.stop()
