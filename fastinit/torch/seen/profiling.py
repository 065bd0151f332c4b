"""Profiling: what becomes of a signal in a real model, module by module."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import chain
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...arguments import refuse
from ...machine import usually_rounded
from ...profiler.description.signals import random_signs
from ...stream import seed_number
from ..tensors.checks import kind_of_value
from ..tensors.names import Rename
from .model_profile import ModelProfile
from .outputs import first_floats
from .patterns import Patterns
from .undisturbed import check_whole, undisturbed
from .watch import Watch


@usually_rounded
def profile(
    model: nn.Module,
    *inputs: Any,
    loss: Callable[[Any], Tensor] | None = None,
    names: str | Iterable[str] | None = None,
    backward: bool = True,
    seed: Any = 0,
    rename: Rename | None = None,
    **keywords: Any,
) -> ModelProfile:
    """Run a model forward and backward once, and tell what becomes of signal and gradient, module by module.

    Parameters
    ----------
    model : torch.nn.Module
        In the mode it is in. Parameters, their gradients, buffers, hooks and random generators are left as they are.
        Not sharded: profile it before ``fully_shard`` or ``parallelize_module``.
    *inputs, **keywords
        What the model takes. If the first is a tensor of floats, it is the first row.
    loss : callable
        From what the model returns to a scalar. Where it is left out, the gradient at the first tensor of floats of
        the output is random signs, for which ``E |J'v|**2 = |J|**2``.
    names : str or iterable of str
        Patterns (of `fnmatch`) for the names of the modules to show. Where left out: modules that call no other, and
        the blocks of a model: members of a ``ModuleList`` or ``Sequential``, whose outputs are its residual stream.
    backward : bool
        Whether gradients are wanted.
    seed : int, list or array of int, numpy.random.SeedSequence or None
        Of the random signs. None takes entropy from the system; ``.seed`` of the profile then says what it was.
    rename : callable
        See `canonical_name`.

    Returns
    -------
    ModelProfile
        A mapping of the fields of `fastinit.profile` to arrays (1, modules), NaN where a module has no such thing:
        ``act_*`` are of the module's first output of floats, ``grad_act_second_moment`` of the gradient there,
        ``dead_fraction`` is of units (features, or channels) that are zero on the whole batch (the input has none),
        weights are all parameters of two axes or more below the module. ``.verdict``, ``.table()``, ``.plot()``,
        ``.to_html()`` and ``.to_json()`` are those of `fastinit.Profile`, ``.roles`` sets like modules of all layers
        side by side. Calls of one module are taken together: moments and the share of dead units over all, the mean of
        the cosines, the least of the distinct units.

    Raises
    ------
    ValueError, TypeError
        If an argument breaks its rule, a pattern matches no module, or tensors of the model have no memory, are
        sharded, or are of inference mode and gradients are wanted.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch
    >>> with fastinit.torch.fast_init(seed=0):
    ...     layers = [torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.ReLU()) for _ in range(10)]
    >>> p = fastinit.torch.profile(torch.nn.Sequential(*layers), fastinit.torch.normal_(torch.empty(64, 256)))
    >>> p.network.names[:3]
    ('input', '0.0', '0.1')
    >>> p.verdict.kind
    'vanishing'
    """
    check_whole(model, "profile it")
    if loss is not None and not backward:
        refuse("loss", "left out where backward is false", loss)
    if backward and any(one.is_inference() for one in chain(model.parameters(), model.buffers())):
        refuse("model", "made outside torch.inference_mode, or profiled with backward=False", type(model).__name__)
    start, number = perf_counter(), seed_number(seed)
    watch = Watch(model, Patterns(names), rename, backward)
    with (
        torch.inference_mode(False),
        undisturbed(model) as stack,
        np.errstate(all="ignore"),
        torch.set_grad_enabled(backward),
    ):
        args, kwargs = watch.inputs(stack, inputs, keywords)
        with ExitStack() as hooks:
            watch.attach(hooks, stack)
            output = model(*args, **kwargs)
        watch.check()
        gradients = dict[int, Tensor | None]()
        if backward:
            target = _target(output, loss)
            watch.follow(target)
            gradients = _gradients(target, loss is None, watch.sources, number)
        watch.weights(gradients)
        return watch.profile(number, perf_counter() - start)


def _target(output: Any, loss: Any) -> Tensor:
    """From where gradients are sent back."""
    target = first_floats(output) if loss is None else loss(output)
    if loss is not None and not (isinstance(target, Tensor) and target.numel() == 1):
        refuse("loss", "a function to a tensor of one element", kind_of_value(target))
    if target is None or not target.requires_grad:
        refuse("backward", "false where what the model returns depends on no tensor that takes a gradient", True)
    return target


def _gradients(target: Tensor, signed: bool, sources: list[Tensor], seed: int) -> dict[int, Tensor | None]:
    """At the input and the parameters, by `id`; the others are seen on the way there."""
    signs = torch.ones_like(target)
    if signed:
        drawn = random_signs(tuple(target.shape), seed, "cotangent", np.float32)
        signs = torch.from_numpy(np.asarray(drawn)).to(target)
    found = torch.autograd.grad(target, sources, signs, allow_unused=True)
    return dict(zip(map(id, sources), found, strict=True))
