"""What enters the head of a model: where it is known, that it is judged as `fastinit.profile` does, and what is not."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import linear, log_softmax, normalize
from torch.nn.utils.parametrizations import weight_norm

import fastinit as fi
import fastinit.torch as ft
from fastinit.profiler.result.training import OPTIMIZERS

WIDTH, BATCH = 64, 16


def drawn(*shape, name="input"):
    return torch.from_numpy(fi.normal(shape, seed=0, name=name))


def head(zero=False):
    layer = nn.Linear(WIDTH, 10)
    (nn.init.zeros_ if zero else nn.init.normal_)(layer.weight, *() if zero else (0, WIDTH**-0.5))
    return layer


class Residual(nn.Module):
    def __init__(self, scale, *parts):
        super().__init__()
        self.scale, self.parts = scale, nn.Sequential(*parts)

    def forward(self, x):
        return x + self.scale * self.parts(x)


NORMS = {None: lambda: nn.Identity(), "layer": lambda: nn.LayerNorm(WIDTH), "batch": lambda: nn.BatchNorm1d(WIDTH)}
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def trunk(depth, activation="relu", scheme="he_normal", norm=None, residual=False, branch_scale=1.0):
    """The network of `fastinit.profile`, of which these are keywords too."""
    layers = []
    for number in range(1, depth + 1):
        layer = nn.Linear(WIDTH, WIDTH, bias=False)
        weight = getattr(fi, scheme)((WIDTH, WIDTH), seed=0, name=f"layer.{number}")
        layer.weight = nn.Parameter(torch.from_numpy(weight.T.copy()))
        phi, normed = ACTIVATIONS[activation](), NORMS[norm]()
        layers += [Residual(branch_scale, normed, phi, layer)] if residual else [layer, normed, phi]
    return nn.Sequential(*layers)


def grades(p):
    return [p.trains(optimizer).grade for optimizer in OPTIMIZERS]


def readout():
    """As one that stands on a network of `fastinit.profile`: without a bias."""
    last = nn.Linear(WIDTH, 10, bias=False)
    nn.init.normal_(last.weight, std=WIDTH**-0.5)
    return last


NETWORKS = [
    ({"depth": 5}, ["yes", "yes"]),
    ({"depth": 5, "scheme": "lecun_normal"}, ["yes", "yes"]),
    ({"depth": 20, "scheme": "lecun_normal"}, ["no", "yes"]),
    ({"depth": 60, "scheme": "lecun_normal"}, ["no", "no"]),
    ({"depth": 20, "activation": "tanh", "scheme": "lecun_normal"}, ["yes", "yes"]),
    ({"depth": 40, "activation": "gelu"}, ["no", "yes"]),
    ({"depth": 6, "scheme": "small_normal"}, ["no", "slowly"]),
    ({"depth": 20, "scheme": "lecun_normal", "norm": "layer"}, ["yes", "yes"]),
    ({"depth": 10, "scheme": "small_normal", "norm": "batch"}, ["yes", "yes"]),
    ({"depth": 20, "residual": True}, ["no", "slowly"]),
    ({"depth": 20, "residual": True, "branch_scale": 0.2}, ["yes", "yes"]),
    ({"depth": 40, "residual": True, "norm": "layer"}, ["yes", "yes"]),
]


@pytest.mark.parametrize(("keywords", "wanted"), NETWORKS, ids=str)
def test_both_profilers_judge_the_same_network_alike(keywords, wanted):
    torch.manual_seed(0)
    p = fi.profile(WIDTH, batch=BATCH, **{"activation": "relu", "scheme": "he_normal"} | keywords)
    q = ft.profile(nn.Sequential(*trunk(**keywords), readout()), drawn(BATCH, WIDTH))
    assert q["head_second_moment"][0] == pytest.approx(p["act_second_moment"][0, -1], rel=1e-3)
    assert grades(q) == grades(p) == wanted


def test_what_has_vanished_is_held_against_a_model_by_the_same_words():
    torch.manual_seed(0)
    p = ft.profile(nn.Sequential(*trunk(20, scheme="lecun_normal"), readout()), drawn(BATCH, WIDTH))
    said = str(fi.profile(WIDTH, 20, "relu", "lecun_normal", batch=BATCH).trains("sgd"))
    assert said.startswith("no: the outputs' second moment is ")
    assert str(p.trains("sgd")) == said.replace("outputs'", "head's inputs'")
    assert p.trains("sgd").numbers["outputs"] == p["head_second_moment"][0]
    assert ft.ModelProfile.from_json(p.to_json()) == p


class Ends(nn.Module):
    """Layers, and what is done with what they return."""

    def __init__(self, end, last=None, **more):
        super().__init__()
        self.first, self.end, self.more = nn.Linear(WIDTH, WIDTH), end, nn.ModuleDict(more)
        self.last = last or head()

    def forward(self, x):
        hidden = self.first(x).relu()
        return self.end(self.last(hidden), hidden, self.more)


class Scaled(nn.Linear):
    def forward(self, x):
        return super().forward(1000 * x)


def hooked():
    layer = head()
    layer.register_forward_hook(lambda module, args, output: 1000 * output)
    return layer


def frozen(layer):
    return layer.requires_grad_(False)


KNOWN = {
    "a layer": (lambda y, *_: y, None),
    "one that begins at zero": (lambda y, *_: y, head(zero=True)),
    "one that is frozen": (lambda y, *_: y, frozen(head())),
    "a parametrised one": (lambda y, *_: y, weight_norm(head())),
    "probabilities": (lambda y, *_: log_softmax(y, -1), None),
    "in place": (lambda y, *_: y.relu_(), None),
    "a part": (lambda y, *_: {"aside": 3, "logits": y[:, :5].tanh()}, None),
    "other shapes": (lambda y, *_: y.unsqueeze(1).mT.flatten(1), None),
    "a known loss": (lambda y, *_: nn.functional.cross_entropy(y, torch.arange(BATCH) % 10), None),
    "two outputs": (lambda y, h, more: (y, more["other"](h)), None),
}
#: Nobody knows how large what enters is, or it says nothing.
UNKNOWN = {
    "a factor": (lambda y, *_: 1e6 * y, None),
    "a loss of one's own": (lambda y, *_: (y.square().mean(), y), None),
    "a norm": (lambda y, *_: nn.functional.layer_norm(y, (10,)), None),
    "unit vectors": (lambda y, *_: normalize(y), None),
    "statistics of the batch": (lambda y, *_: nn.functional.batch_norm(y, None, None, training=True), None),
    "two heads": (lambda y, h, more: torch.cat([y, more["other"](h)], 1), None),
    "adapters": (lambda y, h, more: y + more["other"](h), frozen(head())),
    "a sum": (lambda y, h, _: y + h[:, :10], None),
    "a function": (lambda y, h, more: linear(h, more["other"].weight), None),
    "a frozen function": (lambda y, *_: y @ torch.ones(10, 3), None),
    "a class of the user's": (lambda y, *_: y, Scaled(WIDTH, 10)),
    "a hook of the user's": (lambda y, *_: y, hooked()),
    "no layer": (lambda y, h, _: h.cumsum(1), None),
}


@pytest.mark.parametrize(
    ("end", "last", "known"),
    [(*one, known) for some, known in ((KNOWN, True), (UNKNOWN, False)) for one in some.values()],
    ids=[*KNOWN, *UNKNOWN],
)
def test_which_layer_is_the_head(end, last, known):
    torch.manual_seed(0)
    model, x = Ends(end, last, other=head()), drawn(BATCH, WIDTH)
    p = ft.profile(model, x)
    given = model.first(x).relu().double().square().mean().item()
    np.testing.assert_allclose(p["head_second_moment"], [given if known else np.nan], rtol=1e-6)
    assert np.isnan(ft.profile(model, x, backward=False)["head_second_moment"])  # there is no graph


def test_what_is_said_to_be_the_outputs_has_its_own_head():
    model, x = Ends(lambda y, h, more: {"first": h, "logits": y}), drawn(BATCH, WIDTH)
    p = ft.profile(model, x, outputs=lambda found: found["logits"])
    assert p["head_second_moment"][0] == pytest.approx(model.first(x).relu().square().mean().item(), rel=1e-6)
    assert ft.profile(model, x)["head_second_moment"][0] == pytest.approx(1, abs=0.1)  # the layer of the hidden ones


class Text(nn.Module):
    """Of GPT-2: small weights, sums of branches behind norms, and a head that is the embedding."""

    def __init__(self, tied=True):
        super().__init__()
        block = nn.TransformerEncoderLayer(
            WIDTH, 4, 4 * WIDTH, 0.0, nn.functional.gelu, batch_first=True, norm_first=True
        )
        self.embed, self.place = nn.Embedding(50, WIDTH), nn.Embedding(6, WIDTH)
        self.blocks = nn.TransformerEncoder(block, 3, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 50, bias=False)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)
        if tied:
            self.head.weight = self.embed.weight
        else:
            nn.init.zeros_(self.head.weight)

    def forward(self, ids):
        return self.head(self.norm(self.blocks(self.embed(ids) + self.place(torch.arange(ids.shape[1])))))


class Adapted(nn.Module):
    """A frozen layer, and beside it one of low rank that begins at zero."""

    def __init__(self, base):
        super().__init__()
        self.base, self.a, self.b = (
            frozen(base),
            nn.Linear(WIDTH, 4, bias=False),
            nn.Linear(4, base.out_features, bias=False),
        )
        nn.init.normal_(self.a.weight, std=0.02)
        nn.init.zeros_(self.b.weight)

    def forward(self, x):
        return self.base(x) + self.b(self.a(x))


def images():
    def block(width, out):
        parts = nn.Conv2d(width, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
        return nn.Sequential(*parts)

    last = nn.Linear(WIDTH, 10)
    pool = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(block(3, WIDTH), *(Residual(1.0, block(WIDTH, WIDTH)) for _ in range(3)), *pool, last)


def maximal_update(width=WIDTH):
    """What the last layer is given is multiplied by a power of the width."""

    class Multiplied(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.last = trunk(4), head(zero=True)

        def forward(self, x):
            return self.last(self.trunk(x) * 16 / width)

    return Multiplied()


IDS = torch.arange(48).reshape(8, 6)
SOUND = {
    "zero head": (lambda: nn.Sequential(*trunk(6), head(zero=True)), (BATCH, WIDTH)),
    "frozen backbone": (lambda: nn.Sequential(frozen(trunk(6)), head()), (BATCH, WIDTH)),
    "batch norm": (images, (8, 3, 12, 12)),
    "batch norm that is used": (lambda: images().eval(), (8, 3, 12, 12)),
    "adapters": (lambda: nn.Sequential(*(Adapted(one) if isinstance(one, nn.Linear) else one for one in trunk(6)),
                                       Adapted(head())), (BATCH, WIDTH)),
    "tied text": (Text, None),
    "text with a zero head": (lambda: Text(False), None),
    "maximal update": (maximal_update, (BATCH, WIDTH)),
    "only a layer": (lambda: head(), (BATCH, WIDTH)),
}  # fmt: skip


@pytest.mark.parametrize(("make", "shape"), SOUND.values(), ids=SOUND)
def test_models_that_train_are_not_held_to_be_vanishing(make, shape):
    torch.manual_seed(0)
    p = ft.profile(make(), drawn(*shape) if shape else IDS)
    size = p["head_second_moment"][0]
    assert all(np.isnan(size) or one.least_outputs[0] < size < one.outputs[0] for one in OPTIMIZERS.values())
    assert p.trains("adam").grade == "yes"


def test_a_rate_is_not_promised_where_norms_set_the_size():
    """As of networks of `fastinit.profile`, whose weights' scale is no matter there."""
    torch.manual_seed(0)
    for norm, told in ((None, True), ("layer", False), ("batch", False)):
        p = ft.profile(nn.Sequential(*trunk(6, norm=norm), head()), drawn(BATCH, WIDTH))
        assert ("rate" in p.trains("sgd").numbers) is told
        own = fi.profile(WIDTH, 6, "relu", norm=norm, batch=BATCH).trains("sgd").numbers
        assert ("rate" in own) is told
