"""verify: whether every shard of a model has its law and its bits; and one hash of it that no sharding changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ... import verification
from ...arguments import refuse
from ...machine import usually_rounded
from ...models.plans import Entry
from ...models.shards import ModelVerification, Shard, digest_of, put_together, wants_sketches
from ...rectangles import Rectangle
from ...stream import seed_number
from ...typing import Index
from ..rules.lists import Rules
from ..tensors.agreement import from_all_ranks
from ..tensors.checks import check_model, check_tensor
from ..tensors.fills import array_over, values_over
from ..tensors.names import Rename, named_tensors
from ..tensors.shards import Partition, Pieces, check_partition, is_dtensor, known_pieces_of, reshard, rows_of
from ..tensors.ties import warn_untied
from .plans import planned
from .resets import OwnTensor, own_tensors, padding_rows

#: A shard, and what gives its arrays once more.
_Held = tuple[Shard, Callable[[], list[Any]]]
_BITS = {2: (torch.int16, np.uint16), 4: (torch.int32, np.uint32), 8: (torch.int64, np.uint64)}


@usually_rounded
def verify(
    model: nn.Module,
    rules: Rules = "torch",
    seed: Any = None,
    *,
    rename: Rename | None = None,
    split: Mapping[str, int] | None = None,
    partition: Partition | None = None,
) -> ModelVerification:
    """Does a model, sharded or not, have the weights that `initialize_` gives it?

    Each rank compares what it holds with the laws of `plan` (see `fastinit.verify`), and where a seed is given every
    bit. Where ``torch.distributed`` is initialised every rank must call this, and what they found is put together:
    replicas must be equal, shards of a tensor must make up the whole, and different shards or tensors must not hold the
    same values, as they do where every rank has drawn its shard from the same generator.

    Parameters
    ----------
    model, rules, rename, split, partition
        As for `initialize_`. Buffers are not looked at.
    seed : int, list or array of int, numpy.random.SeedSequence or None
        None: laws alone are checked. The same on every rank.

    Returns
    -------
    ModelVerification
        True if nothing was wrong, and the same on every rank.

    Raises
    ------
    ValueError, TypeError
        As for `initialize_`, on every rank; but parameters that share memory are told by their values.

    Warns
    -----
    UserWarning
        Naming two tensors that the model ties.

    Notes
    -----
    *False alarms*: with a seed none (``orthogonal`` must agree up to rounding). Without, a right shard of a tensor is
    doubted less than once in 10**7 (see `fastinit.verify`).

    *Reparametrised tensors*: of weight normalisation the directions must have the law, and the lengths be theirs, so
    that the weight in use has it; of spectral normalisation and pruning the weight before these must.

    *What it cannot see*: without a seed, tensors of one law that have changed places; of a shard of fewer than 1,000
    elements, anything but mean and deviation; stretches that shards have in common of fewer than 16 elements, and short
    ones in long shards, of which 32 stretches each are compared. That two tensors should be tied, where the model does
    not say so: one that is a copy of the other is found, and one that has a stream of its own is not.

    *Digest*: a tensor's is the sum modulo 2**64, over its elements, of a mix of the element's number in the whole and
    its bits: so it does not matter who holds which. The sums, sorted, with names, shapes and dtypes go through BLAKE2b.
    A replica counts once, a tied weight too, under its first name. Two models that differ by accident have the same
    digest once in 2**64; somebody who wants two with the same one can make them. Without a process group it is that of
    what is here.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    >>> rules = [("*.bias", "zeros"), ("*", "he_normal")]
    >>> _ = fastinit.torch.initialize_(model, rules, seed=1)
    >>> print(fastinit.torch.verify(model, rules, seed=1))
    tensors checked: 4
    digest: 6fc1b481f96e06b03e40e202c9e2ec90
    ok
    >>> print(fastinit.torch.verify(model, "torch").problems[0])
    0.weight: standard deviation 0.0505 where 0.0206 is claimed (1028 standard errors away) (and 6 more)
    """

    mine: list[_Held] = []

    def find() -> tuple[int | None, list[Shard]]:
        number = None if seed is None else seed_number(seed)
        mine.extend(_shards(model, rules, number, rename, split, partition))
        return number, [shard for shard, _ in mine]

    everyone = from_all_ranks(find)
    seeds = [one for one, _ in everyone]
    if len(set(seeds)) > 1:
        refuse("seed", "the same on every rank", seeds)
    shards = [found for _, found in everyone]
    if wants_sketches(shards):
        shards = from_all_ranks(lambda: [shard.sketched(arrays) for shard, arrays in mine])
    return put_together(shards)


def _shards(
    model: nn.Module,
    rules: Rules,
    seed: int | None,
    rename: Rename | None,
    split: Mapping[str, int] | None,
    partition: Partition | None,
) -> Iterator[_Held]:
    check_model(model)
    reshard(model)
    own = list(own_tensors(model))
    found = planned(model, own, rules, rename=rename, split=split, partition=partition)
    if found.untied:
        warn_untied("verify", found.untied, stacklevel=6)
    known = [(one, entry) for one, entry in zip(own, found.plan, strict=True) if entry.law is not None]
    laws = {id(one.tensor if one.computed is None else one.computed.held): entry for one, entry in known}
    lengths = dict(both for one, _ in known if (both := _lengths(one)) is not None)
    padding = _padding(model)
    for named in named_tensors(model, rename):
        if named.parameter:
            name, tensor = named.names[0], named.tensor
            check_tensor(name, tensor)
            check_partition(tensor, partition)
            pieces, entry = known_pieces_of(tensor, partition), laws.get(id(tensor))
            shard, arrays = _shard(name, pieces, entry, seed, padding.get(id(tensor), []))
            wrong = lengths.get(id(tensor))
            yield shard if wrong is None else shard._replace(checked=True, problems=wrong), arrays


def _padding(model: nn.Module) -> dict[int, list[int]]:
    """By the id of a weight, its rows that are zero."""
    rows: dict[int, list[int]] = {}
    for weight, row in padding_rows(model):
        rows.setdefault(id(weight), []).append(row)
    return rows


def _lengths(one: OwnTensor) -> tuple[int, tuple[str, ...]] | None:
    """Of weight normalisation: the id of the parameter that has lengths, and what is wrong with these."""
    both = None if one.computed is None else one.computed.lengths
    if both is None or is_dtensor(both[0]):
        return None
    given, right = (each.detach().double() for each in both)
    nearly = torch.allclose(given, right, rtol=16 * torch.finfo(both[0].dtype).eps, atol=0)
    return id(both[0]), () if nearly and right.all() else (f"not the lengths that {one.full_name} has to have its law",)


def _shard(name: str, pieces: Pieces, entry: Entry | None, seed: int | None, padding: list[int]) -> _Held:
    shape, local = pieces.shape, pieces.local.detach().cpu()
    whole = Rectangle.whole(shape)
    held = [whole] if pieces.rectangles is None else pieces.rectangles
    held = [one for one in held if one.elements]
    places = tuple((one.offset, one.size) for one in held)
    total = sum(_digest(local, one, shape) for one in held) % 2**64
    shard = Shard(name, shape, str(local.dtype).removeprefix("torch."), places, total, entry is not None)
    if entry is None or entry.law is None:
        return shard, list
    padding = [row % shape[0] for row in padding if -shape[0] <= row < shape[0]]
    problems = [
        f"row {row}, that of a padding index, is not zero"
        for row in padding
        if any(bool(part.any()) for part in rows_of(pieces, row))
    ]
    for row in padding:
        held = [part for one in held for part in one.without_row(row)]
    if not held:
        return shard._replace(problems=tuple(problems)), list
    arrays = _arrays(pieces, held)
    index: list[Index] | None = None if held == [whole] else [one.slices for one in held]
    given = arrays if index else arrays[0]
    found = verification.verify(given, entry.law, shape=shape, index=index, seed=seed, name=entry.stream)
    return shard._replace(problems=tuple(problems)).judged(found, entry.law), partial(_arrays, pieces, held)


def _arrays(pieces: Pieces, held: list[Rectangle]) -> list[Any]:
    local = pieces.local.detach().cpu()
    return [values_over(local[one.local_slices]) for one in held]


def _digest(local: Tensor, rectangle: Rectangle, shape: tuple[int, ...]) -> int:
    """See `digest_of`."""
    signed, unsigned = _BITS[local.element_size()]
    return digest_of(lambda part: array_over(local[part.local_slices].view(signed)).view(unsigned), rectangle, shape)
