"""A payment provider for tests, in the shape of Stripe, with books of its own.

It keeps its promise about keys: the same Idempotency-Key is the same charge, whatever happens on
the way. What it does with a charge is the test's choice, and its ledger is what the test looks at:
who was charged, and how often, and what was given back.
"""

import hashlib
import hmac
import itertools
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from .client import Client

SECRET = "sk_test_of_usher"
WEBHOOK_SECRET = "whsec_of_usher"


class Provider:
    """Listens on its own port. `plan(fields)` says what becomes of a new charge:

      "succeed"     200, the money is taken          "decline"  402, it is not
      "hang"        taken, and no answer ever        "die"      taken, and the connection breaks
      "refuse"      not taken, and the connection breaks before (may be tried again)
      "busy"        503, not taken (may be tried again)
      "later"       200 "processing": settle() decides

    `refund_plan(fields)` says what becomes of a refund: "succeeded", "pending" (end_refund()
    decides), "failed", or "die": it is pending, and the connection breaks.
    """

    def __init__(self, plan=None):
        self.plan = plan or (lambda fields: "succeed")
        self.refund_plan = lambda fields: "succeeded"
        self.intents = {}        # id → payment intent
        self.by_key = {}         # Idempotency-Key → (fields, status, body, what)
        self.refunds = []        # every refund that was made
        self.asked = []          # every request: (method, path, key)
        self.traces = []         # the traceparent of each that had one
        self.on_charge = None    # called with the fields before anything is done
        self.on_charged = None   # … and after the money was taken, before the answer
        self.on_refund = None    # the same of refunds
        self.on_refunded = None
        self.is_away = False     # no answer to anything
        self.numbers = itertools.count(1)
        self.lock = threading.RLock()
        self.closing = threading.Event()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # noqa: N802
                provider.handle(self, {})

            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                provider.handle(self, dict(parse_qsl(body.decode(), keep_blank_values=True)))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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

    # The books.

    def taken(self, booking=None):
        """Charges whose money was taken; of one booking, if it is named."""
        with self.lock:
            return [i for i in self.intents.values() if i["status"] == "succeeded"
                    and booking in (None, i["metadata"]["booking"])]

    def returned(self, intent):
        with self.lock:
            return sum(r["amount"] for r in self.refunds
                       if r["payment_intent"] == intent["id"] and r["status"] != "failed")

    def net(self, booking):
        """What the booking's owner has paid after all."""
        return sum(i["amount"] - self.returned(i) for i in self.taken(booking))

    def charges(self, booking):
        with self.lock:
            return [i for i in self.intents.values() if i["metadata"]["booking"] == booking]

    def settle(self, booking, status="succeeded"):
        """What was "processing" ends."""
        with self.lock:
            for intent in self.charges(booking):
                if intent["status"] == "processing":
                    intent["status"] = status
                    return intent
        raise AssertionError(f"no charge of {booking} is processing")

    def end_refund(self, refund, status="succeeded"):
        """What was "pending" ends, or comes back after all."""
        with self.lock:
            refund["status"] = status
            refund["failure_reason"] = "expired_or_canceled_card" if status == "failed" else None

    # Events.

    def event(self, about, kind=None):
        """What is told of a payment intent or of a refund."""
        if kind is None and about["object"] == "refund":
            kind = "refund.updated"
        kind = kind or {"succeeded": "payment_intent.succeeded",
                        "canceled": "payment_intent.canceled"}[about["status"]]
        return {"id": f"evt_{next(self.numbers)}", "type": kind, "data": {"object": about}}

    @staticmethod
    def sign(body, secret=WEBHOOK_SECRET, at=None):
        at = int(time.time() if at is None else at)
        digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return f"t={at},v1={digest}"

    def send_event(self, port, event, **signing):
        body = json.dumps(event).encode()
        client = Client(port)
        try:
            return client.ask("POST", "/webhooks/payments", body,
                              {"Stripe-Signature": self.sign(body, **signing)})
        finally:
            client.close()

    # Serving.

    def handle(self, request, fields):
        path = urlsplit(request.path)
        key = request.headers.get("Idempotency-Key")
        with self.lock:
            self.asked.append((request.command, path.path, key))
            if "traceparent" in request.headers:
                self.traces.append(request.headers["traceparent"])
        if self.is_away:
            self.hang_up(request)
        elif request.headers.get("Authorization") != f"Bearer {SECRET}":
            self.answer(request, 401, {"error": {"type": "invalid_request_error"}})
        elif request.command == "GET" and path.path == "/v1/payment_intents/search":
            self.search(request, unquote(path.query))
        elif request.command == "GET":
            name = path.path.rsplit("/", 1)[1]
            found = self.intents.get(name) or next(
                (r for r in self.refunds if r["id"] == name), None)
            self.answer(request, 200 if found else 404, found or {
                "error": {"type": "invalid_request_error", "code": "resource_missing"}})
        elif path.path == "/v1/payment_intents":
            self.charge(request, key, fields)
        else:
            self.refund(request, key, fields)

    def search(self, request, query):
        wanted = query.split(":'")[1].rstrip("'")
        with self.lock:
            found = [i for i in self.intents.values() if i["metadata"]["payment"] == wanted]
        self.answer(request, 200, {"object": "search_result", "data": found})

    def charge(self, request, key, fields):
        assert key == fields["metadata[payment]"] and fields["confirm"] == "true", fields
        if self.stops_at(request, self.on_charge, fields):
            return
        with self.lock:
            if key in self.by_key:
                self.repeat(request, key, fields)
                return
            what = self.plan(fields)
            if what in ("refuse", "busy"):
                status, body = 503, {"error": {"type": "api_error"}}
            else:
                status, body = self.make_intent(fields, what)
                self.by_key[key] = (fields, status, body, what)
        if what != "decline" and self.stops_at(request, self.on_charged, fields, what):
            return
        self.end(request, what, status, body)

    def stops_at(self, request, hook, fields, what=""):
        """A test's hook may make the provider go away right here: nobody is answered then."""
        if hook:
            hook(fields)
        if not self.is_away or what == "hang":
            return False
        self.hang_up(request)
        return True

    def make_intent(self, fields, what):
        intent = {"id": f"pi_{next(self.numbers)}", "object": "payment_intent",
                  "amount": int(fields["amount"]), "currency": fields["currency"],
                  "metadata": {"payment": fields["metadata[payment]"],
                               "booking": fields["metadata[booking]"]},
                  "status": {"decline": "requires_payment_method",
                             "later": "processing"}.get(what, "succeeded"),
                  "last_payment_error": {"code": "card_declined"} if what == "decline" else None}
        self.intents[intent["id"]] = intent
        if what == "decline":
            return 402, {"error": {"type": "card_error", "code": "card_declined",
                                   "payment_intent": intent}}
        return 200, intent if what != "later" else dict(intent)

    def repeat(self, request, key, fields):
        """The first answer, byte for byte, whatever became of the payment since."""
        first, status, body, what = self.by_key[key]
        if first != fields:
            status, body = 400, {"error": {"type": "idempotency_error"}}
        self.end(request, what if what == "hang" else "", status, body)

    def refund(self, request, key, fields):
        if self.stops_at(request, self.on_refund, fields):
            return
        with self.lock:
            if key not in self.by_key:
                intent = self.intents[fields["payment_intent"]]
                amount = int(fields["amount"])
                assert intent["status"] == "succeeded", intent
                assert self.returned(intent) + amount <= intent["amount"], (intent, fields)
                what = self.refund_plan(fields)
                refund = {"id": f"re_{next(self.numbers)}", "object": "refund", "amount": amount,
                          "payment_intent": intent["id"],
                          "metadata": {"refund": fields["metadata[refund]"],
                                       "payment": fields["metadata[payment]"]},
                          "status": "pending" if what == "die" else what}
                self.refunds.append(refund)
                self.by_key[key] = (fields, 200, dict(refund), what)
                if what == "die":
                    self.hang_up(request)
                    return
            assert self.by_key[key][0] == fields
            first = self.by_key[key][2]
        if not self.stops_at(request, self.on_refunded, fields):
            self.answer(request, 200, first)

    def end(self, request, what, status, body):
        if what == "hang":
            self.closing.wait(60)
            self.hang_up(request)
        elif what in ("die", "refuse"):
            self.hang_up(request)
        else:
            self.answer(request, status, body)

    @staticmethod
    def hang_up(request):
        request.close_connection = True

    @staticmethod
    def answer(request, status, body):
        data = json.dumps(body).encode()
        try:
            request.send_response(status)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)
        except OSError:
            request.close_connection = True  # who asked was killed meanwhile
