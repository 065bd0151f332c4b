"""The stream is what STREAM.md says: its known answers are read from there."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import stored_bytes
from numpy.random import SeedSequence

import fastinit as fi
from fastinit import _core, reference
from fastinit.reference import cipher
from fastinit.stream import seed_number, stream_key

TEXT = (Path(fi.__file__).parent / "STREAM.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("| ")]
FACTS = {row[0]: re.findall(r"`([0-9a-f]+)`", row[1]) for row in ROWS if len(row) == 2}
PINS = [row for row in ROWS if len(row) == 4 and row[0] in ("normal", "uniform", "truncated", "tails")]
LAWS = {
    "normal": ("normal", ()),
    "uniform": ("uniform", ()),
    "truncated": ("truncated_normal", ()),
    "tails": ("truncated_normal", (0.0, 1.0, -3.0, np.inf)),
}


def hexadecimal(array):
    width = array.itemsize
    return [f"{int(item):0{2 * width}x}" for item in array.view(f"u{width}")]


def test_the_version_is_that_of_the_document():
    assert TEXT.startswith(f"# The stream, version {fi.info()['stream']}\n")


def test_key_is_the_hash_it_is_said_to_be():
    message = b"fastinit/stream0" + bytes(16) + b"normal" + bytes(10)
    key = hashlib.blake2b(message, digest_size=16).digest()
    assert stream_key(0, "normal", "") == key
    assert FACTS["key"] == [key.hex()]
    (other,) = (answer for what, answer in FACTS.items() if what.startswith("key of seed 2^128"))
    assert other == [stream_key(2**128 - 1, "uniform", "é").hex()]


def test_keys_are_the_twins():
    """Of names of every length up to three blocks of the hash, with characters of one byte to four."""
    random = np.random.default_rng(0)
    for length in range(340):
        name = "".join(map(chr, random.choice([0, 65, 233, 0x4E00, 0x1F600], length)))
        seed = int.from_bytes(random.bytes(16), "little")
        for law in ("normal", "uniform", "truncated", "orthogonal", "sparse", "bits"):
            assert stream_key(seed, law, name) == cipher.stream_key(seed, law, name)


def test_words(level):
    key = stream_key(0, "normal", "")
    for what, domain, first in (
        ("main words 0 to 3", 0, 0),
        ("fine words 0 to 3", 1, 0),
        ("main words 2^34 to 2^34 + 3", 0, 2**34),
    ):
        for make in (_core.words, reference.words):
            assert hexadecimal(make(key, domain, first, 4)) == FACTS[what]


def test_generator_draws(level):
    draws = fi.default_rng(0).bit_generator.random_raw(2)
    assert hexadecimal(draws) == FACTS["first two 64-bit draws of a generator of seed 0"]


def test_every_law_and_dtype_is_pinned():
    assert len(PINS) == 16
    assert {(law, dtype) for law, dtype, *_ in PINS} == {
        (law, dtype) for law in LAWS for dtype in ("float32", "float64", "float16", "bfloat16")
    }


@pytest.mark.parametrize(("law", "dtype", "first", "pin"), PINS, ids=lambda value: value[:12])
def test_known_answers_and_hashes(level, law, dtype, first, pin):
    name, arguments = LAWS[law]
    for module in (fi, reference):
        values = getattr(module, name)(4, *arguments, seed=0, dtype=dtype)
        assert hexadecimal(values) == re.findall(r"`([0-9a-f]+)`", first)
    many = stored_bytes(getattr(fi, name)(100_003, *arguments, seed=2026, name="pin", dtype=dtype))
    assert f"`{hashlib.blake2b(many, digest_size=8).hexdigest()}`" == pin


def test_seeds():
    assert seed_number(5) == 5
    assert seed_number(np.uint8(5)) == 5
    assert seed_number(2**128 - 1) == 2**128 - 1
    words = SeedSequence(3).generate_state(4).tolist()
    assert seed_number(SeedSequence(3)) == sum(word << 32 * i for i, word in enumerate(words))
    assert seed_number(None) != seed_number(None)
