"""The waiting list: who joins is offered places in order, as holds, when places come back."""

import json
import threading
import time

import pytest

from harness.process import patience, wait_until

FULL = 4


@pytest.fixture
def full(world):
    """`gala` has four places of GA, taken by two people of two, and ten of VIP."""
    world.show("gala", {"GA": (1000, FULL), "VIP": (5000, 10)}, max_per_user=4, max_per_booking=4)
    world.start()
    client = world.client()
    world.taken = [client.book("gala", user, "GA", 2).json["id"] for user in ("tina", "tom")]
    yield world
    world.judge()


@pytest.fixture
def client(full):
    return full.client()


def join(client, user, quantity=1, show="gala", tier="GA", **more):
    return client.post(f"/v1/shows/{show}/waitlist",
                       {"user": user, "tier": tier, "quantity": quantity}, **more)


def joined(client, *users, quantity=1, show="gala"):
    """The entries' ids, in the order of joining."""
    answers = [join(client, user, quantity, show) for user in users]
    assert [answer.status for answer in answers] == [201] * len(users), answers
    return [answer.json["id"] for answer in answers]


def entry(client, waiting):
    answer = client.get(f"/v1/waitlist/{waiting}")
    assert answer.status == 200, answer
    return answer.json


def statuses(client, *waiting):
    return [entry(client, one)["status"] for one in waiting]


def leave(client, waiting, body=None):
    return client.ask("DELETE", f"/v1/waitlist/{waiting}", body=body)


def cancel(client, booking, **body):
    answer = client.cancel(booking, body or None)
    assert answer.status == 200, answer
    return answer


# Joining.

def test_who_joins_has_a_place_in_the_list(client):
    answer = join(client, "ann", 2)
    assert answer.status == 201 and answer.header("Location") == f"/v1/waitlist/{answer.json['id']}"
    assert answer.json["status"] == "WAITING" and answer.json["place"] == 1
    assert (answer.json["user"], answer.json["tier"], answer.json["quantity"]) == ("ann", "GA", 2)
    assert answer.json["booking"] is None
    assert join(client, "bob").json["place"] == 2
    assert entry(client, answer.json["id"]) == answer.json


def test_who_waits_waits_once_in_a_tier(client):
    joined(client, "ann")
    again = join(client, "ann", 2)
    assert (again.status, again.code) == (409, "ALREADY_WAITING")


def test_nobody_waits_for_what_is_there(client):
    answer = join(client, "ann", 2, tier="VIP")
    assert (answer.status, answer.code) == (409, "STILL_AVAILABLE")
    assert answer.json["detail"] == "10 left"


@pytest.mark.parametrize("user, quantity, tier, status, code", [
    ("ann", 5, "GA", 409, "LIMIT_EXCEEDED"), ("tina", 3, "GA", 409, "LIMIT_EXCEEDED"),
    ("ann", 1, "XX", 404, "NOT_FOUND"), ("ann", 0, "GA", 422, "INVALID"), ("", 1, "GA", 422, "INVALID")])
def test_who_cannot_be_served_cannot_wait(full, client, user, quantity, tier, status, code):
    answer = join(client, user, quantity, tier=tier)
    assert (answer.status, answer.code) == (status, code)
    assert full.value("SELECT count(*) FROM waitlist") == 0


def test_more_than_a_tier_has_is_never_offered(world):
    world.show("duo", {"GA": (500, 2)})
    world.start()
    client = world.client()
    client.book("duo", "tom", "GA", 2)
    answer = join(client, "ann", 3, show="duo")
    assert (answer.status, answer.code, answer.json["detail"]) == (409, "NOT_ENOUGH", "2 left")


def test_a_closed_sale_has_no_waiting_list(full, client):
    assert full.ctl("show", "close", "gala").code == 0
    assert join(client, "ann").code == "SALE_CLOSED"


def test_joining_under_a_key_is_joining_once(full, client):
    first = join(client, "ann", key="k1")
    full.redis_client().delete(*full.redis_client().keys("usher:{1}:reply*"))
    second = join(client, "ann", key="k1")
    assert second.status == 201 and second.body == first.body
    assert second.header("Idempotent-Replayed") == "true"
    assert join(client, "ann", 2, key="k1").status == 422
    cancel(client, full.taken[0])
    wait_until("an offer", lambda: statuses(client, first.json["id"]) == ["OFFERED"])
    third = join(client, "ann", key="k1")
    assert third.status == 201 and third.body == first.body


def test_the_request_tells_what_joining_did(full, client):
    first = join(client, "ann")
    assert client.get(f"/v1/requests/{first.json['id']}").json == first.json
    full.redis_client().flushall()
    wait_until("the same from Postgres",
               lambda: client.get(f"/v1/requests/{first.json['id']}").json == first.json)


# Offers.

def test_what_comes_back_is_offered_in_order(full, client):
    ann, bob, cid = joined(client, "ann", "bob", "cid")
    cancel(client, full.taken[0], quantity=1)
    offered = entry(client, ann)
    assert offered["status"] == "OFFERED" and offered["place"] is None
    assert offered["booking"]["id"] == ann and offered["booking"]["status"] == "HELD"
    assert offered["booking"]["amount"] == 1000 and offered["booking"]["expires_at"] is not None
    assert [entry(client, one)["place"] for one in (bob, cid)] == [1, 2]
    cancel(client, full.taken[1])
    assert statuses(client, bob, cid) == ["OFFERED", "OFFERED"]
    client.await_stock("gala", {"GA": 0, "VIP": 10})


def test_an_offer_is_accepted_by_confirming_it(full, client):
    (ann,) = joined(client, "ann")
    cancel(client, full.taken[0], quantity=1)
    assert client.confirm(ann, {"user": "ann"}).json["status"] == "CONFIRMED"
    told = entry(client, ann)
    assert told["status"] == "ACCEPTED" and told["booking"]["status"] == "CONFIRMED"
    assert leave(client, ann).code == "ILLEGAL_STATE"
    assert client.booking(ann).json["status"] == "CONFIRMED"


def test_the_first_group_that_fits(full, client):
    four, two, one = (join(client, user, n).json["id"]
                      for user, n in (("ann", 4), ("bob", 2), ("cid", 1)))
    cancel(client, full.taken[0], quantity=1)
    assert statuses(client, four, two, one) == ["WAITING", "WAITING", "OFFERED"]
    cancel(client, full.taken[1])
    assert statuses(client, four, two) == ["WAITING", "OFFERED"]
    cancel(client, two)
    cancel(client, one)
    assert statuses(client, four) == ["WAITING"]
    cancel(client, full.taken[0])
    assert statuses(client, four, two, one) == ["OFFERED", "DECLINED", "DECLINED"]


def test_who_joins_for_the_rest_is_offered_it_at_once(full, client):
    (four,) = joined(client, "ann", quantity=4)
    cancel(client, full.taken[0])
    small = join(client, "bob", 2)
    assert small.status == 201 and small.json["place"] == 2
    assert statuses(client, four, small.json["id"]) == ["WAITING", "OFFERED"]


def test_who_may_not_have_so_many_is_passed_over(full, client):
    ann, bob = joined(client, "ann", "bob", quantity=2)
    assert client.book("gala", "ann", "VIP", 3).status == 201
    cancel(client, full.taken[0])
    assert statuses(client, ann, bob) == ["WAITING", "OFFERED"]
    # What ann gives back lets her have more: it is looked at again, in every tier.
    vip = client.get("/v1/users/ann/bookings").json["bookings"][0]["id"]
    cancel(client, full.taken[1])
    assert statuses(client, ann) == ["WAITING"]
    cancel(client, vip)
    assert statuses(client, ann) == ["OFFERED"]


def test_a_booker_does_not_get_what_somebody_waits_for(full, client):
    (ann,) = joined(client, "ann", quantity=2)
    cancel(client, full.taken[0])
    assert client.book("gala", "eve", "GA", 1).code == "SOLD_OUT"
    assert statuses(client, ann) == ["OFFERED"]


def test_places_of_an_expired_hold_are_offered(world):
    world.show("brief", {"GA": (1000, 1)}, hold_seconds=1)
    world.start()
    client = world.client()
    assert client.hold("brief", "tom", "GA", 1).status == 201
    (ann,) = joined(client, "ann", show="brief")
    wait_until("an offer", lambda: statuses(client, ann) == ["OFFERED"])
    world.judge()


def test_an_expired_offer_goes_to_the_next(world):
    world.show("quick", {"GA": (1000, 1)}, offer_seconds=1)
    world.start()
    client = world.client()
    held = client.book("quick", "tom", "GA", 1).json["id"]
    ann, bob = joined(client, "ann", "bob", show="quick")
    cancel(client, held)
    wait_until("the next offer", lambda: statuses(client, ann, bob) == ["EXPIRED", "OFFERED"])
    assert client.confirm(ann, {}).status == 410
    assert client.confirm(bob, {}).status == 200
    world.judge()


def test_an_offer_is_at_the_price_of_its_moment(world):
    assert world.ctl("show", "create", "--slug", "steep", "--tier", "GA:1000:2",
                     "--price-step", "GA:50%:3000").code == 0
    world.start()
    client = world.client()
    first, _ = (client.book("steep", user, "GA", 1).json["id"] for user in ("tom", "tim"))
    (ann,) = joined(client, "ann", show="steep")
    cancel(client, first)
    assert entry(client, ann)["booking"]["amount"] == 3000
    world.judge()


def test_an_offer_of_numbered_seats_has_the_best_of_them(world):
    path = world.folder / "map.json"
    path.write_text(json.dumps([{"tier": "Stalls", "row": row, "number": 1, "count": 4}
                                for row in "AB"]))
    world.start_redis()
    result = world.ctl("show", "create", "--slug", "hall", "--map", path, "--tier", "Stalls:4500")
    assert result.code == 0, result
    world.start()
    client = world.client()
    first, second = (client.book("hall", user, "Stalls", 4).json for user in ("tom", "tim"))
    ann, bob = (join(client, user, n, show="hall", tier="Stalls").json["id"]
                for user, n in (("ann", 2), ("bob", 2)))
    client.cancel(second["id"], {"seats": [second["seats"][0], second["seats"][2]]})
    assert sorted(entry(client, ann)["booking"]["seats"]) == sorted(
        [second["seats"][0], second["seats"][2]])
    cancel(client, first["id"])
    offered = entry(client, bob)["booking"]
    assert offered["seats"] == first["seats"][:2] and offered["amount"] == 9000
    assert leave(client, ann).json["status"] == "DECLINED"
    assert client.confirm(bob, {}).json["seats"] == first["seats"][:2]
    world.judge()


def test_an_offer_is_accepted_by_paying_it(world):
    world.show("paid", {"GA": (1000, 1)}, payment="required")
    world.start()
    world.start_courier()
    client = world.client()
    held = client.hold("paid", "tom", "GA", 1).json["id"]
    ann, bob = joined(client, "ann", "bob", show="paid")
    cancel(client, held)
    assert client.confirm(ann, {}).code == "PAYMENT_REQUIRED"
    answer = client.pay(ann, "p1")
    assert answer.status == 200 and answer.json["status"] == "SUCCEEDED"
    assert statuses(client, ann, bob) == ["ACCEPTED", "WAITING"]
    # What becomes of it later does not make it one that was declined.
    cancel(client, ann)
    assert statuses(client, ann, bob) == ["ACCEPTED", "OFFERED"]
    assert entry(client, ann)["booking"]["status"] == "CANCELLED"
    wait_until("the refund", lambda: world.value("SELECT count(*) FROM outbox") == 0)
    world.judge()


def test_a_payment_that_fails_gives_the_place_to_the_next(world):
    world.show("paid", {"GA": (1000, 1)})
    world.start()
    world.start_courier(simulated_failures=1000)
    client = world.client()
    held = client.hold("paid", "tom", "GA", 1).json["id"]
    ann, bob = joined(client, "ann", "bob", show="paid")
    cancel(client, held)
    answer = client.pay(ann, "p1")
    assert answer.json["status"] == "FAILED"
    assert statuses(client, ann, bob) == ["EXPIRED", "OFFERED"]
    world.judge()


# Leaving.

def test_who_leaves_is_offered_nothing(full, client):
    ann, bob = joined(client, "ann", "bob")
    left = leave(client, ann)
    assert left.status == 200 and left.json["status"] == "LEFT" and left.json["place"] is None
    assert entry(client, bob)["place"] == 1
    cancel(client, full.taken[0], quantity=1)
    assert statuses(client, ann, bob) == ["LEFT", "OFFERED"]
    again = leave(client, ann)
    assert (again.status, again.code) == (409, "ILLEGAL_STATE")
    assert join(client, "ann").status == 201


def test_leaving_declines_an_offer(full, client):
    ann, bob = joined(client, "ann", "bob")
    cancel(client, full.taken[0], quantity=1)
    left = leave(client, ann)
    assert left.status == 200 and left.json["status"] == "DECLINED"
    assert left.json["booking"]["status"] == "CANCELLED"
    assert statuses(client, bob) == ["OFFERED"]


def test_the_request_tells_what_leaving_did(full, client):
    """Of who waited, and of who declines an offer: what the DELETE itself would have been told."""
    ann, bob = joined(client, "ann", "bob")
    cancel(client, full.taken[0], quantity=1)
    for one, status in ((ann, "DECLINED"), (bob, "DECLINED"), (joined(client, "cid", quantity=4)[0], "LEFT")):
        accepted = client.ask("DELETE", f"/v1/waitlist/{one}", headers={"Prefer": "respond-async"})
        assert accepted.status == 202, accepted
        told = client.get(accepted.header("Location"), prefer="wait=20")
        assert told.status == 200 and told.json["status"] == status, told
        assert told.json == entry(client, one)


def test_only_an_entry_can_be_left_and_only_by_its_user(full, client):
    (ann,) = joined(client, "ann")
    assert leave(client, ann, {"user": "eve"}).status == 404
    assert leave(client, full.taken[0]).status == 404
    assert client.get(f"/v1/waitlist/{full.taken[0]}").status == 404
    assert client.get("/v1/waitlist/nonsense").status == 404
    assert client.booking(full.taken[0]).json["status"] == "CONFIRMED"
    assert leave(client, ann, {"user": "ann"}).json["status"] == "LEFT"


def test_who_waits_has_no_booking_yet(client):
    (ann,) = joined(client, "ann")
    assert client.confirm(ann, {}).status == 404 and client.cancel(ann, None).status == 404
    assert client.booking(ann).status == 404


# Failures.

def test_the_order_survives_a_wiped_redis(full, client):
    waiting = joined(client, *[f"user-{n}" for n in range(6)])
    leave(client, waiting[1])
    full.redis_client().flushall()
    wait_until("a decision", lambda: client.cancel(full.taken[0], {"quantity": 1}).status == 200)
    wait_until("an offer", lambda: statuses(client, waiting[0]) == ["OFFERED"])
    last = join(client, "last")
    assert last.json["place"] == 5
    cancel(client, full.taken[1])
    assert statuses(client, *waiting, last.json["id"]) == [
        "OFFERED", "LEFT", "OFFERED", "OFFERED", "WAITING", "WAITING", "WAITING"]


def test_the_order_survives_a_killed_allocator(full, client):
    waiting = joined(client, *[f"user-{n}" for n in range(4)])
    cancel(client, full.taken[0], quantity=1)
    killed = full.owner()
    full.expect_exit(killed)
    killed.kill9()
    full.start_allocator()
    full.wait_owner(other_than=killed)
    cancel(client, full.taken[1])
    assert statuses(client, *waiting) == ["OFFERED"] * 3 + ["WAITING"]


def test_places_that_came_while_nobody_looked_are_offered(full, client):
    """Inventory that is added by hand: whoever rebuilds looks at the lists."""
    waiting = joined(client, "ann", "bob", quantity=2)
    owner = full.owner()
    full.expect_exit(owner)
    owner.kill9()
    with full.connection.cursor() as cursor:
        cursor.execute("UPDATE tiers SET capacity = capacity + 3, available = available + 3"
                       " WHERE code = 'GA'")
    full.redis_client().flushall()
    full.start_allocator()
    wait_until("an offer", lambda: statuses(client, *waiting) == ["OFFERED", "WAITING"])


def test_a_sale_that_opens_again_offers_what_came_back(full, client):
    ann, = joined(client, "ann", quantity=2)
    assert full.ctl("show", "close", "gala").code == 0
    cancel(client, full.taken[0])
    assert statuses(client, ann) == ["WAITING"]
    assert full.ctl("show", "open", "gala").code == 0
    wait_until("an offer", lambda: statuses(client, ann) == ["OFFERED"])


def test_more_offers_than_one_batch_makes(world):
    """600 wait for one place each; all of the hall comes back at once."""
    world.show("big", {"GA": (100, 600)}, max_per_booking=600)
    world.start()
    client = world.client()
    whole = client.book("big", "tom", "GA", 600).json["id"]
    waiting = joined(client, *[f"user-{n}" for n in range(600)], show="big")
    cancel(client, whole)
    wait_until("600 offers", lambda: world.value(
        "SELECT count(*) FROM waitlist WHERE status = 'OFFERED'") == 600)
    assert statuses(client, waiting[0], waiting[-1]) == ["OFFERED", "OFFERED"]
    world.judge()


def test_bookers_and_those_who_wait_never_get_more_than_there_is(world):
    """Everybody at once: booking, holding, joining, leaving, cancelling, confirming offers."""
    world.show("rush", {"GA": (100, 20)}, max_per_user=4, max_per_booking=4, hold_seconds=1,
               offer_seconds=1)
    world.start(gateways=2)
    end = time.monotonic() + 6
    failures = []

    def live(number):
        client = world.client(gateway=number % 2)
        user, mine, waiting = f"user-{number}", [], []
        turn = number
        while time.monotonic() < end:
            turn += 1
            quantity = turn % 3 + 1
            answer = client.book("rush", user, "GA", quantity, hold=turn % 2 == 0)
            if answer.status == 201:
                mine.append(answer.json["id"])
            answer = join(client, user, quantity, show="rush")
            if answer.status == 201:
                waiting.append(answer.json["id"])
            for one in waiting[-2:]:
                told = entry(client, one)
                if told["status"] == "OFFERED" and turn % 3:
                    client.confirm(one, {})
                    mine.append(one)
                elif turn % 5 == 0:
                    leave(client, one)
            if mine and turn % 4:
                client.cancel(mine.pop(0), None)

    def run(number):
        try:
            live(number)
        except Exception as error:  # pylint: disable=broad-except
            failures.append(repr(error))
    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience(60))
        assert not thread.is_alive()
    assert not failures
    assert world.value("SELECT count(*) FROM waitlist WHERE status = 'OFFERED'") > 0
    wait_until("no hold is left", lambda: world.value(
        "SELECT count(*) FROM bookings WHERE status = 'HELD'") == 0)
    world.judge()
