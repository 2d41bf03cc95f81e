"""Databases that were tampered with."""

import time

from harness.words import fresh_id

from doctoring import doctored, one


@doctored("postgres", "postgres_is_whole")
def a_counter_that_is_off(_clean, cursor):
    cursor.execute("UPDATE tiers SET available = available - 1, held = held + 1"
                   " WHERE (show, tier) = (1, 1)")


@doctored("postgres", "postgres_is_whole", "recount_equals_postgres")
def a_place_out_of_nothing(_clean, cursor):
    cursor.execute("UPDATE tiers SET available = available + 1 WHERE (show, tier) = (1, 1)")


@doctored("postgres", "postgres_is_whole")
def a_person_with_too_much(_clean, cursor):
    cursor.execute("UPDATE shows SET max_per_user = 1")


@doctored("postgres", "postgres_is_whole")
def a_booking_without_its_lines(_clean, cursor):
    booking, = one(cursor, "SELECT booking FROM booking_items LIMIT 1")
    cursor.execute("DELETE FROM booking_items WHERE booking = %s", [booking])


@doctored("postgres", "postgres_is_whole", "recount_equals_postgres", "everything_was_asked_for")
def a_booking_that_nobody_made(_clean, cursor):
    raw = fresh_id(1, int(time.time() * 1000))
    cursor.execute("INSERT INTO bookings SELECT (%s)::uuid, created_ms, expires_ms, amount,"
                   " fingerprint, show, tier, quantity, price, status, 'nobody', origin"
                   " FROM bookings WHERE show = 1 AND status = 'CONFIRMED' AND tier > 0 LIMIT 1",
                   [raw.hex()])
    cursor.execute("UPDATE tiers t SET available = available - quantity,"
                   " confirmed = confirmed + quantity FROM bookings b"
                   " WHERE b.id = (%s)::uuid AND t.show = b.show AND t.tier = b.tier", [raw.hex()])


@doctored("postgres", "recount_equals_postgres", "acknowledged_is_there")
def a_booking_that_is_lost(_clean, cursor):
    """Counters and all: Postgres by itself is whole."""
    booking, show, tier, quantity = one(
        cursor, "DELETE FROM bookings b WHERE id = (SELECT id FROM bookings WHERE tier > 0"
        " AND status = 'CONFIRMED' AND origin IS NULL AND id NOT IN"
        " (SELECT booking FROM booking_changes) LIMIT 1)"
        " RETURNING id, show, tier, quantity")
    assert booking
    cursor.execute("UPDATE tiers SET confirmed = confirmed - %s, available = available + %s"
                   " WHERE show = %s AND tier = %s", [quantity, quantity, show, tier])


@doctored("postgres", "recount_equals_postgres", "acknowledged_is_there")
def a_booking_cancelled_by_nobody(_clean, cursor):
    show, tier, quantity = one(
        cursor, "UPDATE bookings SET status = 'CANCELLED' WHERE id = (SELECT id FROM bookings"
        " WHERE tier > 0 AND status = 'CONFIRMED' LIMIT 1) RETURNING show, tier, quantity")
    cursor.execute("UPDATE tiers SET confirmed = confirmed - %s, available = available + %s"
                   " WHERE show = %s AND tier = %s", [quantity, quantity, show, tier])


@doctored("postgres", "acknowledged_is_there")
def a_booking_of_another_person(_clean, cursor):
    cursor.execute("UPDATE bookings SET user_id = 'somebody else' WHERE status = 'CONFIRMED'")


@doctored("postgres", "recount_equals_postgres")
def a_hold_with_another_end(_clean, cursor):
    cursor.execute("UPDATE bookings SET expires_ms = expires_ms - 1 WHERE status = 'EXPIRED'")


@doctored("postgres", "no_hold_is_stuck", "recount_equals_postgres")
def a_hold_that_never_ends(_clean, cursor):
    cursor.execute("UPDATE bookings SET status = 'HELD', expires_ms = created_ms + 1000"
                   " WHERE id = (SELECT id FROM bookings WHERE status = 'EXPIRED' LIMIT 1)")


@doctored("postgres", "no_hold_is_stuck")
def a_hold_that_ended_early(_clean, cursor):
    cursor.execute("UPDATE bookings SET expires_ms = expires_ms + 3600000"
                   " WHERE status = 'EXPIRED'")


@doctored("postgres", "shows_are_whole")
def half_a_show(_clean, cursor):
    cursor.execute("INSERT INTO shows (show, slug, name, partition) VALUES (99, 'half', 'Half', 1)")


@doctored("postgres", "changes_were_asked_for")
def a_change_that_nobody_made(_clean, cursor):
    cursor.execute("INSERT INTO booking_changes SELECT (%s)::uuid, booking, op, at_ms, answer"
                   " FROM booking_changes LIMIT 1", [fresh_id(1, 0).hex()])


@doctored("postgres", "journal_runs_forward", "postgres_is_whole")
def a_gap_in_the_journal(_clean, cursor):
    cursor.execute("DELETE FROM batches WHERE version = 5")


@doctored("postgres", "journal_runs_forward")
def an_epoch_that_runs_backwards(_clean, cursor):
    cursor.execute("UPDATE batches SET epoch = epoch + 1 WHERE version = 5")


@doctored("postgres", "journal_runs_forward")
def a_clock_that_runs_backwards(_clean, cursor):
    cursor.execute("UPDATE batches SET now_ms = now_ms + 3600000 WHERE version = 5")


@doctored("postgres", "journal_runs_forward")
def a_cursor_that_the_journal_does_not_know(_clean, cursor):
    cursor.execute("UPDATE partitions SET cursor = '1-1'")


@doctored("postgres", "postgres_witness_is_silent")
def a_commit_under_another_epoch(_clean, cursor):
    cursor.execute("SET LOCAL session_replication_role = origin")
    cursor.execute("INSERT INTO batches SELECT partition, version + 1000000, epoch + 1, cursor,"
                   " now_ms, answers FROM batches LIMIT 1")


@doctored("postgres", "postgres_witness_is_silent")
def a_cursor_that_moves_alone(_clean, cursor):
    cursor.execute("SET LOCAL session_replication_role = origin")
    cursor.execute("UPDATE partitions SET cursor = split_part(cursor, '-', 1)::bigint + 1 || '-0'")
