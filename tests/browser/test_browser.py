"""What a visitor sees and does, in a browser, over a whole usher."""

import json

import pytest
from selenium.webdriver.common.keys import Keys

from harness.process import wait_until

TIERS = {"Stalls": 4500, "Circle": 7000}
REFUSED = r"status of 409"
GONE = r"ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED|" \
       r"ERR_SOCKET_NOT_CONNECTED|status of 503"
SHIFT_MAX = 0.05


def seats_show(world, slug="hall", rows="ABCDEF", count=10, price=None, **rules):
    entries = [{"tier": "Circle" if row > "D" else "Stalls", "row": row, "number": 1,
                "count": count, "x": 0, "y": ord(row) - 64} for row in rows]
    path = world.folder / f"{slug}.json"
    path.write_text(json.dumps(entries))
    words = ["show", "create", "--slug", slug, "--map", path, "--name", "An Evening at the Hall",
             "--category", "concert", "--starts-at", "2035-06-08T19:30:00Z"]
    for name, value in rules.items():
        words += ["--" + name.replace("_", "-"), value]
    for code in sorted({entry["tier"] for entry in entries}, reverse=True):
        words += ["--tier", f"{code}:{TIERS[code] if price is None else price}"]
    result = world.ctl(*words)
    assert result.code == 0, result
    return slug


@pytest.fixture
def house(world):
    """A hall of sixty seats and a show of two counted tiers, a provider that takes the money."""
    seats_show(world, max_per_booking=6)
    world.show("gala", {"VIP": (10000, 20), "Standing": (2500, 200)}, name="The Summer Gala",
               category="concert", starts_at="2035-07-01T18:00:00Z", max_per_booking=8)
    world.start_provider()
    world.start()
    world.start_courier()
    yield world
    world.judge()


def port_of(world):
    return world.gateways[0].port


def open_hall(browser, world, user="ann@example.com", slug="hall"):
    browser.open(port_of(world), f"/shows/{slug}")
    browser.until_plan()
    if user:
        browser.fill("input[name=user]", user)
    return browser


def status_of(browser, status):
    browser.until_there(f"[data-status={status}]")


def seats_of(world, slug="hall"):
    client = world.client()
    return {seat["id"]: seat["status"]
            for seat in client.get(f"/v1/shows/{slug}/seats").json["seats"]}


def test_a_seat_is_found_chosen_and_paid(house, browser):
    browser.open(port_of(house), "/")
    browser.fill("input[type=search]", "evening")
    browser.until("one show", lambda: len(browser.all(".show")) == 1)
    browser.press(".show a")
    browser.until_plan()
    browser.fill("input[name=user]", "ann@example.com")
    browser.click_seat("C-5")
    browser.click_seat("C-6")
    browser.until("two seats chosen", lambda: len(browser.all(".pick")) == 2)
    assert "$90" in browser.text(".total")
    browser.button("Hold these places")
    status_of(browser, "HELD")
    browser.until_text("58 of 60", "[data-left]")
    assert browser.seat("C-5")["mine"] and browser.seat("C-6")["mine"]
    browser.button("Pay $90")
    status_of(browser, "CONFIRMED")
    browser.until_text("Paid and confirmed")
    assert "C-5, C-6" in browser.text("[data-status]")
    assert seats_of(house)["C-5"] == seats_of(house)["C-6"] == "booked"
    assert sum(charge["amount"] for charge in house.provider.taken()) == 9000

    browser.open(port_of(house), "/bookings")
    browser.until_text("Seats C-5, C-6")
    browser.button("Cancel booking")
    browser.button("Yes, give the places back")
    browser.until_text("$90 go back to you")
    wait_until("the seats to be free", lambda: seats_of(house)["C-5"] == "available")


def test_counted_places_and_what_is_left(house, browser, other_browser):
    for window in (browser, other_browser):
        window.open(port_of(house), "/shows/gala")
        window.until_text("220 of 220 places left")
    more = "[data-tier=VIP] .stepper button:last-child"
    for _ in range(3):
        browser.press(more)
    browser.fill("input[name=user]", "bob@example.com")
    browser.button("Hold these places")
    status_of(browser, "HELD")
    other_browser.until_text("17 left", "[data-tier=VIP]")
    browser.button("Give back")
    browser.until_text("Given back")
    other_browser.until_text("20 left", "[data-tier=VIP]")


def test_two_want_one_seat_and_one_is_told_kindly(house, browser, other_browser):
    browser.expect(REFUSED)
    other_browser.expect(REFUSED)
    open_hall(browser, house, "ann@example.com")
    open_hall(other_browser, house, "bob@example.com")
    # Without the stream the second would be told before it asks.
    for window in (browser, other_browser):
        window.run("document.querySelector('canvas').seatMap.seats.hear = async () => []")
        window.run("document.querySelector('canvas').seatMap.seats.refresh = async () => []")
        window.click_seat("B-7")
        window.until_text("B-7", ".picks")
    browser.button("Hold these places")
    status_of(browser, "HELD")
    other_browser.button("Hold these places")
    other_browser.until_text("Somebody was a moment quicker: seat B-7 is taken.")
    assert not other_browser.all(".pick"), "what is gone is not chosen any more"
    # Another one, then: what is offered instead.
    other_browser.button("instead")
    other_browser.until("a seat chosen", lambda: len(other_browser.all(".pick")) == 1)
    other_browser.button("Hold these places")
    status_of(other_browser, "HELD")
    held = [seat for seat, status in seats_of(house).items() if status == "held"]
    assert len(held) == 2 and "B-7" in held


def test_a_chosen_seat_that_goes_is_told_at_once(house, browser):
    open_hall(browser, house)
    browser.click_seat("A-1")
    browser.until_text("A-1", ".picks")
    assert house.client().book("hall", "eve", seats=["A-1"]).status == 201
    browser.until_text("Somebody was a moment quicker: seat A-1 is taken.")
    browser.until("the plan to know", lambda: browser.seat("A-1")["status"] == 2)


def test_a_hold_runs_out_before_ones_eyes(world, browser):
    seats_show(world, "short", rows="AB", hold_seconds=3)
    world.start()
    open_hall(browser, world, slug="short")
    browser.button("Best available")
    status_of(browser, "HELD")
    assert browser.find("[role=timer]").text.startswith("0:0")
    status_of(browser, "EXPIRED")
    browser.until_text("Your time ran out")
    browser.until_text("20 of 20", "[data-left]")
    browser.button("Choose again")
    browser.button("Best available")
    status_of(browser, "HELD")
    world.judge()


def test_a_reload_never_pays_twice(house, browser):
    browser.expect(GONE)
    house.provider.plan = lambda fields: "later"
    open_hall(browser, house)
    browser.button("Best available")
    status_of(browser, "HELD")
    browser.reload()
    status_of(browser, "HELD")
    browser.button("Pay $90")
    booking = wait_until("the charge", lambda: next(iter(house.provider.intents.values()), None))
    booking = booking["metadata"]["booking"]
    browser.reload()
    browser.reload()
    browser.until_text("Your payment is being made")
    house.provider.settle(booking)
    status_of(browser, "CONFIRMED")
    assert len(house.provider.charges(booking)) == 1
    assert house.provider.net(booking) == 9000


def test_a_reload_while_one_waits_asks_the_same_again(house, browser):
    browser.expect(GONE, r"status of 504")
    open_hall(browser, house)
    browser.click_seat("D-1")
    browser.until_text("D-1", ".picks")
    house.allocators[0].sigstop()
    browser.button("Hold these places")
    browser.until_text("Holding your places")
    browser.reload_early()
    browser.reload_early()
    house.allocators[0].cont()
    status_of(browser, "HELD")
    assert house.value("SELECT count(*) FROM bookings") == 1
    assert seats_of(house)["D-1"] == "held"


def test_a_payment_that_fails_is_told_and_the_seats_are_free(house, browser):
    house.provider.plan = lambda fields: "decline"
    open_hall(browser, house)
    browser.button("Best available")
    browser.button("Pay $90")
    status_of(browser, "FAILED")
    browser.until_text("nothing was charged")
    browser.until_text("60 of 60", "[data-left]")


def test_the_gateway_goes_and_comes_back(house, browser):
    browser.expect(GONE)
    open_hall(browser, house)
    browser.click_seat("D-3")
    browser.until_text("D-3", ".picks")
    gateway = house.gateways[0]
    port = gateway.port
    gateway.stop()
    browser.until_text("Connection lost", "#connection")
    # Asked while nobody is there: it waits, and is done once.
    browser.button("Hold these places")
    browser.until_text("never done twice")
    assert house.value("SELECT count(*) FROM bookings") == 0
    house.gateways.remove(gateway)
    house.start_gateway(name="gateway-again", port=port)
    status_of(browser, "HELD")
    browser.until("the strip to say so", lambda: browser.find("#connection")
                  .get_attribute("data-state") != "lost")
    assert house.value("SELECT count(*) FROM bookings") == 1
    # And what others do is seen again.
    assert house.client().book("hall", "eve", seats=["E-9"]).status == 201
    browser.until_text("58 of 60", "[data-left]")
    browser.until("the plan to know", lambda: browser.seat("E-9")["status"] == 2)


def test_with_the_keyboard_alone(world, browser):
    seats_show(world, "free", rows="ABC", price=0)
    world.start()
    browser.open(port_of(world), "/shows/free")
    browser.until_plan()
    for _ in range(12):
        browser.keys(Keys.TAB)
        if browser.focused().startswith("Seat map"):
            break
    assert browser.focused().startswith("Seat map"), browser.focused()
    spoken = ".unseen[aria-live=assertive]"
    browser.keys(Keys.ARROW_DOWN)
    browser.until_text("Row A, seat 1", ".map .under")
    browser.keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    browser.until("the seat to be told", lambda: "Row B, seat 3" in browser.find(spoken)
                  .get_attribute("textContent"))
    browser.keys(Keys.ENTER)
    browser.until_text("B-3", ".picks")
    browser.until("the choice to be told", lambda: "chosen" in browser.find(spoken)
                  .get_attribute("textContent"))
    for _ in range(20):
        browser.keys(Keys.TAB)
        if browser.run("return document.activeElement.name") == "user":
            break
    browser.keys("carol@example.com", Keys.ENTER)
    status_of(browser, "HELD")
    for _ in range(10):
        if browser.focused() == "Confirm":
            break
        browser.keys(Keys.TAB)
    browser.keys(Keys.ENTER)
    status_of(browser, "CONFIRMED")
    assert seats_of(world, "free")["B-3"] == "booked"
    world.judge()


def test_the_list_of_seats_does_what_the_plan_does(house, browser):
    open_hall(browser, house)
    browser.press("summary")
    boxes = browser.until("the row", lambda: browser.all(".seatlist input"))
    assert len(boxes) == 10
    browser.run("arguments[0].click()", boxes[3])
    browser.until_text("A-4", ".picks")
    assert browser.seat("A-4")["chosen"]
    browser.button("Hold these places")
    status_of(browser, "HELD")


def test_what_is_not_there_is_said(house, browser):
    browser.expect(r"status of 404")
    browser.open(port_of(house), "/shows/no-such-show")
    browser.until_text("There is no such show")
    browser.open(port_of(house), "/nothing/here")
    browser.until_text("There is nothing here")
