"""Traces end to end: spans of all programs at a collector, and what happens when it is unwell."""

import os
import re
import secrets
import signal
import socket
import struct
import threading
import time

import pytest

from harness.collector import Collector
from harness.process import free_port, wait_until
from harness.provider import SECRET, WEBHOOK_SECRET
from harness.receiver import Receiver
from harness.world import ADMIN_TOKEN

SLACK_NS = 5_000_000  # what is told as wall time was measured by another clock


def asked(sampled=True):
    """A trace that somebody else began: its id, their span, and the header."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return trace, span, f"00-{trace}-{span}-{'01' if sampled else '00'}"


@pytest.fixture
def house(world):
    """start() gives a house whose programs all export to `house.collector`."""
    world.collector = None
    world.show("gala", {"Floor": (1000, 100000)}, max_per_user=100000)

    def begin(collector=None, endpoint=None, ratio="0", courier=False, workers=1, **options):
        world.collector = collector
        trace = {"otlp_endpoint": endpoint or (collector.url if collector else "")}
        world.start_redis()
        world.start_allocator(**trace)
        world.wait_owner()
        world.start_gateway(trace_ratio=ratio, workers=workers,
                            payment_webhook_secret=WEBHOOK_SECRET, **trace, **options)
        if courier:
            world.start_courier(webhook_allow="127.0.0.0/8", webhook_first_ms=20, **trace)
        return world

    world.begin = begin
    yield world
    if world.collector is not None:
        world.collector.close()
        assert not world.collector.wrong, world.collector.wrong


def book(client, traceparent=None, **more):
    headers = {} if traceparent is None else {"traceparent": traceparent}
    answer = client.post("/v1/shows/gala/bookings",
                         {"user": "ann", "tier": "Floor", "quantity": 1, **more}, **headers)
    assert answer.status == 201, answer
    return answer


def tree_of(house, trace, names, root=None):
    """Wait for these spans, and see that they are one tree: each parent is there, or is `root`."""
    def all_there():
        found = house.collector.of(trace)
        told = [span.name for span in found.values()]
        return found if all(told.count(name) >= names.count(name) for name in names) else None

    spans = wait_until(f"{names} of {trace}", all_there, 20)
    roots = [span for span in spans.values() if span.parent not in spans]
    assert len(roots) == 1 and roots[0].parent == root, spans
    for span in spans.values():
        if span.parent in spans:
            assert span.begin >= spans[span.parent].begin - SLACK_NS, (span, spans[span.parent])
    return spans


def one(spans, name, **attributes):
    span, = [span for span in spans.values() if span.name == name and
             all(span.attributes[key.replace("__", ".")] == value
                 for key, value in attributes.items())]
    return span


def children(process):
    """Its exporters: children that are called so."""
    names = {pid: open(f"/proc/{pid}/comm", encoding="ascii").read().strip()
             for pid in process.children()}
    return [pid for pid, name in names.items() if name == "usher-exporter"]


def exporter_of(process):
    """The one, once it is there: it is a moment younger than its program."""
    return wait_until("an exporter", lambda: children(process))[0]


def counted(client, name="usher_gateway_trace_spans_total"):
    page = client.get("/metrics").body.decode()
    found = re.findall(rf'^{name}\{{([^}}]*)\}} (\d+)$', page, re.MULTILINE)
    return {re.search('result="([a-z_]+)"', labels).group(1): int(count)
            for labels, count in found}


# What is told.

def test_a_booking_is_one_tree(house):
    house.begin(Collector())
    trace, span, header = asked()
    answer = book(house.client(), header)
    spans = tree_of(house, trace, ["POST /v1/shows/:show/bookings", "enqueue", "decide", "commit"],
                    root=span)
    assert len(spans) == 4
    command = one(spans, "POST /v1/shows/:show/bookings")
    assert (command.kind, command.service) == ("server", "usher-gateway")
    assert command.attributes["http.response.status_code"] == 201
    assert command.attributes["http.request.method"] == "POST"
    assert command.attributes["http.route"] == "/v1/shows/:show/bookings"
    assert command.attributes["usher.request_id"] == answer.json["id"] and not command.error
    assert answer.header("traceparent") == f"00-{trace}-{command.id}-01"
    enqueue, decide, commit = (one(spans, name) for name in ("enqueue", "decide", "commit"))
    assert (enqueue.parent, decide.parent, commit.parent) == (command.id, command.id, decide.id)
    assert (enqueue.kind, decide.kind, commit.kind) == ("producer", "consumer", "client")
    assert decide.service == commit.service == "usher-allocator"
    assert decide.instance == "allocator-1" and command.instance == "gateway-1"
    assert decide.attributes["usher.code"] == "GRANTED" and decide.attributes["usher.partition"] == 1
    assert decide.attributes["usher.operation"] == "BOOK"
    assert decide.attributes["usher.request_id"] == answer.json["id"]
    assert 0 <= decide.attributes["usher.queue_wait_ms"] < 10000
    assert decide.attributes["usher.batch.version"] == commit.attributes["usher.batch.version"]
    assert decide.begin <= commit.begin + SLACK_NS and commit.end <= decide.end + SLACK_NS
    assert decide.begin <= command.end + SLACK_NS
    # The logs name it too.
    log = house.gateways[0].log.read_text()
    assert f"trace=00-{trace}-{command.id}-01" in log
    assert f"trace=00-{trace}-{decide.id}-01" in house.allocators[0].log.read_text()
    assert wait_until("the counts", lambda: counted(house.client())["exported"] >= 2)
    wait_until("the allocator's counts", lambda: counted(
        house.client(), "usher_allocator_trace_spans_total").get("exported", 0) >= 2)


def test_a_refusal_a_repetition_and_a_request_that_is_not_awaited(house):
    house.begin(Collector())
    client = house.client()
    trace, span, header = asked()
    answer = client.post("/v1/shows/gala/bookings", {"user": "ann", "tier": "Floor",
                                                     "quantity": 1, "deadline_ms": 1},
                         prefer="respond-async", traceparent=header)
    assert answer.status == 202
    spans = tree_of(house, trace, ["POST /v1/shows/:show/bookings", "decide"], root=span)
    assert one(spans, "POST /v1/shows/:show/bookings").attributes[
        "http.response.status_code"] == 202
    trace, span, header = asked()
    assert client.post("/v1/shows/gala/bookings", {"user": "ann", "tier": "Nowhere", "quantity": 1},
                       traceparent=header).status in (400, 404, 422)
    spans = tree_of(house, trace, ["POST /v1/shows/:show/bookings"], root=span)
    for _ in range(2):
        trace, span, header = asked()
        assert client.post("/v1/shows/gala/bookings", {"user": "bob", "tier": "Floor",
                                                       "quantity": 1},
                           key="k", traceparent=header).status == 201
        spans = tree_of(house, trace, ["POST /v1/shows/:show/bookings", "decide"], root=span)
        assert one(spans, "decide").attributes["usher.code"] == "GRANTED"


def test_who_goes_away_leaves_a_span(house):
    house.begin(Collector())
    house.allocators[0].sigstop()
    trace, span, header = asked()
    body = b'{"user": "ann", "tier": "Floor", "quantity": 1}'
    with socket.create_connection(("127.0.0.1", house.gateways[0].port)) as gone:
        gone.sendall(b"POST /v1/shows/gala/bookings HTTP/1.1\r\nHost: x\r\n"
                     b"Content-Type: application/json\r\ntraceparent: " + header.encode() +
                     b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        wait_until("the entry", lambda: house.redis_client().xlen(house.keys().requests) > 0)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
    spans = tree_of(house, trace, ["POST /v1/shows/:show/bookings"], root=span)
    gone = one(spans, "POST /v1/shows/:show/bookings")
    assert gone.error and gone.attributes["error.type"] == "client_gone"
    house.allocators[0].cont()
    tree_of(house, trace, ["POST /v1/shows/:show/bookings", "decide", "commit"], root=span)


def test_what_is_not_sampled_is_handed_on_and_not_told(house):
    house.begin(Collector())
    client = house.client()
    trace, _, header = asked(sampled=False)
    assert book(client, header).header("traceparent") == header
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00",
                        book(client).header("traceparent"))
    other, span, header = asked()
    book(client, header)
    tree_of(house, other, ["decide"], root=span)
    assert {span.trace for span in house.collector.spans} == {other}


def test_a_later_version_is_continued_as_ours(house):
    house.begin(Collector())
    client = house.client()
    _, _, header = asked(sampled=False)
    assert book(client, "01" + header[2:] + "-more").header("traceparent") == header
    trace, span, header = asked()
    answer = book(client, "01" + header[2:] + "-more")
    assert answer.header("traceparent").startswith(f"00-{trace}-")
    tree_of(house, trace, ["POST /v1/shows/:show/bookings", "decide", "commit"], root=span)


def test_traces_that_begin_here_are_sampled_by_the_ratio(house):
    house.begin(Collector(), ratio="1")
    client = house.client()
    for broken in (None, "00-0-0-01", "ff-" + "1" * 32 + "-" + "1" * 16 + "-01"):
        header = book(client, broken).header("traceparent")
        _, trace, span, flags = header.split("-")
        assert flags == "01"
        spans = tree_of(house, trace, ["POST /v1/shows/:show/bookings", "decide", "commit"])
        assert one(spans, "POST /v1/shows/:show/bookings").id == span
    # Whoever asks has said no: that holds.
    _, _, header = asked(sampled=False)
    assert book(client, header).header("traceparent") == header


def test_others_cannot_have_all_recorded_that_they_ask(house):
    house.begin(Collector(), trace_others_max=0)
    client = house.client()
    trace, _, header = asked()
    restarted = book(client, header).header("traceparent")
    assert restarted.endswith("-00") and trace not in restarted
    _, _, header = asked(sampled=False)
    assert book(client, header).header("traceparent") == header
    bounded = house.start_gateway(otlp_endpoint=house.collector.url, trace_others_max=2).client()
    begun = time.monotonic()
    flags = [book(bounded, asked()[2]).header("traceparent")[-2:] for _ in range(40)]
    bounded.close()
    assert 1 <= flags.count("01") <= 2 * (time.monotonic() - begun + 2) and "00" in flags
    assert not house.collector.of(trace)


def test_without_a_collector_traces_are_handed_on_as_they_came(house):
    house.begin(ratio="1")
    _, _, header = asked()
    assert book(house.client(), header).header("traceparent") == header
    assert book(house.client()).header("traceparent").endswith("-00")
    assert not children(house.gateways[0]) and not children(house.allocators[0])


def test_a_payment_reaches_the_courier_the_provider_and_its_settlement(house):
    house.start_provider()
    house.begin(Collector(), courier=True)
    client = house.client()
    held = book(client, hold=True).json["id"]
    trace, span, header = asked()
    paid = client.post(f"/v1/bookings/{held}/payments", {"user": "ann"}, key="k",
                       traceparent=header)
    assert paid.status == 200 and paid.json["status"] == "SUCCEEDED", paid
    spans = tree_of(house, trace, ["POST /v1/bookings/:id/payments", "decide", "charge", "decide",
                                   "commit", "commit"], root=span)
    pay = one(spans, "decide", usher__operation="PAY")
    settle = one(spans, "decide", usher__operation="SETTLE")
    charge = one(spans, "charge")
    assert (charge.parent, settle.parent) == (pay.id, charge.id)
    assert charge.kind == "client" and charge.service == "usher-courier"
    assert charge.attributes["usher.payment"] == paid.json["id"]
    assert charge.attributes["usher.verdict"] == "succeeded"
    assert f"00-{trace}-{charge.id}-01" in house.provider.traces
    said = house.couriers[0].events("provider_said")
    assert any(f"trace=00-{trace}-{charge.id}-01" in line for line in said)
    # What goes back is of the trace of who gave it back.
    trace, span, header = asked()
    assert client.post(f"/v1/bookings/{held}/cancel", {"user": "ann"},
                       traceparent=header).status == 200
    spans = tree_of(house, trace, ["decide", "refund"], root=span)
    refund = one(spans, "refund")
    assert refund.parent == one(spans, "decide").id
    assert f"00-{trace}-{refund.id}-01" in house.provider.traces


def test_an_unsampled_payment_is_handed_on_too(house):
    house.start_provider()
    house.begin(Collector(), courier=True)
    client = house.client()
    held = book(client, hold=True).json["id"]
    _, _, header = asked(sampled=False)
    paid = client.post(f"/v1/bookings/{held}/payments", {"user": "ann"}, key="k",
                       traceparent=header)
    assert paid.status == 200, paid
    assert house.provider.traces == [header]
    assert not house.collector.spans


@pytest.mark.parametrize("exporting", [True, False])
def test_webhooks_go_on_with_the_trace(house, exporting):
    receiver = Receiver()
    try:
        house.begin(Collector() if exporting else None, courier=True)
        added = house.ctl("webhook", "add", receiver.url, "--event", "*")
        assert added.code == 0, added
        client = house.client()
        trace, span, header = asked()
        held = book(client, header, hold=True).json["id"]
        other, _, confirming = asked()
        assert client.post(f"/v1/bookings/{held}/confirm", {"user": "ann"},
                           traceparent=confirming).status == 200
        quiet = book(client).json["id"]
        told = wait_until("three webhooks", lambda: len(receiver.told) >= 3 and receiver.told)
        of = {(one.json["data"]["id"], one.json["type"]): one.headers.get("traceparent")
              for one in told}
        assert of[quiet, "booking.confirmed"] is None
        if exporting:
            spans = tree_of(house, trace, ["decide", "deliver"], root=span)
            deliver = one(spans, "deliver")
            assert deliver.parent == one(spans, "decide").id
            assert deliver.attributes["usher.event"] == "booking.held"
            assert of[held, "booking.held"] == f"00-{trace}-{deliver.id}-01"
            assert other in of[held, "booking.confirmed"]
        else:
            assert of[held, "booking.held"] == header
            assert of[held, "booking.confirmed"] == confirming
    finally:
        receiver.close()


def test_what_comes_while_it_is_claimed_has_its_trace(house):
    """A claim sees rows that came after its statement had begun; so must who asks for their trace."""
    trace = asked()[2]
    house.cluster.run(house.database, """
        CREATE FUNCTION claimed_late() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
        BEGIN
          WHILE NOT EXISTS (SELECT FROM deliveries) LOOP PERFORM pg_sleep(0.01); END LOOP;
          RETURN (SELECT max(id) FROM deliveries);
        END $$;
        INSERT INTO subscriptions (id, kind, url, events, secret)
        VALUES (1, 'webhook', 'http://127.0.0.1:9', '{*}', 'whsec_x')""")
    said = []
    claim = threading.Thread(target=lambda: said.extend(house.cluster.run(
        house.database, "SET statement_timeout = '20s'; SELECT trace_of_delivery(claimed_late())")))
    claim.start()
    wait_until("the claim to have begun", lambda: house.value(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%claimed_late())'"
        " AND state = 'active' AND pid <> pg_backend_pid()") == 1)
    house.rows("INSERT INTO deliveries (subscription, event, type, at_ms, data, trace)"
               " VALUES (1, 'evt_x', 'sale.opened', 1, '{}', %s) RETURNING 1", trace)
    claim.join(30)
    assert said == [(trace,)]


def test_no_secret_is_in_a_span_or_where_others_can_see_it(house):
    house.start_provider()
    receiver = Receiver()
    try:
        house.begin(Collector(), courier=True, ratio="1")
        url = receiver.url + "/token-of-the-receiver"
        assert house.ctl("webhook", "add", url, "--event", "*").code == 0
        client = house.client()
        held = book(client, hold=True).json["id"]
        assert client.post(f"/v1/bookings/{held}/payments", {"user": "ann", "method": "pm_card_visa"},
                           key="the-key-of-ann").status == 200
        client.post("/v1/admin/shows/gala/pause", {}, Authorization=f"Bearer {ADMIN_TOKEN}")
        wait_until("a delivery", lambda: any(span.name == "deliver"
                                             for span in house.collector.spans))
        wait_until("the pause", lambda: any(span.attributes.get("http.route", "").endswith("/pause")
                                            for span in house.collector.spans))
        hidden = [SECRET, WEBHOOK_SECRET, ADMIN_TOKEN, "the-key-of-ann", "pm_card_visa",
                  "token-of-the-receiver", "whsec_", "ann", "postgresql://"]
        for body in house.collector.bodies:
            assert not [word for word in hidden if word.encode() in body], body
        # Nor in what the exporter was started with, nor does it hold anything of the program's open.
        for program in house.gateways + house.allocators + house.couriers:
            exporter = exporter_of(program)
            for name in ("cmdline", "environ"):
                seen = open(f"/proc/{exporter}/{name}", "rb").read()
                assert not [word for word in hidden if word.encode() in seen], seen
            ports = set()
            for name in os.listdir(f"/proc/{exporter}/fd"):
                try:
                    ports.add((int(name), os.readlink(f"/proc/{exporter}/fd/{name}")))
                except FileNotFoundError:
                    continue
            assert len([1 for number, what in ports
                        if number > 4 and what.startswith("socket:")]) <= 3, ports
    finally:
        receiver.close()


# When the collector or the exporter is unwell, people book.

def book_many(house, count):
    """All of them sampled; none of them refused, or kept waiting for long."""
    client = house.client()
    for _ in range(count):
        book(client, asked()[2])


@pytest.mark.parametrize("plan", ["hang", "garbage", 503, 400], ids=str)
def test_a_collector_that_is_unwell_is_in_nobodys_way(house, plan):
    house.begin(Collector(lambda count: plan))
    book_many(house, 50)
    wait_until("a request", lambda: house.collector.count > 0)
    book_many(house, 50)
    if plan == 400:  # that is final
        wait_until("what was dropped", lambda: counted(
            house.client())["dropped_collector"] > 0)
    assert house.gateways[0].stop() == 0 and house.allocators[0].stop() == 0
    told = house.gateways[0].events("spans_dropped") + house.allocators[0].events("spans_dropped")
    assert told, "what was lost at the end is said"


def test_spans_wait_for_a_collector_that_is_away(house):
    port = free_port()
    house.begin(endpoint=f"http://127.0.0.1:{port}/")
    trace, span, header = asked()
    book(house.client(), header)
    wait_until("the exporters to notice",
               lambda: house.gateways[0].events("collector_unwell") and
               house.allocators[0].events("collector_unwell"))
    house.collector = Collector(port=port)
    tree_of(house, trace, ["POST /v1/shows/:show/bookings", "enqueue", "decide", "commit"],
            root=span)
    # The collector has the spans before the exporter has its answer.
    wait_until("the exporters to say so",
               lambda: house.gateways[0].events("collector_well") and
               house.allocators[0].events("collector_well"))


def test_retry_after_is_heeded(house):
    house.begin(Collector(lambda count: (429, {"Retry-After": "3"}) if count <= 2 else 200))
    trace, span, header = asked()
    book(house.client(), header)
    tree_of(house, trace, ["POST /v1/shows/:show/bookings", "decide"], root=span)
    assert house.collector.count >= 4


def test_an_exporter_that_is_stopped_costs_spans_and_no_bookings(house):
    house.begin(Collector())
    exporter = exporter_of(house.gateways[0])
    os.kill(exporter, signal.SIGSTOP)
    client = house.client()

    def full():
        book_many(house, 50)
        return counted(client)["dropped_full"] > 0

    wait_until("the socket to be full", full, 60)
    os.kill(exporter, signal.SIGCONT)
    trace, span, header = asked()
    book(client, header)
    tree_of(house, trace, ["POST /v1/shows/:show/bookings", "decide"], root=span)
    exported = wait_until("what did not fill it", lambda: counted(client)["exported"])
    assert exported > 0


def test_a_stopped_exporter_does_not_keep_its_program_from_ending(house):
    house.begin(Collector())
    left = [exporter_of(program) for program in house.gateways + house.allocators]
    for exporter in left:
        os.kill(exporter, signal.SIGSTOP)
    book_many(house, 3)
    assert house.gateways[0].stop() == 0 and house.allocators[0].stop() == 0
    assert not [pid for pid in left if os.path.exists(f"/proc/{pid}")]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exporter_that_dies_is_started_again(house, workers):
    house.begin(Collector(), workers=workers)
    for program in house.gateways + house.allocators:
        killed = exporter_of(program)
        os.kill(killed, signal.SIGKILL)
        book_many(house, 3)
        wait_until("another one", lambda p=program, k=killed: [c for c in children(p) if c != k], 20)
        assert program.events("exporter_died")
    trace, span, header = asked()
    book(house.client(), header)
    tree_of(house, trace, ["POST /v1/shows/:show/bookings", "enqueue", "decide", "commit"],
            root=span)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_recorded_leaves_before_the_program_ends(house, workers):
    house.begin(Collector(), workers=workers)
    trace, span, header = asked()
    book(house.client(), header)
    exporters = [exporter_of(program) for program in house.gateways + house.allocators]
    assert house.gateways[0].stop() == 0 and house.allocators[0].stop() == 0
    assert not [pid for pid in exporters if os.path.exists(f"/proc/{pid}")]
    assert len(house.collector.of(trace)) == 4
    tree_of(house, trace, ["POST /v1/shows/:show/bookings", "enqueue", "decide", "commit"],
            root=span)


def test_an_exporter_ends_with_a_program_that_is_killed(house):
    house.begin(Collector(), workers=2)
    exporters = [exporter_of(program) for program in house.gateways + house.allocators]
    trace, span, header = asked()
    client = house.client()
    book(client, header)
    # The answer is out before what is told of it: let them come to that.
    assert client.get("/health").status == 200
    wait_until("the allocator to tell", lambda: house.allocators[0].events("decided"))
    house.gateways[0].kill9()
    house.allocators[0].kill9()
    wait_until("them to end", lambda: not [pid for pid in exporters
                                           if os.path.exists(f"/proc/{pid}")], 60)
    assert len(house.collector.of(trace)) == 4  # and what they had was sent
