"""Money: by Postgres and by the provider's own books. No charge twice, none for a booking that died."""

from harness import judge
from harness.words import id_bytes

from evidence import invariant


@invariant(8, "the provider has charged a booking once at most, and keeps what a living one costs")
def money_is_for_the_living(e):
    seen = {}
    for intent in e.books.intents:
        booking = intent["metadata"]["booking"]
        if booking in seen:
            yield f"{booking} was charged twice: {seen[booking]} and {intent}"
        seen[booking] = intent
    for booking, intent in seen.items():
        row = e.bookings.get(id_bytes(booking))
        if row is None:
            yield f"the provider charged for {booking}, which Postgres does not have: {intent}"
            continue
        lives = row["amount"] if row["status"] == "CONFIRMED" else 0
        if e.books.kept(intent) != lives:
            yield f"{booking} is {row['status']} for {row['amount']}, and the provider keeps " \
                  f"{e.books.kept(intent)}: {intent}"


@invariant(8, "payments and refunds in Postgres are those of the provider's books")
def payments_are_the_providers(e):
    intents = {intent["metadata"]["payment"]: intent for intent in e.books.intents}
    payments = judge.rows_of(e.connection, """
        SELECT p.*, coalesce((SELECT sum(r.amount) FROM refunds r
          WHERE r.payment = p.id AND r.status = 'SUCCEEDED'), 0)::bigint AS refunded
        FROM payments p""")
    for row in payments:
        intent = intents.pop(judge.id_text(judge.raw_id(row["id"])), None)
        taken = intent["amount"] if intent and intent["status"] == "succeeded" else None
        if row["amount"] == 0 and intent is None:
            continue  # nothing was to be paid, and nobody was asked
        if (row["status"] == "SUCCEEDED") != (taken is not None) or taken not in (
                None, row["amount"]):
            yield f"payment {row['id']} is {row['status']} of {row['amount']}, and the provider " \
                  f"has {intent}"
        elif taken is not None and taken - e.books.kept(intent) != row["refunded"]:
            yield f"payment {row['id']} has {row['refunded']} refunded, and the provider has " \
                  f"given {taken - e.books.kept(intent)} back"
    yield from (f"the provider knows a payment that Postgres does not: {intent}"
                for intent in intents.values())


@invariant(7, "at rest no payment and no refund is under way, and nothing is left for couriers")
def no_payment_is_stuck(e):
    for statement, what in (
            ("SELECT id FROM bookings WHERE status = 'PENDING'", "booking"),
            ("SELECT id FROM payments WHERE status = 'PENDING'", "payment"),
            ("SELECT id FROM refunds WHERE status <> 'SUCCEEDED'", "refund"),
            ("SELECT id, kind FROM outbox", "row of the outbox")):
        for row in judge.rows_of(e.connection, statement):
            yield f"{what} {row} is not done with"
