"""What nobody asked for."""

import time

from harness.words import fresh_id

from doctoring import a_granted, doctored, one


@doctored("history", "everything_was_asked_for")
def nobody_asked(_clean, history):
    del history.wishes[a_granted(history).number]


@doctored("history", "everything_was_asked_for")
def somebody_asked_for_something_else(_clean, history):
    wish = a_granted(history)
    wish.lines = {tier: places + 1 for tier, places in wish.lines.items()}


@doctored("history", "changes_were_asked_for")
def nobody_asked_for_the_change(_clean, history):
    del history.wishes[a_granted(history, "change").number]


@doctored("history", "changes_were_asked_for")
def another_change_was_asked_for(_clean, history):
    wish = a_granted(history, "change")
    wish.op = "CANCEL" if wish.op == "CONFIRM" else "CONFIRM"
