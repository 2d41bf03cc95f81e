"""Two machines for Postgres: when the primary's dies, the standby is promoted and a new one is made.

The standby confirms commits (synchronous_standby_names): who was told of a booking has it on both.
Who promotes must know that, as every manager of such a pair must: only a standby that was seen to
confirm, and to have all that was committed before it did, takes the place of a primary. After that
the new primary goes on alone until it has a standby again, and cannot be lost meanwhile.

A thread looks at the primary and sets what confirms; step() starts and ends servers, in the main
thread, and waits for nothing.
"""

import shutil
import signal
import threading
import time

import psycopg2

from harness.postgres_server import BINARIES, Postgres, unprivileged
from harness.process import Process, free_port, wait_until

SETTINGS = """
max_wal_size = 96MB
min_wal_size = 32MB
wal_keep_size = 256MB
wal_retrieve_retry_interval = 100ms
deadlock_timeout = 500ms
"""
LOOK_SECONDS = 0.1
SETTLED_SECONDS = 0.5   # from the setting to the belief that every commit waits for it
PROMOTE_AGAIN_SECONDS = 0.5
LOOK = """
SELECT pg_is_in_recovery(), current_setting('synchronous_standby_names'),
       CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_insert_lsn()::text END,
       coalesce(max(sync_state), ''), coalesce(bool_or(flush_lsn >= %s::pg_lsn), false)
FROM pg_stat_replication WHERE application_name = 'walreceiver' AND state = 'streaming'
"""


class Pair:
    """The primary, its standby, and how one becomes the other."""

    def __init__(self, folder, confirming=True):
        self.folder = folder
        self.confirming = confirming   # not: COMMIT returns before a standby has it
        self.ports = [free_port(), free_port()]
        self.made = 0
        self.primary = self.standby = self.dead = None
        self.is_confirmed = False      # may the standby be promoted?
        self.promotions = 0
        self._promote_at = 0.0
        self._open = None              # the server that was last seen to be a primary
        self._copying = None           # (the standby to be, the thread that copies)
        self._mark = self._marked_at = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def url(self, database, user):
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"postgresql://{user}@{hosts}/{database}?target_session_attrs=read-write"

    def start_primary(self):
        self.primary = self._server(self.ports[0]).create()
        with open(self.primary.data / "postgresql.conf", "a", encoding="ascii") as conf:
            conf.write(SETTINGS)
        self.primary.start()
        return self

    def start_standby(self):
        """And wait until it confirms; from now on both are looked after."""
        self._thread.start()

        def is_whole():
            self.step()
            return self.is_confirmed
        wait_until("a standby that confirms", is_whole, 60, 0.1)

    def _server(self, port):
        self.made += 1
        server = Postgres(self.folder, f"postgres-{self.made}")
        server.port = port
        server.process = Process(server.name, [
            BINARIES / "postgres", "-D", server.data, "-p", port, "-k", server.folder], self.folder,
            run_as=unprivileged(), cwd="/")
        return server

    @property
    def processes(self):
        """Those that are to run."""
        servers = [None if self.primary is self.dead else self.primary, self.standby]
        return [server.process for server in servers if server is not None]

    @property
    def is_whole(self):
        return self.dead is None and self.is_confirmed and all(p.alive() for p in self.processes)

    # Breaking.

    def lose_primary(self, pause, gently=False, trusting=False):
        """Its machine is gone, and some time later somebody promotes. False: it may not go now.

        Gently: it is told to end, and has sent all that it has to the standby when it does. Trusting:
        the standby is promoted though it is away and nobody has seen what it has got."""
        process = self.primary.process
        if not (self.is_confirmed or trusting) or self.dead is not None or not process.alive():
            return False
        if gently:
            process.send(signal.SIGINT)
        else:
            process.kill_all()
        self.dead = self.primary
        self.is_confirmed = False
        self._promote_at = time.monotonic() + pause
        return True

    # Looking after them.

    def step(self):
        if self.dead is not None:
            self._promote()
        elif self.standby is None and self._open is self.primary and self.primary.process.alive():
            self._make_standby()

    def _promote(self):
        """What pg_ctl does; again until it is done, since the standby may be down itself."""
        if time.monotonic() < self._promote_at or self.dead.process.alive():
            return
        if self.standby is not None:  # the old one is gone: nobody else can be told anything
            self.primary, self.standby = self.standby, None
            shutil.rmtree(self.dead.folder, ignore_errors=True)
        if self._open is self.primary:
            self.dead = None
            self.promotions += 1
            return
        self._promote_at = time.monotonic() + PROMOTE_AGAIN_SECONDS
        if self.primary.process.alive():
            trigger = self.primary.data / "promote"
            trigger.touch()
            if unprivileged() is not None:
                shutil.chown(trigger, unprivileged(), unprivileged())
            self.primary.process.send(signal.SIGUSR1)

    def _make_standby(self):
        if self._copying is None:
            port = next(port for port in self.ports if port != self.primary.port)
            fresh = self._server(port)
            thread = threading.Thread(target=self._copy, args=[fresh, self.primary], daemon=True)
            self._copying = (fresh, thread)
            thread.start()
            return
        fresh, thread = self._copying
        if thread.is_alive():
            return
        self._copying = None
        if fresh.is_copied:
            self.standby = fresh
            fresh.process.start()
        else:
            shutil.rmtree(fresh.folder, ignore_errors=True)

    @staticmethod
    def _copy(fresh, primary):
        fresh.is_copied = False
        try:
            fresh.create_standby_of(primary)
            fresh.is_copied = True
        except Exception:  # the primary went away meanwhile: once more, with the next one
            pass

    # The thread.

    def _run(self):
        connection = of = None
        while not self._closed:
            time.sleep(LOOK_SECONDS)
            primary = self.primary
            try:
                if connection is None or of is not primary or connection.closed:
                    self._distrust()
                    connection, of = primary.connect("postgres"), primary
                self._look(of, connection)
            except psycopg2.Error:
                connection = None
                self._distrust()

    def _distrust(self):
        self.is_confirmed, self._mark = False, None

    def _look(self, server, connection):
        with connection.cursor() as cursor:
            cursor.execute(LOOK, [self._mark or "0/0"])
            in_recovery, names, inserted, sync, has_it = cursor.fetchone()
            if self.confirming and sync == "async" and names == "":
                cursor.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                cursor.execute("SELECT pg_reload_conf()")
        if not in_recovery:
            self._open = server
        if in_recovery or sync != ("sync" if self.confirming else "async"):
            self._distrust()
        elif self._mark is None:
            self._mark, self._marked_at = inserted, time.monotonic()
        elif not self.is_confirmed and time.monotonic() < self._marked_at + SETTLED_SECONDS:
            self._mark = inserted  # what is committed up to now may not have waited for anybody
        elif has_it and self.dead is None:
            self.is_confirmed = True

    def close(self):
        self._closed = True
        if self._thread.is_alive():
            self._thread.join(15)
        if self._copying is not None:
            self._copying[1].join(60)
        for process in self.processes:
            if process.alive():
                process.stop(seconds=30, number=signal.SIGQUIT)
