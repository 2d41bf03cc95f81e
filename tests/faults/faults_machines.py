"""What can break at a venue of several machines (machines.py): its own rows, and those of faults.py
that need neither one Redis with its file, nor a small disk, nor a proxy in between.
"""

import functools

import redis

import faults
import faults_money  # noqa: F401  (enters its rows)
from faults import stopped
from venue import PARTITIONS

FAILOVER_SECONDS = (4.0, 5.0)  # longer than a Cluster takes to replace a master (redis_cluster.py)
THE_SAME = (
    "allocator_killed", "allocators_all_killed", "allocator_asked_to_stop", "gateway_killed",
    "gateway_asked_to_stop", "courier_killed", "couriers_all_killed", "usherctl_killed",
    "show_moved", "show_with_a_room_moved", "owner_stopped_past_its_heartbeat",
    "owner_stopped_shortly", "gateway_stopped", "partition_stolen",
    "partition_stolen_between_claim_and_take", "postgres_killed", "postgres_child_killed",
    "postgres_stopped", "postgres_backends_terminated", "postgres_backend_of_an_owner_terminated",
    "postgres_row_locked", "allocator_clock_jumps", "gateway_clock_jumps",
    "allocator_out_of_descriptors", "gateway_out_of_descriptors", "provider_away",
    "couriers_killed_while_the_provider_acts", "provider_dies_at_a_step")

ROWS = {name: faults.ROWS[name] for name in THE_SAME}
fault = functools.partial(faults.fault, table=ROWS)


# Redis. What a replica had not got when it took over is lost.

@fault(weight=5, loses_stream=True)
def redis_master_dies(venue, odds):
    """Its replica takes its place, and it comes back as a replica."""
    venue.kill(venue.master_of(odds.choice(PARTITIONS)).process, odds.uniform(*FAILOVER_SECONDS))


@fault(loses_stream=True)
def redis_master_dies_and_is_back(venue, odds):
    """Before anybody was elected."""
    venue.kill(venue.master_of(odds.choice(PARTITIONS)).process, odds.uniform(0.0, 0.8))


@fault(lasting=FAILOVER_SECONDS, weight=3, loses_stream=True)
def redis_master_stopped_past_its_timeout(venue, odds):
    """The zombie: it wakes when its replica is the master, and does not know of it yet."""
    return stopped(venue, venue.master_of(odds.choice(PARTITIONS)).process)


@fault(lasting=(0.2, 1.2))
def redis_master_stopped_shortly(venue, odds):
    return stopped(venue, venue.master_of(odds.choice(PARTITIONS)).process)


@fault(weight=2, loses_stream=True)
def redis_master_changed_by_hand(venue, odds):
    """An operator asks a replica to take over, in order or (half of the time) at once."""
    node = venue.replica_of(venue.master_of(odds.choice(PARTITIONS)))
    if node is not None:
        told(venue, node, "CLUSTER", "FAILOVER", *odds.choice([(), ("TAKEOVER",)]))


@fault()
def redis_replica_dies(venue, odds):
    node = venue.replica_of(venue.master_of(odds.choice(PARTITIONS)))
    if node is not None:
        venue.kill(node.process, odds.uniform(0.2, 3.0))


@fault()
def redis_clients_of_a_node_cut(venue, odds):
    told(venue, venue.master_of(odds.choice(PARTITIONS)), "CLIENT", "KILL", "TYPE", "normal")


@fault(lasting=(0.0, 1.0), weight=4)
def slot_moves(venue, odds):
    """A partition goes to another master; half of its keys are here and half there for a while."""
    partition = odds.choice(PARTITIONS)
    others = [node for node in venue.masters() if node is not venue.master_of(partition)]
    if not others:
        return None
    venue.begin_move(partition, odds.choice(others))
    return lambda: venue.end_move(partition)


def told(venue, node, *words):
    try:
        with venue.client_of(node, 1) as client:
            client.execute_command(*words)
    except redis.exceptions.RedisError:  # it is down, or stopped, or has cut us off too
        pass


# Postgres.

@fault(weight=5)
def primary_dies(venue, odds):
    """The whole machine, and the standby is promoted; or it comes back, if it had none that counts."""
    if not venue.pair.lose_primary(odds.uniform(0.1, 1.5)):
        venue.kill(venue.postgres.process, odds.uniform(0.1, 0.6))


@fault()
def primary_hands_over(venue, odds):
    """It is stopped in order, and its standby promoted."""
    venue.pair.lose_primary(odds.uniform(0.0, 0.3), gently=True)


@fault(weight=2)
def standby_dies(venue, odds):
    """Nothing is confirmed while it is away."""
    if venue.pair.standby is not None:
        venue.kill(venue.pair.standby.process, odds.uniform(0.1, 1.5))


@fault(lasting=(0.2, 1.8))
def standby_stopped(venue, _odds):
    if venue.pair.standby is None or not venue.pair.standby.process.alive():
        return None
    process = venue.pair.standby.process
    process.freeze()
    return process.thaw


@fault(loses_stream=True)
def masters_of_everything_die(venue, odds):
    """A machine on which all of them were."""
    for partition in PARTITIONS:
        venue.kill(venue.master_of(partition).process, odds.uniform(*FAILOVER_SECONDS))
    primary_dies(venue, odds)
