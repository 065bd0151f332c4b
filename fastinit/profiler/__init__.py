"""The profiler: whether a network carries a signal forward and a gradient back. Names only."""

from .description.network import Network
from .result import Answer, Comparison, Course, Finding, LayerProfile, Profile, Verdict, compare
from .runs import ProfileInterrupted, profile
from .tangent_kernel import KernelSpectrum

__all__ = [
    "Answer",
    "Comparison",
    "Course",
    "Finding",
    "KernelSpectrum",
    "LayerProfile",
    "Network",
    "Profile",
    "ProfileInterrupted",
    "Verdict",
    "compare",
    "profile",
]
