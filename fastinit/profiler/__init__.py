"""The profiler: whether a network carries a signal forward and a gradient back. Names only."""

from .comparison import Comparison, compare
from .description.network import Network
from .result import Field, Profile
from .runs import ProfileInterrupted, profile
from .verdict import Verdict

__all__ = ["Comparison", "Field", "Network", "Profile", "ProfileInterrupted", "Verdict", "compare", "profile"]
