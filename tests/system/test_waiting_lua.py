"""The waiting list of the decision script where it is longer than one run may look at."""

import pytest

from harness.decider import Decider
from harness.model import Command, Partition, Show, Tier
from harness.redis_server import Redis
from harness.words import BOOK, CANCEL, GRANTED, JOIN, fresh_id, unpack

NOW = 1_800_000_000_000
MANY = 5000        # who wait and may not have more; a run passes over 2000
VIP, GA = 1, 2


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    server = Redis(tmp_path_factory.mktemp("lua"))
    server.start()
    yield server.client()
    server.stop()


@pytest.fixture
def crowd(client):
    """All wait for the one VIP place, and all but the last have had to take another place since."""
    decider = Decider(client)
    decider.load(Partition([Show(1, {VIP: Tier(500, 1), GA: Tier(100, MANY + 1)}, max_per_user=1)]))
    decider.holder = ask(decider, [take("tom", VIP, 2 * MANY)])
    users = [f"user-{n}" for n in range(MANY + 1)]
    decider.ids = {}
    for first in range(0, len(users), 500):
        asked = [Command(fresh_id(1, NOW, random=first + n + 7), JOIN, 1, user, NOW + 1000, tier=VIP,
                         quantity=1) for n, user in enumerate(users[first:first + 500])]
        ask(decider, asked)
        decider.ids.update({user: command.id for user, command in zip(users[first:], asked)})
    for first in range(0, MANY, 500):
        ask(decider, [take(user, GA, first + n) for n, user in enumerate(users[first:first + 500])])
    return decider


def take(user, tier, number=0):
    return Command(fresh_id(1, NOW + 1, random=90_000 + number), BOOK, 1, user, NOW + 1000,
                   lines=[(tier, 1)])


def run(decider, commands):
    """(decisions, the ids of who was offered places, whether the next run is due at once)"""
    result = decider.run(commands, NOW)
    assert result[0] == b"DONE", result
    decider.version += 1
    return result[3], [offer[0] for offer in result[7]], result[2] == 1


def ask(decider, commands):
    decisions, offers, _ = run(decider, commands)
    assert all(decision[0] == GRANTED for decision in decisions) and not offers
    return commands[0].id


def cancel(decider):
    return Command(fresh_id(1, NOW, random=3), CANCEL, 1, "tom", NOW + 1000, booking=decider.holder)


def passed(decider):
    return decider.redis.exists(decider.key("passed:1"))


def test_whoever_may_have_it_is_found_however_long_the_list(crowd):
    """A run that must stop looking says so, and the next one goes on where it stopped."""
    _, offers, is_due = run(crowd, [cancel(crowd)])
    runs = 1
    while is_due and not offers:
        assert passed(crowd)
        _, offers, is_due = run(crowd, [])
        runs += 1
    assert offers == [crowd.ids[f"user-{MANY}"]]
    assert runs == MANY // 2000 + 1 and not is_due and not passed(crowd)


def test_nobody_may_have_it(crowd):
    """The search has an end, and begins anew when there is reason to."""
    ask(crowd, [take(f"user-{MANY}", GA, MANY)])
    _, offers, is_due = run(crowd, [cancel(crowd)])
    for _ in range(MANY // 2000 + 1):
        assert not offers
        if not is_due:
            break
        _, offers, is_due = run(crowd, [])
    assert not is_due and not offers and not passed(crowd)
    # One of the first gives back the place that kept it from being offered the other.
    raw = fresh_id(1, NOW + 1, random=90_000 + 3)
    _, offers, _ = run(crowd, [Command(fresh_id(1, NOW, random=5), CANCEL, 1, "user-3", NOW + 1000,
                                       booking=raw)])
    assert offers == [crowd.ids["user-3"]]
    waiting = crowd.redis.hget(crowd.key("waiting:1"), crowd.ids["user-4"])
    assert unpack(waiting)[2] == b"user-4", "the others wait on"
