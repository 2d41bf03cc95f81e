"""Books of the provider, and payments, that do not agree."""

import copy

from doctoring import doctored


def a_charge(books, status="succeeded", refunded=False):
    given = {refund["payment_intent"] for refund in books.refunds}
    return next(intent for intent in books.intents if intent["status"] == status and
                (intent["id"] in given) == refunded)


@doctored("books", "money_is_for_the_living")
def charged_twice(_clean, books):
    books.intents.append({**copy.deepcopy(a_charge(books)), "id": "pi_again"})


@doctored("books", "money_is_for_the_living", "payments_are_the_providers")
def money_that_was_kept(_clean, books):
    charge = a_charge(books, refunded=True)
    books.refunds = [r for r in books.refunds if r["payment_intent"] != charge["id"]]


@doctored("books", "money_is_for_the_living", "payments_are_the_providers")
def money_that_was_given_back_to_who_has_a_place(_clean, books):
    charge = a_charge(books)
    books.refunds.append({"id": "re_odd", "amount": charge["amount"],
                          "payment_intent": charge["id"], "status": "succeeded"})


@doctored("books", "money_is_for_the_living", "payments_are_the_providers")
def charged_for_a_booking_that_failed(_clean, books):
    a_charge(books, "requires_payment_method")["status"] = "succeeded"


@doctored("books", "money_is_for_the_living", "payments_are_the_providers")
def charged_for_nothing(_clean, books):
    charge = copy.deepcopy(a_charge(books))
    charge["id"] = "pi_odd"
    charge["metadata"] = {"payment": "0" * 26, "booking": "0" * 26}
    books.intents.append(charge)


@doctored("books", "payments_are_the_providers")
def a_charge_that_the_provider_does_not_know(_clean, books):
    books.intents.remove(a_charge(books))


@doctored("postgres", "payments_are_the_providers")
def a_payment_of_another_amount(_clean, cursor):
    cursor.execute("UPDATE payments SET amount = amount + 1 WHERE id = (SELECT id FROM payments"
                   " WHERE status = 'SUCCEEDED' AND amount > 0 LIMIT 1)")


@doctored("postgres", "no_payment_is_stuck", "postgres_is_whole")
def a_booking_that_waits_for_its_payment(_clean, cursor):
    cursor.execute("UPDATE bookings SET status = 'PENDING' WHERE id = (SELECT booking FROM payments"
                   " WHERE status = 'SUCCEEDED' LIMIT 1)")


@doctored("postgres", "no_payment_is_stuck", "postgres_is_whole")
def a_refund_that_nobody_makes(_clean, cursor):
    cursor.execute("UPDATE refunds SET status = 'PENDING' WHERE id = (SELECT id FROM refunds"
                   " LIMIT 1)")
