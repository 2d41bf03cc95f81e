"""Redis' users as an installation has them: made of ops/redis.acl by ops/redis-acl."""

import secrets
import subprocess
from pathlib import Path

from .process import REPOSITORY

PROGRAMS = ("gateway", "allocator", "courier", "ctl")
SERVERS = ("replica", "sentinel")
# The tests themselves need no login, unless one asks for what an installation has.
EVERYBODY = "user default on nopass ~* &* +@all\n"


class RedisUsers:
    """A password for each, and the file that Redis reads."""

    def __init__(self, folder, strict=False):
        self.strict = strict  # as installed: nobody without a password
        self.password = {name: secrets.token_hex(16) for name in (*PROGRAMS, *SERVERS, "ops")}
        self.file = Path(folder) / f"users-{secrets.token_hex(4)}.acl"
        pairs = []
        for name, password in self.password.items():
            one = Path(folder) / f"{self.file.stem}-{name}"
            one.write_text(password + "\n")
            pairs.append(f"usher_{name}={one}")
        text = subprocess.run([str(REPOSITORY / "ops/redis-acl"), *pairs], check=True, text=True,
                              capture_output=True, timeout=30).stdout
        assert text.startswith("user default off\n"), text
        if not strict:
            text = EVERYBODY + text.split("\n", 1)[1]
        self.file.write_text(text)

    @property
    def options(self):
        """What a redis-server is started with."""
        return ["--aclfile", str(self.file), "--masteruser", "usher_replica", "--masterauth",
                self.password["replica"]]

    def login(self, program):
        """What stands before the @ of a program's URL."""
        return f"usher_{program}:{self.password[program]}@"

    @property
    def of_tests(self):
        """How the tests' own clients log in."""
        return {"username": "usher_ops", "password": self.password["ops"]} if self.strict else {}


def denials(client):
    """What Redis has refused the programs, as sentences: they ask for nothing that they may not."""
    return [f"Redis refused {entry['username']} {entry['reason']} {entry['object']}"
            for entry in client.acl_log()
            if entry["username"].removeprefix("usher_") in PROGRAMS and entry["reason"] != "auth"]
