"""The pages as files: what is answered, under which tag and policy. Browsers are in tests/browser."""

import gzip
import hashlib
import re

import pytest

from harness.process import REPOSITORY

WEB = REPOSITORY / "web"
FILES = sorted(path for path in WEB.rglob("*") if path.is_file())
KINDS = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
PAGES = ("/", "/shows/gala", "/shows/no-such-show", "/draw/gala", "/bookings", "/admin")


@pytest.fixture
def client(world):
    return world.start(allocators=0).client()


def path_of(file):
    return "/" + file.relative_to(REPOSITORY).as_posix()


def check_fields(answer):
    policy = dict(part.strip().split(" ", 1)
                  for part in answer.header("Content-Security-Policy").split(";"))
    assert policy.pop("img-src") == "'self' data:"
    for name in ("default-src", "base-uri", "frame-ancestors"):
        assert policy.pop(name) == "'none'"
    assert set(policy) == {"script-src", "style-src", "connect-src", "form-action"}
    assert set(policy.values()) == {"'self'"}
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy") == "same-origin"
    assert answer.header("Cache-Control") == "no-cache"
    assert "Accept-Encoding" in answer.header("Vary")
    assert re.fullmatch(r'"[0-9a-f-]+(-gz)?"', answer.header("ETag"))


def test_every_file_is_answered_as_it_is(client):
    assert len(FILES) > 10
    for file in FILES:
        answer = client.get(path_of(file))
        assert answer.status == 200 and answer.body == file.read_bytes(), file
        assert answer.header("Content-Type") == KINDS[file.suffix], file
        assert answer.header("Content-Encoding") is None
        tag = hashlib.sha256(file.read_bytes()).hexdigest()
        assert tag.startswith(answer.header("ETag").strip('"'))
        check_fields(answer)


def test_whoever_can_gets_it_compressed(client):
    for file in FILES:
        plain = client.get(path_of(file), accept_encoding="gzip;q=0")
        small = client.get(path_of(file), accept_encoding="br, gzip")
        check_fields(small)
        if small.header("Content-Encoding") == "gzip":
            assert len(small.body) < len(plain.body)
            assert gzip.decompress(small.body) == plain.body
            assert small.header("ETag") != plain.header("ETag"), "other bytes, another strong tag"
        else:
            assert small.body == plain.body and small.header("ETag") == plain.header("ETag")
    style = client.get("/web/style.css", accept_encoding="gzip")
    assert style.header("Content-Encoding") == "gzip"


def test_what_is_known_is_not_sent_again(client):
    for coding in ("identity", "gzip"):
        first = client.get("/web/style.css", accept_encoding=coding)
        tag = first.header("ETag")
        for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = client.get("/web/style.css", accept_encoding=coding, if_none_match=known)
            assert again.status == 304 and again.body == b""
            assert again.header("ETag") == tag
            check_fields(again)
        other = client.get("/web/style.css", accept_encoding=coding, if_none_match='"other"')
        assert other.status == 200 and other.body == first.body
    # The tag of the compressed form does not stand for the plain one.
    assert client.get("/web/style.css", if_none_match=tag).status == 200


def test_head_says_what_get_would(client):
    for path in ("/", "/web/main.js"):
        head, answer = client.ask("HEAD", path), client.get(path)
        assert head.status == answer.status == 200 and head.body == b""
        for name in ("Content-Type", "ETag", "Content-Length"):
            assert head.header(name) == answer.header(name)


def test_every_page_is_the_document(client):
    document = (WEB / "page.html").read_bytes()
    for path in PAGES:
        answer = client.get(path)
        assert answer.status == 200 and answer.body == document, path
        check_fields(answer)


def test_what_is_not_there(client):
    for path in ("/web/", "/web/none.js", "/web/pages/none.js", "/web/pages/", "/web/style.css/x",
                 "/web/..%2fMakefile", "/web/../Makefile", "/web/pages/../style.css",
                 "/web/STYLE.css", "/shows/", "/shows/a/b", "/admin/", "/draw/"):
        assert client.get(path).status == 404, path
    for path in ("/", "/admin", "/web/style.css", "/shows/gala"):
        answer = client.ask("POST", path, {})
        assert answer.status == 405 and "GET" in answer.header("Allow"), path


def test_an_address_that_is_nobodys_is_a_page_for_whoever_asks_for_one(client):
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    answer = client.get("/nothing/here", accept=browser)
    assert answer.status == 404 and answer.body == (WEB / "page.html").read_bytes()
    check_fields(answer)
    assert client.get("/nothing/here", accept=browser, if_none_match="*").status == 404
    for accept in ("*/*", "application/json, text/html"):
        answer = client.get("/nothing/here", accept=accept)
        assert answer.status == 404 and answer.code == "NOT_FOUND"
    assert client.post("/nothing/here", {}, accept=browser).code == "NOT_FOUND"


def test_a_shops_own_page_may_take_the_script(client):
    answer = client.get("/waiting-room.js")
    assert answer.status == 200 and answer.body == (WEB / "waiting-room.js").read_bytes()
    assert answer.header("Content-Type") == KINDS[".js"]
    assert len(answer.body.decode().split("(() => {")[1].splitlines()) <= 45


def test_the_paths_of_earlier_clients_are_theirs(client):
    for accept in ("*/*", "application/json"):
        answer = client.get("/shows", accept=accept)
        assert answer.header("Content-Type").startswith("application/"), accept
    # POST /bookings is an earlier client's, GET /bookings a page.
    assert client.post("/bookings", {"hold_id": "x"}).status in (400, 404)
    assert client.get("/bookings").header("Content-Type").startswith("text/html")
