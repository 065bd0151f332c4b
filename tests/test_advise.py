"""Advice: the cause, what was tried against it, that a change does what is said of it, and where nothing is tried."""

import pickle
from functools import partial

import numpy as np
import pytest
from conftest import shown
from test_verdict import FLAT, LAYERS, crafted

import fastinit as fi
from fastinit.profiler.result import advice
from fastinit.profiler.result.remedies import _ORDER, remedies
from fastinit.profiler.result.training import CAUSES, LOST

OWN = "scheme='lecun_normal', gain='auto'"
#: Networks of textbooks: what is wrong with each, and what mends it, the first of these first.
TEXTBOOK = {
    "zeros": ({"depth": 10, "scheme": "zeros"}, "dead", [OWN, "scheme='orthogonal', gain=1.414"]),
    "constant": ({"depth": 10, "scheme": ("constant", {"value": 1 / 64})}, "symmetric", [OWN]),
    "0.01 randn": ({"depth": 10, "scheme": "small_normal"}, "vanishing", [OWN, "norm='layer'"]),
    "large": ({"depth": 30, "width": 128, "scheme": ("small_normal", {"std": 100.0})}, "not finite", [OWN]),
    "relu lecun": ({"depth": 40, "width": 128, "scheme": "lecun_normal"}, "vanishing", [OWN, "norm='layer'"]),
    "relu too large": ({"depth": 20, "gain": 1.6}, "exploding", [OWN]),
    "relu too deep": ({"depth": 80}, "alike", ["residual=True, branch_scale=0.1118"]),
    "relu with biases": ({"depth": 20, "width": 128, "bias_std": 2.0}, "alike", ["bias_std=0.0"]),
    "sigmoid": ({"depth": 10, "activation": "sigmoid", "scheme": "lecun_normal"}, "alike", ["norm='batch'"]),
    "tanh fades": ({"depth": 30, "activation": "tanh", "scheme": "lecun_normal", "gain": 0.7}, "vanishing", [OWN]),
    "tanh ordered": (
        {"depth": 30, "activation": "tanh", "scheme": "lecun_normal", "gain": 0.9, "bias_std": 0.2},
        "alike",
        [OWN, "scheme='lecun_normal', gain=1.304"],
    ),
    "tanh chaotic": (
        {"depth": 100, "activation": "tanh", "scheme": "lecun_normal", "gain": "auto"},
        "gradient exploding",
        ["scheme='lecun_normal', gain=1.0", "scheme='orthogonal', gain=1.0"],
    ),
    "sum of relus": ({"depth": 40, "residual": True}, "exploding", ["branch_scale=0.1581", "norm='layer'"]),
    "no branches": ({"depth": 10, "residual": True, "branch_scale": 0.0}, "dead", ["branch_scale=0.3162"]),
    "batch norm": ({"depth": 50, "norm": "batch"}, "gradient exploding", ["residual=True, branch_scale=0.1414"]),
    "layer norm behind": (
        {"depth": 40, "width": 128, "norm": "layer", "norm_position": "post_act"},
        "gradient exploding",
        ["residual=True, branch_scale=0.1581", "norm_position='pre_act'"],
    ),
    "convolutions": (
        {"kind": "conv", "width": 16, "depth": 20, "batch": 8, "image_size": 6, "scheme": "lecun_normal"},
        "vanishing",
        [OWN],
    ),
    "tiles": ({"depth": 20, "scheme": "lecun_normal", "gain": 0.5, "method": "tiled"}, "vanishing", [OWN]),
    "without matrices": (
        {"depth": 10, "width": 4096, "activation": "sigmoid", "scheme": "lecun_normal", "method": "matrix_free"},
        "alike",
        ["norm='batch'"],
    ),
    "transformer": (
        {"kind": "transformer", "depth": 12, "batch": 4, "sequence_length": 8},
        "exploding",
        ["branch_scale=0.2041", "norm='layer'"],
    ),
}


@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_networks(name):
    """What is said of the best change is what `fi.profile` says of the network where it is typed."""
    keywords, cause, mending = TEXTBOOK[name]
    keywords = {"width": 64, "batch": 32, **keywords}
    p = fi.profile(**keywords)
    found = p.advise()
    assert found.cause == cause == next(one.cause for one in (p.verdict.sgd, p.verdict.adam) if one.grade != "yes")
    assert found.before == fi.Trial({}, p.trains("sgd"), p.trains("adam"))
    assert str(found.best) == mending[0]
    assert set(mending) <= {str(trial) for trial in found.mends}
    assert 1 <= len(found.trials) <= 7
    q = eval(f"fi.profile(**{{**keywords, **dict({found.best})}})")
    assert found.best == fi.Trial(found.best.change, q.trains("sgd"), q.trains("adam"))
    np.testing.assert_equal(found.best.ratio, q.trains("sgd").numbers.get("over_mean", np.nan))


def test_whole_sentences():
    p = fi.profile(64, 10, "sigmoid", "lecun_normal", batch=32)
    for trial in p.advise().trials:
        q = p.again(**trial.change)
        assert (trial.sgd, trial.adam, trial.mends) == (q.trains("sgd"), q.trains("adam"), q.healthy)
    before, after = (f"{q.trains('sgd').numbers['over_mean']:.3g}" for q in (p, p.again(norm="batch")))
    assert str(p.advise()) == (
        f"Alike: {p.trains('sgd').reason}. Tried at the same network, norm='batch' (SGD no -> yes, Adam "
        f"{p.trains('adam').grade} -> yes, kernel over mean {before} -> {after}) mends it. So do: "
        "residual=True, branch_scale=0.3162."
    )
    lost = fi.profile(64, 10, scheme=("constant", {"value": 1 / 64}), batch=32).advise()
    assert str(lost) == (
        "Symmetric: all units of a layer are the same from layer 1 on and get the same gradient, so that they stay the "
        f"same. Tried at the same network, {OWN} (SGD no -> yes, Adam no -> yes) mends it. So do: "
        "scheme='orthogonal', gain=1.414."
    )
    yes, slowly, no = (fi.Answer("sgd", grade, "", numbers={"over_mean": 9.0}) for grade in ("yes", "slowly", "no"))
    trials = (fi.Trial({"gain": 2.0}, no, no), fi.Trial({"norm": "rms"}, slowly, slowly))
    found = fi.Advice("vanishing", "it fades", fi.Trial({}, no, yes), trials)
    assert found.best is trials[1] and found.mends == ()
    assert str(found) == (
        "Vanishing: it fades. Of 2 changes tried at the same network none mends it; nearest comes norm='rms' (SGD no "
        "-> slowly, SGD yes -> slowly, kernel over mean 9 -> 9)."
    )


def test_nothing_is_tried_where_nothing_is_to_be_mended():
    found = fi.profile(64, 10, batch=32).advise()
    assert (found.cause, found.trials, found.best, found.remedy) == ("", (), None, "")
    assert str(found) == "Trains with SGD and Adam: nothing is to be mended."
    found = fi.profile(64, 10, batch=32, backward=False).advise()
    why = "no gradient was sent (backward=False)"
    assert str(found) == f"Training is not judged ({why}): nothing was tried."
    found = crafted(np.where(LAYERS < 12, 0, np.nan), interrupted=True).advise()
    assert str(found) == "Training is not judged (the profile was interrupted): nothing was tried."
    assert found.before.sgd.grade == "no"
    assert str(fi.profile(64, 10, scheme="zeros", backward=False).advise()) == (
        "Dead: the signal is zero from layer 1 on. What helps: random weights of the activation's own gain "
        "(fastinit.gain)."
    )


def test_advice_comes_back_from_json():
    found = fi.profile(64, 10, scheme=("constant", {"value": 0.1}), batch=8).advise()
    for copy in (fi.Advice.from_json(found.to_json()), pickle.loads(pickle.dumps(found))):
        assert copy == found and hash(copy) == hash(found) and str(copy) == str(found)
    assert found != fi.profile(64, 10, scheme="zeros", batch=8).advise()


def test_a_profile_that_cannot_be_made_again_is_refused():
    rule = "one that `fastinit.profile` gave (read from JSON, or before a step of descent, it has no inputs)"
    after = fi.profile(16, 5, scheme="zeros", batch=4, sgd_steps=1)
    for p in (fi.Profile.from_json(after.to_json()), after.steps[0], crafted(0 * LAYERS, 0 * LAYERS)):
        with pytest.raises(ValueError) as raised:
            p.advise()
        assert str(raised.value) == f"`profile` must be {rule}, got {p!r}"
    assert after.advise().trials
    assert crafted(FLAT, FLAT).advise().cause == ""


TOKENS = {"kind": "transformer", "width": 8, "depth": 2, "sequence_length": 3, "vocabulary": 9}


@pytest.mark.parametrize(
    "keywords",
    [
        {"width": 8, "depth": 4, "batch": 3, "seed": None, "repeats": 2},
        {"widths": iter([8, 6, 5]), "seed": np.random.SeedSequence(3), "bias_std": 0.1, "dtype": "float64"},
        {"widths": np.array([8, 6, 5]), "batch": 3, "loss": "mse"},
        {"inputs": np.ones((3, 8)) + np.eye(3, 8), "depth": 4, "cotangent": np.eye(3, 8)},
        {"width": 8, "depth": 4, "batch": 3, "sgd_steps": 2, "lr": 0.01, "loss": "mse"},
        {"width": 8, "depth": 4, "batch": 3, "jacobian": True, "method": "matrix_free"},
        {**TOKENS, "inputs": np.arange(6).reshape(2, 3)},
    ],
    ids=shown,
)
def test_a_profile_is_made_again(keywords):
    """Also where the arrays that were given are others by then, and where it was pickled."""
    p = fi.profile(**keywords)
    for name in ("inputs", "cotangent"):
        keywords.get(name, np.zeros(0))[...] = 0
    assert p.again() == p == pickle.loads(pickle.dumps(p)).again()
    q = p.again(activation="tanh")
    assert q.network.activation.name == "tanh" and (q.seed, q.repeats, q.method) == (p.seed, p.repeats, p.method)


CONV = {"kind": "conv", "image_size": 5, "kernel_size": 3}


@pytest.mark.parametrize(
    ("made", "changed", "same"),
    [
        ({"widths": [8, 6, 5]}, {"width": 16}, {"width": 16, "depth": 2}),
        ({"widths": [8, 6, 5]}, {"width": 16, "depth": 4}, {"width": 16, "depth": 4}),
        ({"widths": [8, 6, 5]}, {"width": 16, "widths": None}, {"width": 16, "depth": 2}),
        ({"widths": [8, 6, 5]}, {"width": [4, 3]}, {"widths": [4, 3]}),
        ({"widths": [8, 8, 8]}, {"depth": 5}, {"width": 8, "depth": 5}),
        ({"width": [8, 6, 5]}, {"width": 16}, {"width": 16, "depth": 2}),
        ({"width": 8, "depth": 3}, {"widths": [4, 3]}, {"widths": [4, 3]}),
        ({"width": 8, "depth": 3}, {"width": 4}, {"width": 4, "depth": 3}),
        ({"width": 8, "depth": 3}, {"depth": 4}, {"width": 8, "depth": 4}),
        ({**CONV, "channels": [2, 4]}, {"channels": 3}, {**CONV, "channels": 3, "depth": 1}),
        ({**CONV, "channels": [2, 4]}, {"width": 3}, {**CONV, "width": 3, "depth": 1}),
    ],
    ids=shown,
)
def test_sizes_are_one_choice(made, changed, same):
    assert fi.profile(**made, batch=3).again(**changed) == fi.profile(**same, batch=3)


def test_layers_of_widths_of_their_own_are_not_counted_anew():
    with pytest.raises(ValueError) as raised:
        fi.profile(widths=[8, 6, 5], batch=3).again(depth=4)
    assert str(raised.value) == "`depth` must be given with width, where the layers have widths of their own, got 4"


def test_a_loss_that_does_not_pickle_is_left_behind():
    p = fi.profile(8, 4, batch=3, loss=lambda outputs: outputs)
    q = pickle.loads(pickle.dumps(p))
    assert q == p and q.call is None and p.again() == p


def described(**keywords):
    return fi.profile(**{"batch": 4, **({} if "widths" in keywords else {"width": 8, "depth": 2}), **keywords}).network


@pytest.mark.parametrize("cause", [*LOST, *CAUSES])
def test_every_cause_has_remedies_in_words_and_as_keywords(cause):
    assert set(_ORDER) == set(advice.REMEDIES) == {*LOST, *CAUSES}
    assert remedies(cause, described(activation="tanh", residual=True, norm="batch"), "dense")


@pytest.mark.parametrize(
    ("cause", "method", "keywords", "changes"),
    [
        ("vanishing", "dense", {"scheme": "he_uniform"}, ["orthogonal", "norm", "residual"]),
        ("vanishing", "tiled", {"scheme": "he_uniform"}, ["norm", "residual"]),
        ("vanishing", "dense", {"width": 2048}, ["norm", "residual"]),
        ("vanishing", "dense", {"widths": [64, 32, 16], "scheme": "orthogonal", "gain": fi.gain("relu")},
         ["lecun_normal", "norm"]),
        ("exploding", "dense", {"residual": True, "branch_scale": 0.1, "norm": "rms", "depth": 9}, ["orthogonal"]),
        ("alike", "dense", {"batch": 3, "widths": [8, 4]}, ["orthogonal"]),
        ("alike", "dense", {"activation": (np.zeros_like, np.zeros_like), "widths": [8, 4]}, ["norm"]),
        ("gradient exploding", "dense", {"kind": "transformer", "norm": "layer", "norm_position": "post", "depth": 8},
         ["branch_scale", "norm_position"]),
    ],
    ids=shown,
)  # fmt: skip
def test_what_would_change_nothing_or_take_long_is_not_tried(cause, method, keywords, changes):
    found = remedies(cause, described(**keywords), method)
    assert [change.get("scheme", next(iter(change))) for change in found] == changes


def test_the_table_has_a_row_for_each_trial(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "100")
    found = fi.profile(64, 10, "sigmoid", "lecun_normal", batch=32).advise()
    rows = str(found.table()).splitlines()
    for trial in (found.before, *found.trials):
        (row,) = (line for line in rows if line.startswith(str(trial)))
        assert row.split("  ")[-1].strip().endswith("mends") == trial.mends
        assert row.removeprefix(str(trial)).split()[:2] == [trial.sgd.grade, trial.adam.grade]
    assert str(found).split(". ")[0].split()[0] == "Alike:" and any(line.startswith("Alike. ") for line in rows)


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_no_change_is_cut_in_the_table(monkeypatch, columns):
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", str(columns))
    found = fi.profile(64, 10, "sigmoid", "lecun_normal", batch=32).advise()
    lines = str(found.table()).splitlines()
    assert max(map(len, lines)) <= columns and "…" not in "".join(lines)
    assert sum(line.endswith("mends") for line in lines) == len(found.mends)
    header = " ".join(lines[:3])
    assert ("kernel" in header, "E x²" in header) == (columns > 40, columns > 60)


def test_the_command_line(capsys):
    from fastinit.cli import main

    run = partial(main, ["profile", "--width", "64", "--depth", "10", "--batch", "32", "--no-table", "--advise"])
    assert run() == 0
    assert capsys.readouterr().out.endswith("\n\nTrains with SGD and Adam: nothing is to be mended.\n")
    typed = "profile --width 64 --depth 10 --batch 32 --scheme zeros --no-table --advise --healthy"
    assert main(typed.split()) == 1
    p = fi.profile(64, 10, scheme="zeros", batch=32)
    assert capsys.readouterr().out == f"{p.verdict}\n\n{p.advise().short}\n"
    assert main(typed.replace("--no-table ", "").split()) == 1
    assert "mends" in capsys.readouterr().out
    for arguments in (["--seed", "3"], ["--compare", "zeros,he_normal", "--width", "8"]):
        assert main(["profile", "--advise", *arguments]) == 2
        assert capsys.readouterr().err == (
            "fastinit: `--advise` must be left out with --compare and for the story: it is of one network "
            "(--width 1024), got True (see fastinit profile --help)\n"
        )


def test_of_a_model_of_torch_the_cause_is_told_and_what_helps():
    torch = pytest.importorskip("torch")
    import fastinit.torch as ft

    def model(activation, scheme, **keywords):
        layers = (layer for _ in range(10) for layer in (torch.nn.Linear(64, 64), activation()))
        made = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10))
        ft.initialize_(made, [("*.weight", scheme, keywords), ("*.bias", "zeros")])
        return ft.profile(made, torch.from_numpy(fi.normal((16, 64), seed=0))).advise()

    own = "the activation's own gain (fastinit.gain)"
    for activation, scheme, keywords, cause, remedy in (
        (torch.nn.ReLU, "zeros", {}, "dead", f"random weights of {own}"),
        (torch.nn.ReLU, "small_normal", {}, "vanishing", f"{own}, orthogonal weights, a norm"),
        (torch.nn.ReLU, "normal", {"std": 3.0}, "exploding", f"{own}, a norm"),
        (torch.nn.Sigmoid, "lecun_normal", {}, "alike", f"{own}, batch normalisation, residual branches"),
    ):
        found = model(activation, scheme, **keywords)
        before = found.before
        assert (found.cause, found.trials) == (cause, ())
        assert cause == next(one.cause for one in (before.sgd, before.adam) if one.grade != "yes")
        assert str(found) == f"{cause.capitalize()}: {found.reason}. What helps: {remedy}."
        assert fi.Advice.from_json(found.to_json()) == found
    assert str(model(torch.nn.ReLU, "he_normal")) == "Trains with SGD and Adam: nothing is to be mended."


def test_what_is_known_of_how_a_model_of_torch_is_built():
    torch = pytest.importorskip("torch")
    from torch import nn

    import fastinit.torch as ft

    class Adds(nn.Module):
        def __init__(self, *parts):
            super().__init__()
            self.parts = nn.Sequential(*parts)

        def forward(self, x):
            return x + self.parts(x)

    class Plain(nn.Module):
        """Its activation is a function."""

        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(4))

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).relu()
            return x

    def built(model, gain=2**0.5, bias=0.0, **keywords):
        torch.manual_seed(0)
        for layer in model.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=gain / 8)
                nn.init.constant_(layer.bias, bias)
        return ft.profile(model, torch.from_numpy(fi.normal((16, 64), seed=0)), examples=0, **keywords)._built()

    def layers(*more, count=4):
        return [part for _ in range(count) for part in (nn.Linear(64, 64), *(one(64) for one in more), nn.ReLU())]

    plain = advice.Built(norm=False, batch_norm=False, branches=False, biases=False, own_gain=True)
    assert built(nn.Sequential(*layers())) == plain
    assert built(nn.Sequential(*layers()), 1.0) == plain._replace(own_gain=False)
    assert built(nn.Sequential(*layers()), bias=0.1) == plain._replace(biases=True)
    assert built(nn.Sequential(*layers()), backward=False) == plain._replace(branches=None)
    assert built(nn.Sequential(*layers(count=2))[:3]) == plain._replace(own_gain=None)
    assert built(nn.Sequential(*layers(), nn.Linear(64, 64), nn.Tanh())) == plain._replace(own_gain=None)
    assert built(Plain()) == plain._replace(own_gain=None)
    assert built(nn.Sequential(*(Adds(*layers(count=1)) for _ in range(4)))) == plain._replace(branches=True)
    for norm, batch in ((nn.LayerNorm, False), (nn.BatchNorm1d, True)):
        assert built(nn.Sequential(*layers(norm))) == plain._replace(norm=True, batch_norm=batch)


@pytest.mark.parametrize("cause", [*LOST, *CAUSES])
def test_what_is_so_already_is_no_remedy(cause):
    """And what is not known to be otherwise is not said, but of what any network has."""
    nothing, everything = advice.Built(), advice.Built(True, True, True, True, True)
    bare = advice.Built(False, False, False, False, True)

    def said(built):
        return {words for words, helps in advice.REMEDIES[cause] if helps(built)}

    assert all("gain" in words or "orthogonal" in words or "random" in words for words in said(nothing))
    own = "the activation's own gain (fastinit.gain)"
    assert not said(everything) & {"batch normalisation", "a norm", "residual branches", own}
    wrong = (
        "a norm in another place",
        "layer instead",
        "branches that",
        "branches scaled",
        "no biases",
        "smaller",
        own,
    )
    assert not any(words.startswith(wrong) for words in said(bare))


def test_what_is_changed_after_a_profile_changes_no_other():
    """Keywords of a scheme, and rates, are those of the call."""
    keywords, rates = {"std": 0.1}, [0.1, 0.1]
    p = fi.profile(16, 2, batch=4, scheme=("small_normal", keywords), sgd_steps=1, lr=rates, progress=False)
    keywords["std"], rates[0] = 0.5, 5.0
    assert p.again() == p
