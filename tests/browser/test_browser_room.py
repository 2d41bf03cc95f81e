"""The waiting room in a browser: coming early, being drawn, being let in, checking the draw."""

import datetime
import time

import pytest

from harness import draw
from harness.process import wait_until

PEOPLE = 12
POLL_SECONDS = 1.25     # of whose turn it is


@pytest.fixture
def house(world):
    world.show("gala", {"GA": (0, 50)}, name="The Opening Night", category="concert",
               starts_at="2035-07-01T18:00:00Z", max_per_user=4, max_per_booking=4)
    world.start(gateways=0)
    keys = world.folder / "ticket_keys"
    keys.write_text(draw.KEYS_FILE)
    world.start_gateway(ticket_keys=keys, cors_origins="*")
    yield world
    world.judge()


def port_of(world):
    return world.gateways[0].port


def set_room(world, *words):
    result = world.ctl("room", "set", "gala", *words)
    assert result.code == 0, result
    client = world.client()
    wait_until("the room", lambda: client.get("/v1/shows/gala/queue").status == 200 and
               client.get("/v1/shows/gala/queue").json["state"] != "off")


def opens_in(seconds):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def join(browser, user="ann@example.com"):
    browser.until_text("Waiting room", ".side")
    browser.fill("input[name=room-user]", user)
    browser.button("Join the waiting room")


def room_of(world):
    return world.client().get("/v1/shows/gala/queue").json


def test_who_comes_early_is_drawn_let_in_and_can_check_it(house, browser):
    set_room(house, "--order", "draw", "--opens-at", opens_in(600), "--rate", 1000000)
    browser.open(port_of(house), "/shows/gala")
    join(browser)
    browser.until_text("You are in, as number 1 to come.")
    for number in range(PEOPLE):
        answer = house.client().post("/v1/shows/gala/queue", {"user": f"u{number}"})
        assert answer.status == 201, answer
    # Whoever closes the page and comes back has the place still.
    browser.driver.get("about:blank")
    browser.open(port_of(house), "/shows/gala")
    browser.until_text("You are in, as number 1 to come.")
    browser.open(port_of(house), "/draw/gala")
    browser.until_text("published when the doors open")
    commitment = room_of(house)["commitment"]
    browser.until_text(commitment)

    set_room(house, "--opens-at", opens_in(0))
    browser.until("the draw to be checked", lambda: len(browser.all("[data-check=ok]")) == 3)
    assert not browser.all("[data-check=bad]")
    room = room_of(house)
    mine = draw.number_of(bytes.fromhex(room["key"]), room["arrivals"], 1)
    browser.until_text(f"You came as number 1 and drew {mine}; you were told {mine}.")
    browser.fill("input[type=number]", "5")
    browser.button("got")
    fifth = draw.number_of(bytes.fromhex(room["key"]), room["arrivals"], 5)
    browser.until_text(f"number {fifth}.", "output")

    browser.open(port_of(house), "/shows/gala")
    browser.until_text("It is your turn. Book within")
    assert browser.find("input[name=user]").get_attribute("value") == "ann@example.com"
    browser.press("[data-tier=GA] .stepper button:last-child")
    browser.button("Hold these places")
    browser.until_there("[data-status=HELD]")
    # Who has a hold asks no more for the place that was used for it: the console would say 410.
    time.sleep(2 * POLL_SECONDS)
    browser.button("Confirm")
    browser.until_there("[data-status=CONFIRMED]")
    assert house.value("SELECT user_id FROM bookings") == "ann@example.com"


def test_a_key_that_is_not_the_published_one_is_found_out(house, browser):
    set_room(house, "--order", "draw", "--opens-at", opens_in(600), "--rate", 1000000)
    assert house.client().post("/v1/shows/gala/queue", {"user": "u1"}).status == 201
    set_room(house, "--opens-at", opens_in(0))
    wait_until("the key", lambda: room_of(house)["key"])
    browser.open(port_of(house), "/draw/gala")
    browser.until_there("[data-check=ok]")
    wrong = browser.driver.execute_async_script("""
        const done = arguments[arguments.length - 1];
        import('/web/draw.js').then(async (draw) => {
            const told = document.querySelectorAll('dd')[0].textContent;
            const key = document.querySelectorAll('dd')[3].textContent;
            const other = (key.startsWith('00') ? 'ff' : '00') + key.slice(2);
            done([await draw.commitmentOf(key) === told,
                  await draw.commitmentOf(other) === told]);
        });""")
    assert wrong == [True, False]


def test_people_are_let_in_one_after_the_other(house, browser):
    set_room(house, "--order", "arrival", "--rate", 1)
    for number in range(3):
        assert house.client().post("/v1/shows/gala/queue", {"user": f"u{number}"}).status == 201
    browser.open(port_of(house), "/shows/gala")
    join(browser)
    browser.until_text("is your place")
    assert int(browser.text(".room .place")) >= 2
    assert browser.text(".room dd:nth-of-type(1)") != ""
    # Who has no admission cannot book by the side door either.
    refused = house.client().book("gala", "ann@example.com", "GA")
    assert refused.code == "QUEUE_REQUIRED"
    browser.until_text("50", ".room dl")
    set_room(house, "--rate", 1000000)
    browser.until_text("It is your turn. Book within")


def test_a_shops_own_page_takes_the_script(house, browser, tmp_path):
    set_room(house, "--order", "arrival", "--rate", 1000000)
    page = tmp_path / "shop.html"
    page.write_text(f"""<!doctype html><title>A shop</title><body><script>
        addEventListener('usher:admitted', (event) => {{ document.title = event.detail.admission; }});
        </script><script src="http://127.0.0.1:{port_of(house)}/waiting-room.js" data-show="gala"
        data-user="shopper"></script>""")
    browser.expect(r".")  # a page of somebody else's
    browser.driver.get(page.as_uri())
    browser.until_text("It is your turn.")
    admission = browser.until("the admission", lambda: browser.driver.title
                              if browser.driver.title != "A shop" else None)
    answer = house.client().post("/v1/shows/gala/bookings", {"user": "shopper", "tier": "GA"},
                                 usher_admission=admission)
    assert answer.status == 201, answer
