"""What people do where all is taken: they wait for what comes back."""

import asyncio

from operations import operation

PATIENCE_SECONDS = (2.0, 8.0)
KEPT = 0.05  # of what was accepted; the rest comes back, for the next who waits


def place_to_wait(visit):
    """Counted places mostly, sometimes numbered seats; the tier, and for how many."""
    visit.go_to(visit.odds.choice(["gala", "gala", "gala", "hall"]))
    code = "FRONT" if visit.slug == "hall" else visit.odds.choice(["GA", "GA", "BOX"])
    return code, visit.odds.randint(1, 4)


async def wait(visit, entry):
    """Until it is offered something, has ended, or has waited long enough. What it is then."""
    for _ in range(int(visit.odds.uniform(*PATIENCE_SECONDS) / 0.4)):
        seen = await visit.see_entry(entry)
        if seen is not None and seen["status"] != "WAITING":
            return seen
        await asyncio.sleep(visit.odds.uniform(0.2, 0.6))
    return None


@operation(9)
async def wait_for_places(visit):
    """An offer is confirmed, paid, declined or forgotten; who was offered nothing leaves."""
    entry = await visit.settle(visit.join(*place_to_wait(visit)))
    if not entry:
        return
    seen, odds = await wait(visit, entry), visit.odds.random()
    if seen is None or odds < 0.2:
        await visit.settle(visit.leave(entry))
    elif odds < 0.5:
        await visit.settle(visit.change("CONFIRM", entry))
    elif odds < 0.75:
        await visit.settle(visit.pay(entry))
    elif odds < 0.85:
        await visit.settle(visit.change("CANCEL", entry))
    if visit.odds.random() > KEPT and seen is not None:
        await asyncio.sleep(visit.odds.uniform(0.0, 1.0))
        await visit.settle(visit.change("CANCEL", entry))


@operation(2)
async def join_and_leave(visit):
    entry = await visit.settle(visit.join(*place_to_wait(visit)))
    if entry:
        await visit.settle(visit.leave(entry))
        await visit.see_entry(entry)


@operation(2)
async def join_and_forget(visit):
    """An offer runs out, and what it held is the next one's; or nobody ever offers anything."""
    if visit.odds.random() < 0.5:
        visit.go_to("cellar")
        await visit.settle(visit.join("GA", visit.odds.randint(1, 2)))
    else:
        await visit.settle(visit.join(*place_to_wait(visit)))


@operation(2)
async def join_twice_at_once_under_one_key(visit):
    wish = visit.join(*place_to_wait(visit), key=True)
    await asyncio.gather(visit.settle(wish), visit.settle(wish))
    await asyncio.sleep(visit.odds.uniform(0.5, 6.0))
    entry = await visit.settle(wish)
    if entry:
        await visit.settle(visit.leave(entry))


@operation(12)
async def take_what_others_wait_for(visit):
    """The gala is full, always; and always somebody goes."""
    visit.go_to("gala")
    wish = visit.take(visit.odds.choice(["BOOK", "HOLD"]), tiers=visit.odds.choice([1, 1, 2]),
                      quantity=visit.odds.randint(1, 4))
    booking = await visit.settle(wish)
    if booking:
        await asyncio.sleep(visit.odds.uniform(0.5, 3.0))
        if len(booking["items"]) == 1 and booking["quantity"] > 1 and visit.odds.random() < 0.5:
            await visit.settle(visit.change("CANCEL", booking, give=[None, 1]))
        await visit.settle(visit.change("CANCEL", booking))
