"""Programs that a test starts: watched, signalled and stopped by their pid, never by name.

Start them from the main thread: each child asks the kernel to be killed when the thread that
started it is gone, so that an interrupted test run leaves nothing behind.
"""

import fcntl
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis

REPOSITORY = Path(__file__).resolve().parents[3]
SANITIZER_MARKS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "runtime error:",
    "AddressSanitizer:DEADLYSIGNAL",
    "stack smashing detected",
    "Assertion `",
)


def build_folder():
    """Where the programs under test are; tests over another build only set USHER_BUILD."""
    return (REPOSITORY / os.environ.get("USHER_BUILD", "build")).resolve()


def is_slow_build():
    """Programs under sanitizers, or a machine that is known to be slow, get longer bounds."""
    return os.environ.get("USHER_SLOW", "") == "1" or "asan" in build_folder().name


def patience(seconds):
    """A bound on a wait, stretched for slow builds. It bounds a failure, it measures nothing."""
    return seconds * 3 if is_slow_build() else seconds


def wait_until(what, condition, seconds=10.0, pause=0.02):
    """Wait for condition() to give something true and return it; fail with `what` after a bound."""
    end = time.monotonic() + patience(seconds)
    problem = None
    while True:
        try:
            value = condition()
            problem = None
        except (OSError, redis.exceptions.ConnectionError) as error:
            value, problem = None, error
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {patience(seconds):.0f} s for {what}" +
                               (f" ({problem})" if problem else ""))
        time.sleep(pause)


_reserved = []  # open files: whoever has one locked has its port, to the end of the process


def _reserve(port):
    """Nobody else's from now on: it is long until a server listens there, and tests run side by
    side."""
    folder = Path(tempfile.gettempdir()) / f"usher-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = open(folder / str(port), "w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    _reserved.append(file)
    return True


def free_port():
    """A port below the range that outgoing connections use, so that none of those takes it."""
    for _ in range(200):
        port = random.SystemRandom().randrange(10000, 32000)
        if not _reserve(port):
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port found")


def signal_all(pids, number):
    """Those that are gone by now are past it."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


class Process:
    """One started program, its log, and what may be done to it."""

    def __init__(self, name, argv, folder, env=None, run_as=None, cwd=None):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.log = Path(folder) / f"{name}.log"
        self.env = env
        self.run_as = run_as
        self.cwd = cwd
        self.child = None
        self.frozen = None  # the child that was stopped along with its own, and the pids of those

    def start(self):
        assert not self.alive(), f"{self.name} already runs"
        command = ["setpriv", "--pdeathsig", "SIGKILL"]
        if self.run_as is not None:
            command += ["--reuid", self.run_as, "--regid", self.run_as, "--clear-groups"]
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/tmp",
                       "ASAN_OPTIONS": "detect_leaks=1:exitcode=97",
                       "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=98"}
        environment.update(self.env or {})
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                command + ["--"] + self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment, cwd=self.cwd)
        return self

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def exit_code(self):
        return None if self.child is None else self.child.poll()

    def send(self, number):
        assert self.alive(), f"{self.name} does not run:\n{self.tail()}"
        os.kill(self.child.pid, number)

    def children(self):
        """Pids of its living children, for programs that fork workers."""
        path = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        try:
            return [int(word) for word in path.read_text().split()]
        except OSError:
            return []

    def freeze(self):
        """It hangs, with all of its children; it takes connections, as the kernel does for it."""
        self.thaw()
        self.send(signal.SIGSTOP)
        # It starts nobody any more, and whoever ends keeps its number, once it has come to rest.
        wait_until(f"{self.name} to stand still", lambda: not self.alive() or self.state() == "T")
        self.frozen = (self.child, self.children())
        signal_all(self.frozen[1], signal.SIGSTOP)

    def thaw(self):
        """Undoes freeze(), whatever has become of it meanwhile."""
        if self.frozen is None:
            return
        (child, children), self.frozen = self.frozen, None
        signal_all(children, signal.SIGCONT)
        if child.poll() is None:
            child.send_signal(signal.SIGCONT)

    def kill_all(self):
        """As a machine that is switched off: no child goes on for a moment longer than it does."""
        self.freeze()
        (child, children), self.frozen = self.frozen, None
        signal_all([*children, child.pid], signal.SIGKILL)

    def state(self):
        """As /proc has it: R, S, D, T (stopped), Z …"""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def sigstop(self):
        self.send(signal.SIGSTOP)

    def cont(self):
        self.send(signal.SIGCONT)

    def kill9(self):
        self.send(signal.SIGKILL)
        self.child.wait(timeout=patience(10))

    def wait(self, seconds=10.0):
        """Its exit code, once it has ended by itself."""
        try:
            return self.child.wait(timeout=patience(seconds))
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} did not end in {patience(seconds):.0f} s:\n"
                               f"{self.tail()}") from None

    def stop(self, seconds=15.0, number=signal.SIGTERM):
        """Ask it to end; its exit code. Killed, and a failure, if it does not."""
        if not self.alive():
            return self.exit_code()
        self.thaw()
        workers = self.children()
        # Woken first: a SIGCONT that comes while the leak sanitizer stops its process at the end
        # would leave the two waiting for each other.
        self.send(signal.SIGCONT)
        self.send(number)
        try:
            return self.child.wait(timeout=patience(seconds))
        except subprocess.TimeoutExpired:
            signal_all(workers + [self.child.pid], signal.SIGKILL)
            self.child.wait(timeout=10)
            raise TimeoutError(f"{self.name} did not stop in {patience(seconds):.0f} s:\n"
                               f"{self.tail()}") from None

    def tail(self, lines=40):
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return "(no log)"
        # Each answer of a gateway is a line: of a crowd's they would fill all of the end.
        told = [line for line in text.splitlines() if "event=answered" not in line]
        return "\n".join(told[-lines:])

    def complaints(self):
        """Lines of its log in which a sanitizer or an assertion speaks."""
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if any(mark in line for mark in SANITIZER_MARKS)]
