"""The profiler: whether a network carries a signal forward and a gradient back. Names only."""

from .measurement import profile
from .network import Network
from .result import Comparison, Course, Finding, LayerProfile, Profile, Verdict, compare

__all__ = ["Comparison", "Course", "Finding", "LayerProfile", "Network", "Profile", "Verdict", "compare", "profile"]
