"""Methods: which ways of propagation a network can have, what memory each takes, and which one is meant."""

from __future__ import annotations

from math import prod
from typing import Any, get_args

from .. import _core
from ..arguments import Words, check_open, choice, refuse
from ..machine import available_memory, threads_for
from ..typing import Client, Method
from .description.network import Network, Text, mixes, normalisation_of
from .description.signals import Signals
from .steps.attention import ATTENTION
from .steps.matrices import TILE
from .tangent_kernel import kernel_examples

METHODS = get_args(Method)[1:]
#: Bytes that are there: to look how many are takes as long as to profile a small network's layer or two.
_THERE = 1 << 24
#: Elements of a signal that the core passes for longer than the interpreter needs to ask for it.
_LARGE = 1 << 16
#: Weights of a layer beyond which "auto" looks for another method than "dense": 256 MiB of float32.
DENSE_WEIGHTS = 1 << 26
#: Bytes of the sums of a layer's moments.
_TALLY = 152 << 10


def method_for(network: Network, signals: Signals, method: str, client: Client | None = None) -> str:
    """The method to use: the one asked for, or for "auto" the first that suits; it is refused where it cannot be."""
    choice("method", method, get_args(Method))
    if client is not None:
        _check_client(network, signals, method, client)
        method = "matrix_free"
    elif method == "auto":
        largest = max(map(prod, _shapes(network)))
        method = "dense"
        if largest > DENSE_WEIGHTS:
            method = next((m for m in ("matrix_free", "tiled") if not _obstacle(network, signals, m)), "dense")
    obstacle = _obstacle(network, signals, method)
    if obstacle and client is not None:
        refuse("client", f"left out where the method must be {obstacle}", client)
    if obstacle:
        refuse("method", obstacle, method)
    _check_memory(network, signals, method)
    return method


def _check_client(network: Network, signals: Signals, method: str, client: Any) -> None:
    """That its workers have columns to pass, of which none but they need the signals."""
    if not (hasattr(client, "submit") and hasattr(client, "map")):
        refuse("client", "a client of Dask, a distributed.Client", client, TypeError)
    check_open("client", client)
    kept = {
        f"with method {method!r}": method not in ("auto", "matrix_free"),
        "for a residual network": network.residual,
        "where there is a loss": signals.loss is not None,
        "with sgd_steps or jacobian": signals.asks_again,
    }
    for where in (where for where, is_so in kept.items() if is_so):
        refuse("client", f"left out {where}", client)


def at_once(network: Network, signals: Signals, method: str, repeats: int) -> bool:
    """Whether each thread is to make drawings of its own.

    Where there are several for each, and memory for all; the core takes most of the time, or they would wait for the
    interpreter; and they call no function of the user, which may not bear it.
    """
    threads = threads_for(None)
    if method != "matrix_free" or signals.asks_again or callable(signals.loss) or not network.activation.in_core:
        return False
    large = network.batch * min(network.widths) >= _LARGE
    return large and repeats >= 4 * threads and threads * memory(network, signals, method) <= available_memory()


def _shapes(network: Network) -> list[tuple[int, ...]]:
    """Of all weights."""
    return [shape for layer in range(network.depth) for shape in network.matrices(layer + 1).values()]


def _obstacle(network: Network, signals: Signals, method: str) -> str:
    """What `method` must be, where it cannot be this one."""
    scheme = network.scheme
    if method == "tiled":
        if not scheme.can_be_cut:
            return f"'dense' for weights that cannot be made tile by tile ({scheme.name})"
        if signals.sgd_steps:
            return "'dense' or 'matrix_free' for weights that learn"
    if method == "matrix_free":
        other = "'dense' or 'tiled'" if scheme.can_be_cut else "'dense'"
        if network.kind != "mlp":
            return f"{other} for kind {network.kind!r}"
        if not (scheme.is_gaussian or scheme.is_haar):
            return f"{other} for weights that are neither Gaussian of mean zero nor Haar ({scheme})"
        if scheme.is_haar and signals.asks_again:
            again = "sgd_steps" if signals.sgd_steps else "jacobian"
            return f"'dense' for orthogonal weights that are multiplied again ({again})"
        if (norm := normalisation_of(network)) and not norm.can_be_cut:
            return f"{other} for a norm of which no part can be had without the rest ({network.norm})"
        if network.batch >= min(network.widths):
            return f"{other} for a batch ({network.batch}) that is not below every width ({min(network.widths)})"
    return ""


def memory(network: Network, signals: Signals, method: str) -> int:
    """Bytes that a method takes at its peak, roughly and from above."""
    item = network.dtype.itemsize
    rows, widest = network.rows, max(network.widths)
    if method == "matrix_free":
        return item * _wide_arrays(network, signals) + (0 if signals.asks_again else _blocks_and_products(network))
    shapes = _shapes(network)
    if network.text:
        signal = _text_signal(network, network.text, signals)
    else:
        patches = max(prod(shape[:-1]) for shape in shapes) if network.image else widest
        kept = sum(network.widths) * (4 if signals.backward else 0)
        signal = rows * (kept + 4 * widest + 2 * patches + (sum(prod(s[:-1]) for s in shapes) if network.image else 0))
    if method == "tiled":
        return item * (signal + TILE * TILE)
    held = signals.sgd_steps or not network.scheme.can_be_cut
    weights = sum(map(prod, shapes)) if held else sum(map(prod, set(shapes)))
    return item * (signal + weights)


def _text_signal(network: Network, text: Text, signals: Signals) -> int:
    """Numbers that the blocks keep, and that one of them needs at once beside weights."""
    rows, width = network.rows, network.widths[0]
    few = rows <= width  # then products keep what they give, not what they get
    kept = (10 if few else 6) * width + (2 + (2 + few) * text.gated) * text.hidden
    if signals.sgd_steps:
        kept += 5 * width + (1 + text.gated) * text.hidden
    heads = network.batch * text.heads * text.positions**2
    attention = 12 * rows * width + 4 * min(heads, max(ATTENTION, text.positions**2))
    mlp = rows * (2 * width + (6 + 3 * text.gated) * text.hidden)
    return rows * kept * (network.depth if signals.backward else 1) + max(attention, mlp)


def _wide_arrays(network: Network, signals: Signals) -> int:
    """Elements of what "matrix_free" keeps as wide as the network."""
    batch, widths, widest = network.batch, network.widths, max(network.widths)
    if signals.asks_again:  # bases and images on both sides, what was learned; and what the steps keep
        times = signals.sgd_steps + 1
        seen = batch * (2 * times + 2 * signals.jacobian + signals.sgd_steps) + times * _rows_beside(network, signals)
        sides = sum(widths[:-1]) + sum(widths[1:])
        return seen * sides + 6 * batch * sum(widths) + (seen + 6 * batch) * widest
    outputs = 4 * batch * widths[-1] if signals.loss is not None else 0
    # a stream in float64, its gradient, and where no norm keeps branches small, a copy for each growth by 2**20
    copies = 1 if network.norm else 1 + network.depth // 40
    stream = copies * 8 // network.dtype.itemsize
    few = _mixed_examples(network)
    return outputs + widest * max(batch * (1 + stream), few * (few + stream)) * network.residual


def _rows_beside(network: Network, signals: Signals) -> int:
    """Rows that the tangent kernel alone sends through the weights, on both ways."""
    few = kernel_examples(network, alone=True)
    return few * (few + 1) if mixes(network) else 0 if signals.is_random else few


def _mixed_examples(network: Network) -> int:
    """Examples whose tangent kernel is taken by a gradient of as many rows for each."""
    return kernel_examples(network) if mixes(network) else 0


def _blocks_and_products(network: Network) -> int:
    """Bytes of the blocks that threads work on, of sums, and of what each layer keeps between its two passes."""
    batch = max(network.batch, _mixed_examples(network) ** 2)
    widest = max(network.widths)
    block = batch * min(_core.columns_at_once(batch), widest)
    sums = 2 * _core.columns_parts(batch, widest)
    held = threads_for(None) * block * (10 * network.dtype.itemsize + 16)
    return held + 8 * batch**2 * (9 * network.depth + 24 + sums) + _TALLY * (network.depth + 1)


def _check_memory(network: Network, signals: Signals, method: str) -> None:
    needed = memory(network, signals, method)
    if needed <= _THERE or needed <= (free := available_memory()):
        return
    others = [m for m in METHODS if not _obstacle(network, signals, m) and memory(network, signals, m) <= free]
    rule = f"one that fits in {free / 2**30:.3g} GiB of free memory"
    rule += f" ({', '.join(map(repr, others))})" if others else " (none does: a smaller width or batch is needed)"
    refuse("method", rule, Words(f"{method!r}, which takes {needed / 2**30:.3g} GiB"))
