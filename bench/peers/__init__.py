"""Peers: who else makes such numbers here, and the best call of each. One class per peer; absent ones are left out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from .arrays import Bottleneck, NumPy, read_limit
from .frameworks import Jax, Torch, Transformers
from .generators import MklRandom, OneMkl, Randompack
from .peer import Entrants, Peer

__all__ = ["Peer", "from_peers", "installed", "read_limit"]


@cache
def installed() -> tuple[Peer, ...]:
    """The peers that can be loaded here; NumPy always is."""
    found: list[Peer] = []
    for peer in (NumPy, Torch, Transformers, Jax, Randompack, MklRandom, OneMkl, Bottleneck):
        try:
            found.append(peer())
        except (ImportError, OSError):
            continue
    return tuple(found)


def from_peers(ask: Callable[[Peer], Entrants]) -> Entrants:
    """The entrants that all of them name."""
    return {label: entrant for peer in installed() for label, entrant in ask(peer).items()}
