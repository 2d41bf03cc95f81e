"""At the venue of several machines the checker can fail, too, and what is in its table can be had.

One thing differs between the two tests of a promotion: whether COMMIT waits for the standby, as
DESIGN.md demands. The standby is away while people book; then the primary's machine is lost and the
standby promoted. Who waited was told nothing; who did not was told of bookings that are gone.
"""

import tempfile
import time
from pathlib import Path

import pytest

from venue import Venue  # noqa: F401  (first: it makes the harness importable)
import checker
import faults_machines
from clients import Crowd
from harness.process import wait_until
from history import History, is_decision
from machines import Machines
from run import losing
from witness import TRIGGERS

BOOKING_SECONDS = 2


class Unconfirmed(Machines):
    """COMMIT returns when the primary alone has it."""

    confirming = False


class Failover:
    """A venue whose standby was away when its primary's machine was lost."""

    def __init__(self, folder, kind):
        self.venue = kind(folder, 1).build()
        self.venue.postgres.run("usher", TRIGGERS)
        self.history = History()
        self.crowd = Crowd(self.venue, self.history, 1, people=12, pause=0.2).start()

    def lose_what_the_standby_has_not(self):
        """How many were told of a grant while the standby was away."""
        time.sleep(BOOKING_SECONDS)
        standby, pair = self.venue.pair.standby.process, self.venue.pair
        standby.kill_all()
        standby.child.wait(10)
        before = self.granted()
        time.sleep(BOOKING_SECONDS)
        told = self.granted() - before
        assert pair.lose_primary(0.0, trusting=True)
        self.venue.supervise()
        wait_until("a primary, and a standby of it", self.is_whole, 60, 0.05)
        return told

    def is_whole(self):
        self.venue.supervise()
        return self.venue.pair.promotions == 1 and self.venue.pair.is_whole

    def granted(self):
        return sum(1 for wish in list(self.history.wishes.values()) for said in list(wish.exchanges)
                   if is_decision(said) and said["status"] in (200, 201) and wish.kind == "take")

    def spoken(self):
        self.crowd.stop()
        wait_until("people to go home", self.ended, 150)
        self.venue.wait_healthy()
        connection, redis = self.venue.connect(), self.venue.redis.client()
        try:
            checker.wait_for_rest(connection, redis)
            return {name for _, name, _ in checker.judge_all(checker.Evidence(
                self.history, connection, redis, [], losing(),
                checker.Books.of(self.venue.provider)))}
        finally:
            connection.close()

    def ended(self):
        self.venue.supervise()
        return self.crowd.ended()

    def close(self):
        self.crowd.stop()
        self.venue.close()


@pytest.fixture
def failover(request):
    with tempfile.TemporaryDirectory(prefix="usher-faults-") as name:
        Path(name).chmod(0o755)
        made = Failover(Path(name), request.param)
        try:
            yield made
        finally:
            made.close()


@pytest.mark.parametrize("failover", [Unconfirmed], indirect=True)
def test_what_no_standby_confirmed_is_missed_when_it_is_lost(failover):
    assert failover.lose_what_the_standby_has_not() > 0
    assert {"acknowledged_is_there", "told_is_decided"} <= failover.spoken()


@pytest.mark.parametrize("failover", [Machines], indirect=True)
def test_nothing_is_missed_when_the_standby_confirms(failover):
    failover.lose_what_the_standby_has_not()
    assert failover.spoken() == set()


def test_its_rows_are_of_this_venue():
    """Nothing that it says of itself is entered at the ordinary venue, and it has no other's disk."""
    rows = faults_machines.ROWS
    assert set(faults_machines.THE_SAME) < set(rows)
    assert not [name for name, row in rows.items() if row.needs == "disk"]
