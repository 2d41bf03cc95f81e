"""The Debian package: built, installed into a root of its own, and looked at there."""

import hashlib
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("USHER_BUILD", TOP / "build"))
SERVICES = ["usher-gateway.service", "usher-gateway@8081.service", "usher-allocator@1.service",
            "usher-courier.service"]
DAEMONS = ["usher-gateway", "usher-allocator", "usher-courier"]
EXPOSURE_MAX = 1.5


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
