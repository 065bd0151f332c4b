"""The profiler: whether a network carries a signal forward and a gradient back. Names only."""

from .description.network import Network
from .result import Comparison, Course, Finding, LayerProfile, Profile, Verdict, compare
from .runs import ProfileInterrupted, profile

__all__ = [
    "Comparison",
    "Course",
    "Finding",
    "LayerProfile",
    "Network",
    "Profile",
    "ProfileInterrupted",
    "Verdict",
    "compare",
    "profile",
]
