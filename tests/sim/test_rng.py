"""Chance by name: streams do not shift each other, and keyed draws are the same whatever came before."""

from itertools import islice

from sim.rng import Streams


def take(streams, name, n=5):
    return list(islice(streams.uniforms(name), n))


def test_a_stream_depends_on_the_seed_and_its_name_alone():
    """Protects pairing of runs: another consumer, before or between, changes nothing."""
    streams = Streams(7)
    take(streams, "somebody else", 1_000)
    assert take(streams, "mine") == take(Streams(7), "mine")
    assert take(Streams(8), "mine") != take(Streams(7), "mine") != take(Streams(7), "yours")


def test_the_draws_of_a_block_do_not_depend_on_other_blocks():
    """Protects paired studies: flow of block 1000 is the same whether block 999 was asked for or not."""
    streams = Streams(7)
    for index in (3, 1, 2):
        streams.block("flow", index).random(100)
    wanted = Streams(7).block("flow", 1_000).random(3).tolist()
    assert streams.block("flow", 1_000).random(3).tolist() == wanted
    assert len({tuple(streams.block("flow", index).random(3)) for index in range(200)}) == 200


def test_a_seed_gives_these_numbers():
    """Protects digests across machines and versions: a change here changes every recorded run."""
    assert [round(u, 6) for u in take(Streams(1), "pinned", 3)] == [0.371317, 0.416715, 0.432815]


def test_draws_are_plain_floats():
    """Protects messages: no numpy scalar comes out of a stream."""
    assert {type(u) for u in take(Streams(1), "types")} == {float}
