"""``fastinit torch``: plans and profiles of models that a module of the user makes."""

import inspect
import json

import pytest
import torch
from conftest import refused
from torch import nn

import fastinit as fi
import fastinit.torch as ft
from fastinit.cli import main
from fastinit.cli.torch_commands import PROFILE

HERE = "test_torch_commands"
HE = [("*.bias", "zeros"), ("*", "he_normal")]
BATCH = torch.full((8, 16), 0.5)
SEVERAL = {"input": BATCH}


def deep():
    layers = [one for _ in range(8) for one in (nn.Linear(16, 16), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(16, 4))


def words():
    return nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 50))


def placed():
    """Tokens, with embeddings of 3 positions."""

    class Placed(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.place = nn.Embedding(50, 8), nn.Embedding(3, 8)

        def forward(self, tokens):
            return self.token(tokens) + self.place(torch.arange(tokens.shape[1]))

    return Placed()


def nothing():
    return None


def drawn():
    return (torch.randn(8, 16),)


def no_batch():
    raise ValueError("no batch")


class Deaf(nn.Linear):
    def __init__(self):
        super().__init__(16, 4)

    def forward(self, _):
        raise SystemExit(1)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of its own, and generators that are put back."""
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng():
        yield


def run(capsys, *arguments):
    status = main(["torch", *arguments])
    return status, *capsys.readouterr()


def profiled(capsys, *arguments):
    """What the command writes, all of it but the time."""
    assert run(capsys, "profile", *arguments, "--no-table", "--json", "p.json")[::2] == (0, "")
    with open("p.json") as file:
        return json.load(file) | {"seconds": 0}


def told(model, *inputs, **keywords):
    return json.loads(ft.profile(model, *inputs, **keywords).to_json()) | {"seconds": 0}


def test_a_plan_is_that_of_the_door(capsys):
    for rules, known in (("torch", "torch"), (f"{HERE}:HE", HE)):
        planned = f"{ft.plan(deep(), known)}\n"
        assert run(capsys, "plan", "--model", f"{HERE}:deep", "--rules", rules) == (0, planned, "")
    assert run(capsys, "plan", "--model", f"{HERE}:deep")[1] == f"{ft.plan(deep())}\n"


def test_a_profile_is_that_of_the_door(capsys):
    """With the weights that the seed gives torch, or that rules give; of the user's batch, or a random one."""
    model = ["--model", f"{HERE}:deep"]
    torch.manual_seed(3)
    own, batch = deep(), drawn()
    typed = ["--classes", "4", "--examples", "3", "--seed", "3"]
    keywords = {"classes": 4, "examples": 3, "seed": 3}
    assert profiled(capsys, *model, "--batch", f"{HERE}:drawn", *typed) == told(own, *batch, **keywords)
    assert profiled(capsys, *model, "--batch", f"{HERE}:SEVERAL", *typed) == told(own, **SEVERAL, **keywords)
    ft.initialize_(own, HE, 0)
    ruled = [*model, "--rules", f"{HERE}:HE", "--no-backward"]
    assert profiled(capsys, *ruled, "--batch", f"{HERE}:BATCH") == told(own, BATCH, backward=False)
    normal = torch.from_numpy(fi.normal((6, 16), seed=0, name="input"))
    assert profiled(capsys, *ruled, "--shape", "6,16") == told(own, normal, backward=False)
    large = ["--seed", str(2**127)]  # more than torch's generators take
    assert profiled(capsys, *ruled, "--shape", "6x16", *large)["seed"] == 2**127


def test_tokens_and_dtypes(capsys):
    tokens = torch.from_numpy(fi.uniform((4, 6), 0, 50, seed=0, name="input", dtype="float64")).long()
    found = profiled(capsys, "--model", f"{HERE}:words", "--shape", "4,6", "--high", "50")
    torch.manual_seed(0)
    assert found == told(words(), tokens)
    said = refused("torch profile", "`--dtype` must be left out with --high, got 'float64'")
    typed = ["profile", "--model", f"{HERE}:words", "--shape", "4,6", "--high", "50", "--dtype", "float64"]
    assert run(capsys, *typed) == (2, "", said)
    typed = ["profile", "--model", f"{HERE}:words", "--shape", "4,6", "--high", "0"]
    assert run(capsys, *typed) == (2, "", refused("torch profile", "`--high` must be an integer of at least 1, got 0"))
    typed = ["profile", "--model", f"{HERE}:deep", "--shape", "4,16", "--dtype", "float64"]
    assert run(capsys, *typed)[0] == 2  # of which the weights are not


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--shape", "2,3"], "`--high` must be given where the model takes tokens (--high 50), got None"),
        (["--shape", "2,3", "--high", "99"],
         "`--high` must be at most 50, as many as the embedding has rows, got '99'"),
        (["--shape", "2,4", "--high", "50"],
         "`--shape` must be such that an embedding of 3 rows has all that it is asked for, got '2,4'"),
        (["--batch", f"{HERE}:nothing"],
         "`--batch` must be what the model takes, or makes that: a tensor, a tuple, or a mapping, got None"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_a_batch_that_a_model_of_tokens_does_not_take(capsys, typed, said):
    """The number that is told works as typed."""
    assert run(capsys, "profile", "--model", f"{HERE}:placed", *typed) == (2, "", refused("torch profile", said))
    assert run(capsys, "profile", "--model", f"{HERE}:placed", "--shape", "2,3", "--high", "50")[::2] == (0, "")


def test_how_it_is_shown(capsys):
    model = ["profile", "--model", f"{HERE}:deep", "--shape", "16,16"]
    status, out, err = run(capsys, *model, "--healthy", "--advise", "--all")
    assert (status, err) == (1, "") and "16 (Linear)" in out and "What helps: " in out
    status, out, err = run(capsys, *model, "--rules", f"{HERE}:HE", "--healthy", "--no-table", "--html", "p.html")
    assert (status, err) == (0, "") and out.startswith("It trains with SGD and with Adam: ")
    assert out.endswith("\nwrote p.html\n")


GPT2 = (
    "fastinit: `residual` must be given where there is none of the usual names of residual projections of the model "
    "(c_proj, out_proj, o_proj, down_proj and 13 more): fastinit.torch.gpt2(layers=9, residual=()) if it has none, "
    "or theirs in place of () (it has 0, 10, 12, 14, 16, 2, 4, 6 and 1 more), got None; that is --rules MODULE:NAME of "
    "a module that has it (see fastinit torch plan --help)"
)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "--model", f"{HERE}:no_batch"], "fastinit: the function of --model raised ValueError: no batch"),
        (["plan", "--model", f"{HERE}:drawn"],
         "fastinit: `--model` must be what makes a torch.nn.Module when it is called, got tuple "
         "(see fastinit torch plan --help)"),
        (["plan", "--model", f"{HERE}:deep", "--rules", "gpt3"],
         "fastinit: `--rules` must be one of 'torch', 'own', 'gpt2', 'llama', got 'gpt3' (nearest: 'gpt2') "
         "(see fastinit torch plan --help)"),
        (["profile", "--model", f"{HERE}:deep", "--batch", f"{HERE}:no_batch"],
         "fastinit: the function of --batch raised ValueError: no batch"),
        (["profile", "--model", f"{HERE}:Deaf", "--batch", f"{HERE}:BATCH"], "fastinit: stopped by SystemExit: 1"),
        (["profile", "--model", f"{HERE}:deep", "--shape", "4,3"],
         "fastinit: the model cannot take a batch of shape (4, 3): mat1 and mat2 shapes cannot be multiplied (4x3 and "
         "16x16) (--shape is that of what it takes, examples first; --high makes tokens; --batch MODULE:NAME is any "
         "other)"),
        (["profile", "--model", "no_such:deep", "--shape", "4,3"],
         "fastinit: `--model` must be a module that Python finds, as it finds those of this folder, got 'no_such' "
         "(see fastinit torch profile --help)"),
        (["plan", "--model", f"{HERE}:deep", "--rules", "gpt2"], GPT2),
        (["profile", "--model", f"{HERE}:deep", "--shape", "4,16", "--examples", "-1"],
         "fastinit: `--examples` must be an integer of at least 0, got -1 (see fastinit torch profile --help)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_what_cannot_be_asked_or_a_users_code_raises(capsys, arguments, said):
    status, out, err = run(capsys, *arguments)
    assert (status, out, err.splitlines()[-1]) == (2, "", said)


def test_options_are_keywords_of_the_door_and_help_has_their_defaults():
    usual = {name: one.default for name, one in inspect.signature(ft.profile).parameters.items()}
    for name, (_, meaning) in PROFILE["signals"].items():
        words = {True: "yes", None: ""}.get(usual[name], usual[name])
        assert (f"(default: {words})" in meaning) == (words != "")
