"""How often who may ask: counted in Redis, so all gateways agree; and signs of people who play."""

import json
import re
import threading
import time

import pytest

from harness import draw
from harness.process import wait_until
from harness.programs import flags, run_program
from harness.room import room
from harness.tokens import Signer, claims_of

SEND_ONE = "/v1/shows/fest/bookings"


def start(world, gateways=1, tiers=None, **options):
    world.start_redis()
    world.show("fest", tiers or {"GA": (0, 1000)})
    world.start_allocator()
    for _ in range(gateways):
        world.start_gateway(**options)
    return world.client()


def limit_keys(world):
    return [key.decode() for key in world.redis_client().keys("usher:{1}:limit:*")]


def metric(client, name):
    found = re.search(rf"^{re.escape(name)} (\d+)", client.get("/metrics").body.decode(), re.M)
    return int(found[1]) if found else 0


def check_limited(answer, policy, quota, seconds):
    """429, with what API.md and draft 10 of RateLimit say."""
    assert (answer.status, answer.code) == (429, "RATE_LIMITED"), answer
    assert f'"{policy}";q={quota};w={seconds}' in answer.header("RateLimit-Policy")
    told = re.fullmatch(rf'"{policy}";r=0;t=(\d+)', answer.header("RateLimit"))
    retry = int(answer.header("Retry-After"))
    assert told and int(told[1]) == retry and 1 <= retry <= seconds
    assert answer.json["violated-policies"] == [policy]
    return retry


def test_without_limits_nothing_is_counted(world):
    client = start(world)
    for _ in range(20):
        assert client.book("fest", "ann", "GA").status == 201
    assert limit_keys(world) == []


def test_all_gateways_agree_about_a_user(world):
    """Five at once, whichever gateway is asked; then none; another user has five too."""
    start(world, gateways=2, limit_user="5/3600")
    clients = [world.client(0), world.client(1)]
    answers = [clients[i % 2].book("fest", "ann", "GA") for i in range(9)]
    assert [answer.status for answer in answers] == [201] * 5 + [429] * 4
    for answer in answers[5:]:
        check_limited(answer, "user", 5, 3600)
    assert clients[0].book("fest", "bob", "GA").status == 201
    assert world.value("SELECT count(*) FROM bookings WHERE user_id = 'ann'") == 5
    # Known to both by now: neither asks Redis for ann any more.
    before = [metric(client, "usher_gateway_limited_locally_total") for client in clients]
    assert [client.book("fest", "ann", "GA").status for client in clients] == [429, 429]
    after = [metric(client, "usher_gateway_limited_locally_total") for client in clients]
    assert [b - a for a, b in zip(before, after)] == [1, 1]
    assert sum(metric(c, 'usher_gateway_limited_total{by="user"}') for c in clients) == 6
    # What is only read is not limited, and keys end by themselves.
    assert all(client.get("/v1/shows/fest").status == 200 for client in clients)
    redis = world.redis_client()
    assert len(limit_keys(world)) == 2
    assert all(0 < redis.pttl(key) <= 3600_000 for key in limit_keys(world))


def test_what_is_used_up_comes_back_one_by_one(world):
    """As if half of the window had passed: one more, and no more than one."""
    start(world, gateways=2, limit_user="2/3600")
    client, other = world.client(0), world.client(1)
    assert [client.book("fest", "ann", "GA").status for _ in range(2)] == [201, 201]
    retry = check_limited(client.book("fest", "ann", "GA"), "user", 2, 3600)
    assert retry <= 1800
    redis, (key,) = world.redis_client(), limit_keys(world)
    redis.set(key, f"{float(redis.get(key)) - 1800_000:.3f}", keepttl=True)
    # The gateway that has refused it knows when there will be one more; the other one asks.
    assert other.book("fest", "ann", "GA").status == 201
    check_limited(other.book("fest", "ann", "GA"), "user", 2, 3600)


def test_every_command_counts_and_joins_do_too(world):
    """By id, by the earlier clients' routes, waiting list: whatever changes something."""
    client = start(world, tiers={"GA": (0, 2)}, limit_address="100/3600", limit_show="7/3600",
                   book_show="fest", tickets_show="fest")
    hold = client.hold("fest", "ann", "GA").json["id"]              # 1
    assert client.extend(hold).status in (200, 409)                 # 2
    assert client.confirm(hold).status == 200                       # 3
    assert client.post("/book", {"userId": "bob"}).status == 201    # 4
    entry = client.post("/v1/shows/fest/waitlist", {"user": "eve", "tier": "GA"})  # 5
    assert entry.status == 201
    assert client.ask("DELETE", f"/v1/waitlist/{entry.json['id']}", {}).status == 200  # 6
    assert client.pay(hold, key="k").status in (200, 409)           # 7
    for answer in (client.cancel(hold), client.post("/book", {"userId": "eve"}),
                   client.post("/booking/hold", {"user": "x", "tier": "GA"}),
                   client.post("/v1/shows/fest/waitlist", {"user": "x", "tier": "GA"}),
                   client.post("/payments", {"booking_id": hold}, key="z")):
        check_limited(answer, "show", 7, 3600)
    # A refusal at the door is not remembered under a key, and takes nothing of the other limits.
    assert client.cancel(hold, key="again").status == 429
    for key in limit_keys(world):
        if ":s:" in key:
            world.redis_client().delete(key)
    assert client.cancel(hold, key="again").status == 200
    world.judge()


def test_a_command_for_several_shows_counts_for_each(world):
    world.show("other", {"GA": (0, 1000)})
    client = start(world, limit_show="2/3600")

    def book_both(user):
        return client.post("/v1/shows/other/bookings", {"user": user, "items": [
            {"show": "other", "tier": "GA"}, {"show": "fest", "tier": "GA"}]})

    assert book_both("ann").status == 201
    assert client.book("fest", "bob", "GA").status == 201
    check_limited(book_both("cleo"), "show", 2, 3600)
    check_limited(client.book("fest", "cleo", "GA"), "show", 2, 3600)
    # What was refused for the one took nothing of the other.
    assert client.book("other", "cleo", "GA").status == 201
    check_limited(client.book("other", "cleo", "GA"), "show", 2, 3600)


def test_as_many_shows_as_a_command_may_have(world):
    """With every limit there is: the longest question."""
    names = ["fest"] + [f"day-{n}" for n in range(30)]
    for name in names[1:]:
        world.show(name, {"GA": (0, 10)})
    client = start(world, limit_user="2/3600", limit_address="99/3600", limit_show="3/3600",
                   limit_cancellations="9/60", limit_users_of_address="99/60")
    body = {"user": "ann", "items": [{"show": name, "tier": "GA"} for name in names]}
    statuses = [client.post(SEND_ONE, {**body, "user": user}).status
                for user in ("ann", "ann", "bob", "cleo")]
    assert statuses == [201, 201, 201, 429]
    assert len([key for key in limit_keys(world) if ":s:" in key]) == len(names)
    check_limited(client.book(names[-1], "dan", "GA"), "show", 3, 3600)


def test_who_joins_a_waiting_room_is_limited_too(world):
    world.start_redis()
    world.show("fest", {"GA": (0, 10)})
    world.start_allocator()
    world.start_gateway(ticket_keys=draw.keys_file(world.folder), limit_user="2/3600",
                        limit_cancellations="5/60", limit_users_of_address="9/60")
    room(world, "--mode", "on", "--rate", "60", show="fest")
    client = world.client()

    def join(user):
        return client.post("/v1/shows/fest/queue", {"user": user})

    wait_until("the room", lambda: client.get("/v1/shows/fest/queue").status == 200 and
               client.get("/v1/shows/fest/queue").json["state"] == "open")
    assert [join("ann").status for _ in range(2)] == [201, 201]
    check_limited(join("ann"), "user", 2, 3600)
    assert join("bob").status == 201


def test_one_call_that_is_refused_takes_nothing_of_the_other_limits(world):
    client = start(world, limit_user="1/3600", limit_address="3/3600")
    assert client.book("fest", "ann", "GA").status == 201
    for _ in range(5):
        check_limited(client.book("fest", "ann", "GA"), "user", 1, 3600)
    assert [client.book("fest", user, "GA").status for user in ("bob", "eve")] == [201, 201]
    check_limited(client.book("fest", "zoe", "GA"), "address", 3, 3600)


@pytest.mark.parametrize("field", ["x-forwarded-for", "forwarded"])
def test_addresses_behind_proxies_that_are_trusted(world, field):
    client = start(world, limit_address="1/3600", trusted_proxies="127.0.0.0/8, 10.0.0.0/8",
                   forwarded_field=field)
    number = iter(range(1000))

    def ask(*addresses, name=field):
        """Through proxies that wrote this."""
        if name == "forwarded":
            written = ", ".join(f'for="{a}"' for a in addresses)
        else:
            written = ", ".join(addresses)
        return client.ask("POST", SEND_ONE, {"user": f"u{next(number)}", "tier": "GA"},
                          {name: written} if addresses else {}).status

    assert (ask("192.0.2.1"), ask("192.0.2.1")) == (201, 429)
    # What a client wrote itself stands on the left, and is not believed.
    assert ask("198.51.100.1", "192.0.2.1") == 429
    assert ask("192.0.2.1", "192.0.2.2") == 201
    assert ask("198.51.100.9", "192.0.2.2", "10.1.1.1") == 429
    # IPv6: a network of 64 bits is one.
    assert (ask("[2001:db8:1:2::1]"), ask("[2001:db8:1:2:ffff::9]")) == (201, 429)
    assert ask("[2001:db8:1:3::1]") == 201
    # Without the field, and with what cannot be read, it is the proxy; the other field is the
    # client's own word.
    other = {"x-forwarded-for": "forwarded", "forwarded": "x-forwarded-for"}[field]
    assert (ask(), ask("unknown"), ask("203.0.113.1", name=other)) == (201, 429, 429)


def test_who_is_no_proxy_is_not_believed(world):
    client = start(world, limit_address="2/3600", trusted_proxies="10.0.0.0/8")
    statuses = [client.ask("POST", SEND_ONE, {"user": f"u{i}", "tier": "GA"},
                           {"X-Forwarded-For": f"192.0.2.{i}"}).status for i in range(3)]
    assert statuses == [201, 201, 429]


def test_without_redis_nobody_books_and_everybody_reads(world):
    client = start(world, limit_user="100/60")
    assert client.book("fest", "ann", "GA").status == 201
    assert client.availability("fest").status == 200
    world.redis.kill9()
    for _ in range(3):
        answer = client.book("fest", "ann", "GA")
        assert (answer.status, answer.code) == (503, "OVERLOADED")
    assert client.get("/v1/shows/fest").status == 200
    assert client.get("/v1/users/ann/bookings").status == 200
    world.redis.start()
    wait_until("bookings again", lambda: client.book("fest", "ann", "GA").status == 201, 30)


def test_a_redis_that_hangs_lets_nobody_through(world):
    """It takes what is sent and says nothing: that is no yes, and reading goes on."""
    client = start(world, limit_user="100/60")
    assert client.book("fest", "ann", "GA").status == 201
    world.redis.sigstop()
    try:
        answer = client.book("fest", "ann", "GA")
        assert (answer.status, answer.code) == (503, "OVERLOADED")
        assert int(answer.header("Retry-After")) >= 1
        assert client.get("/v1/shows/fest").status == 200
        assert client.get("/v1/users/ann/bookings").status == 200
    finally:
        world.redis.cont()
    wait_until("bookings again", lambda: client.book("fest", "bob", "GA").status == 201, 30)
    assert world.value("SELECT count(*) FROM bookings WHERE user_id = 'ann'") == 1


def test_a_script_that_redis_forgot_is_sent_again(world):
    client = start(world, limit_user="100/60")
    for _ in range(3):
        assert client.book("fest", "ann", "GA").status == 201
        world.redis_client().script_flush()
    assert client.book("fest", "ann", "GA").status == 201


def test_a_crowd_at_the_limit_gets_exactly_what_there_is(world):
    """Many connections of two gateways at once: never one too many."""
    start(world, gateways=2, limit_show="40/3600")
    statuses, lock = [], threading.Lock()

    def ask(index):
        client = world.gateways[index % 2].client()
        for turn in range(12):
            answer = client.book("fest", f"u{index}-{turn}", "GA", prefer="wait=30")
            with lock:
                statuses.append(answer.status)
        client.close()

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (statuses.count(201), statuses.count(429)) == (40, 80)
    assert world.value("SELECT count(*) FROM bookings") == 40


# ---- signals ----

def cycle(client, user, times):
    for _ in range(times):
        hold = client.hold("fest", user, "GA")
        assert hold.status == 201, hold
        assert client.cancel(hold.json["id"], {"user": user}).status == 200


def signals(world, of):
    """The metric and the log lines must say the same."""
    count = sum(metric(gateway.client(), f'usher_gateway_signals_total{{of="{of}"}}')
                for gateway in world.gateways)
    lines = [line for gateway in world.gateways for line in gateway.events("signal")
             if f"of={of} " in line]
    assert len(lines) == count and not any("ann" in line for line in lines)
    return count


def test_who_takes_and_gives_back_is_noticed(world):
    client = start(world, limit_cancellations="3/3600")
    cycle(client, "ann", 3)
    assert signals(world, "cancellations") == 0
    cycle(client, "ann", 3)
    assert signals(world, "cancellations") == 1  # once
    cycle(client, "bob", 1)
    assert signals(world, "cancellations") == 1


def test_who_takes_and_gives_back_too_often_is_refused(world):
    client = start(world, gateways=2, limit_cancellations="2/3600", on_cancellations="refuse")
    kept = client.book("fest", "ann", "GA").json["id"]
    cycle(client, "ann", 3)
    for gateway in (0, 1):
        check_limited(world.client(gateway).hold("fest", "ann", "GA"), "cancellations", 2, 3600)
        check_limited(world.client(gateway).post("/v1/shows/fest/waitlist",
                                                 {"user": "ann", "tier": "GA"}),
                      "cancellations", 2, 3600)
    # Giving back is never refused for it, nor is anybody else.
    assert client.cancel(kept, {"user": "ann"}).status == 200
    assert client.hold("fest", "bob", "GA").status == 201
    redis = world.redis_client()
    assert all(redis.pttl(key) > 0 for key in limit_keys(world))


def test_many_users_of_one_address(world):
    client = start(world, limit_users_of_address="3/3600", on_users_of_address="refuse",
                   trusted_proxies="127.0.0.1")

    def ask(user, address):
        return client.ask("POST", SEND_ONE, {"user": user, "tier": "GA"},
                          {"X-Forwarded-For": address})

    for user in ("ann1", "ann2", "ann3", "ann1", "ann2"):
        assert ask(user, "192.0.2.1").status == 201
    check_limited(ask("ann4", "192.0.2.1"), "users-of-address", 3, 3600)
    assert ask("ann4", "192.0.2.2").status == 201
    for i in range(30):
        assert ask(f"ann{i + 5}", "192.0.2.1").status == 429
    assert signals(world, "users-of-address") == 1
    redis = world.redis_client()
    sets = [key for key in limit_keys(world) if ":m:" in key]
    assert sorted(redis.scard(key) for key in sets) == [1, 4]  # bounded by the quota
    assert all(redis.pttl(key) > 0 for key in sets)


@pytest.mark.parametrize("limit", ["limit_address", "limit_show"])
def test_who_is_refused_by_a_limit_is_noticed_all_the_same(world, limit):
    """The one that makes it too many comes when there is nothing left: it is told once, so then."""
    client = start(world, limit_users_of_address="3/3600", **{limit: "3/3600"})
    statuses = [client.book("fest", f"ann{i}", "GA").status for i in range(6)]
    assert statuses == [201] * 3 + [429] * 3
    assert signals(world, "users-of-address") == 1


def test_what_is_only_looked_at_is_no_policy_that_people_are_told(world):
    client = start(world, limit_user="1/3600", limit_cancellations="3/3600",
                   limit_users_of_address="9/3600", on_users_of_address="refuse")
    assert client.book("fest", "ann", "GA").status == 201
    policies = client.book("fest", "ann", "GA").header("RateLimit-Policy")
    assert policies == '"user";q=1;w=3600, "users-of-address";q=9;w=3600'


def test_who_is_challenged_comes_back_with_a_proof(world):
    shown = Signer("ES256", "shown")
    path = world.folder / "shown.json"
    path.write_text(json.dumps({"keys": [shown.jwk()]}))
    client = start(world, limit_cancellations="1/3600", on_cancellations="challenge",
                   challenge_url="https://people.example/?a=\"b\"", challenge_keys=path)
    cycle(client, "ann", 2)
    answer = client.hold("fest", "ann", "GA")
    assert (answer.status, answer.code) == (403, "CHALLENGE_REQUIRED")
    assert answer.json["challenge"] == 'https://people.example/?a="b"'

    def hold_with(token):
        return client.ask("POST", SEND_ONE, {"user": "ann", "tier": "GA", "hold": True},
                          {"Usher-Challenge": token}).status

    def proof(user, signer=shown, **claims):
        return signer.token(claims_of(user, **{"iss": None, "aud": "usher-challenge", **claims}))

    assert hold_with(proof("ann")) == 201
    for wrong in (proof("bob"), proof("ann", aud="usher"), proof("ann", exp=int(time.time()) - 60),
                  proof("ann", signer=Signer("ES256", "shown")), "nonsense", ""):
        assert hold_with(wrong) == 403
    assert client.hold("fest", "bob", "GA").status == 201


@pytest.mark.parametrize("options, why", [
    ({"limit_user": "5"}, "limit_user"), ({"limit_show": "0/60"}, "limit_show"),
    ({"limit_address": "5/0"}, "limit_address"), ({"on_cancellations": "shout"}, "on_cancellations"),
    ({"trusted_proxies": "proxy.example"}, "trusted_proxies"),
    ({"trusted_proxies": "10.0.0.1/8"}, "trusted_proxies"),
    ({"forwarded_field": "via"}, "forwarded_field"),
    ({"on_users_of_address": "challenge"}, "challenge_url"),
    ({"on_users_of_address": "challenge", "challenge_url": "https://x"}, "challenge_keys"),
])
def test_a_limit_that_means_nothing_is_told(options, why):
    result = run_program("usher-gateway", "--check-config", *flags(options))
    assert result.code == 2 and why in result.err.replace("-", "_"), result
