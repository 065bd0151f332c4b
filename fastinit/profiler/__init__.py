"""The profiler: whether a network carries a signal forward and a gradient back. Names only."""

from .comparison import Comparison, compare
from .measurement import profile
from .network import Network
from .result import Field, Profile
from .verdict import Verdict

__all__ = ["Comparison", "Field", "Network", "Profile", "Verdict", "compare", "profile"]
