"""Tangent kernels of real models, against explicit Jacobians: gradients of each example, all at once, in float64."""

import numpy as np
import pytest
import torch
from test_torch_profile import Everything, drawn, same, state
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from fastinit.profiler.description.signals import random_signs
from fastinit.profiler.products import mean_cosine
from fastinit.profiler.tangent_kernel import KERNEL_FIELDS, spectrum_of
from fastinit.torch import ModelProfile, profile
from fastinit.torch.seen import factors, tangents

TOKENS = torch.arange(35).reshape(7, 5) * 3 % 11
#: Eigenvalues over the largest: sums of a few thousand terms in another order.
CLOSE = 1e-12


class Tied(nn.Module):
    """A language model: an embedding whose weight is that of the head, and places that are the same for all rows."""

    def __init__(self, padding=None):
        super().__init__()
        self.embed, self.place = nn.Embedding(11, 8, padding), nn.Embedding(5, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
        self.head = nn.Linear(8, 11)
        self.head.weight = self.embed.weight

    def forward(self, ids, *, scale=None):
        x = self.embed(ids) + self.place(torch.arange(ids.shape[1]))
        return self.head(self.block(x if scale is None else x * scale[:, None, None]))


class Shared(nn.Module):
    """A layer that is called twice, and whose weight is used outside of it once, if it is so asked."""

    def __init__(self, outside):
        super().__init__()
        self.layer, self.outside = nn.Linear(8, 8), outside
        self.scale = nn.Parameter(torch.rand(8))

    def forward(self, x):
        x = self.layer(torch.tanh(self.layer(x))) * self.scale
        return x @ self.layer.weight if self.outside else x


class Adapted(nn.Module):
    def __init__(self, begins):
        super().__init__()
        self.base = nn.Linear(8, 8).requires_grad_(False)
        self.a, self.b = nn.Linear(8, 2, bias=False), nn.Linear(2, 8, bias=False)
        nn.init.constant_(self.a.weight, begins)
        nn.init.zeros_(self.b.weight)

    def forward(self, x):
        return self.base(x) + self.b(self.a(x))


def mlp(*norms):
    return nn.Sequential(
        nn.Linear(8, 16), *norms, nn.Tanh(), nn.Linear(16, 16), nn.ReLU(inplace=True), nn.Linear(16, 4)
    )


def frozen():
    model = mlp()
    model[0].requires_grad_(False)
    return model


def convolutions(norm, **keywords):
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2, **keywords), norm(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 4, 3, bias=False), nn.Flatten(), nn.LazyLinear(3),
    )  # fmt: skip


ROWS, PICTURES = drawn(7, 8), drawn(7, 4, 6, 6)
MODELS = {
    "layers": (mlp, ROWS),
    "positions": (mlp, drawn(7, 3, 8)),
    "layer norm": (lambda: mlp(nn.LayerNorm(16), nn.RMSNorm(16)), ROWS),
    "batch norm": (lambda: mlp(nn.BatchNorm1d(16)), ROWS),
    "batch norm that is used": (lambda: mlp(nn.BatchNorm1d(16)).eval(), ROWS),
    "convolutions": (lambda: convolutions(lambda width: nn.GroupNorm(2, width)), PICTURES),
    "reflecting": (lambda: convolutions(nn.BatchNorm2d, padding_mode="reflect"), PICTURES),
    "circular": (lambda: convolutions(nn.InstanceNorm2d, padding_mode="circular", dilation=2), PICTURES),
    "attention": (lambda: nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), drawn(7, 5, 8)),
    "recurrent": (lambda: nn.LSTM(8, 6, 2, batch_first=True), drawn(7, 5, 8)),
    "tied": (Tied, TOKENS),
    "padded": (lambda: Tied(3), TOKENS),
    "embedding": (lambda: nn.Sequential(nn.Embedding(200, 8), nn.Flatten(), nn.Linear(40, 3)), TOKENS),
    "shared": (lambda: Shared(False), ROWS),
    "used outside": (lambda: Shared(True), ROWS),
    "frozen": (frozen, ROWS),
    "reparametrised": (lambda: nn.Sequential(weight_norm(nn.Linear(8, 8)), nn.GELU(), nn.Linear(8, 2)), ROWS),
    "zero adapters": (lambda: nn.Sequential(Adapted(1.0), Adapted(0.0)), ROWS),
    "rows that mix": (lambda: MixesRows(), ROWS),
    "one output": (lambda: nn.Sequential(nn.Linear(8, 1), nn.Flatten(0)), ROWS),
}


class MixesRows(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x):
        x = self.layer(x)
        return torch.tanh(x - x.mean(0))


def explicit(model, *inputs, outputs=lambda output: output, examples=16, **keywords):
    """The kernel by definition, and by module parameters' share of its trace."""
    parameters = [one for one in model.parameters() if one.requires_grad]
    output = outputs(model(*inputs, **keywords))
    signs = torch.from_numpy(random_signs(tuple(output.shape[1:]), 0, "cotangent", "float32")).to(output)
    rows = []
    for one in output[:examples]:
        found = torch.autograd.grad(one, parameters, signs, retain_graph=True, allow_unused=True)
        pairs = zip(parameters, found, strict=True)
        rows.append(torch.cat([(torch.zeros_like(p) if g is None else g).reshape(-1) for p, g in pairs]))
    jacobian = torch.stack(rows).double() / signs.numel() ** 0.5
    return (jacobian @ jacobian.T).numpy()


def made(make, inputs):
    torch.manual_seed(0)
    model, inputs = make().double(), inputs.double() if inputs.is_floating_point() else inputs
    with torch.no_grad():
        model(inputs)  # lazy modules
    return model, inputs


def check(p, kernel, close=CLOSE):
    wanted = spectrum_of(kernel)
    assert p["kernel_examples"] == len(kernel)
    for name in ("largest", "mean", "median"):
        np.testing.assert_allclose(p[f"kernel_{name}"], getattr(wanted, name), rtol=0, atol=close * wanted.largest)
    np.testing.assert_allclose(p["kernel_effective_rank"], wanted.effective_rank, rtol=1e6 * close)
    np.testing.assert_allclose(p["gradient_cosine"], mean_cosine(kernel), rtol=0, atol=10 * close)


def read(output):
    return output[0] if isinstance(output, tuple) else output


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("room", [None, 301], ids=["whole", "parts"])
def test_the_kernel_is_that_of_the_jacobian(name, room, monkeypatch):
    """And so it is where a part of the parameters fits only, parts of one too."""
    if room:
        monkeypatch.setattr(tangents, "_room", lambda parameters: room * 8)
    model, inputs = made(*MODELS[name])
    examples = 6 if name in ("batch norm", "reflecting", "rows that mix") else 7
    check(profile(model, inputs), explicit(model, inputs, outputs=read, examples=examples))


@pytest.mark.parametrize("make", [mlp, Tied], ids=["layers", "tied"])
def test_factors_change_nothing(make, monkeypatch):
    """Gradients themselves give what the factors of them do."""
    model, inputs = made(make, TOKENS if make is Tied else drawn(7, 3, 8))
    factored = profile(model, inputs)
    monkeypatch.setattr(factors, "_is_plain", lambda module: False)
    whole = profile(model, inputs)
    for name in KERNEL_FIELDS[:3]:
        np.testing.assert_allclose(factored[name], whole[name], rtol=0, atol=CLOSE * whole["kernel_largest"][0])
    np.testing.assert_allclose(factored["kernel_share"], whole["kernel_share"], rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "inputs", "others"),
    [
        (mlp, ROWS, [0, 1, 3, 5, 7]),
        (lambda: mlp(nn.BatchNorm1d(16)), ROWS, [0, 1, 3, 5]),
        (Tied, TOKENS, [0, 1, 3, 5, 7]),
    ],
)
def test_copies_of_an_example_say_nothing(make, inputs, others):
    """The kernel is that of the others; statistics of a batch are of all."""
    some = torch.tensor([0, 1, 1, 2, 0, 3, 1, 4])
    model, inputs = made(make, inputs[some])
    wanted = explicit(model, inputs)[np.ix_(others, others)]
    p = profile(model, inputs)
    check(p, wanted)
    assert p.kernels[0].over_median < 1e5


@pytest.mark.parametrize("examples", [1, 2, 7, 20])
def test_so_many_examples_are_taken(examples):
    model, inputs = made(mlp, drawn(20, 8))
    p = profile(model, inputs, examples=examples)
    check(p, explicit(model, inputs, examples=examples))
    assert profile(model, inputs)["kernel_examples"] == 16
    mixed, inputs = made(lambda: mlp(nn.BatchNorm1d(16)), drawn(20, 8))
    check(profile(mixed, inputs), explicit(mixed, inputs, examples=6))


def test_shares_are_those_of_the_parameters():
    model, inputs = made(Tied, TOKENS)
    p = profile(model, inputs)
    total = explicit(model, inputs).trace()
    for name, module in (("embed", model.embed), ("place", model.place), ("block.norm1", model.block.norm1)):
        for parameter in model.parameters():
            parameter.requires_grad_(any(parameter is one for one in module.parameters()))
        share = explicit(model, inputs).trace() / total
        assert p["kernel_share"][0, p.network.names.index(name)] == pytest.approx(share, rel=1e-12)
    model.requires_grad_(True)
    blocks = profile(nn.Sequential(model.block, model.block), drawn(7, 5, 8).double(), names="0")
    assert blocks["kernel_share"][0].tolist() == pytest.approx([np.nan, 1.0], nan_ok=True)


def test_keywords_are_split_into_rows_too():
    model, ids = made(Tied, TOKENS)
    scale = torch.rand(7, dtype=torch.float64)
    check(profile(model, ids, scale=scale), explicit(model, ids, scale=scale))
    check(profile(model, ids=ids, scale=scale), explicit(model, ids=ids, scale=scale))


def test_a_loss_is_that_of_one_example_where_there_are_no_rows():
    class Loss(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 4)

        def forward(self, x, labels):
            logits = self.layer(x)
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    model, inputs = made(lambda: nn.Linear(8, 4), ROWS)
    whole, labels = Loss().double(), torch.arange(7) % 4
    whole.layer = model

    def losses(logits):
        return nn.functional.cross_entropy(logits, labels, reduction="none")

    check(profile(whole, inputs, labels), explicit(model, inputs, outputs=losses))
    check(profile(whole, inputs, labels, outputs=lambda found: found["logits"]), explicit(model, inputs))
    check(profile(model, inputs, loss=lambda output: output.sum()), explicit(model, inputs))
    summed = profile(whole, inputs, labels, outputs=lambda found: found["logits"].T)
    assert summed["kernel_examples"] == 0 and np.isnan(summed["kernel_largest"]).all()


def test_of_random_passes_each_example_has_its_own():
    """Dropout of ones: of 16 gradients of the bias and of 8 inputs, each 0 or 2."""
    model, _ = made(lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 4)), ROWS)
    p = profile(model, torch.ones(16, 8, dtype=torch.float64))
    assert p["kernel_examples"] == 16
    assert p["kernel_mean"] > 1  # equal rows would have no difference


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_narrow_floats(dtype):
    model, inputs = made(mlp, ROWS)
    p = profile(model.to(dtype), inputs.to(dtype))
    eps = torch.finfo(dtype).eps
    wanted = spectrum_of(explicit(model.double(), inputs))
    assert p["kernel_largest"][0] == pytest.approx(wanted.largest, rel=8 * eps)


def test_what_gets_no_gradient_has_a_kernel_of_zeros():
    model, inputs = made(lambda: nn.Sequential(Adapted(0.0), Adapted(0.0)), ROWS)
    p = profile(model, inputs)
    assert p["kernel_examples"] == 7 and p["kernel_largest"] == 0
    assert p.verdict.sentence == "Dead: no weight gets a gradient." and p.trains("adam").grade == "no"
    model.requires_grad_(False)
    q = profile(model, inputs)
    assert q["kernel_examples"] == 0 and np.isnan(q["kernel_largest"]).all() and q.verdict.kind == "unknown"


def test_it_is_left_out_where_it_is_not_wanted():
    model, inputs = made(mlp, ROWS)
    for p in (profile(model, inputs, examples=0), profile(model, inputs, backward=False)):
        assert p["kernel_examples"] == 0 and np.isnan(p["kernel_share"]).all()
    p = profile(model, inputs)
    assert ModelProfile.from_json(p.to_json()) == p
    with pytest.raises(ValueError, match="`examples` must be an integer of at least 0, got -1"):
        profile(model, inputs, examples=-1)
    with pytest.raises(ValueError, match="`outputs` must be a function to a tensor of floats, got int 3"):
        profile(model, inputs, outputs=lambda output: 3)


def test_a_model_is_left_as_it_was():
    torch.manual_seed(0)
    model = Everything()
    before = state(model)
    for mode in (True, False):
        model.train(mode)
        p = profile(model, TOKENS[:, :4])
        assert p["kernel_examples"] == (6 if mode else 7)
    model.train()
    assert same(state(model), before)


def test_gradients_are_held_of_what_there_is_room_for():
    """Never more elements in the blocks of all examples than the room."""
    model, _ = made(mlp, ROWS)
    parameters = [*model.parameters()]
    for room in (1, 7, 100, 10**6):
        parts = [*tangents._parts(parameters, room)]
        sizes = [sum(piece.last - piece.first for piece in part) for part in parts]
        assert max(sizes) <= room and sum(sizes) == sum(one.numel() for one in parameters)
        assert len(parts) == -(-sum(sizes) // room)
