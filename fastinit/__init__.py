"""Initial weights for neural networks: at the speed of memory, with the same bits on every machine."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    from . import _core as _core
except ImportError as _error:
    raise ImportError("the C core of fastinit is not built: run `pip install .` in its source folder") from _error

from . import laws, typing
from .bit_generator import ARS
from .generator import Generator, default_rng
from .layout import flat
from .machine import VERSION as __version__
from .machine import info, set_num_threads
from .scaling import Fans, fans, gain
from .schemes import Scheme, init, register, unregister
from .schemes.distributions import constant, normal, ones, small_normal, truncated_normal, uniform, zeros
from .schemes.fan_scaling import (
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    kaiming_normal,
    kaiming_uniform,
    lecun_normal,
    lecun_uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
)
from .schemes.structured import delta_orthogonal, dirac, identity, orthogonal, sparse

if TYPE_CHECKING:
    from . import theory
    from .findings import Verification
    from .profiler import (
        Comparison,
        Course,
        Finding,
        Network,
        Profile,
        ProfileInterrupted,
        Verdict,
        compare,
        profile,
    )
    from .streaming import Moments, Statistics, moments
    from .verification import verify

__all__ = [
    "ARS",
    "Comparison",
    "Course",
    "Fans",
    "Finding",
    "Generator",
    "Moments",
    "Network",
    "Profile",
    "ProfileInterrupted",
    "Scheme",
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
    "laws",
    "lecun_normal",
    "lecun_uniform",
    "moments",
    "normal",
    "ones",
    "orthogonal",
    "profile",
    "register",
    "set_num_threads",
    "small_normal",
    "sparse",
    "theory",
    "truncated_normal",
    "typing",
    "uniform",
    "unregister",
    "variance_scaling",
    "verify",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]


#: What looks at weights and networks, imported when one of them is first asked for, as the theory is: half the time of
#: the import.
_LATER = {
    **dict.fromkeys(("Moments", "Statistics", "moments"), "streaming"),
    "Verification": "findings",
    "verify": "verification",
    **dict.fromkeys(("Comparison", "Course", "Finding", "Network", "Profile"), "profiler"),
    **dict.fromkeys(("ProfileInterrupted", "Verdict", "compare", "profile"), "profiler"),
}


if not TYPE_CHECKING:  # which would find any name
    # Dask asks the package of a bit generator's class for its `random.default_rng`, and for `arange`, as it asks numpy.
    from numpy import arange

    from . import generator as random

    def __getattr__(name: str) -> Any:
        if name == "theory":
            return import_module(f"{__name__}.theory")
        if name in _LATER:
            found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
            return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
