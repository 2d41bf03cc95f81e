"""Somebody who waits for a lock of Postgres that somebody else has."""

import threading
from contextlib import contextmanager


@contextmanager
def somebody_waits(world, statement="SELECT FROM tiers FOR UPDATE"):
    """While this lasts, one session of the world's database waits, or is about to."""
    holder = world.cluster.connect(world.database)
    holder.autocommit = False
    waiter = world.cluster.connect(world.database)
    holder.cursor().execute(statement)
    thread = threading.Thread(target=lambda: waiter.cursor().execute(statement))
    thread.start()
    try:
        yield
    finally:
        holder.rollback()
        thread.join(30)
        holder.close()
        waiter.close()
