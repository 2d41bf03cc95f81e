"""A collector of traces for tests: OTLP/HTTP with JSON, read as strictly as the protocol is written."""

import json
import re
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}

Span = namedtuple("Span", "trace id parent name kind begin end attributes error service instance")


def only(thing, required, optional=()):
    assert isinstance(thing, dict), thing
    assert set(required) <= set(thing) <= set(required) | set(optional), thing
    return thing


def identifier(text, digits):
    assert isinstance(text, str) and re.fullmatch(f"[0-9a-f]{{{digits}}}", text), text
    assert set(text) != {"0"}, text
    return text


def nanoseconds(text):
    """A fixed64 is a string in JSON."""
    assert isinstance(text, str) and re.fullmatch("[1-9][0-9]{17,18}", text), text
    return int(text)


def attributes_of(listed):
    read = {}
    for one in listed:
        only(one, ("key", "value"))
        (kind, value), = one["value"].items()
        assert one["key"] and one["key"] not in read, listed
        if kind == "stringValue":
            assert isinstance(value, str) and value, one
        else:
            assert kind == "intValue" and re.fullmatch("-?[0-9]+", value), one
            value = int(value)
        read[one["key"]] = value
    return read


def span_of(one, resource):
    only(one, ("traceId", "spanId", "flags", "name", "kind", "startTimeUnixNano",
               "endTimeUnixNano", "attributes", "status"), ("parentSpanId",))
    parent = identifier(one["parentSpanId"], 16) if "parentSpanId" in one else None
    begin, end = nanoseconds(one["startTimeUnixNano"]), nanoseconds(one["endTimeUnixNano"])
    assert begin <= end and isinstance(one["name"], str) and one["name"], one
    assert one["flags"] & 1 and one["flags"] & 0x100, one
    assert bool(one["flags"] & 0x200) == (parent is not None and one["kind"] in (2, 5)), one
    only(one["status"], (), ("code",))
    assert one["status"].get("code", 2) == 2, one
    return Span(identifier(one["traceId"], 32), identifier(one["spanId"], 16), parent, one["name"],
                KINDS[one["kind"]], begin, end, attributes_of(one["attributes"]),
                one["status"].get("code") == 2, resource["service.name"],
                resource["service.instance.id"])


def spans_of(body):
    """The spans of a request, or an AssertionError."""
    def unique(pairs):
        assert len({key for key, _ in pairs}) == len(pairs), pairs
        return dict(pairs)

    request = only(json.loads(body.decode("utf-8", errors="strict"), object_pairs_hook=unique),
                   ("resourceSpans",))
    found = []
    for of_resource in request["resourceSpans"]:
        only(of_resource, ("resource", "scopeSpans"))
        resource = attributes_of(only(of_resource["resource"], ("attributes",))["attributes"])
        assert resource["service.namespace"] == "usher" and resource["service.version"]
        for of_scope in of_resource["scopeSpans"]:
            only(of_scope, ("scope", "spans"))
            assert only(of_scope["scope"], ("name", "version"))["name"] == "usher"
            found += [span_of(one, resource) for one in of_scope["spans"]]
    assert found, "a request without spans"
    return found


class Collector:
    """`plan(count)` says what becomes of the request of that number, from 1: a status, a status and
    headers, "hang" (no answer), "garbage" (no HTTP). Spans count where the status is 200."""

    def __init__(self, plan=None, port=0):
        self.plan = plan or (lambda count: 200)
        self.spans, self.bodies, self.wrong = [], [], []
        self.count = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(self, body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def take(self, request, body):
        with self.lock:
            self.count += 1
            what = self.plan(self.count)
        status, headers = what if isinstance(what, tuple) else (what, {})
        try:
            assert request.path == "/v1/traces", request.path
            assert request.headers["Content-Type"] == "application/json"
            spans = spans_of(body)
        except Exception as problem:  # pylint: disable=broad-except
            self.wrong.append(f"{problem!r}: {body[:400]!r}")
            status = 400
        with self.lock:
            self.bodies.append(body)
            if status == 200:
                self.spans += spans
        self.answer(request, status, headers)

    def answer(self, request, status, headers):
        try:
            if status == "hang":
                self.closing.wait(60)
                request.close_connection = True
            elif status == "garbage":
                request.wfile.write(b"\x00\xffwhat?\r\n\r\n" * 20)
                request.close_connection = True
            else:
                request.send_response(status)
                for name, value in headers.items():
                    request.send_header(name, value)
                request.send_header("Content-Type", "application/json")
                request.send_header("Content-Length", "2")
                request.end_headers()
                request.wfile.write(b"{}")
        except OSError:
            request.close_connection = True  # who asked was killed meanwhile

    def of(self, trace):
        """The spans of a trace by their names; one that came twice is one."""
        with self.lock:
            return {span.id: span for span in self.spans if span.trace == trace}
