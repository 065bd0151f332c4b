"""``fastinit torch``: the commands that are given a PyTorch model. Help is printed without torch."""

from __future__ import annotations

import argparse

from .models import known_rules, plan_model, save_model, verify_model
from .profile_options import OPTIONS, add_keywords, add_showing, typed_files, typed_options
from .readers import FilePath, read_whole
from .save_options import add_save_options, told_files, typed_save_options

#: Those of `fastinit.torch.profile` that are words or numbers, as `OPTIONS` has them.
PROFILE = {
    "signals": {
        "classes": OPTIONS["signals"]["classes"],
        "backward": OPTIONS["signals"]["backward"],
        "examples": (read_whole, "how many examples the tangent kernel is taken of, at most; 0 for none (default: 16)"),
        "seed": (OPTIONS["run"]["seed"][0], "seed of the weights, a random batch and the random signs (default: 0)"),
    },
}

#: In help, what --model names.
_MAKER = (
    "function or class that makes the model when it is called without arguments: my.models:gpt; the module is "
    "imported, which runs what is in it"
)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Name, shape, law, standard deviation and fans of each parameter, of which none is made. Exit status: 0, or 2 "
        "if the question was wrong."
    )
    parser.epilog = "Example: fastinit torch plan --model my.models:gpt --rules gpt2"
    _add_model(parser)
    parser.set_defaults(run=_run_plan)


def _add_profile(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "A model is run forward and backward once, and what becomes of signal and gradient is told module by module. "
        "Exit status: 0; 1 if --healthy is asked for and it is not; 2 the question was wrong; 130 interrupted."
    )
    parser.epilog = (
        "Examples: fastinit torch profile --model my.models:mlp --shape 32,784 --classes 10 --healthy; "
        "fastinit torch profile --model my.models:gpt --rules gpt2 --shape 4,128 --high 50257 --html gpt.html"
    )
    group = parser.add_argument_group("model")
    group.add_argument("--model", required=True, metavar="MODULE:NAME", help=_MAKER)
    group.add_argument(
        "--rules", help=f"{known_rules()}, or MODULE:NAME of rules (default: the weights it is made with)"
    )
    group = parser.add_argument_group("batch")
    one = group.add_mutually_exclusive_group(required=True)
    one.add_argument(
        "--batch",
        metavar="MODULE:NAME",
        help="what the model takes, or makes that when it is called: a tensor, a tuple, or a mapping by keyword",
    )
    one.add_argument("--shape", help="shape of a random batch, examples first: 32,784")
    dtypes = ["float16", "bfloat16", "float32", "float64"]
    group.add_argument("--dtype", choices=dtypes, help="dtype of a random batch of normals (default: float32)")
    group.add_argument(
        "--high",
        help="a random batch of integers below this, as tokens are: 50257 (default: standard normals)",
    )
    add_keywords(parser, PROFILE)
    add_showing(parser, "what keeps it from training, and what helps, in words")
    parser.set_defaults(run=_run_profile)


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "The tensors of a file as the weights that rules give a model. Exit status: 0 all is right, 1 it is not, 2 the "
        "question was wrong, as where the file has not the names and shapes of the model."
    )
    parser.epilog = "Example: fastinit torch verify gpt.safetensors --model my.models:gpt --rules gpt2 --seed 0"
    parser.add_argument(
        "file",
        action=FilePath,
        help="a .safetensors file; the index of several, or their folder; a file of torch.save (.pt, .pth, .bin)",
    )
    parser.add_argument("--seed", help="compare every bit with the weights of this seed (default: compare laws alone)")
    _add_model(parser)
    parser.set_defaults(run=_run_verify)


def _add_save(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "A checkpoint of the weights that rules give a model, as Hugging Face lays them out, made as it is written: it "
        "may be larger than memory. Exit status: 0, or 2 if the question was wrong."
    )
    parser.epilog = "Example: fastinit torch save folder --config config.json --rules own --dtype bfloat16"
    add_save_options(parser, None)
    _add_model(parser)
    parser.set_defaults(run=_run_save)


#: By name, in which words help has it and what adds its options.
COMMANDS = {
    "plan": ("what would rules give each parameter?", _add_plan),
    "profile": ("does a model carry a signal forward and a gradient back?", _add_profile),
    "save": ("a checkpoint of new weights, which may be larger than memory", _add_save),
    "verify": ("does a file hold the weights that rules give?", _add_verify),
}


def _add_model(parser: argparse.ArgumentParser) -> None:
    """Which model, whose weights need no memory, and which rules are its."""
    group = parser.add_argument_group("model")
    one = group.add_mutually_exclusive_group(required=True)
    one.add_argument("--model", metavar="MODULE:NAME", help=_MAKER)
    one.add_argument("--config", metavar="PATH", help="a configuration of transformers: its file, folder or name")
    group.add_argument("--rules", default="torch", help=f"{known_rules()}, or MODULE:NAME of rules (default: torch)")


def _run_plan(options: argparse.Namespace) -> int:
    print(plan_model(options))
    return 0


def _run_profile(options: argparse.Namespace) -> int:
    keywords, files = typed_options(options, PROFILE), typed_files(options)
    from .profile_command import run_model_profile

    return run_model_profile(options, keywords, files)


def _run_verify(options: argparse.Namespace) -> int:
    found = verify_model(options)
    print(found)
    return 0 if found else 1


def _run_save(options: argparse.Namespace) -> int:
    return told_files(save_model(options, **typed_save_options(options)))
