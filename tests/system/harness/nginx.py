"""A private nginx before gateways, with the example that we ship: only addresses are ours."""

import socket

from .process import REPOSITORY, Process, free_port, wait_until

EXAMPLE = REPOSITORY / "ops" / "nginx.conf.example"


class Nginx(Process):
    def __init__(self, folder, gateways):
        self.port = free_port()
        self.folder = folder / "nginx"
        self.folder.mkdir()
        text = EXAMPLE.read_text()
        servers = "\n".join(f"    server 127.0.0.1:{gateway.port};" for gateway in gateways)
        for ours, theirs in ((f"listen 127.0.0.1:{self.port};", "listen 80;"),
                             (servers, "    server 127.0.0.1:8080;")):
            assert text.count(theirs) == 1, f"{EXAMPLE} has no {theirs!r}"
            text = text.replace(theirs, ours)
        (self.folder / "usher.conf").write_text(text)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n".join(f"    {kind}_temp_path {self.folder}/{kind};" for kind in kinds)
        (self.folder / "nginx.conf").write_text(f"""
            daemon off;
            master_process off;
            pid {self.folder}/pid;
            error_log {self.folder}/error.log;
            events {{ worker_connections 256; }}
            http {{
                access_log off;
            {temporary}
                include {self.folder}/usher.conf;
            }}
        """)
        super().__init__("nginx", ["/usr/sbin/nginx", "-p", self.folder, "-e",
                                   self.folder / "error.log", "-c", self.folder / "nginx.conf"],
                         folder)

    def start(self):
        super().start()
        wait_until("nginx", self._listens)
        return self

    def _listens(self):
        assert self.alive(), self.tail()
        with socket.create_connection(("127.0.0.1", self.port), timeout=5):
            return True
