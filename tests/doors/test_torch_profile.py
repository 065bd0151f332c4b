"""Profiles of real models: the numbers of fi.profile where both can be had, and nothing of the model disturbed."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.checkpoint import checkpoint

import fastinit as fi
import fastinit.torch as ft
from fastinit.profiler.description.signals import random_cotangent
from fastinit.torch import ModelProfile, profile

DEPTH, WIDTH, BATCH = 6, 64, 16


def drawn(*shape, name="input", dtype="float32", **keywords):
    return torch.from_numpy(fi.normal(shape, seed=0, name=name, dtype=dtype, **keywords))


def he_net(activation=nn.ReLU, scheme=fi.he_normal, dtype="float64", depth=DEPTH):
    """The network of fi.profile: weights (in, out) of streams layer.1, layer.2, ..."""
    layers = []
    for number in range(1, depth + 1):
        linear = nn.Linear(WIDTH, WIDTH, bias=False)
        weight = scheme((WIDTH, WIDTH), seed=0, name=f"layer.{number}", dtype=dtype)
        linear.weight = nn.Parameter(torch.from_numpy(weight.T.copy()))
        layers += [linear, activation()]
    return nn.Sequential(*layers)


ALL = ("mean", "variance", "second_moment", "kurtosis")


def test_the_numbers_are_those_of_the_profiler():
    """Float64 on both sides; sums of thousands of terms in another order."""
    own = fi.profile(WIDTH, DEPTH, "relu", "he_normal", batch=BATCH, dtype="float64")
    got = profile(he_net(), drawn(BATCH, WIDTH, dtype="float64"))
    same = {f"act_{name}": (f"preact_{name}", f"act_{name}") for name in ALL}
    same["grad_act_second_moment"] = ("grad_preact_second_moment", "grad_act_second_moment")
    for name, (linear, relu) in same.items():
        np.testing.assert_allclose(got[name][0, 1::2], own[linear][0, 1:], rtol=1e-9)
        np.testing.assert_allclose(got[name][0, ::2], own[relu][0], rtol=1e-9)
    for name in ("weight_norm", "weight_grad_norm", "weight_dot_grad"):
        np.testing.assert_allclose(got[name][0, 1::2], own[name][0, 1:], rtol=1e-9)
        assert np.isnan(got[name][0, ::2]).all()
    np.testing.assert_allclose(got["cosine"][0, ::2], own["cosine"][0], atol=1e-12)
    np.testing.assert_array_equal(got["dead_fraction"][0, ::2], own["dead_fraction"][0])
    np.testing.assert_array_equal(got["distinct_units"][0, 1::2], own["distinct_units"][0, 1:])
    assert got["act_mean"].shape == (1, 2 * DEPTH + 1)
    assert got.network.names == ("input", *map(str, range(2 * DEPTH)))


def test_in_place_modules_change_nothing():
    x = drawn(BATCH, WIDTH, dtype="float64")
    one, other = (
        profile(nn.Sequential(nn.ReLU(inplace=inplace), *he_net(lambda now=inplace: nn.ReLU(inplace=now))), x)
        for inplace in (False, True)
    )
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    assert torch.equal(x, drawn(BATCH, WIDTH, dtype="float64"))


class Position(nn.Module):
    """Returns its parameter itself."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 8))

    def forward(self):
        return self.weight


class Everything(nn.Module):
    """Dropout, batch statistics, weights used twice, a parametrization, outputs that are lists or a parameter."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.place = Position()
        self.convolve = nn.Conv1d(8, 8, 3, padding=1)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout()
        self.shared = weight_norm(nn.Linear(8, 8))
        self.recur = nn.LSTM(8, 8, batch_first=True)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.unused = nn.Linear(8, 3)
        self.broken = False

    def forward(self, ids):
        x = self.embed(ids) + self.place()
        x = self.drop(self.norm(self.convolve(x.mT))).mT
        x = self.shared(torch.relu(self.shared(x)))
        x, _ = self.recur(x)
        x, _ = self.attend(x, x, x)
        if self.broken:
            raise RuntimeError("broken")
        return {"number": 3, "aside": self.unused(x).argmax(), "state": (x,)}


def state(model):
    """All that must be as it was."""
    tensors = [*model.parameters(), *model.buffers()]
    hooks = [
        {name: list(value) for name, value in vars(module).items() if name.endswith("_hooks")}
        for module in model.modules()
    ]
    return {
        "identity": [id(tensor) for tensor in tensors],
        "values": [tensor.detach().clone() for tensor in tensors],
        "gradients": [(id(tensor.grad), None if tensor.grad is None else tensor.grad.clone()) for tensor in tensors],
        "recorded": [(tensor.requires_grad, list(tensor._backward_hooks or ())) for tensor in tensors],
        "modes": [module.training for module in model.modules()],
        "hooks": hooks,
        "random": torch.get_rng_state(),
        "grad mode": torch.is_grad_enabled(),
    }


def same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_a_model_is_left_as_it_was():
    torch.manual_seed(0)
    model, ids = Everything(), torch.arange(12).reshape(3, 4)
    model.convolve.eval()
    model.embed.weight.requires_grad_(False)
    model(ids)["state"][0].sum().backward()
    model.norm.register_forward_hook(lambda *_: None)
    before = state(model)
    p = profile(model, ids)
    assert same(state(model), before)
    labels = ["embed", "place", "convolve", "norm", "drop", "shared", "recur", "attend", "unused"]
    assert list(p.network.names) == labels
    for name in ("act_kurtosis", "grad_act_second_moment"):
        assert np.isnan(p[name][0]).tolist() == [name.startswith("grad") and label == "embed" for label in labels]
    assert p["grad_act_second_moment"][0, -1] == 0  # it returns what is no part of the output
    again = profile(model, ids)
    np.testing.assert_array_equal(p["grad_act_second_moment"], again["grad_act_second_moment"])

    model.broken = True
    with pytest.raises(RuntimeError, match="broken"):
        profile(model, ids)
    assert same(state(model), before)
    model.broken = False
    with pytest.raises(ZeroDivisionError):
        profile(model, ids, loss=lambda output: 1 // 0)
    assert same(state(model), before)


def test_calls_of_one_module_are_taken_together():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 8).double()

        def forward(self, x):
            return self.layer(self.layer(x))

    model, x = Twice(), drawn(4, 8, dtype="float64")
    p = profile(model, x)
    first = model.layer(x)
    seen = torch.cat([first, model.layer(first)])
    assert p["act_variance"][0, 1] == pytest.approx(seen.var(correction=0).item(), rel=1e-12)
    signs = torch.from_numpy(random_cotangent(4, 8, 0, "float64"))
    back = torch.cat([signs, signs @ model.layer.weight])
    assert p["grad_act_second_moment"][0, 1] == pytest.approx(back.square().mean().item(), rel=1e-12)
    assert p.network.widths == (32, 64)


def test_loss_and_its_gradient():
    model, x = he_net(depth=1), drawn(BATCH, WIDTH, dtype="float64")
    p = profile(model, x, loss=lambda output: output.square().sum() / 2)
    assert p["grad_act_second_moment"][0, -1] == pytest.approx(p["act_second_moment"][0, -1], rel=1e-12)
    assert p["weight_dot_grad"][0, 1] == pytest.approx(model(x).square().sum().item(), rel=1e-12)


def test_without_a_gradient_nothing_is_recorded():
    recorded = []

    class Sees(nn.Module):
        def forward(self, x):
            recorded.append(torch.is_grad_enabled())
            return x

    p = profile(nn.Sequential(nn.Linear(4, 4), Sees()), torch.ones(2, 4), backward=False)
    assert recorded == [False]
    assert np.isnan(p["grad_act_second_moment"]).all() and np.isnan(p["weight_grad_norm"]).all()
    assert p["weight_norm"][0, 1] > 0
    assert p.verdict.backward is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_floats(dtype):
    """Statistics of what the model returns, bit for bit; a half step of the dtype against float32."""
    model, x = he_net(dtype="float32").to(dtype), drawn(BATCH, WIDTH).to(dtype)
    p = profile(model, x)
    assert p["act_second_moment"][0, 1] == pytest.approx(model[0](x).double().square().mean().item(), rel=1e-6)
    wide = profile(he_net(dtype="float32"), drawn(BATCH, WIDTH))
    for name in ("act_second_moment", "grad_act_second_moment", "weight_norm", "weight_grad_norm"):
        np.testing.assert_allclose(p[name], wide[name], rtol=0.05)
    assert p.network.dtype == ("float16" if dtype is torch.float16 else "float32")


def test_units_of_images_are_channels():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(2), nn.Conv1d(4, 2, 3))
    with torch.no_grad():
        model[0].weight[1] = model[0].weight[0]
        model[0].bias.copy_(torch.tensor([0.0, 0.0, -100.0, 0.5]))
    p = profile(model, drawn(5, 3, 8, 8))
    assert p["distinct_units"][0].tolist() == [3, 3, 3, 36, 2]
    assert p["dead_fraction"][0, 1:].tolist() == [0, 0.25, 0, 0] and np.isnan(p["dead_fraction"][0, 0])


def test_blocks_and_patterns():
    def block():
        return nn.Sequential(nn.Linear(8, 8), nn.Tanh())

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(2))
            self.head = block()

        def forward(self, x):
            for one in self.blocks:
                x = one(x)
            return self.head(x)

    model, x = Net().eval(), drawn(2, 3, 8)
    leaves = ["self_attn", "dropout1", "norm1", "linear1", "dropout", "linear2", "dropout2", "norm2"]
    blocks = [[*(f"blocks.{number}.{leaf}" for leaf in leaves), f"blocks.{number}"] for number in range(2)]
    assert profile(model, x).network.names == ("input", *blocks[0], *blocks[1], "head.0", "head.1")
    assert profile(model, x, names="blocks.[0-9]").network.names == ("input", "blocks.0", "blocks.1")
    found = profile(model, x, names=["*.linear1", "stage.head"], rename=lambda name: f"stage.{name}")
    assert found.network.names == ("input", "stage.blocks.0.linear1", "stage.blocks.1.linear1", "stage.head")
    assert profile(nn.Linear(8, 8), x).network.names == ("input", "Linear")


def test_wrapped_models_have_the_rows_of_the_plain_one():
    model, x = he_net(dtype="float32"), drawn(BATCH, WIDTH)
    plain = profile(model, x)
    compiled = profile(torch.compile(model, backend="eager"), x)
    assert compiled.network.names == plain.network.names
    np.testing.assert_array_equal(compiled["grad_act_second_moment"], plain["grad_act_second_moment"])

    class Recomputes(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = model

        def forward(self, x):
            return checkpoint(self.module, x, use_reentrant=False)

    again = profile(Recomputes(), x)
    assert again.network.names == plain.network.names
    for name in ("act_second_moment", "grad_act_second_moment", "weight_dot_grad"):
        np.testing.assert_array_equal(again[name], plain[name])
    assert again.network.widths == plain.network.widths


@pytest.mark.parametrize("compiled", [True, False])
def test_wrapped_blocks_are_one_row(compiled):
    def wrapped(module):
        return torch.compile(module, backend="eager") if compiled else checkpoint_wrapper(module)

    model, x = he_net(dtype="float32"), drawn(BATCH, WIDTH)
    plain = profile(model, x)
    found = profile(nn.Sequential(*map(wrapped, model)), x)
    assert found.network.labels == plain.network.labels
    np.testing.assert_array_equal(found["grad_act_second_moment"], plain["grad_act_second_moment"])
    assert profile(wrapped(nn.Linear(WIDTH, 4)), x).network.names == ("input", "Linear")


def test_complex_weights_count_with_both_parts():
    """Those of a Fourier neural operator."""

    class Spectral(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.complex(drawn(5, 4), drawn(4, 5).T.contiguous()))

        def forward(self, x):
            return torch.fft.irfft(torch.fft.rfft(x) @ self.weight.conj(), n=8)

    model, x = Spectral(), drawn(3, 8)
    p = profile(model, x, loss=lambda output: output.square().sum() / 2)
    output = model(x)
    (gradient,) = torch.autograd.grad(output.square().sum() / 2, model.weight)
    assert p["weight_norm"][0, 1] == pytest.approx(torch.linalg.vector_norm(model.weight).item(), rel=1e-6)
    assert p["weight_grad_norm"][0, 1] == pytest.approx(torch.linalg.vector_norm(gradient).item(), rel=1e-6)
    assert p["weight_dot_grad"][0, 1] == pytest.approx(output.square().sum().item(), rel=1e-5)  # homogeneous


def test_inference_mode_of_the_caller_is_left():
    model, x = he_net(dtype="float32"), drawn(BATCH, WIDTH)
    plain = profile(model, x)
    with torch.inference_mode():
        found = profile(model, x.clone())
        assert torch.is_inference_mode_enabled()
    np.testing.assert_array_equal(found["grad_act_second_moment"], plain["grad_act_second_moment"])


def test_models_of_inference_mode_have_no_gradient():
    with torch.inference_mode():
        made = nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU())
        x, tokens = drawn(8, 16).clone(), torch.arange(8).clone()
    for mode in (True, False):
        with torch.inference_mode(mode):
            with pytest.raises(ValueError) as caught:
                profile(made, x)
            assert profile(made.eval(), x, backward=False).verdict.kind == "unknown"
    assert str(caught.value) == (
        "`model` must be made outside torch.inference_mode, or profiled with backward=False, got Sequential"
    )
    assert profile(nn.Embedding(9, 16), tokens)["weight_grad_norm"][0, 0] > 0


def test_the_default_device_of_the_caller_is_not_asked():
    model, x = he_net(dtype="float32"), drawn(BATCH, WIDTH)
    plain = profile(model, x)
    with torch.device("meta"):
        found = profile(model, x)
    np.testing.assert_array_equal(found["grad_act_second_moment"], plain["grad_act_second_moment"])


def test_verdicts_are_of_modules_of_one_role():
    x = drawn(BATCH, WIDTH, dtype="float64")
    healthy = profile(he_net(depth=12), x)
    assert healthy.verdict.kind == "stable" and healthy.healthy and healthy.ok
    assert list(healthy.roles) == ["# (Linear)", "# (ReLU)"]
    assert healthy.roles["# (ReLU)"].verdict.sentence == healthy.verdict.sentence
    said = healthy.verdict.sentence
    assert said.startswith("Stable in modules # (ReLU), 12 of them: the activations' second moment changes by a factor")
    assert "from module 3 to 21. The gradient's" in said and said.endswith("from module 21 to 3.")
    fading = profile(he_net(scheme=fi.lecun_normal, depth=12), x)
    assert fading.verdict.kind == "vanishing"
    assert fading.verdict.forward.rate == pytest.approx(0.5, rel=0.15)
    for kind, scheme in (("symmetric", fi.ones), ("dead", fi.zeros)):
        p = profile(he_net(scheme=lambda shape, seed, name, dtype, make=scheme: make(shape, dtype=dtype)), x)
        assert p.verdict.kind == kind
    assert profile(he_net(depth=1), x).verdict.kind == "unknown"
    assert fading.judge(forward=(1e-9, 1e9), backward=(1e-9, 1e9)).kind == "stable"


class Residual(nn.Module):
    """Two convolutions with batch norm, and a way around them that a stride makes shorter."""

    def __init__(self, channels, out, stride=1):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.c2, self.b2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.skip = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1, stride, bias=False)

    def forward(self, x):
        return torch.relu(self.b2(self.c2(torch.relu(self.b1(self.c1(x))))) + self.skip(x))


def residual(*blocks):
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


def plain_convolutions():
    first, second = ((nn.Conv2d(*sides, 3), nn.BatchNorm2d(8), nn.ReLU()) for sides in ((3, 8), (8, 8)))
    return nn.Sequential(*first, *second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


def encoder(norm_first, layers=2):
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=norm_first)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def multilayer(layers, activation=nn.ReLU):
    hidden = [module for _ in range(layers - 1) for module in (nn.Linear(64, 64), activation())]
    return nn.Sequential(*hidden, nn.Linear(64, 10))


NO_RATE = "Unknown: no three layers of one kind make a chain that could be compared."
SHALLOW = "Unknown: too shallow to compare layers."

UNLIKE = {
    "gelu": (lambda: nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 10)), (32, 64)),
    "relu": (lambda: nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)), (32, 784)),
    "post-norm": (lambda: encoder(False), (4, 10, 16)),
    "pre-norm": (lambda: encoder(True), (4, 10, 16)),
    "convolutions": (plain_convolutions, (8, 3, 16, 16)),
    "lstm": (lambda: nn.LSTM(32, 64, 2, batch_first=True), (8, 12, 32)),
    "three layers": (lambda: multilayer(3), (32, 64)),
}


@pytest.mark.parametrize(("make", "shape"), UNLIKE.values(), ids=UNLIKE)
def test_unlike_modules_are_not_compared(make, shape):
    torch.manual_seed(0)
    p = profile(make(), drawn(*shape))
    assert p.verdict.kind == "unknown" and p.verdict.sentence in (NO_RATE, SHALLOW)
    assert not profile(make(), drawn(*shape), examples=0).healthy  # what was not seen is not judged
    assert np.isnan([p.verdict.forward.rate, p.verdict.backward.change]).all()


def test_of_residual_networks_the_stream_is_judged():
    """In front of a batch norm the gradient follows that norm's deviation, which is no matter of depth."""
    torch.manual_seed(0)
    alike = profile(residual(*(Residual(8, 8) for _ in range(4))), drawn(8, 3, 16, 16))
    assert alike.verdict.sentence.startswith("Stable in modules # (Residual), 4 of them: the activations'")
    assert alike.healthy and alike.verdict.backward is not None
    sides = ((8, 16), (16, 32), (32, 16), (16, 8))
    smaller = profile(residual(*(Residual(*pair, 2) for pair in sides)), drawn(8, 3, 32, 32))
    assert smaller.verdict.sentence == NO_RATE  # each begins anew, behind its norms


def test_a_stream_that_grows_by_sums_is_stable():
    """Blocks behind norms add to it; a gain would make the gradient grow as much."""
    torch.manual_seed(0)
    p = profile(encoder(True, 16), drawn(4, 10, 16))
    assert p.verdict.forward.change > 10 and p.verdict.kind == "stable" and p.healthy
    assert p.judge(forward=(0.5, 2.0)).kind == "exploding"  # bounds that are asked for are kept
    without = profile(encoder(True, 16), drawn(4, 10, 16), backward=False)
    assert without.verdict.kind == "stable"

    assert without.verdict.sentence.startswith("Stable in modules # (TransformerEncoderLayer), 16 of them: ")

    class Gain(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 64)
            nn.init.kaiming_normal_(self.layer.weight)

        def forward(self, x):
            return x + self.layer(torch.relu(x))

    assert profile(nn.Sequential(*(Gain() for _ in range(8))), drawn(BATCH, WIDTH)).verdict.kind == "exploding"


def test_stages_between_pools_are_compared_only_without_norms():
    """Batch norms in evaluation mode, as they begin, are none."""

    def stages(norm):
        sides = [3, 16, 32, 64, 64, 64]
        layers = (
            (nn.Conv2d(*pair, 3, padding=1), norm(pair[1]), nn.ReLU(), nn.MaxPool2d(2)) for pair in pairwise(sides)
        )
        return nn.Sequential(*(module for block in layers for module in block))

    torch.manual_seed(0)
    x = drawn(4, 3, 32, 32)
    assert profile(stages(nn.BatchNorm2d), x).verdict.sentence == NO_RATE
    assert profile(stages(nn.InstanceNorm2d), x, names="*[0-9]").verdict.sentence == NO_RATE
    assert profile(stages(nn.Identity), x).verdict.kind == "vanishing"
    assert profile(stages(nn.BatchNorm2d).eval(), x).verdict.kind == "vanishing"


def test_blocks_of_a_long_stage_are_compared():
    class Stage(nn.Module):
        def __init__(self, blocks, pool):
            super().__init__()
            self.blocks = nn.ModuleList(Residual(8, 8) for _ in range(blocks))
            self.pool = pool

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return self.pool(x)

    torch.manual_seed(0)
    model = nn.Sequential(Stage(2, nn.MaxPool2d(2)), Stage(9, nn.MaxPool2d(2)), Stage(2, nn.Identity()))
    said = profile(model, drawn(8, 8, 16, 16)).verdict.sentence
    assert "in modules #.blocks.# (Residual), 9 of them: " in said


def test_a_last_layer_that_begins_at_zero_is_not_dead():
    torch.manual_seed(0)
    model, x = he_net(depth=6, dtype="float32"), drawn(BATCH, WIDTH)
    head = nn.Linear(WIDTH, 10)
    nn.init.zeros_(head.weight)
    for bias in (0.0, 1.0):
        nn.init.constant_(head.bias, bias)
        p = profile(nn.Sequential(*model, head), x)
        assert p.healthy and p.verdict.sentence.startswith("Stable in modules # (ReLU), 6 of them: the activations'")
        assert p.verdict.sentence.endswith(" No gradient passes module 12 in the first step: its weights are zero.")
    head.requires_grad_(False)
    assert profile(nn.Sequential(*model, head), x).verdict.kind == "dead"  # it stays zero
    fades = he_net(scheme=fi.lecun_normal, dtype="float32", depth=12)
    nn.init.zeros_(fades[-2].weight)
    fades[-1] = nn.Tanh()
    assert profile(fades, x).verdict.kind == "vanishing"
    flat = multilayer(8)
    for layer in flat[::2]:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    assert profile(flat, x).verdict.kind == "dead"  # two in a row give each other no gradient


def test_what_no_role_excuses_is_told_of_any_module():
    x = drawn(8, 16)
    net = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1), nn.Tanh())
    assert profile(net, x).verdict.kind == "unknown"  # one unit is no set of equal ones
    nn.init.constant_(net[0].weight, 0.1)
    nn.init.zeros_(net[0].bias)
    assert profile(net, x).verdict.kind == "unknown"  # the gradients of the layer behind part them
    nn.init.constant_(net[2].weight, 0.1)
    assert profile(net, x).verdict.sentence.startswith(
        "Symmetric: all units of a layer are the same from module 0 on and "
    )
    nn.init.constant_(net[0].bias, -100.0)
    said = "Dead: the signal is zero from module 1 on and no gradient comes back to module 0"
    nn.init.zeros_(net[2].bias)
    assert profile(net, x).verdict.sentence.startswith(said)
    lost = profile(he_net(), drawn(8, WIDTH, dtype="float64"), loss=lambda output: (output * torch.nan).sum())
    assert lost.verdict.sentence == "Not finite: the gradient is not finite from module 11 down."
    frozen = nn.Sequential(nn.Embedding(5, 8).requires_grad_(False), nn.Linear(8, 8))
    assert (
        profile(frozen, torch.arange(4), names="0").verdict.kind == "unknown"
    )  # no gradient could come to what is shown
    narrow = profile(nn.Linear(16, 16).half(), x.half() * 1e-5)
    assert narrow.verdict.sentence == "Vanishing: the activations are below the range of float16 at the input."


class Bare(nn.Module):
    """Layers that are no modules, of weights of one deviation, and a readout."""

    def __init__(self, std):
        super().__init__()
        torch.manual_seed(0)
        self.weights = nn.ParameterList([nn.Parameter(std * torch.randn(64, 64)) for _ in range(10)])
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        for weight in self.weights:
            x = (x @ weight).relu()
        return self.head(x)


def test_layers_that_are_no_modules_are_not_called_stable():
    """They are judged by the kernel, and where it is not seen they are not."""
    x = drawn(32, 64)
    assert profile(Bare(0.01), x).verdict.kind == "dead"  # each layer shrinks the second moment by 300
    for std, trains in ((0.05, ("no", "yes")), ((2 / 64) ** 0.5, ("yes", "yes"))):
        small = "no" if trains[0] == "no" else "not judged"  # what the size of the outputs says alone
        none = "not judged"
        for keywords, wanted in (({}, trains), ({"examples": 0}, (small, none)), ({"backward": False}, (none, none))):
            verdict = profile(Bare(std), x, **keywords).verdict
            assert verdict.kind == "unknown" and (verdict.sgd.grade, verdict.adam.grade) == wanted


class Branch(nn.Module):
    """A residual block, of parts that are asked for by name."""

    def __init__(self, **parts):
        super().__init__()
        self.up, self.act, self.down = nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16)
        self.scale = nn.Parameter(torch.full((16,), parts.pop("scale", 0.5)))
        for name, value in parts.items():
            nn.init.constant_(self.get_parameter(name.replace("_", ".")), value)

    def forward(self, x):
        return x + self.scale * self.down(self.act(self.up(x)))


def blocks(count=4, **parts):
    torch.manual_seed(0)
    return nn.Sequential(*(Branch(**parts) for _ in range(count)), nn.Linear(16, 4))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"up_weight": 0.0, "up_bias": 0.0, "down_weight": 0.0, "down_bias": 0.0},
         "Dead: the weights of module 0.up get no gradient."),
        ({"scale": 0.0, "down_weight": 0.0, "down_bias": 0.0}, "Dead: the weights of module 0.down get no gradient."),
        ({"up_bias": -100.0}, "Dead: the signal is zero at module 0.act."),
    ],
)  # fmt: skip
def test_branches_that_never_learn_are_dead(parts, said):
    """In the first there are two zeros in a row, in the second there is one at the end too; the stream passes."""
    p = profile(blocks(**parts), drawn(5, 16))
    assert p.verdict.kind == "dead" and p.verdict.sentence == said


@pytest.mark.parametrize("parts", [{"down_weight": 0.0, "down_bias": 0.0}, {"scale": 0.0}, {"up_weight": 0.0}], ids=str)
def test_branches_with_one_zero_that_learns_are_not_dead(parts):
    p = profile(blocks(**parts), drawn(5, 16))
    assert p.verdict.kind == "stable"


def test_a_model_of_which_no_weight_learns_is_dead():
    class Adapted(nn.Module):
        def __init__(self, begins=0.0):
            super().__init__()
            self.base = nn.Linear(16, 16, bias=False).requires_grad_(False)
            nn.init.orthogonal_(self.base.weight)
            self.a, self.b = nn.Linear(16, 2, bias=False), nn.Linear(2, 16, bias=False)
            nn.init.constant_(self.a.weight, begins)
            nn.init.zeros_(self.b.weight)

        def forward(self, x):
            return self.base(x) + self.b(self.a(x))

    x = drawn(8, 16)
    both = profile(nn.Sequential(*(Adapted() for _ in range(5))), x)
    assert both.verdict.sentence == "Dead: no weight gets a gradient."
    assert profile(nn.Sequential(*(Adapted(1.0) for _ in range(5))), x).verdict.kind == "stable"
    mlp = multilayer(4)
    for parameter in mlp.parameters():
        nn.init.zeros_(parameter)
    nn.init.ones_(mlp[-1].bias)
    assert profile(mlp, drawn(8, 64)).verdict.kind == "dead"


def test_rows_that_come_out_the_same_are_told():
    """Of inputs that are equal it is no fault of the model."""
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(16, 16) for _ in range(4)))
    for layer in model:
        nn.init.normal_(layer.weight, std=1e-5)
    p = profile(model[:2], drawn(8, 16))
    assert p.verdict.sentence == "Dead: no example is told from another from module 1 on."
    same = profile(blocks(), drawn(1, 16).expand(8, 16))
    assert same.verdict.kind == "unknown" and same.trains("adam").grade == "not judged"
    one = nn.Sequential(nn.Linear(16, 1), nn.ReLU())  # parallel, and not the same
    nn.init.constant_(one[0].bias, 5.0)
    assert profile(one, drawn(8, 16)).verdict.kind == "unknown"
    for layer in model:
        nn.init.zeros_(layer.weight)
    assert profile(model[:2], drawn(7, 16)).verdict.sentence == (
        "Dead: no example is told from another from module 0 on. No gradient passes module 1 in the first step: its "
        "weights are zero."
    )


def test_equal_and_nearly_equal_examples_are_no_evidence():
    """The cosine of rows that differ by a tenth is 1 / 1.01."""
    x, model = drawn(8, 64), he_net(dtype="float32", depth=12)
    assert profile(model, x).healthy
    for near, cosine in ((x[:1].expand(8, 64), 1.0), (x[:1] + 0.1 * drawn(8, 64, name="noise"), 0.99)):
        p = profile(model, near, examples=0)
        assert p["cosine"][0, 0] == pytest.approx(cosine, abs=3e-3)
        assert p.verdict.sentence == (
            f"Unknown: signal and gradient pass, but the examples are nearly alike at the input (mean cosine "
            f"{p['cosine'][0, 0]:.4f}): whether the gradient tells them apart was not looked at."
        )
        assert not p.healthy and ModelProfile.from_dict(p.to_dict()).verdict.kind == "unknown"
        assert profile(model, near, backward=False).verdict.kind == "unknown"
    alone = profile(model, x[:1])  # one example is like no other, and nothing to tell apart
    assert alone.verdict.kind == "stable" and alone.trains("sgd").grade == "not judged"

    few = nn.Sequential(nn.Linear(2, 64), *model)
    assert profile(few, drawn(8, 2, mean=1.0, std=0.05)).trains("sgd")  # of few units most cosines are near one
    assert profile(few, torch.ones(8, 2), examples=0).verdict.kind == "unknown"

    tokens = nn.Sequential(nn.Embedding(24, 64), *model)
    assert profile(tokens, torch.arange(24).reshape(8, 3)).healthy
    assert profile(tokens, torch.arange(3).expand(8, 3), examples=0).verdict.kind == "unknown"


def test_a_model_of_which_nothing_is_trainable_is_not_healthy():
    model, x = nn.Sequential(*he_net(dtype="float32", depth=12), nn.Linear(64, 4)), drawn(8, 64)
    model.requires_grad_(False)
    p = profile(model, x)
    assert p.verdict.sentence == (
        "Unknown: signal and gradient pass, but no parameter takes a gradient (requires_grad): nothing learns."
    )
    assert ModelProfile.from_dict(p.to_dict()).verdict.kind == "unknown"
    model[-1].bias.requires_grad_()
    p = profile(model, x)
    assert p.verdict.kind == "stable" and p.trains("sgd").grade == p.trains("adam").grade == "no"  # a bias is the same


def test_only_what_no_branch_goes_around_is_a_chain():
    class Dense(nn.Module):
        def __init__(self, layers):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(16 * (1 + number), 16) for number in range(layers))

        def forward(self, x):
            for layer in self.layers:
                x = torch.cat([x, torch.relu(layer(x))], 1)
            return x

    torch.manual_seed(0)
    x = drawn(5, 16)
    dense = profile(nn.Sequential(Dense(8), nn.Linear(144, 4)), x)
    assert dense.verdict.sentence == NO_RATE
    through = {row.name for row in dense.network.modules if row.through}
    assert through == {"input", "0", "1"}
    branches = profile(blocks(), x)
    names = [f"{number}{part}" for number in range(4) for part in ("", ".up", ".act", ".down")]
    assert {row.name for row in branches.network.modules if row.through} == {"input", "0", "1", "2", "3", "4"}
    assert {row.name for row in branches.network.modules} == {"input", *names, "4"}
    assert "in modules # (Branch), 4 of them" in branches.verdict.sentence
    tokens = nn.Sequential(nn.Embedding(9, 16), *blocks()[:4], nn.Linear(16, 9))
    tokens[-1].weight = tokens[0].weight  # another way to the embedding
    found = profile(tokens, torch.arange(9).reshape(3, 3))
    assert [row.name for row in found.network.modules if row.through] == ["0", "1", "2", "3", "4", "5"]


def test_a_matrix_is_no_norm_whatever_its_name():
    class NormedLinear(nn.Linear):
        pass

    class ScaleNorm(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.weight * nn.functional.normalize(x, dim=-1)

    x = drawn(8, 16)
    plain = type("Plain", (nn.LayerNorm,), {})(16)
    yes, no = (ScaleNorm(), nn.LayerNorm(16), plain), (NormedLinear(16, 16), nn.BatchNorm1d(16).eval())
    for module, wanted in [*((one, True) for one in yes), *((one, False) for one in no)]:
        assert profile(nn.Sequential(nn.Linear(16, 16), module), x).network.normalises is wanted


def test_a_short_sum_is_not_taken_for_a_factor():
    """Blocks that add a share of the stream that falls as one over the layer: a power of it, whatever the depth."""

    class Adds(nn.Module):
        def __init__(self, number):
            super().__init__()
            self.layer, self.share = nn.Linear(64, 64, bias=False), (2 / number) ** 0.5
            nn.init.normal_(self.layer.weight, std=64**-0.5)

        def forward(self, x):
            return x + self.share * self.layer(x)

    for depth in (8, 12, 24):
        torch.manual_seed(0)
        p = profile(nn.Sequential(*(Adds(number) for number in range(1, depth + 1))), drawn(8, 64))
        assert p.healthy and p.verdict.backward.change > (10 if depth > 8 else 1)


def test_gates_that_begin_as_a_constant_are_not_symmetric():
    class Highway(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.gate = nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 8), nn.Sigmoid())
            nn.init.zeros_(self.gate[0].weight)
            nn.init.constant_(self.gate[0].bias, -2.0)

        def forward(self, x):
            gate = self.gate(x)
            return gate * torch.tanh(self.layer(x)) + (1 - gate) * x

    torch.manual_seed(0)
    p = profile(nn.Sequential(*(Highway() for _ in range(4))), drawn(5, 8))
    assert p.verdict.sentence.startswith("Stable in modules # (Highway), 4 of them: ")
    gates = [name.endswith("gate.1") for name in p.network.names]
    assert (p["distinct_units"][0, gates] == 1).all()


def test_of_inputs_no_slope_and_no_gradient_are_asked():
    class Integers(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(10, 8)

        def forward(self, x):
            return self.embed(x.long())

    wide = nn.Sequential(nn.Linear(900, 8), nn.ReLU(), nn.Linear(8, 2))
    for p in (profile(Integers(), torch.arange(6.0).reshape(2, 3)), profile(wide, torch.eye(900)[:4])):
        assert p.verdict.kind == "unknown"


def test_adapters_that_begin_at_zero_hide_nothing():
    class Adapted(nn.Module):
        def __init__(self):
            super().__init__()
            self.base = nn.Linear(8, 8, bias=False).requires_grad_(False)
            nn.init.normal_(self.base.weight, std=0.05)
            self.a, self.b = nn.Linear(8, 2, bias=False), nn.Linear(2, 8, bias=False)
            nn.init.zeros_(self.b.weight)

        def forward(self, x):
            return self.base(x) + self.b(self.a(x))

    model = nn.Sequential(nn.Embedding(9, 8).requires_grad_(False), *(Adapted() for _ in range(5)))
    assert profile(model, torch.arange(9).reshape(3, 3)).verdict.kind == "vanishing"


def test_branches_that_begin_at_zero_are_not_dead():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.narrow = nn.Linear(8, 32), nn.Linear(32, 8)
            nn.init.zeros_(self.narrow.weight)
            nn.init.zeros_(self.narrow.bias)

        def forward(self, x):
            return x + self.narrow(torch.relu(self.wide(x)))

    p = profile(nn.Sequential(*(Block() for _ in range(4))), drawn(5, 8))
    assert p.verdict.kind == "stable"
    assert list(p.roles) == ["# (Block)"]


def test_a_thinned_table_is_by_role(monkeypatch):
    """The input, as many of each role, and the last module, each a section; those of few modules are left out."""
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "100")
    stem = [nn.Linear(WIDTH, WIDTH), nn.Tanh()]
    blocks = [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()) for _ in range(12)]
    p = profile(nn.Sequential(*stem, nn.Sequential(*blocks), nn.Linear(WIDTH, 10)), drawn(5, WIDTH))
    assert p.network.depth + 1 == 28
    names = [[p.network.names[row] for row in section] for section in p.sections(20)]
    assert names[0] == ["input"] and names[-1] == ["3"] and [*map(len, names[1:-1])] == [10, 10]
    for role, some in zip(p.roles.values(), names[1:-1], strict=True):
        assert [some[0], some[-1]] == [role.network.names[0], role.network.names[-1]]
        assert some == [name for name in role.network.names if name in some]
    text = str(p.table())
    shown = [line.split()[0] for line in text.splitlines()[2:] if line][:22]
    assert shown == [name for section in names for name in section]
    said = " ".join(text.split())
    assert "22 of 28 rows: table('all') or --all shows all" in said
    assert "modules are called by their names in the model, where # stands for any number" in said
    assert p.notation in " ".join(str(p.roles.table()).split()) and p.notation in p.to_html()
    assert " rows: " not in str(p.table("all"))
    assert p.only(range(10)).sections(20) == [[*range(10)]]


def test_it_shows_itself_and_is_written(tmp_path):
    for extra in ("rich", "matplotlib", "plotly"):
        pytest.importorskip(extra)
    p = profile(he_net(depth=3), drawn(BATCH, WIDTH, dtype="float64"))
    names = ["input", "0", "1", "2", "3", "4", "5"]
    labels = ["input", *(f"{name} ({'ReLU' if int(name) % 2 else 'Linear'})" for name in names[1:])]
    lines = str(p.table()).splitlines()
    assert all(line.startswith(f"{label} ") for line, label in zip(lines[2:9], labels, strict=True))
    long = profile(he_net(depth=40), drawn(2, WIDTH, dtype="float64"))
    assert len(long.table().rows) == 21 and len(long.table("all").rows) == 81
    assert "Sequential, 12288 parameters, batch 16" in "\n".join(lines)
    page = p.to_html()
    assert all(f"<th>{label}</th>" in page for label in labels)
    assert list(p.parts) == list(p.roles) == ["# (Linear)", "# (ReLU)"]
    assert all(f"</svg> {role}" in page and f'"name":"{role}"' in page for role in p.roles)
    assert [p.parts[role] for role in p.roles] == [[1, 3, 5], [2, 4, 6]]
    assert [axes.get_title(loc="left")[:11] for axes in p.plot(tmp_path / "p.png").axes] == [
        "activations",
        "gradient, b",
        "tangent ker",
        "tangent ker",
    ]
    assert (tmp_path / "p.png").stat().st_size > 1000
    written = json.loads(p.to_json())
    assert written["modules"] == names and written["method"] == "torch"
    assert len(written["fields"]["act_mean"][0]) == 7


def drawn_lines(p):
    """The rows that each line of the first panel and of the first chart joins, by what it is called."""
    axes = p.plot().axes[0]
    lines = {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith(("_", "theory"))}
    _, _, rest = p.to_html().partition('id="charts">')
    chart = json.loads(rest.partition("</script>")[0])[0]
    traces = {trace["name"]: trace for trace in chart["data"] if not trace["name"].endswith("theory")}
    found = {label: line.get_xdata().tolist() for label, line in lines.items()}
    for label, rows in found.items():
        assert [None if row != row else row for row in rows] == traces[label]["x"]
        assert traces[label]["hovertext"] == ["" if row != row else p.network.labels[int(row)] for row in rows]
    assert list(found) == list(traces)
    names = {int(place): text.get_text() for place, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)}
    along = chart["layout"]["xaxis"]
    assert names == dict(zip(along["tickvals"], along["ticktext"], strict=True))
    assert (axes.get_xlabel(), along["title"]["text"]) == ("module", "module")
    return found, names


class Stages(nn.Module):
    """A stem, blocks and a head, as images have them."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.stage = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()) for _ in range(4))
        )
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.pool(self.stage(self.stem(x))).flatten(1))


def test_pictures_and_pages_draw_by_role_with_names_along_the_axis():
    """No line goes from one role to another, and modules without a role are points."""
    found, names = drawn_lines(profile(he_net(depth=3), drawn(BATCH, WIDTH, dtype="float64")))
    assert found == {"# (Linear)": [1, 3, 5], "# (ReLU)": [2, 4, 6], "other modules": [0]}
    assert names == dict(enumerate(["input", *map(str, range(6))]))
    small = nn.Sequential(*(layer for width in (8, 8, 4) for layer in (nn.Linear(8, width), nn.Tanh())))[:-1]
    found, names = drawn_lines(profile(small, drawn(16, 8)))  # a role of two is one
    assert found == {"# (Linear)": [1, 3, 5], "# (Tanh)": [2, 4], "other modules": [0]}
    p = profile(Stages(), drawn(4, 3, 6, 6))
    found, names = drawn_lines(p)
    rows = {name: row for row, name in enumerate(p.network.names)}
    for place, kind in enumerate(("Conv2d", "BatchNorm2d", "ReLU")):
        assert found[f"# ({kind})"] == [rows[f"stage.{block}.{place}"] for block in range(4)]
    single = [int(row) for row in found["other modules"] if row == row]
    assert {p.network.names[row] for row in single} >= {"input", "stem", "pool", "fc"}
    assert len(found["other modules"]) == 2 * len(single) - 1  # with a gap between each two
    assert names == dict(enumerate(p.network.names))


def test_pictures_of_several_models_join_roles_alone():
    x = drawn(BATCH, WIDTH, dtype="float64")
    both = fi.compare([profile(he_net(depth=3), x), profile(he_net(depth=3), x, seed=1)], ["a", "b"])
    found = {line.get_label(): line.get_xdata() for line in both.plot().axes[1].get_lines()}
    for name in both:
        np.testing.assert_array_equal(found[name], [1, 3, 5, np.nan, 2, 4, 6, np.nan, 0])


def test_shares_of_all_modules_are_bars():
    p = profile(Stages(), drawn(4, 3, 6, 6))
    bars = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in p.plot().axes[3].patches}
    shares = p.mean("kernel_share")
    assert bars == {row: shares[row] for row in np.flatnonzero(~np.isnan(shares))}


def test_it_comes_back_from_json():
    x = drawn(BATCH, WIDTH, dtype="float64")
    for p in (profile(he_net(depth=12), x), profile(he_net(scheme=fi.lecun_normal), x, backward=False, seed=3)):
        q = ModelProfile.from_json(p.to_json())
        assert q == p and hash(q) == hash(p) and q.verdict == p.verdict and q.network == p.network
        assert (repr(q), q.seconds, q.description) == (repr(p), p.seconds, p.description)
        assert fi.Comparison.from_json(p.roles.to_json()) == p.roles
    assert repr(p).startswith("ModelProfile(Sequential, 24576 parameters, batch 16, torch, ")
    with pytest.raises(ValueError, match="`text` must be JSON of format 'fastinit Profile', version 1, got"):
        fi.Profile.from_json(p.to_json())


def test_findings_name_rows_of_the_whole_profile():
    p = profile(he_net(scheme=fi.lecun_normal, depth=12), drawn(BATCH, WIDTH, dtype="float64"))
    found = p.verdict.findings[0]
    assert (found.kind, found.quantity) == ("vanishing", "act_second_moment")
    names = [p.network.names[found.numbers[f"{name}_layer"]] for name in ("first", "last")]
    assert f" in all from module {names[0]} to {names[1]}" in p.verdict.sentence


def test_a_frame_has_a_row_for_each_module():
    pytest.importorskip("pandas")
    p = profile(he_net(depth=3), drawn(BATCH, WIDTH, dtype="float64"), seed=5)
    frame = p.to_frame()
    assert frame["label"].tolist() == list(p.network.labels) and frame["module"].tolist() == list(p.network.names)
    assert frame["kind"].tolist() == ["", *["Linear", "ReLU"] * 3] and frame["repeat"].tolist() == [0] * 7
    np.testing.assert_array_equal(frame["act_mean"], p["act_mean"][0])
    assert set(frame["model"]) == {"Sequential"} and set(frame["seed"]) == {5} and set(frame["batch"]) == {BATCH}
    assert list(p.roles.to_frame().columns[:3]) == ["name", "layer", "label"]


@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("part", [lambda x: x, lambda x: x[:, :8], lambda x: x.view(-1, 9)])
def test_a_model_may_ask_for_gradients_of_what_it_is_given(part, grad, backward):
    class Asks(nn.Module):
        def __init__(self, how):
            super().__init__()
            self.how, self.layer = how, nn.Linear(8, 8)

        def forward(self, x):
            x = part(x)
            self.how(x)
            return self.layer(x[:, :8])

    x = drawn(4, 9)
    given = [lambda x: None, lambda x: setattr(x, "requires_grad", grad), lambda x: x.requires_grad_(grad)]
    models = [Asks(how) for how in given]
    for model in models:
        model.load_state_dict(models[0].state_dict())
        model(x.clone())
    plain, *others = (profile(model, x, backward=backward) for model in models)
    for p in others:
        for name in plain:
            np.testing.assert_array_equal(p[name], plain[name])
    assert not x.requires_grad


class ReturnsNothing(nn.Module):
    def forward(self, x):
        return 3


REFUSED = {
    "names": (
        lambda: profile(he_net(), drawn(4, WIDTH, dtype="float64"), names=["0", "conv*"]),
        "`names` must be patterns each of which matches a module that is called and returns floats, got 'conv*'",
    ),
    "meta": (
        lambda: profile(nn.Linear(2, 2, device="meta"), torch.ones(1, 2)),
        "`model` must be one whose tensors have memory (no lazy module, nothing on the meta device), got 'weight'",
    ),
    "lazy": (
        lambda: profile(nn.LazyLinear(2), torch.ones(1, 2)),
        "`model` must be one whose tensors have memory (no lazy module, nothing on the meta device), got 'weight'",
    ),
    "scripted": (
        lambda: profile(nn.Sequential(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2))), torch.ones(1, 2)),
        "`model` must be one whose modules run in Python (not scripted or traced), got '0'",
    ),
    "no row": (
        lambda: profile(nn.Linear(2, 2), torch.ones(0, 2)),
        "`inputs` must be such that modules return something: a batch of one row at least, got 'nothing'",
    ),
    "nothing": (
        lambda: profile(ReturnsNothing(), torch.ones(1, 2)),
        "`model` must be such that a module of it is called, and returns floats, got ReturnsNothing",
    ),
    "gradient": (
        lambda: profile(nn.Embedding(3, 2).requires_grad_(False), torch.zeros(1, dtype=torch.int64)),
        "`backward` must be false where what the model returns depends on no tensor that takes a gradient, got True",
    ),
    "classes": (
        lambda: profile(nn.Linear(2, 5), torch.ones(3, 2), classes=4),
        "`classes` must be the length of the outputs' last axis or of axis 1 (outputs of shape (3, 5)), got 4",
    ),
    "one class": (
        lambda: profile(nn.Linear(2, 1), torch.ones(3, 2), classes=1),
        "`classes` must be an integer in [2, 2147483648), got 1",
    ),
    "classes of nobody": (
        lambda: profile(nn.Linear(2, 1), torch.ones(3, 2), classes=10**400),
        f"`classes` must be an integer in [2, 2147483648), got {10**400}",
    ),
    "outputs": (
        lambda: profile(nn.Linear(2, 2), torch.ones(1, 2), outputs=0),
        "`outputs` must be a function of what the model returns, got 0",
    ),
    "a loss by name": (
        lambda: profile(nn.Linear(2, 2), torch.ones(1, 2), loss="mse"),
        "`loss` must be a function of what the model returns, got 'mse'",
    ),
    "numbers for names": (
        lambda: profile(nn.Linear(2, 2), torch.ones(1, 2), names=[0]),
        "`names` must be a string or an iterable of strings, got [0]",
    ),
    "loss": (
        lambda: profile(nn.Linear(2, 2), torch.ones(1, 2), loss=lambda output: 3.5),
        "`loss` must be a function to a tensor of one element, got float 3.5",
    ),
    "loss of many": (
        lambda: profile(nn.Linear(2, 2), torch.ones(9, 2), loss=lambda output: output),
        "`loss` must be a function to a tensor of one element, got a tensor of shape (9, 2) and torch.float32",
    ),
    "seed": (
        lambda: profile(nn.Linear(2, 2), torch.ones(1, 2), seed=-1),
        "`seed` must be None, an integer in [0, 2**128), a list or array of integers >= 0 or a SeedSequence, got -1",
    ),
}


def within(x):
    """Mean cosine between the rows of each matrix, averaged over matrices."""
    unit = nn.functional.normalize(x.double(), dim=2)
    count = x.shape[1]
    return float(((unit.sum(1).square().sum(1) - count) / (count * (count - 1))).mean())


def test_position_cosines_are_between_tokens_and_between_pixels():
    text, image = drawn(3, 5, 20), drawn(3, 4, 6, 6)
    p = profile(nn.Sequential(nn.Linear(20, 24), nn.Tanh()), text)
    hidden = p.network.names.index("1")
    for row, values in ((0, text), (hidden, drawn(3, 5, 20))):
        expected = within(values) if row == 0 else p["output_position_cosine"][0]
        assert p["position_cosine"][0, row] == pytest.approx(expected, abs=1e-6)
    p = profile(nn.Conv2d(4, 7, 3), image)
    assert p["position_cosine"][0, 0] == pytest.approx(within(image.flatten(2).mT), abs=1e-6)
    assert np.isnan(p["output_position_cosine"]).all()
    assert np.isnan(profile(nn.Linear(4, 4), torch.ones(3, 4))["position_cosine"]).all()


class TiedText(nn.Module):
    """Logits are products with the embeddings, of as large a variance as there are units."""

    def __init__(self, std):
        super().__init__()
        self.embedding = nn.Embedding(256, 256)
        self.embedding.weight = nn.Parameter(std * drawn(256, 256))
        self.norm = nn.LayerNorm(256)

    def forward(self, tokens):
        return self.norm(self.embedding(tokens)) @ self.embedding.weight.T


@pytest.mark.parametrize(("std", "healthy"), [(0.02, True), (1.0, False)])
def test_a_first_loss_far_above_that_of_saying_nothing_is_held_against_a_model(std, healthy):
    model, tokens = TiedText(std), torch.arange(24).reshape(4, 6) * 7
    p = profile(model, tokens, classes=256)
    logits = model(tokens).detach().double()
    assert p["first_loss"][0] == pytest.approx(float((logits.logsumexp(2) - logits.mean(2)).mean()), rel=1e-6)
    assert p["uniform_loss"][0] == np.log(256)
    assert p["output_second_moment"][0] == pytest.approx(float(logits.square().mean()), rel=1e-5)
    assert p.healthy is healthy
    if not healthy:
        assert p.trains("adam").grade == "slowly"
        assert p.trains("adam").reason.startswith(f"the first loss is {p['first_loss'][0]:.3g}, of a network that says")
    assert profile(model, tokens).healthy  # logits, if nobody says so, are not known to be any
    assert ModelProfile.from_json(p.to_json()) == p
    assert profile(model, tokens, classes=256, backward=False)["first_loss"] == p["first_loss"]


def test_classes_may_be_along_axis_one():
    model, x = nn.Conv2d(3, 5, 1), drawn(2, 3, 4, 4)
    logits = model(x).detach()
    found = profile(model, x, classes=5)["first_loss"][0]
    assert found == pytest.approx(float((logits.logsumexp(1) - logits.mean(1)).mean()), rel=1e-6)


def test_tokens_that_are_one_vector_are_held_against_a_model():
    class Mixes(nn.Module):
        def forward(self, x):
            return x.mean(1, keepdim=True) + 1e-3 * x

    def layers(middle):
        return nn.Sequential(*(nn.Sequential(nn.Linear(32, 32), middle(), nn.LayerNorm(32)) for _ in range(3)))

    alike, apart = (profile(layers(middle), drawn(8, 6, 32)) for middle in (Mixes, nn.Identity))
    assert alike["output_position_cosine"][0] > 0.98 > apart["output_position_cosine"][0]
    assert "the tokens of a sequence are nearly alike at the outputs" in alike.trains("sgd").reason
    assert apart.trains("sgd").grade == "yes"


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_refusals(call, message):
    with pytest.raises((ValueError, TypeError)) as raised:
        call()
    assert str(raised.value) == message


class Named(nn.Module):
    """A model that is called by keyword, as those of texts are."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(5, 8), nn.Linear(8, 4)

    def forward(self, input_ids, mask=None):
        return self.head(self.embedding(input_ids))


def test_a_mapping_is_passed_by_keyword():
    model, ids = Named(), torch.arange(8) % 5
    wanted = profile(model, input_ids=ids)
    for p in (profile(model, {"input_ids": ids}), profile(model, {"input_ids": ids}, mask=None)):
        assert np.array_equal(p["act_second_moment"], wanted["act_second_moment"])
    assert [one.name for one in ft.lsuv_(Named(), {"input_ids": ids})] == ["head"]


def test_inputs_of_another_kind_are_refused_in_a_sentence():
    rule = "what the model takes, one by one (of a pair of inputs and targets batch[0], of several inputs *batch)"
    x = drawn(8, 16)
    array = "`inputs` must be tensors (torch.from_numpy(array)), got an array of shape (8, 16) and float32"
    for ask in (profile, ft.lsuv_):
        for given, said in (
            ((x, x), f"`inputs` must be {rule}, got 'a tuple of 2'"),
            ([x], f"`inputs` must be {rule}, got 'a list of 1'"),
            (x.numpy(), array),
            ({"input": x.numpy()}, array),
        ):
            with pytest.raises(TypeError) as error:
                ask(nn.Sequential(nn.Linear(16, 4)), given)
            assert str(error.value).replace("'", "") == said.replace("'", "")
    assert profile(nn.Sequential(nn.Linear(16, 4)), *(x,)).network.rows == 8
