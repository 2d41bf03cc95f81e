"""The scripts by which a waiting room leaves one partition and arrives in another."""

from pathlib import Path

import pytest

from harness.redis_server import Redis
from harness.words import Keys

LUA = Path(__file__).parents[2] / "lua"
SHOW, EPOCH, PEOPLE = 7, 5, 2500
HERE, THERE = 1, 2


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Redis(tmp_path_factory.mktemp("lua"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server):
    client = server.client()
    client.flushall()
    for partition in (HERE, THERE):
        state = Keys(partition).state
        client.hset(state, mapping={"epoch": EPOCH, "generation": "5"})
        client.sadd(of(partition, "5:shows"), SHOW)
        client.hset(of(partition, f"5:show:{SHOW}"), mapping={
            "tiers": 1, "1:available": 9, "1:held": 0, "1:pending": 0})
    return client


def of(partition, name):
    return f"usher:{{{partition}}}:{name}"


def room_keys(partition):
    return [of(partition, f"{name}:{SHOW}") for name in ("room", "room-users", "room-came",
                                                         "queue-news")]


def run(client, script, keys, *arguments):
    said = client.eval((LUA / f"{script}.lua").read_text(), len(keys), *keys, *arguments)
    return said.decode() if isinstance(said, bytes) else said


def look(client, partition, upto=100, serving=0, gone=0, move=0, epoch=EPOCH):
    room, _, came, _ = room_keys(partition)
    return run(client, "room_look", [Keys(partition).state, room, came], epoch, "5", SHOW, upto,
               serving, gone, 0, move)


def tell(client, partition, upto=100, serving=0):
    room, _, _, news = room_keys(partition)
    return run(client, "room_tell", [Keys(partition).state, room, news], EPOCH, upto, serving,
               "view", "channel", "news")


def join(client, partition, user="", instead=0):
    return run(client, "room_join", room_keys(partition)[:2], user, instead)


def come(client, partition, number):
    room, _, came, _ = room_keys(partition)
    return run(client, "room_come", [room, came, Keys(partition).state], number, SHOW)


def leave(client, partition, move, how="close"):
    return run(client, "room_leave", room_keys(partition), move, how)


def arrive(client, partition, what, *more, epoch=EPOCH):
    return run(client, "room_arrive", [Keys(partition).state] + room_keys(partition), epoch, what,
               *more)


def opened(client, partition=HERE, people=("ann", "bob", "carl"), serving=0):
    """A room of which numbers were given; it gave none before that."""
    look(client, partition, upto=0)
    tell(client, partition, len(people) + 97, serving)
    assert [join(client, partition, user) for user in people] == list(range(1, len(people) + 1))


def moved(client, move=1, came=b""):
    """Closed here, written down there, not looked at yet. The last number given."""
    last = leave(client, HERE, move)
    assert arrive(client, THERE, "begin") == "TAKEN"
    users = [text for pair in client.hgetall(room_keys(HERE)[1]).items() for text in pair]
    for first in range(0, len(users), 2000):
        assert arrive(client, THERE, "users", *users[first:first + 2000]) == "TAKEN"
    if came:
        assert arrive(client, THERE, "came", 0, came) == "TAKEN"
    assert arrive(client, THERE, "whole", move, last) == "TAKEN"
    return last


def test_a_room_that_left_gives_no_number_and_lets_nobody_in(client):
    opened(client, serving=2)
    assert come(client, HERE, 1) == "CAME"
    assert leave(client, HERE, 1) == 3
    assert join(client, HERE, "dora") == join(client, HERE, "ann") == "AWAY"
    assert come(client, HERE, 1) == come(client, HERE, 2) == "AWAY"
    assert leave(client, HERE, 1) == 3, "it is closed once, and says the same again"
    assert all(0 < client.ttl(key) <= 86400 for key in room_keys(HERE) if client.exists(key))


def test_its_owner_that_does_not_know_yet_does_nothing(client):
    opened(client)
    leave(client, HERE, 1)
    before = client.hgetall(room_keys(HERE)[0])
    assert look(client, HERE) == "MOVED" and tell(client, HERE, 200) == "MOVED"
    assert client.hgetall(room_keys(HERE)[0]) == before and join(client, HERE) == "AWAY"


def test_it_goes_on_where_it_was(client):
    people = [f"user {n}" for n in range(PEOPLE)]
    opened(client, people=people, serving=20)
    assert [come(client, HERE, n) for n in (1, 17)] == ["CAME", "CAME"]
    assert moved(client, came=client.get(room_keys(HERE)[2])) == PEOPLE
    assert join(client, THERE, "late") == come(client, THERE, 1) == "AWAY", "nobody has looked"
    assert look(client, THERE, upto=PEOPLE + 97, serving=20, gone=18, move=1)[0] == PEOPLE
    assert join(client, THERE, "late") == PEOPLE + 1
    assert join(client, THERE, "user 5") == 6
    assert [come(client, THERE, n) for n in (1, 2, 17, 19, 21)] == \
        ["CAME", "GONE", "CAME", "CAME", "WAIT"]


def test_it_is_fetched_again_by_the_next_owner(client):
    opened(client)
    assert moved(client) == moved(client) == 3
    assert look(client, THERE, move=1)[0] == 3
    assert leave(client, HERE, 1, "drop") == "DROPPED"
    assert not client.exists(*room_keys(HERE))
    assert leave(client, HERE, 1) == "LOST"
    assert look(client, THERE, move=1)[0] == 3


def test_where_it_was_lost_it_goes_on_behind_what_was_reserved(client):
    assert leave(client, HERE, 1) == "LOST"
    assert arrive(client, THERE, "begin") == "TAKEN"
    assert look(client, THERE, upto=100, serving=4, gone=4, move=1)[0] == 100
    assert join(client, THERE) == "FULL"
    tell(client, THERE, 200, 4)
    assert join(client, THERE) == 101
    assert come(client, THERE, 3) == "CAME", "whoever was called counts as having come"


def test_an_old_file_is_not_believed(client):
    opened(client)
    client.hset(room_keys(HERE)[0], "history", "of another day")
    assert leave(client, HERE, 1) == "LOST"
    assert leave(client, HERE, 1, "drop") == "DROPPED" and not client.exists(*room_keys(HERE))
    opened(client)
    leave(client, HERE, 1)
    client.hset(room_keys(HERE)[0], "closed", "of another day")
    assert leave(client, HERE, 1) == "LOST"
    opened(client, THERE)
    moved(client)
    client.hset(room_keys(THERE)[0], "staged", "of another day")
    assert look(client, THERE, upto=100, move=1)[0] == 100


def test_what_is_left_of_an_earlier_stay_is_not_believed(client):
    """It was there when the show left, and nobody came to fetch it."""
    opened(client)
    assert look(client, HERE, upto=100, move=2)[0] == 100
    tell(client, HERE, 200)
    assert join(client, HERE) == 101


def test_who_wakes_after_the_show_has_been_back_closes_and_drops_nothing(client):
    opened(client)
    moved(client)
    look(client, THERE, move=1)
    tell(client, THERE, 100)
    last = leave(client, THERE, 2)
    arrive(client, HERE, "begin")
    assert leave(client, HERE, 1, "drop") == "DROPPED"
    arrive(client, HERE, "users", "ann", 1)
    assert leave(client, HERE, 1) == "LOST" and leave(client, HERE, 1, "drop") == "DROPPED"
    assert client.hgetall(room_keys(HERE)[1]) == {b"ann": b"1"}, "half of it was fetched already"
    arrive(client, HERE, "whole", 2, last)
    for _ in range(2):
        assert leave(client, HERE, 1) == leave(client, HERE, 1, "drop") == "FENCED"
        assert look(client, HERE, move=2)[0] == last
    assert look(client, HERE, move=1) == "MOVED"


def test_an_old_owner_writes_nothing_down(client):
    opened(client)
    leave(client, HERE, 1)
    for what in (("begin",), ("users", "eve", 1), ("came", 0, b"\xff"), ("whole", 1, 9)):
        assert arrive(client, THERE, *what, epoch=EPOCH - 1) == "FENCED"
    assert not client.exists(*room_keys(THERE))
    client.delete(Keys(THERE).state)
    assert arrive(client, THERE, "begin") == "REBUILD"
