"""``python -m fastinit.torch verify``: does a .safetensors file hold the weights that rules give a model?"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..arguments import refuse
from .models.verification import verify
from .rules.recipe import RECIPES
from .tensors.names import canonical_name, named_tensors


def read_object(option: str, text: str) -> Any:
    """What a module has under a name: ``package.module:name``."""
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        refuse(option, "package.module:name", text)
    found = import_module(module)
    return getattr(found, name) if hasattr(found, name) else refuse(option, f"a name that {module} has", name)


def load(model: nn.Module, path: Path) -> None:
    """Give the parameters of a model on the meta device the tensors of a file, in the file's dtype."""
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise ImportError("a .safetensors file needs safetensors: pip install 'fastinit-nn[torch]'") from error
    try:
        stored = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read as a .safetensors file: {error}") from error
    there = {canonical_name(name): tensor for name, tensor in stored.items()}
    if len(there) < len(stored):
        refuse("file", "one without two tensors of one name but for wrappers", sorted(stored))
    held: dict[int, nn.Parameter] = {}
    for named in named_tensors(model):
        found = [there.pop(name) for name in named.names if name in there]
        if named.parameter:
            name, shape = named.names[0], tuple(named.tensor.shape)
            if [tuple(one.shape) for one in found[:1]] != [shape]:
                refuse("file", f"one with {name} of shape {shape}", [tuple(one.shape) for one in found])
            if not all(_same_bits(found[0], one) for one in found[1:]):
                refuse("file", "one with one value for weights that the model has tied", named.names)
            held[id(named.tensor)] = nn.Parameter(found[0], requires_grad=False)
    if there:
        refuse("file", "one without tensors that the model has not", sorted(there))
    for module in model.modules():
        module._parameters.update({leaf: held[id(one)] for leaf, one in module._parameters.items() if one is not None})


def _same_bits(one: Tensor, other: Tensor) -> bool:
    one_bits, other_bits = (tensor.reshape(-1).view(torch.uint8) for tensor in (one, other))
    return one.dtype is other.dtype and one.shape == other.shape and torch.equal(one_bits, other_bits)


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    whole = argparse.ArgumentParser(prog="python -m fastinit.torch", description="fastinit for PyTorch models.")
    commands = whole.add_subparsers(required=True, metavar="command")
    one = commands.add_parser(
        "verify",
        help="does a file hold the weights that rules give a model?",
        description="Exit status: 0 the weights are right, 1 they are not, 2 the question was wrong.",
        epilog="Example: python -m fastinit.torch verify gpt.safetensors --model my.models:gpt --rules gpt2 --seed 0",
    )
    one.add_argument("file", type=Path, help=".safetensors")
    one.add_argument("--model", required=True, metavar="MODULE:NAME", help="what makes the model when it is called")
    one.add_argument(
        "--rules", default="torch", help=f"{', '.join(['torch', *RECIPES])}, or MODULE:NAME of rules (default: torch)"
    )
    one.add_argument("--seed", type=int, help="compare every bit with the streams of this seed")
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; wrong questions get one line, not a traceback."""
    options = parser().parse_args(arguments)
    try:
        rules = read_object("--rules", options.rules) if ":" in options.rules else options.rules
        make = read_object("--model", options.model)
    except (ValueError, ImportError) as error:
        return _wrong(error)
    try:
        with torch.device("meta"):
            model = make()
    except Exception:  # of the user's own code, whose line is wanted
        traceback.print_exc()
        return 2
    try:
        if not isinstance(model, nn.Module):
            refuse("--model", "what makes a torch.nn.Module when it is called", type(model).__name__)
        load(model, options.file)
        found = verify(model, rules, options.seed)
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        return _wrong(error)
    print(found)
    return 0 if found else 1


def _wrong(error: Exception) -> int:
    print(f"fastinit: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
