"""storm against servers of the test's own, honest and lying: it must notice."""

import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time

import pytest

BUILD = pathlib.Path(os.environ.get("BUILD", "build"))


class Server:
    """Answers each request with what `answer(method, path, key, user)` returns: a status, header
    fields and a body, or None to hang up."""

    def __init__(self, answer):
        self.answer = answer
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.requests = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        with connection:
            while True:
                while b"\r\n\r\n" not in data:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                length = re.search(rb"Content-Length: (\d+)", head)
                length = int(length[1]) if length else 0
                while len(data) < length:
                    data += connection.recv(65536)
                body, data = data[:length], data[length:]
                self.requests += 1
                if not self.reply(connection, head.decode(), body.decode()):
                    return

    def reply(self, connection, head, body):
        method, path = head.split(" ")[:2]
        key = re.search(r"Idempotency-Key: (\S+)", head)
        user = re.search(r'"user":"([^"]*)"', body)
        answer = self.answer(method, path, key and key[1], user and user[1])
        if answer is None:
            return False
        status, fields, text = answer
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n"
                           f"{fields}\r\n{text}".encode())
        return True

    def close(self):
        self.socket.close()


@pytest.fixture
def serve():
    servers = []

    def start(answer):
        servers.append(Server(answer))
        return servers[-1]
    yield start
    for server in servers:
        server.close()


def storm(server, *options):
    done = subprocess.run([BUILD / "bench" / "storm", "--url", server.url, "--quiet", "--json", "-",
                           *options], text=True, capture_output=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)


def booked(user, status="CONFIRMED", booking="b1"):
    return json.dumps({"id": booking, "user": user, "quantity": 1, "status": status})


class Honest:
    """What usher would say, as far as storm asks."""

    def __init__(self):
        self.users = {}
        self.keys = set()

    def __call__(self, method, path, key, user):
        if method == "GET":
            return 200, "", '{"tiers":[],"available":5}'
        if path.endswith("/confirm"):
            booking = path.split("/")[3]
            return 200, "", booked(self.users[booking], booking=booking)
        if "/full/" in path:
            return 409, "", '{"code":"SOLD_OUT"}'
        booking = "b" + user
        self.users[booking] = user
        again = key in self.keys
        if key:
            self.keys.add(key)
            return 201, "Idempotent-Replayed: true\r\n" if again else "", booked(user, booking=booking)
        return 201, "", booked(user, booking=booking)


def test_every_kind_of_errand_is_counted(serve):
    server = serve(Honest())
    code, result = storm(server, "--requests", "300", "--clients", "8", "--processes", "2",
                         "--sold-out", "full", "--mix", "book=1,refused=1,read=1,duplicate=1")
    steps = result["steps"]
    assert code == 0
    assert result["begun"] == 300
    assert result["wrong"] == result["broken"] == result["unanswered"] == 0
    assert steps["refused"]["refused"] > 0
    assert steps["first"]["done"] == steps["again"]["done"] > 0
    counted = sum(s["done"] + s["refused"] for s in steps.values())
    assert counted == server.requests == 300 + steps["again"]["done"]


def test_the_open_loop_counts_from_when_a_request_was_due(serve):
    stalled = threading.Event()

    def answer(method, path, key, user):
        if not stalled.is_set():
            stalled.set()
            time.sleep(0.5)
        return 200, "", '{"available":1}'

    code, result = storm(serve(answer), "--rate", "200", "--clients", "1", "--seconds", "1",
                         "--mix", "read=1")
    assert code == 0
    assert result["begun"] == 200
    latency = result["steps"]["read"]["latency_us"]
    # Half of them were due during the stall; a closed loop would have seen one slow answer.
    assert latency["p90"] > 300_000


def test_a_rate_is_kept(serve):
    code, result = storm(serve(Honest()), "--rate", "500", "--clients", "16", "--seconds", "2",
                         "--mix", "read=1")
    assert code == 0
    assert abs(result["begun"] - 1000) <= 1


@pytest.mark.parametrize("lie", [
    lambda m, p, k, u: (201, "", booked("somebody-else")),
    lambda m, p, k, u: (201, "", booked(u, "HELD")),
    lambda m, p, k, u: (200, "", booked(u)),
    lambda m, p, k, u: (500, "", "{}"),
    lambda m, p, k, u: (503, "", "{}"),
    lambda m, p, k, u: (409, "", '{"code":"NO_SUCH_CODE"}'),
])
def test_a_lie_is_noticed(serve, lie):
    code, result = storm(serve(lie), "--requests", "10", "--clients", "2")
    assert code == 1
    assert result["wrong"] == 10
    assert result["sample"].startswith("book: ")


def test_a_repetition_that_differs_is_noticed(serve):
    count = [0]

    def answer(method, path, key, user):
        count[0] += 1
        return 201, "Idempotent-Replayed: true\r\n", booked(user, booking=f"b{count[0]}")

    code, result = storm(serve(answer), "--requests", "5", "--clients", "1", "--mix", "duplicate=1")
    assert code == 1
    assert result["steps"]["again"]["wrong"] == 5


def test_a_lost_connection_is_counted_and_made_anew(serve):
    count = [0]

    def answer(method, path, key, user):
        count[0] += 1
        return None if count[0] % 10 == 0 else (200, "", '{"available":1}')

    code, result = storm(serve(answer), "--requests", "100", "--clients", "2", "--mix", "read=1")
    assert code == 0
    assert result["broken"] == 10
    assert result["steps"]["read"]["done"] == 90


def test_nobody_there_is_said_at_once():
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    done = subprocess.run([BUILD / "bench" / "storm", "--url", f"http://127.0.0.1:{port}",
                           "--clients", "2"], text=True, capture_output=True, timeout=60,
                          check=False)
    assert done.returncode == 1
    assert "could connect" in done.stderr


@pytest.mark.parametrize("arguments", [
    [], ["--url", "ftp://x"], ["--url", "http://127.0.0.1"], ["--url", "http://127.0.0.1:1", "x"],
    ["--url", "http://127.0.0.1:1", "--clients", "0"],
    ["--url", "http://127.0.0.1:1", "--mix", "rob=1"],
    ["--url", "http://127.0.0.1:1", "--mix", "book=0"],
    ["--url", "http://127.0.0.1:1", "--open", "5", "--open-kind", "await"],
])
def test_bad_usage_is_one_line_and_exit_2(arguments):
    done = subprocess.run([BUILD / "bench" / "storm", *arguments], text=True, capture_output=True,
                          timeout=10, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_open_connections_await_what_is_told_later(serve):
    server = serve(lambda m, p, k, u: (200, "", p))
    process = subprocess.Popen([BUILD / "bench" / "storm", "--url", server.url, "--quiet",
                                "--json", "-", "--open", "100", "--processes", "2", "--seconds", "6",
                                "--open-kind", "await", "--path", "-"], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "storm: open\n"
    assert server.requests == 0
    out, _ = process.communicate("/v1/requests/x\n", timeout=30)
    result = json.loads(out)
    assert result["open"] == result["open_answers"] == server.requests == 100
