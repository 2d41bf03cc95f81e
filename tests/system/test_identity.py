"""Who may ask with auth = jwt: no token but a right one counts, and what is another's is not there.

The table below has a row for every operation of the document that needs a token; an operation that
is new and has none fails.
"""

import hashlib
import json
import re
import signal as signals
import time

import pytest

from harness import contract, draw
from harness.live import Listener
from harness.process import wait_until
from harness.programs import run_program
from harness.room import room
from harness.tokens import AUDIENCE, ISSUER, Asker, Signer, claims_of, encode, write_set, \
    wrong_tokens
from harness.world import ADMIN_HASH

OWNER, OTHER = "annabel", "bob"

# What ann has; `{name}` in a row means it. Another's token gets the status behind the body. The
# answers to "naming" have ann's name in them.
NAMING = 403
HIDDEN = 404
ROWS = {
    "POST /v1/shows/{show}/bookings": ("/v1/shows/fest/bookings",
                                       {"user": OWNER, "tier": "GA"}, NAMING),
    "POST /v1/bookings/{id}/confirm": ("/v1/bookings/{hold}/confirm", {}, HIDDEN),
    "POST /v1/bookings/{id}/cancel": ("/v1/bookings/{hold}/cancel", {}, HIDDEN),
    "POST /v1/bookings/{id}/extend": ("/v1/bookings/{hold}/extend", {}, HIDDEN),
    "POST /v1/bookings/{id}/payments": ("/v1/bookings/{hold}/payments", {}, HIDDEN),
    "GET /v1/bookings/{id}": ("/v1/bookings/{booking}", None, HIDDEN),
    "GET /v1/requests/{id}": ("/v1/requests/{refused}", None, HIDDEN),
    "GET /v1/users/{user}/bookings": (f"/v1/users/{OWNER}/bookings", None, NAMING),
    "POST /v1/shows/{show}/waitlist": ("/v1/shows/full/waitlist",
                                       {"user": OWNER, "tier": "GA"}, NAMING),
    "GET /v1/waitlist/{id}": ("/v1/waitlist/{entry}", None, HIDDEN),
    "DELETE /v1/waitlist/{id}": ("/v1/waitlist/{entry}", {}, HIDDEN),
    "POST /v1/shows/{show}/queue": ("/v1/shows/gala/queue", {"user": OWNER}, NAMING),
    "GET /v1/queue/{ticket}": ("/v1/queue/{ticket}", None, HIDDEN),
    "POST /v1/stream-tickets": ("/v1/stream-tickets", None, 201),
    "POST /book": ("/book", {"userId": OWNER}, NAMING),
    "GET /bookings/{user}": (f"/bookings/{OWNER}", None, NAMING),
    "POST /booking/hold": ("/booking/hold", {"user_email": OWNER, "tier": "GA"}, NAMING),
    "POST /booking/confirm": ("/booking/confirm", {"booking_id": "{hold}"}, HIDDEN),
    "POST /booking/cancel": ("/booking/cancel", {"booking_id": "{hold}"}, HIDDEN),
    "POST /holds": ("/holds", {"seat_id": 1, "user_email": OWNER}, NAMING),
    "POST /bookings": ("/bookings", {"hold_id": "{hold}"}, 400),
    "POST /payments": ("/payments", {"booking_id": "{hold}"}, HIDDEN),
}
# Public, unless an option says otherwise.
STREAMS = {"GET /v1/shows/{show}/events", "GET /v1/shows/{show}/ws"}
# Ids that could be somebody's and are nobody's: hidden answers must look like theirs.
NOBODY = "00000000000000000000000000"


@pytest.fixture(scope="module")
def signer():
    return Signer("RS256", "k1")


def start(world, *signers, **options):
    """A gateway that knows these keys, as a JWK set, and four shows."""
    world.start_redis()
    world.show("fest", {"GA": (1000, 100)})
    world.show("full", {"GA": (0, 1)})
    world.show("gala", {"GA": (1000, 10)})
    world.start_allocator()
    keys = write_set(world.folder / "keys.json", *signers)
    ticket_keys = world.folder / "ticket_keys"
    ticket_keys.write_text(draw.KEYS_FILE)
    gateway = start_gateway(world, jwt_keys=keys, ticket_keys=ticket_keys, **options)
    room(world, "--order", "arrival", "--rate", 60)
    return gateway


def start_gateway(world, **options):
    for name, value in {"auth": "jwt", "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE,
                        "book_show": "fest", "tickets_show": "fest", "seats_show": "fest"}.items():
        options.setdefault(name, value)
    return world.start_gateway(**options)


def asker(world, authorization, **options):
    made = Asker(world.gateways[-1].port, authorization, **options)
    world._clients.append(made)
    return made


def bearer(world, signer, user, **claims):
    return asker(world, f"Bearer {signer.of(user, **claims)}")


def operations():
    """Of users; administrators have a token of their own kind (test_admin.py)."""
    for path, item in contract.document()["paths"].items():
        if path.startswith("/v1/admin/"):
            assert all(operation["security"] == [{"admin": []}] for operation in item.values())
            continue
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def fill(value, things):
    return json.loads(re.sub(r"\{(\w+)\}(?=[/\"])", lambda m: things[m[1]], json.dumps(value)))


def what_ann_has(ann):
    """A booking, a hold, places in the waiting list and the waiting room, and a request that was
    refused."""
    booking = ann.book("fest", OWNER, "GA").json["id"]
    hold = ann.hold("fest", None, "GA").json
    assert hold["user"] == OWNER
    assert ann.book("full", OWNER, "GA").status == 201
    entry = ann.post("/v1/shows/full/waitlist", {"tier": "GA"}).json["id"]
    refused = ann.book("full", OWNER, "GA")
    assert refused.status == 409
    place = wait_until("the waiting room", lambda: (
        answer := ann.post("/v1/shows/gala/queue", {})).status == 201 and answer)
    return {"booking": booking, "hold": hold["id"], "entry": entry,
            "refused": refused.header("X-Request-Id"), "ticket": place.json["ticket"]}


def ask_row(client, row, things, key="k1", **headers):
    method, (path, body, _) = row.split()[0], ROWS[row]
    headers = {"Idempotency-Key": key, **headers} if method == "POST" else headers
    return client.ask(method, fill([path], things)[0],
                      None if body is None else fill(body, things), headers)


def names_owner(answer):
    """Beyond the path that was asked for."""
    return OWNER in answer.body.decode().replace(f"/{OWNER}", "")


def everything(world):
    return [world.rows(f"SELECT * FROM {table} ORDER BY 1::text")
            for table in ("bookings", "booking_changes", "waitlist", "payments", "tiers")]


def test_every_operation_says_who_may_ask_and_has_a_row():
    demands = {name for name, operation in operations() if operation["security"] != []}
    assert demands == set(ROWS) | STREAMS
    for name, operation in operations():
        ways = [{}, {"token": []}] + [{"cookie": []}, {"ticket": []}] * (name in STREAMS)
        assert operation["security"] in ([], ways), name


def test_nobody_gets_in_without_a_right_token_and_nobody_sees_what_is_anothers(world, signer):
    start(world, signer, Signer("ES256", "k2"))
    things = what_ann_has(bearer(world, signer, OWNER))
    before = everything(world)
    client = asker(world, None)
    for row in ROWS:
        for name, field in wrong_tokens(signer, OWNER).items():
            client.authorization = field
            answer = ask_row(client, row, things)
            assert answer.status == 401, (row, name, answer)
            challenge = answer.header("WWW-Authenticate")
            assert challenge.startswith('Bearer realm="usher"'), (row, name, challenge)
            assert ("error=" in challenge) == (field is not None), (row, name, challenge)
            assert answer.code == "UNAUTHENTICATED" and not names_owner(answer), (row, name, answer)
    other = bearer(world, signer, OTHER)
    nobody = {name: NOBODY for name in things}
    for row, (_, _, status) in ROWS.items():
        answer = ask_row(other, row, things)
        assert answer.status == status, (row, answer)
        assert not names_owner(answer), (row, answer)
    assert everything(world) == before
    # In the same shape as what is not there at all.
    for row, (_, _, status) in ROWS.items():
        if status in (HIDDEN, 400):
            seen, unseen = (ask_row(other, row, each, key="k2") for each in (things, nobody))
            assert seen.status == unseen.status, row
            assert seen.code == unseen.code and seen.json["error"] == unseen.json["error"], row
    assert everything(world) == before


def test_nobody_administrates_without_a_right_token_that_has_the_role(world, signer):
    start(world, signer, jwt_admin_role="boss", jwt_role_claim="roles")
    everywhere = [(method.upper(), re.sub(r"\{\w+\}", "fest", path))
                  for path, item in contract.document()["paths"].items()
                  if path.startswith("/v1/admin/") for method in item]
    client = asker(world, None)
    before = everything(world)
    for method, path in everywhere:
        for name, field in wrong_tokens(signer, OWNER).items():
            client.authorization = field
            answer = client.ask(method, path, None if method == "GET" else {})
            assert answer.status == 401, (method, path, name, answer)
        for roles in (None, "bosses", ["user"], {"boss": True}, True):
            client.authorization = f"Bearer {signer.of(OWNER, roles=roles)}"
            answer = client.ask(method, path, None if method == "GET" else {})
            assert (answer.status, answer.code) == (403, "FORBIDDEN"), (method, path, roles)
    assert everything(world) == before
    boss = bearer(world, signer, "olga", roles=["user", "boss"])
    assert boss.get("/v1/admin/shows").status == 200
    # The role is for these routes: what is another's stays another's on all others.
    booking = bearer(world, signer, OWNER).book("fest", OWNER, "GA").json["id"]
    assert boss.booking(booking).status == 404 and boss.cancel(booking).status == 404


def test_an_administrators_202_leads_to_its_answer(world, signer):
    """By a token that is configured and by a role; both may be somebody to whom no buyers' route
    would tell it."""
    token = "usher_admin_" + "c3" * 32
    start(world, signer, jwt_admin_role="boss",
          admin_token_hashes=f"{ADMIN_HASH},otto:{hashlib.sha256(token.encode()).hexdigest()}")
    for client in (asker(world, f"Bearer {token}"), bearer(world, signer, "olga", role="boss")):
        queued = client.post("/v1/admin/shows/fest/open", {}, prefer="respond-async")
        assert queued.status == 202
        path = queued.header("Location")
        told = wait_until("a decision", lambda: decided(client.get(path, prefer="wait=5")), 30)
        assert (told.status, told.json["result"]) == (200, {"state": "open"}), (path, told)
        assert bearer(world, signer, OWNER).get(path).status == 403


def test_what_is_public_is_public_whatever_token_comes_along(world, signer):
    start(world, signer)
    paths = {"{show}": "fest", "{file}": "style.css", "{folder}": "pages"}
    for name, operation in operations():
        method, path = name.split()
        if operation["security"] or method != "GET" or path.endswith("{show}/events"):
            continue  # (a stream has no end)
        path = re.sub(r"\{\w+\}", lambda m: paths[m.group(0)], path)
        path += "?event_id=1" if path == "/seats" else "?tier=GA" if "alternatives" in path else ""
        statuses = {field: asker(world, field).get(path).status
                    for field in (None, "Bearer x", f"Bearer {signer.of(OTHER)}")}
        assert set(statuses.values()) <= {200, 404, 426} and len(set(statuses.values())) == 1, path


def test_the_token_is_the_user_and_what_else_a_body_says_changes_nothing(world, signer):
    start(world, signer)
    ann = bearer(world, signer, OWNER)
    booking = ann.post("/v1/shows/fest/bookings",
                       {"tier": "GA", "price": 0, "amount": 0, "status": "CONFIRMED",
                        "id": NOBODY, "owner": OTHER, "sub": OTHER, "admin": True,
                        "hold": True, "expires_at": "2099-01-01T00:00:00Z"}).json
    assert (booking["user"], booking["amount"], booking["status"]) == (OWNER, 1000, "HELD")
    assert booking["id"] != NOBODY and not booking["expires_at"].startswith("2099")
    assert ann.confirm(booking["id"], {"user": OWNER, "status": "CANCELLED"}).status == 200
    for body in ({"user": OTHER}, {"user": OTHER.upper()}):
        answer = ann.cancel(booking["id"], body)
        assert (answer.status, answer.code) == (403, "FORBIDDEN"), answer
    assert ann.post("/book", {}).json["userId"] == OWNER
    assert ann.post("/book", {"tier": "GA", "quantity": 1}).status == 201
    assert ann.get(f"/v1/bookings/{booking['id']}").json["status"] == "CONFIRMED"
    users = world.rows("SELECT DISTINCT user_id FROM bookings")
    assert [row["user_id"] for row in users] == [OWNER]
    assert {b["user"] for b in ann.get(f"/v1/users/{OWNER}/bookings").json["bookings"]} == {OWNER}


@pytest.mark.parametrize("way", ["events", "ws", "seeds"])
def test_streams_are_for_who_shows_a_token_a_cookie_or_a_ticket(world, signer, way):
    """Where that is set; and a cookie is good for nothing else."""
    shop = "https://shop.example"
    start(world, signer, jwt_streams="yes", cors_origins=f"{shop}, *")
    port = world.gateways[0].port
    path = {"seeds": "/events"}.get(way, f"/v1/shows/fest/{way}")
    token = signer.of(OWNER)
    ticket = bearer(world, signer, OWNER).ask("POST", "/v1/stream-tickets").json["ticket"]

    def opens(query="", origin=shop, **headers):
        if way == "ws":
            headers |= {"connection": "Upgrade", "upgrade": "websocket",
                        "sec_websocket_version": 13,
                        "sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ=="}
        with Listener(port, path + query, origin=origin, **headers) as listener:
            status, head = listener.head()
        if status != 401:
            # Pages that are named may send cookies; those that any may be, not.
            assert head.get("access-control-allow-credentials") == \
                ("true" if origin == shop and way != "seeds" else None)
        assert head["access-control-allow-origin"] == origin
        return {200: True, 101: True, 401: False}[status]

    assert opens(authorization=f"Bearer {token}") and opens(cookie=f"a=b; usher_token={token}; c=d")
    assert opens(query=f"?ticket={ticket}") and opens(f"?ticket={ticket}", "https://any.example")
    assert not opens()
    assert not opens(cookie="usher_token=") and not opens(cookie=f"xusher_token={token}")
    assert not opens(query=f"?ticket={ticket[:-1]}{'B' if ticket[-1] == 'A' else 'A'}")
    assert not opens(query=f"?ticket={token}") and not opens(query=f"?usher_token={token}")
    assert not opens(query=f"?ticket={what_ann_has(bearer(world, signer, OWNER))['ticket']}")
    for name, field in wrong_tokens(signer, OWNER).items():
        if field is not None and field.startswith("Bearer "):
            assert not opens(authorization=field), name
            assert not opens(cookie="usher_token=" + field.removeprefix("Bearer ")), name
    # A ticket that has expired.
    old = draw.sign(3, 0, 0, int(time.time() * 1000) - 1)
    new = draw.sign(3, 0, 0, int(time.time() * 1000) + 60000)
    assert opens(query=f"?ticket={new}") and not opens(query=f"?ticket={old}")
    # Whatever changes something, or is somebody's, needs the field.
    for row in ROWS:
        method, (where, body, _) = row.split()[0], ROWS[row]
        answer = asker(world, None).ask(
            method, re.sub(r"\{\w+\}", NOBODY, where) + f"?ticket={ticket}", body,
            {"Cookie": f"usher_token={token}", "Idempotency-Key": "k"})
        assert answer.status == 401, (row, answer)


def test_a_key_is_its_users_and_so_is_what_it_made(world, signer):
    start(world, signer)
    ann, bob = bearer(world, signer, OWNER), bearer(world, signer, OTHER)
    body = {"tier": "GA"}
    first = ann.post("/v1/shows/fest/bookings", body, key="same")
    other = bob.post("/v1/shows/fest/bookings", body, key="same")
    assert first.status == other.status == 201 and first.json["id"] != other.json["id"]
    again = ann.post("/v1/shows/fest/bookings", body, key="same")
    assert again.body == first.body and again.header("Idempotent-Replayed") == "true"
    for answer in (first, again):
        assert ann.get(f"/v1/requests/{answer.header('X-Request-Id')}").status == 201
        assert bob.get(f"/v1/requests/{answer.header('X-Request-Id')}").status == 404


def test_what_became_of_a_request_is_told_to_whom_asked(world, signer):
    """Undecided, decided, refused, with a key and without: to another it is not there."""
    start(world, signer)
    ann, bob = bearer(world, signer, OWNER), bearer(world, signer, OTHER)
    assert ann.book("full", OWNER, "GA").status == 201
    allocator = world.allocators[0]
    allocator.sigstop()
    asked = []
    for show, key in (("fest", None), ("fest", "a"), ("full", None), ("full", "b")):
        answer = ann.post(f"/v1/shows/{show}/bookings", {"tier": "GA"}, key=key,
                          prefer="respond-async")
        assert answer.status == 202
        asked.append((answer.header("Location"), show))
    for location, _ in asked:
        assert ann.get(location, prefer="wait=0").status == 202
        assert bob.get(location, prefer="wait=1").status == 404
    allocator.cont()
    for location, show in asked:
        answer = wait_until("a decision", lambda: decided(ann.get(location, prefer="wait=5")), 30)
        assert answer.status == (201 if show == "fest" else 409)
        assert bob.get(location).status == 404


def decided(answer):
    return None if answer.status == 202 else answer


def test_a_stranger_who_races_the_owner_never_wins(world, signer):
    """Confirm, cancel, extend and leave by a stranger at the same time as the owner's confirmation:
    decided in one batch, in whatever order."""
    start(world, signer)
    ann, bob = bearer(world, signer, OWNER), bearer(world, signer, OTHER)
    holds = [ann.hold("fest", None, "GA").json["id"] for _ in range(4)]
    world.allocators[0].sigstop()
    mine, others = [], []
    for hold in holds:
        for word in ("cancel", "confirm", "extend", "payments"):
            path = f"/v1/bookings/{hold}/{word}"
            others.append(bob.post(path, {}, key=f"{hold}{word}", prefer="respond-async"))
        mine.append(ann.confirm(hold, prefer="respond-async"))
        others.append(bob.cancel(hold, prefer="respond-async"))
    assert {answer.status for answer in mine + others} == {202}
    world.allocators[0].cont()
    for answer in others:
        final = wait_until("a decision", lambda: decided(
            bob.get(answer.header("Location"), prefer="wait=5")), 30)
        assert (final.status, final.code) == (404, "NOT_FOUND"), final
    for hold, answer in zip(holds, mine):
        final = wait_until("a decision", lambda: decided(
            ann.get(answer.header("Location"), prefer="wait=5")), 30)
        assert (final.status, final.json["status"]) == (200, "CONFIRMED")
        assert ann.booking(hold).json["status"] == "CONFIRMED"
    world.judge()


# ---- keys ----

def test_each_algorithm_is_taken_from_a_pem_a_set_or_a_secret(world):
    signers = [Signer(name, f"set-{name}") for name in ("RS256", "ES256", "EdDSA", "HS256")]
    world.start_redis()
    world.show("fest", {"GA": (0, 100)})
    world.start_allocator()
    files = [write_set(world.folder / "set.json", *signers)]
    for name in ("RS256", "ES256", "EdDSA"):
        alone = Signer(name, f"pem-{name}")
        signers.append(alone)
        path = world.folder / f"{name}.pem"
        path.write_bytes(alone.pem())
        files.append(f"{alone.kid}={path}")
    secret = Signer("HS256", "secret", secret=b"another secret of many, many bytes")
    signers.append(secret)
    path = world.folder / "secret"
    path.write_bytes(secret.key + b"\n")
    start_gateway(world, jwt_keys=",".join(map(str, files)), jwt_secrets=f"secret={path}")
    for signer in signers:
        for _ in range(2):  # the second one is known already
            answer = bearer(world, signer, signer.kid).post("/v1/shows/fest/bookings",
                                                            {"tier": "GA"})
            assert answer.status == 201 and answer.json["user"] == signer.kid, signer.kid
        for name, field in wrong_tokens(signer, OWNER).items():
            answer = asker(world, field).get(f"/v1/users/{OWNER}/bookings")
            assert answer.status == 401, (signer.kid, name, answer)
    # A key of one kind under the name of another's.
    for wrong in signers:
        for kid in {signer.kid for signer in signers} - {wrong.kid}:
            token = wrong.token(claims_of(OWNER), kid=kid)
            assert asker(world, f"Bearer {token}").get(f"/bookings/{OWNER}").status == 401
            named = Signer(wrong.algorithm, kid)
            assert asker(world, f"Bearer {named.of(OWNER)}").get(f"/bookings/{OWNER}").status == 401


def test_a_token_ends_while_it_is_known(world, signer):
    start(world, signer, jwt_leeway_s=0)
    ann = bearer(world, signer, OWNER, exp=int(time.time()) + 8)
    path = f"/v1/users/{OWNER}/bookings"
    assert ann.get(path).status == 200
    answer = wait_until("the token's end", lambda: ended(ann.get(path)), 30)
    assert answer.status == 401 and "expired" in answer.header("WWW-Authenticate")


def ended(answer):
    return None if answer.status == 200 else answer


def test_a_clock_that_is_a_little_off_is_forgiven(world, signer):
    start(world, signer, jwt_leeway_s=120)
    now = int(time.time())
    path = f"/v1/users/{OWNER}/bookings"
    assert bearer(world, signer, OWNER, exp=now - 30, nbf=now - 90).get(path).status == 200
    assert bearer(world, signer, OWNER, nbf=now + 30.5).get(path).status == 200
    assert bearer(world, signer, OWNER, exp=now - 500).get(path).status == 401
    assert bearer(world, signer, OWNER, nbf=now + 500).get(path).status == 401
    assert bearer(world, signer, OWNER, aud=["x", AUDIENCE]).get(path).status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_keys_follow_each_other_without_a_pause(world, workers):
    """Old and new at once, then the new one alone; a broken file changes nothing, and is told."""
    old, new = Signer("ES256", "old"), Signer("EdDSA", "new")
    gateway = start(world, old, workers=workers)
    keys = world.folder / "keys.json"
    path = f"/v1/users/{OWNER}/bookings"

    def statuses(signer):
        """Of several connections: each may be another worker's."""
        seen = set()
        for _ in range(4 * workers):
            client = Asker(gateway.port, f"Bearer {signer.of(OWNER)}")
            seen.add(client.get(path).status)
            client.close()
        return seen

    def reread(event):
        count = len(gateway.events(event))
        gateway.send(signals.SIGHUP)
        wait_until(event, lambda: len(gateway.events(event)) >= count + workers, 15)

    assert (statuses(old), statuses(new)) == ({200}, {401})
    write_set(keys, old, new)
    reread("keys_read")
    assert (statuses(old), statuses(new)) == ({200}, {200})
    for broken in ("", "{", '{"keys":[]}', '{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}',
                   old.private_pem().decode()):
        keys.write_text(broken)
        reread("keys_not_read")
        assert (statuses(old), statuses(new)) == ({200}, {200})
    write_set(keys, new)
    reread("keys_read")
    assert (statuses(old), statuses(new)) == ({401}, {200})


def test_keys_of_other_uses_in_a_set_are_passed_over(world, signer):
    world.start_redis()
    world.show("fest", {"GA": (0, 100)})
    world.start_allocator()
    passed = [Signer("RS256", "enc").jwk(use="enc"), Signer("RS256", "ps").jwk(alg="PS256"),
              {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "p521"},
              {"kty": "unheard of", "kid": "x"}, {"kty": "oct", "k": encode(b"k" * 64), "kid": "o"},
              Signer("ES256", "ops").jwk(key_ops=["sign"])]
    path = world.folder / "keys.json"
    path.write_text(json.dumps({"keys": [*passed, signer.jwk(use="sig", key_ops=["verify"],
                                                             alg="RS256")]}))
    start_gateway(world, jwt_keys=path)
    assert bearer(world, signer, OWNER).get(f"/v1/users/{OWNER}/bookings").status == 200
    oct_key = Signer("HS256", "o", secret=b"k" * 64)
    assert bearer(world, oct_key, OWNER).get(f"/v1/users/{OWNER}/bookings").status == 401
    # One key that can be used: a token that names none means it.
    nameless = signer.token(claims_of(OWNER), kid=None)
    assert asker(world, f"Bearer {nameless}").get(f"/v1/users/{OWNER}/bookings").status == 200


@pytest.mark.parametrize("listen, is_open", [
    ("127.0.0.1:8080", True), ("localhost:8080", True), ("[::1]:8080", True),
    (":8080", False), ("0.0.0.0:8080", False), ("[::]:8080", False), ("10.0.0.1:8080", False)])
def test_nobody_is_let_in_unasked_because_nothing_was_said(listen, is_open):
    """Open is the default at loopback alone; elsewhere somebody must have meant it."""
    said = run_program("usher-gateway", "--check-config", f"--listen={listen}", "--auth=open")
    assert said.code == 0, said
    unsaid = run_program("usher-gateway", "--check-config", f"--listen={listen}")
    if is_open:
        assert unsaid.code == 0, unsaid
    else:
        assert unsaid.code == 2 and "auth" in unsaid.err and "jwt" in unsaid.err, unsaid


@pytest.mark.parametrize("kind, options, why", [
    ("missing", {}, "cannot be opened"),
    ("empty", {"content": b""}, "neither a PEM public key"),
    ("private", {"content": "private"}, "private key"),
    ("short", {"content": b"x" * 31, "secret": True}, "too short"),
    ("public as secret", {"content": "public", "secret": True}, "looks like a public key"),
    ("no set", {"content": b"{}"}, "no JWK set"),
    ("same name twice", {"content": "public", "twice": True}, "two keys named"),
    ("small", {"content": "small"}, "2048"),
    ("other curve", {"content": "p384"}, "P-256"),
])
def test_a_key_that_is_none_keeps_the_gateway_from_starting(world, signer, kind, options, why):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    def pem(key):
        return key.public_key().public_bytes(serialization.Encoding.PEM,
                                             serialization.PublicFormat.SubjectPublicKeyInfo)
    path = world.folder / "key"
    content = options.get("content")
    content = {"private": signer.private_pem, "public": signer.pem,
               "small": lambda: pem(rsa.generate_private_key(65537, 1024)),
               "p384": lambda: pem(ec.generate_private_key(ec.SECP384R1())),
               }.get(content, lambda: content)()
    if content is not None:
        path.write_bytes(content)
    files = f"{path},{path}" if options.get("twice") else path
    world.start_redis()
    option = "jwt_secrets" if options.get("secret") else "jwt_keys"
    gateway = world.start_gateway(wait=False, auth="jwt", **{option: files})
    world.expect_exit(gateway)
    wait_until("its end", lambda: not gateway.alive(), 15)
    assert gateway.exit_code() == 1
    assert any(why in line and str(path) in line for line in gateway.events("keys_not_read")), kind
