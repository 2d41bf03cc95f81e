"""What stands in front of gateways, with the examples that we ship: only addresses are ours. Each has
a certificate of its own, and is found by its name."""

import asyncio
import datetime
import http.client
import re
import socket
import ssl
import subprocess

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .client import Answer, Client
from .process import REPOSITORY, Process, free_port, patience, wait_until

NAME = "box.example"


class Broken(ConnectionError):
    """The connection ended without an answer."""


def make_certificate(folder):
    """Paths of the certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.utcnow()
    certificate = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(),
                                          now - datetime.timedelta(days=1),
                                          now + datetime.timedelta(days=1)) \
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False) \
        .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    paths = folder / "usher.crt", folder / "usher.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM,
                                           serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    return paths


class Front(Process):
    """A proxy of one kind, before gateways' ports."""

    kind = example = None

    def __init__(self, folder, gateways):
        self.port, self.plain_port = free_port(), free_port()
        self.folder = folder / self.kind
        self.folder.mkdir()
        self.certificate, self.key = make_certificate(self.folder)
        self.tls = ssl.create_default_context(cafile=self.certificate)
        super().__init__(self.kind, self.arguments(gateways), folder)

    def arguments(self, gateways):
        """How it is called, once its files are written."""
        raise NotImplementedError

    def text(self, *replacements):
        """The example with (ours, theirs), each of which stands there so many times as it has to."""
        text = (REPOSITORY / "ops" / self.example).read_text()
        for ours, theirs, count in replacements:
            assert text.count(theirs) == count, f"{self.example} has {theirs!r} not {count} times"
            text = text.replace(theirs, str(ours))
        return text

    def start(self):
        super().start()
        wait_until(self.kind, self._listens)
        return self

    def _listens(self):
        assert self.alive(), self.tail()
        with socket.create_connection(("127.0.0.1", self.port), timeout=5):
            return True

    # Clients.

    def client(self, source="127.0.0.1"):
        return FrontClient(self, source)

    def crowd_session(self):
        """For Crowd: what makes its sessions, and the address that it asks."""
        connector = aiohttp.TCPConnector(limit=0, ssl=self.tls, resolver=Resolver())
        return connector, f"https://{NAME}:{self.port}"

    def curl(self, path, *words, source="127.0.0.1", port=None, scheme="https", seconds=30.0):
        """(version of HTTP, Answer)."""
        port = port or self.port
        done = subprocess.run(
            ["curl", "-s", "-i", "--max-time", str(int(patience(seconds))), "--cacert",
             self.certificate, "--interface", source, "--resolve", f"{NAME}:{port}:127.0.0.1",
             *words, f"{scheme}://{NAME}:{port}{path}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=patience(seconds) + 10,
            check=False)
        rest = done.stdout
        # A refusal may come before all is sent; what could not be sent then is no matter.
        if done.returncode != 0 and b"\r\n\r\n" not in rest:
            raise Broken(f"curl {path}: {done.returncode} {done.stderr.decode()}")
        while True:
            head, _, rest = rest.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            version, status = re.match(r"HTTP/([\d.]+) (\d+)", lines[0]).groups()
            if status != "100":
                break
        fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        return version, Answer(int(status), fields, rest)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


class Resolver(aiohttp.abc.AbstractResolver):
    """The name is this machine's."""

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET,
                 "proto": 0, "flags": 0}]

    async def close(self):
        await asyncio.sleep(0)


class FrontConnection(http.client.HTTPSConnection):
    def __init__(self, front, source, timeout):
        super().__init__(NAME, front.port, context=front.tls, timeout=timeout)
        self.front, self.source = front, source

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.front.port), self.timeout,
                                         (self.source, 0))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.front.tls.wrap_socket(plain, server_hostname=NAME)


class FrontClient(Client):
    """A Client over TLS, from an address of its own."""

    def __init__(self, front, source):
        super().__init__(front.port)
        self.front, self.source = front, source

    def connect(self):
        return FrontConnection(self.front, self.source, self.timeout)


class Nginx(Front):
    kind, example = "nginx", "nginx.conf.example"

    def arguments(self, gateways):
        line = "    server 127.0.0.1:8080 max_fails=2 fail_timeout=2s;"
        servers = "\n".join(line.replace("8080", str(gateway.port)) for gateway in gateways)
        (self.folder / "usher.conf").write_text(self.text(
            (f"listen 127.0.0.1:{self.port} ssl", "listen 443 ssl", 3),
            (f"listen 127.0.0.1:{self.plain_port} ", "listen 80 ", 1),
            (self.certificate, "/etc/nginx/usher.crt", 1), (self.key, "/etc/nginx/usher.key", 1),
            (servers, line, 1)))
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n".join(f"    {kind}_temp_path {self.folder}/{kind};" for kind in kinds)
        (self.folder / "nginx.conf").write_text(f"""
            daemon off;
            master_process off;
            pid {self.folder}/pid;
            error_log {self.folder}/error.log;
            events {{ worker_connections 1024; }}
            http {{
                access_log off;
            {temporary}
                include {self.folder}/usher.conf;
            }}
        """)
        return ["/usr/sbin/nginx", "-p", self.folder, "-e", self.folder / "error.log", "-c",
                self.folder / "nginx.conf"]


class Haproxy(Front):
    kind, example = "haproxy", "haproxy.cfg.example"

    def __init__(self, folder, gateways):
        self.missing = [at for at, gateway in enumerate(gateways, 1) if not listens(gateway.port)]
        super().__init__(folder, gateways)

    def arguments(self, gateways):
        both = self.folder / "usher.pem"
        both.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())
        line = "    server gateway-1 127.0.0.1:8080"
        servers = "\n".join(f"    server gateway-{at} 127.0.0.1:{gateway.port}"
                            for at, gateway in enumerate(gateways, 1))
        (self.folder / "haproxy.cfg").write_text(self.text(
            (f"bind 127.0.0.1:{self.port} ssl", "bind :443 ssl", 1),
            (f"bind 127.0.0.1:{self.plain_port}\n", "bind :80\n", 1),
            (f"abns@usher-{self.port}", "abns@usher-once", 2),
            (both, "/etc/haproxy/usher.pem", 1), (servers, line, 1)))
        return ["/usr/sbin/haproxy", "-db", "-f", self.folder / "haproxy.cfg"]

    def start(self):
        super().start()
        wait_until("a gateway that haproxy knows to be ready", self._serves)
        return self

    def _serves(self):
        """It takes every one for ready until it has looked."""
        said = self.log.read_text(errors="replace")
        return self.curl("/livez")[1].status == 200 and \
            all(f"gateways/gateway-{at} is DOWN" in said for at in self.missing)
