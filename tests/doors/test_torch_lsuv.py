"""LSUV: one pass, and the output of every layer has unit variance."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm

import fastinit as fi
from fastinit.torch import lsuv_


def drawn(*shape, dtype="float32"):
    return torch.from_numpy(fi.normal(shape, seed=0, name="input", dtype=dtype))


def deviations(model, *inputs):
    """Standard deviation of the first output of each layer, in another pass, in evaluation mode."""
    found, hooks = {}, []
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.Conv1d, nn.ConvTranspose2d)):

            def see(module, _, output, name=name):
                found.setdefault(name, output.detach().double().std(correction=0).item())

            hooks.append(module.register_forward_hook(see))
    training = model.training
    with torch.no_grad():
        model.eval()(*inputs)
    model.train(training)
    for hook in hooks:
        hook.remove()
    return found


class Net(nn.Module):
    """Convolutions of all kinds, batch norm, dropout, a layer used twice, a residual, and one that is not called."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 8, 3, groups=4, bias=False)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.drop = nn.Dropout()
        self.twice = nn.Linear(16, 16)
        self.unused = nn.Linear(5, 5)
        self.head = nn.Linear(16, 10)
        self.passes = 0

    def forward(self, x):
        self.passes += 1
        x = self.norm(torch.relu(self.stem(x)))
        x = self.drop(self.up(torch.relu(self.grouped(x)))).flatten(2)
        x = self.twice(x[..., :16])
        return self.head(torch.tanh(x + self.twice(torch.tanh(x))))


LAYERS = ["stem", "grouped", "up", "twice", "head"]


def test_every_layer_has_unit_variance_after_one_pass():
    """Float32: the weight and each product are rounded anew, 2**-24 each, and half of the terms' errors are shared."""
    model, x = Net(), drawn(4, 3, 10, 10)
    done = lsuv_(model, x)
    assert [one.name for one in done] == LAYERS and model.passes == 1
    found = deviations(model, x)
    for one in done:
        assert one.before != pytest.approx(1, rel=1e-3)
        assert one.after == pytest.approx(1, rel=1e-6)
        assert found[one.name] == pytest.approx(1, rel=1e-5)
        assert getattr(model, one.name).bias is None or not getattr(model, one.name).bias.any()


def test_a_second_time_gives_the_same_weights():
    """Each layer begins again from its stream, whatever it held."""
    model, x = Net(), drawn(4, 3, 10, 10)
    lsuv_(model, x)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    lsuv_(model, x)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    lsuv_(model, x, seed=1)
    assert not torch.equal(before["stem.weight"], model.stem.weight)


def test_weights_are_scaled_haar_matrices_of_their_names():
    model, x = torch.compile(nn.Sequential(nn.Linear(12, 7), nn.Conv1d(5, 6, 3)), backend="eager"), drawn(2, 5, 12)
    for one, (name, shape) in zip(lsuv_(model, x, seed=3), {"0": (7, 12), "1": (6, 5, 3)}.items(), strict=True):
        whole = fi.orthogonal(shape, seed=3, name=f"{name}.weight", in_axis=1, out_axis=0)
        expected = torch.from_numpy(whole) * (1 / one.before)
        assert one.name == name and torch.equal(model.get_parameter(f"_orig_mod.{name}.weight"), expected)
    lsuv_(model, x, seed=3, rename=lambda name: f"stage.{name}")
    whole = torch.from_numpy(fi.orthogonal((7, 12), seed=3, name="stage.0.weight", in_axis=1, out_axis=0))
    cosine = torch.nn.functional.cosine_similarity(model._orig_mod[0].weight.flatten(), whole.flatten(), dim=0)
    assert cosine.item() == pytest.approx(1, abs=1e-6)


def test_target_and_names():
    model, x = Net(), drawn(4, 3, 10, 10)
    stem = model.stem.weight.clone()
    done = lsuv_(model, x, target_std=0.5, names=["twice", "h*"])
    assert [one.name for one in done] == ["twice", "head"]
    assert [one.after for one in done] == pytest.approx([0.5, 0.5], rel=1e-6)
    assert torch.equal(model.stem.weight, stem)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-13), (torch.bfloat16, 0.01), (torch.float16, 2e-3)])
def test_dtypes(dtype, error):
    """A weight of 16 bits is rounded again as it is scaled: half a step, which the sum over inputs averages."""
    model, x = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)).to(dtype), drawn(32, 64).to(dtype)
    lsuv_(model, x)
    assert list(deviations(model, x).values()) == pytest.approx([1, 1], rel=error)


def test_all_else_is_left_as_it_was():
    model, x = Net(), drawn(4, 3, 10, 10)
    model.drop.eval()
    model.norm.register_forward_hook(lambda *_: None)
    modes = [module.training for module in model.modules()]
    buffers = [tensor.clone() for tensor in model.buffers()]
    unused, random = model.unused.weight.clone(), torch.get_rng_state()
    for inputs in ((x,), (x * torch.nan,)):
        with pytest.raises(ValueError) if inputs[0].isnan().any() else torch.no_grad():
            lsuv_(model, *inputs)
        assert [module.training for module in model.modules()] == modes
        assert all(map(torch.equal, model.buffers(), buffers))
        assert torch.equal(model.unused.weight, unused) and torch.equal(torch.get_rng_state(), random)
        hooks = [(module._forward_hooks, module._forward_pre_hooks) for module in model.modules()]
        assert sum(len(after) + len(before) for after, before in hooks) == 1
        assert all(one.requires_grad and one.grad is None for one in model.parameters())


def test_encoder_layers_of_torch_call_their_layers():
    """They have a fused path in evaluation mode, which hooks must have turned off; attention has weights of its own."""
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    model, x = nn.TransformerEncoder(layer, 2), drawn(2, 5, 16)
    packed = model.layers[0].self_attn.in_proj_weight.clone()
    done = lsuv_(model, x)
    assert [one.name for one in done] == [f"layers.{number}.linear{which}" for number in (0, 1) for which in (1, 2)]
    assert torch.equal(model.layers[0].self_attn.in_proj_weight, packed)


def test_a_weight_shared_with_an_embedding_is_left():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.layer, self.head = nn.Embedding(9, 8), nn.Linear(8, 8), nn.Linear(8, 9)
            self.head.weight = self.embed.weight

        def forward(self, ids):
            return self.head(self.layer(self.embed(ids)))

    model, ids = Tied(), torch.arange(9)
    before = model.embed.weight.clone()
    message = r"^lsuv_: 'head' shares its weight with 'embed' \(Embedding\), and is left as it is$"
    with pytest.warns(UserWarning, match=message) as warned:
        done = lsuv_(model, ids)
    assert [one.filename for one in warned] == [__file__]
    assert [one.name for one in done] == ["layer"] and torch.equal(model.embed.weight, before)


@pytest.mark.parametrize("tie", [lambda weight: weight, lambda weight: nn.Parameter(weight.data)], ids=["one", "view"])
def test_layers_of_one_weight(tie):
    model, x = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8)), drawn(32, 8)
    model[2].weight = tie(model[0].weight)
    done = lsuv_(model, x)
    assert [one.name for one in done] == ["0"]  # one weight, one correction
    assert deviations(model, x)["0"] == pytest.approx(1, rel=1e-5)
    assert not model[0].bias.any() and not model[2].bias.any()


class Breaks(Net):
    def forward(self, x):
        super().forward(x)
        raise RuntimeError("broken")


@pytest.mark.parametrize("make", [lambda: nn.Sequential(Net(), nn.Linear(3, 3)), Breaks], ids=["shape", "raises"])
def test_an_error_of_the_model_leaves_its_weights(make):
    model, x = make(), drawn(4, 3, 10, 10)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(RuntimeError):
        lsuv_(model, x)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


REFUSED = {
    "target": (lambda m, x: lsuv_(m, x, target_std=0), "`target_std` must be positive, got 0"),
    "names": (
        lambda m, x: lsuv_(m, x, names="norm*"),
        "`names` must be patterns each of which matches a linear or convolutional layer, got 'norm*'",
    ),
    "no layer": (
        lambda m, x: lsuv_(nn.ReLU(), x),
        "`model` must be one with a linear or convolutional layer, got ReLU",
    ),
    "parametrized": (
        lambda m, x: lsuv_(nn.Sequential(m, weight_norm(nn.Linear(2, 2))), x),
        "`model` must be such that its layers have weights of their own (no parametrizations), got '1'",
    ),
    "normed by hooks": (
        lambda m, x: lsuv_(nn.Sequential(m, nn.utils.spectral_norm(nn.Linear(2, 2))), x),
        "`model` must be such that its layers have weights of their own (no parametrizations), got '1'",
    ),
    "pruned": (
        lambda m, x: lsuv_(nn.Sequential(m, prune.random_unstructured(nn.Linear(2, 2), "bias", 0.5)), x),
        "`model` must be such that its layers have weights of their own (no parametrizations), got '1'",
    ),
    "complex": (
        lambda m, x: lsuv_(nn.Sequential(m, nn.Linear(2, 2, dtype=torch.complex64)), x),
        "`model` must be such that its layers have weights of floats in memory, got '1'",
    ),
    "lazy": (
        lambda m, x: lsuv_(nn.Sequential(m, nn.LazyLinear(2)), x),
        "`model` must be one whose tensors have memory (no lazy module, nothing on the meta device), got '1.weight'",
    ),
    "meta": (
        lambda m, x: lsuv_(nn.Sequential(m, nn.Linear(2, 2, device="meta")), x),
        "`model` must be one whose tensors have memory (no lazy module, nothing on the meta device), got '1.weight'",
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_refusals_write_nothing(call, message):
    model, x = Net(), drawn(4, 3, 10, 10)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError) as raised:
        call(model, x)
    assert str(raised.value) == message
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("x", "std"), [(torch.zeros(4, 3, 10, 10), "0.0"), (torch.full((4, 3, 10, 10), torch.inf), "nan")]
)
def test_outputs_that_cannot_be_scaled(x, std):
    model = Net()
    stem = model.stem.weight.clone()
    with pytest.raises(ValueError) as raised:
        lsuv_(model, x)
    assert torch.equal(model.stem.weight, stem)
    assert str(raised.value) == f"`inputs` must be such that the output of 'stem' varies and is finite, got std {std}"


def test_it_says_where_no_layer_was_called():
    class Idle(nn.Sequential):
        def forward(self, x):
            return 2 * x

    model = Idle(*(nn.Linear(3, 3) for _ in range(5)))
    before = [one.clone() for one in model.parameters()]
    said = r"^lsuv_: the model called none of its layers \(0, 1, 2 and 2 more\), and is what it was$"
    with pytest.warns(UserWarning, match=said) as caught:
        assert lsuv_(model, torch.ones(3, 3)) == []
    assert [one.filename for one in caught] == [__file__]
    assert all(map(torch.equal, before, model.parameters()))
