"""Logs as JSON: every line of every program is one object, whatever people and servers send."""

import json
import re

from harness.process import wait_until
from harness.receiver import Receiver

HOSTILE = 'x\n{"level":"forged"}\t"\\ \x85 ü 🎫'
FIXED = {"at", "level", "program", "event"}


def objects_of(text):
    """Each line strictly: one object, no key twice, nothing but strings."""
    def unique(pairs):
        keys = [key for key, _ in pairs]
        assert len(set(keys)) == len(keys), pairs
        return dict(pairs)

    told = []
    for line in text.decode("utf-8", errors="strict").split("\n")[:-1]:
        one = json.loads(line, object_pairs_hook=unique)
        assert FIXED <= set(one), line
        assert all(isinstance(value, str) for value in one.values()), line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one["at"]), line
        assert one["level"] in ("debug", "info", "warn", "error"), line
        told.append(one)
    return told


def log_of(process):
    return objects_of(process.log.read_bytes())


def test_every_line_of_every_program_is_an_object(world):
    world.start_redis()
    world.start_provider(lambda fields: "decline")
    world.show("concert", {"GA": (1000, 5)})
    world.start_allocator(log_format="json")
    world.wait_owner()
    gateway = world.start_gateway(log_format="json", book_show="hall")
    courier = world.start_courier(log_format="json", webhook_allow="127.0.0.0/8")
    receiver = Receiver(lambda told, count: 500)
    try:
        made = world.ctl("webhook", "add", receiver.url, "--event", "*")
        assert made.code == 0, made
        client = world.client()
        held = client.post("/v1/shows/concert/bookings",
                           {"user": "ann", "tier": "GA", "quantity": 1, "hold": True})
        assert held.status == 201, held.body
        paid = client.post(f"/v1/bookings/{held.json['id']}/payments", {"user": "ann"}, key="k")
        assert paid.json["reason"] == "card_declined", paid.body
        client.post("/v1/shows/concert/bookings", {"user": HOSTILE, "tier": "GA", "quantity": 1},
                    traceparent='00-"\\-01')
        client.get("/v1/shows/%22%0a%7b/availability")
        wait_until("a refused delivery", lambda: any(
            line["event"] == "not_delivered" for line in log_of(courier)))
    finally:
        receiver.close()
    answered = [line for line in log_of(gateway) if line["event"] == "answered"]
    assert any(line["request"] == held.json["id"] for line in answered)
    said = [line for line in log_of(courier) if line["event"] == "provider_said"]
    assert said and said[0]["reason"] == "card_declined" and said[0]["level"] == "info"
    for process in world.couriers + world.gateways + world.allocators:
        process.stop()
        told = log_of(process)
        assert told and {line["program"] for line in told} == {process.program}


def test_usherctl_too_and_what_the_database_says_stays_within(world):
    world.start_redis()
    world.rows("""
        CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE WARNING '%', E'forged\\n{"level":"debug"}" \\\\'; RETURN NEW; END $$;
        CREATE TRIGGER shout BEFORE INSERT ON shows
          FOR EACH ROW EXECUTE FUNCTION shout();
        SELECT 1""")
    world.connection.commit()
    done = world.ctl("--log-format=json", "show", "create", "--slug", "loud", "--tier", "A:1:1")
    assert done.code == 0, done
    told = objects_of(done.err.encode())
    assert [line["event"] for line in told] == ["postgres_notice"]
    assert told[0]["program"] == "usherctl" and "forged" in told[0]["message"]
