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
