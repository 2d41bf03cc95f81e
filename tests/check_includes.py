#!/usr/bin/python3
"""Who may include what: folders, and third-party headers behind one module each.

    tests/check_includes.py [FOLDER]     look at the tree (default: the one this file is in)
    tests/check_includes.py --self-test  doctor a small tree in every way that must be found

Adding a folder or a library is adding a row.
"""
import fnmatch
import pathlib
import re
import sys
import tempfile

# Folder: the folders (or single headers) that it may include, besides its own.
FOLDERS = {
    "base": [],
    "http": ["base"],
    "link": ["base"],
    "trace": ["base"],
    "gateway": ["base", "http", "trace", "link/dsn.h"],
    "allocator": ["base", "link", "trace"],
    "courier": ["base", "link", "trace"],
    "ctl": ["base", "link"],
    "bench": ["base", "http", "link"],
    "tests": ["base", "http", "link", "trace", "gateway", "allocator", "courier", "ctl", "bench"],
}

# Third-party header: the files that may include it. It stays out of headers, except libev, whose
# types are the vocabulary of an event loop.
LIBRARIES = {
    "msgpack.h": ["base/codec.c"],
    "ini.h": ["base/config.c"],
    "openssl/*": ["base/digest.c", "gateway/pubkey.c"],
    "http_parser.h": ["http/parser.c"],
    "ev.h": ["http/*", "gateway/*", "bench/*", "tests/*"],
    "hiredis/*": ["link/redis.c", "gateway/redis_link.c", "bench/rivals/counter.c"],
    "libpq-fe.h": ["link/postgres.c", "link/dsn.c", "gateway/postgres_link.c", "gateway/merge.c", "bench/rivals/*.c"],
    "jansson.h": ["gateway/json.c", "courier/json.c", "ctl/json.c", "ctl/web_json.c"],
    "jwt.h": ["gateway/jwt.c"],
    "curl/*": ["courier/web.c", "ctl/web.c", "trace/collector.c"],
    "wslay/*": ["gateway/websocket.c"],
    "cmocka.h": ["tests/*"],
}

# What the build makes, and for whom.
GENERATED = {
    "lua/seatmap.lua.inc": ["gateway/seat_look.c"],
    "lua/room_join.lua.inc": ["gateway/queue.c"],
    "lua/room_come.lua.inc": ["gateway/queue.c"],
    "lua/limits.lua.inc": ["gateway/limits.c"],
    "lua/*.lua.inc": ["allocator/*.c", "tests/*"],
    "migrations.inc": ["ctl/migrate.c"],
    "pages.inc": ["gateway/pages.c"],
    "docs/openapi.json.inc": ["gateway/openapi.c"],
    "bench/rivals/*.inc": ["bench/rivals/*.c"],
}

# The C library and the kernel. A header that stands nowhere here is a library without a row.
SYSTEM = """
    arpa/inet.h assert.h ctype.h dirent.h endian.h errno.h fcntl.h float.h getopt.h grp.h inttypes.h
    limits.h linux/* locale.h math.h net/if.h netdb.h netinet/in.h netinet/tcp.h poll.h pthread.h
    pwd.h sched.h setjmp.h signal.h spawn.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h
    stdlib.h stdnoreturn.h string.h strings.h sys/* syslog.h termios.h time.h unistd.h
""".split()

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:<([^>\n]+)>|"([^"\n]+)"|(\S.*))', re.M)


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def look_up(name, table):
    """The row of the table for a header, or None."""
    return next((files for pattern, files in table.items() if fnmatch.fnmatchcase(name, pattern)),
                None)


def check_angle(path, name):
    files = look_up(name, LIBRARIES)
    if files is not None:
        if not matches(path, files):
            return f"<{name}> belongs to {', '.join(files)} alone"
    elif not matches(name, SYSTEM):
        return f"<{name}> is a library without a row in tests/check_includes.py"
    return None


def check_quoted(root, path, name):
    files = look_up(name, GENERATED)
    if files is not None:
        return None if matches(path, files) else f'"{name}" is made for {", ".join(files)}'
    if ".." in name.split("/"):
        return f'"{name}" climbs out of its folder'
    beside = root / pathlib.PurePosixPath(path).parent / name
    if beside.is_file():
        return None
    if not (root / name).is_file():
        return f'"{name}" is not there'
    folder = path.split("/")[0]
    other = name.split("/")[0]
    if other != folder and other not in FOLDERS[folder] and name not in FOLDERS[folder]:
        return f'"{name}": {folder}/ may not include {other}/'
    return None


def check_file(root, path):
    text = (root / path).read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        angle, quoted, other = match.groups()
        if angle:
            complaint = check_angle(path, angle)
        elif quoted:
            complaint = check_quoted(root, path, quoted)
        else:
            complaint = f"cannot see what {other} includes"
        if complaint:
            line = text.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: {complaint}"


def check_tree(root):
    """All complaints about a tree, and how many files were looked at."""
    complaints = []
    seen = 0
    for file in sorted(root.rglob("*.[ch]")):
        path = file.relative_to(root).as_posix()
        folder = path.split("/")[0]
        if folder in ("build", "run") or folder.startswith("."):
            continue
        seen += 1
        if "/" not in path or folder not in FOLDERS:
            complaints.append(f"{path}: its folder has no row in tests/check_includes.py")
        else:
            complaints.extend(check_file(root, path))
    return complaints, seen


# ---- the check of the check ----

RIGHT = {
    "base/buf.h": "#include <stddef.h>\n",
    "base/buf.c": '#include "buf.h"\n#include <string.h>\n',
    "base/codec.c": '#include "base/buf.h"\n#include <msgpack.h>\n',
    "http/server.h": '#include <ev.h>\n#include "base/buf.h"\n',
    "link/redis.h": '#include "base/buf.h"\n',
    "link/dsn.h": "",
    "link/redis.c": '#include "redis.h"\n#include <hiredis/hiredis.h>\n',
    "gateway/main.c": '#include "http/server.h"\n#include "gateway/main.h"\n#include <ev.h>\n',
    "gateway/link.c": '#include "link/dsn.h"\n',
    "gateway/main.h": "",
    "allocator/main.c": '  #  include "link/redis.h"\n#include "lua/decide.lua.inc"\n',
    "ctl/main.c": '#include "link/redis.h"\n',
    "bench/storm/storm.c": '#include "storm.h"\n#include "base/buf.h"\n',
    "bench/storm/storm.h": "",
    "tests/unit/test_buf.c": '#include <cmocka.h>\n#include "base/buf.h"\n',
}

# One file doctored, and a part of the one complaint that must follow.
WRONG = [
    ("base/buf.c", '#include "link/redis.h"\n', "base/ may not include link/"),
    ("base/buf.c", "#include <ev.h>\n", "<ev.h> belongs to"),
    ("base/buf.c", "#include <msgpack.h>\n", "<msgpack.h> belongs to base/codec.c alone"),
    ("base/buf.h", "#include <msgpack.h>\n", "<msgpack.h> belongs to base/codec.c alone"),
    ("base/buf.c", "#include <openssl/sha.h>\n", "<openssl/sha.h> belongs to"),
    ("http/server.h", '#include "gateway/main.h"\n', "http/ may not include gateway/"),
    ("http/server.h", "#include <http_parser.h>\n", "<http_parser.h> belongs to"),
    ("link/redis.h", "#include <hiredis/hiredis.h>\n", "<hiredis/hiredis.h> belongs to"),
    ("link/redis.c", "#include <ev.h>\n", "<ev.h> belongs to"),
    ("gateway/main.c", '#include "link/redis.h"\n', "gateway/ may not include link/"),
    ("gateway/main.c", "#include <jansson.h>\n", "<jansson.h> belongs to"),
    ("gateway/main.c", "\n\n  # include <libpq-fe.h>\n", "main.c:3: <libpq-fe.h> belongs to"),
    ("gateway/main.c", '#include "lua/decide.lua.inc"\n', "is made for"),
    ("gateway/main.c", '#include "../link/redis.h"\n', "climbs out of its folder"),
    ("allocator/main.c", '#include "http/server.h"\n', "allocator/ may not include http/"),
    ("allocator/main.c", "#include <ev.h>\n", "<ev.h> belongs to"),
    ("ctl/main.c", '#include "gateway/main.h"\n', "ctl/ may not include gateway/"),
    ("ctl/main.c", "#include <sqlite3.h>\n", "a library without a row"),
    ("ctl/main.c", "#include <curl/curl.h>\n", "<curl/curl.h> belongs to courier/web.c, ctl/web.c, trace/collector.c alone"),
    ("ctl/main.c", '#include "no/such.h"\n', "is not there"),
    ("ctl/main.c", "#include WHATEVER\n", "cannot see what"),
    ("gateway/main.c", '#include "bench/storm/storm.h"\n', "gateway/ may not include bench/"),
    ("base/buf.c", '#include "tests/unit/test_buf.c"\n', "base/ may not include tests/"),
    ("postman/main.c", "", "has no row"),
    ("main.c", "", "has no row"),
]


def doctored(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        return check_tree(root)[0]


def self_test():
    failures = [f"a right tree: {complaint}" for complaint in doctored(RIGHT)]
    for path, text, want in WRONG:
        got = doctored({**RIGHT, path: text})
        if len(got) != 1 or want not in got[0] or not got[0].startswith(path):
            failures.append(f"{path} with {text!r}: wanted one complaint {want!r}, got {got}")
    return failures, len(WRONG) + 1


def main(arguments):
    if arguments == ["--self-test"]:
        complaints, seen = self_test()
        what = "doctored trees"
    else:
        root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent)
        complaints, seen = check_tree(root)
        what = "files"
        if seen == 0:
            complaints.append(f"{root}: no C file there")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print(f"includes: {seen} {what}, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
