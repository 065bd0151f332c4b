"""Initial weights for neural networks: at the speed of memory, with the same bits on every machine."""

__version__ = "0.1.0"

from .fill import normal, truncated_normal, uniform
from .layout import flat
from .machine import info, set_num_threads
from .scaling import fans, gain
