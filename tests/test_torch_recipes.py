"""A recipe says itself what it seeks, what it leaves alone and what it needs: one made here works at every door."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import fastinit as fi
import fastinit.torch as ft
from fastinit.cli.command_line import parser
from fastinit.torch.rules.recipe import RECIPES

HERE = __name__


class Gated(ft.Recipe):
    """Gates begin small, by the number of layers; all else as LeCun."""

    sought = ft.Sought("gates", "gates of")
    needs_layers = True

    def __init__(self, layers, gates=("gate", "gate_proj")):
        self.layers, self.gates = layers, tuple(gates)

    def law(self, weight):
        return ft.law_of("normal", weight, std=0.5 / self.layers if self.seeks(weight) else 0.25)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.gate, self.out = nn.LayerNorm(64), nn.Linear(64, 256), nn.Linear(256, 64)


def model(blocks=2):
    return nn.ModuleList([Block() for _ in range(blocks)])


def plain():
    return nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64))


@pytest.fixture
def registered():
    ft.register_recipe(Gated)
    yield
    del RECIPES["Gated"]


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_by_name(blocks):
    wanted = {"norm.weight": 0.0, "norm.bias": 0.0, "gate.weight": 0.5 / blocks, "gate.bias": 0.0, "out.weight": 0.25}
    net = model(blocks)
    for entry in ft.plan(net, "Gated"):
        assert entry.std == wanted.get(entry.name.partition(".")[2], 0.0)
    done = ft.initialize_(net, "Gated", seed=3)
    assert done == ft.plan(net, Gated(blocks))
    gate = fi.normal((256, 64), std=0.5 / blocks, seed=3, name="0.gate.weight")
    assert (net[0].gate.weight.detach().numpy() == gate).all()
    assert (net[0].norm.weight == 1).all() and not net[0].out.bias.any()
    assert ft.verify(net, "Gated", seed=3) and ft.verify(net, "Gated")
    net[0].gate.weight.data.mul_(2)
    assert ft.verify(net, "Gated").problems[0].startswith("0.gate.weight: standard deviation")


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("act", [ft.plan, ft.initialize_, ft.verify])
def test_a_model_without_what_it_seeks_is_refused(act):
    with pytest.raises(ValueError) as refused:
        act(plain(), "Gated")
    assert str(refused.value) == (
        "`gates` must be last names of gates of the model (() where it has none): Gated(gates=...), which has 0, "
        "got ('gate', 'gate_proj')"
    )
    assert act(plain(), Gated(1, gates=())) is not None
    assert act(plain(), Gated(1), rename=lambda name: f"3.{name}") is not None  # a stage may have no gates


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("act", [ft.plan, ft.initialize_, ft.verify])
def test_a_stage_does_not_know_how_many_layers_there_are(act):
    with pytest.raises(ValueError) as refused:
        act(model(), "Gated", rename=lambda name: f"stage.{name}")
    assert str(refused.value) == (
        "`rules` must be Gated(layers=...) where rename is given (a stage does not know how many there are), "
        "got 'Gated'"
    )


@pytest.mark.usefixtures("registered")
def test_names_come_from_one_register():
    with pytest.raises(ValueError) as refused:
        ft.plan(plain(), "gated")
    known = "`rules` must be one of 'torch', 'own', 'gpt2', 'llama', 'Gated', got 'gated' (nearest: 'Gated')"
    assert str(refused.value) == known
    usage = parser()._subparsers._group_actions[0].choices["verify"].format_help()
    assert "torch, own, gpt2, llama, Gated, or MODULE:NAME of rules" in " ".join(usage.split())


class Norms(ft.Recipe):
    """Leaves only biases alone, and patterns of its own go unmatched."""

    def leaves(self, weight):
        return weight.name.endswith("bias")

    def law(self, weight):
        return ft.law_of("zeros" if weight.is_norm else "he_normal", weight)

    def unmatched(self, weights):
        return [] if any("out" in weight.name for weight in weights) else ["*out*"]


def test_what_it_leaves_alone_and_what_it_matches():
    laws = {entry.name: entry.description for entry in ft.plan(model(1), Norms())}
    assert laws["0.norm.weight"] == laws["0.gate.bias"] == "zeros()"
    with pytest.raises(ValueError) as refused:
        ft.plan(plain(), Norms())
    assert str(refused.value) == "`rules` must be patterns of which each comes first for a parameter, got ['*out*']"


def test_a_list_used_again_knows_what_it_matches():
    rules = ft.mup(plain(), [("1.*", "ones"), ("*", "lecun_normal"), ("*", "zeros")])
    message = "`rules` must be patterns of which each comes first for a parameter, got ['*']"
    for _ in range(2):
        with pytest.raises(ValueError) as refused:
            ft.plan(nn.Sequential(nn.Linear(64, 64, bias=False), nn.LayerNorm(64)), rules)
        assert str(refused.value) == message


def test_a_recipe_without_a_law():
    with pytest.raises(NotImplementedError) as refused:
        ft.plan(plain(), ft.Recipe())
    assert str(refused.value) == "Recipe has no `law`"


@pytest.mark.parametrize(
    ("recipe", "error", "message"),
    [
        (nn.Linear, TypeError, f"`recipe` must be a subclass of fastinit.torch.Recipe, got {nn.Linear!r}"),
        ("gpt2", TypeError, "`recipe` must be a subclass of fastinit.torch.Recipe, got 'gpt2'"),
        (type("gpt2", (ft.Recipe,), {}), ValueError,
         "`recipe` must be of a name that is not among 'torch', 'own', 'gpt2', 'llama', got 'gpt2'"),
        (type("torch", (ft.Recipe,), {}), ValueError,
         "`recipe` must be of a name that is not among 'torch', 'own', 'gpt2', 'llama', got 'torch'"),
    ],
)  # fmt: skip
def test_what_is_not_registered(recipe, error, message):
    with pytest.raises(error) as refused:
        ft.register_recipe(recipe)
    assert str(refused.value) == message and list(RECIPES) == ["gpt2", "llama"]


def test_its_own_recipes_are_such():
    for recipe in (ft.gpt2(2), ft.llama(), ft.deepnorm(2), ft.mup({})):
        assert isinstance(recipe, ft.Recipe)
    assert dict(RECIPES) == {"gpt2": ft.gpt2, "llama": ft.llama}


def test_deepnorm_would_need_no_more_than_its_registration():
    with torch.device("meta"):
        net = nn.ModuleList([nn.ModuleDict({"q_proj": nn.Linear(8, 8), "v_proj": nn.Linear(8, 8)}) for _ in range(4)])
    ft.register_recipe(ft.deepnorm)
    try:
        assert ft.plan(net, "deepnorm") == ft.plan(net, ft.deepnorm(4))
    finally:
        del RECIPES["deepnorm"]


def test_the_command_line_knows_a_recipe_by_its_name(tmp_path):
    from safetensors.torch import save_file

    ft.initialize_(net := model(), Gated(2), seed=5)
    save_file(net.state_dict(), tmp_path / "gated.safetensors")
    code = f"import {HERE} as here; here.ft.register_recipe(here.Gated); from fastinit.cli import main; "
    code += "raise SystemExit(main())"
    options = ["verify", tmp_path / "gated.safetensors", "--model", f"{HERE}:model", "--rules", "Gated", "--seed", "5"]
    path = {"PYTHONPATH": ":".join([*sys.path, str(__file__).rpartition("/")[0]])}
    done = subprocess.run([sys.executable, "-c", code, *options], check=False, capture_output=True, text=True, env=path)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.endswith("ok\n")
