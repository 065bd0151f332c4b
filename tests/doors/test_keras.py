"""`fastinit.keras`: Keras's parameters, seeds and configurations, fastinit's bits, on the backend that is in use.

What needs several devices, or another backend, runs in a process of its own.
"""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import fastinit as fi
import fastinit.keras as fk

HERE = Path(__file__).parent
NAMES = [name for name in fk.__all__ if name != "fast_init"]
SHAPES = [(), (5,), (0, 3), (33, 7), (3, 3, 5, 6), (2, 3, 4, 5, 6)]
TRUNCATED = {"distribution": "truncated_normal"}
#: What each gives a matrix, by the NumPy face, with arguments that are not the defaults.
TWINS = {
    "RandomNormal": ({"mean": 0.5, "stddev": 2.0}, fi.normal, {"mean": 0.5, "std": 2.0}),
    "TruncatedNormal": ({"mean": 0.5, "stddev": 2.0}, fi.truncated_normal, {"mean": 0.5, "std": 2.0}),
    "RandomUniform": ({"minval": -3.0, "maxval": 1.0}, fi.uniform, {"low": -3.0, "high": 1.0}),
    "VarianceScaling": (
        {"scale": 3.0, "mode": "fan_out", "distribution": "untruncated_normal"},
        fi.variance_scaling,
        {"scale": 3.0, "mode": "fan_out"},
    ),
    "GlorotNormal": ({}, fi.glorot_normal, TRUNCATED),
    "GlorotUniform": ({}, fi.glorot_uniform, {}),
    "LecunNormal": ({}, fi.lecun_normal, TRUNCATED),
    "LecunUniform": ({}, fi.lecun_uniform, {}),
    "HeNormal": ({}, fi.he_normal, TRUNCATED),
    "HeUniform": ({}, fi.he_uniform, {}),
    "Orthogonal": ({"gain": 2.0}, fi.orthogonal, {"gain": 2.0}),
}


def bits(tensor, dtype="float32"):
    """The bits of a tensor, through a dtype that every backend hands to NumPy."""
    wide = keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32" if dtype != "float64" else dtype))
    return np.ascontiguousarray(wide).view(f"u{wide.itemsize}")


def equal(tensor, array):
    wide = np.asarray(array).astype("float64" if array.dtype == np.float64 else "float32")
    return np.array_equal(bits(tensor, array.dtype.name), wide.view(f"u{wide.itemsize}"))


def test_all_random_initializers_of_keras_are_here_with_their_parameters():
    theirs = {
        name
        for name, one in vars(keras.initializers).items()
        if inspect.isclass(one) and name == one.__name__ and "seed" in inspect.signature(one).parameters
    }
    assert set(NAMES) == set(TWINS) == theirs - {"RandomInitializer"}
    for name in NAMES:
        ours, base = getattr(fk, name), getattr(keras.initializers, name)
        assert issubclass(ours, base) and inspect.signature(ours) == inspect.signature(base)
        assert ours().get_config() == base().get_config()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_the_bits_are_those_of_the_numpy_face(name, dtype):
    given, twin, same = TWINS[name]
    found = getattr(fk, name)(**given, seed=3)((33, 7), dtype=dtype)
    if keras.backend.backend() == "jax" and dtype == "float64":  # as usual without jax's 64 bits
        dtype = "float32"
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    assert equal(found, twin((33, 7), seed=3, dtype=dtype, **same))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(name, shape):
    if name == "Orthogonal" and len(shape) < 2:
        with pytest.raises(ValueError) as ours:
            fk.Orthogonal()(shape)
        with pytest.raises(ValueError) as theirs:
            keras.initializers.Orthogonal()(shape)
        assert str(ours.value) == str(theirs.value)
        return
    ours, theirs = getattr(fk, name)(seed=1)(shape), getattr(keras.initializers, name)(seed=1)
    assert tuple(ours.shape) == shape and type(ours) is type(keras.ops.ones(shape))
    law = getattr(fk, name)().law(shape)
    if len(shape) > 2 and name != "Orthogonal":  # eight standard errors of a deviation, of each side
        expected = float(keras.ops.std(theirs(shape)))
        assert abs(law.std / expected - 1) < 8 / np.sqrt(2 * np.prod(shape))


def test_axes_say_what_a_fan_is():
    found = fk.HeUniform(seed=1, input_axes=[0, 1], output_axes=[2])((4, 5, 6))
    assert equal(found, fi.he_uniform((4, 5, 6), seed=1, in_axis=(0, 1), out_axis=2))


@pytest.mark.parametrize("seed", [0, 7, 2**32 + 7, 2**80, -1])
def test_an_integer_is_that_seed_and_repeats(seed):
    one = fk.RandomNormal(stddev=1.0, seed=seed)
    assert equal(one((9,)), fi.normal(9, seed=seed % 2**128))
    assert np.array_equal(bits(one((9,))), bits(one((9,))))


def test_a_generator_moves_on():
    """State (s, c) is seed s + 2**32 c: the second draw of seed 11 is not the first of seed 12."""
    generator = keras.random.SeedGenerator(11)
    one, other = fk.RandomNormal(stddev=1.0, seed=generator), fk.RandomUniform(0.0, 1.0, seed=generator)
    assert equal(one((9,)), fi.normal(9, seed=11))
    assert equal(other((9,)), fi.uniform(9, seed=11 + 2**32))
    keras.random.normal((3,), seed=generator)
    assert equal(one((9,)), fi.normal(9, seed=11 + 3 * 2**32))
    assert keras.ops.convert_to_numpy(generator.state.value).tolist() == [11, 4]
    high = keras.random.SeedGenerator(2**31 - 1)
    assert equal(fk.RandomNormal(stddev=1.0, seed=high)((9,)), fi.normal(9, seed=2**31 - 1))


def test_one_without_a_seed_repeats_itself_and_its_clone_does_not():
    one = fk.HeNormal()
    twin = one.clone()
    assert np.array_equal(bits(one((5, 4))), bits(one((5, 4))))
    assert not np.array_equal(bits(one((5, 4))), bits(twin((5, 4))))


def test_the_global_seed_governs():
    made = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        layers = [keras.layers.Dense(4, kernel_initializer=fk.HeNormal()) for _ in range(2)]
        for layer in layers:
            layer.build((None, 3))
        made.append([bits(layer.kernel) for layer in layers])
    assert np.array_equal(made[0], made[1]) and not np.array_equal(*made[0])


@pytest.mark.parametrize("name", NAMES)
def test_configurations(name):
    given, twin, same = TWINS[name]
    one = getattr(fk, name)(**given, seed=keras.random.SeedGenerator(3))
    one((4, 4))
    config = json.loads(json.dumps(keras.initializers.serialize(one)))
    assert config["registered_name"] == f"fastinit>{name}"
    again = keras.initializers.deserialize(config)
    assert type(again) is getattr(fk, name) and again.get_config() == one.get_config()
    assert equal(again((4, 4)), twin((4, 4), seed=3, **same))  # the generator begins anew


def model():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, kernel_initializer=fk.HeNormal(seed=1)),
            keras.layers.Flatten(),
            keras.layers.Dense(
                5, kernel_initializer=fk.Orthogonal(0.5, seed=2), bias_initializer=fk.RandomNormal(seed=3)
            ),
        ]
    )


def test_models_are_saved_loaded_cloned_and_trained(tmp_path):
    one = model()
    assert equal(one.layers[0].kernel, fi.he_normal((3, 3, 3, 4), seed=1, **TRUNCATED))
    assert equal(one.layers[2].kernel, fi.orthogonal((144, 5), seed=2, gain=0.5))
    one.save(tmp_path / "model.keras")
    for other in (keras.models.load_model(tmp_path / "model.keras"), keras.models.clone_model(one)):
        assert type(other.layers[0].kernel_initializer) is fk.HeNormal
        assert all(np.array_equal(*pair) for pair in zip(one.get_weights(), other.get_weights(), strict=True))
    one.compile("sgd", "mse")
    before = one.get_weights()
    one.fit(np.ones((4, 8, 8, 3)), np.ones((4, 5)), verbose=0)
    assert not np.array_equal(one.get_weights()[0], before[0])
    assert equal(model().layers[0].kernel, fi.he_normal((3, 3, 3, 4), seed=1, **TRUNCATED))  # what was made is no one's


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16", "float16"])
def test_policies(policy):
    layer = keras.layers.Dense(6, kernel_initializer=fk.HeNormal(seed=1), dtype=policy)
    layer.build((None, 9))
    dtype = "float32" if policy.startswith("mixed") else policy
    assert layer.kernel.dtype == dtype
    assert equal(layer.kernel.value, fi.he_normal((9, 6), seed=1, dtype=dtype, **TRUNCATED))


def test_no_value_is_beyond_two_deviations():
    values = keras.ops.convert_to_numpy(fk.TruncatedNormal(stddev=1.0, seed=0)((1 << 20,)))
    assert np.abs(values).max() <= 2 and abs(values.std() / 0.87962566 - 1) < 0.005


def test_bad_arguments():
    for call, message in (
        (lambda: fk.RandomNormal(stddev=-1.0)((3,)), "`std` must be a finite number of at least 0, got -1.0"),
        (lambda: fk.RandomUniform(1.0, 0.0)((3,)), "`low` must be at most high (0.0), got 1.0"),
        (lambda: fk.HeNormal(seed=1)((3, 3), dtype="int32"),
         "`dtype` must be one of 'float16', 'float32', 'float64', 'bfloat16', got 'int32'"),
    ):  # fmt: skip
        with pytest.raises(ValueError) as raised:
            call()
        assert str(raised.value).startswith(message)
    for kind in (fk.HeNormal, keras.initializers.HeNormal):
        with pytest.raises(ValueError, match="should be an instance of"):
            kind(seed=1.5)


def test_fast_init():
    before = keras.initializers.HeNormal(seed=1)((9, 6))
    generator = keras.random.SeedGenerator(4)
    with fk.fast_init(), fk.fast_init():
        layer = keras.layers.Dense(6, kernel_initializer=keras.initializers.HeNormal(seed=1))
        layer.build((None, 9))
        draws = [keras.random.uniform((5,), -1.0, 2.0, seed=generator), keras.random.normal((5,), seed=generator)]
        one, other = (keras.random.normal((5,)) for _ in range(2))  # of the global generator
        keras.layers.Dropout(0.5)(keras.ops.ones((4, 4)), training=True)
    assert equal(layer.kernel.value, fi.he_normal((9, 6), seed=1, **TRUNCATED))
    assert equal(draws[0], fi.uniform(5, -1.0, 2.0, seed=4)) and equal(draws[1], fi.normal(5, seed=4 + 2**32))
    assert not np.array_equal(bits(one), bits(other))
    assert np.array_equal(bits(keras.initializers.HeNormal(seed=1)((9, 6))), bits(before))  # Keras's own again
    with pytest.raises(ZeroDivisionError), fk.fast_init():
        raise ZeroDivisionError
    assert np.array_equal(bits(keras.initializers.HeNormal(seed=1)((9, 6))), bits(before))


def run(code, **environment):
    """In a process of its own."""
    first = os.pathsep.join(filter(None, [str(Path(fi.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    given = os.environ | {"PYTHONPATH": first} | environment
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


DIGEST = """
import hashlib, keras, numpy as np, fastinit.keras as fk
digest = hashlib.blake2b(digest_size=16)
generator = keras.random.SeedGenerator(3)
for name in fk.__all__[:-1]:
    for seed in (1, 2**70, generator):
        for dtype in ("float32", "bfloat16", "float16"):
            values = getattr(fk, name)(seed=seed)((33, 7), dtype=dtype)
            digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(keras.ops.cast(values, "float32"))).tobytes())
print(keras.backend.backend(), digest.hexdigest())
"""


def test_every_backend_has_the_same_bits():
    found = dict(run(DIGEST, KERAS_BACKEND=name).split() for name in ("jax", "torch", "numpy"))
    assert set(found) == {"jax", "torch", "numpy"} and len(set(found.values())) == 1


LAYOUTS = """
import jax, keras, numpy as np, fastinit as fi, fastinit.keras as fk
from fastinit.keras import tensors
made, draw_aligned = [], tensors.draw_aligned
def noted(*given, **more):
    found = draw_aligned(*given, **more)
    made.append(found.shape)
    return found
tensors.draw_aligned = noted
mesh = keras.distribution.DeviceMesh((2, 2), ["data", "model"], keras.distribution.list_devices())
layouts = keras.distribution.LayoutMap(mesh)
layouts[".*kernel"] = ("data", "model")
keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="data"))
generator = keras.random.SeedGenerator(5)
model = keras.Sequential([
    keras.Input((32,)),
    keras.layers.Dense(16, kernel_initializer=fk.HeNormal(seed=1)),
    keras.layers.Dense(8, kernel_initializer=fk.GlorotUniform(seed=generator)),
    keras.layers.Dense(8, kernel_initializer=fk.Orthogonal(seed=generator)),
])
assert made == [(16, 8)] * 4 + [(8, 4)] * 4 + [(8, 8)]
truncated = {"distribution": "truncated_normal"}
expected = [
    fi.he_normal((32, 16), seed=1, **truncated),
    fi.glorot_uniform((16, 8), seed=5),
    fi.orthogonal((8, 8), seed=5 + 2**32),
]
for layer, values in zip(model.layers, expected, strict=True):
    kernel = layer.kernel.value
    assert kernel.sharding.spec == jax.sharding.PartitionSpec("data", "model") and len(kernel.devices()) == 4
    assert np.array_equal(kernel, values)
model.compile("adam", "mse")
model.fit(np.ones((8, 32)), np.ones((8, 8)), verbose=0)
layout = keras.distribution.TensorLayout(("data", "model"), mesh)
placed = fk.HeNormal(seed=1)((32, 16), layout=layout)
assert placed.sharding.shard_shape(placed.shape) == (16, 8) and np.array_equal(placed, expected[0])
traced = jax.jit(lambda: fk.HeNormal(seed=1)((32, 16), layout=layout))()
assert traced.sharding.shard_shape(placed.shape) == (16, 8) and np.array_equal(traced, expected[0])
try:
    fk.HeNormal(seed=1)((7, 7), layout=layout)
except ValueError as error:
    print("refused", error)
with fk.fast_init():
    theirs = keras.layers.Dense(16, kernel_initializer=keras.initializers.HeNormal(seed=1))
    theirs.build((None, 32))
assert np.array_equal(theirs.kernel.value, expected[0]) and len(theirs.kernel.value.devices()) == 4
"""


def test_each_device_makes_its_own_part():
    said = run(LAYOUTS, KERAS_BACKEND="jax", XLA_FLAGS="--xla_force_host_platform_device_count=4")
    assert said.startswith("refused ")


PROGRAMS = """
import jax, keras, numpy as np, fastinit as fi, fastinit.keras as fk
one = fk.RandomNormal(stddev=1.0, seed=3)
expected = fi.normal((4, 4), seed=3)
assert np.array_equal(jax.jit(lambda: one((4, 4)))(), expected)
assert jax.eval_shape(lambda: one((10**9, 10**6), dtype="bfloat16")).shape == (10**9, 10**6)
generator = keras.random.SeedGenerator(7)
moving = fk.RandomNormal(stddev=1.0, seed=generator)
def step(state):
    with keras.StatelessScope(state_mapping=[(generator.state, state)]) as scope:
        values = moving((4, 4))
    return values, scope.get_current_value(generator.state)
state = generator.state.value
for count in range(3):
    values, state = jax.jit(step)(state)
    assert np.array_equal(values, fi.normal((4, 4), seed=7 + count * 2**32)), count
assert np.array_equal(moving((4, 4)), fi.normal((4, 4), seed=7))
big = one((1 << 10, 1 << 10))
assert big.unsafe_buffer_pointer() % 64 == 0
"""


def test_programs_of_jax():
    run(PROGRAMS, KERAS_BACKEND="jax")


def test_on_the_meta_device_of_torch_nothing_is_made():
    run("""
import keras, fastinit.keras as fk
with keras.device("meta"):
    made = fk.HeNormal(seed=1)((10**7, 10**7))
assert made.is_meta and made.shape == (10**7, 10**7)
""", KERAS_BACKEND="torch")  # fmt: skip


@pytest.mark.parametrize(("door", "found"), [("import fastinit.keras", "fastinit"), ("", "keras")])
def test_a_saved_model_is_loaded_without_the_door_too(tmp_path, door, found):
    """Its initializers are Keras's own then."""
    model().save(tmp_path / "model.keras")
    code = f"""
import keras
{door}
print(type(keras.models.load_model({str(tmp_path / "model.keras")!r}).layers[0].kernel_initializer))
"""
    said = run(code, KERAS_BACKEND=keras.backend.backend())
    assert said.startswith(f"<class '{found}.") and said.endswith(".HeNormal'>\n")


def test_what_is_missing_is_named():
    said = run("""
import sys
sys.modules["keras"] = None
try:
    import fastinit.keras
except ImportError as error:
    print(error)
import fastinit
""")  # fmt: skip
    assert said == "`fastinit.keras` needs keras: pip install keras (or '.[keras]' in the source folder of fastinit)\n"


def test_a_door_imports_no_other():
    said = run("import sys, fastinit.keras; print([one for one in sys.modules if one.startswith('fastinit.')])")
    assert "fastinit.torch" not in said and "fastinit.jax" not in said
