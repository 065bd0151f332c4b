"""The profiler: whether a network carries a signal forward and a gradient back. Names only."""

from .description.network import Network
from .result import Advice, Answer, Comparison, Course, Finding, LayerProfile, Profile, Trial, Verdict, compare
from .runs import ProfileInterrupted, profile
from .tangent_kernel import KernelSpectrum

__all__ = [
    "Advice",
    "Answer",
    "Comparison",
    "Course",
    "Finding",
    "KernelSpectrum",
    "LayerProfile",
    "Network",
    "Profile",
    "ProfileInterrupted",
    "Trial",
    "Verdict",
    "compare",
    "profile",
]
