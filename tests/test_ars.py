"""Known answers of the counter generator, from the table ars4x32.txt, and the words of every level against them."""

from pathlib import Path

import numpy as np
import pytest

from fastinit import _core

TABLE = Path(__file__).parent / "ars4x32.txt"
ROUNDS = 7


def rows():
    """(rounds, counter, key, block) of each row, words as integers."""
    for line in TABLE.read_text().splitlines():
        if not line.startswith("#"):
            name, rounds, *words = line.split()
            assert name == "ars4x32"
            counter, key, block = np.array([int(word, 16) for word in words]).reshape(3, 4).tolist()
            yield int(rounds), tuple(counter), tuple(key), tuple(block)


ROWS = list(rows())


def key_bytes(key):
    return np.array(key, "<u4").tobytes()


def test_the_table_has_the_rounds_in_use():
    assert len(ROWS) == 12
    assert sum(rounds == ROUNDS for rounds, *_ in ROWS) == 4


@pytest.mark.parametrize(("rounds", "counter", "key", "block"), ROWS)
def test_block_by_table(rounds, counter, key, block):
    assert _core.ars_block(key_bytes(key), counter, rounds) == block


@pytest.mark.parametrize(
    ("counter", "key", "block"), [row[1:] for row in ROWS if row[0] == ROUNDS and row[1][2:] == (0, 0)]
)
def test_words_of_known_blocks(level, counter, key, block):
    """The rows whose counter is that of a block of main words."""
    first = 4 * (counter[0] | counter[1] << 32)
    assert tuple(_core.words(key_bytes(key), 0, first, 4).tolist()) == block


@pytest.mark.parametrize("domain", [0, 1])
@pytest.mark.parametrize("first_block", [0, 1, 2**32 - 3, 2**61 - 16])
def test_words_are_blocks_in_order(level, domain, first_block):
    """On both sides of the counter's second word, to the last block of the stream, from any word on."""
    key = bytes(range(100, 116))
    blocks = range(first_block, first_block + 16)
    expected = [w for b in blocks for w in _core.ars_block(key, (b & 0xFFFFFFFF, b >> 32, domain, 0), ROUNDS)]
    for skipped in (0, 1, 5, 31, 33):
        assert _core.words(key, domain, 4 * first_block + skipped, 64 - skipped).tolist() == expected[skipped:]


def test_keys_are_sixteen_bytes():
    with pytest.raises(ValueError, match=r"^`key` must be 16 bytes, got 15$"):
        _core.words(bytes(15), 0, 0, 4)
