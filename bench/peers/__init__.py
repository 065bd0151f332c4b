"""Peers: who else makes such numbers here, and the best call of each. One class per peer; absent ones are left out."""

from __future__ import annotations

from functools import cache

from .arrays import Bottleneck, NumPy, read_limit
from .frameworks import Jax, Torch, Transformers
from .generators import MklRandom, OneMkl, Randompack
from .peer import Peer

__all__ = ["Peer", "installed", "read_limit"]


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
