"""A TCP proxy between any two programs that can delay, cut, freeze, and act on what it sees."""

import socket
import threading
import time

CHUNK_BYTES = 65536


class Proxy:
    """Listens on its own port and carries bytes to 127.0.0.1:target and back.

    on_request(data) may look at bytes on their way to the target and return one of
      "pass"        carry them (also None)
      "cut"         drop them and cut both sides: the request never arrived
      "cut_after"   carry them, but cut the client off before any answer comes back
      "late"        cut the client off now, and carry them to the target late_seconds afterwards
    """

    def __init__(self, target, on_request=None):
        self.target = target
        self.on_request = on_request
        self.late_seconds = 1.0
        self.delay_seconds = 0.0
        self._refusing = False
        self._flowing = threading.Event()
        self._flowing.set()
        self._links = set()
        self._lock = threading.Lock()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def delay(self, seconds):
        self.delay_seconds = seconds

    def wait_late(self):
        """How long late bytes are on their way; called in the link's own thread."""
        time.sleep(self.late_seconds)

    def freeze(self):
        """Half-open: connections stay, new ones are accepted, nothing flows."""
        self._flowing.clear()

    def thaw(self):
        self._flowing.set()

    def cut(self):
        """Reset what is open and refuse what is new until restore()."""
        self._refusing = True
        self.cut_once()

    def cut_once(self):
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut()

    def restore(self):
        self._refusing = False

    def close(self):
        self._closed = True
        self._flowing.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self.cut_once()

    def _accept(self):
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
                server.settimeout(None)
            except OSError:
                reset(client)
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(self, client, server)
            with self._lock:
                self._links.add(link)
            link.start()

    def forget(self, link):
        with self._lock:
            self._links.discard(link)


class Link:
    """One carried connection: two sockets and a thread each way."""

    def __init__(self, proxy, client, server):
        self.proxy = proxy
        self.client = client
        self.server = server
        self.is_muted = False  # nothing goes back to the client any more

    def start(self):
        threading.Thread(target=self._carry_requests, daemon=True).start()
        threading.Thread(target=self._carry_answers, daemon=True).start()

    def cut(self):
        reset(self.client)
        reset(self.server)
        self.proxy.forget(self)

    def _carry_requests(self):
        try:
            while True:
                data = self.client.recv(CHUNK_BYTES)
                if not data:
                    break
                self._hold_up()
                if not self._carry_request(data):
                    return
            self.server.shutdown(socket.SHUT_WR)
        except OSError:
            self.cut()

    def _carry_request(self, data):
        """False when the connection has ended with it."""
        verdict = self.proxy.on_request(data) if self.proxy.on_request else None
        if verdict == "cut":
            self.cut()
            return False
        if verdict == "cut_after":
            self.is_muted = True
            self.server.sendall(data)
            reset(self.client)
            time.sleep(0.2)  # let the target read and act on it before its side ends too
            self.cut()
            return False
        if verdict == "late":
            self.is_muted = True
            reset(self.client)
            self.proxy.wait_late()
            self.server.sendall(data)
            time.sleep(0.5)
            self.cut()
            return False
        self.server.sendall(data)
        return True

    def _carry_answers(self):
        try:
            while True:
                data = self.server.recv(CHUNK_BYTES)
                if not data:
                    break
                self._hold_up()
                if not self.is_muted:
                    self.client.sendall(data)
            if not self.is_muted:
                self.client.shutdown(socket.SHUT_WR)
        except OSError:
            if not self.is_muted:
                self.cut()

    def _hold_up(self):
        if self.proxy.delay_seconds:
            time.sleep(self.proxy.delay_seconds)
        self.proxy._flowing.wait()


def reset(connection):
    """Close with RST, as a peer that is gone would."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()
