"""Stream 1, which is frozen: this file never changes, and all that it holds holds in every later version.

A pin is the BLAKE2b hash, with a digest of 8 bytes, of an array's bytes in C order, low byte of each item first.
tests/test_floors.py has the hash of this file.
"""

import hashlib

import numpy as np
import pytest
from numpy.random import SeedSequence

import fastinit as fi
from fastinit import reference

MANY = 4099  # odd, and beyond a few blocks, tiles and pages of any kernel
DTYPES = ("float32", "float64", "float16", "bfloat16")
CONVOLUTION = (3, 3, 16, 8)

LAWS = {
    "normal": lambda m, **k: m.normal(MANY, **k),
    "normal of mean and std": lambda m, **k: m.normal(MANY, 0.3, 0.02, **k),
    "normal of a small std": lambda m, **k: m.normal(MANY, 0.0, 3e-6, **k),
    "uniform": lambda m, **k: m.uniform(MANY, **k),
    "uniform about zero": lambda m, **k: m.uniform(MANY, -0.1, 0.1, **k),
    "uniform far from zero": lambda m, **k: m.uniform(MANY, 100.0, 100.5, **k),
    "truncated": lambda m, **k: m.truncated_normal(MANY, **k),
    "truncated, of mean and std": lambda m, **k: m.truncated_normal(MANY, 0.3, 0.02, -1.0, 3.0, **k),
    "truncated on one side": lambda m, **k: m.truncated_normal(MANY, 0.0, 1.0, -3.0, np.inf, **k),
    "truncated to a tail": lambda m, **k: m.truncated_normal(MANY, 0.0, 1.0, 5.0, np.inf, **k),
    "truncated to a sliver": lambda m, **k: m.truncated_normal(MANY, 0.0, 1.0, 0.5, 0.51, **k),
}

SCALES = {
    "subnormal std": lambda m, **k: m.normal(MANY, 0.0, 1e-40, **k),
    "subnormal width": lambda m, **k: m.uniform(MANY, 0.0, 1e-39, **k),
    "subnormal truncated": lambda m, **k: m.truncated_normal(MANY, 0.0, 1e-39, **k),
    "huge std": lambda m, **k: m.normal(MANY, 0.0, 1e37, **k),
    "part of a matrix": lambda m, **k: m.normal((300, 200), index=np.s_[10:60:7, ::-3], **k),
}

#: Positions near the end of what an index reaches, and some where the radius, or a tail, takes its rare path.
POSITIONS = {
    "far normal": lambda **k: fi.normal(2**45, index=np.s_[-70:], **k),
    "far uniform": lambda **k: fi.uniform(2**45, index=np.s_[-70:], **k),
    "far truncated": lambda **k: fi.truncated_normal(2**45, index=np.s_[-70:], **k),
    "rare radius": lambda **k: fi.normal(2**22, index=np.s_[110_752:2_066_436:325_942], **k),
    "rare left tail": lambda **k: fi.truncated_normal(
        2**22, 0.0, 1.0, -8.0, np.inf, index=np.s_[132_563:257_625:125_061], **k
    ),
    "rare right tail": lambda **k: fi.truncated_normal(
        2**22, 0.0, 1.0, -8.0, np.inf, index=np.s_[205_868:217_109:11_240], **k
    ),
    "subnormal float64": lambda **k: fi.normal(MANY, 0.0, 1e-310, **k),
}

SCHEMES = {
    "variance_scaling": lambda m, **k: m.variance_scaling((64, 48), 0.7, "fan_geo_avg", "truncated_normal", **k),
    "small_normal": lambda m, **k: m.small_normal((64, 48), **k),
    "lecun_normal": lambda m, **k: m.lecun_normal((64, 48), **k),
    "lecun_uniform": lambda m, **k: m.lecun_uniform((64, 48), **k),
    "glorot_normal": lambda m, **k: m.glorot_normal((64, 48), **k),
    "glorot_uniform": lambda m, **k: m.glorot_uniform((64, 48), **k),
    "he_normal": lambda m, **k: m.he_normal((64, 48), **k),
    "he_uniform": lambda m, **k: m.he_uniform((64, 48), **k),
    "he_normal, truncated": lambda m, **k: m.he_normal((64, 48), distribution="truncated_normal", **k),
    "he_normal of gain": lambda m, **k: m.he_normal((64, 48), gain=0.3, **k),
    "he_normal of a convolution": lambda m, **k: m.he_normal(CONVOLUTION, **k),
    "he_normal, fan out": lambda m, **k: m.he_normal((8, 16, 3, 3), in_axis=1, out_axis=0, **k),
    "sparse": lambda m, **k: m.sparse((64, 48), 0.8, **k),
}

SEEDS = {
    "zero": 0,
    "largest": 2**128 - 1,
    "SeedSequence": SeedSequence(7),
    "child": SeedSequence(7).spawn(2)[1],
    "list": [5],
    "words": [1, 2, 2**31],
}

NAMES = ("", "mlp.0", "é", "層.0", "\N{GRINNING FACE}", "x" * 300, "[0]")


def pin(array):
    item = array.itemsize
    little = np.ascontiguousarray(array).view(f"u{item}").astype(f"<u{item}").tobytes()
    return hashlib.blake2b(little, digest_size=8).hexdigest()


PINS = {
    ("normal", "float32"): "d19d980a0609e563",
    ("normal", "float64"): "d20bbbf57209526d",
    ("normal", "float16"): "99a3aeb330269e9f",
    ("normal", "bfloat16"): "cbd87a629b8bf9bd",
    ("normal of mean and std", "float32"): "3df4f6e6864c58d4",
    ("normal of mean and std", "float64"): "92ce1a7a0ea34c2b",
    ("normal of mean and std", "float16"): "0598e661bfc8dfaf",
    ("normal of mean and std", "bfloat16"): "7d837047a61c5dee",
    ("normal of a small std", "float32"): "e0fbea5c0664c5b5",
    ("normal of a small std", "float64"): "3329cc4b4c713fe9",
    ("normal of a small std", "float16"): "2dd54d86814bf5af",
    ("normal of a small std", "bfloat16"): "a5c7e7180712c11f",
    ("uniform", "float32"): "0ab6256b72a4a611",
    ("uniform", "float64"): "aa6948ad3dba1b70",
    ("uniform", "float16"): "2fad68436137bac2",
    ("uniform", "bfloat16"): "111885d9db50b7f2",
    ("uniform about zero", "float32"): "3219d8cc630ed2ac",
    ("uniform about zero", "float64"): "37209776b7239dba",
    ("uniform about zero", "float16"): "bd0dcdc0520ee6a4",
    ("uniform about zero", "bfloat16"): "bc212f4011db7a5b",
    ("uniform far from zero", "float32"): "72ec5478266df0e4",
    ("uniform far from zero", "float64"): "2f6858bf9d6c9bae",
    ("uniform far from zero", "float16"): "5e83ee5a9cdfcf31",
    ("uniform far from zero", "bfloat16"): "761b2ee77610375d",
    ("truncated", "float32"): "5a8eb894e2f7d5c0",
    ("truncated", "float64"): "856f4789a71310e6",
    ("truncated", "float16"): "8dda44c4e19d4c71",
    ("truncated", "bfloat16"): "754ff14d92238b38",
    ("truncated, of mean and std", "float32"): "7e1a728bf4d8a204",
    ("truncated, of mean and std", "float64"): "6e234ba22a50cd6c",
    ("truncated, of mean and std", "float16"): "f28728d4d5150dbd",
    ("truncated, of mean and std", "bfloat16"): "3dd87144f397b38a",
    ("truncated on one side", "float32"): "bfa524fde0fe5498",
    ("truncated on one side", "float64"): "05442fa4e3f99495",
    ("truncated on one side", "float16"): "8ec33202b05bb6be",
    ("truncated on one side", "bfloat16"): "18921ce2de6cb2f9",
    ("truncated to a tail", "float32"): "aa4827ee48f39e5b",
    ("truncated to a tail", "float64"): "e7bfb85e717dad8b",
    ("truncated to a tail", "float16"): "c6a70accaa557464",
    ("truncated to a tail", "bfloat16"): "55237ba2df3c7c8e",
    ("truncated to a sliver", "float32"): "7b10a831e02b257a",
    ("truncated to a sliver", "float64"): "19ae764ddd79578b",
    ("truncated to a sliver", "float16"): "8e81ccb5aef0d51e",
    ("truncated to a sliver", "bfloat16"): "77bc3ad0c9319d9e",
    ("subnormal std", "float32"): "2cf7fcb54988be7c",
    ("subnormal std", "float64"): "e799223733528585",
    ("subnormal width", "float32"): "ec04c999577b5e6a",
    ("subnormal width", "float64"): "8db154796d479e89",
    ("subnormal truncated", "float32"): "d0d33b229b2c9afa",
    ("subnormal truncated", "float64"): "043b29135fe0d729",
    ("huge std", "float32"): "c6c98907dcab185e",
    ("huge std", "float64"): "b954f31071a57529",
    ("part of a matrix", "float32"): "124eb9598c197786",
    ("part of a matrix", "float64"): "9d6c7530c5c7d80b",
    ("far normal", "float32"): "7e6d728bef8040af",
    ("far normal", "float64"): "7040ccb7b97f94e7",
    ("far uniform", "float32"): "f41b2beb722b0234",
    ("far uniform", "float64"): "26ab71c1c4c05fb4",
    ("far truncated", "float32"): "64ba0bcb6241b337",
    ("far truncated", "float64"): "b6fda13814c71cdc",
    ("rare radius", "float32"): "19dbadacae630abd",
    ("rare radius", "float64"): "116522ba7f98cea4",
    ("rare left tail", "float32"): "2e892930b3fef37b",
    ("rare left tail", "float64"): "adfc7541e54985a0",
    ("rare right tail", "float32"): "02ac7199a755778e",
    ("rare right tail", "float64"): "900f117299f511a5",
    ("subnormal float64", "float32"): "b7f52680e87d6e83",
    ("subnormal float64", "float64"): "5f6fb31fa59fa9ae",
    ("variance_scaling", "float32"): "adab3a57c9e7bde0",
    ("variance_scaling", "float64"): "76fe100a178fe42b",
    ("variance_scaling", "float16"): "2d13d4e45d5048d6",
    ("variance_scaling", "bfloat16"): "09850600012bff91",
    ("small_normal", "float32"): "2229d49c3ea1d4be",
    ("small_normal", "float64"): "cd14eabd247c9091",
    ("small_normal", "float16"): "96e4c7a507c5c13d",
    ("small_normal", "bfloat16"): "c356f0bd455ae5b5",
    ("lecun_normal", "float32"): "ed3605886ad64ac7",
    ("lecun_normal", "float64"): "10ed649971c81c50",
    ("lecun_normal", "float16"): "00724e638969be92",
    ("lecun_normal", "bfloat16"): "cecc8c17ba102047",
    ("lecun_uniform", "float32"): "1655abe368a5ddeb",
    ("lecun_uniform", "float64"): "53de61a203b06d42",
    ("lecun_uniform", "float16"): "aa943b3367a0b236",
    ("lecun_uniform", "bfloat16"): "bbefe273f1035d08",
    ("glorot_normal", "float32"): "31c5e26e202bec6a",
    ("glorot_normal", "float64"): "933520b12d3e5dae",
    ("glorot_normal", "float16"): "9d0a97a5aac3b360",
    ("glorot_normal", "bfloat16"): "d4fa4cf0188eeefd",
    ("glorot_uniform", "float32"): "0464395c80bc7816",
    ("glorot_uniform", "float64"): "195364aa2c2a1d84",
    ("glorot_uniform", "float16"): "79c72b4f6b79fbde",
    ("glorot_uniform", "bfloat16"): "2604196238796c1c",
    ("he_normal", "float32"): "905e5a728dd10a58",
    ("he_normal", "float64"): "94d6bca2c1b66352",
    ("he_normal", "float16"): "b9dda7641d6a0138",
    ("he_normal", "bfloat16"): "61fb38b200f95514",
    ("he_uniform", "float32"): "ff3698f0ca693fb1",
    ("he_uniform", "float64"): "51cfc889a6a13219",
    ("he_uniform", "float16"): "40f4348e150409d2",
    ("he_uniform", "bfloat16"): "11c3fc5a2379e074",
    ("he_normal, truncated", "float32"): "12c75469e8cd5396",
    ("he_normal, truncated", "float64"): "cf86882c3490888b",
    ("he_normal, truncated", "float16"): "2e1418867131798c",
    ("he_normal, truncated", "bfloat16"): "e73784fbcf0f0db7",
    ("he_normal of gain", "float32"): "0608eb344b1691d5",
    ("he_normal of gain", "float64"): "706947249c055cda",
    ("he_normal of gain", "float16"): "30285be4f6419f2e",
    ("he_normal of gain", "bfloat16"): "d98ba3f9568f5c63",
    ("he_normal of a convolution", "float32"): "cda27ad74ea6184b",
    ("he_normal of a convolution", "float64"): "d6c89cfe999e197b",
    ("he_normal of a convolution", "float16"): "2dde3104e87aeebf",
    ("he_normal of a convolution", "bfloat16"): "09038ab583223ed3",
    ("he_normal, fan out", "float32"): "cda27ad74ea6184b",
    ("he_normal, fan out", "float64"): "d6c89cfe999e197b",
    ("he_normal, fan out", "float16"): "2dde3104e87aeebf",
    ("he_normal, fan out", "bfloat16"): "09038ab583223ed3",
    ("sparse", "float32"): "13c4d348068e23e9",
    ("sparse", "float64"): "72ce2b3f94da59de",
    ("sparse", "float16"): "0e8b942bb5c1a15e",
    ("sparse", "bfloat16"): "0a3017529d119cbf",
    ("seed", "zero"): "519b216d6bf2164c",
    ("seed", "largest"): "b31da84e8b59ca0f",
    ("seed", "SeedSequence"): "8d217695ea28209e",
    ("seed", "child"): "f6f24cfed9281038",
    ("seed", "list"): "733ab53e3cd789cb",
    ("seed", "words"): "d2f98adba2492aad",
    ("name", ""): "97c1f7748a250be2",
    ("name", "mlp.0"): "2db5ce067f830fa6",
    ("name", "é"): "b0b68be2afabcc07",
    ("name", "層.0"): "20cbaa46b8ad5e1f",
    ("name", "😀"): "b2b1f4e98c3aca02",
    (
        "name",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ): "51340ce286f16cb8",
    ("name", "[0]"): "696f23befe8fc7e9",
    "init": {"w": "91db4be1221462c5", "b": "f6908a71f772ca1d", "qkv": "8ff0d8c2087727f0"},
    "generator": [
        "57fe0b181fedc530",
        "0cf7c289fde05a00",
        "65683c985a54d544",
        "bfd6d2bbb9a78eed",
        "95c07f15017d4cbb",
        "d68fabb2b50f6ac2",
        "69ee62f0589fc863",
        "4fab5338f6a08236",
        "c1ff70234f6af56d",
        "caf4a7cf34f3ca2f",
        "e04f67c11931f58c",
    ],
    "orthogonal": [
        -0.9170334,
        0.0222636,
        0.3013381,
        0.0423565,
        0.0932586,
        0.6133504,
        -0.3406407,
        0.2304046,
        -0.015198,
        -0.7154766,
        -0.2834076,
        0.2591683,
        -0.1067081,
        0.3321488,
        0.0813004,
        0.1419386,
        -0.3173252,
        0.0275006,
        -0.6888091,
        0.3989145,
        -0.1950379,
        0.0178833,
        -0.4814266,
        -0.8358661,
    ],
}


@pytest.fixture(params=[fi, reference], ids=["fastinit", "twin"])
def module(request):
    return request.param


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("law", LAWS)
def test_laws(module, law, dtype):
    assert pin(LAWS[law](module, seed=1, name="law", dtype=dtype)) == PINS[law, dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", SCALES)
def test_scales_and_parts(module, case, dtype):
    assert pin(SCALES[case](module, seed=2, name="scale", dtype=dtype)) == PINS[case, dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", POSITIONS)
def test_positions(case, dtype):
    assert pin(POSITIONS[case](seed=8, name="rare", dtype=dtype)) == PINS[case, dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_schemes(module, scheme, dtype):
    assert pin(SCHEMES[scheme](module, seed=3, name="scheme", dtype=dtype)) == PINS[scheme, dtype]


@pytest.mark.parametrize("seed", SEEDS)
def test_seeds(module, seed):
    assert pin(module.normal(MANY, seed=SEEDS[seed])) == PINS["seed", seed]


@pytest.mark.parametrize("name", NAMES)
def test_names(module, name):
    assert pin(module.uniform(MANY, seed=4, name=name)) == PINS["name", name]


def test_many_arrays_and_packed_ones():
    qkv = fi.laws.Packed(fi.laws.Normal(), parts=3, axis=1)
    made = fi.init(
        {"w": (40, 30), "b": (30,), "qkv": (40, 90)}, [("b", "zeros"), ("qkv", qkv), ("*", "he_normal")], seed=5
    )
    assert {name: pin(array) for name, array in made.items()} == PINS["init"]


def test_what_generators_give():
    rng = fi.default_rng(6)
    made = [
        rng.standard_normal(MANY, dtype="float32"),
        rng.standard_normal(MANY),
        rng.random(MANY, dtype="float32"),
        rng.random(MANY),
        rng.normal(np.arange(40.0), 2.0),
        rng.uniform(-1.0, np.arange(40.0)),
        rng.bit_generator.random_raw(40),
    ]
    further = [
        type(rng)(rng.bit_generator.jumped(3)).standard_normal(40),
        rng.spawn(2)[1].standard_normal(40),
        type(rng)(rng.bit_generator.advance(12_345)).random(40),
        fi.default_rng(SeedSequence(6)).standard_normal(40),
    ]
    assert [pin(array) for array in made + further] == PINS["generator"]


@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_orthogonal(module, gain):
    """Its random numbers are exact; its rounding is that of a library. So to 1e-5."""
    made = module.orthogonal((6, 4), gain=gain, seed=7, name="q")
    assert np.abs(made.ravel() - gain * np.array(PINS["orthogonal"])).max() < 1e-5
