"""What people do with places that are counted: a row an operation.

Adding an operation is adding a coroutine with a decorator. It says what it wishes (`visit.take`,
`visit.change`, `visit.look`) and asks for it in its own way (`visit.settle`, `visit.ask`): see
clients.py. Numbered seats, waiting lists and several nights are in operations_seats.py and
operations_waiting.py.
"""

import asyncio
from dataclasses import dataclass

from venue import ROOM_SHOW

ROWS = {}


@dataclass(frozen=True)
class Row:
    name: str
    weight: int
    act: object


def operation(weight):
    def enter(act):
        ROWS[act.__name__] = Row(act.__name__, weight, act)
        return act
    return enter


@operation(14)
async def book(visit):
    await visit.settle(visit.take("BOOK"))


@operation(8)
async def book_without_a_key(visit):
    await visit.settle(visit.take("BOOK", key=False))


@operation(4)
async def book_several_tiers(visit):
    await visit.settle(visit.take("BOOK", tiers=3))


@operation(8)
async def book_and_cancel(visit):
    await cancelled(visit, visit.take("BOOK"))


@operation(6)
async def book_and_cancel_in_part(visit):
    booking = await visit.settle(visit.take("BOOK", quantity=3))
    if booking:
        line = visit.odds.choice(booking["items"])
        give = [line["tier"] if len(booking["items"]) > 1 else None,
                visit.odds.randint(1, line["quantity"])]
        if await visit.settle(visit.change("CANCEL", booking, give=give)):
            await visit.look_at(booking["id"])


@operation(10)
async def hold_and_confirm(visit):
    booking = await visit.settle(visit.take("HOLD"))
    if booking:
        await asyncio.sleep(visit.odds.uniform(0, 0.3))
        await visit.settle(visit.change("CONFIRM", booking))


@operation(10)
async def hold_and_pay(visit):
    """What it comes to is judged by the journal and by the provider's own books."""
    booking = await visit.settle(visit.take("HOLD"))
    if booking:
        await visit.settle(visit.pay(booking))
        if visit.odds.random() < 0.3:
            await visit.settle(visit.change("CANCEL", booking))


@operation(4)
async def pay_and_give_some_back(visit):
    """What is given back of a paid booking is paid back, and not more."""
    booking = await visit.settle(visit.take("HOLD", quantity=3))
    if booking:
        await visit.settle(visit.pay(booking))
        line = visit.odds.choice(booking["items"])
        await visit.settle(visit.change("CANCEL", booking, give=[line["tier"], 1]))


@operation(5)
async def hold_and_cancel(visit):
    await cancelled(visit, visit.take("HOLD"))


@operation(8)
async def hold_and_forget(visit):
    """It expires; a confirmation that comes about then is granted or refused, and that is that."""
    booking = await visit.settle(visit.take("HOLD"))
    if booking and visit.odds.random() < 0.5:
        await asyncio.sleep(visit.odds.uniform(0.8, 3.2))
        await visit.settle(visit.change("CONFIRM", booking))


@operation(6)
async def hold_extend_confirm(visit):
    booking = await visit.settle(visit.take("HOLD"))
    if booking and await visit.settle(visit.change("EXTEND", booking)):
        await asyncio.sleep(visit.odds.uniform(0, 2.0))
        await visit.settle(visit.change("CONFIRM", booking))


@operation(3)
async def hold_confirm_cancel_at_once(visit):
    """Three commands about one booking under way together: any order, one outcome each."""
    booking = await visit.settle(visit.take("HOLD"))
    if booking:
        await asyncio.gather(*[visit.settle(visit.change(op, booking))
                               for op in ("CONFIRM", "CANCEL", "EXTEND")])


@operation(6)
async def book_twice_at_once_under_one_key(visit):
    wish = visit.take("BOOK")
    await asyncio.gather(visit.settle(wish), visit.settle(wish))


@operation(8)
async def repeat_under_the_same_key(visit):
    """Once at once, once later: whatever happened meanwhile, the answer is the first one."""
    wish = visit.take(visit.odds.choice(["BOOK", "HOLD"]))
    await visit.settle(wish)
    await visit.ask(wish)
    await asyncio.sleep(visit.odds.uniform(0.5, 8.0))
    await visit.settle(wish)


@operation(3)
async def use_a_key_for_something_else(visit):
    """Refused, granted or repeated: a key stands for what it was first used for."""
    wish = visit.take("BOOK")
    await visit.settle(wish)
    await asyncio.sleep(visit.odds.uniform(0.0, 4.0))
    if any(said["status"] in (201, 409) for said in wish.decided()):
        await visit.settle(visit.reuse(wish), polling=False)


@operation(8)
async def lose_the_answer_and_repeat(visit):
    """The client hangs up before the answer comes, and comes again under its key."""
    wish = visit.take("BOOK")
    await visit.ask(wish, timeout=visit.odds.uniform(0.0005, 0.02))
    await visit.settle(wish)


@operation(4)
async def lose_the_answer_for_good(visit):
    await visit.ask(visit.take("BOOK", key=False), timeout=visit.odds.uniform(0.0005, 0.02))


@operation(10)
async def respond_async(visit):
    wish = visit.take(visit.odds.choice(["BOOK", "HOLD"]), key=visit.odds.random() < 0.5)
    await visit.settle(wish, prefer="respond-async")


@operation(4)
async def short_deadline(visit):
    """Into the stream, as a gateway writes it: HTTP gives nobody less than thirty seconds."""
    await visit.settle_in_stream(visit.odds.choice([1, 5, 20, 100, 500]))


@operation(6)
async def join_a_waiting_room(visit):
    await visit.join_room(ROOM_SHOW)


@operation(5)
async def read_availability(visit):
    await visit.look("availability", f"/v1/shows/{visit.slug}/availability")


@operation(2)
async def read_shows(visit):
    await visit.look("show", visit.odds.choice(["/v1/shows", f"/v1/shows/{visit.slug}"]))


@operation(4)
async def read_a_booking(visit):
    booking = await visit.settle(visit.take("BOOK"))
    if booking:
        await visit.look_at(booking["id"])


async def cancelled(visit, wish):
    booking = await visit.settle(wish)
    if booking:
        await visit.settle(visit.change("CANCEL", booking))
        await visit.look_at(booking["id"])
