"""Memory: a model on the meta device gets it, with its ties and with what has values already."""

from __future__ import annotations

import warnings
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ...arguments import refuse
from ..tensors.checks import check_here, check_model
from .buffers import keep, unrestored

Model = TypeVar("Model", bound=nn.Module)


def materialize(model: Model, device: torch.device | str | int) -> Model:
    """Give a model that is on the meta device its memory, without values; what has values keeps them.

    As ``to_empty``, which cuts ties of tensors and empties buffers that are in memory. Parameters get their values from
    `initialize_`, and so do the buffers that their modules can restore.

    Parameters
    ----------
    model : torch.nn.Module
        Plain or parallelised (``parallelize_module``, ``fully_shard``).
    device : torch.device or str or int
        Where all of it will be.

    Returns
    -------
    torch.nn.Module
        The same.

    Raises
    ------
    TypeError, ValueError
        If `model` is no module or has lazy ones, or `device` is none with memory.

    Warns
    -----
    UserWarning
        Naming the buffers that were on the meta device and that no method of their modules is for: make these outside
        ``torch.device("meta")``, or fill them.

    Notes
    -----
    ``to_empty`` cuts a tie of two attributes without a trace: where neither ``tie_weights`` nor
    ``_tied_weights_keys`` says that they are one, nothing can warn of it afterwards.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch
    >>> with torch.device("meta"):
    ...     model = torch.nn.Sequential(torch.nn.Embedding(50, 8), torch.nn.Linear(8, 50, bias=False))
    >>> model[1].weight = model[0].weight
    >>> fastinit.torch.materialize(model, "cpu")[1].weight is model[0].weight
    True
    """
    check_model(model)
    for name, one in chain(model.named_parameters(), model.named_buffers()):
        if is_lazy(one):
            check_here(one, full_name=name)
    device = _with_memory(device)
    lost = [name for name, buffer in unrestored(model).items() if buffer.is_meta]
    kept = [(one._buffers, leaf) for one in model.modules() for leaf, buffer in one._buffers.items()
            if buffer is not None and not buffer.is_meta]  # fmt: skip
    places: dict[Tensor, list[tuple[dict[str, Any], str]]] = {}
    for module in model.modules():
        for held in (module._parameters, module._buffers):
            for leaf, tensor in held.items():
                if tensor is not None:
                    places.setdefault(tensor, []).append((held, leaf))
    model._apply(lambda tensor: torch.empty_like(tensor, device=device) if tensor.is_meta else tensor.to(device))
    for (first, name), *others in places.values():
        for held, leaf in others:
            held[leaf] = first[name]
    keep(held[leaf] for held, leaf in kept)
    if lost:
        said = "buffers that were on the meta device have no values, unless a reset restores them"
        warnings.warn(f"materialize: {said}: {', '.join(lost)}", stacklevel=2)
    return model


def _with_memory(device: Any) -> torch.device:
    rule = "a torch.device, or what it takes, with memory: 'cpu', 'cuda', 'cuda:1'"
    if not isinstance(device, (torch.device, str, int)):
        refuse("device", rule, device, TypeError)
    try:
        found = torch.device(device)
    except RuntimeError:
        refuse("device", rule, device)
    return refuse("device", rule, device) if found.type == "meta" else found
