"""Arguments: what a model is called with, from what a user has at hand, as a batch of a loader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils._pytree import tree_leaves

from ...arguments import refuse


def arguments_of(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Those of one batch: a mapping is by keyword, a tuple has one after the other, and all else is the first."""
    args: tuple[Any, ...] = ()
    keywords: dict[str, Any] = {}
    if isinstance(inputs, Mapping):
        keywords = dict(inputs)
    else:
        args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    _check_tensors((args, keywords))
    return args, keywords


def given(inputs: Sequence[Any], keywords: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a function that is called as the model is, was given: of a lone tuple it is not known what is a target."""
    lone = inputs[0] if len(inputs) == 1 else inputs
    if len(inputs) == 1 and isinstance(lone, (tuple, list)):
        rule = "what the model takes, one by one (of a pair of inputs and targets batch[0], of several inputs *batch)"
        refuse("inputs", rule, f"a {type(lone).__name__} of {len(lone)}", TypeError)
    args, named = arguments_of(lone)
    _check_tensors(keywords)
    return args, named | dict(keywords)


def _check_tensors(values: Any) -> None:
    """That there is no array of NumPy, on which a model calls what arrays have not."""
    for one in tree_leaves(values):
        if isinstance(one, np.ndarray):
            said = f"an array of shape {one.shape} and {one.dtype}"
            refuse("inputs", "tensors (torch.from_numpy(array))", said, TypeError)
