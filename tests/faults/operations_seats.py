"""What people do with numbered seats, and with several nights at once."""

import asyncio

from operations import operation

KEPT = 0.1  # of what is booked here; the rest comes back, so that there is always something to book


def neighbours(visit, code, most=3):
    """A few seats in a row, by name; near the front they are wanted by many."""
    seats = [seat for seat, tier in visit.seats.items() if tier == visit.codes[code]]
    places = visit.odds.randint(1, most)
    first = visit.odds.randrange(len(seats) - places)
    return seats[first:first + places]


def tier(visit):
    return visit.odds.choice(["FRONT", "REAR", "REAR"])


async def end(visit, booking):
    """What becomes of a hold of seats: confirmed, paid, given back whole or in part, forgotten."""
    odds = visit.odds.random()
    if odds < 0.25:
        await visit.settle(visit.change("CONFIRM", booking))
    elif odds < 0.6:
        await visit.settle(visit.pay(booking))
    elif odds < 0.75:
        await give_some(visit, booking)
        await visit.settle(visit.change("CONFIRM", booking))
    elif odds < 0.85:
        await asyncio.sleep(visit.odds.uniform(0.5, 2.5))
        await visit.settle(visit.change("CONFIRM", booking))
    if visit.odds.random() > KEPT:
        await asyncio.sleep(visit.odds.uniform(0.0, 1.5))
        await visit.settle(visit.change("CANCEL", booking))
        await visit.look_at(booking["id"])


async def give_some(visit, booking):
    """Some of its seats by name, or so many of them."""
    seats = booking["seats"]
    some = visit.odds.sample(seats, visit.odds.randint(1, len(seats)))
    if visit.odds.random() < 0.5 or len(booking["items"]) > 1:
        some = some[:1] if len(booking["items"]) > 1 else some
        await visit.settle(visit.change("CANCEL", booking, seats=sorted(some)))
    else:
        await visit.settle(visit.change("CANCEL", booking, give=[None, len(some)]))


@operation(6)
async def book_named_seats(visit):
    visit.go_to("hall")
    booking = await visit.settle(visit.take_seats("BOOK", neighbours(visit, tier(visit))))
    if booking:
        await give_some(visit, booking)
        if visit.odds.random() > KEPT:
            await visit.settle(visit.change("CANCEL", booking))


@operation(7)
async def hold_named_seats(visit):
    visit.go_to("hall")
    booking = await visit.settle(visit.take_seats("HOLD", neighbours(visit, tier(visit))))
    if booking:
        await end(visit, booking)


@operation(2)
async def hold_seats_of_two_tiers(visit):
    visit.go_to("hall")
    seats = neighbours(visit, "FRONT", 2) + neighbours(visit, "REAR", 2)
    booking = await visit.settle(visit.take_seats("HOLD", seats))
    if booking:
        await end(visit, booking)


@operation(6)
async def hold_the_best_seats(visit):
    visit.go_to("hall")
    booking = await visit.settle(visit.take_best("HOLD", tier(visit), visit.odds.randint(1, 5)))
    if booking:
        await end(visit, booking)


@operation(3)
async def the_same_seats_at_once(visit):
    """Two people, one wish: at most one of them has them."""
    visit.go_to("hall")
    seats = neighbours(visit, "FRONT")
    wishes = [visit.take_seats("HOLD", seats)]
    visit.user = f"rival of {visit.user}"
    wishes.append(visit.take_seats("BOOK", seats))
    for booking in await asyncio.gather(*map(visit.settle, wishes)):
        if booking:
            await visit.settle(visit.change("CANCEL", booking))


@operation(3)
async def read_seats(visit):
    visit.go_to("hall")
    await visit.look("seats", "/v1/shows/hall/seats?form=status")


@operation(7)
async def book_several_nights(visit):
    """All of them or none; each is a booking of its own from then on."""
    first, count = visit.odds.randint(1, 3), visit.odds.randint(2, 3)
    nights = [f"inn-{night}" for night in range(first, min(first + count, 5))]
    visit.odds.shuffle(nights)
    visit.go_to(nights[0])
    room = visit.odds.choice(["ROOM", "ROOM", "SUITE"])
    op = visit.odds.choice(["BOOK", "HOLD"])
    made = await visit.settle(visit.take_several(
        op, [(night, room, visit.odds.randint(1, 2)) for night in nights]))
    for booking in made["bookings"] if made else ():
        visit.go_to(booking["show"])
        if op == "HOLD" and visit.odds.random() < 0.7:
            await visit.settle(visit.pay(booking) if visit.odds.random() < 0.4
                               else visit.change("CONFIRM", booking))
        if visit.odds.random() > KEPT:
            await visit.settle(visit.change("CANCEL", booking))


@operation(2)
async def book_one_night(visit):
    visit.go_to(f"inn-{visit.odds.randint(1, 4)}")
    booking = await visit.settle(visit.take("BOOK"))
    if booking:
        await asyncio.sleep(visit.odds.uniform(0.0, 1.0))
        await visit.settle(visit.change("CANCEL", booking))
