"""What the pages refer to is there: files, headings, tests, targets of make, options, commands."""

import re
import subprocess

import pytest

from harness.process import REPOSITORY
from harness.programs import run_program

FILES = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True,
                       timeout=60).stdout.splitlines()
PAGES = [file for file in FILES if file.endswith(".md")]
SUFFIXES = r"(?:c|h|lua|sql|py|js|html|mk|pml|sh|md|yml|css|svg)"
# What a page names and no checkout has, or by its address.
ELSEWHERE = {"build/bench.json", "/waiting-room.js"}


def read(page):
    return (REPOSITORY / page).read_text(encoding="utf-8")


def headings(page):
    """As forges make anchors of them."""
    return {re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in read(page).splitlines() if line.startswith("#")}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if re.match(r"https?:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (REPOSITORY / page).parent / file if file else REPOSITORY / page
        assert target.exists(), link
        assert not anchor or anchor in headings(target.relative_to(REPOSITORY) if not file else
                                                target.resolve().relative_to(REPOSITORY)), link


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_are_there(page):
    for name in re.findall(rf"`([\w./-]+\.{SUFFIXES})`", read(page)):
        assert name in ELSEWHERE or any(f"/{file}".endswith(f"/{name}") for file in FILES), name


@pytest.mark.parametrize("page", PAGES)
def test_tests_that_are_named_are_there(page):
    texts = "\n".join(FILES) + "\n".join(
        read(file) for file in FILES if re.match(r"tests/.*test_\w+\.(py|c)$", file))
    for name in re.findall(r"\b(test_\w+)", read(page)):
        assert name in texts, name


@pytest.mark.parametrize("page", PAGES)
def test_targets_that_are_named_can_be_made(page):
    rules = "\n".join(read(file) for file in FILES if file == "Makefile" or file.endswith(".mk"))
    for name in re.findall(r"`make ([a-z-]+)", read(page)):
        assert re.search(rf"^(?:[a-z-]+ )*{name}(?: [a-z-]+)*:", rules, re.M), name


def test_commands_that_are_named_are_there():
    commands = run_program("usherctl", "which").err.partition("give one of: ")[2].strip().split(", ")
    firsts = {command.split()[0] for command in commands}
    for page in PAGES:
        for first, seconds in re.findall(r"\busherctl (?:--[\w-]+(?:=\S+| \S+) )*([a-z][a-z-]+)(?: ([a-z|]+))?",
                                         "\n".join(re.findall(r"`[^`\n]+`|^ *\S*usherctl .*", read(page), re.M))):
            assert first in firsts, (page, first)
            if first not in commands:
                for second in (seconds or "").split("|"):
                    assert not second or f"{first} {second}" in commands, (page, first, second)


def test_settings_that_are_named_are_there():
    """`some_option = value`, as it would stand in a file."""
    options = {option.replace("-", "_") for program in ("usher-gateway", "usher-allocator", "usher-courier", "usherctl")
               for option in re.findall(r"^  --([a-z-]+)", run_program(program, "--help").out, re.M)}
    known = {"synchronous_commit", "log_min_messages"}  # Postgres'
    for page in PAGES:
        for name in re.findall(r"`([a-z]+(?:_[a-z]+)*) = ", read(page)):
            assert name in options | known, (page, name)
