"""The fields of a profile have one home: what is listed there is filled by every method for every kind of network."""

import numpy as np
import pytest

import fastinit as fi
from fastinit.profiler.statistics import FIELDS, NETWORK_FIELDS, LayerField
from fastinit.profiler.tangent_kernel import GRADIENT_COSINE, KERNEL_EIGENVALUES, KERNEL_FIELDS

NETWORKS = {
    f"{kind}, {method}{', residual' * residual}{', ' * bool(norm)}{norm or ''}": {"kind": kind, "method": method}
    | ({"residual": True} if residual else {})
    | ({"norm": norm} if norm else {})
    for kind, methods in (("mlp", ("dense", "tiled", "matrix_free")), ("conv", ("dense", "tiled")))
    for method in methods
    for residual in (False, True)
    for norm in (None, "batch", "layer")
}
NETWORKS |= {
    f"transformer, {method}, {norm}": {"kind": "transformer", "method": method, "norm": norm, "sequence_length": 3}
    for method in ("dense", "tiled")
    for norm in (None, "rms")
}
NETWORKS |= {
    "lazy": {"method": "matrix_free", "jacobian": True},
    "steps of descent": {"method": "matrix_free", "sgd_steps": 1},
    "orthogonal": {"method": "matrix_free", "scheme": "orthogonal"},
    "loss": {"method": "matrix_free", "loss": "mse"},
}


#: What is known of a network whose tangent kernel was seen.
KERNEL = (*KERNEL_FIELDS, GRADIENT_COSINE, KERNEL_EIGENVALUES)


def check(p, backward=True):
    """A field is empty where no pass gives it, and nowhere else; the input has those that are said to be its own."""
    empty = {name for name in FIELDS if np.isnan(p[name]).all()}
    unseen = {"position_cosine"} if p.network.kind == "mlp" else set()
    assert empty == {name for name, field in FIELDS.items() if field.way == "backward" and not backward} | unseen
    for name in set(FIELDS) - empty:
        assert not np.isnan(p[name][:, 1:]).any(), name
        assert np.isnan(p[name][:, 0]).all() != FIELDS[name].at_input, name


@pytest.mark.parametrize("keywords", NETWORKS.values(), ids=NETWORKS)
def test_every_field_is_filled(keywords):
    given = {"width": 12, "depth": 3, "batch": 5} | keywords
    p = fi.profile(**given)
    check(p)
    assert [name for name in p if not name.startswith("theory_")] == [
        *FIELDS,
        *KERNEL,
        *(NETWORK_FIELDS if "jacobian" in keywords else ()),
    ]
    for step in p.steps:
        check(step)
    if not {"jacobian", "sgd_steps", "loss"} & set(keywords):
        check(fi.profile(**given, backward=False), backward=False)


def test_theory_is_of_fields_that_there_are():
    assert {name.removeprefix("theory_") for name in fi.profile(8, 2, batch=4) if name.startswith("theory_")} < {
        *FIELDS
    }


def test_a_field_that_nobody_fills_is_found(monkeypatch):
    forgotten = LayerField("median", "activation", "forward", True, lambda seen: np.nan)
    monkeypatch.setitem(FIELDS, "median", forgotten)
    for keywords in ({"method": "dense"}, {"method": "matrix_free"}, {"kind": "transformer", "sequence_length": 3}):
        p = fi.profile(8, 2, batch=4, **keywords)
        with pytest.raises(AssertionError):
            check(p)


def test_a_field_that_is_read_from_what_is_seen_is_everywhere(monkeypatch):
    """One line in the table, where what is seen tells it."""
    root = LayerField(
        "act_size", "activation", "forward", True, lambda seen: seen.moments["act"]["second_moment"] ** 0.5
    )
    monkeypatch.setitem(FIELDS, "act_size", root)
    for method in ("dense", "tiled", "matrix_free"):
        p = fi.profile(8, 2, batch=4, method=method)
        check(p)
        assert np.allclose(p["act_size"] ** 2, p["act_second_moment"])


def test_what_fields_are_of():
    """Their names say it, and the pass that gives them."""
    for name, field in FIELDS.items():
        assert name == field.name
        assert field.way == ("backward" if "grad" in name or "kernel" in name else "forward")
        assert field.of in ("preactivation", "activation", "weights")
        assert (field.of == "weights") == name.startswith(("weight_", "kernel_"))
        assert field.at_input == (field.of == "activation")
