"""initialize_: the weights of a model, sharded or not, as a function of a seed and rules alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from ...arguments import boolean, refuse
from ...stream import seed_number
from ..calls.fast import fast_init
from ..rules.lists import Rules
from ..tensors.agreement import agreed
from ..tensors.checks import check_model, check_tensor
from ..tensors.fills import fill_pieces_
from ..tensors.names import Rename, canonical_name
from ..tensors.shards import Partition, check_partition, is_dtensor, known_pieces_of, reshard, rows_of
from .plans import Entry, Plan, plan
from .resets import OwnTensor, own_tensors, reset_of, reset_parts, without_parameters


def initialize_(
    model: nn.Module,
    rules: Rules = "torch",
    seed: Any = 0,
    *,
    rename: Rename | None = None,
    split: Mapping[str, int] | None = None,
    partition: Partition | None = None,
    buffers: bool = True,
) -> Plan:
    """Fill every parameter of a model, each from the stream of its canonical name; of a shard, only what is there.

    Parameters
    ----------
    model : torch.nn.Module
        Plain or parallelised (``parallelize_module``, ``fully_shard``), with its memory (``to_empty`` is enough).
    rules : str, list or callable
        ``"torch"``: what each module's own ``reset_parameters`` asks for. A list of ``(pattern, scheme)`` or
        ``(pattern, scheme, keywords)``: the first pattern (of `fnmatch`) that a name matches gives the scheme, a name
        that fastinit knows (see `fastinit.register`), one of its functions or one like them, a law of `fastinit.laws`,
        or ``"torch"``. Keywords are those of the scheme: ``in_axis``, ``out_axis`` and ``batch_axis`` where a module
        does not tell, as for a parameter used as ``x @ W``. A recipe: `gpt2`, `llama` (these also by name, as any that
        `register_recipe` knows), `deepnorm`, `mup`, or any function from a `Weight` to a law (see `law_of`).
    seed : int or numpy.random.SeedSequence
        The same on every rank; None, which would be another on each, is refused.
    rename : callable
        See `canonical_name`.
    split : mapping of str to int
        Pattern to the number of projections that a weight is packed from, along its outputs: each has its own fan. Of
        laws whose elements depend on each other (``orthogonal``, ``sparse``, ...) each is an array by itself, part i
        under the name ``name[i]``.
    partition : (int, int)
        This rank and how many there are in the group over which Megatron has partitioned tensors (those with
        ``tensor_model_parallel``, ``partition_dim`` and ``partition_stride``).
    buffers : bool
        Restore buffers, which ``to_empty`` leaves without values, where a module can.

    Returns
    -------
    Plan
        What was done; see `plan`.

    Raises
    ------
    ValueError, TypeError
        If nothing matches a parameter, or a rule matches nothing; if a tensor is complex, sparse, quantised, without
        memory, or sharded so that its place cannot be told; if ranks disagree on the seed, the rules or the model, or
        one of them refuses. Then every rank that holds part of a tensor raises, and nothing has been written.

    Warns
    -----
    UserWarning
        Naming the buffers that no module restores, and what a module's own reset leaves to torch.

    Notes
    -----
    A tied weight is filled once, under its first name. The row of a ``padding_idx`` is zero. A parametrized tensor is
    assigned, so that its parametrization inverts it. In schemes the fan is that of the whole tensor, groups, transposed
    convolutions and `split` considered, unless axes are named; ``"torch"`` keeps torch's own idea of it.

    Examples
    --------
    >>> import torch
    >>> import fastinit as fi
    >>> import fastinit.torch
    >>> with torch.device("meta"):
    ...     model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    >>> model = model.to_empty(device="cpu")
    >>> plan = fastinit.torch.initialize_(model, [("*.bias", "zeros"), ("*", "he_normal")], seed=1)
    >>> weight = fi.he_normal((256, 784), in_axis=1, out_axis=0, seed=1, name="0.weight")
    >>> bool((model[0].weight.detach().numpy() == weight).all())
    True
    """
    check_model(model)
    boolean("buffers", buffers)
    reshard(model)
    own = list(own_tensors(model))

    def find() -> tuple[int, Iterable[str], Plan]:
        if seed is None:
            refuse("seed", "given (a rank alone would draw another)", seed)
        for full_name, module, leaf, tensor in own:
            _check(full_name, module, leaf, tensor, partition)
        entries = plan(model, rules, rename=rename, split=split, partition=partition)
        return seed_number(seed), map(_deed, entries), entries

    number, entries = agreed(find, [tensor for *_, tensor in own])
    before = {module: _versions(module) for module in model.modules()}
    with torch.no_grad(), _Filling(number, model=model, rename=rename, partition=partition) as fast:
        if rules == "torch":
            assert fast.register is not None
            reset_parts(model, fast.register, rename)
        else:
            _fill(own, entries, number, partition)
        if buffers:
            _restore_buffers(model, before, by_reset=rules != "torch")
        _zero_padding(model, partition)
    return entries


class _Filling(fast_init):
    """The block in which each module is come to once."""

    _watches = False


def _deed(entry: Entry) -> str:
    """What is going to be done to a tensor, in words that are the same in every process."""
    if entry.law is None:
        return f"{entry.name} {entry.shape}"
    words = entry.law.to_dict()
    words |= words.pop("keywords", {})  # of a user's function, which may take what is written differently everywhere
    known = {name: value for name, value in words.items() if isinstance(value, (int, float, str, tuple))}
    return f"{entry.stream} {entry.shape} {sorted(known.items())}"


def _check(full_name: str, module: nn.Module, leaf: str, tensor: Tensor, partition: Partition | None) -> None:
    """Raise where a tensor cannot be filled."""
    check_tensor(full_name, tensor)
    check_partition(tensor, partition)
    if is_parametrized(module, leaf):
        held = module.parametrizations[leaf]
        if is_dtensor(tensor) or not all(hasattr(one, "right_inverse") for one in held):
            refuse("model", "of parametrizations that are whole and have a right inverse", full_name)


def _fill(own: Iterable[OwnTensor], entries: Plan, seed: int, partition: Partition | None) -> None:
    for (_, module, leaf, tensor), entry in zip(own, entries, strict=True):
        parametrized = is_parametrized(module, leaf)
        target = torch.empty_like(tensor) if parametrized else tensor
        if entry.law is not None and target.numel():
            fill_pieces_(known_pieces_of(target, partition), entry.law, seed=seed, name=entry.stream)
        if parametrized:
            setattr(module, leaf, target)


def _zero_padding(model: nn.Module, partition: Partition | None) -> None:
    for module in model.modules():
        row = getattr(module, "padding_idx", None)
        weight = getattr(module, "weight", None)
        if row is not None and isinstance(module, (nn.Embedding, nn.EmbeddingBag)) and weight is not None:
            for part in rows_of(known_pieces_of(weight, partition), row):
                part.zero_()


def _restore_buffers(model: nn.Module, before: Mapping[Any, Any], by_reset: bool) -> None:
    """By the modules' resets only where these have not run. What nothing has written since `before` is named."""
    left = []
    for prefix, module in model.named_modules():
        if any(buffer is not None for buffer in module._buffers.values()):
            _restore(module, by_reset)
            for leaf, (buffer, version) in _versions(module).items():
                held, was = before.get(module, {}).get(leaf, (None, version))
                if held is buffer and was == version:
                    left.append(canonical_name(f"{prefix}.{leaf}".removeprefix(".")))
    if left:
        warnings.warn(f"initialize_: buffers that no module restores are as they were: {', '.join(left)}", stacklevel=3)


def _versions(module: nn.Module) -> dict[str, tuple[Tensor, int]]:
    """Each buffer, and a number that changes when it is written."""
    held = {leaf: buffer for leaf, buffer in module._buffers.items() if buffer is not None}
    return {leaf: (buffer, 0 if buffer.is_inference() else buffer._version) for leaf, buffer in held.items()}


def _remake(module: nn.Module) -> None:
    """The buffers of rotary embeddings are copied from new ones, of the same configuration, where that makes them."""
    try:
        with torch.device("cpu"):
            buffers = dict(type(module)(module.config).named_buffers())
    except TypeError:  # a constructor of other arguments
        return
    for name in module._buffers.keys() & buffers.keys():
        module._buffers[name].copy_(buffers[name])


def _restore(module: nn.Module, by_reset: bool) -> None:
    """Give buffers their values where a module can: by its own reset, or as rotary embeddings do."""
    for name in ("reset_buffers", "rope_init", "reset_running_stats"):
        if hasattr(type(module), name):
            return getattr(module, name)()
    if "inv_freq" in module._buffers and hasattr(module, "config"):
        _remake(module)
    elif by_reset and (reset := reset_of(module)) is not None:
        with without_parameters(module):
            reset()
