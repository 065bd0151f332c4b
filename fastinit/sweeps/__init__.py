"""Sweeps: profiles over a product of settings, here or on many machines. Names only."""

from .result import Sweep
from .runs import sweep

__all__ = ["Sweep", "sweep"]
