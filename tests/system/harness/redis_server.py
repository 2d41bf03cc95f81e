"""A private Redis for one test."""

import shutil
import signal
from pathlib import Path

import redis

from .process import Process, free_port, wait_until
from .redis_users import RedisUsers


class Redis:
    """redis-server with its own port, socket and folder; with an append-only file if durable.

    Every program logs in as its own user; the tests need no login unless `strict`.
    """

    def __init__(self, folder, durable=False, name="redis", options=(), users=None, strict=False):
        self.folder = Path(folder) / name
        self.folder.mkdir()
        self.port = free_port()
        self.socket = self.folder / "redis.sock"
        self.durable = durable
        self.users = users or RedisUsers(folder, strict)
        argv = ["/usr/bin/redis-server", "--port", self.port, "--bind", "127.0.0.1",
                "--unixsocket", self.socket, "--dir", self.folder, "--save", "",
                "--appendonly", "yes" if durable else "no", "--appendfsync", "no",
                "--maxmemory-policy", "noeviction", "--daemonize", "no", *self.users.options, *options]
        self.process = Process(name, argv, folder)

    @property
    def url(self):
        return self.url_of("ops")

    def url_of(self, program, port=None):
        """A program's URL, to this port's if not to ours."""
        return f"redis://{self.users.login(program)}127.0.0.1:{port or self.port}"

    def start(self):
        self.process.start()
        client = self.client()
        wait_until("Redis to answer", lambda: self._answers(client))
        client.close()
        return self

    @property
    def servers(self):
        return [self]

    def _answers(self, client):
        try:
            return client.ping()
        except redis.exceptions.RedisError:
            assert self.process.alive(), f"Redis ended:\n{self.process.tail()}"
            return False

    def client(self):
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=10,
                           **self.users.of_tests)

    def stop(self):
        self.process.stop()

    def kill9(self):
        self.process.kill9()

    def save_file(self, into):
        """A copy of the append-only files as they are now."""
        shutil.copytree(self.folder / "appendonlydir", into)

    def restore_file(self, saved):
        """Put back files that save_file copied. Only while Redis is stopped."""
        assert not self.process.alive()
        shutil.rmtree(self.folder / "appendonlydir")
        shutil.copytree(saved, self.folder / "appendonlydir")

    def sigstop(self):
        self.process.send(signal.SIGSTOP)

    def cont(self):
        self.process.send(signal.SIGCONT)
