"""Initial weights for neural networks: at the speed of memory, with the same bits on every machine."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    from . import _core as _core
except ImportError as error:
    raise ImportError("the C core of fastinit is not built: run `pip install .` in its source folder") from error

from .deterministic import constant, dirac, identity, ones, zeros
from .fill import normal, truncated_normal, uniform
from .generator import ARS, Generator, default_rng
from .layout import flat
from .machine import VERSION as __version__
from .machine import info, set_num_threads
from .scaling import Fans, fans, gain
from .schemes import (
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    init,
    kaiming_normal,
    kaiming_uniform,
    lecun_normal,
    lecun_uniform,
    small_normal,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
)
from .streaming import Moments, Statistics, moments
from .structured import delta_orthogonal, orthogonal, sparse
from .verification import Verification, verify

if TYPE_CHECKING:
    from . import theory
    from .profiler import Comparison, Profile, Verdict, compare, profile

__all__ = [
    "ARS",
    "Comparison",
    "Fans",
    "Generator",
    "Moments",
    "Profile",
    "Statistics",
    "Verdict",
    "Verification",
    "compare",
    "constant",
    "default_rng",
    "delta_orthogonal",
    "dirac",
    "fans",
    "flat",
    "gain",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "info",
    "init",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "moments",
    "normal",
    "ones",
    "orthogonal",
    "profile",
    "set_num_threads",
    "small_normal",
    "sparse",
    "theory",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "verify",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]


def __getattr__(name: str) -> Any:
    """The profiler and the theory, imported when they are first asked for: half the time of the import was theirs."""
    if name == "theory":
        return import_module(f"{__name__}.theory")
    if name in ("Comparison", "Profile", "Verdict", "compare", "profile"):
        found = globals()[name] = getattr(import_module(f"{__name__}.profiler"), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
