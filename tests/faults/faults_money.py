"""Couriers and the payment provider break: at any time, and at each step of what they do together."""

import threading

from faults import fault

# What a courier says at each step of a charge or a refund, and on which link; and where the provider
# is in the middle of one (harness/provider.py has a hook there).
COURIER_WORDS = {b"claim_outbox": "courier-postgres", b"postpone_outbox": "courier-postgres",
                 b"settle_refund": "courier-postgres", b"XADD": "courier-redis"}
PROVIDER_STEPS = ("on_charge", "on_charged", "on_refund", "on_refunded")


@fault(weight=2)
def courier_killed(venue, odds):
    venue.kill(odds.choice(venue.couriers), odds.uniform(0.0, 1.0))


@fault()
def couriers_all_killed(venue, odds):
    for courier in venue.couriers:
        venue.kill(courier, odds.uniform(0.0, 2.0))


@fault(lasting=(0.5, 3.0))
def provider_away(venue, _odds):
    venue.provider.is_away = True
    return lambda: setattr(venue.provider, "is_away", False)


@fault(lasting=(1.5, 1.5), weight=3)
def couriers_killed_when_they_say(venue, odds):
    """Claimed and not asked, told and not taken off the list, …: whoever takes over goes on."""
    words = odds.choice(sorted(COURIER_WORDS))

    def fits(data):
        if words not in data:
            return False
        for courier in venue.couriers:
            venue.kill(courier, odds.uniform(0.0, 1.0))
        return True
    venue.traps[COURIER_WORDS[words]].arm(fits, odds.choice(["cut", "pass"]), 1.5)


@fault(lasting=(1.5, 1.5), weight=3)
def couriers_killed_while_the_provider_acts(venue, odds):
    def act():
        for courier in venue.couriers:
            venue.kill(courier, odds.uniform(0.0, 1.0))
    return at_a_step(venue, odds, act)


@fault(lasting=(1.0, 3.0), weight=3)
def provider_dies_at_a_step(venue, odds):
    """Before it takes the money or after, and nobody is told which; the same of a refund."""
    back = at_a_step(venue, odds, lambda: setattr(venue.provider, "is_away", True))

    def undo():
        back()
        venue.provider.is_away = False
    return undo


def at_a_step(venue, odds, act):
    """Once, when the provider comes to it; until it is undone."""
    step, done = odds.choice(PROVIDER_STEPS), threading.Event()

    def hook(_fields):
        if not done.is_set():
            done.set()
            act()
    setattr(venue.provider, step, hook)

    def undo():
        if getattr(venue.provider, step) is hook:
            setattr(venue.provider, step, None)
    return undo
