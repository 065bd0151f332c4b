"""fastinit.jax on whole models: trees by rules on names, functions transformed, arrays laid out on devices."""

from ast import literal_eval

import equinox
import flax.linen
import haiku
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import bits
from flax import nnx
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import fastinit as fi
import fastinit.jax as fj
from fastinit.models.recipes import RESIDUAL

KEY = jax.random.key(5)
RULES = [("o", "orthogonal"), ("*.bias", "zeros"), ("*", "lecun_normal", {"gain": 2.0})]


def same(made, expected):
    assert made.shape == expected.shape and np.array_equal(bits(np.asarray(made)), bits(np.asarray(expected)))


def tree_on(devices, axes):
    """A model whose weights lie on so many devices: on one axis of them, on both, on none that is told."""
    mesh = Mesh(np.array(jax.devices()[:devices]).reshape(axes), ("x", "y"))

    def leaf(shape, dtype, spec):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, spec))

    layer = {"kernel": leaf((64, 48), "float32", P("x", "y")), "bias": leaf((48,), "bfloat16", P("x"))}
    return {
        "layers": [layer],
        "step": jnp.zeros((), jnp.int32),
        "o": jax.ShapeDtypeStruct((16, 16), "float32"),
        "head": leaf((48, 8), "float16", P(None, "x")),
    }


class Net(nnx.Module):
    """Two layers, a norm with statistics, and a dropout, which has keys."""

    def __init__(self, rngs):
        self.layers = nnx.List([nnx.Linear(8, 16, rngs=rngs), nnx.Linear(16, 4, rngs=rngs)])
        self.norm, self.drop = nnx.BatchNorm(4, rngs=rngs), nnx.Dropout(0.1, rngs=rngs)


NET_RULES = [("*.kernel", "he_normal"), ("norm.scale", "ones"), ("norm.var", "ones"), ("*", "zeros")]


def test_weights_are_those_of_their_names_on_any_number_of_devices():
    digests = set()
    for devices, axes in ((1, (1, 1)), (2, (2, 1)), (4, (2, 2)), (8, (4, 2))):
        tree = tree_on(devices, axes)
        made = fj.initialize(tree, RULES, seed=7)
        kernel = made["layers"][0]["kernel"]
        assert kernel.sharding == tree["layers"][0]["kernel"].sharding and made["step"] is tree["step"]
        same(kernel, fi.lecun_normal((64, 48), gain=2.0, seed=7, name="layers.0.kernel"))
        same(made["head"], fi.lecun_normal((48, 8), gain=2.0, seed=7, name="head", dtype="float16"))
        assert np.allclose(made["o"], fi.orthogonal((16, 16), seed=7, name="o"), atol=1e-6)
        assert not np.asarray(made["layers"][0]["bias"], np.float32).any()
        found = fj.verify(made, RULES, 7)
        assert found and found.checked == 4 and not found.unchecked
        digests.add(found.digest)
    assert len(digests) == 1


def test_a_shard_that_is_wrong_is_named():
    made = fj.initialize(tree_on(8, (4, 2)), RULES, seed=7)
    kernel = made["layers"][0]["kernel"]
    values = np.array(kernel)
    values[48:, 24:] = values[:16, :24]
    made["layers"][0]["kernel"] = jax.device_put(values, kernel.sharding)
    assert fj.verify(made, RULES).problems == ("layers.0.kernel, device 7: has values of that on device 0",)
    (problem,) = fj.verify(made, RULES, 7).problems
    bits = "384 of 384 elements are not those of seed 7 and name 'layers.0.kernel'"
    assert problem == f"layers.0.kernel, device 7: has values of that on device 0; {bits}"
    copies = [values[:, :8], values[:, :8].copy()]
    copies[1][0, 0] += 1
    places = [jax.device_put(one, device) for one, device in zip(copies, jax.devices(), strict=False)]
    sharding = NamedSharding(Mesh(np.array(jax.devices()[:2]), "x"), P())
    replicas = jax.make_array_from_single_device_arrays((64, 8), sharding, places)
    found = fj.verify({"w": replicas}, [("*", "normal", {"std": float(values.std())})])
    assert "w, device 1: not equal to its replica on device 0" in found.problems


def test_a_plan():
    entries = fj.plan(tree_on(8, (4, 2)), RULES)
    assert [(one.name, str(one.law)) for one in entries] == [
        ("head", "normal(std=0.2887)"),
        ("layers.0.bias", "zeros()"),
        ("layers.0.kernel", "normal(std=0.25)"),
        ("o", "orthogonal(gain=1)"),
    ]
    assert fj.Plan.from_json(entries.to_json()) == entries
    doubled = fj.plan({"w": jnp.ones((50, 10))}, lambda weight: fj.law_of("he_normal", weight, gain=2.0))
    assert doubled[0].std == 0.4 and doubled[0].fans == (50, 10)
    (turned,) = fj.plan({"w": jnp.ones((50, 10))}, [("w", "he_normal", {"in_axis": 1, "out_axis": 0})])
    assert turned.fans == (10, 50)
    law = fi.laws.Normal(std=0.5)
    assert fj.plan({"w": jnp.ones(3)}, lambda weight: law)[0].law == law


def test_models_of_every_library():
    abstract = nnx.split(nnx.eval_shape(lambda: Net(nnx.Rngs(0))))
    state = fj.initialize(abstract[1], [("drop.*", "zeros"), *NET_RULES][1:], seed=3)
    net = nnx.merge(abstract[0], state)
    same(net.layers[1].kernel[...], fi.he_normal((16, 4), seed=3, name="layers.1.kernel"))
    assert net.norm.scale[...].all() and fj.verify(net, NET_RULES, 3)
    _, placed = nnx.get_abstract_model(lambda: Net(nnx.Rngs(0)), jax.make_mesh((8,), ("x",)))
    assert fj.verify(fj.initialize(placed, NET_RULES, seed=3), NET_RULES, 3)

    def names(tree):
        return [one.name for one in fj.plan(tree, [("*", "zeros")])]

    linen = jax.eval_shape(flax.linen.Dense(4).init, KEY, jnp.ones((1, 8)))
    assert names(linen) == ["params.bias", "params.kernel"]
    mlp = equinox.filter_eval_shape(lambda: equinox.nn.MLP(8, 4, 16, 1, key=KEY))
    assert names(mlp) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    transformed = haiku.transform(lambda x: haiku.nets.MLP([4])(x))
    assert names(jax.eval_shape(transformed.init, KEY, jnp.ones((1, 8)))) == ["mlp/~/linear_0.b", "mlp/~/linear_0.w"]


def test_abstract_meshes_need_the_devices_of_a_mesh():
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Explicit,) * 2)
    with jax.set_mesh(mesh):
        tree = {"w": jax.eval_shape(lambda: jax.sharding.reshard(jnp.zeros((8, 4)), P("x")))}
        made = fj.initialize(tree, [("w", "he_normal")], seed=0)["w"]
    assert made.sharding == NamedSharding(mesh, P("x", None))
    same(made, fi.he_normal((8, 4), seed=0, name="w"))
    with pytest.raises(
        ValueError, match=r"^`tree` must be of shardings that have devices, or under jax.set_mesh \(w\)"
    ):
        fj.initialize(tree, [("w", "he_normal")], seed=0)


WEIGHT = {"w": jax.ShapeDtypeStruct((63, 4), "float32")}
ROWS = NamedSharding(Mesh(np.array(jax.devices()[:4]), "x"), P("x"))
REFUSED = [
    (lambda: fj.initialize(WEIGHT, RULES[2:], seed=None), ValueError,
     "`seed` must be given (every process would draw another), got None"),
    (lambda: fj.plan(WEIGHT, [("x", "zeros")][:0]), ValueError,
     "`rules` must be such that each array has a law (a list may end with ('*', scheme)), got ['w']"),
    (lambda: fj.plan(WEIGHT, [("*", "he_normal"), ("x", "zeros")]), ValueError,
     "`rules` must be patterns each of which matches the name of an array, got 'x': no array matches it "
     "(there are: 'w')"),
    (lambda: fj.plan(WEIGHT, "he_normal"), ValueError,
     "`rules` must be [('*', 'he_normal')] where that is meant, got 'he_normal'"),
    (lambda: fj.plan(WEIGHT, "he_nrmal"), ValueError,
     "`rules` must be [('*', 'he_normal')] where that is meant, got 'he_nrmal'"),
    (lambda: fj.plan(WEIGHT, 5), TypeError,
     "`rules` must be a list of (pattern, scheme) or (pattern, scheme, keywords), or a function from a Weight to a "
     "law, got 5"),
    (lambda: fj.plan(WEIGHT, lambda weight: 5), TypeError,
     "`rules` must be such that a function gives a law (w), got 5"),
    (lambda: fj.plan({"b": jnp.zeros(3)}, [("*", "he_normal")]), ValueError,
     "`rules` must be such that a scheme with a fan is for weights of two axes or more "
     "(others need a rule before it: ('*b', 'zeros')), got 'b (3,)'"),
    (lambda: fj.plan({"params": {"kernel": jnp.zeros((3, 3)), "scale": jnp.zeros(3), "bias": jnp.zeros(3)},
                      "batch_stats": {"mean": jnp.zeros(3), "var": jnp.zeros(3)}}, [("*", "he_normal")]), ValueError,
     "`rules` must be such that a scheme with a fan is for weights of two axes or more (others need a rule before it: "
     "('*mean', 'zeros'), ('*var', 'ones'), ('*bias', 'zeros'), ('*scale', 'ones')), "
     "got 'batch_stats.mean (3,), batch_stats.var (3,), params.bias (3,) and 1 more'"),
    (lambda: fj.plan({"weight": jnp.zeros((3, 4))}, [("*", "he_normal", {"gain": 2.0})]), ValueError,
     "`rules` must be such that axes are named: ('weight', 'he_normal', {'gain': 2.0, 'in_axis': 1, 'out_axis': 0}) "
     "where outputs come first, as in Equinox, ('weight', 'he_normal', {'gain': 2.0, 'in_axis': 0, 'out_axis': 1}) "
     "where they do not, got ('weight', (3, 4))"),
    (lambda: fj.plan(WEIGHT, "gpt2"), ValueError,
     "`rules` must be fastinit.jax.gpt2(layers=...) where no name has the number of a block, got 'gpt2'"),
    (lambda: fj.plan(WEIGHT, "deepnorm"), ValueError,
     "`rules` must be fastinit.jax.deepnorm(layers=...) where that is meant, got 'deepnorm'"),
    (lambda: fj.plan(WEIGHT, "mup"), ValueError,
     "`rules` must be a function from a Weight to a law (only fastinit.torch has a recipe) where that is meant, "
     "got 'mup'"),
    (lambda: fj.plan(WEIGHT, "llma"), ValueError,
     "`rules` must be a list, a function, a recipe made with its arguments, or one of 'gpt2', 'llama', got 'llma' "
     "(nearest: 'llama')"),
    (lambda: fj.plan(WEIGHT, fj.gpt2(layers=2)), ValueError,
     "`residual` must be given where there is none of the usual names of residual projections of the model "
     f"({', '.join(RESIDUAL[:4])} and {len(RESIDUAL) - 4} more): fastinit.jax.gpt2(layers=2, residual=()) if it has "
     "none, or theirs in place of () (it has w), got None"),
    (lambda: fj.plan({"layers": [{"kernel": jnp.zeros((3, 3)), "bias": jnp.zeros(3), "scale": jnp.zeros(3)}] * 3},
                     [("*", "he_normal")]), ValueError,
     "`rules` must be such that a scheme with a fan is for weights of two axes or more "
     "(others need a rule before it: ('*bias', 'zeros'), ('*scale', 'ones')), "
     "got 'layers.0.bias (3,), layers.0.scale (3,), layers.1.bias (3,) and 3 more'"),
    (lambda: fj.plan(WEIGHT, [("*", fj.normal(-2.0))]), ValueError,
     "`rules` must be of initializers whose scale is a number, and not negative, "
     "got _Normal(stddev=-2.0, dtype=None)"),
    (lambda: fj.plan(WEIGHT, [("*", fj.normal(), {"std": 2.0})]), TypeError,
     "initializer() got an unexpected keyword argument 'std'"),
    (lambda: fj.plan(WEIGHT, [("*", fj.normal)]), TypeError,
     "`rules` must be of schemes that are called as fastinit's are (w: got an unexpected keyword argument 'seed'), "
     "got 'normal'"),
    (lambda: fj.plan(WEIGHT, [("*", jax.nn.initializers.he_normal())]), TypeError,
     "`rules` must be of schemes that are called as fastinit's are (w: missing a required argument: 'shape'), "
     "got 'init'"),
    (lambda: fj.plan(WEIGHT, lambda weight: None), ValueError,
     "`rules` must be such that each array has a law (a function may give one, and call a recipe for others), "
     "got ['w']"),
    (lambda: fj.plan({"a": {"b": jnp.zeros(3)}, "a.b": jnp.zeros(3)}, [("*", "zeros")]), ValueError,
     "`tree` must be one whose paths, joined by dots, are apart, got ['a.b']"),
    (lambda: fj.verify(WEIGHT, RULES[2:]), TypeError,
     "`tree` must be of arrays, none of them abstract (w), got ShapeDtypeStruct(shape=(63, 4), dtype=float32)"),
    (lambda: fj.sharded("he_normal", (4, 4), ROWS, seed=None), ValueError,
     "`seed` must be given (every process would draw another), got None"),
    (lambda: fj.sharded("he_normal", (4, 4), ROWS, seed=0, dtype="int32"), ValueError,
     "`dtype` must be one of 'float16', 'float32', 'float64', 'bfloat16', got 'int32'"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", REFUSED)
def test_refusals(call, error, message):
    with pytest.raises(error) as refused:
        call()
    assert str(refused.value) == message


def test_shardings_that_do_not_divide_are_refused_by_jax():
    with pytest.raises(ValueError, match="the dimension size is 63"):
        fj.sharded("he_normal", (63, 4), ROWS, seed=0)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("spec", [P("x"), P("x", "y"), P(("y", "x")), P(None, "y"), P()], ids=str)
def test_sharded(spec, dtype):
    mesh = Mesh(np.array(jax.devices()).reshape(4, 2), ("x", "y"))
    for scheme, keywords in (("he_normal", {"gain": 0.5}), (fi.uniform, {"high": 2.0}), (fi.laws.Truncated(), {})):
        made = fj.sharded(scheme, (64, 48), NamedSharding(mesh, spec), seed=3, name="w", dtype=dtype, **keywords)
        whole = fi.schemes.scheme_of(scheme)((64, 48), seed=3, name="w", dtype=dtype, **keywords)
        assert made.sharding.spec == spec
        same(made, whole)


def draws(key):
    """By an initializer, by itself, and what no law of ours is."""
    keys = jax.random.split(key, 5)
    return {
        "he": jax.nn.initializers.he_normal()(keys[0], (64, 32)),
        "normal": jax.random.normal(keys[1], (5,)),
        "uniform": jax.random.uniform(keys[2], (4,), "bfloat16", -1, 1),
        "other": (jax.random.gamma(keys[3], 2.0, (3,)), jax.random.bernoulli(keys[4], 0.5, (9,))),
        "text": "as it was",
    }


def test_a_function_draws_by_fastinit():
    made, before, keys = fj.fast_init(draws)(KEY), draws(KEY), jax.random.split(KEY, 5)
    assert np.allclose(made["he"], fj.he_normal()(keys[0], (64, 32)), rtol=1e-6)
    same(made["normal"], fi.normal(5, seed=fj.seed_of(keys[1])))
    same(made["uniform"], fi.uniform(4, -1, 1, seed=fj.seed_of(keys[2]), dtype="bfloat16"))
    assert all(map(np.array_equal, made["other"], before["other"])) and made["text"] == before["text"]
    program = jax.jit(lambda key: {name: one for name, one in fj.fast_init(draws)(key).items() if name != "text"})
    for name, one in program(KEY).items():
        assert jax.tree.all(jax.tree.map(lambda a, b: np.allclose(a, b, rtol=1e-6), one, made[name]))


def test_functions_in_loops_and_mapped():
    keys = jax.random.split(KEY, 3)
    each = np.stack([fi.normal(4, seed=fj.seed_of(key)) for key in keys])

    def scanned(keys):
        return jax.lax.scan(lambda at, key: (at, jax.random.normal(key, (4,))), 0, keys)[1]

    same(fj.fast_init(scanned)(keys), each)
    same(fj.fast_init(jax.vmap(lambda key: jax.random.normal(key, (4,))))(keys), each)
    same(jax.vmap(fj.fast_init(lambda key: jax.random.normal(key, (4,))))(keys), each)
    bound = fj.fast_init(lambda key, low: jax.random.uniform(key, (4,), minval=low))
    same(bound(KEY, jnp.float32(-1)), jax.random.uniform(KEY, (4,), minval=-1.0))


def test_init_functions_of_every_library():
    x = jnp.ones((1, 8))
    linen = flax.linen.Sequential([flax.linen.Dense(256), flax.linen.Dense(4)])
    transformed = haiku.transform(lambda x: haiku.nets.MLP([256, 4])(x))
    for init in (
        lambda key: linen.init(key, x),
        lambda key: transformed.init(key, x),
        lambda key: equinox.nn.MLP(8, 4, 256, 1, key=key),
        lambda key: nnx.state(nnx.Linear(8, 256, rngs=nnx.Rngs(params=key))),
    ):
        made, before = (jax.tree.leaves(f(KEY)) for f in (fj.fast_init(init), init))
        for one, other in zip(made, before, strict=True):
            if isinstance(one, jax.Array) and one.ndim > 1:
                assert one.shape == other.shape and not np.array_equal(one, other)
                assert abs(float(one.std() / other.std()) - 1) < 0.15  # of 1024 elements; the seed is fixed


def test_initializers_are_rules():
    tree = {"kernel": jax.ShapeDtypeStruct((64, 32), "bfloat16"), "bias": jax.ShapeDtypeStruct((32,), "float32")}
    rules = [("bias", fj.ones), ("*", fj.he_normal())]
    made = fj.initialize(tree, rules, seed=3)
    named = {"seed": 3, "name": "kernel", "dtype": "bfloat16", "distribution": "truncated_normal"}
    same(made["kernel"], fi.he_normal((64, 32), **named))
    assert (made["bias"] == 1).all() and fj.verify(made, rules, seed=3)
    assert str(fj.plan(tree, [("*", fj.normal(0.5))])[0].law) == "normal(std=0.5)"


def test_a_users_function_may_make_another_dtype():
    def ramp(shape, **_):
        return np.linspace(0, 1, np.prod(shape)).reshape(shape)

    for dtype in ("float32", "bfloat16"):
        tree = {"kernel": jax.ShapeDtypeStruct((40, 60), dtype)}
        assert fj.verify(fj.initialize(tree, [("*", ramp)], seed=0), [("*", ramp)], seed=0)


class Block(nnx.Module):
    def __init__(self, rngs):
        self.ln_1, self.ln_2 = (nnx.LayerNorm(16, rngs=rngs) for _ in range(2))
        self.attn = nnx.MultiHeadAttention(2, 16, decode=False, rngs=rngs)
        self.mlp = nnx.Dict(fc1=nnx.Linear(16, 64, rngs=rngs), fc2=nnx.Linear(64, 16, rngs=rngs))


class Transformer(nnx.Module):
    def __init__(self, rngs):
        self.wte = nnx.Embed(50, 16, rngs=rngs)
        self.blocks = nnx.List([Block(rngs) for _ in range(2)])
        self.norm = nnx.RMSNorm(16, rngs=rngs)
        self.lm_head = nnx.Linear(16, 50, use_bias=False, rngs=rngs)


def planned(rules):
    """By name, what rules give a transformer of nnx."""
    tree = nnx.state(nnx.eval_shape(lambda: Transformer(nnx.Rngs(0))))
    return {entry.name: entry for entry in fj.plan(tree, rules)}


SMALLER = ("attn.value", "attn.out", "fc1", "fc2")
USUAL = {"ln_1.scale": 1.0, "ln_1.bias": 0.0, "attn.query.bias": 0.0, "mlp.fc2.bias": 0.0}
RECIPES = [
    ("gpt2", {"wte.embedding": 0.02, "lm_head.kernel": 0.02},
     {"attn.query.kernel": 0.02, "attn.out.kernel": 0.01, "mlp.fc1.kernel": 0.02, "mlp.fc2.kernel": 0.01}),
    ("llama", {"wte.embedding": 1.0, "lm_head.kernel": 0.2466},
     {"attn.value.kernel": 0.02, "attn.out.kernel": 0.01, "mlp.fc2.kernel": 0.01}),
    (fj.deepnorm(2, smaller=SMALLER), {"lm_head.kernel": (2 / 66) ** 0.5},
     {"attn.query.kernel": 0.25, "attn.value.kernel": 0.125, "attn.out.kernel": 0.125,
      "mlp.fc1.kernel": (2 / 80) ** 0.5 / 2}),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "whole", "last"), RECIPES)
def test_recipes_know_a_transformer_by_its_names(rules, whole, last):
    found = planned(rules)
    expected = whole | {f"blocks.1.{name}": std for name, std in last.items()}
    assert {name: found[name].std for name in expected} == pytest.approx(expected, rel=1e-3)
    for name, value in USUAL.items():
        assert found[f"blocks.0.{name}"].law == fi.laws.Constant(1.0 if value else 0.0)
    assert found["norm.scale"].law == fi.laws.Constant(1.0)


def test_a_recipe_has_blocks_by_the_numbers_of_names():
    tree = {
        f"h_{number}": {name: {"kernel": jax.ShapeDtypeStruct((8, 8), "float32")} for name in ("c_attn", "c_proj")}
        for number in range(8)
    }
    assert {entry.name: entry.std for entry in fj.plan(tree, fj.gpt2(layers=8, residual=("c_proj",)))} == {
        f"h_{number}.{name}.kernel": std for number in range(8) for name, std in (("c_attn", 0.02), ("c_proj", 0.005))
    }
    haiku = {
        f"net/~/{at}/~/{name}": {"w": kernel["kernel"]} for at, block in tree.items() for name, kernel in block.items()
    }
    assert [entry.std for entry in fj.plan(haiku, fj.gpt2(layers=8, residual=("c_proj",)))] == [0.02, 0.005] * 8
    stds = [entry.std for entry in fj.plan(tree, fj.llama(residual=("c_proj",)))][1::2]
    assert stds == [0.02 / (2 * number + 2) ** 0.5 for number in range(8)]


def test_heads_of_attention_are_no_places_of_a_kernel():
    """What fans scale has those of the matrix that it is; so it is in flax."""
    found = planned([("*.bias", "zeros"), ("*.scale", "ones"), ("*", "lecun_normal")])
    assert all(found[f"blocks.0.attn.{name}.kernel"].fans == (16, 16) for name in ("query", "key", "value", "out"))
    stack = {
        "blocks": {
            name: {"kernel": jax.ShapeDtypeStruct((3, 2, 8, 16) if name == "out" else (3, 16, 2, 8), "float32")}
            for name in ("query", "key", "value", "out")
        }
    }
    assert {entry.fans for entry in fj.plan(stack, [("*", "lecun_normal")])} == {(16, 16)}


def test_what_three_axes_of_a_kernel_are_is_told_by_its_name_or_asked():
    """Layers of `scan`, experts, heads or places: those who do not know would scale by the wrong fan."""
    kernel = {"kernel": jax.ShapeDtypeStruct((8, 16, 16), "float32")}
    assert fj.plan({"Conv_0": kernel}, [("*", "lecun_normal")])[0].fans == (128, 128)
    places, layers = {"in_axis": -2, "out_axis": -1}, {"in_axis": -2, "out_axis": -1, "batch_axis": [0]}
    with pytest.raises(ValueError) as raised:
        fj.plan({"Dense_0": kernel}, [("*", "lecun_normal")])
    asked = {
        f"('Dense_0.kernel', 'lecun_normal', {places})": (128, 128),
        f"('Dense_0.kernel', 'lecun_normal', {layers})": (16, 16),
    }
    for typed, fans in asked.items():
        assert typed in str(raised.value)
        assert fj.plan({"Dense_0": kernel}, [literal_eval(typed)])[0].fans == fans
