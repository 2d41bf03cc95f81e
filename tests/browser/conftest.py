"""Fixtures: the worlds of tests/system, and browsers that look at them."""

import importlib.util

import pytest

from harness.process import REPOSITORY
from window import Window

# The same fixtures, from the file that has them.
_spec = importlib.util.spec_from_file_location("system_conftest",
                                               REPOSITORY / "tests/system/conftest.py")
_system = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_system)
pytest_configure = _system.pytest_configure
pytest_runtest_makereport = _system.pytest_runtest_makereport
session_folder, migrated, cluster = _system.session_folder, _system.migrated, _system.cluster
world = _system.world


@pytest.fixture(scope="session")
def windows(session_folder):
    """Browsers, started when they are first wanted: each with a profile of its own."""
    opened = []

    def window(number):
        while len(opened) <= number:
            opened.append(Window(session_folder / f"profile-{len(opened)}"))
        return opened[number]

    yield window
    for one in opened:
        one.close()


@pytest.fixture
def browser(windows):
    yield from looked_after(windows(0))


@pytest.fixture
def other_browser(windows):
    yield from looked_after(windows(1))


def looked_after(window):
    """A test's window: whatever its console says at the end must have been expected."""
    window.begin()
    yield window
    complaints = window.end()
    assert not complaints, "\n".join(complaints)
