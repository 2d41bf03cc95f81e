"""A browser's own EventSource and WebSocket, through nginx: a sale followed to its end."""

import pytest

from harness.front import Nginx

PLACES = 40
LISTEN = """
    window.heard = {stream: [], socket: []};
    window.opened = 0;
    const stream = new EventSource('/v1/shows/rock/events');
    stream.onopen = () => window.opened++;
    stream.onmessage = (event) => window.heard.stream.push(JSON.parse(event.data));
    const socket = new WebSocket(`wss://${location.host}/v1/shows/rock/ws`);
    socket.onmessage = (event) => window.heard.socket.push(JSON.parse(event.data));
"""


@pytest.fixture
def venue(world):
    world.start_redis()
    world.show("rock", {"STD": (5000, PLACES)}, max_per_booking=40)
    world.start_allocator()
    for _ in range(2):
        world.start_gateway(stream_retry_ms=100)
    world.nginx = Nginx(world.folder, world.gateways).start()
    yield world
    assert world.nginx.stop() == 0
    world.judge()


def last(browser, how, kind):
    return browser.run("return window.heard[arguments[0]].filter((event) => "
                       "event.type === arguments[1]).at(-1) || null", how, kind)


def is_left(browser, how, places):
    counts = last(browser, how, "availability")
    return counts is not None and counts["available"] == places


def test_a_browser_follows_a_sale_through_nginx(venue, browser):
    browser.expect(r"failed|closed before|ERR_")  # a gateway ends while the page is open
    browser.open(venue.nginx.port, "/", origin="https://box.example")
    browser.run(LISTEN)
    for how in ("stream", "socket"):
        browser.until(f"a snapshot by {how}", lambda how=how: is_left(browser, how, PLACES))
    client = venue.client(1)
    assert client.book("rock", "ann", "STD", 4).status == 201
    for how in ("stream", "socket"):
        browser.until(f"news by {how}", lambda how=how: is_left(browser, how, PLACES - 4))
    # One gateway after the other goes, and another comes: the stream is taken up again by itself.
    for number in range(2):
        venue.gateways[number].stop()
        venue.gateways[number].start()
        venue.gateways[number].wait_ready()
    browser.until("the stream again", lambda: browser.run("return window.opened") > 1)
    client = venue.client()
    for number in range(PLACES // 4 - 1):
        assert client.book("rock", f"user {number}", "STD", 4).status == 201
    browser.until("the end", lambda: (last(browser, "stream", "sale") or {})["state"] == "sold_out"
                  and is_left(browser, "stream", 0))
    states = browser.run("return window.heard.stream.filter((event) => event.type === 'sale')"
                         ".map((event) => event.state)")
    assert states == ["opened", "sold_out"], "what was told is not told again"
