"""filtered.py UNIT PROGRAM [ARGUMENT…]: run a program under the SystemCallFilter= lines of a unit.

As systemd does it where it runs: whatever calls what is not allowed is killed.
"""

import ctypes
import os
import re
import subprocess
import sys

ALLOW, KILL = 0x7FFF0000, 0x80000000  # SCMP_ACT_ALLOW, SCMP_ACT_KILL_PROCESS


def members(name):
    """The calls that a group of systemd's stands for."""
    if not name.startswith("@"):
        return {name}
    told = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, text=True,
                          capture_output=True, timeout=60).stdout
    words = [line.strip() for line in told.splitlines()[1:]]
    return set().union(*(members(word) for word in words if word and not word.startswith("#")))


def allowed(unit):
    calls = members("@default")
    with open(unit, encoding="ascii") as file:
        lines = re.findall(r"^SystemCallFilter=(~?)(.*)", file.read(), re.M)
    assert lines and not lines[0][0], "the first line says what is allowed"
    for is_denial, names in lines:
        named = set().union(*(members(name) for name in names.split()))
        calls = calls - named if is_denial else calls | named
    return calls


def main(unit, *command):
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(KILL)))
    for name in allowed(unit):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # this machine has it
            assert library.seccomp_rule_add(rules, ctypes.c_uint32(ALLOW), number, 0) == 0, name
    assert library.seccomp_load(rules) == 0
    os.execv(command[0], command)


main(*sys.argv[1:])
