"""Models on the command line: what rules would give one, whether a file holds that, such a file, and a profile.

The one room of the command line that needs a framework. It asks that door by name, when a model is given.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from ..arguments import Words, integer, refuse, type_of
from .readers import read_seed, read_shape, read_whole, refuse_typed
from .users_code import called, made_by, read_object

#: The door that is asked, its room of models on disk, and the one that knows recipes.
DOOR = "fastinit.torch"
STORED = "fastinit.torch.models.stored"
RECIPES = "fastinit.torch.rules.recipe"


class _OfTorch(argparse.Action):
    """An option that only the command of the same name in ``fastinit torch`` has."""

    def __call__(self, parser: argparse.ArgumentParser, _: Any, value: Any, option: str | None = None) -> NoReturn:
        rule = f"left out here (fastinit torch {parser.prog.split()[-1]} has it)"
        parser.error(f"`{option}` must be {rule}, got {value!r}")


def refuse_models(parser: argparse.ArgumentParser, *options: str) -> None:
    """Answer these options, which help does not name, with the command that has them."""
    for option in options:
        parser.add_argument(option, action=_OfTorch, help=argparse.SUPPRESS)


def known_rules() -> str:
    """Names that rules have: all of them where something has imported torch's door, which help does not."""
    recipes = sys.modules.get(RECIPES)
    return "torch, own, a recipe (gpt2, ...)" if recipes is None else ", ".join(recipes.rule_names())


def opened(path: Path) -> Any:
    """The tensors of a file, or of several with an index, as arrays; of one that torch wrote by its door."""
    from zipfile import is_zipfile

    from ..tensor_files import PICKLED, has_tensors, open_tensors, refuse_kind  # which import NumPy: help does not
    from .array_files import open_archive

    if path.suffix in PICKLED:
        return import_module(STORED).opened(path, "np")
    if has_tensors(path):
        return open_tensors(path)
    return open_archive(path) if path.suffix == ".npz" or is_zipfile(path) else refuse_kind(path, ".npy, .npz, ")


def plan_model(options: argparse.Namespace) -> Any:
    """What rules would give a model."""
    rules, model = _rules(options.rules), _described(options)
    with _typed_rules(options):
        return import_module(DOOR).plan(model, rules)


def verify_model(options: argparse.Namespace) -> Any:
    """The tensors of a file as the parameters of a model, against rules."""
    rules, seed = _rules(options.rules), None if options.seed is None else read_seed("--seed", options.seed)
    model = _described(options)
    with _typed_rules(options):
        return import_module(STORED).verify_stored(model, options.file, rules, seed)


def save_model(options: argparse.Namespace, **keywords: Any) -> list[Path]:
    """The weights that rules give a model, on disk. Returns the files."""
    rules, model = _rules(options.rules), _described(options)
    with _typed_rules(options):
        files: list[Path] = import_module(DOOR).save(model, options.directory, rules, **keywords)
    return files


def profile_model(options: argparse.Namespace, *, seed: int = 0, **keywords: Any) -> Any:
    """What becomes of a signal in a model with the weights it is made with, or those that rules give it."""
    rules = None if options.rules is None else _rules(options.rules)
    make = _typed_maker(options)
    batch = None
    if options.batch is not None:
        refuse_typed({"dtype": options.dtype, "high": options.high}, "--batch")
        batch = read_object("--batch", options.batch)
    door = import_module(DOOR)
    door.torch.manual_seed(seed % 2**64)  # of what the user's functions draw: it takes no more bits
    model = _made(make, door.torch.nn)
    if rules is not None:
        with _typed_rules(options):
            door.initialize_(model, rules, seed)
    if options.batch is not None:
        inputs, named = _given(batch)
        return door.profile(model, *inputs, seed=seed, **keywords, **named)
    random = _random(options, seed, door.torch)
    try:
        return door.profile(model, random, seed=seed, **keywords)
    except (RuntimeError, IndexError) as error:
        _refuse_for_embedding(options, error, random, door.torch)
        _refuse_shape(error, random, door.torch)
        raise


@contextmanager
def _typed_rules(options: argparse.Namespace) -> Iterator[None]:
    """Of a recipe that its name alone does not make for the model, how it is typed as it is asked for."""
    try:
        yield
    except ValueError as error:
        recipe = import_module(RECIPES).RECIPES.get(options.rules)
        if recipe is None or recipe.sought is None or not str(error).startswith(f"`{recipe.sought.argument}` "):
            raise
        raise ValueError(f"{error}; that is --rules MODULE:NAME of a module that has it") from error


def _rules(text: str) -> Any:
    return read_object("--rules", text) if ":" in text else text


def _described(options: argparse.Namespace) -> Any:
    """What the user's function makes, or transformers of a configuration, without memory for weights."""
    make = None if options.model is None else _typed_maker(options)
    stored = import_module(STORED)
    return stored.configured(options.config) if make is None else _made(make, stored.nn, stored.made_on_meta)


def _typed_maker(options: argparse.Namespace) -> Callable[[], Any]:
    return made_by("--model", "a torch.nn.Module", read_object("--model", options.model))


def _made(make: Callable[[], Any], nn: Any, run: Callable[[Callable[[], Any]], Any] | None = None) -> Any:
    """The model that the user's function makes, which `run` calls, if it is given."""
    rule = "what makes a torch.nn.Module when it is called"
    if isinstance(make, nn.Module):
        refuse("--model", rule, Words(f"one itself ({type_of(make)})"))
    model = called(make if run is None else lambda: run(make), "the function of --model")
    return model if isinstance(model, nn.Module) else refuse("--model", rule, type_of(model))


def _given(batch: Any) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """What the model takes, by place and by name, from the user's batch or from what makes it."""
    made = called(batch, "the function of --batch") if callable(batch) else batch
    if made is None:
        refuse("--batch", "what the model takes, or makes that: a tensor, a tuple, or a mapping", made)
    if isinstance(made, Mapping):
        return (), made
    return made if isinstance(made, (tuple, list)) else (made,), {}


def _random(options: argparse.Namespace, seed: int, torch: Any) -> Any:
    """A tensor of the stream "input", as of `fastinit.profile`: standard normals, or integers below a number."""
    from ..schemes.distributions import normal, uniform

    shape = read_shape("--shape", options.shape)
    if options.high is None:
        values = torch.from_numpy(normal(shape, seed=seed, name="input"))
        return values.to(getattr(torch, options.dtype or "float32"))
    refuse_typed({"dtype": options.dtype}, "--high")
    high = integer("--high", read_whole("--high", options.high), 1)
    places = uniform(shape, 0, high, seed=seed, name="input", dtype="float64")
    return torch.from_numpy(places).long()


def _refuse_shape(error: Exception, batch: Any, torch: Any) -> None:
    """Raise where the model was given a random batch, and stopped at it."""
    from traceback import walk_tb

    call = torch.nn.Module._call_impl.__code__
    if all(frame.f_code is not call for frame, _ in walk_tb(error.__traceback__)):
        return
    said = next(iter(str(error).splitlines()), type(error).__name__)
    remedy = "--shape is that of what it takes, examples first; --high makes tokens; --batch MODULE:NAME is any other"
    raise ValueError(f"the model cannot take a batch of shape {tuple(batch.shape)}: {said} ({remedy})") from error


def _refuse_for_embedding(options: argparse.Namespace, error: Exception, batch: Any, torch: Any) -> None:
    """Raise where an embedding of the model was asked for rows that it has not, or by what counts none."""
    from traceback import walk_tb

    code = torch.nn.functional.embedding.__code__
    asked = next((frame.f_locals for frame, _ in walk_tb(error.__traceback__) if frame.f_code is code), None)
    if asked is None:
        return
    places, rows = asked["input"], len(asked["weight"])
    if places.is_floating_point():
        refuse("--high", f"given where the model takes tokens (--high {rows})", options.high)
    if not torch.equal(places.reshape(-1), batch.reshape(-1)):
        refuse("--shape", f"such that an embedding of {rows} rows has all that it is asked for", options.shape)
    refuse("--high", f"at most {rows}, as many as the embedding has rows", options.high)
