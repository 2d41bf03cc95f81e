"""The operator's page: signing in, looking on while a show sells, and steering it."""

import hashlib

import pytest

from harness.databases import Other, add_partition
from harness.process import wait_until
from test_browser import port_of, seats_show
from test_browser_looks import check

TOKEN = "usher_admin_" + "a1" * 32
REFUSED = r"status of 40[139]"


@pytest.fixture
def house(world):
    seats_show(world, max_per_booking=6)
    world.show("gala", {"VIP": (10000, 20), "Standing": (2500, 200), "Balcony": (4000, 40)},
               name="The Summer Gala", category="concert", starts_at="2035-07-01T18:00:00Z")
    world.start(gateways=0)
    world.start_gateway(admin_token_hashes=f"olga:{hashlib.sha256(TOKEN.encode()).hexdigest()}")
    yield world
    world.judge()


def sign_in(browser, world, show="gala"):
    browser.expect(r"/queue .*404")
    browser.open(port_of(world), f"/admin?show={show}")
    browser.fill("input[name=token]", TOKEN)
    browser.button("Sign in")
    browser.until_there("[data-partition]")
    browser.until_there("[data-sale=open]")


def tier_of(world, tier, show="gala"):
    rows = world.client().availability(show).json["tiers"]
    return next(row for row in rows if row["tier"] == tier)


def test_only_a_token_opens_it(house, browser):
    browser.expect(REFUSED)
    browser.open(port_of(house), "/admin")
    browser.fill("input[name=token]", "usher_admin_" + "0" * 64)
    browser.button("Sign in")
    browser.until_text("not the token of an administrator")
    browser.fill("input[name=token]", TOKEN)
    browser.button("Sign in")
    browser.until_there("[data-partition]")
    browser.reload()
    browser.until_there("[data-partition]")
    browser.button("Sign out")
    browser.until_there("input[name=token]")
    browser.reload()
    browser.until_there("input[name=token]")


def test_sales_are_seen_as_they_happen(house, browser):
    sign_in(browser, house)
    browser.until_text("serving", "[data-partition='1']")
    client = house.client()
    for number in range(5):
        assert client.book("gala", f"u{number}", "Balcony", 2).status == 201
    browser.until_text("10 of 40 sold")
    browser.until_text("$400")
    assert browser.all(".chart path.curve")


def test_a_partition_whose_database_is_away_is_told_as_that(house, browser):
    other = Other(house, house.cluster, house.database + "_b")
    try:
        add_partition(house, 7, other)
        sign_in(browser, house)
        browser.until_text("port=", "[data-partition='7']")
        house.rows("UPDATE databases SET dsn = 'host=127.0.0.1 port=1' WHERE dsn <> '' RETURNING 1")
        browser.expect(r"status of 503")
        browser.until_text("its database is away", "[data-partition='7']")
        browser.until_text("serving", "[data-partition='1']")
    finally:
        house.rows("DELETE FROM partitions WHERE partition = 7 RETURNING 1")
        other.drop()


def test_what_was_before_the_visit_is_told_by_reports(house, browser):
    client = house.client()
    for number in range(3):
        assert client.book("gala", f"u{number}", "Standing", 4).status == 201
    assert client.book("gala", "ann", "VIP", 30).status == 409
    for number in range(2):
        assert client.book("gala", f"v{number}", "Balcony", 30).status == 409
    counted = "SELECT coalesce(sum(count), 0) FROM decisions_by_minute"
    wait_until("what was decided", lambda: house.value(counted) == 6)
    sign_in(browser, house)
    browser.until_text("Confirmed places, by the time they were booked.")
    browser.until("the curve", lambda: browser.all("[aria-label='Sold places: 12 now']"))
    refused = house.rows("SELECT code, sum(requests) AS n FROM analytics_refusals WHERE show ="
                         " (SELECT show FROM shows WHERE slug = 'gala') GROUP BY 1")
    for row in refused:
        browser.until_text(row["code"][0] + row["code"][1:].lower().replace("_", " "),
                           "[aria-label='Refused within the hour']")
    assert len(browser.all("[aria-label='Refused within the hour'] .amount")) == len(refused) >= 1
    browser.until_text("Of 6 requests half waited", "[aria-label^='Waited']")
    assert browser.all("[aria-label^='Waited'] path.curve")
    # While it is looked at, it goes on.
    assert client.book("gala", "bob", "Balcony", 30).status == 409
    browser.until("the next look", lambda: "Of 7 requests" in browser.text("[aria-label^='Waited']"), 30)


def test_a_sale_is_paused_opened_and_closed(house, browser):
    sign_in(browser, house)
    client = house.client()
    browser.button("Pause the sale")
    browser.until_there("[data-sale=paused]")
    assert client.book("gala", "ann", "VIP").code == "SALE_PAUSED"
    browser.button("Open the sale")
    browser.until_there("[data-sale=open]")
    assert client.book("gala", "ann", "VIP").status == 201
    browser.button("Close the sale")
    browser.until_there("[data-sale=closed]")
    assert client.book("gala", "ann", "VIP").code == "SALE_CLOSED"
    browser.until_text("olga")


def test_stock_is_added_blocked_and_given_free(house, browser):
    browser.expect(REFUSED)
    sign_in(browser, house)
    browser.fill("input[name=quantity]", "5")
    browser.button("Add")
    browser.until_text("5 places of VIP added.")
    browser.button("Block")
    browser.until_text("5 places of VIP blocked.")
    wait_until("the stock", lambda: (tier_of(house, "VIP")["capacity"],
                                     tier_of(house, "VIP")["blocked"]) == (25, 5))
    browser.fill("input[name=quantity]", "21")
    browser.button("Remove")
    browser.until_text("cannot be taken away")
    assert tier_of(house, "VIP")["capacity"] == 25


def test_people_are_let_in_at_another_rate(house, browser):
    result = house.ctl("room", "set", "gala", "--order", "arrival", "--rate", "60")
    assert result.code == 0, result
    client = house.client()

    def room():
        answer = client.get("/v1/shows/gala/queue")
        return answer.json if answer.status == 200 else {}

    wait_until("the room", lambda: room().get("state") == "open")
    sign_in(browser, house)
    browser.fill("input[name=rate]", "30")
    browser.button("Set the rate")
    browser.until_text("30 people a minute are let in.")
    wait_until("the rate", lambda: room().get("rate") == 30)
    browser.button("Let nobody in for now")
    browser.until_text("Nobody is let in for now.")
    wait_until("the pause", lambda: room().get("paused"))


def test_seats_are_blocked_by_name(house, browser):
    sign_in(browser, house, "hall")
    browser.fill("input[name=seats]", "A-1, A-2")
    browser.button("Block")
    browser.until_text("2 seats blocked.")
    seats = {seat["id"]: seat["status"]
             for seat in house.client().get("/v1/shows/hall/seats").json["seats"]}
    assert seats["A-1"] == seats["A-2"] == "blocked"


def test_how_it_looks(house, browser):
    client = house.client()
    for number in range(12):
        assert client.book("gala", f"u{number}", "Standing", 1 + number % 6).status == 201
    for number in range(6):
        assert client.book("gala", f"v{number}", "VIP", 2).status == 201
        assert client.hold("gala", f"w{number}", "Balcony", 3).status == 201
    browser.open(port_of(house), "/admin")
    check(browser, "sign-in")
    browser.look("desktop")
    sign_in(browser, house)
    browser.until_text("42 of 200 sold")
    browser.until("a curve", lambda: browser.all(".chart path.curve"))
    check(browser, "operations")
