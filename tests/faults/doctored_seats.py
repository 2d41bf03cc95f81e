"""Seats that two have, that nobody has, that stay locked; some nights of several."""

import json

from harness.words import (GRANTED, HOLD, SEVERAL, Reply, fresh_id, id_bytes, id_text, pack_seats,
                           unpack_seats)

from doctoring import (a_granted, doctored, journal, one, rewrite, said_by, wishes, with_answer,
                       write)


def confirmed(cursor):
    """A confirmed booking of numbered seats of one tier: id, show."""
    return one(cursor, "SELECT b.id, b.show FROM bookings b JOIN tiers t USING (show, tier)"
               " WHERE t.kind = 'seats' AND b.status = 'CONFIRMED' ORDER BY b.quantity LIMIT 1")


# Postgres.

@doctored("postgres", "seats_are_of_their_bookings", "seats_recounted", "postgres_is_whole")
def a_seat_of_nobody(_clean, cursor):
    booking, show = confirmed(cursor)
    cursor.execute("DELETE FROM seats_taken WHERE show = %s AND booking = %s", [show, booking])


@doctored("postgres", "seats_are_of_their_bookings", "postgres_is_whole")
def a_seat_of_a_booking_that_ended(_clean, cursor):
    ended, = one(cursor, "SELECT b.id FROM bookings b JOIN booking_seats l ON l.booking = b.id"
                 " WHERE b.status = 'CANCELLED' LIMIT 1")
    cursor.execute("INSERT INTO seats_taken SELECT show, position, %s FROM seats WHERE status = 0"
                   " LIMIT 1", [ended])


@doctored("postgres", "seats_are_of_their_bookings", "seats_recounted")
def two_bookings_with_one_seat(_clean, cursor):
    """By their lists; the row can only be of one of them."""
    first, show = confirmed(cursor)
    cursor.execute("UPDATE booking_seats SET seats = (SELECT seats FROM booking_seats WHERE"
                   " booking = %s) WHERE booking = (SELECT b.id FROM bookings b JOIN booking_seats"
                   " l ON l.booking = b.id WHERE b.show = %s AND b.status = 'CONFIRMED' AND"
                   " b.id <> %s LIMIT 1)", [first, show, first])
    assert cursor.rowcount == 1


@doctored("postgres", "seats_are_of_their_bookings")
def a_longer_list_than_places(_clean, cursor):
    booking, _ = confirmed(cursor)
    cursor.execute("UPDATE booking_seats SET seats = seats || 340 WHERE booking = %s", [booking])


@doctored("postgres", "seats_recounted")
def another_seat_than_was_granted(_clean, cursor):
    """Row, list and status agree; but it is not the one that its owner was told of."""
    booking, show = confirmed(cursor)
    free, = one(cursor, "SELECT max(position) FROM seats WHERE show = %s AND status = 0"
                " AND tier = (SELECT tier FROM bookings WHERE id = %s)", show, booking)
    had, = one(cursor, "SELECT min(position) FROM seats_taken WHERE booking = %s", booking)
    cursor.execute("UPDATE seats_taken SET position = %s WHERE (show, position) = (%s, %s)",
                   [free, show, had])
    cursor.execute("UPDATE booking_seats SET seats = array_append(array_remove(seats, %s), %s)"
                   " WHERE booking = %s", [had, free, booking])


@doctored("postgres", "no_seat_is_locked", "no_hold_is_stuck")
def a_seat_that_is_held_for_ever(_clean, cursor):
    booking, _ = confirmed(cursor)
    cursor.execute("UPDATE bookings SET status = 'HELD', expires_ms = created_ms + 1000"
                   " WHERE id = %s", [booking])


@doctored("postgres", "no_seat_is_locked", "no_payment_is_stuck")
def a_seat_that_waits_for_a_payment_for_ever(_clean, cursor):
    booking, _ = confirmed(cursor)
    cursor.execute("UPDATE bookings SET status = 'PENDING' WHERE id = %s", [booking])


# What was told, and what the journal says.

def named(reply):
    return reply.code == GRANTED and reply.op == HOLD and reply.booking["seats"]


@doctored("history", "told_is_decided")
def told_of_other_seats(_clean, history):
    said = said_by(wishes(history, lambda w: w.seats and w.kind == "take" and w.decided() and
                          said_by(w)["status"] == 201)[0])
    rewrite(said, seats=["R20-16"] * len(json.loads(said["body"])["seats"]))


@doctored("history", "told_is_decided")
def told_of_other_conflicts(_clean, history):
    for said in wishes(history, lambda w: w.seats and w.decided() and json.loads(
            said_by(w)["body"]).get("code") == "SEAT_TAKEN")[0].decided():
        rewrite(said, conflicts=["R20-16"])


@doctored("history", "maps_are_whole")
def a_map_with_a_seat_less(_clean, history):
    said = wishes(history, lambda w: w.op == "seats" and w.exchanges[0]["status"] == 200)[0] \
        .exchanges[0]
    rewrite(said, statuses=json.loads(said["body"])["statuses"][:-1])


@doctored("history", "decisions_are_true")
def asked_for_other_seats(_clean, history):
    """By the journal they got what they did not name."""
    wish = wishes(history, lambda w: w.seats and w.kind == "take" and w.decided() and
                  said_by(w)["status"] == 201)[0]
    wish.seats = ["R20-16"] * len(wish.seats)


@doctored("postgres", "decisions_are_true")
def a_seat_that_somebody_has_is_granted(_clean, cursor):
    """The same seats in a grant that follows it at once."""
    partition, version, answers, index = journal(cursor, named)
    raw, to, answer = answers[index]
    other = fresh_id(int.from_bytes(raw[:4], "big"), 0)
    write(cursor, partition, version, answers + [[other, to, answer.replace(raw, other)]])


@doctored("postgres", "decisions_are_true")
def worse_than_the_best_available(clean, cursor):
    def best(reply):
        wish = named(reply) and clean.wish_of.get(reply.booking["id"])
        return wish and not wish.seats and max(reply.booking["seats"]) < 300

    def change(fields):
        fields[5][7] = pack_seats([at + 17 for at in unpack_seats(fields[5][7])])
    with_answer(cursor, best, change)


@doctored("postgres", "decisions_are_true")
def refused_seats_that_were_available(_clean, cursor):
    def change(fields):
        fields[8] = pack_seats([340])
    with_answer(cursor, lambda r: r.conflicts, change)


# Several shows in one request.

@doctored("postgres", "several_are_all_or_none")
def a_night_less_than_was_granted(_clean, cursor):
    cursor.execute("DELETE FROM request_bookings WHERE (request, position) ="
                   " (SELECT request, max(position) FROM request_bookings GROUP BY 1 LIMIT 1)")


@doctored("postgres", "several_are_all_or_none", "acknowledged_is_there")
def a_night_that_is_not_there(_clean, cursor):
    cursor.execute("DELETE FROM bookings WHERE id = (SELECT booking FROM request_bookings"
                   " WHERE position = 2 LIMIT 1)")


@doctored("postgres", "several_are_all_or_none")
def nights_that_nobody_granted(clean, cursor):
    raw = next(raw for raw, d in clean.first.items() if d.reply.op == SEVERAL and
               d.reply.code == GRANTED)
    partition, version, answers, index = journal(
        cursor, lambda r: r.op == SEVERAL and r.code == GRANTED and r.booking["id"] == raw)
    del answers[index]
    write(cursor, partition, version, answers)


@doctored("history", "several_are_all_or_none")
def some_nights_of_a_wish(clean, history):
    """The wish was for another show too, of which it has nothing."""
    wish = a_granted(history, "several")
    other = next(show["show"] for show in clean.shows if show["slug"] == "gala")
    wish.parts = wish.parts + [[other, {1: 1}]]


@doctored("postgres", "decisions_are_true")
def a_night_under_another_id(_clean, cursor):
    partition, version, answers, index = journal(
        cursor, lambda r: r.op == SEVERAL and r.code == GRANTED)
    raw, to, answer = answers[index]
    part = Reply(answer).others[0]["id"]
    other = part[:15] + bytes([part[15] ^ 1])
    answers[index] = [raw, to, answer.replace(part, other)]
    write(cursor, partition, version, answers)


@doctored("history", "told_is_decided")
def told_of_a_night_less(_clean, history):
    said = said_by(a_granted(history, "several"))
    body = json.loads(said["body"])
    rewrite(said, bookings=body["bookings"][:-1])


@doctored("history", "everything_was_asked_for")
def nobody_asked_for_these_nights(_clean, history):
    wish = a_granted(history, "several")
    assert id_text(id_bytes(json.loads(said_by(wish)["body"])["id"])) in wish.ids()
    del history.wishes[wish.number]
