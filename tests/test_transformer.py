"""Transformer blocks in profiles: gradients, the definition, laws at initialisation, causality, memory, refusals."""

import math
import tracemalloc
from itertools import product

import numpy as np
import pytest
from conftest import shown

import fastinit as fi
from fastinit.activations import activation_of
from fastinit.profiler.description.keywords import network_from
from fastinit.profiler.description.network import Text
from fastinit.profiler.description.signals import signals_from
from fastinit.profiler.methods import memory, method_for
from fastinit.profiler.statistics import Tally
from fastinit.profiler.steps import attention, matrices
from fastinit.profiler.steps.layers import Builder
from fastinit.profiler.steps.step import backward, forward, learn, tangent

#: What is asked of signals where nothing is said.
SIGNALS = {"cotangent": "random_sign", "loss": None, "classes": None, "backward": True, "jacobian": False,
           "sgd_steps": 0, "lr": 0.1}  # fmt: skip
USUAL = {
    "kind": "transformer", "width": 12, "depth": 1, "widths": None, "channels": None, "activation": "gelu",
    "scheme": "lecun_normal", "gain": None, "norm": "layer", "norm_position": None, "norm_eps": 1e-5, "residual": False,
    "branch_scale": 1.0, "bias_std": 0.0, "kernel_size": 3, "image_size": 4, "padding": "zero", "batch": 2,
    "dtype": "float64", "inputs": np.empty((2, 3, 12)), "sequence_length": 3, "vocabulary": 11, "embedding_std": 0.02,
    "positional": True, "heads": 2, "mlp_ratio": 2, "gated": False, "causal": True, "stream_scale": 1.0,
    "residual_gain": 1.0, "logit_scale": None,
}  # fmt: skip


def layers_of(learns=False, **keywords):
    network = network_from(**USUAL | keywords)
    tallies = [Tally() for _ in range(network.depth + 1)]
    return network, Builder(network, 3, tallies, False, learns).layers(), tallies


def through(layers, x, step=forward):
    for layer in layers:
        x = step(layer, x)
    return x


def back(layers, d):
    return through(layers[::-1], d, backward)


def drawn(network, name):
    return fi.normal((network.rows, network.widths[0]), seed=4, name=name, dtype="float64")


# --- gradients


@pytest.mark.parametrize("position, norm", [("pre", None), *product(("pre", "post"), ("layer", "rms"))])
@pytest.mark.parametrize("gated, causal, alpha", [*product((False, True), (False, True), (1.0, 1.3))])
def test_gradients_against_finite_differences(norm, position, gated, causal, alpha):
    """Central differences err by h^2 f''' / 6 and by u f / h: 1e-9 and less, for h = 1e-5 and sums of a few tens."""
    network, layers, _ = layers_of(depth=2, norm=norm, norm_position=position, gated=gated, causal=causal, bias_std=0.3,
                                   stream_scale=alpha, branch_scale=0.8, residual_gain="gpt2")  # fmt: skip
    x, v, c = (drawn(network, name) for name in "xvc")
    h = 1e-5
    slope = (np.vdot(through(layers, x + h * v), c) - np.vdot(through(layers, x - h * v), c)) / (2 * h)
    through(layers, x)
    product_back = np.vdot(back(layers, c), v)
    assert product_back == pytest.approx(np.vdot(c, through(layers, v, tangent)), rel=1e-10)
    assert product_back == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("positions", [1, 3])
@pytest.mark.parametrize("gated", [False, True])
def test_norms_of_gradients_of_weights(gated, positions):
    """|dW|^2 and <W, dW> of a block are the slopes of the loss along dW and along W, all its matrices together."""

    def grown(factor):
        return lambda shape, seed, name: factor * fi.lecun_normal(shape, seed=seed, name=name, dtype="float64")

    keywords = {"learns": True, "scheme": grown(1), "gated": gated, "inputs": np.empty((2, positions, 12)),
                "sequence_length": positions, "residual_gain": 0.7}  # fmt: skip
    h, ends = 1e-5, []
    for rate in (-h, h):
        network, layers, tallies = layers_of(**keywords)
        x, c = (drawn(network, name) for name in "xc")
        through(layers, x)
        back(layers, c)
        seen = tallies[1].row()
        learn(layers[1], rate)
        ends.append(np.vdot(through(layers, x), c))
    assert seen["weight_grad_norm"] ** 2 == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)
    ends = [np.vdot(through(layers_of(**keywords | {"scheme": grown(f)})[1], x), c) for f in (1 + h, 1 - h)]
    assert seen["weight_dot_grad"] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)
    shapes = network.matrices(1)
    gains = {name: 0.7 if name.endswith(("output", "down")) else 1.0 for name in shapes}
    squares = [np.sum((gains[name] * grown(1)(shape, 3, name)) ** 2) for name, shape in shapes.items()]
    assert seen["weight_norm"] == pytest.approx(math.sqrt(sum(squares)), rel=1e-12)


def test_descent_and_jacobian():
    keywords = {"kind": "transformer", "norm": "rms", "sequence_length": 4, "batch": 6, "embedding_std": 1.0}
    p = fi.profile(16, 2, "silu", "lecun_normal", gated=True, sgd_steps=3, lr=0.02, dtype="float64", **keywords)
    losses = [step["grad_act_second_moment"][0, 2] for step in (*p.steps, p)]
    assert losses == sorted(losses, reverse=True)
    assert len(set(losses)) == 4
    inputs = [step["act_second_moment"][0, 0] for step in (*p.steps, p)]
    assert len(set(inputs)) == 1  # embeddings do not learn
    p = fi.profile(16, 2, "silu", "lecun_normal", jacobian=True, **keywords)
    assert p["jacobian_largest"][0] ** 4 >= p["jacobian_fourth_moment"][0] >= p["jacobian_second_moment"][0] ** 2


def test_attention_without_a_skip_makes_one_vector_of_the_tokens_of_a_sequence():
    """Dong, Cordonnier and Loukas, 2021; the cosine between sequences does not show it."""
    keywords = {"kind": "transformer", "norm": "layer", "norm_position": "post", "batch": 16, "sequence_length": 16}
    p, kept = (fi.profile(64, 8, "gelu", "lecun_normal", vocabulary=16, heads=1, stream_scale=scale, **keywords)
               for scale in (0.0, 1.0))  # fmt: skip
    assert p["position_cosine"][0, 1] < 0.9 and p["cosine"][0, 8] < 0.8
    assert p["position_cosine"][0, 8] > 0.99
    for optimizer in ("sgd", "adam"):
        assert str(p.trains(optimizer)) == (
            "slowly: the tokens of a sequence are nearly alike at the outputs (mean cosine "
            f"{p['position_cosine'][0, 8]:.4f})"
        )
    assert kept["position_cosine"][0, 8] < 0.98 and kept.healthy


def test_positions_are_those_of_an_example():
    """Of the outputs as a loss is given them: tokens of a sequence, pixels of an image; other networks have none."""
    for keywords in ({"kind": "transformer", "sequence_length": 5}, {"kind": "conv", "image_size": 3}):
        seen = []

        def keep(outputs, seen=seen):
            seen.append(outputs.astype(float).reshape(len(outputs), -1, outputs.shape[-1]))
            return outputs

        p = fi.profile(6, 2, "tanh", batch=4, loss=keep, **keywords)
        unit = seen[0] / np.linalg.norm(seen[0], axis=2, keepdims=True)
        apart = ~np.eye(unit.shape[1], dtype=bool)
        assert p["position_cosine"][0, 2] == pytest.approx(np.mean((unit @ unit.mT)[:, apart]), rel=1e-6)
    assert np.isnan(fi.profile(6, 2, batch=4)["position_cosine"]).all()


# --- the definition


def normalised(x, norm):
    x = x - x.mean(axis=-1, keepdims=True) if norm == "layer" else x
    return x if norm is None else x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)


def attended(x, w, causal, heads, scale):
    """Head by head and token by token."""
    result = np.zeros_like(x)
    size = x.shape[2] // heads
    for example, head, t in np.ndindex(len(x), heads, x.shape[1]):
        units = slice(head * size, (head + 1) * size)
        seen = x[example, : t + 1] if causal else x[example]
        logits = scale * (seen @ w["key"][:, units]) @ (x[example, t] @ w["query"][:, units])
        share = np.exp(logits) / np.exp(logits).sum()
        result[example, t, units] = share @ (seen @ w["value"][:, units])
    return result @ w["output"]


@pytest.mark.parametrize("position, norm, gated, causal, scale", [
    ("pre", "layer", False, True, None), ("post", "layer", False, False, "mup"), ("pre", "rms", True, True, 0.9),
    ("pre", None, True, False, 1.5),
])  # fmt: skip
def test_a_block_is_what_it_says(position, norm, gated, causal, scale):
    network, layers, _ = layers_of(norm=norm, norm_position=position, gated=gated, causal=causal, logit_scale=scale,
                                   residual_gain=0.6, stream_scale=1.2, branch_scale=0.7)  # fmt: skip
    shapes = {"query": (12, 12), "key": (12, 12), "value": (12, 12), "output": (12, 12), "up": (12, 24)}
    shapes |= {"gate": (12, 24)} if gated else {}
    w = {part: fi.lecun_normal(shape, seed=3, name=f"layer.1.{part}", dtype="float64")
         for part, shape in (shapes | {"down": (24, 12)}).items()}  # fmt: skip
    w["output"], w["down"] = 0.6 * w["output"], 0.6 * w["down"]
    phi = activation_of("gelu").function
    scale = {None: 6**-0.5, "mup": 1 / 6}.get(scale, scale)

    def mlp(x):
        hidden = phi(x @ w["gate"]) * (x @ w["up"]) if gated else phi(x @ w["up"])
        return hidden @ w["down"]

    x = drawn(network, "x")
    y = x.reshape(2, 3, 12)
    for f in (lambda x: attended(x, w, causal, 2, scale), mlp):
        before, after = (norm, None) if position == "pre" else (None, norm)
        y = normalised(1.2 * y + 0.7 * f(normalised(y, before)), after)
    np.testing.assert_allclose(through(layers, x).reshape(2, 3, 12), y, rtol=1e-11, atol=1e-12)


def test_tokens_are_embedded():
    keywords = {"kind": "transformer", "sequence_length": 5}
    embedding = {"vocabulary": 7, "embedding_std": 0.5}
    tokens = np.array([[0, 6, 6, 1, 2], [3, 3, 3, 3, 3]])
    table = fi.normal((7, 16), 0, 0.5, seed=2, name="embedding.token")[tokens]
    for positional in (False, True):
        x = table + fi.normal((5, 16), 0, 0.5, seed=2, name="embedding.position") * positional
        one = fi.profile(16, 1, inputs=tokens, seed=2, positional=positional, **embedding, **keywords)
        other = fi.profile(16, 1, inputs=x, seed=2, **keywords)
        assert one["act_second_moment"][0, 0] == pytest.approx(np.mean(x.astype(float) ** 2), rel=1e-6)
        assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


def test_tokens_are_uniform():
    """Counts of 20 tokens among 8000: chi-square of 19 degrees is below 60 but for 4e-6."""
    network = network_from(**USUAL | {"inputs": None, "batch": 400, "sequence_length": 20, "vocabulary": 20})
    tokens = signals_from(network, inputs=None, **SIGNALS).first(network, 0)
    counts = np.bincount(tokens.reshape(-1), minlength=20)
    assert len(counts) == 20
    assert np.sum((counts - 400) ** 2) / 400 < 60


@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_a_causal_block_sees_no_later_token(norm_position):
    for causal in (True, False):
        network, layers, _ = layers_of(depth=2, causal=causal, norm_position=norm_position, dtype="float32",
                                       inputs=np.empty((2, 8, 12)), sequence_length=8)  # fmt: skip
        x = drawn(network, "x").astype(np.float32)
        before = through(layers, x).reshape(2, 8, 12)
        x.reshape(2, 8, 12)[:, 5] += 1
        same = (through(layers, x).reshape(2, 8, 12) == before).all(axis=(0, 2))
        assert same[:5].all() == causal
        assert not same[5:].any()


# --- laws at initialisation


def test_attention_at_initialisation():
    """Given q, logits of normal keys are normal of variance s2; T E sum a^2 = e^s2 (1 + (3 (e^s2 - 1) - ...) / T).

    The next term is 3e-4 of it at s2 = 1/2 and T = 256, by simulation; 4.5 standard errors are passed once in 1e5.
    """
    positions, units, pairs, s2 = 256, 64, 256, 0.5
    text = Text(positions, 0, 0.0, False, 1, units, False, False, 1.0, 1.0, math.sqrt(s2 / units))
    q, k, v = (fi.normal((pairs * positions, units), seed=0, name=name) for name in "qkv")
    q *= np.sqrt(units / np.sum(q * q, axis=1, keepdims=True))
    out = attention.Attention(text).forward(np.concatenate([q, k, v], axis=1))
    seen = positions * np.mean(out.reshape(pairs, -1) ** 2, axis=1, dtype=float)
    expected = math.exp(s2) * (1 + (3 * math.expm1(s2) - 2 * math.expm1(2 * s2)) / positions)
    assert abs(seen.mean() - expected) < 4.5 * seen.std(ddof=1) / math.sqrt(pairs) + 5e-4 * expected
    assert seen.std(ddof=1) / math.sqrt(pairs) < 0.01 * expected


@pytest.mark.slow
def test_gpt2_small_at_its_first_position():
    """E x^2 after blocks 1, 2, 3, 6, 12 where attention is exactly 1; the standard error of 8 networks is 1.2 %."""
    p = fi.profile(768, 12, "gelu_tanh", ("small_normal", {"std": 0.02}), kind="transformer", sequence_length=1,
                   norm="layer", residual_gain="gpt2", batch=16, repeats=8, backward=False)  # fmt: skip
    assert p.network.text.heads == 12
    expected = [0.010121, 0.019495, 0.028874, 0.057015, 0.113306]
    assert np.abs(p.mean("act_second_moment")[[1, 2, 3, 6, 12]] / expected - 1).max() < 0.05


def test_pre_norm_grows_by_a_constant_and_gradients_as_much():
    """One token, LeCun, ReLU, MLP of ratio 1: attention adds 1 and the MLP 1/2 to E x^2 = 1, whatever came before.

    The gradient's sums are the same, so that E g^2 at the input is as many times that at the output: 1 + 3L/2, and
    some 4/n = 3 % more, as E 1/q > 1 / E q. The standard errors of 24 networks of 128 units are 1 and 1.5 %. With many
    tokens attention adds the less, the more even its weights are (Xiong et al. 2020: a block adds 1/2 to 3/2).
    """
    keywords = {"kind": "transformer", "norm": "rms", "norm_eps": 0, "mlp_ratio": 1}
    blocks = 1 + 1.5 * np.arange(7)
    x = normalised(fi.normal((4, 1, 128), seed=1), "rms")
    p = fi.profile(128, 6, "relu", "lecun_normal", inputs=x, sequence_length=1, repeats=24, **keywords)
    assert np.abs(p.mean("act_second_moment") / blocks - 1).max() < 0.05
    assert np.abs(p.mean("grad_act_second_moment") * blocks / blocks[-1] - 1).max() < 0.1
    x = normalised(fi.normal((8, 16, 128), seed=1), "rms")
    p = fi.profile(128, 6, "relu", "lecun_normal", inputs=x, sequence_length=16, backward=False, **keywords)
    seen = p["act_second_moment"][0, 1:]
    assert (seen > 1 + 0.5 * np.arange(1, 7)).all()
    assert (seen < 0.9 * blocks[1:]).all()


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_post_norm_keeps_the_second_moment(norm):
    """It is 1 by definition, but for eps = 0 and rounding."""
    p = fi.profile(32, 6, "gelu", "he_normal", kind="transformer", norm=norm, norm_position="post", norm_eps=0, batch=4,
                   sequence_length=6, embedding_std=1.0, dtype="float64")  # fmt: skip
    assert np.abs(p["act_second_moment"][0, 1:] - 1).max() < 1e-12


def test_deepnorm_is_bounded_backward():
    """alpha = (2L)^(1/4), and beta = (8L)^(-1/4) on value, output, up and down (Wang et al. 2022): g^2 stays.

    A branch has the gains beta^4 v forward and beta^4 g back, so that a sum and its norm change E g^2 by
    (alpha^2 + beta^4 g) / (alpha^2 + beta^4 v); over 2L of them that is at most exp(|g - v| / (4 sqrt(2L))), 1 % for
    tanh. Norms project one or two of n directions out: at worst (1 - 2/n)^(2L). Without alpha and beta a block of
    tanh gives (1 + g) / (1 + v) = 1.464 / 1.394, 1.05 each.
    """
    depth, width = 24, 128
    beta = (8 * depth) ** -0.25

    def scheme(shape, seed, name):
        gain = beta if name.endswith(("value", "output", "up", "down")) else 1.0
        return fi.lecun_normal(shape, seed=seed, name=name, gain=gain)

    keywords = {"kind": "transformer", "norm": "layer", "norm_position": "post", "mlp_ratio": 1, "sequence_length": 4,
                "batch": 8, "embedding_std": 1.0}  # fmt: skip
    p = fi.profile(width, depth, "tanh", scheme, stream_scale=(2 * depth) ** 0.25, **keywords)
    gradient = p["grad_act_second_moment"][0, 1:]
    assert (gradient / gradient[-1] < 1.1).all()
    assert (gradient / gradient[-1] > 0.9 * (1 - 2 / width) ** (2 * depth)).all()
    plain = fi.profile(width, depth, "tanh", "lecun_normal", **keywords)["grad_act_second_moment"][0, 1:]
    assert plain[0] / plain[-1] > 1.5


# --- methods and memory


@pytest.mark.parametrize("gated", [False, True])
def test_tiled_agrees_with_dense(monkeypatch, gated):
    """Two orders of summing n products differ by 2 n u |x| |W| at most, u being 1.1e-16.

    In norms that is 2 n^1.5 u of a signal whose weights keep its size, 2e-13 for n = 96. There are 14 products in two
    blocks, on the way forward and again back, each difference being passed on by maps whose gain is below 5: 3e-11.
    """
    monkeypatch.setattr(matrices, "TILE", 16)
    keywords = {"kind": "transformer", "norm": "layer", "sequence_length": 5, "batch": 3, "heads": 4, "mlp_ratio": 2,
                "embedding_std": 1.0, "dtype": "float64", "gated": gated, "residual_gain": "gpt2"}  # fmt: skip
    dense, tiled = (fi.profile(48, 2, "gelu", "lecun_normal", method=m, **keywords) for m in ("dense", "tiled"))
    assert (dense.method, tiled.method) == ("dense", "tiled")
    for name in dense:
        size = np.nanmax(np.abs(dense[name]))
        np.testing.assert_allclose(tiled[name], dense[name], rtol=1e-10, atol=1e-10 * size, err_msg=name)


def test_attention_a_few_heads_at_a_time(monkeypatch):
    keywords = {"kind": "transformer", "sequence_length": 7, "batch": 5, "heads": 3, "norm": "rms", "jacobian": True}
    whole = fi.profile(24, 2, "gelu", **keywords)
    for held in (1, 100):
        monkeypatch.setattr(attention, "ATTENTION", held)
        parts = fi.profile(24, 2, "gelu", **keywords)
        assert all(np.array_equal(parts[name], whole[name], equal_nan=True) for name in whole)


@pytest.mark.parametrize("more", [
    {}, {"gated": True}, {"norm": None}, {"norm_position": "post", "activation": "relu"}, {"depth": 12},
    {"backward": False}, {"backward": False, "depth": 12}, {"sequence_length": 1, "width": 512},
    {"sequence_length": 1, "batch": 64, "depth": 8, "gated": True}, {"sequence_length": 1024, "batch": 1, "width": 32},
    {"mlp_ratio": 1, "dtype": "float64"}, {"method": "tiled"}, {"sgd_steps": 1}, {"jacobian": True},
    {"scheme": "orthogonal", "sequence_length": 4},
], ids=str)  # fmt: skip
def test_memory_is_foreseen(more):
    keywords = {"kind": "transformer", "width": 128, "depth": 2, "batch": 4, "activation": "gelu", "norm": "layer"}
    keywords |= more
    fi.profile(**keywords | {"width": 8, "heads": 1, "depth": 1, "sequence_length": 2})  # what is imported on the way
    tracemalloc.start()
    p = fi.profile(**keywords)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    signals = signals_from(
        p.network, **{name: keywords.get(name, value) for name, value in ({"inputs": None} | SIGNALS).items()}
    )
    assert peak / 2 < memory(p.network, signals, p.method) < 2 * peak


def test_auto_looks_at_every_matrix():
    """Of a width of 4200 the square matrices are below 2**26 weights, those of the MLP above."""
    for ratio, method in ((1, "dense"), (4, "tiled")):
        network = network_from(**USUAL | {"width": 4200, "inputs": None, "mlp_ratio": ratio})
        assert method_for(network, signals_from(network, inputs=None, **SIGNALS), "auto") == method


# --- what is refused

TOKENS = np.zeros((2, 3), int)
REFUSED = [
    ({"heads": 3}, ValueError, "`heads` must be a divisor of the width (8), got 3"),
    ({"heads": 0}, ValueError, "`heads` must be an integer of at least 1, got 0"),
    ({"heads": 2.0}, TypeError, "`heads` must be an integer of at least 1, as 2 is, got 2.0"),
    ({"sequence_length": 0}, ValueError, "`sequence_length` must be an integer of at least 1, got 0"),
    ({"vocabulary": 0}, ValueError, "`vocabulary` must be an integer of at least 1, got 0"),
    ({"embedding_std": -0.02}, ValueError, "`embedding_std` must be a finite number of at least 0, got -0.02"),
    ({"mlp_ratio": 0.01}, ValueError,
     "`mlp_ratio` must be such that mlp_ratio times the width (8) is at least 1, got 0.01"),
    ({"mlp_ratio": -1}, ValueError, "`mlp_ratio` must be a finite number of at least 0, got -1.0"),
    ({"stream_scale": np.nan}, ValueError, "`stream_scale` must be a finite number, got nan"),
    ({"residual_gain": "gpt3"}, ValueError,
     "`residual_gain` must be a number or one of 'gpt2', got 'gpt3' (nearest: 'gpt2')"),
    ({"residual_gain": []}, TypeError, "`residual_gain` must be a finite number, got []"),
    ({"logit_scale": "mu"}, ValueError, "`logit_scale` must be a number or one of 'mup', got 'mu' (nearest: 'mup')"),
    ({"logit_scale": np.inf}, ValueError, "`logit_scale` must be a finite number, got inf"),
    ({"norm": "batch"}, ValueError, "`norm` must be one of 'layer', 'rms', got 'batch'"),
    ({"norm": "rms", "norm_position": "pre_act"}, ValueError,
     "`norm_position` must be one of 'pre', 'post', got 'pre_act' (nearest: 'pre')"),
    ({"width": [8, 9], "depth": None}, ValueError,
     "`widths` must be the same for all layers of a residual network, got (8, 9)"),
    ({"inputs": np.zeros((2, 4), int)}, ValueError,
     "`inputs` must be tokens of shape (2, 3) or signals of shape (2, 3, 8), got (2, 4)"),
    ({"inputs": np.zeros((2, 3))}, TypeError, "`inputs` must be integers where they are tokens, got 'float64'"),
    ({"inputs": TOKENS + 1024}, ValueError, "`inputs` must be tokens in [0, 1024) (the vocabulary), got [1024, 1024]"),
    ({"inputs": TOKENS - 1}, ValueError, "`inputs` must be tokens in [0, 1024) (the vocabulary), got [-1, -1]"),
    ({"inputs": np.zeros((2, 3, 7))}, ValueError, "`inputs` must be an array of shape (2, 3, 8), got (2, 3, 7)"),
    ({"cotangent": np.zeros((2, 8)), "batch": 2}, ValueError,
     "`cotangent` must be an array of shape (2, 3, 8), got (2, 8)"),
    ({"loss": lambda x: x[0], "batch": 2}, ValueError,
     "`loss` must be a function whose gradient has the shape of the outputs, (2, 3, 8), got (3, 8)"),
    ({"method": "matrix_free"}, ValueError,
     "`method` must be 'dense' or 'tiled' for kind 'transformer', got 'matrix_free'"),
]  # fmt: skip


@pytest.mark.parametrize("keywords, error, message", REFUSED, ids=lambda value: shown(value)[:40])
def test_refusals(keywords, error, message):
    with pytest.raises(error) as caught:
        fi.profile(**{"width": 8, "depth": 2, "kind": "transformer", "sequence_length": 3} | keywords)
    assert str(caught.value) == message


def test_a_transformer_describes_itself():
    p = fi.profile(8, 2, "silu", kind="transformer", norm="rms", gated=True, sequence_length=3, batch=2, heads=2)
    assert str(p.network) == (
        "transformer 8, depth 2, silu, he_normal, 2 heads of 3 causal positions, gated MLP 32, vocabulary 1024, "
        "embedding std 0.02, logits x 0.5, rms norm before, residual, batch 2"
    )
    assert p.network.input_shape == (2, 3)
    p = fi.profile(8, 2, "relu", kind="transformer", norm="layer", norm_position="post", inputs=np.ones((2, 3, 8)),
                   sequence_length=3, causal=False, stream_scale=1.5, residual_gain="gpt2", backward=False)  # fmt: skip
    assert str(p.network) == (
        "transformer 8, depth 2, relu, he_normal, 1 head of 3 positions, MLP 32, stream x 1.5, "
        "residual weights x 0.5, logits x 0.353553, layer norm after, residual, batch 2"
    )
    assert p.network.input_shape == (2, 3, 8)


@pytest.mark.parametrize("width, heads", [(8, 1), (64, 1), (768, 12), (200, 2), (1024, 16), (127, 1)])
def test_heads_have_64_units_where_they_can(width, heads):
    assert network_from(**USUAL | {"width": width, "heads": None}).text.heads == heads


@pytest.mark.parametrize("inputs", [np.zeros((2, 3), np.int64), fi.normal((2, 3, 16), seed=0)])
def test_sequence_length_and_width_are_those_of_the_inputs(inputs):
    sizes = {"width": 16} if inputs.ndim == 2 else {}
    p = fi.profile(depth=1, kind="transformer", inputs=inputs, **sizes)
    assert (p.network.batch, p.network.text.positions, p.network.widths) == (2, 3, (16, 16))
    given = fi.profile(16, 1, kind="transformer", inputs=inputs, sequence_length=3)
    assert np.array_equal(p["act_second_moment"], given["act_second_moment"])
