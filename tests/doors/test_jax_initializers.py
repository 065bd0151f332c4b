"""fastinit.jax: jax's initializers with fastinit's bits, where keys are known and in programs."""

import inspect
import os
import pickle
import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import DTYPES, bits
from jax.nn import initializers as theirs

import fastinit as fi
import fastinit.jax as fj

KEY = jax.random.key(5)
SHAPES = [(0, 4), (1, 1, 1), (257,), (64, 48), (3, 3, 8, 16)]
SIMPLE = [
    (fj.normal(0.02), lambda shape, **how: fi.normal(shape, 0, 0.02, **how)),
    (fj.uniform(0.3), lambda shape, **how: fi.uniform(shape, 0, 0.3, **how)),
    (fj.truncated_normal(0.5), lambda shape, **how: fi.truncated_normal(shape, 0, 0.5, **how)),
    (fj.truncated_normal(1.0, None, -1.0, 3.5), lambda shape, **how: fi.truncated_normal(shape, 0, 1, -1, 3.5, **how)),
]
SCHEMES = ["glorot_uniform", "glorot_normal", "lecun_uniform", "lecun_normal", "he_uniform", "he_normal",
           "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"]  # fmt: skip


def same(made, expected):
    assert made.dtype == expected.dtype and made.shape == expected.shape and not made.weak_type
    assert np.array_equal(bits(np.asarray(made)), bits(expected))


@pytest.mark.parametrize("dtype", [one for one in DTYPES if one != "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("initializer, expected", SIMPLE, ids=lambda one: str(getattr(one, "drawn", "")))
def test_laws_have_the_bits_of_numpys_face(initializer, expected, shape, dtype, level):
    expected = expected(shape, seed=5, dtype=dtype)
    same(initializer(KEY, shape, dtype), expected)
    same(jax.jit(lambda key: initializer(key, shape, dtype))(KEY), expected)


@pytest.mark.parametrize("dtype", [one for one in DTYPES if one != "float64"])
@pytest.mark.parametrize("name", SCHEMES)
def test_schemes_have_the_bits_of_numpys_face(name, dtype):
    distribution = {} if "uniform" in name else {"distribution": "truncated_normal"}
    for shape in SHAPES[3:-1]:
        for axes in ({}, {"in_axis": -1, "out_axis": -2}, {"batch_axis": 0} if len(shape) > 2 else {}):
            expected = getattr(fi, name)(shape, seed=5, dtype=dtype, **distribution, **axes)
            initializer = getattr(fj, name)(**axes)
            same(initializer(KEY, shape, dtype), expected)
            same(jax.jit(lambda key: initializer(key, shape, dtype))(KEY), expected)  # noqa: B023


def test_names_parameters_and_defaults_are_jaxs():
    for name in vars(theirs):
        if not name.startswith("_"):
            mine, other = getattr(fj, name), getattr(theirs, name)
            known = [[(p.name, p.default) for p in inspect.signature(one).parameters.values()] for one in (mine, other)]
            assert name == "Initializer" or known[0] == known[1], name
    called = inspect.signature(fj.he_normal()).parameters
    assert list(called) == ["key", "shape", "dtype", "out_sharding"]
    assert isinstance(fj.he_normal(), theirs.Initializer)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (3, 2, 8)], ids=str)
@pytest.mark.parametrize("column_axis", [0, -1])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_orthogonal_columns(shape, column_axis, dtype):
    for made in (fj.orthogonal(2.0, column_axis), jax.jit(fj.orthogonal(2.0, column_axis), static_argnums=(1, 2))):
        values = np.moveaxis(np.asarray(made(KEY, shape, dtype), np.float64), column_axis, -1)
        matrix = values.reshape(-1, values.shape[-1])
        small = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
        assert np.allclose(small, 4 * np.eye(len(small)), atol=1e-5 if dtype == "float32" else 0.1)


def test_delta_orthogonal_is_orthogonal_at_the_centre_alone():
    made = np.asarray(fj.delta_orthogonal()(KEY, (3, 4, 2, 5)))
    assert np.allclose(made[1, 1] @ made[1, 1].T, np.eye(2), atol=1e-6)
    assert np.count_nonzero(made) == 10


def test_keys_of_every_implementation():
    assert fj.seed_of(KEY) == 5 and fj.seed_of(jax.random.PRNGKey(5)) == 5
    for implementation, words in (("threefry2x32", 2), ("rbg", 4), ("unsafe_rbg", 4)):
        key = jax.random.split(jax.random.key(7, impl=implementation), 3)[1]
        data = np.asarray(jax.random.key_data(key))
        seed = sum(int(word) << 32 * (words - 1 - at) for at, word in enumerate(data))
        assert len(data) == words and fj.seed_of(key) == seed
        for made in (fj.normal()(key, (9,)), jax.jit(lambda key: fj.normal()(key, (9,)))(key)):
            same(made, fi.normal(9, 0, 0.01, seed=seed))


def test_scales_that_are_negative_arrays_or_traced():
    draw = fj.normal()(KEY, (4, 3)) * 100
    assert np.allclose(fj.normal(-2.0)(KEY, (4, 3)), -2 * draw, rtol=1e-6)
    assert np.allclose(fj.normal(jnp.array([1.0, 2.0, 3.0]))(KEY, (4, 3)), draw * jnp.array([1, 2, 3]), rtol=1e-6)
    squares = float((draw**2).sum())
    for how in (lambda f: f, jax.jit, jax.remat):
        slope = jax.grad(how(lambda s: (fj.normal(s)(KEY, (4, 3)) ** 2).sum()))(3.0)
        assert np.isclose(slope, 6 * squares, rtol=1e-5)
    slope = jax.grad(lambda s: fj.variance_scaling(s, "fan_in", "normal")(KEY, (4, 3)).sum())(1.0)
    assert np.isclose(slope, float(fj.variance_scaling(1.0, "fan_in", "normal")(KEY, (4, 3)).sum()) / 2, rtol=1e-5)


def test_initializers_are_values():
    assert fj.he_normal() == fj.kaiming_normal() != fj.he_uniform()
    assert hash(fj.normal(0.1)) == hash(fj.normal(0.1)) and fj.he_normal(in_axis=[0]) == fj.he_normal(in_axis=(0,))
    deviation = jnp.ones(3)
    assert fj.normal(deviation) == fj.normal(deviation) != fj.normal(jnp.ones(3))
    assert len({fj.normal(deviation), fj.normal(deviation)}) == 1
    assert pickle.loads(pickle.dumps(fj.he_normal(0, 1))) == fj.he_normal(0, 1)


def test_dtypes():
    assert fj.normal()(KEY, (3,)).dtype == fj.normal(dtype="bfloat16")(KEY, (3,), "float32").dtype == "float32"
    assert fj.normal(dtype="float16")(KEY, (3,)).dtype == "float16"
    small = np.asarray(fj.normal(1.0)(KEY, (4096,), "float8_e4m3fn"), np.float32)
    assert np.isfinite(small).all() and abs(small.std() - 1) < 0.1
    assert np.array_equal(fj.normal()(KEY, (3,), "complex64"), theirs.normal()(KEY, (3,), "complex64"))
    assert len(np.unique(np.asarray(fj.normal(1.0)(KEY, (1 << 16,), "bfloat16"), np.float32))) > 1000
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert fj.normal()(KEY, (3,), "float64").dtype == "float32"
    assert "float64" in str(seen[0].message) and len(seen) == 1
    code = "import jax, fastinit.jax as fj, fastinit as fi\nkey = jax.random.key(5)\nfor f in (lambda f: f, jax.jit):\n"
    code += "  made = f(lambda key: fj.normal(1.0)(key, (99,)))(key)\n"
    code += "  assert made.dtype == 'float64' and (made == fi.normal(99, seed=5, dtype='float64')).all()"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "JAX_ENABLE_X64": "1"}, check=True)


REFUSED = [
    (lambda: fj.normal()(jax.random.split(KEY), (3,)), ValueError,
     "normal accepts a single key, but was given a key array of shape (2,) != (). Use jax.vmap for batching."),
    (lambda: fj.he_normal()(KEY, (3,)), ValueError,
     "Can't compute input and output sizes of a 1-dimensional weights tensor with default in_axis. Must be at least 2D "
     "or specify in_axis explicitly."),
    (lambda: fj.uniform()(KEY, (3,), int), ValueError, "dtype argument to `uniform` must be a float dtype, got int32"),
    (lambda: fj.variance_scaling(1, "fan", "normal")(KEY, (3, 3)), ValueError,
     "invalid mode for variance scaling initializer: fan"),
    (lambda: fj.variance_scaling(1, "fan_in", "cauchy")(KEY, (3, 3)), ValueError,
     "invalid distribution for variance scaling initializer: cauchy"),
    (lambda: fj.variance_scaling(-1, "fan_in", "normal")(KEY, (3, 3)), ValueError,
     "`scale` must be a finite number of at least 0, got -1.0"),
    (lambda: fj.orthogonal()(KEY, (3,)), ValueError, "orthogonal initializer requires at least a 2D shape"),
    (lambda: fj.delta_orthogonal()(KEY, (3, 3)), ValueError,
     "Delta orthogonal initializer requires a 3D, 4D or 5D shape."),
    (lambda: fj.delta_orthogonal()(KEY, (3, 4, 3)), ValueError,
     "`fan_in` must be less or equal than `fan_out`. "),
    (lambda: fj.normal()(KEY, (-3,)), ValueError, "`shape` must be an integer of at least 0, got -3"),
    (lambda: fj.normal()(KEY, (3.0,)), TypeError,
     "Shapes must be 1D sequences of concrete values of integer type, got (3.0,)."),
    (lambda: fj.normal(1e38)(KEY, (3,)), ValueError,
     "`std` must be small enough for mean + 8.58 std to stay below 3.40282e+38 in float32, got 1e+38"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", REFUSED)
def test_refusals(call, error, message):
    with pytest.raises(error) as refused:
        call()
    assert str(refused.value) == message


@pytest.mark.parametrize("key", [5, "key", np.zeros(3, np.uint32), np.zeros(2, np.int32), None])
def test_what_is_no_key_is_refused_as_jax_does(key):
    messages = []
    for normal in (fj.normal, theirs.normal):
        with pytest.raises(TypeError) as refused:
            normal()(key, (3,))
        messages.append(str(refused.value))
    assert messages[0] == messages[1]


def test_without_jax_the_extra_is_named(tmp_path):
    (tmp_path / "jax.py").write_text("raise ImportError('none')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport fastinit.jax"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = "`fastinit.jax` needs jax: pip install jax (or '.[jax]' in the source folder of fastinit)"
    assert done.stderr.splitlines()[-1] == f"ImportError: {said}"
