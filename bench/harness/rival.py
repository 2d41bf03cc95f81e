"""A rival in the benchmark's Postgres and Redis, for as long as a `with` lasts."""

import os
import signal
import subprocess

# design, what the tables call it
SQL_DESIGNS = {
    "for_update": "SELECT … FOR UPDATE",
    "for_update_fused": "FOR UPDATE, fused",
    "atomic": "atomic UPDATE",
    "optimistic": "optimistic version",
}
DESIGNS = {**SQL_DESIGNS, "seckill": "seckill (not durable)"}
SEAT_DESIGNS = {
    "seat_lock": "a row lock for each seat",
    "seat_lock_fused": "row locks, fused",
}


class Rival:
    def __init__(self, system, design, pool=1, shows=1, seats=None):
        self.system = system
        self.command = [str(system.build / "bench" / "rival"), "--design", design,
                        "--pool", str(pool), "--shows", str(shows),
                        "--postgres", system.conninfo("rival")]
        if seats:
            self.command += ["--seats", str(seats)]

    def __enter__(self):
        env = dict(os.environ, PGPASSWORD=self.system.postgres_password,
                   PGOPTIONS="-c client_min_messages=warning",
                   USHER_REDIS=self.system.env["USHER_REDIS"])
        self.process = subprocess.Popen(self.command, text=True, env=env, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line.startswith("listening "):
            raise RuntimeError(f"rival: {self.process.stderr.read()}")
        self.url = "http://127.0.0.1:" + line.split()[1]
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)
        self.process.stdout.close()
        self.process.stderr.close()
