"""fast_init: whatever a library fills with random numbers inside the block, fastinit fills."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from ... import _core
from ...arguments import refuse
from ...stream import seed_number
from ..tensors.agreement import agreed
from ..tensors.checks import check_here, check_model
from ..tensors.fills import DTYPES, address_of_few, fill_few_, fill_pieces_, seed_from, unseen_seed_from
from ..tensors.names import Register, Rename, canonical_name, versions
from ..tensors.shards import Partition, Pieces, check_partition, pieces_of, reshard, whole_of
from ..tensors.ties import untied, warn_untied
from .answers import ANSWERS, in_place_of_torchs
from .requests import Asks, Request
from .visits import Visits
from .wrapping import LOCK, unwrap, wrap

_answer_to = ANSWERS.get


class fast_init(TorchFunctionMode):  # noqa: N801
    """Context in which random fills of tensors, by whatever library, run on fastinit: ``with fast_init(): Model()``.

    Parameters
    ----------
    seed : int, list or array of int, numpy.random.SeedSequence or None
        None: each fill takes a seed from the generator of the call, or torch's default one, so that
        ``torch.manual_seed`` governs as ever. A seed: fill number i of the block is stream ``#i`` of that seed, and no
        generator is read.
    model : torch.nn.Module
        Makes the values independent of layout. A draw on a tensor of the model, or on a view of one, or on what any
        function has made of one (``torch.empty_like(weight)``, ``weight.new_empty(3)``, ``weight.clone().chunk(2)``),
        is keyed by (seed, its canonical name, how many draws that has had) and by coordinates in the whole tensor: the
        first has the stream of the name, the next ones ``name#1``, ``name#2``. Of a DTensor only the local shard is
        computed, and what is written to a part of one (``weight[row] = 0``) is not lost. Needs a seed.
    rename : callable
        With `model`: see `canonical_name`.
    partition : (int, int)
        With `model`: see `initialize_`.
    large_pages : bool
        Ask the system for large pages under a tensor of four megabytes or more; else it has those that the system
        chooses. Touching fresh memory takes longer than the fill: in large pages half as long on a machine of one's
        own, but two to three times as long in a virtual machine that has handed its free blocks back to its host.

    Attributes
    ----------
    filled : int
        How many fills ran here.
    left_to_torch : collections.Counter
        How many ran on torch, by name of the function: other distributions, integers and dropout, other dtypes, tensors
        whose memory cannot be seen or whose gradient is recorded, under ``vmap`` or a tracer, by a generator's name.
    unnamed : int
        With `model`: how many of the fills were on none of its tensors, and so are keyed by their order.

    Warns
    -----
    UserWarning
        With `model`, where something was left to torch, or unnamed, or where parameters were tied in the block (as
        after ``to_empty``, which unties them): one tensor has had the draws of all its names. Where nothing was written
        to its parameters; where two tensors are not tied that the model's ``tie_weights`` ties.

    Notes
    -----
    Calls that torch lets a mode see are seen in this thread alone. Those functions of ``torch.nn.init`` that it does
    not (``trunc_normal_``, ``orthogonal_``, ``sparse_``) are wrapped for the time of the block so that it does.

    A layer that is reset again through a wrapper which hands its methods or tensors on (``torch.compile``, activation
    checkpoints, FSDP1) has the weights that it has without. What a call draws for no parameter from a generator that it
    names stays torch's: adapters (PEFT's VeRA) store a seed instead of values, and draw them again outside.

    Entered again, it goes on counting: the next fill has the number after the last one's, so what two blocks do under
    one object is what one block would do. Within its own block it is refused: a block in a block needs another object,
    and has the fills to itself.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch
    >>> with fastinit.torch.fast_init(seed=0) as fast:
    ...     layer = torch.nn.Linear(64, 64)
    >>> fast.filled, dict(fast.left_to_torch)
    (2, {})
    """

    filled: int
    unnamed: int
    #: Whether others' code runs in the block: it may come to a module again, or to none.
    _watches = True

    def __init__(
        self,
        seed: Any = None,
        *,
        model: torch.nn.Module | None = None,
        rename: Rename | None = None,
        partition: Partition | None = None,
        large_pages: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (("rename", rename), ("partition", partition)):
            if model is None and value is not None:
                refuse("model", f"given where {name} is", model)
        self.seed = None if seed is None or model is not None else seed_number(seed)
        self.large_pages = large_pages
        self.filled = self.unnamed = 0
        self.left_to_torch: Counter[str] = Counter()
        self._visits = Visits()
        self.new: Tensor | None = None
        self._entered = False
        self.register: Register | None = None
        if model is not None:
            check_model(model)
            reshard(model)
            self.seed, self.register = _of_model(seed, model, rename, partition)
            self._visits = Visits(model, rename)

    def __repr__(self) -> str:
        return f"fast_init(filled={self.filled}, left_to_torch={dict(self.left_to_torch)})"

    def __enter__(self) -> fast_init:
        with LOCK:
            if self._entered:
                rule = "left before it is entered again (a block within its block needs one of its own)"
                refuse("fast_init", rule, self, RuntimeError)
            self._warned = self.unnamed, Counter(self.left_to_torch)
            if self.register is not None:
                reshard(self.register.model)
                self.register.written = False
                if self._watches:
                    self._before = versions(self.register.model)
                    self._visits.begin()
            self._entered = True
        wrap()
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        unwrap()
        self._visits.end()
        self._entered = False
        if self.register is None:
            return
        self.register.forget()
        if raised[0] is not None:
            return
        if done := self._done_apart(self.register):
            warnings.warn(f"fast_init: these values depend on the layout: {', '.join(done)}", stacklevel=2)
        elif self._watches and self._is_idle(self.register):
            warnings.warn(f"fast_init: {_IDLE}", stacklevel=2)
        if self._watches and (pairs := untied(self.register.model)):
            warn_untied("fast_init", pairs, stacklevel=2)

    def _is_idle(self, register: Register) -> bool:
        """Whether the model's parameters are what they were when this block began."""
        return bool(self._before) and not register.written and self._before == versions(register.model)

    def _done_apart(self, register: Register) -> list[str]:
        """What in this block was done in ways that depend on the layout of the model, in words."""
        unnamed, left = self.unnamed - self._warned[0], self.left_to_torch - self._warned[1]
        done = [f"{unnamed} fills on no tensor of the model"] if unnamed else []
        done += [f"{name} on torch, {count} times" for name, count in left.items()]
        return done + [f"{names} were tied inside (tie them before)" for names in register.tied_since()]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        answer = _answer_to(func) or (type(func) is FunctionType and in_place_of_torchs(func))
        result = answer(self, func, args, kwargs) if answer else func(*args, **kwargs)
        if self.register is not None:
            self.register.follow(func, args, kwargs, result)
        return result

    def fill(self, tensor: Tensor, asks: Asks, args: Any, kwargs: Any) -> bool:
        """Fill a tensor by the law that a call asks for; False where that is torch's to do, with nothing written."""
        if torch.compiler.is_dynamo_compiling():  # which cannot follow what is asked of a tensor here
            return False
        if self.fill_at_once(tensor, asks, args, kwargs):
            return True
        pieces = pieces_of(tensor) if tensor.dtype in DTYPES else None
        if pieces is None:
            return False
        try:
            name, place = self._place(tensor, pieces)
            shape = place.shape if place.part is None else tuple(tensor.shape)
            request = asks(whole_of(tensor, shape), *args, **kwargs)
            if request is None or _is_asked_again(request, tensor, name):
                return False
            seed, stream = self._key(request, name, place, self.register is None or self.register.is_made(tensor))
            if place.part is None or request.law.in_core:
                pieces = place
            if self.large_pages and pieces.local.device.type == "cpu":
                storage = pieces.local.untyped_storage()
                _core.advise_large_pages(storage.data_ptr(), storage.nbytes())
            fill_pieces_(pieces, request.law, seed=seed, name=stream)
        except (TypeError, ValueError):
            return False
        self.filled += 1
        return True

    def fill_at_once(self, tensor: Tensor, asks: Asks, args: Any, kwargs: Any) -> bool:
        """The same where a tensor is plain and small, and nothing but the order of calls tells it from others."""
        if self.register is not None or self.large_pages or kwargs.get("generator") is not None:
            return False
        address = address_of_few(tensor)
        if not address:
            return False
        if "generator" in kwargs:
            kwargs = {name: value for name, value in kwargs.items() if name != "generator"}
        call = asks.call(tensor, args, kwargs)
        if call is None:
            return False
        seed, name = (unseen_seed_from(None), "") if self.seed is None else (self.seed, self.stream(""))
        fill_few_(tensor, address, call, seed=seed, name=name)
        self.filled += 1
        return True

    def passes(self, tensor: Tensor) -> bool:
        """Whether there is nothing to fill."""
        if tensor.is_meta or tensor.numel():
            return tensor.is_meta
        if self.register is not None:
            check_here(tensor, "tensor")
        return True

    def _place(self, tensor: Tensor, pieces: Pieces) -> tuple[str, Pieces]:
        """The name of a tensor, "" if it has none, and what of the whole it holds."""
        found = None if self.register is None else self.register.find(tensor, pieces, tensor is self.new)
        return ("", pieces) if found is None else found

    def stream(self, name: str, draw: Any = None) -> str:
        """The name of the next draw's stream; `draw` tells draws on the tensor of that name itself apart."""
        return self._visits.stream(name, draw)

    def _key(self, request: Request, name: str, place: Pieces, beside: bool) -> tuple[int, str]:
        if self.seed is None:
            return seed_from(request.generator), ""
        self.unnamed += self.register is not None and not name
        return self.seed, self.stream(name, None if beside else (request.law, place.part))


#: What to do where a block has drawn on none of the parameters.
_IDLE = (
    "nothing was written to the model's parameters in this block (libraries skip what they have initialised before; "
    "initialize_ fills every parameter)"
)


def _of_model(
    seed: Any, model: torch.nn.Module, rename: Rename | None, partition: Partition | None
) -> tuple[int, Register]:
    """The seed, and the tensors by which draws are known; the same on every rank."""
    named = {name: tensor for name, tensor in model.named_parameters() if not is_lazy(tensor)}

    def find() -> tuple[int, Iterable[str], Register]:
        if seed is None:
            refuse("seed", "given where model is (a rank alone would draw another)", seed)
        for name, tensor in named.items():
            check_here(tensor, full_name=name)
            check_partition(tensor, partition)
        deeds = (f"{canonical_name(name, rename)} {tuple(tensor.shape)}" for name, tensor in named.items())
        return seed_number(seed), deeds, Register(model, rename, partition)

    return agreed(find, list(named.values()))


def _is_asked_again(request: Request, tensor: Tensor, name: str) -> bool:
    """Whether a call names a generator for what no model stores: who has kept its seed will have torch draw it anew."""
    return request.generator is not None and not (name or isinstance(tensor, torch.nn.Parameter))
