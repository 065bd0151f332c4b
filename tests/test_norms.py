"""A new normalisation is one value: registered here alone it is right in every method, or refused with a sentence."""

import ast
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from test_matrix_free import check_law
from test_profile import back, layers_of, through

import fastinit as fi
from fastinit import profiler
from fastinit.profiler.columns import layerwise
from fastinit.profiler.norms import NORMS, ROWS, UNITS, MomentNorm, Norm, Normalised
from fastinit.profiler.statistics import FIELDS
from fastinit.profiler.steps.step import tangent

METHODS = ("dense", "tiled", "matrix_free")
SIZE = {"width": 40, "depth": 3, "batch": 6, "dtype": "float64"}


@dataclass(frozen=True, eq=False)
class SizeNormalised(Normalised):
    """y = h / (<|h|> + eps); the Jacobian is not symmetric."""

    y: np.ndarray
    signs: np.ndarray
    size: np.ndarray

    def backward(self, d, means=None):
        along = np.mean(d * self.y, axis=1, keepdims=True) if means is None else means[0][:, None]
        return (d - self.signs * along) / self.size

    def tangent(self, t):
        return (t - self.y * np.mean(t * self.signs, axis=1, keepdims=True)) / self.size

    def row_sums(self, d):
        return [np.sum(d * self.y, axis=1)]


@dataclass(frozen=True)
class SizeNorm(Norm):
    """Over the units of a row, by their mean absolute value."""

    can_be_cut = True

    def normalised(self, h, eps, means=None):
        size = (np.mean(abs(h), axis=1, keepdims=True) if means is None else means[0][:, None]) + eps
        return SizeNormalised(h / size, np.sign(h), size)

    def row_sums(self, h):
        return [np.sum(abs(h), axis=1)]


@dataclass(frozen=True)
class WholeNorm(SizeNorm):
    """One that does not say what is to be known of a row."""

    can_be_cut = False


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Norms that nothing but the table knows."""
    for norm in (
        SizeNorm("size", UNITS, centred=False),
        WholeNorm("whole", UNITS, centred=False),
        MomentNorm("layer again", UNITS, centred=True),
        MomentNorm("batch again", ROWS, centred=True, kinds=("mlp",), least_rows=4, few_rows={4: "is not enough"}),
        MomentNorm("rms over rows", ROWS, centred=False, kinds=("mlp",)),
    ):
        monkeypatch.setitem(NORMS, norm.name, norm)


def same(one, other, names):
    return all(np.array_equal(one[name], other[name], equal_nan=True) for name in names)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("position", ["pre_act", "post_act"])
@pytest.mark.parametrize("known, again", [("layer", "layer again"), ("batch", "batch again")])
def test_the_same_norm_under_another_name(known, again, position, residual, method):
    """The same bits, theory and verdict, whatever the method: no one looks at names."""
    given = SIZE | {"norm_position": position, "residual": residual, "method": method}
    one, other = (fi.profile(norm=norm, **given) for norm in (known, again))
    assert list(one) == list(other)
    assert same(one, other, one)
    assert one.verdict.sentence == other.verdict.sentence
    assert str(other.network) == str(one.network).replace(f"{known} norm", f"{again} norm")


@pytest.mark.parametrize("position", ["pre_act", "post_act"])
@pytest.mark.parametrize("norm", ["size", "rms over rows"])
def test_steps_agree_with_differences_and_with_each_other(norm, position):
    _, layers, _ = layers_of(seed=3, activation="tanh", norm=norm, norm_position=position, residual=True)
    x, v, c = (fi.normal((5, 6), seed=4, name=name, dtype="float64") for name in "xvc")
    h = 1e-5
    slope = (np.vdot(through(layers, x + h * v), c) - np.vdot(through(layers, x - h * v), c)) / (2 * h)
    through(layers, x)
    gradient, t = back(layers, c), v
    for layer in layers:
        t = tangent(layer, t)
    assert np.vdot(gradient, v) == pytest.approx(np.vdot(c, t), rel=1e-10)
    assert np.vdot(gradient, v) == pytest.approx(slope, rel=1e-6)
    dense, tiled = (fi.profile(norm=norm, norm_position=position, method=m, **SIZE) for m in METHODS[:2])
    for name in dense:
        np.testing.assert_allclose(tiled[name], dense[name], rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("more", [
    {"norm": "size"}, {"norm": "size", "norm_position": "post_act", "residual": True, "activation": "tanh"},
    {"norm": "rms over rows"},
], ids=str)  # fmt: skip
def test_matrix_free_has_the_law_of_dense(more):
    check_law(120, more)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_matrix_free_by_blocks(monkeypatch, norm):
    """Rows are normalised as whole rows, wherever they are cut; also where a norm is not known to the core."""
    given = {"width": 5000, "depth": 3, "batch": 8, "dtype": "float64", "norm": norm, "method": "matrix_free"}
    core = fi.profile(**given)
    monkeypatch.setattr(layerwise, "MomentNorm", type(None))
    own = fi.profile(**given)
    for name in (name for name in FIELDS if name.endswith(("moment", "norm"))):
        assert np.allclose(core[name], own[name], rtol=1e-10, equal_nan=True), name


def test_a_norm_that_cannot_be_cut_is_refused_by_columns():
    assert same(fi.profile(norm="whole", **SIZE), fi.profile(norm="size", **SIZE), FIELDS)
    with pytest.raises(ValueError) as error:
        fi.profile(norm="whole", method="matrix_free", **SIZE)
    assert str(error.value) == (
        "`method` must be 'dense' or 'tiled' for a norm of which no part can be had without the rest (whole), "
        "got 'matrix_free'"
    )


@pytest.mark.parametrize("norm", ["size", "rms over rows"])
def test_a_law_that_is_not_known_is_not_predicted(norm):
    for position in ("pre_act", "post_act"):
        p = fi.profile(norm=norm, norm_position=position, repeats=4, **SIZE | {"width": 300})
        assert np.isfinite(p["theory_weight_norm"][1:]).all()
        assert np.isnan(p["theory_act_second_moment"][1:]).all()
        assert np.isnan(p["theory_grad_act_second_moment"][:-1]).all()
        assert p["theory_grad_act_second_moment"][-1] == 1
    assert p["theory_preact_second_moment"][1] == pytest.approx(p["preact_second_moment"][:, 1].mean(), rel=0.1)


def test_it_is_shown():
    p = fi.profile(norm="size", **SIZE)
    assert str(p.network) == "mlp 40, depth 3, relu, he_normal, size norm, batch 6"
    assert p.verdict.kind == "stable"
    assert "size norm" in str(p.table())
    assert "stable" in str(profiler.compare([p, fi.profile(**SIZE)]).table())


def test_a_transformer_takes_it_or_refuses_it():
    given = {"kind": "transformer", "width": 8, "depth": 2, "batch": 2, "sequence_length": 3}
    one, other = (fi.profile(norm=norm, **given) for norm in ("layer", "layer again"))
    assert same(one, other, FIELDS)
    assert np.isfinite(fi.profile(norm="size", **given)["grad_act_second_moment"]).all()
    with pytest.raises(ValueError) as error:
        fi.profile(norm="batch again", **given)
    assert str(error.value) == (
        "`norm` must be one of 'layer', 'rms', 'size', 'whole', 'layer again', got 'batch again' "
        "(nearest: 'layer again')"
    )


def test_few_rows():
    with pytest.raises(ValueError) as error:
        fi.profile(8, 1, norm="batch again", batch=3)
    assert str(error.value) == "`batch` must be at least 4 for batch again normalisation, got 3"
    with pytest.warns(UserWarning, match="^batch again normalisation over 4 rows is not enough$"):
        p = fi.profile(8, 1, norm="batch again", batch=4)
    assert p.network.cautions == ("batch again normalisation over 4 rows is not enough",)


def test_nobody_else_compares_names_of_norms():
    """Of what propagates and predicts: a comparison with "batch", "layer" or "rms" is in no other file."""
    room, names = Path(profiler.__file__).parent, {"batch", "layer", "rms"}
    files = [*room.glob("*/*.py"), *(room / f"{name}.py" for name in ("prediction", "methods", "runs"))]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                values = {value.value for value in ast.walk(node) if isinstance(value, ast.Constant)}
                assert not names & values, f"{path.name}:{node.lineno}"
