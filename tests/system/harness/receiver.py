"""Who is told: a receiver of webhooks that remembers all it got, and a mail server that does."""

import base64
import email
import email.policy
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from .process import free_port


class Told:
    """One request as it came."""

    def __init__(self, path, headers, body):
        self.path, self.body = path, body
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.id = self.headers.get("webhook-id")

    @property
    def json(self):
        return json.loads(self.body)


def is_signed(told, secret, body=None, at=None, tolerance=300):
    """As a receiver that follows Standard Webhooks 1.0 checks it, written from its text."""
    stamp = told.headers["webhook-timestamp"]
    if at is not None and abs(at - int(stamp)) > tolerance:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([told.id.encode(), stamp.encode(), told.body if body is None else body])
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [one.split(",", 1) for one in told.headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(mac, right) for version, mac in given)


class Receiver:
    """`plan(told, count)` gives a status, or None for no answer at all; count: of this id, from 1."""

    def __init__(self, plan=None, headers=None, answer=b""):
        self.told = []
        self.answer = answer
        self.plan = plan or (lambda told, count: 200)
        self.headers = headers or {}
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver._take(self, Told(self.path, self.headers, body))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    def _take(self, request, told):
        with self._lock:
            self.told.append(told)
            count = sum(1 for other in self.told if other.id == told.id)
        status = self.plan(told, count)
        if status is None:
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(self.answer)))
        request.end_headers()
        request.wfile.write(self.answer)

    def of(self, kind):
        return [told for told in list(self.told) if told.json["type"] == kind]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class PostOffice:
    """A mail server; `refuses`: addresses that nobody has; `refuses_us`: what it says to the sender
    of any letter, if not None. It has no TLS; `passwords`: what it was told in clear."""

    def __init__(self, refuses=(), port=None):
        self.passwords = []
        self.letters = []
        self.refuses = set(refuses)
        self.refuses_us = None
        self.port = port or free_port()
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port,
                                     authenticator=self._hear, auth_require_tls=False)
        self.controller.start()

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.port}"

    def _hear(self, _server, _session, _envelope, _mechanism, data):
        self.passwords.append(data.password)
        return AuthResult(success=True)

    async def handle_MAIL(self, _server, _session, envelope, address, options):  # noqa: N802
        if self.refuses_us is not None:
            return self.refuses_us
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        if address in self.refuses:
            return "550 5.1.1 nobody has this address"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.letters.append((envelope.mail_from, envelope.rcpt_tos, letter))
        return "250 taken"

    def close(self):
        self.controller.stop()
