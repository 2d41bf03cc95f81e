"""The Debian package: built, installed into a root of its own, and looked at there."""

import fnmatch
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from harness.client import Client  # noqa: E402
from harness.postgres_server import BINARIES, Postgres  # noqa: E402
from harness.process import Process, free_port, wait_until  # noqa: E402
from harness.redis_server import Redis  # noqa: E402
from test_backup import commands  # noqa: E402

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("USHER_BUILD", TOP / "build"))
SERVICES = ["usher-gateway.service", "usher-gateway@8081.service", "usher-allocator@1.service",
            "usher-courier.service"]
DAEMONS = ["usher-gateway", "usher-allocator", "usher-courier"]
EXPOSURE_MAX = 1.5
SANDBOX = "lib/systemd/system/usher-.service.d/sandbox.conf"
FILTERED = Path(__file__).with_name("filtered.py")


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=600, check=False, **options)


@pytest.fixture(scope="module")
def package():
    built = run("make", "--no-print-directory", "-s", "deb", f"BUILD={BUILD}", cwd=TOP)
    assert built.returncode == 0, built.stdout + built.stderr
    return Path(built.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def root(package, tmp_path_factory):
    """dpkg installs it for good, maintainer's scripts and all, but not into this machine."""
    root = tmp_path_factory.mktemp("root")
    (root / "var/lib/dpkg/updates").mkdir(parents=True)
    (root / "var/lib/dpkg/info").mkdir()
    (root / "var/lib/dpkg/status").touch()
    (root / "bin").mkdir()
    shutil.copy("/bin/sh", root / "bin/sh")  # every Debian has it, and a unit names it
    installed = run("dpkg", f"--root={root}", "--force-depends", "--force-not-root",
                    "--force-script-chrootless", "--log=/dev/null", "-i", package)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return root


def test_everything_is_where_debian_has_it(root):
    for file in ["usr/bin/usherctl", *(f"usr/sbin/{name}" for name in DAEMONS)]:
        assert os.access(root / file, os.X_OK), file
    for page in ["usherctl", *DAEMONS]:
        assert (root / f"usr/share/man/man8/{page}.8.gz").exists()
    assert (root / "usr/share/doc/usher/copyright").exists()
    page = (TOP / "docs/OPERATE.md").read_text()
    for link in set(re.findall(r"\]\((?:\.\./)?([^)#]+)", page)):
        name = Path(link).name
        assert any((root / "usr/share/doc/usher" / place).exists()
                   for place in (name, f"{name}.gz", f"examples/{name}")), link


def test_users_of_redis_are_made_from_its_examples(root, tmp_path):
    (tmp_path / "password").write_text("hunter2\n")
    made = run(root / "usr/share/doc/usher/examples/redis-acl", f"usher_gateway={tmp_path / 'password'}")
    assert made.returncode == 0, made.stderr
    default, gateway = made.stdout.splitlines()
    assert default == "user default off" and "hunter2" not in gateway
    assert gateway.startswith(f"user usher_gateway on #{hashlib.sha256(b'hunter2').hexdigest()} +ping ")
    for wrong in (["usher_nobody=x"], ["usher_gateway"], ["usher_gateway=/dev/null"]):
        refused = run(root / "usr/share/doc/usher/examples/redis-acl", *wrong)
        assert refused.returncode == 1 and not refused.stdout.count("#"), refused


def test_the_programs_are_this_version(root, package):
    version = package.name.split("_")[1]
    header = (TOP / "base/config.h").read_text()
    assert f'#define USHER_VERSION "{version}"' in header
    for file in ["usr/bin/usherctl", *(f"usr/sbin/{name}" for name in DAEMONS)]:
        told = run(root / file, "--version")
        assert version in told.stdout, told


def test_the_services_have_a_user_without_a_password(root):
    passwd = (root / "etc/passwd").read_text()
    line = next(line for line in passwd.splitlines() if line.startswith("usher:"))
    assert line.endswith(":/usr/sbin/nologin")


def test_it_is_built_from_what_the_one_list_names():
    """debian/control has to say it again; what every build machine has, it need not say."""
    section = re.search(r"^\[build\]\n(.*?)^\[", (TOP / "ops/packages.txt").read_text(), re.M | re.S)
    listed = {line.split()[0] for line in section.group(1).splitlines()
              if line.strip() and not line.startswith("#")}
    control = re.search(r"^Build-Depends: (.*?)^\S", (TOP / "debian/control").read_text(),
                        re.M | re.S)
    said = {word.split()[0] for word in control.group(1).split(",")}
    assert said == listed - {"gcc", "libc6-dev", "make"} | {"debhelper-compat"}


@pytest.mark.parametrize("name", ["gateway", "allocator", "courier", "ctl"])
def test_configuration_is_kept_and_only_root_reads_it(root, name):
    file = root / f"etc/usher/{name}.conf"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"/etc/usher/{name}.conf" in run("dpkg", f"--root={root}", "-s", "usher").stdout


@pytest.mark.parametrize("name", ["gateway", "allocator", "courier"])
def test_configuration_is_one_that_its_program_takes(root, name):
    checked = run(root / f"usr/sbin/usher-{name}", "--config", root / f"etc/usher/{name}.conf",
                  "--check-config", env={})
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_services_are_sandboxed(root, service):
    said = run("systemd-analyze", "security", "--offline=yes", f"--root={root}", service)
    exposure = re.search(r"exposure level for \S+ ([0-9.]+)", said.stdout)
    assert exposure, said.stdout + said.stderr
    assert float(exposure.group(1)) <= EXPOSURE_MAX, said.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_services_are_well_formed(root, service):
    said = run("systemd-analyze", "verify", f"--root={root}", "--man=no",
               "--recursive-errors=no", service)
    ours = [line for line in said.stderr.splitlines() if "usher" in line]
    assert said.returncode == 0 and not ours, said.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_services_start_what_is_installed_with_a_file_that_is(root, service):
    unit = re.sub(r"@\d+", "@", service)
    text = (root / "lib/systemd/system" / unit).read_text()
    program = re.search(r"^ExecStart=(\S+) --config %d/(\S+)", text, re.M)
    credential = re.search(r"^LoadCredential=(\S+):(\S+)", text, re.M)
    assert program.group(2) == credential.group(1)
    assert (root / program.group(1).lstrip("/")).exists()
    assert (root / credential.group(2).lstrip("/")).exists()


@pytest.mark.parametrize("service", SERVICES)
def test_services_are_started_again_and_keys_read_again(root, service):
    text = (root / "lib/systemd/system" / re.sub(r"@\d+", "@", service)).read_text()
    for line in ("Restart=always", "StartLimitIntervalSec=0", "RestartPreventExitStatus=2"):
        assert f"\n{line}\n" in text, line
    assert ("\nExecReload=/bin/sh -c 'kill -HUP $MAINPID'\n" in text) == ("gateway" in service)


# From the page to a booking.

# As Debian's Postgres lets people in over the network; the tests' own user stands for its superuser.
HBA = """
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


class Installation:
    """What docs/OPERATE.md says under Installing, in folders of its own, beside two servers."""

    def __init__(self, root, folder):
        self.root, self.folder, self.started = root, folder, []
        self.port = free_port()
        shutil.copytree(root / "etc/usher", folder / "etc")
        self.postgres = Postgres(folder, "postgres").create()
        (self.postgres.data / "pg_hba.conf").write_text(HBA)
        self.redis = Redis(folder, strict=True)
        self.started += [self.postgres.start(), self.redis.start()]

    def shell(self, name, **variables):
        """A block of the page."""
        path = ":".join(str(self.root / part) for part in ("usr/bin", "usr/share/doc/usher/examples"))
        done = run("bash", "-euc", commands(name).replace("/etc/usher", str(self.folder / "etc")),
                   cwd=self.folder, env=dict(variables, PATH=f"{path}:{BINARIES}:{os.environ['PATH']}"))
        assert done.returncode == 0, done.stdout + done.stderr

    def move_ports(self):
        """The servers are not at their usual ports here."""
        ports = {6379: self.redis.port, 5432: self.postgres.port, 8080: self.port}
        for file in (self.folder / "etc").glob("*.conf"):
            text = file.read_text()
            for usual, ours in ports.items():
                text = text.replace(f"127.0.0.1:{usual}", f"127.0.0.1:{ours}")
            file.write_text(text)

    def start(self, service, *more):
        """What its unit starts, with no other system calls than the sandbox lets through."""
        unit, instance = re.sub(r"@\d+", "@", service), re.sub(r"\D", "", service)
        line = re.search(r"^ExecStart=(.*)", (self.root / "lib/systemd/system" / unit).read_text(), re.M)
        words = line.group(1).replace("%d", str(self.folder / "etc")).replace("%i", instance).split()
        program = Process(service, ["/usr/bin/python3", FILTERED, self.root / SANDBOX,
                                    f"{self.root}{words[0]}", *words[1:], *more], self.folder)
        self.started.append(program.start())

    def ctl(self, *words):
        done = run(self.root / "usr/bin/usherctl", "--config", self.folder / "etc/ctl.conf", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self):
        """The programs end by themselves; those that the filter has killed do not."""
        codes = [one.stop(60) for one in self.started[2:]]
        for server in reversed(self.started[:2]):
            server.stop()
        return codes


@pytest.fixture
def installation(root):
    # Postgres' user must be able to enter it.
    with tempfile.TemporaryDirectory(prefix="usher-tests-") as name:
        Path(name).chmod(0o755)
        made = Installation(root, Path(name))
        yield made
        made.stop()


def test_the_page_leads_from_the_package_to_a_booking(installation):
    owner = f"postgresql://usher:%s@127.0.0.1:{installation.postgres.port}/usher"
    installation.shell("database", PSQL="psql --host=127.0.0.1 --username=postgres --dbname=postgres"
                       f" --port={installation.postgres.port}")
    owner %= (installation.folder / "postgres-ctl").read_text().strip()
    installation.shell("tables", USHER_PG=owner)
    installation.shell("users")
    installation.shell("roles", USHER_PG=owner)
    installation.shell("configuration")
    assert "PASSWORD" not in "".join(file.read_text() for file in (installation.folder / "etc").iterdir())
    client = installation.redis.client()
    installation.redis.users.file.write_text((installation.folder / "users.acl").read_text())
    client.acl_load()
    client.close()
    installation.move_ports()
    traces = f"--otlp-endpoint=http://127.0.0.1:{free_port()}"  # so that there is an exporter too
    for service in ("usher-allocator@1.service", "usher-allocator@2.service", "usher-courier.service"):
        installation.start(service, traces)
    installation.start("usher-gateway.service", traces, "--workers=2")
    installation.ctl("show", "create", "--slug", "gala", "--tier", "Stalls:4500:300")
    buyer = Client(installation.port)
    wait_until("the gateway to be ready", lambda: buyer.get("/readyz").status == 200, 30)
    assert buyer.book("gala", "ann", "Stalls", 2).status == 201
    buyer.close()
    installation.ctl("verify")
    assert installation.stop() == [0, 0, 0, 0]


def test_the_filter_of_the_test_is_one(root):
    done = run("/usr/bin/python3", FILTERED, root / SANDBOX, "/usr/bin/nice", "-n", "1", "true")
    assert done.returncode == -signal.SIGSYS, done


@pytest.mark.parametrize("verb, are_stopped", [("remove", True), ("upgrade", False)])
def test_what_runs_ends_with_the_package_and_not_with_its_version(root, tmp_path, verb, are_stopped):
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho \"$@\"\n")
    (tmp_path / "systemctl").chmod(0o755)
    done = run(root / "var/lib/dpkg/info/usher.prerm", verb, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    stopped = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("stop ")]
    for service in SERVICES if are_stopped else ():
        assert any(fnmatch.fnmatch(service, name) for names in stopped for name in names), service
    assert are_stopped == bool(stopped)


def test_removing_it_leaves_the_configuration_and_purging_does_not(root, package):
    words = ["dpkg", f"--root={root}", "--force-not-root", "--force-script-chrootless",
             "--log=/dev/null"]
    assert run(*words, "-r", "usher").returncode == 0
    assert not (root / "usr/sbin/usher-gateway").exists()
    assert (root / "etc/usher/gateway.conf").exists()
    assert run(*words, "-P", "usher").returncode == 0
    assert not (root / "etc/usher/gateway.conf").exists()
    again = run(*words, "--force-depends", "-i", package)
    assert again.returncode == 0, again.stderr
