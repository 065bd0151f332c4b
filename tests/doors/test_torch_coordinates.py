"""The check of coordinates: wrong widths fail and maximal update passes, and what it says is what was measured."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import fastinit.torch as ft

WIDTHS = [64, 128, 256]
RULES = [("*.bias", "zeros"), ("*", "he_normal")]


class Net(nn.Module):
    """Two hidden layers; the last one is given `multiplier` times what it would be."""

    def __init__(self, width, multiplier=1.0):
        super().__init__()
        self.first, self.hidden, self.last = nn.Linear(16, width), nn.Linear(width, width), nn.Linear(width, 10)
        self.multiplier = multiplier

    def forward(self, x):
        return self.last(self.multiplier * self.hidden(self.first(x).relu()).relu())


RECIPE = ft.mup(Net(64), RULES)


def standard(width, rules=RULES):
    model = Net(width)
    ft.initialize_(model, rules, seed=torch.initial_seed())
    return model


def maximal_update(width):
    model = standard(width, RECIPE)
    model.multiplier = RECIPE.factors(model)["last.weight"].multiplier
    return model


def constant(kind, rate):
    return lambda model: kind(model.parameters(), rate)


def scaled(kind, rate, field):
    def make(model):
        factors = RECIPE.factors(model)
        groups = [{"params": [p], "lr": rate * getattr(factors[n], field)} for n, p in model.named_parameters()]
        return kind(groups)

    return make


def batch(classes=True):
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 10, (32,), generator=generator) if classes else torch.randn(32, 10, generator=generator)
    return torch.randn(32, 16, generator=generator), targets


ADAM = constant(torch.optim.Adam, 1e-3)
check = partial(ft.coordinate_check, widths=WIDTHS, batches=[batch()], steps=3, repeats=2)


def test_standard_parametrisation_with_a_constant_rate_fails():
    found = check(standard, optimizer=ADAM)
    assert not found and not found.passed and not found.ok
    assert [problem.split(":")[0] for problem in found.problems] == ["hidden", "last"]
    assert found.problems[1].startswith("last: its change is like width**1.")
    assert found.moves.power[1, 1] == pytest.approx(1, abs=0.15)  # of a hidden layer: a sum of width terms of one sign


@pytest.mark.parametrize(("kind", "rate", "field"), [(torch.optim.Adam, 1e-2, "adam"), (torch.optim.SGD, 0.1, "sgd")])
def test_maximal_update_passes(kind, rate, field):
    found = check(maximal_update, optimizer=scaled(kind, rate, field))
    assert found and found.problems == ()
    assert found.sizes.power[0, 2] < -0.25  # outputs may begin the smaller the wider they are


def test_rates_that_shrink_too_fast_fail():
    """As 1 / width for all weights: the first ones no longer learn."""
    found = check(
        maximal_update, optimizer=lambda model: torch.optim.Adam(model.parameters(), 0.1 / len(model.first.bias))
    )
    assert found.problems[0].startswith("first: its change is like width**-")
    assert found.moves.power[1, 0] == pytest.approx(-1, abs=0.05)


def test_sizes_that_grow_at_the_start_are_told():
    found = check(partial(standard, rules=[("*.bias", "zeros"), ("*", "normal", {"std": 0.1})]), optimizer=ADAM)
    assert any(problem.startswith("hidden: grows like width**0.") for problem in found.problems)


def test_numbers_are_mean_absolute_coordinates():
    """Of one model, by hand."""
    x, y = batch(False)
    found = check(standard, optimizer=constant(torch.optim.SGD, 0.1), batches=[(x, y)], steps=1, repeats=1, seed=7)
    torch.manual_seed(7)
    model = standard(128)
    before = model.hidden(model.first(x).relu())
    nn.functional.mse_loss(model(x), y).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad
    after = model.hidden(model.first(x).relu())
    np.testing.assert_allclose(
        found.coordinates[0, 1, :, 1], [before.abs().mean().item(), after.abs().mean().item()], 1e-6
    )
    np.testing.assert_allclose(found.changes[0, 1, :, 1], [0, (after - before).abs().mean().item()], 1e-5)


def test_powers_and_their_errors_are_those_of_a_line():
    sizes = np.exp2(np.array([[[[1.0, 0]], [[1.5, 0]], [[2.3, 0]]], [[[1.1, 0]], [[1.4, 0]], [[2.2, 0]]]]))
    found = ft.CoordinateCheck((64, 128, 256), ("a", "b"), 0.25, 0, sizes, 0 * sizes)
    x, y = np.array([6, 7, 8] * 2), np.array([1.0, 1.5, 2.3, 1.1, 1.4, 2.2])
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    np.testing.assert_allclose([found.sizes.power[0, 0], found.sizes.error[0, 0]], [slope, covariance[0, 0] ** 0.5])
    assert found.sizes.power[0, 1] == found.sizes.error[0, 1] == 0
    assert np.isnan(found.moves.power).all() and found.problems == ("no module changes",)


def changed(*moves):
    """A check of one module that has changed by so much after each step, at each of three widths."""
    changes = np.array(moves, float).T[None, :, :, None]
    return ft.CoordinateCheck((2, 4, 8), ("a",), 0.25, 0, np.ones_like(changes), changes)


def only(*learning):
    """Standard models of which only these parameters take a gradient."""

    def make(width):
        model = standard(width)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in learning)
        return model

    return make


class Zero(nn.Linear):
    """Returns zeros, and no gradient."""

    def forward(self, x):
        return 0 * super().forward(x).detach()


def unmoved(name):
    return f"{name}: has parameters, but no step changes it (`names` leaves out what is frozen)"


def test_a_trunk_that_never_moves_does_not_pass():
    """Level lines at zero are no evidence; what has no parameters may stand still before all that has."""

    def lost(width):
        model = standard(width)
        model.hidden = Zero(width, width)
        return model

    for make in (only("last.bias"), only("last.bias", "last.weight"), lost):
        optimizer = scaled(torch.optim.Adam, 1e-3, "adam")
        found = check(make, optimizer=optimizer)
        assert not found and {unmoved("first"), unmoved("hidden")} <= {*found.problems}
        assert found.weighted == ("first", "hidden", "last")
        assert ft.CoordinateCheck.from_json(found.to_json()) == found
    frozen = only("hidden.weight", "hidden.bias", "last.weight", "last.bias")
    assert check(frozen, optimizer=ADAM).problems[0] == unmoved("first")
    assert unmoved("first") not in check(frozen, optimizer=ADAM, names=["hidden", "last"]).problems
    one, two = ({"steps": steps, "optimizer": constant(torch.optim.SGD, 0.1)} for steps in (1, 2))

    def ends_in_zeros(width):
        model = nn.Sequential(nn.Identity(), nn.Linear(16, width), nn.Linear(width, 10))
        nn.init.zeros_(model[2].weight)
        return model

    assert unmoved("1") in check(ends_in_zeros, **one).problems
    assert not {unmoved("0"), unmoved("1")} & {*check(ends_in_zeros, **two).problems}


def test_batches_may_come_once():
    """And each model is given all of them."""
    batches = [batch(), (batch()[0] + 1, batch()[1])]
    one, other = (check(standard, optimizer=ADAM, batches=some) for some in (batches, iter(batches)))
    assert one == other


@pytest.mark.parametrize(
    ("found", "problems"),
    [
        (changed((0, 0, 0), (1, 1, 1)), ()),
        (changed((0, 0, 0), (0, 0, 0), (1, 1, 1)), ()),  # what begins at zero keeps a step from what is before it
        (changed((0, 0, 0), (1, 0, 1)), ("a: is changed by step 1 at some widths and not at others",)),
        (changed((0, 0, 0), (1, 1, 1), (4, 2, 1)), ("a: its change is like width**-1.00 (±0.00) after step 2",)),
    ],
)
def test_what_is_held_against_changes(found, problems):
    assert found.problems == problems


def test_what_diverges_is_told_by_its_first_module():
    found = check(standard, optimizer=constant(torch.optim.SGD, 1e30))
    assert found.problems == ("hidden: is not finite after step 1 at width 64",)
    assert repr(found) == f"CoordinateCheck(3 modules, widths 64 to 256, not passed: {found.problems[0]})"
    assert str(found).splitlines()[-2:] == [f"PROBLEM {found.problems[0]}", "not passed (tolerance 0.25)"]


class Noisy(Net):
    """With what has a state and draws random numbers."""

    def __init__(self, width):
        super().__init__(width)
        self.norm, self.drop = nn.BatchNorm1d(10), nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.norm(super().forward(x)))


def test_generators_and_the_mode_of_the_caller_are_left():
    torch.manual_seed(3)
    before, seen = torch.get_rng_state(), []

    def make(width):
        seen.append(Noisy(width))
        return seen[-1]

    with torch.no_grad():
        found = check(make, optimizer=constant(torch.optim.SGD, 0.0), steps=1)
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before)
    assert found.problems == ("no module changes",)  # the same is dropped each time, and no moment of a batch is kept
    assert all(model.training and int(model.norm.num_batches_tracked) == 1 for model in seen)
    assert not torch.equal(seen[0].first.weight, seen[3].first.weight)
    again = check(Noisy, optimizer=constant(torch.optim.SGD, 0.0), steps=1)
    assert found == again


def test_it_shows_itself_and_comes_back(tmp_path):
    found = check(standard, optimizer=ADAM, names=["hidden", "last"])
    lines = str(found).splitlines()
    assert lines[0].split("  ")[0] == "module" and lines[0].endswith("change by 3")
    assert [line.split()[0] for line in lines[1:3]] == ["hidden", "last"] == list(found.modules)
    assert ft.CoordinateCheck.from_json(found.to_json()) == found
    pytest.importorskip("matplotlib")
    found.plot(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000
    pytest.importorskip("pandas")
    frame = found.to_frame()
    assert len(frame) == found.coordinates.size == 2 * 3 * 4 * 2
    row = frame[(frame.repeat == 1) & (frame.width == 256) & (frame.step == 3) & (frame.module == "last")].iloc[0]
    assert (row.change, row.change_power) == (found.changes[1, 2, 3, 1], found.moves.power[3, 1])


def test_tokens_and_what_models_take_by_name():
    class Tokens(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.embedding, self.last = nn.Embedding(8, width), nn.Linear(width, 8)

        def forward(self, ids, scale):
            return {"logits": self.last(scale * self.embedding(ids))}

    ids = torch.arange(8).repeat(2, 1)
    for inputs in ({"ids": ids, "scale": 1.0}, (ids, 1.0)):
        found = check(Tokens, optimizer=ADAM, batches=[(inputs, ids)], steps=1)
        assert found.modules == ("embedding", "last")


def test_models_may_write_into_what_they_are_given():
    x, y = batch()

    def make(width):
        return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(16, width), nn.Linear(width, 10))

    with torch.inference_mode():
        given = x.clone()
        found = check(make, optimizer=ADAM, batches=[(given, y)], steps=1)
    assert torch.equal(given, x)
    assert found.modules == ("0", "1", "2") and found.steps == 1


class Integers(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return x


def named(width):
    return nn.Sequential(nn.Linear(16, 10)) if width == 128 else nn.Sequential(nn.Identity(), nn.Linear(16, 10))


def call(make=standard, optimizer=ADAM, **keywords):
    return lambda: check(make, optimizer=optimizer, **keywords)


ONE = standard(64)
NOTHING = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
WIDTHS_RULE = "`widths` must be at least three positive integers in ascending order"
NO_FUNCTION = (
    "`optimizer` must be a function from a model to a torch.optim.Optimizer: "
    "lambda model: torch.optim.Adam(model.parameters(), 1e-3)"
)

REFUSED = {
    "one width": (call(widths=64), f"{WIDTHS_RULE}, got 64"),
    "no width": (call(widths=None), f"{WIDTHS_RULE}, got None"),
    "letters": (call(widths="abc"), f"{WIDTHS_RULE}, got 'abc'"),
    "a model": (call(ONE), "`make_model` must be a function from a width to a new model, got Net"),
    "nothing": (call(None), "`make_model` must be a function from a width to a new model, got NoneType None"),
    "the same model": (
        call(lambda width: ONE),
        "`make_model` must be a function that makes a new model at each call, got Net with weights of another",
    ),
    "a part of the same": (
        call(lambda width: nn.Sequential(ONE.first, nn.Linear(64, width), nn.Linear(width, 10))),
        "`make_model` must be a function that makes a new model at each call, got Sequential with weights of another",
    ),
    "one size": (
        call(lambda width: standard(64)),
        "`make_model` must be a function to models that are as wide as it is asked, got 'Net with weights of the same "
        "shapes at width 64 and 128'",
    ),
    "up to a size": (
        call(lambda width: standard(min(width, 128))),
        "`make_model` must be a function to models that are as wide as it is asked, got 'Net with weights of the same "
        "shapes at width 128 and 256'",
    ),
    "an optimizer": (call(optimizer=NOTHING), f"{NO_FUNCTION}, got SGD"),
    "a class": (call(optimizer=torch.optim.Adam), f"{NO_FUNCTION}, got the class Adam"),
    "a part of a class": (
        call(optimizer=partial(torch.optim.SGD, lr=0.1)),
        f"{NO_FUNCTION}, got the class SGD",
    ),
    "no function": (call(optimizer=None), f"{NO_FUNCTION}, got NoneType None"),
    "a closure": (
        call(optimizer=lambda model: torch.optim.LBFGS(model.parameters())),
        "`optimizer` must be one whose steps take no closure, as SGD and Adam, got LBFGS",
    ),
    "a loss by name": (
        call(loss="mse"),
        "`loss` must be a function of what the model returns and the targets, got 'mse'",
    ),
    "no batches": (
        call(batches=None),
        "`batches` must be an iterable of (inputs, targets), one at least, got NoneType None",
    ),
    "a function of batches": (
        call(batches=batch),
        f"`batches` must be an iterable of (inputs, targets), one at least, got function {batch!r}",
    ),
    "a batch of no rows": (
        call(batches=[(torch.zeros(0, 16), torch.zeros(0, dtype=torch.int64))]),
        "`batches` must be of inputs that have a row at least, got a tensor of shape (0, 16) and torch.float32",
    ),
    "numbers for names": (call(names=5), "`names` must be a string or an iterable of strings, got 5"),
    "two widths": (
        call(widths=[64, 128]),
        "`widths` must be at least three positive integers in ascending order, got [64, 128]",
    ),
    "descending": (
        call(widths=[64, 256, 128]),
        "`widths` must be at least three positive integers in ascending order, got [64, 256, 128]",
    ),
    "fractions": (
        call(widths=[64, 128, 256.5]),
        "`widths` must be at least three positive integers in ascending order, got [64, 128, 256.5]",
    ),
    "other names": (
        call(named),
        "`make_model` must be such that modules have the same names at each width, got ['1']",
    ),
    "no model": (call(lambda width: width), "`model` must be a torch.nn.Module, got int 64"),
    "no floats": (
        call(Integers, batches=[(torch.arange(3), torch.arange(3))]),
        "`make_model` must be a function to models of which a module returns floats, got Integers",
    ),
    "no optimizer": (
        call(optimizer=lambda model: 1),
        "`optimizer` must be a function from a model to a torch.optim.Optimizer, got int 1",
    ),
    "a loss of rows": (
        call(loss=lambda output, targets: output.sum(1)),
        "`loss` must be a function to a tensor of one element, which depends on what takes a gradient, "
        "got a tensor of shape (32,) and torch.float32",
    ),
    "a loss of nothing": (
        call(loss=lambda output, targets: torch.zeros(())),
        "`loss` must be a function to a tensor of one element, which depends on what takes a gradient, "
        "got a tensor of shape () and torch.float32",
    ),
    "no batch": (call(batches=[]), "`batches` must be an iterable of (inputs, targets), one at least, got []"),
    "a batch": (
        call(batches=batch()),
        "`batches` must be an iterable of (inputs, targets), got a tensor of shape (32, 16) and torch.float32",
    ),
    "other targets": (
        call(batches=[(batch()[0], torch.zeros(32))]),
        "`loss` must be given where targets are not of shape (32, 10), got a tensor of shape (32,) and torch.float32",
    ),
    "no targets": (
        call(batches=[(batch()[0], None)]),
        "`loss` must be given where outputs or targets are no tensors, got NoneType None",
    ),
    "no step": (call(steps=0), "`steps` must be an integer of at least 1, got 0"),
    "a name": (
        call(names="middle"),
        "`names` must be patterns each of which matches a module that is called and returns floats, got 'middle'",
    ),
}


@pytest.mark.parametrize(("wrong", "message"), REFUSED.values(), ids=REFUSED)
def test_refusals(wrong, message):
    with pytest.raises((ValueError, TypeError)) as error:
        wrong()
    assert str(error.value) == message
