"""A waiting list in which somebody is passed over, offered too much, or forgotten."""

import json

from harness.words import GRANTED, JOIN

from doctoring import a_granted, doctored, one, rewrite, said_by, wishes, with_answer


# Postgres.

@doctored("postgres", "offers_are_in_order")
def an_offer_that_came_later(_clean, cursor):
    cursor.execute("UPDATE waitlist SET ended_ms = ended_ms + 1 WHERE id ="
                   " (SELECT id FROM waitlist WHERE status = 'OFFERED' LIMIT 1)")


@doctored("postgres", "offers_are_in_order")
def an_offer_at_another_price(_clean, cursor):
    cursor.execute("UPDATE bookings SET price = price + 1, amount = amount + quantity WHERE id ="
                   " (SELECT id FROM waitlist JOIN bookings USING (id) WHERE bookings.status ="
                   " 'EXPIRED' LIMIT 1)")
    assert cursor.rowcount == 1


@doctored("postgres", "offers_are_in_order")
def two_places_in_the_order_swapped(_clean, cursor):
    """Of one tier, and both were offered something: the later one first."""
    show, tier = one(cursor, "SELECT show, tier FROM waitlist GROUP BY 1, 2 HAVING count(*) > 1"
                     " LIMIT 1")
    cursor.execute("UPDATE waitlist SET position = 1000000 - position WHERE (show, tier) = (%s, %s)",
                   [show, tier])


@doctored("postgres", "offers_are_in_order", "acknowledged_waits")
def somebody_who_waited_is_forgotten(_clean, cursor):
    cursor.execute("DELETE FROM waitlist WHERE id = (SELECT id FROM waitlist"
                   " WHERE status = 'LEFT' LIMIT 1)")


@doctored("postgres", "offers_are_in_order", "waiting_was_asked_for")
def somebody_waits_who_never_joined(_clean, cursor):
    cursor.execute("INSERT INTO waitlist SELECT gen_random_uuid(), show, tier, quantity,"
                   " position + 1000000, joined_ms, NULL, 'WAITING', 'nobody', answer"
                   " FROM waitlist LIMIT 1")


@doctored("postgres", "nobody_is_passed_over")
def somebody_waits_for_what_is_free(_clean, cursor):
    """Of a show without limits: whoever waits may have it."""
    show, = one(cursor, "UPDATE waitlist SET status = 'WAITING', ended_ms = NULL WHERE id = (SELECT"
                " w.id FROM waitlist w JOIN tiers t USING (show, tier)"
                " WHERE w.quantity <= t.available LIMIT 1) RETURNING show")
    cursor.execute("UPDATE shows SET max_per_user = NULL, state = 'open' WHERE show = %s", [show])


@doctored("postgres", "acknowledged_waits")
def somebody_who_left_waits_again(_clean, cursor):
    cursor.execute("UPDATE waitlist SET status = 'WAITING', ended_ms = NULL WHERE id ="
                   " (SELECT id FROM waitlist WHERE status = 'LEFT' LIMIT 1)")


@doctored("postgres", "recount_equals_postgres", "offers_are_in_order")
def more_is_offered_than_was_free(_clean, cursor):
    """An entry that left was offered something all the same."""
    entry, = one(cursor, "UPDATE waitlist SET status = 'OFFERED' WHERE id = (SELECT id FROM waitlist"
                 " WHERE status = 'LEFT' LIMIT 1) RETURNING id")
    cursor.execute("INSERT INTO bookings (id, created_ms, expires_ms, amount, fingerprint, show,"
                   " tier, quantity, price, status, user_id) SELECT id, ended_ms, ended_ms + 1000,"
                   " 0, 0, show, tier, quantity, 0, 'CONFIRMED', user_id FROM waitlist"
                   " WHERE id = %s", [entry])
    cursor.execute("UPDATE tiers t SET available = available - w.quantity,"
                   " confirmed = confirmed + w.quantity FROM waitlist w"
                   " WHERE w.id = %s AND (t.show, t.tier) = (w.show, w.tier)", [entry])


@doctored("postgres", "everything_was_asked_for", "postgres_is_whole")
def an_offer_to_somebody_else(_clean, cursor):
    cursor.execute("UPDATE bookings SET user_id = 'somebody else' WHERE id ="
                   " (SELECT id FROM waitlist WHERE status = 'OFFERED' LIMIT 1)")


# Journals: the order of joining is that of the journal.

def is_join(reply):
    return reply.code == GRANTED and reply.op == JOIN


@doctored("postgres", "decisions_are_true")
def another_place_in_the_list(_clean, cursor):
    with_answer(cursor, is_join, lambda fields: fields[5].__setitem__(5, fields[5][5] + 1))


@doctored("postgres", "offers_are_in_order")
def a_larger_group_than_was_offered(clean, cursor):
    """It would not have fitted."""
    with_answer(cursor, lambda r: is_join(r) and r.waiting["id"] in clean.replay.offers,
                lambda fields: fields[5].__setitem__(3, fields[5][3] + 4))


# What was told.

@doctored("history", "acknowledged_waits")
def told_of_another_tier(_clean, history):
    said = said_by(a_granted(history, "join"))
    rewrite(said, quantity=json.loads(said["body"])["quantity"] + 1)


@doctored("history", "told_is_decided")
def told_of_another_place(_clean, history):
    said = said_by(a_granted(history, "join"))
    rewrite(said, place=json.loads(said["body"])["place"] + 1)


@doctored("history", "waiting_was_asked_for")
def nobody_asked_to_wait(_clean, history):
    del history.wishes[a_granted(history, "join").number]


@doctored("history", "waiting_was_asked_for")
def nobody_asked_to_leave(_clean, history):
    wish = wishes(history, lambda w: w.kind == "leave" and any(
        said["status"] == 200 and json.loads(said["body"])["status"] == "LEFT"
        for said in w.exchanges))[0]
    for other in wishes(history, lambda w: w.kind == "leave" and w.booking == wish.booking):
        del history.wishes[other.number]


@doctored("history", "entries_are_fresh")
def an_entry_that_is_not_found(_clean, history):
    wishes(history, lambda w: w.op == "entry")[0].exchanges[0]["status"] = 404


@doctored("history", "entries_are_fresh")
def told_of_an_offer_that_was_none(clean, history):
    """They left without ever having been offered anything."""
    offered = wishes(history, lambda w: w.op == "entry" and json.loads(
        w.exchanges[0]["body"])["status"] == "OFFERED")[0].exchanges[0]
    left = {wish.booking for wish in clean.history.wishes.values() if wish.kind == "leave" and any(
        said["status"] == 200 and json.loads(said["body"])["status"] == "LEFT"
        for said in wish.exchanges)}
    wish = wishes(history, lambda w: w.op == "entry" and w.booking in left)[0]
    wish.exchanges[0]["body"] = offered["body"].replace(
        json.loads(offered["body"])["id"], wish.booking)
