"""Webhooks: what is told, signed, once at least and under one id; and what happens to receivers that
fail, go away, or are where nobody may be told to knock."""

import datetime
import json
import re
import time

import pytest

from harness.process import wait_until
from harness.receiver import Receiver, is_signed
from test_admin import Operator

FIRST_MS = 20


@pytest.fixture
def told(world):
    """A world with two shows, that tells whoever subscribes; receivers that it closes."""
    world.show("gala", {"Floor": (1000, 10)}, max_per_user=10)
    world.show("lane", {"Seat": (500, 2)})
    world.start()
    world.receivers = []
    yield world
    for receiver in world.receivers:
        receiver.close()


def receiver_of(world, *events, plan=None, headers=None, url=None, answer=b""):
    """A receiver that is subscribed; its secret and its number with it."""
    receiver = Receiver(plan, headers, answer)
    world.receivers.append(receiver)
    words = [word for event in events for word in ("--event", event)]
    added = world.ctl("webhook", "add", url or receiver.url, *words)
    assert added.code == 0, added
    receiver.number = re.search(r"subscription (\d+)", added.out).group(1)
    receiver.secret = re.search(r"secret (\S+)", added.out).group(1)
    return receiver


def courier(world, **options):
    options.setdefault("webhook_allow", "127.0.0.0/8")
    options.setdefault("webhook_first_ms", FIRST_MS)
    options.setdefault("webhook_ms", 1000)
    return world.start_courier(**options)


def book(client, user="ann", show="gala", tier="Floor", **more):
    answer = client.post(f"/v1/shows/{show}/bookings", {"user": user, "tier": tier, **more})
    assert answer.status == 201, answer
    return answer.json


def lines(result):
    """What usherctl lists, an object a line."""
    assert result.code == 0, result
    return [json.loads(line) for line in result.out.splitlines()]


def wait_told(receiver, kind, count=1):
    return wait_until(f"{count} of {kind}",
                      lambda: (there := receiver.of(kind)) and len(there) >= count and there, 30)


def test_the_life_of_a_booking_is_told(told):
    receiver = receiver_of(told)
    courier(told)
    client = told.client()
    hold = book(client, quantity=2, hold=True)
    assert client.post(f"/v1/bookings/{hold['id']}/confirm", {"user": "ann"}).status == 200
    assert client.post(f"/v1/bookings/{hold['id']}/cancel", {"user": "ann"}).status == 200
    for kind in ("booking.held", "booking.confirmed", "booking.cancelled"):
        event = wait_told(receiver, kind)[0]
        assert event.headers["content-type"] == "application/json"
        assert is_signed(event, receiver.secret, at=time.time())
        body = event.json
        assert set(body) == {"type", "timestamp", "data"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
        assert body["data"]["id"] == hold["id"]
        assert body["data"]["show"] == "gala" and body["data"]["user"] == "ann"
        assert body["data"]["quantity"] == 2 and body["data"]["amount"] == 2000
        assert body["data"]["status"] == kind.removeprefix("booking.").upper()
    assert len({event.id for event in receiver.told}) == len(receiver.told)


def test_what_is_tampered_with_or_old_is_not_signed(told):
    receiver = receiver_of(told)
    courier(told)
    book(told.client())
    event = wait_told(receiver, "booking.confirmed")[0]
    assert is_signed(event, receiver.secret)
    assert not is_signed(event, receiver.secret, body=event.body.replace(b"ann", b"eve"))
    assert not is_signed(event, receiver.secret, at=time.time() + 3600)
    assert not is_signed(event, "whsec_" + "A" * 32)


def test_only_what_is_asked_for_is_told(told):
    sales = receiver_of(told, "sale.*")
    cancelled = receiver_of(told, "booking.cancelled")
    everything = receiver_of(told)
    courier(told)
    client = told.client()
    first = book(client, show="lane", tier="Seat")
    book(client, "bob", show="lane", tier="Seat")
    assert client.post(f"/v1/bookings/{first['id']}/cancel", {"user": "ann"}).status == 200
    wait_told(sales, "sale.sold_out")
    wait_told(cancelled, "booking.cancelled")
    wait_told(everything, "booking.confirmed", 2)
    wait_told(everything, "booking.cancelled")
    assert {event.json["type"] for event in sales.told} == {"sale.sold_out"}
    assert {event.json["type"] for event in cancelled.told} == {"booking.cancelled"}
    # One event has one id, whoever is told.
    same = [r.of("booking.cancelled")[0].id for r in (cancelled, everything)]
    assert same[0] == same[1]


def at_offset(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds")


def test_a_sale_that_opens_and_closes_by_the_clock_is_told_once(told):
    receiver = receiver_of(told, "sale.*")
    told.show("dawn", {"Floor": (1000, 10)}, opens_at=at_offset(3), closes_at=at_offset(5))
    told.show("paused", {"Floor": (1000, 10)}, opens_at=at_offset(3))
    told.rows("UPDATE shows SET state = 'paused' WHERE slug = 'paused' RETURNING 1 AS n")
    opens_ms = told.value("SELECT extract(epoch FROM sales_open_at) * 1000 FROM shows"
                          " WHERE slug = 'dawn'")
    for name in "ab":
        courier(told, name=name)
    wait_told(receiver, "sale.closed")
    told.rows("UPDATE shows SET state = 'open' WHERE slug = 'paused' RETURNING 1 AS n")
    wait_told(receiver, "sale.opened", 2)
    assert sorted((e.json["type"], e.json["data"]["show"]) for e in receiver.told) == [
        ("sale.closed", "dawn"), ("sale.opened", "dawn"), ("sale.opened", "paused")]
    opened = next(e.json for e in receiver.told if e.json["data"]["show"] == "dawn")
    assert datetime.datetime.fromisoformat(
        opened["timestamp"].replace("Z", "+00:00")).timestamp() * 1000 == opens_ms


def test_what_somebody_does_to_a_sale_is_told(told):
    """Made open, its times changed, paused: whatever makes a difference now, and nothing else."""
    receiver = receiver_of(told, "sale.*")
    courier(told)
    told.show("noon", {"Floor": (1000, 10)})
    told.show("later", {"Floor": (1000, 10)}, opens_at=at_offset(3600))
    for change in ("state = 'paused'", "state = 'open'",  # of a sale that is not open yet
                   "sales_open_at = NULL", "name = 'Late'", "state = 'paused'",
                   f"sales_close_at = '{at_offset(-60)}'", "state = 'closed'"):
        told.rows(f"UPDATE shows SET {change} WHERE slug = 'later' RETURNING 1 AS n")
    wait_told(receiver, "sale.closed")
    assert [(e.json["type"], e.json["data"]["show"])
            for e in sorted(receiver.told, key=lambda e: e.json["timestamp"])] == [
        ("sale.opened", "noon"), ("sale.opened", "later"), ("sale.paused", "later"),
        ("sale.closed", "later")]


def test_payments_offers_and_expiries_are_told(told):
    receiver = receiver_of(told)
    courier(told)
    client = told.client()
    paid = book(client, hold=True)
    answer = client.post(f"/v1/bookings/{paid['id']}/payments", {"user": "ann"},
                         key="pay")
    assert answer.json["status"] == "SUCCEEDED", answer
    assert {wait_told(receiver, kind)[0].json["data"]["amount"]
            for kind in ("payment.pending", "payment.succeeded")} == {1000}
    assert client.post(f"/v1/bookings/{paid['id']}/cancel", {"user": "ann"}).status == 200
    assert wait_told(receiver, "payment.refunded")[0].json["data"]["refund"] == 1000
    first = book(client, show="lane", tier="Seat", quantity=2)
    entry = client.post("/v1/shows/lane/waitlist", {"user": "bob", "tier": "Seat"})
    assert entry.status == 201
    assert client.post(f"/v1/bookings/{first['id']}/cancel", {"user": "ann"}).status == 200
    offer = wait_told(receiver, "waitlist.offered")[0].json["data"]
    assert offer["id"] == entry.json["id"] and offer["user"] == "bob"


def test_a_receiver_that_fails_is_told_again_under_the_same_id(told):
    receiver = receiver_of(told, plan=lambda event, count: [None, 500][count - 1]
                           if count < 3 else 204)
    courier(told, webhook_first_ms=5)
    book(told.client())
    events = wait_told(receiver, "booking.confirmed", 3)
    assert len({event.id for event in events}) == 1
    assert len({event.body for event in events}) == 1
    wait_until("it to be delivered", lambda: told.value(
        "SELECT count(*) FROM deliveries WHERE delivered_at IS NOT NULL") == 1)
    assert not told.ctl("webhook", "log", receiver.number).out
    delivery, = lines(told.ctl("webhook", "log", receiver.number, "--all"))
    assert delivery["webhook_id"] == events[0].id and delivery["state"] == "delivered"
    assert [one["status"] for one in delivery["attempts"]] == [None, 500, 204]


def test_what_nobody_takes_is_given_up_and_can_be_replayed(told):
    receiver = receiver_of(told, plan=lambda event, count: 503)
    courier(told, webhook_first_ms=1)
    book(told.client())
    wait_told(receiver, "booking.confirmed")
    told.rows("UPDATE deliveries SET attempts = 9, next_at = now() RETURNING 1")
    wait_until("it to be given up", lambda: told.value(
        "SELECT count(*) FROM deliveries WHERE next_at IS NULL AND delivered_at IS NULL") == 1)
    assert lines(told.ctl("webhook", "list"))[0]["given_up"] == 1
    assert lines(told.ctl("webhook", "log", receiver.number))[0]["state"] == "given up"
    receiver.plan = lambda event, count: 200
    replayed = told.ctl("webhook", "replay", receiver.number)
    assert replayed.code == 0, replayed
    wait_until("it to be delivered", lambda: told.value(
        "SELECT count(*) FROM deliveries WHERE delivered_at IS NOT NULL") == 1)
    assert len({event.id for event in receiver.told}) == 1


def test_gone_is_for_ever_until_somebody_says_otherwise(told):
    receiver = receiver_of(told, plan=lambda event, count: 410)
    courier(told)
    client = told.client()
    book(client)
    wait_until("it to be switched off", lambda: told.value(
        "SELECT count(*) FROM subscriptions WHERE disabled_at IS NOT NULL") == 1)
    book(client, "bob")
    listed, = lines(told.ctl("webhook", "list"))
    assert (listed["enabled"], listed["disabled_why"]) == (False, "the receiver said 410")
    receiver.plan = lambda event, count: 200
    assert told.ctl("webhook", "replay", receiver.number).code == 0
    book(client, "cid")
    wait_until("the third to be told", lambda: any(
        event.json["data"]["user"] == "cid" for event in receiver.told))
    assert {event.json["data"]["user"] for event in receiver.told} == {"ann", "cid"}


def test_a_receiver_that_talks_too_long_has_answered(told):
    receiver = receiver_of(told, "booking.confirmed", answer=b"<html>" + b" " * (3 << 20))
    courier(told)
    book(told.client())
    rows = wait_until("an attempt", lambda: told.rows(
        "SELECT a.status, d.delivered_at IS NOT NULL AS done FROM delivery_attempts a"
        " JOIN deliveries d ON d.id = a.delivery"))
    assert rows == [{"status": 200, "done": True}] and len(receiver.told) == 1


def test_redirects_are_not_followed(told):
    other = Receiver()
    told.receivers.append(other)
    receiver = receiver_of(told, plan=lambda event, count: 307, headers={"Location": other.url})
    courier(told, webhook_first_ms=5)
    book(told.client())
    wait_told(receiver, "booking.confirmed", 2)
    assert not other.told


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "169.254.169.254",
                                  "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
def test_nobody_is_sent_to_knock_inside(told, host):
    receiver = receiver_of(told)
    told.rows("UPDATE subscriptions SET url = %s RETURNING 1",
              f"http://{host}:{receiver.port}/hook")
    courier(told, webhook_allow="")
    book(told.client())
    wait_until("the refusal", lambda: told.value(
        "SELECT count(*) FROM delivery_attempts WHERE status = 0"
        " AND why = 'the address is not a public one'") >= 1)
    assert not receiver.told


def test_secrets_are_changed_while_receivers_know_the_old_one(told):
    receiver = receiver_of(told)
    courier(told)
    client = told.client()
    rotated = told.ctl("webhook", "rotate", receiver.number)
    fresh = re.search(r"secret (\S+)", rotated.out).group(1)
    book(client)
    event = wait_told(receiver, "booking.confirmed")[0]
    assert is_signed(event, receiver.secret) and is_signed(event, fresh)
    assert told.ctl("webhook", "rotate", receiver.number).code == 0
    book(client, "bob")
    event = wait_told(receiver, "booking.confirmed", 2)[1]
    assert is_signed(event, fresh) and not is_signed(event, receiver.secret)


def test_couriers_die_and_everything_is_told(told):
    receiver = receiver_of(told, "booking.*", plan=lambda event, count: 200)
    client = told.client()
    users = [f"user {number}" for number in range(10)]
    first = courier(told, lease_ms=2000)
    for user in users[:5]:
        book(client, user)
    first.kill9()
    for user in users[5:]:
        book(client, user)
    courier(told, lease_ms=2000)
    wait_until("all to be told", lambda: {
        event.json["data"]["user"] for event in receiver.of("booking.confirmed")} == set(users), 30)


def test_a_receiver_that_hangs_keeps_nobody_waiting(told):
    slow = receiver_of(told, plan=lambda event, count: time.sleep(3) or 200)
    quick = receiver_of(told)
    courier(told, webhook_ms=500, lease_ms=2000)
    answer = book(told.client())
    assert wait_told(quick, "booking.confirmed")[0].json["data"]["id"] == answer["id"]
    wait_until("the attempt to be noted", lambda: told.value(
        "SELECT count(*) FROM delivery_attempts WHERE status = 0") >= 1)
    assert slow.told


def test_who_is_told_of_nothing_costs_nothing(told):
    enabled = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'tell\\_%%' AND tgenabled <> 'D'"
    assert told.value(enabled) == 0
    receiver = receiver_of(told)
    assert told.value(enabled) > 0
    assert told.ctl("webhook", "remove", receiver.number).code == 0
    assert told.value(enabled) == 0
    book(told.client())
    assert told.value("SELECT count(*) FROM deliveries") == 0


def test_a_failure_to_note_an_event_does_not_touch_the_booking(told):
    receiver_of(told)
    told.cluster.run(told.database, "ALTER TABLE deliveries ADD CONSTRAINT broken"
                     " CHECK (type = '') NOT VALID")
    assert book(told.client())["status"] == "CONFIRMED"
    assert told.value("SELECT count(*) FROM deliveries") == 0


def test_wrong_words(told):
    for words in (["add", "ftp://x"], ["add", "http://x", "--event", "Booking!"],
                  ["remove", "99"], ["rotate", "99"], ["replay", "99"], ["log", "99"]):
        assert told.ctl("webhook", *words).code == 1, words
    for command in ("remove", "rotate", "replay", "log"):
        assert told.ctl("webhook", command, "x").code == 2
    assert told.ctl("mail", "off").code == 1
    assert told.value("SELECT count(*) FROM subscriptions") == 0


def test_who_changed_it_is_written_down(told):
    receiver = receiver_of(told)
    told.ctl("webhook", "rotate", receiver.number)
    told.ctl("webhook", "remove", receiver.number)
    rows = told.rows("SELECT action, actor FROM audit WHERE action LIKE 'webhook%%' ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [
        ("webhook.add", "olga"), ("webhook.rotate", "olga"), ("webhook.remove", "olga")]


@pytest.fixture
def olga(told):
    return Operator(told.client())


def test_subscriptions_are_an_operators_business_like_any_other(told, olga):
    added = olga.post("/webhooks", {"url": "https://crm.example/hook", "events": ["sale.*"]},
                      **{"Idempotency-Key": "once"})
    assert added.status == 201 and added.header("Location") == "/v1/admin/webhooks/1"
    assert added.json["result"] == {"webhook": 1, "url": "https://crm.example/hook",
                                    "events": ["sale.*"], "enabled": True}
    again = olga.post("/webhooks", {"url": "https://crm.example/hook", "events": ["sale.*"]},
                      **{"Idempotency-Key": "once"})
    assert again.body == added.body and again.header("Idempotent-Replayed") == "true"
    assert olga.post("/webhooks", {"url": "https://other.example"}).json["result"]["webhook"] == 2
    assert [row["webhook"] for row in olga.get("/webhooks")["webhooks"]] == [1, 2]
    assert olga.get("/webhooks/2")["events"] == ["*"]
    assert olga.ask("DELETE", "/webhooks/2", {}).json["result"] == {"webhook": 2, "enabled": False}
    assert olga.ask("GET", "/webhooks/2").status == 404
    assert olga.post("/webhooks", {"url": "https://third.example"}).json["result"]["webhook"] == 3
    mail = olga.post("/mail", {"events": ["booking.confirmed"]})
    assert mail.status == 200 and mail.json["result"]["mail"] is True, mail
    assert olga.post("/mail").code == "ALREADY_EXISTS"
    assert [row["kind"] for row in olga.get("/webhooks")["webhooks"]] == ["webhook", "webhook", "mail"]
    assert olga.post("/webhooks/4/rotate").code == "INVALID"  # letters are not signed
    assert olga.ask("DELETE", "/mail", {}).status == 200


@pytest.mark.parametrize("body", [
    {}, {"url": 5}, {"url": "file:///etc/passwd"}, {"url": "https://a b"}, {"url": "http://"},
    {"url": "https://x.example/" + "x" * 1024}, {"url": "https://x", "events": []},
    {"url": "https://x", "events": "sale.*"}, {"url": "https://x", "events": ["sale.*", 1]},
    {"url": "https://x", "events": ["sale.*'"]}, {"url": "https://x", "events": ["sale.*"] * 65},
    {"url": "https://x", "secret": "whsec_mine"}])
def test_what_no_subscription_can_be(told, olga, body):
    answer = olga.post("/webhooks", body)
    assert (answer.status, answer.code) == (422, "INVALID"), answer
    assert told.value("SELECT count(*) FROM subscriptions") == 0


def test_there_is_a_bound(told, olga):
    told.rows("INSERT INTO subscriptions (id, kind, url, events, secret) SELECT n, 'webhook',"
              " 'https://x', '{*}', 'whsec_x' FROM generate_series(1, 100) n RETURNING 1")
    answer = olga.post("/webhooks", {"url": "https://one.more"})
    assert answer.code == "INVALID" and "100" in answer.json["detail"]


def test_a_secret_is_told_for_an_hour_and_stands_nowhere_else(told, olga):
    receiver = receiver_of(told)
    assert olga.get(f"/webhooks/{receiver.number}/secret")["secret"] == receiver.secret
    rotated = olga.post(f"/webhooks/{receiver.number}/rotate")
    fresh = olga.get(f"/webhooks/{receiver.number}/secret")
    assert fresh["secret"] != receiver.secret and fresh["secret_before"] == receiver.secret
    told.rows("UPDATE subscriptions SET secret_at = now() - interval '61 minutes' RETURNING 1")
    answer = olga.ask("GET", f"/webhooks/{receiver.number}/secret")
    assert answer.status == 404 and "rotated" in answer.json["detail"]
    elsewhere = str([rotated, olga.get("/audit"), olga.get("/webhooks"), told.rows(
        "SELECT * FROM audit"), told.rows("SELECT answers FROM batches")])
    for process in told.gateways + told.allocators:
        elsewhere += process.log.read_text(errors="replace")
    for secret in (receiver.secret, fresh["secret"]):
        assert secret not in elsewhere
    for key in told.redis_client().scan_iter():
        assert b"whsec_" not in key
    assert b"whsec_" not in b"".join(
        value for _, entry in told.redis_client().xrange("usher:{1}:requests")
        for value in entry.values())


def test_deliveries_are_read_page_by_page(told, olga):
    receiver = receiver_of(told, plan=lambda event, count: 200 if "2" in event.json["data"]["user"]
                           else 503)
    courier(told, webhook_first_ms=60000)
    client = told.client()
    for number in range(5):
        book(client, f"user {number}")
    path = f"/webhooks/{receiver.number}/deliveries"
    wait_until("each to be tried", lambda: all(
        row["attempts"] for row in olga.get(path)["deliveries"]) and
        len(olga.get(path)["deliveries"]) == 5)
    seen, cursor = [], None
    while True:
        page = olga.get(f"{path}?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        assert len(page["deliveries"]) <= 2
        seen += [row["delivery"] for row in page["deliveries"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sorted(seen, reverse=True) and len(seen) == 5
    undelivered = olga.get(f"{path}?state=undelivered")["deliveries"]
    assert len(undelivered) == 4 and {row["state"] for row in undelivered} == {"waiting"}
    assert olga.ask("GET", f"{path}?state=x").status == 400
    done = next(row["delivery"] for row in olga.get(path)["deliveries"] if row["delivered_at"])
    assert olga.post(f"/webhooks/{receiver.number}/replay", {"delivery": done}).json["result"] == {
        "webhook": int(receiver.number), "delivery": done, "enabled": True}
    wait_until("it to be told twice", lambda: len([
        event for event in receiver.told if event.json["data"]["user"] == "user 2"]) == 2)
    assert olga.post(f"/webhooks/{receiver.number}/replay", {"delivery": 999}).code == "INVALID"


def test_subscriptions_change_while_people_book(told, olga):
    """To wake the triggers waits for the batches under way, and they for it: nobody is lost."""
    assert told.ctl("partition", "add", 2).code == 0
    told.show("many", {"Floor": (100, 100_000)}, partition=2, max_per_booking=10)
    told.start_allocator()
    told.wait_owner(2)
    crowd = told.crowd("many").start_traffic(16, ["Floor"])
    for _ in range(8):
        crowd.await_decided(30)
        number = olga.post("/webhooks", {"url": "http://127.0.0.1:9/"}).json["result"]["webhook"]
        crowd.await_decided(30)
        assert olga.ask("DELETE", f"/webhooks/{number}", {}).status == 200
    told.judge(crowd.finish())


def chores_done(world):
    """What a courier does by the way when it looks for deliveries; the given up ones that are left."""
    world.rows("SELECT * FROM claim_deliveries('x', '{}', 1, 1000)")
    return world.value("SELECT count(*) FROM deliveries WHERE next_at IS NULL")


def test_many_deliveries_are_gone_through_bit_by_bit_by_couriers(told, olga):
    """Operators' changes wait for none of them: whoever books would have to wait, too."""
    number = receiver_of(told).number
    told.rows("INSERT INTO deliveries (subscription, event, type, at_ms, data, attempts, next_at)"
              " SELECT %s, 'evt_' || n, 'sale.opened', 1, '{}', 10, NULL"
              " FROM generate_series(1, 2500) n RETURNING 1", number)
    told.rows("INSERT INTO delivery_attempts (delivery, attempt, status, took_ms, why)"
              " SELECT id, 10, 503, 1, '' FROM deliveries RETURNING 1")
    busy = told.cluster.connect(told.database)
    with busy.cursor() as cursor:
        busy.autocommit = False
        cursor.execute("SELECT id FROM deliveries ORDER BY id LIMIT 1 FOR UPDATE")
        assert olga.post(f"/webhooks/{number}/replay", {}).status == 200
        book(told.client())
        busy.rollback()
        told.rows("UPDATE deliveries SET delivered_at = now(), next_at = NULL"
                  " WHERE attempts = 0 RETURNING 1")  # the booking's
        assert [chores_done(told) for _ in range(4)] == [1501, 501, 1, 1]
        assert told.value("SELECT count(*) FROM delivery_attempts") == 0
        cursor.execute("SELECT id FROM deliveries ORDER BY id LIMIT 1 FOR UPDATE")
        assert olga.ask("DELETE", f"/webhooks/{number}", {}).status == 200
        book(told.client(), "bob")
        busy.rollback()
    busy.close()
    for left in 1501, 501, 0, 0:
        chores_done(told)
        assert told.value("SELECT count(*) FROM deliveries") == left
    assert told.value("SELECT count(*) FROM delivery_chores") == 0


def test_what_is_long_over_is_forgotten_as_fast_as_it_comes(told):
    """More than is forgotten at a time, and nothing that still waits or is young."""
    receiver = receiver_of(told, "booking.confirmed")
    told.rows("INSERT INTO deliveries (subscription, event, type, at_ms, data, next_at)"
              " SELECT %s, 'evt_' || i, 'booking.confirmed', CASE i WHEN 25000 THEN wall_ms() ELSE 1 END,"
              " '{}', CASE i WHEN 24999 THEN now() + interval '1 hour' END"
              " FROM generate_series(1, 25000) i RETURNING 1 AS n", int(receiver.number))
    courier(told, deliveries_keep_ms=3600000)
    wait_until("them to be forgotten",
               lambda: told.value("SELECT count(*) FROM deliveries") == 2, 30)
    left = {row["event"] for row in told.rows("SELECT event FROM deliveries")}
    assert left == {"evt_24999", "evt_25000"}


def test_letters_that_nobody_can_send_keep_no_webhook_waiting(told):
    """Mail is on, and no courier has a mail server."""
    receiver = receiver_of(told, "booking.confirmed")
    assert told.ctl("mail", "on").code == 0
    told.rows("INSERT INTO deliveries (subscription, event, type, at_ms, data, next_at)"
              " SELECT s.id, 'evt_' || i, 'booking.confirmed', wall_ms(), '{}', now()"
              "        - CASE WHEN i > 9000 THEN interval '31 days' ELSE interval '1 hour' END"
              " FROM subscriptions s, generate_series(1, 10000) i WHERE s.kind = 'mail' RETURNING 1 AS n")
    looked_at = told.value("SELECT count(*) FROM claim_deliveries('x', '{webhook}', 64, 60000);"
                           " SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
                           " WHERE relname = 'deliveries'")
    assert looked_at < 100
    courier(told)
    book(told.client())
    wait_told(receiver, "booking.confirmed")
    wait_until("those of last month to be forgotten", lambda: told.value(
        "SELECT count(*) FROM deliveries d JOIN subscriptions s ON s.id = d.subscription"
        " WHERE s.kind = 'mail'") == 9001)
