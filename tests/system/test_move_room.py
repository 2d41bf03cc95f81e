"""A show with a waiting room moves: no number is given twice, nobody loses their place."""

import itertools
import json
import signal
import threading
import time

import pytest

from harness import draw
from harness.live import Listener
from harness.process import patience, wait_until
from harness.redis_cluster import RedisCluster
from harness.room import FAST, admitted, join, joined, keys_of, opened, room, wait_state
from test_admin import Operator

PLACES = 3000


@pytest.fixture
def two(world):
    """Two partitions, three allocators, two gateways; `gala` begins in the first."""
    return furnish(world)


def furnish(world, second=2, standbys=1):
    world.show("gala", {"GA": (1000, PLACES)}, max_per_user=4, max_per_booking=4)
    world.show("other", {"GA": (100, 50)}, partition=1)
    world.partitions = list(range(1, second + 1))
    for partition in world.partitions[1:]:
        assert world.ctl("partition", "add", partition).code == 0
    world.start(allocators=second + standbys, gateways=0)
    for _ in range(2):
        world.start_gateway(ticket_keys=keys_of(world))
    for partition in world.partitions:
        world.wait_owner(partition)
    return world


def where(world):
    return world.value("SELECT partition FROM shows WHERE slug = 'gala'")


def other_than(world, partition):
    return world.partitions[0] if partition != world.partitions[0] else world.partitions[-1]


def move(world, to=None):
    """To the other partition, unless it is there; once its room is here."""
    to = to or other_than(world, where(world))
    olga = Operator(world.client())

    def asked():
        answer = olga.post("/shows/gala/move", {"to": to}) if where(world) != to else None
        assert answer is None or answer.status in (200, 202, 409, 422, 503, 504), answer
        return where(world) == to
    wait_until(f"it to be in {to}", asked, 30, 0.1)
    return to


def arrived(world, seconds=20):
    wait_until("the room to arrive", lambda: world.value(
        "SELECT count(*) FROM rooms WHERE counted_in IS NOT NULL") == 0, seconds)


def events(world, name):
    return [event for allocator in world.allocators for event in allocator.events(name)]


AT_ONCE = 30  # people of one thread who wait


class People:
    """They join, wait, and book, until they are told to stop joining; each keeps what they saw."""

    def __init__(self, world, count=6, tabs=True):
        self.world = world
        self.tabs = tabs     # some join again, and have one place each
        self.numbers = itertools.count()
        self.arrivals = {}   # user → order of arrival
        self.drawn = {}      # user → number
        self.booked = {}     # user → booking
        self.problem = None
        self.is_over = threading.Event()
        self.end = time.monotonic() + patience(120)
        self.threads = [threading.Thread(target=self._run, args=(at,), daemon=True)
                        for at in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, at):
        client, waiting = self.world.gateways[at % 2].client(), {}
        try:
            while waiting or not self.is_over.is_set():
                if len(waiting) < AT_ONCE and not self.is_over.is_set():
                    user = f"user {next(self.numbers)}"
                    waiting[user] = self._join(client, user)
                for user, ticket in list(waiting.items()):
                    if self._look(client, user, ticket):
                        del waiting[user]
                time.sleep(0.1)
        except Exception as error:  # told in finish()
            self.problem = self.problem or error
        finally:
            client.close()

    def _ask(self, what, statuses=(503,)):
        """Until it is answered; who is not reached comes again."""
        while time.monotonic() < self.end and self.problem is None:
            try:
                answer = what()
            except OSError:
                answer = None
            if answer is not None and answer.status not in statuses:
                return answer
            time.sleep(0.05)
        raise TimeoutError("nobody answers")

    def _join(self, client, user):
        answer = self._ask(lambda: join(client, user))
        assert answer.status == 201, answer
        assert self.arrivals.setdefault(user, answer.json["arrival"]) == answer.json["arrival"]
        return answer.json["ticket"]

    def _look(self, client, user, ticket):
        """True once they have booked."""
        if self.tabs and int(user.split()[1]) % 7 == 0:
            self._join(client, user)
        answer = self._ask(lambda: client.get("/v1/queue/" + ticket))
        assert answer.status == 200, answer
        seen = answer.json
        if seen["number"] is not None:
            assert self.drawn.setdefault(user, seen["number"]) == seen["number"]
        if seen["state"] != "admitted":
            assert seen["state"] in ("draw", "waiting"), seen
            return False
        booked = self._ask(lambda: client.book(
            "gala", user, "GA", key=f"key of {user}", admission=seen["admission"]),
            (202, 503, 504))
        assert booked.status == 201, booked
        self.booked[user] = booked.json["id"]
        return True

    def await_joined(self, more=15):
        goal = len(self.arrivals) + more
        wait_until("people to join", lambda: self.problem or len(self.arrivals) >= goal, 30)

    def await_booked(self, more=15):
        goal = len(self.booked) + more
        wait_until("people to book", lambda: self.problem or len(self.booked) >= goal, 40)

    def finish(self):
        """Whoever has joined gets in and books; then all of it is looked at."""
        self.is_over.set()
        for thread in self.threads:
            thread.join(patience(90))
            assert not thread.is_alive(), f"somebody waits for ever: {self.problem}"
        if self.problem is not None:
            raise self.problem
        assert len(set(self.arrivals.values())) == len(self.arrivals), "a number was given twice"
        assert len(set(self.drawn.values())) == len(self.drawn)
        assert set(self.booked) == set(self.arrivals)
        rows = self.world.rows("SELECT b.user_id, a.number FROM bookings b"
                               " JOIN admissions a ON a.booking = b.id")
        assert {row["user_id"]: row["number"] for row in rows} == self.drawn
        self._check_draw()
        arrived(self.world)
        self.world.judge()

    def _check_draw(self):
        client = self.world.client()
        after = wait_until("the room", lambda: (
            answer := client.get("/v1/shows/gala/queue")).status == 200 and answer.json)
        key, count = bytes.fromhex(after["key"]), after["arrivals"]
        assert draw.commitment_of(key).hex() == after["commitment"]
        for user, arrival in self.arrivals.items():
            number = draw.number_of(key, count, arrival) if arrival <= count else arrival
            assert self.drawn[user] == number, user
        path = self.world.folder / "draw.json"
        path.write_text(json.dumps(after))
        assert self.world.ctl("draw", "verify", path).code == 0


def begin(world, *words):
    room(world, "--opens-at", "2099-01-01T00:00:00Z", "--rate", FAST, *words)
    client = world.client()
    wait_until("the room", lambda: client.get("/v1/shows/gala/queue").status == 200
               and client.get("/v1/shows/gala/queue").json["state"] != "off")


def open_now(world):
    room(world, "--opens-at", "now")


def test_it_moves_with_its_room_there_and_back(two):
    opened(two, two.client(), "--pause")
    client = two.client(1)
    first = joined(client, "ann", "bob", None)
    assert [one["arrival"] for one in first] == [1, 2, 3]
    epoch = two.value("SELECT epoch FROM partitions WHERE partition = 1")
    assert move(two) == 2
    arrived(two)
    more = joined(client, "ann", "carl")
    assert [one["arrival"] for one in more] == [1, 4], "one place each, and none is skipped"
    assert two.value("SELECT epoch FROM partitions WHERE partition = 1") == epoch
    assert not two.redis_client().keys("usher:{1}:*room*")
    assert move(two) == 1
    arrived(two)
    assert [one["arrival"] for one in joined(client, "bob", "dora")] == [2, 5]
    room(two, "--resume")
    for one in first + more:
        assert wait_state(client, one["ticket"], "admitted")["admission"]
    assert two.value("SELECT serving FROM rooms") == 5
    two.judge()


def test_who_was_admitted_books_once_wherever(two):
    opened(two, two.client())
    client = two.client()
    mine, other = admitted(client, "ann"), admitted(client, "bob")
    first = client.book("gala", "ann", "GA", admission=mine["admission"])
    assert first.status == 201, first
    move(two)
    for _ in range(2):
        def told(user, admission):
            return wait_until("a decision", lambda: (answer := client.book(
                "gala", user, "GA", admission=admission)).status not in (503, 504) and answer)
        assert told("ann", mine["admission"]).status == 403
        used = wait_until("an answer", lambda: (
            answer := client.get("/v1/queue/" + mine["ticket"])).status != 503 and answer)
        assert used.status in (200, 410)
        again = wait_state(client, other["ticket"], "admitted")
        arrived(two)
        move(two)
    assert told("bob", again["admission"]).status == 201
    assert told("bob", again["admission"]).status == 403
    wait_until("her ticket to be used", lambda: client.get(
        "/v1/queue/" + mine["ticket"]).status == 410)
    arrived(two)
    two.judge()


def test_who_did_not_come_stays_away(two):
    opened(two, two.client(), "--no-show-seconds", 1)
    client = two.client()
    mine = joined(client, "ann")[0]
    room_key = "usher:{1}:room:" + str(mine["show_id"])
    wait_until("it to be over", lambda: int(two.redis_client().hget(room_key, "gone") or 0) >= 1)
    move(two)
    arrived(two)
    over = wait_until("an answer", lambda: (
        answer := client.get("/v1/queue/" + mine["ticket"])).status != 503 and answer)
    assert over.status == 410, over


@pytest.mark.parametrize("words", [["--mode", "auto"], ["--mode", "off"], ["--pause"]])
def test_every_kind_of_room_moves(two, words):
    room(two, "--order", "arrival", "--rate", FAST, *words)
    client = two.client()
    time.sleep(1.2)  # the owner has read it
    for to in (2, 1):
        move(two, to)
        arrived(two)
    room(two, "--mode", "on", "--resume")
    wait_until("it to be on", lambda: client.get("/v1/shows/gala/queue").json.get("state") == "open"
               if client.get("/v1/shows/gala/queue").status == 200 else False)
    mine = admitted(client, "ann")
    assert client.book("gala", "ann", "GA", admission=mine["admission"]).status == 201
    two.judge()


def test_numbers_of_a_room_that_was_switched_off_meanwhile_are_not_given_again(two):
    opened(two, two.client(), "--pause")
    client = two.client()
    seen = {one["arrival"] for one in joined(client, None, None)}
    for to in (2, 1):
        room(two, "--mode", "off")
        move(two, to)
        arrived(two)
        room(two, "--mode", "on")
        fresh = {one["arrival"] for one in joined(client, None, None)} if wait_until(
            "it to be on", lambda: join(client).status in (201, 503)) else set()
        assert len(fresh) == 2 and not fresh & seen
        seen |= fresh
    two.judge()


def test_what_is_told_goes_on_with_the_new_place(two):
    opened(two, two.client(), "--pause")
    client = two.client()
    joined(client, None)
    with Listener(two.gateways[0].port, "/v1/shows/gala/events") as listener:
        def told(count):
            return any(e.type == "queue" and e.json["joined"] == count for e in listener.events)
        wait_until("the room", lambda: told(1))
        move(two)
        arrived(two)
        joined(client, None)
        wait_until("news from there", lambda: told(2))
        assert not any(e.type == "queue" and e.json["state"] == "off" for e in listener.events)
    two.judge()


def test_it_does_not_move_on_before_its_room_has_arrived(two):
    opened(two, two.client(), "--pause")
    with two.cluster.connect(two.database) as connection:
        connection.autocommit = False
        with connection.cursor() as cursor:
            cursor.execute("UPDATE rooms SET counted_in = 2")
            with pytest.raises(Exception, match="has not arrived yet"):
                cursor.execute("SELECT admin_move_show(1, '{\"to\": 2}')")
        connection.rollback()
    two.judge()


def test_verify_tells_what_is_wrong_with_a_room_that_has_moved(two):
    opened(two, two.client(), "--pause")
    show = joined(two.client(), "ann")[0]["show_id"]
    move(two)
    arrived(two)
    two.judge()
    two.redis_client().hset(f"usher:{{1}}:room:{show}", "upto", 100_000)
    result = two.ctl("verify")
    assert result.code == 1 and "partition 1, which it has left, may give numbers" in result.out
    two.redis_client().delete(f"usher:{{1}}:room:{show}")
    for allocator in two.allocators:
        allocator.stop()
    two.rows("UPDATE rooms SET counted_in = 2 RETURNING show")
    result = two.ctl("verify", "--postgres-only")
    assert result.code == 1 and "its waiting room is counted in 2" in result.out


def test_people_join_before_while_and_after_it_opens(two):
    """The draw is fixed in one partition and told in another; all who stay get in."""
    begin(two)
    people = People(two)
    people.await_joined(12)
    move(two)
    people.await_joined(8)
    move(two)
    people.await_joined(8)
    open_now(two)
    move(two)
    people.await_booked()
    for _ in range(3):
        move(two)
        people.await_booked(10)
    people.finish()


def test_redis_is_emptied_after_the_move(two):
    """Who has which place is lost with it (their tickets say it still); what was given is not."""
    begin(two)
    people = People(two, tabs=False)
    people.await_joined(12)
    move(two)
    two.redis_client().flushall()
    arrived(two)
    move(two)
    two.redis_client().flushall()
    open_now(two)
    people.await_booked()
    people.finish()


def test_what_redis_lost_where_it_was_is_skipped(two):
    """An old file of the room is not believed, and nothing of it stays."""
    opened(two, two.client(), "--pause")
    client, redis = two.client(1), two.redis_client()
    joined(client, "ann")
    reserved, old = two.value("SELECT issued_upto FROM rooms"), "usher:{1}:room:1"
    new = two.owner(2)
    new.send(signal.SIGSTOP)
    try:
        move(two, 2)
        redis.hset(old, "history", "of another day")
    finally:
        new.cont()
    arrived(two)
    assert joined(client, "bob")[0]["arrival"] > reserved
    wait_until("it to be said", lambda: events(two, "room_arrived_empty"))
    assert not redis.exists(old, "usher:{1}:room-users:1")
    two.judge()


@pytest.mark.parametrize("victim", ["old", "new", "both"])
def test_owners_die_while_it_moves(two, victim):
    begin(two)
    people = People(two)
    people.await_joined(12)
    for at in range(4):
        here = where(two)
        thread = threading.Thread(target=move, args=(two, 3 - here))
        thread.start()
        time.sleep(0.05 * at)  # each time a little later in what it takes
        for partition in {"old": [here], "new": [3 - here], "both": [here, 3 - here]}[victim]:
            two.wait_owner(partition).kill9()
            two.start_allocator()
        thread.join(60)
        assert not thread.is_alive()
        if at == 1:
            open_now(two)
    people.await_booked()
    people.finish()


@pytest.mark.parametrize("times", [1, 2])
def test_an_old_owner_that_wakes_touches_nothing(two, times):
    """Stopped before the show leaves; others take its partition, move the show, and perhaps back."""
    begin(two)
    people = People(two)
    people.await_joined(12)
    two.start_allocator()
    old = two.wait_owner(where(two))
    open_now(two)
    people.await_booked(5)
    old.send(signal.SIGSTOP)
    try:
        two.wait_owner(where(two), other_than=old, seconds=30)
        for _ in range(times):
            move(two)
            arrived(two)
        people.await_booked(5)
    finally:
        old.cont()
    wait_until("it to stand by", lambda: old.events("fenced") or old.events("away"))
    people.await_booked(5)
    people.finish()


def crowd_in(world, show, many):
    """So many more have a number there, made up: it takes a while to fetch them."""
    pipe = world.redis_client().pipeline(transaction=False)
    for first in range(0, many, 5000):
        pipe.hset(f"usher:{{1}}:room-users:{show}", mapping={
            f"crowd {n}": 1 for n in range(first, first + 5000)})
    pipe.execute()


def await_fetching(world, show):
    redis = world.redis_client()
    wait_until("some of it", lambda: 0 < redis.hlen(f"usher:{{2}}:room-users:{show}"), pause=0.001)


def test_who_fetches_it_and_then_owns_where_it_was_leaves_it_alone(world):
    """An epoch says nothing without its partition: here both have the same."""
    furnish(world, standbys=0)
    room(world, "--opens-at", "2099-01-01T00:00:00Z")
    client, redis = world.client(), world.redis_client()
    show, many = joined(client, "ann")[0]["show_id"], 100_000
    crowd_in(world, show, many)
    old, new = world.owner(1), world.owner(2)
    move(world)
    await_fetching(world, show)
    new.send(signal.SIGSTOP)
    third = world.start_allocator(partition=2)
    world.expect_exit(old)
    old.kill9()
    world.rows("UPDATE partitions SET epoch = (SELECT epoch FROM partitions WHERE partition = 2) - 1"
               " WHERE partition = 1 RETURNING 1")
    world.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
               " WHERE datname = current_database() AND application_name = %s", new.name)
    new.cont()
    assert world.wait_owner(1, other_than=old) is new
    assert world.wait_owner(2, other_than=new) is third
    arrived(world)
    time.sleep(1.5)  # it looks at rooms more often
    assert not [event for event in new.events("room_arrived") if " to=1 " in event]
    assert redis.hlen(f"usher:{{2}}:room-users:{show}") == many + 1
    assert joined(client, "ann")[0]["arrival"] == 1 and joined(client, "bob")[0]["arrival"] == 2
    redis.delete(f"usher:{{2}}:room-users:{show}")  # of whom most were made up
    world.judge()


def test_a_room_of_thousands_is_fetched_in_parts_and_again_by_the_next_owner(two):
    """Whoever fetches it dies in the middle of it: the next one begins anew."""
    room(two, "--opens-at", "2099-01-01T00:00:00Z")
    client, redis = two.client(), two.redis_client()
    show, many = joined(client, "ann")[0]["show_id"], 300_000
    crowd_in(two, show, many)
    two.start_allocator()
    move(two)
    await_fetching(two, show)
    owner = two.owner(2)
    if owner is not None:
        two.expect_exit(owner)
        owner.kill9()
    assert client.book("other", "ann", "GA").status == 201  # nobody else waits for it
    arrived(two)
    assert redis.hlen(f"usher:{{2}}:room-users:{show}") == many + 1
    assert not redis.exists(f"usher:{{1}}:room-users:{show}")
    assert joined(client, "ann")[0]["arrival"] == 1 and joined(client, "bob")[0]["arrival"] == 2
    redis.delete(f"usher:{{2}}:room-users:{show}")  # of whom most were made up
    two.judge()


@pytest.fixture
def clustered(world):
    """Partitions 1 and 3 lie on different nodes."""
    world.redis = RedisCluster(world.folder, replicas=0).start()
    furnish(world, second=3, standbys=0)
    assert world.redis.master_of(1) is not world.redis.master_of(3)
    yield world
    world.redis.stop()


def test_between_nodes_of_a_cluster(clustered):
    begin(clustered)
    people = People(clustered, count=4)
    people.await_joined(6)
    move(clustered)
    people.await_joined(6)
    open_now(clustered)
    people.await_booked(6)
    move(clustered)
    people.await_booked(6)
    people.finish()
    assert events(clustered, "room_arrived") and not events(clustered, "room_arrived_empty")


def test_where_it_was_is_not_to_be_reached(clustered):
    """After a while it goes on without what was counted there, behind what was reserved."""
    opened(clustered, clustered.client(), "--pause")
    client = clustered.client(1)
    seen = joined(client, "ann", "bob")
    reserved = clustered.value("SELECT issued_upto FROM rooms")
    new, node = clustered.owner(3), clustered.redis.master_of(1)
    new.send(signal.SIGSTOP)
    try:
        move(clustered)
        node.kill9()
    finally:
        new.cont()
    arrived(clustered, 40)
    wait_until("it to be said", lambda: events(clustered, "room_arrived_empty"))
    assert events(clustered, "room_not_fetched")
    assert joined(client, "carl")[0]["arrival"] > reserved
    room(clustered, "--resume", "--no-show-seconds", 1)
    for one in seen:
        assert wait_until("her turn", lambda one=one: client.get(
            "/v1/queue/" + one["ticket"]).status in (200, 410))
