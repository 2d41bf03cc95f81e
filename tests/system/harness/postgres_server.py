"""Private Postgres clusters: one for most tests (a database each), own ones for those that kill it."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg2

from .process import Process, free_port, wait_until

BINARIES = Path("/usr/lib/postgresql/15/bin")
SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = off                  # the machine does not crash in a test; synchronous_commit stays on
full_page_writes = off
synchronous_commit = on
shared_buffers = 32MB
dynamic_shared_memory_type = mmap  # in its folder, so that a killed server leaves none behind
max_connections = 200
autovacuum_naptime = 10s
log_min_messages = warning
log_line_prefix = '%m [%p] %a '
restart_after_crash = on
"""


def unprivileged():
    """Postgres refuses to run as root: then it runs as the user that Debian's package made."""
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam("postgres").pw_name


class Postgres:
    """A cluster in its own folder, run in the foreground as our child."""

    def __init__(self, folder, name="postgres"):
        self.folder = Path(folder) / name
        self.data = self.folder / "data"
        self.port = free_port()
        self.name = name
        self.process = None

    def create(self):
        self.folder.mkdir()
        user = unprivileged()
        if user is not None:
            shutil.chown(self.folder, user, user)
        self._run_as_owner(BINARIES / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust",
                           "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions")
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as conf:
            conf.write(SETTINGS)
        return self

    def create_from(self, other):
        """A copy of a cluster that is stopped: much faster than making one."""
        assert other.process is None or not other.process.alive()
        self.folder.mkdir()
        user = unprivileged()
        if user is not None:
            shutil.chown(self.folder, user, user)
        self._run_as_owner("/bin/cp", "-a", "--reflink=auto", other.data, self.data)
        return self

    def create_standby_of(self, primary):
        """A copy that follows it by streaming, and can be read."""
        self.folder.mkdir()
        user = unprivileged()
        if user is not None:
            shutil.chown(self.folder, user, user)
        self._run_as_owner(BINARIES / "pg_basebackup", "-h", "127.0.0.1", "-p", primary.port,
                           "-U", "postgres", "-D", self.data, "-R", "-X", "stream",
                           "--checkpoint=fast", "--no-sync")
        return self

    def confirm_commits_by_standby(self):
        """From now on COMMIT returns when a standby has it too."""
        self.run("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.run("postgres", "SELECT pg_reload_conf()")
        wait_until("a standby that confirms", lambda: self.run(
            "postgres", "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") ==
            [(1,)], 30)

    def promote(self):
        """The standby becomes the primary; the old one must be gone."""
        self.run("postgres", "ALTER SYSTEM RESET synchronous_standby_names")
        assert self.run("postgres", "SELECT pg_promote(true, 60)") == [(True,)]

    def _run_as_owner(self, *argv):
        user = unprivileged()
        prefix = [] if user is None else ["setpriv", "--reuid", user, "--regid", user,
                                          "--clear-groups", "--"]
        subprocess.run(prefix + [str(word) for word in argv], check=True, cwd="/",
                       stdout=subprocess.DEVNULL, timeout=120)

    def start(self):
        if self.process is None:
            argv = [BINARIES / "postgres", "-D", self.data, "-p", self.port, "-k", self.folder]
            self.process = Process(self.name, argv, self.folder.parent, run_as=unprivileged(),
                                   cwd="/")
        self.process.start()
        wait_until("Postgres to answer", self._answers, 30)
        return self

    def _answers(self):
        try:
            self.connect("postgres").close()
        except psycopg2.OperationalError:
            assert self.process.alive(), f"Postgres ended:\n{self.process.tail()}"
            return False
        return True

    def connect(self, database, user="postgres"):
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, dbname=database, user=user,
                                      connect_timeout=10, application_name="tests")
        connection.autocommit = True
        return connection

    def url(self, database, user="postgres", port=None):
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def run(self, database, statement, *parameters):
        """One statement on a connection of its own; its rows, if it has any."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description is not None else None
        finally:
            connection.close()

    def stop(self):
        if self.process is not None and self.process.alive():
            self.process.stop(seconds=30, number=signal.SIGINT)  # fast: ends the sessions

    def stop_immediately(self):
        """As a crash: no checkpoint, no goodbye; recovery follows at the next start."""
        self.process.send(signal.SIGQUIT)
        self.process.wait(30)

    def kill9(self):
        """The postmaster alone; its children notice and end, and only then may it start again."""
        children = self.process.children()
        self.process.kill9()
        wait_until("Postgres' children to end",
                   lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in children), 30)

    def freeze(self):
        self.process.freeze()

    def thaw(self):
        self.process.thaw()


def quote(name):
    assert name.replace("_", "").isalnum()
    return f'"{name}"'
