"""The benchmark of verdicts: which networks it has, that torch has the same as the profiler, and its arithmetic."""

import json
from math import inf, log
from pathlib import Path

import numpy as np
import pytest

import fastinit as fi

pytest.importorskip("sklearn")
pytest.importorskip("rich")
pytest.importorskip("threadpoolctl")
pytest.importorskip("torch")

import torch

from bench.trainability import judging, networks, report, training
from bench.trainability.data import CLASSES, examples
from bench.trainability.kernel import tangent_kernel
from bench.trainability.model import drawn, read_out, rows
from bench.trainability.networks import FOLDS, Case, cases
from bench.trainability.outcomes import difference, outcomes, stored
from fastinit.profiler.result.training import OPTIMIZERS

TINY = {
    "plain": Case({"widths": [64, 6, 5, 5], "activation": "tanh", "bias_std": 0.3, "seed": 3}),
    "batch": Case({"widths": [64, 6, 5, 5], "activation": "gelu", "norm": "batch", "seed": 3}, "clusters", 2.0, 1.0),
    "residual": Case({"widths": [64] * 3, "activation": "relu", "residual": True, "norm": "rms", "seed": 3}),
    "conv": Case({"kind": "conv", "channels": [1, 3, 3], "activation": "relu", "bias_std": 0.1, "seed": 3}),
    "text": Case(
        {"kind": "transformer", "width": 4, "depth": 2, "heads": 2, "sequence_length": 8, "vocabulary": 50, "seed": 3}
        | {"gated": True, "norm": "layer", "norm_position": "post", "residual_gain": 0.5, "activation": "silu"},
        "topics",
    ),
}
tiny = pytest.mark.parametrize("case", TINY.values(), ids=list(TINY))


@pytest.fixture(autouse=True)
def one_thread():
    """Of torch's: several take far longer for what is this small where the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_networks_are_many_all_different_and_in_two_folds():
    found = cases()
    assert found == cases() and len({case.key for case in found}) == len(found) >= 240
    for fold in FOLDS:
        assert sum(case.fold == fold for case in found) > 0.4 * len(found)
    assert {case.kind for case in found} == {"mlp", "conv", "transformer"}
    assert {case.key for case in networks.quick()} < {case.key for case in found}


def test_a_key_is_of_the_configuration_and_stays():
    case = Case({"widths": [64, 8], "seed": 1})
    assert case.key == "6c72dbe90846d3a5"
    assert json.loads(json.dumps(case.configuration)) == case.configuration


@pytest.mark.parametrize("name", ["digits", "clusters", "topics"])
def test_data_has_ten_classes_and_is_standardised(name):
    x, classes = examples(name)
    assert set(classes.tolist()) == set(range(CLASSES))
    if name != "topics":
        assert abs(x.mean()) < 1e-6 and set(np.round(x.var(axis=0), 3).tolist()) <= {0.0, 1.0}


@tiny
def test_torch_has_the_network_of_the_profile(case):
    assert difference(case) < 1e-12


def explicit(case):
    """Gradients of the scores of all examples, (examples, parameters), a way back for each."""
    network, seed = case.profile().network, case.keywords["seed"]
    parameters = {name: values.double() for name, values in drawn(network, seed).items()}
    x = rows(network, seed, case.inputs()[: network.batch]).double().flatten(0, 1)

    def scores(*values):
        found = read_out(network, dict(zip(parameters, values, strict=True)), x)
        v = torch.from_numpy(fi.normal(found.shape[1], seed=0, name="direction", dtype="float64"))
        return found @ v / v.norm()

    jacobian = torch.autograd.functional.jacobian(scores, tuple(parameters.values()))
    return torch.cat([one.flatten(1) for one in jacobian], 1)


@tiny
def test_kernel_is_that_of_the_whole_jacobian(case):
    gradients = explicit(case)
    centred = gradients - gradients.mean(0)
    values = np.linalg.eigvalsh((centred @ centred.T).numpy())[1:]
    network, seed = case.profile().network, case.keywords["seed"]
    x = rows(network, seed, case.inputs()[: network.batch]).flatten(0, 1)
    found = tangent_kernel(network, drawn(network, seed), x)
    assert found["largest"] == pytest.approx(np.linalg.eigvalsh((gradients @ gradients.T).numpy())[-1], rel=1e-9)
    assert found["mean"] == pytest.approx(values.mean(), rel=1e-9)
    assert found["median"] == pytest.approx(np.median(values), rel=1e-6, abs=1e-9 * found["largest"])


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_rates_trained_together_are_as_torch_trains_each(name, monkeypatch):
    monkeypatch.setattr(training, "STEPS", 30)
    case = Case({"widths": [64, 8, 8], "activation": "tanh", "bias_std": 0.1, "seed": 5})
    network, seed = case.profile().network, 5
    x, classes = rows(network, seed, case.inputs()), torch.from_numpy(examples("digits")[1])
    found = training.losses(network, drawn(network, seed), x, classes, name)
    assert found["first"] == pytest.approx(log(CLASSES), rel=0.5)
    for rate in training.RATES[name]:
        parameters = {key: value.clone().requires_grad_() for key, value in drawn(network, seed).items()}
        kinds = {
            "sgd": lambda p, rate=rate: torch.optim.SGD(p, rate, 0.9),
            "adam": lambda p, rate=rate: torch.optim.Adam(p, rate),
        }
        optimiser, seen = kinds[name](parameters.values()), []
        for batch in training._batches(len(x)):
            loss = torch.nn.functional.cross_entropy(
                read_out(network, parameters, x[batch].flatten(0, 1)), classes[batch]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            seen.append(loss.item())
        assert found["last"][f"{rate:g}"] == pytest.approx(np.mean(seen[-training.LAST :]), rel=2e-3)


def test_what_diverges_is_none_and_leaves_the_others_alone(monkeypatch):
    monkeypatch.setattr(training, "STEPS", 30)
    monkeypatch.setitem(training.RATES, "sgd", (1e-2, 1e30))
    case = Case({"widths": [64, 8, 8], "seed": 5})
    network = case.profile().network
    x, classes = rows(network, 5, case.inputs()), torch.from_numpy(examples("digits")[1])
    found = training.losses(network, drawn(network, 5), x, classes, "sgd")
    assert found["last"]["1e+30"] is None and found["last"]["0.01"] < found["first"]


def judged(**changed):
    """A network of which every rule says yes, and that trains, but for what is changed."""
    network = {
        "network": "n",
        "data": "digits",
        "scale": 1,
        "shift": 0,
        "fold": "choose",
        "trains": {"sgd": "yes", "adam": "yes"},
    }
    network |= {"verdict": "stable", "cosine": 0.5, "gradient orders": 1.0, "deviations": [0.6, 1.5]}
    network |= {"second moment": 1.0, "kernel": {"largest": 10.0, "mean": 1.0, "median": 0.5}}
    last = changed.pop("losses", {"0.01": 0.1, "0.1": None})
    return network | {"training": {name: {"last": last} for name in judging.OPTIMISERS}} | changed


WRONG = {
    "kernel in torch": [
        *({"verdict": "dead"}, {"kernel": None}, {"second moment": inf}),
        {"kernel": {"largest": 1.0, "mean": 1.0, "median": 0.0}},
    ],
    "signal alone": [{"verdict": "vanishing"}],
    "cosine": [{"cosine": 0.98}, {"cosine": np.nan}],
    "gradient norms": [{"gradient orders": -3.0}, {"gradient orders": np.nan}, {"gradient orders": inf}],
    "LSUV": [{"deviations": [0.4, 1.0]}, {"deviations": [1.0, np.nan]}],
    "verdict": [{"trains": {"sgd": "no", "adam": "not judged"}}],
}  # fmt: skip


@pytest.mark.parametrize("rule", judging.RULES)
@pytest.mark.parametrize("optimiser", judging.OPTIMISERS)
def test_rules(rule, optimiser):
    said = {"trains": {"sgd": "slowly", "adam": "yes"}}
    assert judging.RULES[rule](judged(**said), optimiser) is True
    for changed in WRONG[rule]:
        assert judging.RULES[rule](judged(**changed), optimiser) is False


def test_counts_of_a_table():
    found = [
        judged(),
        judged(losses={"0.1": None}),
        judged(verdict="vanishing"),
        judged(verdict="vanishing", losses={"1": 2.0}),
    ]
    counts = report.counted([*found, judged()], "signal alone", "sgd")
    assert counts == {(True, True): 2, (True, False): 1, (False, True): 1, (False, False): 1}


def test_the_picture_marks_the_bounds_of_the_verdict():
    pytest.importorskip("matplotlib")
    results = json.loads((Path(__file__).parent.parent / "bench/results/trainability.json").read_text())
    panels = report.draw(results).axes
    marked = {panel.get_title(): panel.patches[0].get_bbox() for panel in panels}
    for title, bounds in {
        "SGD: largest eigenvalue over the mean": OPTIMIZERS["sgd"].over_mean,
        "SGD: largest eigenvalue over the median": OPTIMIZERS["sgd"].over_median,
        "Adam: largest eigenvalue over the median": OPTIMIZERS["adam"].over_median,
    }.items():
        assert marked.pop(title).intervalx == pytest.approx(bounds)
    assert not marked
    points = sum(len(line.get_xdata()) for line in panels[0].lines[:2])
    assert points == len(results["networks"])


def test_report_names_what_is_judged_wrongly(capsys):
    from rich.console import Console

    console = Console(width=200)
    report.show({"networks": [judged(), judged(network="told wrongly", losses={"1": 2.0})]}, console)
    assert capsys.readouterr().out.count("told wrongly") == 2


def test_outcomes_that_are_stored_are_not_made_again(tmp_path):
    from rich.console import Console

    path, case = tmp_path / "found.jsonl", TINY["plain"]
    path.write_text(json.dumps({"key": case.key, "training": "done"}) + "\n")
    assert (
        outcomes([case], path, 1, Console(quiet=True))
        == stored(path)
        == {case.key: {"key": case.key, "training": "done"}}
    )
