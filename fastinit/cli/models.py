"""Models on the command line: whether a file holds the weights that rules give one, and such a file.

The one room of the command line that needs a framework. It asks that door by name, when a model is given.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from ..arguments import Words, refuse
from .readers import read_seed
from .users_code import called, read_object

#: The door that is asked: the rooms of models on disk, and the one that knows recipes.
DOOR = "fastinit.torch.models.stored"
SAVING = "fastinit.torch.models.saving"
RECIPES = "fastinit.torch.rules.recipe"


def known_rules() -> str:
    """Names that rules have: all of them where something has imported torch's door, which help does not."""
    recipes = sys.modules.get(RECIPES)
    return "torch, own, a recipe (gpt2, ...)" if recipes is None else ", ".join(recipes.rule_names())


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """The group of options that say which model, and which rules are its."""
    group = parser.add_argument_group("models")
    group.add_argument("--model", metavar="MODULE:NAME", help="what makes the PyTorch model when it is called")
    group.add_argument("--config", metavar="PATH", help="a configuration of transformers: its file, folder or name")
    group.add_argument("--rules", help=f"{known_rules()}, or MODULE:NAME of rules (default: torch)")


def opened(path: Path) -> Any:
    """The tensors of a file, or of several with an index, as arrays; of one that torch wrote by its door."""
    from ..tensor_files import INDEX, PICKLED, open_tensors  # which import NumPy, and help does not
    from .array_files import open_archive

    if path.suffix in PICKLED:
        return import_module(DOOR).opened(path, "np")
    has_tensors = path.suffix == ".safetensors" or path.name.endswith(INDEX) or path.is_dir()
    return open_tensors(path) if has_tensors else open_archive(path)


def verify_model(options: argparse.Namespace) -> int:
    """The tensors of a file as the parameters of a model, against rules."""
    rules, seed = _rules(options), None if options.seed is None else read_seed("--seed", options.seed)
    found = import_module(DOOR).verify_stored(_model(options), options.file, rules, seed)
    print(found)
    return 0 if found else 1


def save_model(options: argparse.Namespace, **keywords: Any) -> list[Any]:
    """The weights that rules give a model, or one that transformers makes of a configuration. Returns the files."""
    rules, model = _rules(options), _model(options)
    return import_module(SAVING).save(model, options.directory, rules, **keywords)


def _rules(options: argparse.Namespace) -> Any:
    rules = "torch" if options.rules is None else options.rules
    return read_object("--rules", rules) if ":" in rules else rules


def _model(options: argparse.Namespace) -> Any:
    """What the user's function, or transformers of a configuration, makes without memory for weights."""
    make = None if options.model is None else read_object("--model", options.model)
    stored = import_module(DOOR)
    if make is None:
        return stored.configured(options.config)
    model = called(lambda: stored.made_on_meta(make))
    if not isinstance(model, stored.nn.Module):
        refuse("--model", "what makes a torch.nn.Module when it is called", Words(type(model).__name__))
    return model
