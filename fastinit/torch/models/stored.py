"""Stored models: one is made of a stored configuration, or takes a file's tensors and is verified."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...arguments import Words, first_few, refuse
from ...missing import missing
from ...models.shards import ModelVerification
from ...tensor_files import PICKLED, has_tensors, open_tensors, refuse_kind
from ..rules.lists import Rules
from ..tensors.names import canonical_name, named_tensors
from .pickled import PickledFile
from .verification import verify

#: A name, or owner/name, that a hub may know: no path, and no file.
_MAY_BE_AWAY = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?(?<!\.json)")


def made_on_meta(make: Callable[[], Any]) -> Any:
    """What a function makes without memory for weights."""
    with torch.device("meta"):
        return make()


def configured(path: str) -> Any:
    """The model that transformers makes of a configuration, of the dtype that this names, on the meta device."""
    try:
        import transformers
    except ImportError as error:
        raise missing("a configuration", "transformers") from error
    if not (_MAY_BE_AWAY.fullmatch(path) or os.path.exists(path)):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    config = transformers.AutoConfig.from_pretrained(path)
    names = config.architectures or []
    if not names:
        rule = (
            'one with "architectures", the class of the model: add {"architectures": ["GPT2LMHeadModel"]}, say, to it'
        )
        refuse("config", rule, path)
    if len(names) != 1 or not hasattr(transformers, names[0]):
        refuse("config", "of one of transformers' architectures, by its class", names)
    model = made_on_meta(lambda: getattr(transformers, names[0])(config))
    return model if config.dtype is None else model.to(config.dtype)


def verify_stored(model: nn.Module, path: Path, rules: Rules, seed: Any = None) -> ModelVerification:
    """Whether what is stored has the weights that rules give a model, whose parameters its tensors become."""
    load(model, path)
    return verify(model, rules, seed)


def opened(path: Path, framework: str) -> AbstractContextManager[Any]:
    """The tensors of a file of whichever format, or of several with an index: see `open_tensors`."""
    if path.suffix in PICKLED:
        return nullcontext(PickledFile(path, framework))
    if path.suffix and not has_tensors(path):  # a cache may keep a file under its hash
        refuse_kind(path)
    return open_tensors(path, framework)


def load(model: nn.Module, path: Path) -> None:
    """Give the parameters of a model on the meta device the tensors that are stored, in their dtypes there."""
    with opened(path, "pt") as file:
        there = {canonical_name(name): file.read(name) for name in file.names}
        if len(there) < len(file.names):
            refuse("file", "one without two tensors of one name but for wrappers", sorted(file.names))
    held: dict[int, nn.Parameter] = {}
    for named in named_tensors(model):
        found = [there.pop(name) for name in named.names if name in there]
        if named.parameter:
            name, shape = named.names[0], tuple(named.tensor.shape)
            if not found:
                others = first_few([*map(repr, file.names)]) or "none"
                got = Words(f"no tensor of that name (there are: {others})")
                refuse("file", f"one with {name} of shape {shape}", got)
            if tuple(found[0].shape) != shape:
                refuse("file", f"one with {name} of shape {shape}", tuple(found[0].shape))
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
