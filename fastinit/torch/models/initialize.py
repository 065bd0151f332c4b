"""initialize_: the weights of a model, sharded or not, as a function of a seed and rules alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ...arguments import boolean, refuse
from ...machine import usually_rounded
from ...models.plans import Entry, Plan
from ...stream import seed_number
from ..rules.lists import Rules
from ..tensors.agreement import agreed
from ..tensors.checks import check_model, check_tensor
from ..tensors.fills import fill_pieces_
from ..tensors.names import Rename
from ..tensors.shards import Partition, known_pieces_of, reshard, rows_of
from ..tensors.ties import check_apart
from .buffers import buffers_left, may_have_lost, restore_buffers
from .plans import Planned, planned
from .resets import OwnTensor, own_tensors, padding_rows, reset_parts
from .steps import Steps


@usually_rounded
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
        Plain or parallelised (``parallelize_module``, ``fully_shard``), with its memory (`materialize` gives it).
    rules : str, list or callable
        ``"torch"``: what each module's own ``reset_parameters`` asks for. ``"own"``: that, and then what models and
        parts of them have beyond it, ``initialize_weights``, ``init_weights``, ``_initialize_weights`` or
        ``_init_weights``, as transformers and timm do. A list of ``(pattern, scheme)`` or ``(pattern, scheme,
        keywords)``: the first pattern (of `fnmatch`) that a name matches gives the scheme, a name that fastinit knows
        (see `fastinit.register`), one of its functions or one like them, a law of `fastinit.laws`, ``"torch"`` or
        ``"own"``. Keywords are those of the scheme: ``in_axis``, ``out_axis`` and ``batch_axis`` where a module does
        not tell, as for a parameter used as ``x @ W`` or for stacked experts. A recipe: `gpt2`, `llama` (these also by
        name, as any that `register_recipe` knows), `deepnorm`, `mup`, or any function from a `Weight` to a law (see
        `law_of`).
    seed : int, list or array of int, or numpy.random.SeedSequence
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
        memory, in part that of another parameter, or sharded so that its place cannot be told; if a parametrization
        makes something else of what a rule gives; if ranks disagree on the seed, the rules or the model, or one of them
        refuses. Then every rank that holds part of a tensor raises, and nothing has been written.

    Warns
    -----
    UserWarning
        Naming the buffers that no module restores, where the model may have been given its memory after it was made;
        what a module's own reset leaves to torch; two tensors that the
        model's ``tie_weights`` or ``_tied_weights_keys`` ties, as after ``to_empty``; what is drawn though it is frozen
        and others are not; with ``"torch"``, classes that have an initialisation beyond resets; with ``"own"``,
        parameters that have none, but in modules of torch's own that no other holds.

    Notes
    -----
    A tied weight is filled once, under its first name. The row of a ``padding_idx`` is zero, whatever the rule; where a
    weight is normalised, such rows and rules of zeros are refused. In schemes the fan is that of the whole tensor,
    groups, transposed convolutions and `split` considered, unless axes are named; ``"torch"`` keeps torch's own idea of
    it.

    Buffers are restored first, with all parameters out of reach: nothing writes to a parameter after its rule.

    *Reparametrised tensors* are filled as one, under their plain name. By weight normalisation, of either style, the
    weight in use has the law; by spectral normalisation the weight before the division has it, and its singular vectors
    are found by 15 steps of the power method from a start that seed and name give: the same everywhere but for the
    rounding of BLAS. Pruned ones are masked after the draw. Any other parametrization inverts what it is assigned.

    *Own initialisations* run as when the model is made, parts first; what a later one fills anew is not drawn before.
    What is drawn in a constructor, as in all of torchvision, neither runs again nor is seen.

    Examples
    --------
    >>> import torch
    >>> import fastinit as fi
    >>> import fastinit.torch
    >>> with torch.device("meta"):
    ...     model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    >>> model = fastinit.torch.materialize(model, "cpu")
    >>> plan = fastinit.torch.initialize_(model, [("*.bias", "zeros"), ("*", "he_normal")], seed=1)
    >>> weight = fi.he_normal((256, 784), in_axis=1, out_axis=0, seed=1, name="0.weight")
    >>> bool((model[0].weight.detach().numpy() == weight).all())
    True
    """
    check_model(model)
    boolean("buffers", buffers)
    reshard(model)
    own = list(own_tensors(model))

    def find() -> tuple[int, Iterable[str], tuple[Planned, dict[str, Tensor]]]:
        if seed is None:
            refuse("seed", "given (a rank alone would draw another)", seed)
        number = seed_number(seed)
        for one in own:
            check_tensor(one.full_name, one.tensor)
        check_apart((one.full_name, one.tensor) for one in own)
        found = planned(model, own, rules, rename=rename, split=split, partition=partition)
        values = values_of(own, found, number)
        return number, map(_deed, found.plan), (found, values)

    number, (found, values) = agreed(find, [one.tensor for one in own])
    found.warn("initialize_")
    _warn_of_frozen(own, found.plan)
    may_be_lost = may_have_lost(model)
    left = carry_out(model, own, found, number, values, rename=rename, partition=partition, buffers=buffers)
    if left and may_be_lost:
        warnings.warn(f"initialize_: buffers that no module restores are as they were: {', '.join(left)}", stacklevel=3)
    return found.plan


def carry_out(
    model: nn.Module,
    own: Iterable[OwnTensor],
    found: Planned,
    seed: int,
    values: Mapping[str, Tensor],
    *,
    rename: Rename | None = None,
    partition: Partition | None = None,
    buffers: bool = True,
) -> list[str]:
    """Do what is planned for a model and its own tensors, of which those on the meta device are passed over.

    `values` are those of `values_of`. Returns the names of buffers that nothing has restored.
    """
    before = {id(buffer) for buffer in model.buffers()}
    fills = [(entry.name, partial(_fill, one, entry, seed, partition, values))
             for one, entry in zip(own, found.plan, strict=True) if entry.law is not None]  # fmt: skip
    named = dict(fills)
    known = {step: [named[name] for name in names] for step, names in found.settled.items() if named.keys() >= {*names}}
    steps = Steps(seed, model, rename, partition, own=found.runs == "own", begins=found.begins, known=known)
    with torch.no_grad(), steps:
        if buffers:
            restore_buffers(model, steps, by_reset=found.runs is None)
        if found.runs is not None:
            reset_parts(model, own, steps, rename)
        if found.fills:
            for _, fill in fills:
                fill()
        for weight, row in padding_rows(model):
            for part in rows_of(known_pieces_of(weight, partition), row):
                part.zero_()
        for one, entry in zip(own, found.plan, strict=True):
            if one.computed is not None:
                one.computed.settle(seed, entry.name)
    return buffers_left(model, before, steps.written) if buffers else []


def _deed(entry: Entry) -> str:
    """What is going to be done to a tensor, in words that are the same in every process."""
    if entry.law is None:
        return f"{entry.name} {entry.shape}"
    words = entry.law.to_dict()
    words |= words.pop("keywords", {})  # of a user's function, which may take what is written differently everywhere
    known = {name: value for name, value in words.items() if isinstance(value, (int, float, str, tuple))}
    return f"{entry.stream} {entry.shape} {sorted(known.items())}"


def values_of(own: Iterable[OwnTensor], found: Planned, seed: int) -> dict[str, Tensor]:
    """By full name, of what parametrizations may transform: what is going to be assigned.

    Raises where they do not keep it, or what is computed cannot be given its law.
    """
    values = {}
    for one, entry in zip(own, found.plan, strict=True):
        if one.computed is None:
            continue
        one.computed.check(one.full_name)
        one.computed.check_divides(one.full_name, entry.law)
        if found.fills and one.computed.held is None and entry.law is not None and one.tensor.numel():
            values[one.full_name] = drawn(torch.empty_like(one.tensor), entry, seed)
            one.computed.check_keeps(one.full_name, values[one.full_name])
    return values


def drawn(value: Tensor, entry: Entry, seed: int) -> Tensor:
    """A new tensor, filled with what is planned."""
    assert entry.law is not None
    fill_pieces_(known_pieces_of(value), entry.law, seed=seed, name=entry.stream)
    return value


def _fill(one: OwnTensor, entry: Entry, seed: int, partition: Partition | None, values: Mapping[str, Tensor]) -> None:
    """Give a tensor the law that is planned for it."""
    assert entry.law is not None
    with torch._C.DisableTorchFunction():  # what is asked of a tensor here is not for the block to see
        if not one.tensor.numel():
            return
        pieces = known_pieces_of(one.tensor, partition) if one.computed is None else None
    if pieces is not None:
        fill_pieces_(pieces, entry.law, seed=seed, name=entry.stream)
    elif one.computed is not None:
        value = values[one.full_name] if one.full_name in values else drawn(torch.empty_like(one.tensor), entry, seed)
        one.computed.assign(value)


def _warn_of_frozen(own: Iterable[OwnTensor], plan: Plan) -> None:
    """Name what is drawn though it asks for no gradient, where others do: the model may have computed it."""
    frozen = [
        entry.name
        for one, entry in zip(own, plan, strict=True)
        if entry.law is not None and not one.tensor.requires_grad
    ]
    if frozen and any(one.tensor.requires_grad for one in own):
        warnings.warn(f"initialize_: frozen, and drawn anew all the same: {', '.join(frozen)}", stacklevel=4)
