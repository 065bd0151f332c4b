"""Initial weights for neural networks: at the speed of memory, with the same bits on every machine.

Weights: `he_normal`, `lecun_normal`, `glorot_normal`, their `_uniform`, `orthogonal`, `normal`, `uniform`,
`truncated_normal` and others make an array; `init` makes many, each under its name; `Scheme` and `register` add more.

Streams: `default_rng` is a `numpy.random.Generator` over the same numbers.

Measures: `moments` and `Moments` take means and deviations in one pass, `verify` tells whether an array has the law
that it claims, `gain` and `fans` are what the schemes scale by.

Networks: `profile` follows signals and gradients through a network before it is trained, `compare` several, and
`theory` says what both are at infinite width.

Each takes its shape first, and the seed, the name, the dtype and the part of the array by keyword:
``he_normal((64, 128), seed=0, name="layer.0", dtype="bfloat16", index=np.s_[:32])``. The doors of frameworks are
modules of their own, as ``fastinit.torch``.
"""

from importlib import import_module
from importlib.util import find_spec

from .locks import lock_of_forks
from .version import VERSION as __version__

if find_spec(f"{__name__}._core") is None:
    from .missing import missing_core

    raise missing_core(__path__[0])

#: The public names by their homes, each imported when a name of it is first asked for: the command line reads what is
#: typed before NumPy is there, and nobody waits for what is not used. Type checkers read the stub.
_HOMES = {
    ".bit_generator": ("ARS",),
    ".findings": ("Verification",),
    ".generator": ("Generator", "default_rng"),
    ".layout": ("flat",),
    ".machine": ("info", "set_num_threads"),
    ".profiler": (
        *("Advice", "Answer", "Comparison", "Course", "Finding", "KernelSpectrum", "Network", "Profile"),
        *("ProfileInterrupted", "Trial", "Verdict", "compare", "profile"),
    ),
    ".saving": ("save",),
    ".scaling": ("Fans", "fans", "gain"),
    ".schemes": ("Scheme", "init", "register", "unregister"),
    ".schemes.distributions": (
        *("constant", "normal", "ones", "small_normal"),
        *("truncated_normal", "uniform", "zeros"),
    ),
    ".schemes.fan_scaling": (
        *("glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "kaiming_normal", "kaiming_uniform"),
        *("lecun_normal", "lecun_uniform", "variance_scaling", "xavier_normal", "xavier_uniform"),
    ),
    ".schemes.structured": ("delta_orthogonal", "dirac", "identity", "orthogonal", "sparse"),
    ".streaming": ("Moments", "Statistics", "moments"),
    ".sweeps": ("Sweep", "sweep"),
    ".verification": ("verify",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = {name: f".{name}" for name in ("laws", "theory", "typing")}

__all__ = sorted([*_HOME, *_MODULES])

# Dask asks the package of a bit generator's class for its `random.default_rng`, and for `arange`, as it asks numpy.
_HOME["arange"], _MODULES["random"] = "numpy", ".generator"


#: Held for an import: two threads that begin in different rooms of a package may stop each other, and a child that is
#: forked meanwhile would wait for ever.
_importing = lock_of_forks()


#: Rooms that import what has hooks of forks itself, as `logging` and pools of threads do. It is imported without the
#: lock: a fork that waits for that would run the half of these hooks that comes after it, and say so.
_THREADED = (".profiler", ".sweeps")


def __getattr__(name: str) -> object:
    if name not in _HOME and name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _HOME.get(name) in _THREADED:
        import_module("concurrent.futures.thread")
    with _importing:
        home = import_module(_MODULES.get(name) or _HOME[name], __name__)
    found = globals()[name] = home if name in _MODULES else getattr(home, name)
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
