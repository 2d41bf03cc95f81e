"""How the pages look: pictures of all of them, contrast, names for whoever hears them, no jumps."""

import pytest

from harness import draw
from test_browser import SHIFT_MAX, open_hall, port_of, seats_show, status_of
from test_browser_room import opens_in

LOOKS = [("desktop", False), ("desktop", True), ("phone", False), ("phone", True)]

# Text against what is behind it, as WCAG 2 measures it; what is switched off is left out.
CONTRAST = """
const channel = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const behind = (e) => {
    for (; e; e = e.parentElement) {
        const c = parse(getComputedStyle(e).backgroundColor);
        if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const e = walker.currentNode.parentElement, style = getComputedStyle(e);
    if (!walker.currentNode.textContent.trim() || !e.checkVisibility({visibilityProperty: true}) ||
        e.closest('svg, .unseen, :disabled, noscript, .skip') || e.closest('label:has(:disabled)'))
        continue;
    const [a, b] = [light(parse(style.color)), light(behind(e))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), isLarge = size >= 24 || (size >= 18.5 && style.fontWeight >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (isLarge ? 3 : 4.5))
        found.push(`${ratio.toFixed(2)}: ${e.textContent.trim().slice(0, 40)}`);
}
return found;
"""
# What can be used has a name; nothing is wider than the window; fingers have room.
NAMES = """
const found = [];
for (const e of document.querySelectorAll('a, button, input, select, canvas, summary')) {
    if (!e.checkVisibility()) continue;
    const name = e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.[0]?.textContent.trim();
    if (!name) found.push('no name: ' + e.outerHTML.slice(0, 120));
    if (e.tagName === 'BUTTON' && e.getBoundingClientRect().height < 36)
        found.push('too small: ' + e.outerHTML.slice(0, 120));
}
if (document.documentElement.scrollWidth > innerWidth)
    found.push(`wider than the window: ${document.documentElement.scrollWidth}`);
if (document.querySelectorAll('h1').length !== 1)
    found.push('not one h1');
return found;
"""


@pytest.fixture
def house(world):
    seats_show(world, max_per_booking=6)
    world.show("gala", {"VIP": (10000, 20), "Standing": (2500, 200), "Balcony": (4000, 40)},
               name="The Summer Gala", category="concert", starts_at="2035-07-01T18:00:00Z")
    world.show("premiere", {"GA": (1500, 300)}, name="Opening Night: The Tempest",
               category="theatre", starts_at="2035-09-12T19:00:00Z")
    world.show("lecture", {"Seat": (0, 80)}, name="Stars Within Reach", category="lecture",
               starts_at="2035-10-02T18:30:00Z")
    world.start_provider()
    world.start(gateways=0)
    keys = world.folder / "ticket_keys"
    keys.write_text(draw.KEYS_FILE)
    world.start_gateway(ticket_keys=keys)
    world.start_courier()
    result = world.ctl("room", "set", "premiere", "--order", "draw", "--opens-at", opens_in(1500))
    assert result.code == 0, result
    client = world.client()
    for user, seats in (("eve", ["A-4", "A-5"]), ("eve", ["B-6"]), ("joe", ["E-1", "E-2", "E-3"])):
        assert client.book("hall", user, seats=seats).status == 201
    assert client.hold("hall", "sue", seats=["C-8", "C-9"]).status == 201
    assert client.book("gala", "eve", "Balcony", 10).status == 201
    assert client.book("gala", "joe", "Balcony", 10).status == 201
    return world


def check(browser, name, port=None, path=None):
    """A picture in every size and scheme, and what can be measured of each."""
    problems = []
    for size, dark in LOOKS:
        browser.look(size, dark)
        if path is not None:
            browser.open(port, path)
            browser.until("the page to be quiet", lambda: not browser.all(".ghost") and
                          "…" not in browser.text(".tiers"))
            if browser.all("canvas"):
                browser.until_plan()
            if browser.shift > SHIFT_MAX:
                problems.append(f"{size}: things jump, {browser.shift:.3f}")
        look = f"{name}-{size}-{'dark' if dark else 'light'}"
        problems += [f"{look}: {what}" for what in browser.run(CONTRAST) + browser.run(NAMES)]
        browser.picture(look)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("path", ["/", "/shows/gala", "/shows/hall", "/shows/premiere",
                                  "/draw/premiere", "/bookings"])
def test_nothing_jumps_where_all_is_slow(house, browser, path):
    """Parts come one after the other there, and each finds its place kept."""
    client = house.client()
    browser.until("the room", lambda: client.get("/v1/shows/premiere/queue").status == 200)
    with browser.slow():
        browser.open(port_of(house), path)
        browser.until("the page to be quiet", lambda: not browser.all(".ghost") and
                      "…" not in browser.text(".tiers"))
        if browser.all("canvas"):
            browser.until_plan()
        assert browser.shift <= SHIFT_MAX


def test_the_list_of_shows(house, browser):
    check(browser, "shows", port_of(house), "/")


def test_a_show_of_counted_places(house, browser):
    check(browser, "show", port_of(house), "/shows/gala")


def test_a_seat_plan_and_what_follows(house, browser):
    check(browser, "plan", port_of(house), "/shows/hall")
    browser.look("desktop")
    open_hall(browser, house)
    for seat in ("C-4", "C-5"):
        browser.click_seat(seat)
    browser.until("two seats chosen", lambda: len(browser.all(".pick")) == 2)
    browser.run("scrollTo(0, 0)")
    check(browser, "chosen")
    browser.button("Hold these places")
    status_of(browser, "HELD")
    browser.run("scrollTo(0, 0)")
    check(browser, "held")
    browser.button("Pay $90")
    status_of(browser, "CONFIRMED")
    check(browser, "ticket")
    check(browser, "bookings", port_of(house), "/bookings")


def test_the_waiting_room_and_the_draw(house, browser):
    client = house.client()
    browser.until("the room", lambda: client.get("/v1/shows/premiere/queue").status == 200)
    check(browser, "room", port_of(house), "/shows/premiere")
    browser.look("desktop")
    browser.open(port_of(house), "/shows/premiere")
    browser.until_there("input[name=room-user]")
    browser.fill("input[name=room-user]", "ann@example.com")
    browser.button("Join the waiting room")
    browser.until_text("You are in, as number")
    check(browser, "place")
    check(browser, "draw", port_of(house), "/draw/premiere")
