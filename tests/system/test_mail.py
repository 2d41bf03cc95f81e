"""Letters: to whom, about what, in a form that every mail program reads; with a calendar's entry."""

import re

import pytest

from harness.process import wait_until
from harness.receiver import PostOffice

FROM = "tickets@venue.example"
NAME = "Gälä; of, the \"Year\" — a name that is long enough to be folded in any calendar there is"


@pytest.fixture
def posted(world):
    world.show("gala", {"Floor": (1050, 10)}, name=NAME, starts_at="2035-05-03T19:30:00Z",
               max_per_user=10)
    world.start()
    assert world.ctl("mail", "on").code == 0
    world.office = PostOffice(refuses=["gone@example.org"])
    world.start_courier(smtp_url=world.office.url, smtp_from=FROM, webhook_first_ms=20)
    yield world
    world.office.close()


def book(world, user, **more):
    answer = world.client().post("/v1/shows/gala/bookings",
                                 {"user": user, "tier": "Floor", "quantity": 2, **more})
    assert answer.status == 201, answer
    return answer.json


def letters(world, count=1):
    return wait_until(f"{count} letters", lambda: len(world.office.letters) >= count and
                      world.office.letters, 30)


def text_of(letter):
    return letter.get_body(("plain",)).get_content()


def calendar_of(letter):
    """The attachment, unfolded, as a list of lines; each line as long as RFC 5545 allows."""
    part = next(part for part in letter.walk() if part.get_content_type() == "text/calendar")
    raw = part.get_payload(decode=True)
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    assert raw.count(b"\n") == raw.count(b"\r\n")
    return part, raw.decode().replace("\r\n ", "").split("\r\n")


def test_a_confirmation_is_a_letter_with_an_invitation(posted):
    booking = book(posted, "ann@example.org")
    sender, recipients, letter = letters(posted)[0]
    assert sender == FROM and recipients == ["ann@example.org"]
    assert letter["From"] == FROM and letter["To"] == "ann@example.org"
    assert letter["Subject"] == f"Your places: {NAME}"
    assert re.fullmatch(r"<evt_[0-9a-f]{32}@usher>", letter["Message-ID"])
    assert letter["Date"].datetime.tzinfo is not None
    text = text_of(letter)
    for words in (booking["id"], "2 places", NAME, "2035-05-03 19:30 UTC", "21.00 USD"):
        assert words in text, (words, text)
    part, calendar = calendar_of(letter)
    assert part.get_param("method") == "PUBLISH" and "METHOD:PUBLISH" in calendar
    assert f"UID:{booking['id']}@usher" in calendar
    assert "DTSTART:20350503T193000Z" in calendar
    escaped = NAME.replace(";", "\\;").replace(",", "\\,")
    assert f"SUMMARY:{escaped}" in calendar
    assert [calendar[0], calendar[-2]] == ["BEGIN:VCALENDAR", "END:VCALENDAR"]


def test_a_cancellation_takes_the_invitation_back(posted):
    booking = book(posted, "ann@example.org")
    assert posted.client().post(f"/v1/bookings/{booking['id']}/cancel",
                                {"user": "ann@example.org"}).status == 200
    by_subject = {letter["Subject"].split(":")[0]: letter for _, _, letter in letters(posted, 2)}
    part, calendar = calendar_of(by_subject["Cancelled"])
    assert part.get_param("method") == "CANCEL" and "METHOD:CANCEL" in calendar
    assert f"UID:{booking['id']}@usher" in calendar
    assert "SEQUENCE:1" in calendar and "STATUS:CANCELLED" in calendar


def test_a_hold_says_until_when(posted):
    book(posted, "ann@example.org", hold=True)
    _, _, letter = letters(posted)[0]
    assert letter["Subject"] == f"Held for you: {NAME}"
    assert re.search(r"until \d{4}-\d\d-\d\d \d\d:\d\d UTC", text_of(letter))
    assert not any(part.get_content_type() == "text/calendar" for part in letter.walk())


@pytest.mark.parametrize("user", ["ann", "ann@", "@b", "a b@example.org", "a@b@c", "a..b@c",
                                  "x@example.org\r\nBcc: eve@example.org", "<ann@example.org>",
                                  "\"ann\"@example.org", "ä@example.org"])
def test_nobody_is_written_to_who_has_no_address(posted, user):
    answer = posted.client().post("/v1/shows/gala/bookings",
                                  {"user": user, "tier": "Floor", "quantity": 1})
    assert answer.status in (201, 400, 422), answer
    book(posted, "real@example.org")
    assert [to for _, to, _ in letters(posted)] == [["real@example.org"]]


def test_an_address_that_nobody_has_is_not_tried_again(posted):
    book(posted, "gone@example.org")
    wait_until("it to be given up", lambda: posted.value(
        "SELECT count(*) FROM deliveries WHERE next_at IS NULL AND delivered_at IS NULL") == 1)
    assert posted.value("SELECT status FROM delivery_attempts") == 550
    assert posted.value("SELECT status FROM bookings") == "CONFIRMED"


def test_a_mail_server_that_is_away_is_tried_again(posted):
    posted.office.close()
    book(posted, "ann@example.org")
    wait_until("an attempt", lambda: posted.value(
        "SELECT count(*) FROM delivery_attempts WHERE status = 0") >= 1)
    posted.office = PostOffice(port=posted.office.port)
    posted.rows("UPDATE deliveries SET next_at = now() RETURNING 1")
    assert letters(posted)[0][1] == ["ann@example.org"]


@pytest.mark.parametrize("why", ["530 5.7.0 authentication is required",
                                 "550 5.7.1 this sender may not send here"])
def test_a_mail_server_that_refuses_us_loses_no_letter(posted, why):
    posted.office.refuses_us = why
    book(posted, "ann@example.org")
    wait_until("three attempts", lambda: posted.value(
        "SELECT count(*) FROM delivery_attempts WHERE status = %s", int(why[:3])) >= 2)
    posted.office.refuses_us = None
    (_, to, _), = letters(posted)
    assert to == ["ann@example.org"]


def start_courier_with_password(world, host, **options):
    world.expect_exit(world.couriers[-1])
    world.couriers[-1].stop()
    url = f"smtp://usher:swordfish@{host}:{world.office.port}"
    return world.start_courier(smtp_url=url, smtp_from=FROM, webhook_first_ms=20, **options)


def test_a_password_is_not_told_in_clear(posted):
    """Whoever sits in between can say that there is no TLS. (curl itself takes *.localhost for here.)"""
    courier = start_courier_with_password(posted, "mail.localhost")
    book(posted, "ann@example.org")
    wait_until("two attempts", lambda: posted.value(
        "SELECT count(*) FROM delivery_attempts WHERE status = 0") >= 2)
    assert posted.office.passwords == [] and posted.office.letters == []
    assert posted.value("SELECT count(*) FROM deliveries WHERE next_at IS NOT NULL") == 1
    line = next(line for line in courier.log.read_text().splitlines() if "not_delivered" in line)
    assert "offers no TLS" in line and "smtp_tls = offered" in line and "swordfish" not in line
    courier = start_courier_with_password(posted, "mail.localhost", smtp_tls="offered")
    (_, to, _), = letters(posted)
    assert to == ["ann@example.org"] and set(posted.office.passwords) == {b"swordfish"}


@pytest.mark.parametrize("smtp_tls, letters_sent", [(None, 1), ("required", 0)])
def test_a_password_stays_on_this_machine(posted, smtp_tls, letters_sent):
    start_courier_with_password(posted, "127.0.0.1", **({"smtp_tls": smtp_tls} if smtp_tls else {}))
    book(posted, "ann@example.org")
    wait_until("an attempt", lambda: posted.value("SELECT count(*) FROM delivery_attempts") >= 1)
    assert len(posted.office.letters) == letters_sent == len(posted.office.passwords)


def test_an_amount_is_told_in_its_currency(posted):
    for slug, currency, told in (("tokyo", "JPY", "1050 JPY"), ("kuwait", "KWD", "1.050 KWD")):
        posted.show(slug, {"Floor": (1050, 10)}, currency=currency)
        posted.office.letters.clear()
        answer = posted.client().post(f"/v1/shows/{slug}/bookings",
                                      {"user": "ann@example.org", "tier": "Floor"})
        assert answer.status == 201, answer
        assert f"to be paid: {told}.\n" in text_of(letters(posted)[0][2])


def test_times_are_utc_wherever_postgres_stands(posted):
    posted.rows(f'ALTER DATABASE "{posted.database}" SET timezone = \'Asia/Tokyo\'; SELECT 1 AS n')
    posted.allocators[0].stop()
    posted.start_allocator()
    posted.wait_owner()
    book(posted, "ann@example.org")
    _, _, letter = letters(posted)[0]
    assert "2035-05-03 19:30 UTC" in text_of(letter)
    assert "DTSTART:20350503T193000Z" in calendar_of(letter)[1]


def test_off_is_off(posted):
    assert posted.ctl("mail", "off").code == 0
    book(posted, "ann@example.org")
    assert posted.value("SELECT count(*) FROM deliveries") == 0
    assert posted.ctl("mail", "off").code == 1
