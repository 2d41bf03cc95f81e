"""storm against servers of the test's own, honest and lying: it must notice."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

BUILD = pathlib.Path(os.environ.get("BUILD", "build"))


class Server:
    """Answers each request with what `answer(method, path, key, user)` returns: a status, header
    fields and a body, or None to hang up. Where `seats` is given, `answer(seat, user, path)`."""

    def __init__(self, answer, seats=False, backlog=512, deaf_seconds=0.0):
        self.answer = answer
        self.seats = seats
        self.deaf_until = time.monotonic() + deaf_seconds  # till then it hangs up on everybody
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.requests = 0
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            if time.monotonic() < self.deaf_until:
                connection.close()
                continue
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        with connection, contextlib.suppress(ConnectionError):  # whoever asked was killed
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
        if self.seats:
            request = json.loads(body)
            assert request["hold"] is True and len(request["seats"]) == 1
            answer = self.answer(request["seats"][0], request["user"], path)
        else:
            answer = self.answer(method, path, key and key[1], user and user[1])
        if answer is None:
            return False
        status, fields, text = answer
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n"
                           f"{fields}\r\n{text}".encode())
        return True

    def close(self):
        """Whoever accepts is gone before the socket's number can be that of another one."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()
        self.socket.close()


@pytest.fixture
def serve():
    servers = []

    def start(answer, **options):
        servers.append(Server(answer, **options))
        return servers[-1]
    yield start
    for server in servers:
        server.close()


def storm(server, *options):
    """Its exit code, and its account with what it said besides."""
    done = subprocess.run([BUILD / "bench" / "storm", "--url", server.url, "--quiet", "--json", "-",
                           *options], text=True, capture_output=True, timeout=60, check=False)
    account = json.loads(done.stdout.removeprefix("storm: open\n"))
    return done.returncode, account | {"said": done.stderr}


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
                         "--sold-out", "full", "--mix",
                         "book=1,refused=1,read=1,duplicate=1")
    steps = result["steps"]
    assert code == 0, result
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
    assert code == 0, result
    assert result["begun"] == 200
    latency = result["steps"]["read"]["latency_us"]
    # Half of them were due during the stall; a closed loop would have seen one slow answer.
    assert latency["p90"] > 300_000


def test_a_rate_is_kept(serve):
    """Each operation that was due was begun, or is owned up to; however busy the machine is."""
    code, result = storm(serve(Honest()), "--rate", "500", "--clients", "16", "--seconds", "2",
                         "--mix", "read=1")
    assert code == 0, result
    assert result["begun"] + result["behind"] == 1000


def test_a_rate_is_not_exceeded(serve):
    began = time.monotonic()
    code, result = storm(serve(Honest()), "--rate", "100", "--clients", "16", "--requests", "100",
                         "--mix", "read=1")
    assert code == 0, result
    assert result["begun"] == 100
    assert time.monotonic() - began >= 0.99  # the last is due 99 hundredths after the first


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
    assert code == 1, result
    assert result["wrong"] == 10
    assert result["sample"].startswith("book: ")


def test_a_repetition_that_differs_is_noticed(serve):
    count = [0]

    def answer(method, path, key, user):
        count[0] += 1
        return 201, "Idempotent-Replayed: true\r\n", booked(user, booking=f"b{count[0]}")

    code, result = storm(serve(answer), "--requests", "5", "--clients", "1", "--mix", "duplicate=1")
    assert code == 1, result
    assert result["steps"]["again"]["wrong"] == 5


def test_a_lost_connection_is_counted_and_made_anew(serve):
    count = [0]

    def answer(method, path, key, user):
        count[0] += 1
        return None if count[0] % 10 == 0 else (200, "", '{"available":1}')

    code, result = storm(serve(answer), "--requests", "100", "--clients", "2", "--mix", "read=1")
    assert code == 0, result
    assert result["broken"] == 10
    assert result["steps"]["read"]["done"] == 90


def test_clients_lost_before_the_start_come_again(serve):
    """Not all at once can be connected; some are lost before the last one is."""
    server = serve(lambda *request: (200, "", '{"available":1}'), backlog=0, deaf_seconds=1.5)
    code, result = storm(server, "--requests", "100", "--clients", "8", "--mix", "read=1")
    assert code == 0, result
    assert result["reconnects"] > 0
    assert result["steps"]["read"]["done"] + result["broken"] == 100


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_a_process_that_is_killed_is_told(serve, seconds):
    """Before the start, for which nobody waits then, and after it."""
    storm = subprocess.Popen([BUILD / "bench" / "storm", "--url", serve(Honest()).url, "--quiet",
                              "--clients", "4", "--processes", "2", "--mix", "read=1",
                              "--seconds", "3"],
                             stderr=subprocess.PIPE, text=True)
    children = f"/proc/{storm.pid}/task/{storm.pid}/children"
    while len(pids := pathlib.Path(children).read_text().split()) < 2:
        assert storm.poll() is None
    time.sleep(seconds)
    os.kill(int(pids[1]), signal.SIGKILL)
    assert "storm: process 1 was ended by signal 9" in storm.communicate(timeout=30)[1]
    assert storm.returncode == 1


def test_listeners_say_what_they_were_told(serve):
    stream = "".join(f'data: {{"type":"availability","available":{left},"version":{9 - left}}}\n\n'
                     for left in (3, 1, 0)) + 'data: {"type":"sale","state":"sold_out"}\n\n'
    server = serve(lambda m, p, k, u: (200, "Content-Type: text/event-stream\r\n", stream))
    code, result = storm(server, "--open", "50", "--processes", "2", "--seconds", "6",
                         "--open-kind", "listen", "--path", "/v1/shows/x/events")
    assert code == 0, result
    assert result["open"] == result["listening"] == result["told_end"] == server.requests == 50
    assert (result["version_min"], result["version_max"], result["available_max"]) == (9, 9, 0)
    assert result["open_answers"] == 150 and result["behind_us"]["max"] >= 0


def test_listeners_to_no_stream_are_lost(serve):
    server = serve(lambda m, p, k, u: (404, "", "there is no such show"))
    _, result = storm(server, "--open", "5", "--seconds", "6", "--open-kind", "listen", "--path", "/x")
    assert result["open_lost"] == 5 and "no such show" in result["sample"]


def test_nobody_there_is_said_at_once():
    with socket.socket() as deaf:  # bound, so that nobody else gets the port
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
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
    ["--url", "http://127.0.0.1:1", "--open", "5", "--open-kind", "listen"],
    ["--url", "http://127.0.0.1:1", "--mix", "seat=1"],
    ["--url", "http://127.0.0.1:1", "--mix", "seat=1", "--seats", "{1..}"],
    ["--url", "http://127.0.0.1:1", "--mix", "seat=1,seat-race=1", "--seats", "{1..9}"],
    ["--url", "http://127.0.0.1:1", "--mix", "seat=1", "--seats", "{1..9}", "--requests", "10"],
])
def test_bad_usage_is_one_line_and_exit_2(arguments):
    done = subprocess.run([BUILD / "bench" / "storm", *arguments], text=True, capture_output=True,
                          timeout=10, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def held(seat, user, status="HELD"):
    return 201, "", json.dumps({"id": "b" + user, "user": user, "quantity": 1, "status": status,
                                "seats": [seat]})


def taken(seat):
    return 409, "", json.dumps({"code": "SEAT_TAKEN", "conflicts": [seat]})


class Hall:
    """Numbered seats, each held once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.holder = {}

    def __call__(self, seat, user, path):
        with self.lock:
            first = self.holder.setdefault((path, seat), user)
        return held(seat, user) if first == user else taken(seat)


SEATS = ("--seats", "{A..E}-{1..20}", "--clients", "8", "--processes", "2")


def test_holds_of_distinct_seats_go_through_all_halls_and_end_with_them(serve):
    hall = Hall()
    code, result = storm(serve(hall, seats=True), *SEATS, "--mix", "seat=1", "--shows", "2",
                         "--show", "hall")
    assert code == 0, result
    assert result["steps"]["seat"]["done"] == result["begun"] == 200
    assert set(hall.holder) == {(f"/v1/shows/hall-{show}/bookings", f"{row}-{number}")
                                for show in (1, 2) for row in "ABCDE" for number in range(1, 21)}


def test_of_those_that_go_for_a_seat_one_has_it(serve):
    hall = Hall()
    code, result = storm(serve(hall, seats=True), *SEATS, "--mix", "seat-race=1", "--racers", "5")
    race = result["steps"]["race"]
    assert code == 0, result
    assert (race["done"], race["refused"]) == (100, 400)
    assert len(hall.holder) == 100
    assert result["denied"] == 0


@pytest.mark.parametrize("lie", [
    lambda seat, user, path: held("A-0", user),
    lambda seat, user, path: held(seat, "somebody-else"),
    lambda seat, user, path: held(seat, user, "CONFIRMED"),
    lambda seat, user, path: (201, "", booked(user, "HELD")),
    lambda seat, user, path: (200, *held(seat, user)[1:]),
    lambda seat, user, path: taken(seat),
    lambda seat, user, path: (409, "", '{"code":"SOLD_OUT"}'),
])
def test_a_lie_about_a_seat_is_noticed(serve, lie):
    code, result = storm(serve(lie, seats=True), *SEATS, "--mix", "seat=1", "--requests", "10")
    assert code == 1, result
    assert result["wrong"] == 10
    assert result["sample"].startswith("seat: ")


@pytest.mark.parametrize("lie", [
    lambda seat, user, path: taken("A-0"),
    lambda seat, user, path: (409, "", '{"code":"SEAT_TAKEN","conflicts":[]}'),
    lambda seat, user, path: (409, "", '{"code":"SEAT_TAKEN"}'),
    lambda seat, user, path: (409, "", '{"code":"SOLD_OUT"}'),
])
def test_a_refusal_must_name_the_seat(serve, lie):
    code, result = storm(serve(lie, seats=True), *SEATS, "--mix", "seat-race=1",
                         "--requests", "10")
    assert code == 1, result
    assert result["wrong"] == 10


def test_a_seat_that_two_are_told_is_theirs_is_noticed(serve):
    code, result = storm(serve(lambda seat, user, path: held(seat, user), seats=True), *SEATS,
                         "--mix", "seat-race=1", "--racers", "5")
    assert code == 1, result
    assert result["steps"]["race"]["done"] == 100
    assert result["wrong"] == 400


def test_a_seat_that_nobody_gets_is_noticed(serve):
    code, result = storm(serve(lambda seat, user, path: taken(seat), seats=True), *SEATS,
                         "--mix", "seat-race=1", "--racers", "5")
    assert code == 1, result
    assert result["wrong"] == 0
    assert result["denied"] == 100


def test_a_holder_who_never_heard_of_it_is_no_lie(serve):
    hall = Hall()

    def answer(seat, user, path):
        status = hall(seat, user, path)
        return None if status[0] == 201 else status

    code, result = storm(serve(answer, seats=True), *SEATS, "--mix", "seat-race=1", "--racers",
                         "5")
    assert code == 0, result
    assert (result["broken"], result["denied"]) == (100, 0)


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
