"""What people were told, spoiled."""

import json
import time

from harness.words import fresh_id, id_bytes, id_text

from doctoring import a_granted, doctored, rewrite, said_by, wishes


@doctored("history", "acknowledged_is_there", "told_is_decided")
def told_of_a_booking_that_is_not_there(_clean, history):
    wish = a_granted(history)
    for said in wish.decided():
        said["id"] = id_text(fresh_id(wish.show, int(time.time() * 1000)))
        rewrite(said, id=said["id"])


@doctored("history", "told_is_decided")
def told_of_more_places_than_were_given(_clean, history):
    said = said_by(a_granted(history))
    rewrite(said, quantity=json.loads(said["body"])["quantity"] + 1)


@doctored("history", "told_is_decided")
def told_another_reason(_clean, history):
    wish = wishes(history, lambda w: w.decided() and said_by(w)["status"] == 409)[0]
    code = json.loads(said_by(wish)["body"])["code"]
    for said in wish.decided():
        rewrite(said, code="LIMIT_EXCEEDED" if code == "SOLD_OUT" else "SOLD_OUT")


@doctored("history", "told_is_decided")
def told_granted_what_was_refused(clean, history):
    wish = wishes(history, lambda w: w.kind == "take" and w.decided() and
                  said_by(w)["status"] == 409)[0]
    granted = said_by(a_granted(history))
    for said in wish.decided():
        said["status"], said["body"] = granted["status"], granted["body"]


@doctored("history", "acknowledged_is_there")
def told_of_another_ones_booking(_clean, history):
    rewrite(said_by(a_granted(history)), user="somebody else")


@doctored("history", "acknowledged_is_there")
def told_confirmed_what_is_cancelled_now(clean, history):
    """Nobody cancelled it: the journal knows of no such change."""
    wish = wishes(history, lambda w: w.kind == "take" and w.op == "HOLD" and w.decided() and
                  said_by(w)["status"] == 201 and clean.bookings[
                      id_bytes(json.loads(said_by(w)["body"])["id"])]["status"] == "EXPIRED")[0]
    rewrite(said_by(wish), status="CONFIRMED")


@doctored("history", "answers_are_equal")
def two_answers_under_one_key(_clean, history):
    wish = wishes(history, lambda w: w.key is not None and len(w.decided()) > 1)[0]
    rewrite(wish.decided()[1], amount=1, error="another")


@doctored("history", "answers_are_equal")
def two_ids_under_one_key(_clean, history):
    wish = wishes(history, lambda w: w.key is not None and len(w.decided()) > 1)[0]
    wish.decided()[1]["id"] = id_text(fresh_id(wish.show, 0))


@doctored("history", "keys_are_not_reused")
def a_key_that_was_reused(_clean, history):
    granted = said_by(a_granted(history))
    wish = wishes(history, lambda w: w.kind == "reuse" and w.decided())[0]
    said_by(wish).update(status=201, body=granted["body"])


@doctored("history", "timed_out_is_nothing")
def told_timed_out_and_granted(_clean, history):
    for said in a_granted(history).decided():
        said["status"] = 504
        rewrite(said, code="TIMED_OUT")


@doctored("history", "timed_out_is_nothing", "answers_are_equal", "told_is_decided")
def granted_and_then_told_timed_out(_clean, history):
    wish = wishes(history, lambda w: w.kind == "take" and w.key is not None and
                  len(w.decided()) > 1 and said_by(w)["status"] == 201)[0]
    last = wish.decided()[-1]
    last["status"] = 504
    rewrite(last, code="TIMED_OUT")


@doctored("history", "timed_out_is_nothing", "answers_are_equal", "told_is_decided")
def told_timed_out_of_what_had_been_granted(clean, history):
    """Asked again since; but the booking is older than the 504."""
    wish = wishes(history, lambda w: w.kind == "take" and w.key is not None and
                  len(w.decided()) > 1 and said_by(w)["status"] == 201)[0]
    first = said_by(wish)
    first["status"] = 504
    rewrite(first, code="TIMED_OUT")
    for said in wish.exchanges:
        said["begin"] += 60
        said["end"] += 60


@doctored("history", "timed_out_is_nothing")
def granted_after_its_deadline(clean, history):
    wish = a_granted(history)
    decision = clean.first[id_bytes(said_by(wish)["id"])]
    wish.deadline_at_ms = decision.reply.at_ms - 1


@doctored("history", "order_is_of_time")
def decided_before_it_was_asked(clean, history):
    raw = next(raw for raw in clean.first if raw in clean.wish_of)
    for said in history.wishes[clean.wish_of[raw].number].exchanges:
        said["begin"] += 1000
        said["end"] += 1000


@doctored("history", "reads_are_fresh")
def a_stale_read(clean, history):
    """It was cancelled, its owner knew, and still it is shown as before."""
    wish = wishes(history, lambda w: w.kind == "read" and w.op == "booking" and any(
        x["status"] == 200 and json.loads(x["body"])["status"] == "CANCELLED"
        for x in w.exchanges))[0]
    rewrite(wish.exchanges[0], status="CONFIRMED")


@doctored("history", "reads_are_fresh")
def a_booking_that_is_not_found(_clean, history):
    wish = wishes(history, lambda w: w.op == "booking" and w.exchanges[0]["status"] == 200)[0]
    wish.exchanges[0]["status"] = 404


@doctored("history", "availability_adds_up")
def availability_that_does_not_add_up(_clean, history):
    wish = wishes(history, lambda w: w.op == "availability")[0]
    tiers = json.loads(wish.exchanges[0]["body"])["tiers"]
    tiers[0]["held"] += 1
    rewrite(wish.exchanges[0], tiers=tiers)


@doctored("history", "no_internal_errors")
def an_error_of_ours(_clean, history):
    wish = wishes(history, lambda w: w.op == "show")[0]
    wish.exchanges[0]["status"] = 500


@doctored("history", "no_internal_errors")
def refused_at_the_door_for_ever(_clean, history):
    wish = wishes(history, lambda w: w.op == "show")[0]
    wish.exchanges[0].update(status=503, error="no Retry-After")


@doctored("history", "nothing_is_stuck")
def never_decided(_clean, history):
    for said in a_granted(history).exchanges:
        said.update(status=202)


@doctored("history", "accepted_is_decided")
def lost_from_the_queue(clean, history):
    """The journal knows nothing of it, and no fault explains that."""
    wish = wishes(history, lambda w: w.row == "respond_async" and
                  any(x["status"] == 202 and x["what"] == "ask" for x in w.exchanges))[0]
    fresh = id_text(fresh_id(wish.show, int(time.time() * 1000)))
    for said in wish.exchanges:
        said["id"] = fresh


@doctored("history", "numbers_are_given_once")
def two_people_with_one_number(_clean, history):
    joined = [said for wish in history.wishes.values() if wish.op == "queue"
              for said in wish.exchanges if said["status"] == 201]
    assert len(joined) > 1, "nobody joined the waiting room"
    rewrite(joined[1], arrival=json.loads(joined[0]["body"])["arrival"])
