"""The witness of Redis sees who changes a partition under an epoch that is over."""

from witness import RedisWitness


def seen(*lines):
    witness = RedisWitness(0)
    for line in lines:
        witness.see(line.encode())
    return witness.found


CLIENT, SCRIPT = '+1700000000.000001 [0 127.0.0.1:5000] ', '+1700000000.000002 [0 lua] '
STATE = '"usher:{1}:state"'
TAKE_7, TAKE_8 = (f'{SCRIPT}"HSET" {STATE} "epoch" "{n}"' for n in (7, 8))
UNCLEAN = f'{SCRIPT}"HSET" {STATE} "clean" "0"'


def decide(epoch):
    return f'{CLIENT}"EVALSHA" "abc" "2" {STATE} "usher:{{1}}:answers:1" "{epoch}" "7" "3" "0"'


def test_the_witness_of_redis_is_silent_about_an_owner():
    assert seen(TAKE_7, decide(7), UNCLEAN, TAKE_8, decide(8), UNCLEAN) == []


def test_the_witness_of_redis_sees_a_zombie():
    found = seen(TAKE_7, decide(7), UNCLEAN, TAKE_8, decide(7), UNCLEAN)
    assert found == ["partition 1: its state in Redis was changed under epoch 7 while 8 has it"]


def test_the_witness_of_redis_sees_an_epoch_that_runs_backwards():
    assert seen(TAKE_8, TAKE_7) == ["partition 1: Redis was taken with epoch 7 after 8"]


def test_the_witness_of_redis_knows_nothing_of_an_emptied_one():
    assert seen(TAKE_8, f'{CLIENT}"FLUSHALL"', TAKE_7, decide(7), UNCLEAN) == []


# A node of a cluster (7000), which follows another (7001) before it is a master.

FROM_ITS_MASTER = '+1700000000.000003 [0 127.0.0.1:7001] '


def seen_at_a_node(*lines, answer=None):
    """Lines, or "?" where our own question stands; what the node says to it."""
    witness = RedisWitness(7000, of_cluster=(7000, 7001))
    witness._ask = lambda partition: witness._asked.update({b"6000": (partition, Answer(answer))})
    for line in lines:
        witness.see((OUR_QUESTION if line == "?" else line).encode())
    return witness


OUR_QUESTION = f'+1700000000.000004 [0 127.0.0.1:6000] "HGET" {STATE} "epoch"'


class Answer:
    def __init__(self, text):
        self.text = text

    def recv(self, _bytes):
        return self.text

    def close(self):
        pass


def test_a_node_that_follows_another_is_not_judged():
    moved = f'{FROM_ITS_MASTER}"HSET" {STATE} "clean" "0"'
    assert seen_at_a_node(TAKE_8, moved, decide(7), UNCLEAN).found == []


def test_a_node_that_was_promoted_is_asked_for_its_epoch():
    for epoch, found in ((b"9", 0), (b"10", 1)):
        witness = seen_at_a_node(
            f'{FROM_ITS_MASTER}"PING"', decide(9), UNCLEAN, "?", decide(9), UNCLEAN,
            answer=b"$%d\r\n%s\r\n" % (len(epoch), epoch))
        assert (len(witness.found), witness.unjudged) == (found, 1)


def test_what_a_node_knew_is_over_when_keys_come_or_go():
    for word in ("MIGRATE", "RESTORE-ASKING"):
        witness = seen_at_a_node(TAKE_7, f'{CLIENT}"{word}" {STATE}', decide(8), UNCLEAN)
        assert (witness.found, witness.unjudged) == ([], 1)


def test_a_node_that_sends_elsewhere_says_nothing_of_an_epoch():
    witness = seen_at_a_node(decide(8), UNCLEAN, "?", decide(8), UNCLEAN,
                             answer=b"-MOVED 7 127.0.0.1:7001\r\n")
    assert (witness.found, witness.unjudged) == ([], 2)
