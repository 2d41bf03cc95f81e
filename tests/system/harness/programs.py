"""usher's own programs: how they are called, and when they are ready."""

import subprocess

from .client import Client
from .process import Process, build_folder, free_port, patience, wait_until


class Result:
    """How a short program ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit {self.code}\n{self.out}{self.err}"


def run_program(name, *words, env=None, seconds=30.0):
    """One of usher's programs, to its end."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/tmp"}
    environment.update(env or {})
    done = subprocess.run([str(build_folder() / name), *[str(word) for word in words]],
                          env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=patience(seconds), check=False)
    result = Result(done.returncode, done.stdout.decode(), done.stderr.decode())
    for mark in ("AddressSanitizer", "runtime error:", "LeakSanitizer"):
        assert mark not in result.err, result
    return result


def flags(options):
    """{"log_level": "debug"} → --log-level=debug"""
    return [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]


class Program(Process):
    """One of usher's daemons."""

    program = None

    def __init__(self, name, folder, **options):
        options.setdefault("name", name)
        options.setdefault("log_level", "debug")
        programs = options.pop("programs", None)
        if programs is None:  # of this version
            options.setdefault("core_dumps", "yes")  # tests look into /proc, people into cores
        super().__init__(name, [(programs or build_folder()) / self.program, *flags(options)], folder)

    def events(self, event):
        """Lines of its log about this event."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return []
        return [line for line in lines if f" event={event}" in line]


class Allocator(Program):
    program = "usher-allocator"

    def __init__(self, name, folder, **options):
        options.setdefault("heartbeat_ms", 100)
        super().__init__(name, folder, **options)


class Courier(Program):
    program = "usher-courier"

    def __init__(self, name, folder, **options):
        for option, value in (("poll_ms", 20), ("again_ms", 50), ("settle_ms", 500),
                              ("provider_ms", 1000), ("webhook_ms", 1000), ("lease_ms", 2000),
                              ("recovery_ms", 100)):
            options.setdefault(option, value)
        super().__init__(name, folder, **options)


class Gateway(Program):
    program = "usher-gateway"

    def __init__(self, name, folder, **options):
        self.port = options.pop("port", None) or free_port()
        options.setdefault("listen", f"127.0.0.1:{self.port}")
        super().__init__(name, folder, **options)

    def client(self, **options):
        return Client(self.port, **options)

    def wait_ready(self, seconds=15.0):
        client = self.client()
        try:
            wait_until(f"{self.name} to be ready", lambda: self._is_ready(client), seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.tail()}") from None
        finally:
            client.close()
        return self

    def _is_ready(self, client):
        assert self.alive(), f"{self.name} ended:\n{self.tail()}"
        return client.get("/readyz").status == 200
