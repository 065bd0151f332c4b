"""Profiling: what becomes of a signal in a real model, module by module."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from itertools import chain
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...arguments import integer, refuse, type_of
from ...machine import usually_rounded
from ...profiler.description.signals import random_cotangent
from ...profiler.first_loss import checked_classes
from ...stream import seed_number
from ..tensors.checks import kind_of_value
from ..tensors.names import Rename
from .arguments import given
from .examples import Given, kernel_of
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
    outputs: Callable[[Any], Tensor] | None = None,
    classes: int | None = None,
    examples: int = 16,
    names: str | Iterable[str] | None = None,
    backward: bool = True,
    seed: Any = 0,
    rename: Rename | None = None,
    **keywords: Any,
) -> ModelProfile:
    """Run a model forward and backward, and tell what becomes of signal and gradient, module by module.

    Parameters
    ----------
    model : torch.nn.Module
        In the mode it is in. Parameters, their gradients, buffers, hooks and random generators are left as they are.
        Not sharded: profile it before ``fully_shard`` or ``parallelize_module``.
    *inputs, **keywords
        What the model takes; a mapping alone, as of a tokenizer, is passed by keyword. If the first is a tensor of
        floats, it is the first row.
    loss : callable
        From what the model returns to a scalar. Where it is left out, the gradient at the outputs is random signs, for
        which ``E |J'v|**2 = |J|**2``.
    outputs : callable
        From what the model returns to the tensor of its outputs. Where left out: the first tensor of floats there.
    classes : int
        How many there are, if the outputs are logits of classes: as many as these are along their last axis, or along
        axis 1. Then ``first_loss`` is the cross-entropy of random labels, and the verdict holds it against
        ``uniform_loss``, the logarithm of `classes`.
    examples : int
        Of how many, at most, the tangent kernel is taken: the first of the batch. 0 for none. The model runs again
        for it; see the notes.
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
        ``position_cosine`` is between what has units of its own within an example, tokens or pixels, weights are all
        parameters of two axes or more below the module. ``.verdict``, ``.table()``, ``.plot()``, ``.to_html()`` and
        ``.to_json()`` are those of `fastinit.Profile`, ``.roles`` sets like modules of all layers side by side. Calls
        of one module are taken together: moments and the share of dead units over all, the mean of the cosines, the
        least of the distinct units. Of the whole model, as arrays (1,): ``kernel_*``, what the tangent kernel says
        (``kernel_eigenvalues`` is (1, examples - 1): with the mean over examples taken out), and ``gradient_cosine``,
        the mean cosine between the gradients of two examples; ``output_second_moment``, of the outputs,
        ``head_second_moment``, of what enters the linear or convolutional layer that makes them, where that is known,
        and ``output_position_cosine``, between the tokens of a sequence where outputs are (rows, tokens, units) with 16
        units or more. ``kernel_share`` is what comes of the kernel's trace from the parameters of a module that no
        module within it has.

    Raises
    ------
    ValueError, TypeError
        If an argument breaks its rule, a pattern matches no module, or tensors of the model have no memory, are
        sharded, or are of inference mode and gradients are wanted.

    Notes
    -----
    *The tangent kernel* ``K[i, j] = <ds_i/dp, ds_j/dp>`` is over all parameters that take a gradient, ``s_i`` being the
    sum over the outputs of example i of random signs, the same for every example, over the root of their number. Rows
    of the outputs are taken for examples. Each is sent through the model alone, if what it returns is then the row that
    it returned of the batch: every tensor with as many rows as the first argument is given row by row. Otherwise, and
    where a batch norm uses the batch's moments, of at most 6 examples (4, beyond 10 million parameters) the gradient
    is sent back through the whole batch. ``kernel_examples`` says how many there were, 0 where the outputs have no row
    for each example: then nothing is known. But of a model that returns one number, as a loss, or no rows and is given
    a `loss`, ``s_i`` is that of example i alone. Gradients are held of as many parameters at a time as fit the memory
    of two copies of the model.

    *Theory*, ``theory_act_second_moment`` (modules,), is of infinite width: linear and convolutional layers, norms,
    embeddings, activations and dropout of torch, and layers of transformers' GPT-2, have a rule from the second moment
    of what comes in to that of what goes out. Weights count by their mean squares as they are, which are those of their
    law but for a part in the root of their number. What comes in is what theory expects of it, from the input of the
    model on, and what was measured where it comes of what no rule is known of, as a sum of branches, or attention. Of
    weights that are not independent with mean zero, as constant and positive ones or equal rows, theory says nothing,
    nor of what comes of them: where the sum of all, or those of rows or of columns, are larger than such ones' are but
    for one matrix in 2e7. The rule of an activation is for what is normal with mean zero, which what comes of another
    activation, or has biases of one sign, is not; and of one second moment in all examples. Modules with hooks of yours
    have no rule.

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
    inputs, keywords = given(inputs, keywords)
    for name, function in (("loss", loss), ("outputs", outputs)):
        if function is not None and not callable(function):
            refuse(name, "a function of what the model returns", function, TypeError)
    if loss is not None and not backward:
        refuse("loss", "left out where backward is false", loss)
    if backward and any(one.is_inference() for one in chain(model.parameters(), model.buffers())):
        rule = "made outside torch.inference_mode, or profiled with backward=False"
        refuse("model", rule, type_of(model))
    start, number, most = perf_counter(), seed_number(seed), integer("examples", examples, 0)
    count = checked_classes(classes)
    read = first_floats if outputs is None else partial(_outputs, outputs)
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
        gradients, found = dict[int, Tensor | None](), read(output)
        told = watch.output_fields(found, count)
        values = found.detach() if found is not None and found.ndim and len(found) == watch.rows else None
        if backward:
            target = _target(output, loss, read)
            watch.follow(target)
            gradients = _gradients(target, loss is None, watch.sources, number)
            del target
        watch.weights(gradients)
        del found
        del output, gradients  # as much as two copies of the model comes now
        tangents = None
        if backward and most:
            tangents = kernel_of(Given(model, inputs, keywords, watch.rows, read, loss), values, most, number)
        return watch.profile(number, tangents, told, perf_counter() - start)


def _target(output: Any, loss: Any, read: Any) -> Tensor:
    """From where gradients are sent back."""
    target = read(output) if loss is None else loss(output)
    if loss is not None and not (isinstance(target, Tensor) and target.numel() == 1):
        refuse("loss", "a function to a tensor of one element", kind_of_value(target))
    if target is None or not target.requires_grad:
        refuse("backward", "false where what the model returns depends on no tensor that takes a gradient", True)
    return target


def _outputs(outputs: Callable[[Any], Tensor], output: Any) -> Tensor:
    """What the user says are the outputs."""
    found = outputs(output)
    if not (isinstance(found, Tensor) and found.is_floating_point()):
        refuse("outputs", "a function to a tensor of floats", kind_of_value(found))
    return found


def _gradients(target: Tensor, signed: bool, sources: list[Tensor], seed: int) -> dict[int, Tensor | None]:
    """At the input and the parameters, by `id`; the others are seen on the way there."""
    signs = torch.ones_like(target)
    if signed:
        examples = len(target) if target.ndim else 1
        drawn = random_cotangent(examples, target.numel() // max(examples, 1), seed, np.float32)
        signs = torch.from_numpy(drawn).reshape(target.shape).to(target)
    found = torch.autograd.grad(target, sources, signs, allow_unused=True)
    return dict(zip(map(id, sources), found, strict=True))
