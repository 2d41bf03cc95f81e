"""A seed is a schedule, and the default run has every fault."""

import venue  # noqa: F401  (first: it makes the harness importable)
import faults
import faults_money  # noqa: F401  (enters its rows)
import schedule


def test_a_seed_is_a_schedule():
    assert schedule.plan(7, 120, faults.ROWS) == schedule.plan(7, 120, faults.ROWS)
    assert schedule.plan(7, 120, faults.ROWS) != schedule.plan(8, 120, faults.ROWS)


def test_the_default_run_has_every_fault():
    for seed in range(20):
        events = schedule.plan(seed, 150, faults.ROWS)
        missing = set(faults.ROWS) - {event.name for event in events}
        assert not missing, (seed, missing)
        assert all(event.at + event.lasting < 150 for event in events)


def test_thirty_minutes_have_at_least_two_hundred_faults():
    assert len(schedule.plan(1, 30 * 60, faults.ROWS)) >= 200
