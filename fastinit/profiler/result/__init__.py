"""The results: profiles by layer, their verdicts, and several of them side by side. Names only."""

from .advice import Advice, Trial
from .comparison import Comparison, compare
from .courses import Course
from .findings import Finding
from .layer_profile import LayerProfile
from .network_profile import Profile
from .training import Answer
from .verdict import Verdict

__all__ = [
    "Advice",
    "Answer",
    "Comparison",
    "Course",
    "Finding",
    "LayerProfile",
    "Profile",
    "Trial",
    "Verdict",
    "compare",
]
