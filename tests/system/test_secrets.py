"""Secrets leave no trace: each is a text that stands nowhere else, looked for everywhere afterwards.

Programs are run through what goes well and what fails, at log_level debug, with Postgres and Redis
telling all that they are told.
"""

import hashlib
import os
import re
import secrets
import signal
import subprocess
import threading
import time
from pathlib import Path

import psycopg2
import pytest

from harness import draw
from harness.live import Listener
from harness.postgres_server import BINARIES, unprivileged
from harness.process import Process, build_folder, free_port, wait_until
from harness.programs import Courier, Gateway, flags, run_program
from harness.provider import SECRET, WEBHOOK_SECRET
from harness.room import FAST, room
from harness.tokens import AUDIENCE, ISSUER, Asker, Signer, wrong_tokens
from harness.world import ADMIN_HASH, ADMIN_TOKEN, ALLOCATOR_USER, COURIER_USER, GATEWAY_USER

PROGRAMS = ("usher-gateway", "usher-allocator", "usher-courier", "usherctl")
SECTION = {"usher-gateway": "gateway", "usher-allocator": "allocator", "usher-courier": "courier",
           "usherctl": "ctl"}
ROLES = {ALLOCATOR_USER: "allocator", GATEWAY_USER: "gateway", COURIER_USER: "courier"}


def canary(what):
    return f"{what}-{secrets.token_hex(12)}"


def secret_options(program):
    """The options that --help calls secret: whoever adds one is in these tests."""
    return re.findall(r"--([a-z-]+) SECRET", run_program(program, "--help").out)


class Traces:
    """What is secret, and where it was found."""

    def __init__(self, **known):
        self.known = {name: text.encode() for name, text in known.items()}
        self.found, self.bytes = [], 0

    def look(self, where, blob, but=()):
        blob = blob if isinstance(blob, bytes) else blob.encode()
        self.bytes += len(blob)
        self.found += [f"{name} in {where}" for name, text in self.known.items()
                       if text in blob and name not in but]


# Options.

@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("way", ["flag", "two words", "variable", "file"])
def test_a_bad_setting_is_refused_without_its_secret(program, way, tmp_path):
    """Whatever is wrong with an address, a line or a flag, what stood in it is not repeated."""
    options = secret_options(program)
    assert {"redis", "postgres"} <= set(options)
    for option in options:
        text = canary(option)
        for value in (text, f"http://u:{text}@h", f"redis://u:{text}@h:99999", f"redis://u:{text}@[::",
                      f"redis://u:{text}@h/x", f"unix://u:{text}@", f"postgresql://u:{text}@h:x/d",
                      f"postgresql://u:p@{text}@h/d", f"postgresql://u:{text}/x@h/d",
                      f"postgresql://u:{text}@h/d?nonsense=1", f"host=h password={text} x='",
                      f"smtp:/u:{text}@h", f"smtp://u:{text}@h:x", f"olga:{text}", f"{text},", f" {text}\t"):
            key = option.replace("-", "_")
            done = run(program, way, option, key, value, tmp_path)
            assert text not in done.out + done.err, (value, done)
            if option == "redis" or "@h/d" in value and option == "postgres" and "nonsense" not in value:
                assert done.code == 2, (value, done)


def run(program, way, option, key, value, folder):
    if way == "flag":
        return run_program(program, f"--{option}={value}", "--check-config")
    if way == "two words":
        return run_program(program, f"--{option}", value, "--check-config")
    if way == "variable":
        return run_program(program, "--check-config", env={f"USHER_{key.upper()}": value})
    file = folder / "usher.conf"
    file.write_text(f"[{SECTION[program]}]\n{key} = {value}\n")
    return run_program(program, "--config", file, "--check-config")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_broken_file_or_line_is_told_by_its_place(program, tmp_path):
    text = canary("line")
    file = tmp_path / "usher.conf"
    section = SECTION[program]
    for content in (f"redis = redis://:{text}@h\n", f"[{section}]\nredis redis://:{text}@h\n",
                    f"[{section}]\n{text}\n", f"[{section}]\nrediss = redis://:{text}@h\n",
                    f"[{section}\nredis = {text}\n", f"[{section}]\nredis = {text}" + "x" * 5000 + "\n",
                    f"[{section}]\nredis = {text}\0\n"):
        file.write_text(content)
        done = run_program(program, "--config", file, "--check-config")
        assert done.code == 2 and text not in done.out + done.err, (content[:80], done)
    for words in ((f"--redi=redis://:{text}@h",), (f"-redis=redis://:{text}@h",),
                  ("--redis", f"redis://:{text}@h", "--log-format")):
        done = run_program(program, *words)
        assert done.code == 2 and text not in done.out + done.err, done


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("question", ["--help", "--version", "--check-config"])
def test_a_program_that_is_asked_about_itself_tells_no_secret(program, question):
    known = {option: f"redis://u:{canary(option)}@127.0.0.1" if option == "redis" else canary(option)
             for option in secret_options(program) if option not in ("postgres", "postgres-replica")}
    done = run_program(program, *flags(known), question)
    for text in known.values():
        assert text.split(":")[-1].split("@")[0] not in done.out + done.err, done


# Memory.

def start_alone(folder, way, **options):
    """A gateway that reaches nobody, as somebody else than root if we are root."""
    user = unprivileged()
    if user is not None:
        Path(folder).chmod(0o755)
    text = canary("redis")
    settings = {"redis": f"redis://u:{text}@127.0.0.1:1", "postgres": "postgresql://127.0.0.1:1/x",
                "listen": f"127.0.0.1:{free_port()}", **options}
    argv, env = [build_folder() / "usher-gateway", "--workers=2"], {}
    if way == "flag":
        argv += flags(settings)
    else:
        env = {f"USHER_{key.upper()}": value for key, value in settings.items()}
    process = Process("alone", argv, folder, env=env, run_as=user)
    process.start()
    wait_until("its workers", lambda: len(process.children()) == 2 and "redis_lost" in process.tail())
    return process, text.encode()


def read_as(user, path):
    """What somebody else of that name reads of it; None if nothing may be read."""
    prefix = [] if user is None else ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"]
    done = subprocess.run(prefix + ["/usr/bin/head", "-c", "1", path], capture_output=True,
                          timeout=30, check=False)
    return None if b"denied" in done.stderr else done.stdout


@pytest.mark.parametrize("way", ["flag", "variable"])
def test_arguments_and_variables_are_erased(tmp_path, way):
    process, text = start_alone(tmp_path, way, core_dumps="yes")
    for pid in (process.pid, *process.children()):
        for what in ("cmdline", "environ"):
            assert text not in Path(f"/proc/{pid}/{what}").read_bytes(), (pid, what)
        assert b"redis" in Path(f"/proc/{pid}/cmdline").read_bytes().lower() or way == "variable"
    process.stop()


def test_nobody_of_the_same_user_looks_into_it(tmp_path):
    process, _ = start_alone(tmp_path, "flag")
    for pid in (process.pid, *process.children()):
        for what in ("environ", "maps", "auxv"):
            assert read_as(unprivileged(), f"/proc/{pid}/{what}") is None, (pid, what)
        assert read_as(unprivileged(), f"/proc/{pid}/stat"), "what ps shows is everybody's"
    process.stop()
    debugged, _ = start_alone(tmp_path, "flag", core_dumps="yes")
    assert read_as(unprivileged(), f"/proc/{debugged.pid}/environ"), "core_dumps = yes is for debuggers"
    debugged.stop()


@pytest.mark.parametrize("core_dumps", ["no", "yes"])
@pytest.mark.parametrize("program", PROGRAMS[:3])
def test_a_crash_leaves_no_core(tmp_path, program, core_dumps):
    text = canary("redis")
    options = {"redis": f"redis://u:{text}@127.0.0.1:1", "postgres": "postgresql://127.0.0.1:1/x",
               "core_dumps": core_dumps}
    if program == "usher-gateway":
        options["listen"] = f"127.0.0.1:{free_port()}"
    process = Process("crash", ["prlimit", "--core=unlimited:unlimited", build_folder() / program,
                                *flags(options)], tmp_path, cwd=tmp_path)
    process.start()
    wait_until("its first words", lambda: "event=" in process.tail())
    os.kill(process.pid, signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.child.returncode = -signal.SIGABRT
    assert os.WTERMSIG(status) == signal.SIGABRT
    cores = list(tmp_path.glob("core*"))
    if core_dumps == "no":
        assert not os.WCOREDUMP(status) and not cores
    elif os.WCOREDUMP(status) and cores:  # else the machine puts cores elsewhere, or has none
        assert text.encode() in cores[0].read_bytes(), "it would have been there"


@pytest.mark.parametrize("file", ["/dev/stdin", "/proc/self/fd/0"])
def test_a_file_that_comes_through_a_pipe_is_read_all_the_same(file):
    """What is /proc/self's is the process' own, whatever others may see of it."""
    user = unprivileged()
    prefix = [] if user is None else ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"]
    script = (f"printf '[gateway]\\nredis = redis://u:p@h\\n' |"
              f" {build_folder()}/usher-gateway --config {file} --check-config")
    done = subprocess.run(prefix + ["/bin/sh", "-c", script], capture_output=True, timeout=30,
                          check=False, cwd="/")
    assert done.returncode == 0 and done.stdout == b"configuration is right\n", done


# Everything that is written down.

@pytest.fixture
def shop(sturdy_world, tmp_path):
    """Everybody has a password, and Postgres writes down all that it is asked."""
    world = sturdy_world
    world.show("gala", {"GA": (1000, 50)}, max_per_user=9, max_per_booking=9)
    world.show("fest", {"GA": (0, 50)})
    world.passwords = {user: canary(user) for user in ROLES}
    for user, password in world.passwords.items():
        world.cluster.run(world.database, f"ALTER ROLE {user} PASSWORD '{password}'")
    hba = world.cluster.data / "pg_hba.conf"
    hba.write_text("".join(f"host all {user} 127.0.0.1/32 scram-sha-256\n" for user in ROLES) +
                   hba.read_text())
    for setting in ("log_statement = 'all'", "log_connections = on", "log_min_messages = 'debug1'",
                    "log_parameter_max_length_on_error = -1"):
        world.cluster.run("postgres", f"ALTER SYSTEM SET {setting}")
    world.cluster.run("postgres", "SELECT pg_reload_conf()")
    world.cluster.run("postgres", "SELECT pg_sleep(0.2)")
    world.secret_of_tokens = canary("jwt-secret-that-is-long")
    world.secret_of_challenges = canary("challenge-secret-that-is-long")
    world.mail_password = canary("smtp")
    for name in ("tokens", "challenges"):
        (tmp_path / name).write_text(getattr(world, f"secret_of_{name}"))
    (tmp_path / "keys").write_text(draw.KEYS_FILE)
    world.signer = Signer("HS256", "k1", secret=world.secret_of_tokens.encode())
    world.start_provider()
    yield world
    world.cluster.run("postgres", "ALTER SYSTEM RESET ALL")


def postgres_url(world, user, password=None, port=None):
    return (f"postgresql://{user}:{password or world.passwords[user]}@127.0.0.1:"
            f"{port or world.cluster.port}/{world.database}")


def gateway_options(world, folder):
    return {"postgres": postgres_url(world, GATEWAY_USER), "redis": world.redis.url_of("gateway"),
            "postgres_replica": postgres_url(world, GATEWAY_USER),
            "auth": "jwt", "jwt_secrets": f"k1={folder / 'tokens'}", "jwt_issuer": ISSUER,
            "jwt_audience": AUDIENCE, "jwt_streams": "yes", "challenge_url": "http://127.0.0.1/",
            "challenge_secrets": str(folder / "challenges"), "ticket_keys": str(folder / "keys"),
            "limit_user": "1000/60", "limit_cancellations": "1/60", "on_cancellations": "challenge",
            "payment_webhook_secret": WEBHOOK_SECRET, "admin_token_hashes": ADMIN_HASH}


def courier_options(world):
    return {"postgres": postgres_url(world, COURIER_USER), "redis": world.redis.url_of("courier"),
            "provider": "http", "provider_url": world.provider.url, "provider_secret": SECRET,
            "smtp_url": f"smtp://us:{world.mail_password}@127.0.0.1:{free_port()}",
            "smtp_from": "tickets@venue.example", "webhook_allow": "127.0.0.0/8"}


class Monitor:
    """All that Redis is told, as MONITOR shows it."""

    def __init__(self, server):
        self.lines, self.client = [], server.client()
        self.monitor = self.client.monitor()
        self.monitor.__enter__()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        try:
            for command in self.monitor.listen():
                self.lines.append(command["command"])
        except Exception:  # pylint: disable=broad-except
            pass           # the server or the test has ended


def start_all(world, folder):
    """The allocators are told by flags, a gateway by flags and one by a file, the courier by variables."""
    for _ in range(2):
        world.start_allocator(postgres=postgres_url(world, ALLOCATOR_USER))
    options = gateway_options(world, folder)
    world.start_gateway(workers=2, **options)
    conf = folder / "gateway.conf"
    conf.write_text("[gateway]\n" + "".join(f"{key} = {value}\n" for key, value in options.items()))
    other = Gateway("gateway-2", world.folder, config=conf)
    world.gateways.append(other)
    other.start().wait_ready()
    courier = Courier("courier-1", world.folder)
    courier.env = {f"USHER_{key.upper()}": value for key, value in courier_options(world).items()}
    world.couriers.append(courier)
    courier.start()
    return courier


def live(world, traces):
    """What goes well; and what buyers bear is secret from then on."""
    token = world.signer.of("ann")
    ann = Asker(world.gateways[0].port, f"Bearer {token}")
    ticket = ann.ask("POST", "/v1/stream-tickets").json["ticket"]
    traces.known.update(bearer=token.encode(), stream_ticket=ticket.encode())
    assert ann.book("gala", "ann", "GA").status == 201
    for path in (f"/v1/shows/gala/events?ticket={ticket}", "/v1/shows/gala/events?ticket=x" + ticket):
        with Listener(world.gateways[0].port, path) as listener:
            listener.head()
    held = ann.hold("gala", "ann", "GA").json["id"]
    paid = ann.pay(held, "k1", {})
    assert paid.status == 200 and paid.json["status"] == "SUCCEEDED", paid
    room(world, "--order", "arrival", "--rate", FAST, show="fest")
    place = wait_until("the room", lambda: (
        joined := ann.ask("POST", "/v1/shows/fest/queue", {})).status == 201 and joined.json)
    def admission():
        return ann.get(f"/v1/queue/{place['ticket']}").json["admission"]
    traces.known["admission"] = wait_until("an admission", admission).encode()
    assert ann.book("fest", "ann", "GA", admission=admission()).status == 201
    added = world.ctl("webhook", "add", f"http://127.0.0.1:{free_port()}/", "--event", "*")
    assert added.code == 0, added
    traces.known["webhook_secret"] = re.search(r"whsec_\S+", added.out)[0].encode()
    assert world.ctl("mail", "on").code == 0
    assert ann.book("gala", "ann", "GA").status == 201
    for status in (200, 409):  # from now on a challenge is due
        assert ann.ask("POST", f"/v1/bookings/{held}/cancel", {}).status == status
    wait_until("deliveries that failed", lambda: world.value(
        "SELECT count(*) FROM delivery_attempts") > 1, 30)
    return ann


def fail(world, traces, folder):
    """What buyers, operators and providers get wrong, and programs that are started wrong."""
    gateway = world.gateways[0]
    for name, field in wrong_tokens(world.signer, "ann").items():
        asker = Asker(gateway.port, field)
        assert asker.get("/v1/users/ann/bookings").status in (400, 401, 403), name
        if field is not None and len(field) > 60:
            traces.known[f"wrong token: {name}"] = field.split()[-1].encode()
    wrong = canary("usher_admin")
    traces.known["wrong_admin_token"] = wrong.encode()
    for token in (wrong, ADMIN_TOKEN):
        for path in ("/v1/admin/shows", "/v1/admin/audit", "/v1/admin/partitions", "/v1/admin/nothing"):
            asker = Asker(gateway.port, f"Bearer {token}", is_checking=False)
            traces.look(f"GET {path}", asker.get(path).body)
    client = gateway.client(is_checking=False)
    client.ask("POST", "/webhooks/payments", b"{}", {"Stripe-Signature": "t=1,v1=00"})
    for path in ("/metrics", "/health", "/livez", "/readyz", "/openapi.json", "/admin", "/nothing"):
        traces.look(f"GET {path}", client.get(path).body)

    password = canary("wrong-password")
    traces.known["wrong_password"] = password.encode()
    own = {"usher-gateway": gateway_options(world, folder), "usher-courier": courier_options(world),
           "usher-allocator": {"redis": world.redis.url_of("allocator"),
                               "postgres": postgres_url(world, ALLOCATOR_USER)}}
    user = {SECTION[f"usher-{name}"]: user for user, name in ROLES.items()}
    for program, options in own.items():
        name = SECTION[program]
        for number, bad in enumerate((
                {"redis": f"redis://usher_{name}:{password}@127.0.0.1:{world.redis.port}"},
                {"redis": f"redis://usher_{name}:{password}@127.0.0.1:1"},
                {"redis": f"redis://usher_{name}:{password}@nowhere.invalid"},
                {"postgres": postgres_url(world, user[name], password)},
                {"postgres": postgres_url(world, user[name], password, 1)},
                {"postgres": f"postgresql://{user[name]}:{password}@127.0.0.1:{world.cluster.port}/nothing"})):
            settings = {**options, **bad, "name": f"wrong-{number}", "log_level": "debug"}
            if program == "usher-gateway":
                settings["listen"] = f"127.0.0.1:{free_port()}"
            process = Process(f"{program}-wrong-{number}", [build_folder() / program, *flags(settings)],
                              world.folder)
            process.start()
            time.sleep(0.3)
            process.stop()
    for env in ({"USHER_REDIS": f"redis://usher_ctl:{password}@127.0.0.1:{world.redis.port}"},
                {"USHER_POSTGRES": postgres_url(world, GATEWAY_USER, password)},
                {"USHER_ADMIN_TOKEN": password}):
        for words in (("status",), ("verify",), ("audit",), ("booking", "list", "gala")):
            done = run_program("usherctl", *words, env={
                "USHER_REDIS": world.redis.url_of("ctl"), "USHER_ADMIN_TOKEN": ADMIN_TOKEN,
                "USHER_POSTGRES": world.cluster.url(world.database),
                "USHER_ADMIN_URL": f"http://127.0.0.1:{gateway.port}", **env})
            traces.look(f"usherctl {words[0]}", done.out + done.err)


def crash(world):
    """A worker dies; Postgres ends all sessions; the program that owns the partition dies."""
    worker = world.gateways[0].children()[0]
    os.kill(worker, signal.SIGABRT)
    wait_until("another worker", lambda: worker not in world.gateways[0].children() and
               len(world.gateways[0].children()) == 2)
    world.cluster.run("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                      " WHERE usename LIKE 'test_%'")
    world.redis_client().client_kill_filter(_type="normal", skipme=True)
    owner = world.wait_owner()
    owner.send(signal.SIGABRT)
    owner.wait()
    world.expect_exit(owner)
    world.wait_owner(other_than=owner)


def test_no_secret_is_left_anywhere(shop, tmp_path):
    world = shop
    traces = Traces(
        provider_secret=SECRET, webhook=WEBHOOK_SECRET, smtp=world.mail_password,
        admin_token=ADMIN_TOKEN, admin_hash=hashlib.sha256(ADMIN_TOKEN.encode()).hexdigest(),
        tokens=world.secret_of_tokens, challenges=world.secret_of_challenges, ticket_key=draw.SECRET.hex(),
        **{f"redis_{name}": text for name, text in world.redis.users.password.items()},
        **{f"postgres_{name}": text for name, text in world.passwords.items()})
    monitor = Monitor(world.redis)
    start_all(world, tmp_path)
    world.wait_owner()
    live(world, traces)
    for process in world.gateways + world.allocators + world.couriers:
        for pid in (process.pid, *process.children()):
            for what in ("cmdline", "environ"):
                traces.look(f"{process.name} {what}", Path(f"/proc/{pid}/{what}").read_bytes())
    fail(world, traces, tmp_path)
    crash(world)
    client = Asker(world.gateways[0].port, f"Bearer {world.signer.of('bob')}")
    wait_until("a booking after it", lambda: client.book("gala", "bob", "GA").status == 201, 30)

    for log in world.folder.glob("*.log"):
        traces.look(log.name, log.read_bytes())
    # The owner's own statements say passwords (ALTER ROLE), from before the log was opened wide.
    traces.look("postgres' log", world.cluster.process.log.read_bytes())
    traces.look("what Redis was told", "\n".join(monitor.lines))
    for path in (world.redis.folder / "appendonlydir").iterdir():
        traces.look("redis' file", path.read_bytes())
    dump = subprocess.run([BINARIES / "pg_dump", "--exclude-table-data=subscriptions", "--dbname",
                           world.cluster.url(world.database)], capture_output=True, timeout=60, check=True)
    traces.look("the database", dump.stdout)
    assert len(traces.known) > 40 and traces.bytes > 300_000 and len(monitor.lines) > 100
    assert not traces.found, "\n".join(sorted(set(traces.found)))
