"""Peers: who else makes such numbers here, and the best call of each. One class per peer; absent ones are left out."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from .checks import BOUND, STD, check_moment
from .races import Array, Call, Entrant

_CALIBRATION = 1 << 17
Entrants = dict[str, Entrant]


class Peer:
    """A peer: its name, its version, and entrants for the races that it can run in.

    `choices` says which of several engines was found the fastest, by law and dtype.
    """

    name = ""
    module = ""

    def __init__(self) -> None:
        self.package = import_module(self.module)
        self.version = getattr(self.package, "__version__", "")
        self.choices: dict[str, str] = {}

    def fills(self, law: str, dtype: str) -> Entrants:
        """Ways to fill the buffer with a law."""
        return {}

    def schemes(self, scheme: str) -> Entrants:
        """Ways to make a square float32 layer."""
        return {}

    def moments(self, order: int, dtype: str) -> Entrants:
        """Ways to reduce the buffer to its variance (order 2) or kurtosis (order 4)."""
        return {}

    def orthogonal(self) -> Entrants:
        """Ways to make a Haar-distributed square matrix."""
        return {}

    def small_layer(self) -> Entrants:
        """Ways to make an 8 x 8 He-normal layer."""
        return {}

    def fastest(self, what: str, candidates: dict[str, Callable[[Array], Call]], out: Array) -> Call:
        """The candidate that fills 128 Ki values in the least time; chosen once for each `what`."""
        if what not in self.choices:
            trial = np.zeros(_CALIBRATION, out.dtype)
            calls = {label: bind(trial) for label, bind in candidates.items()}
            times = [{label: _seconds(call) for label, call in calls.items()} for _ in range(15)]
            self.choices[what] = min(candidates, key=lambda label: min(trial[label] for trial in times))
        return candidates[self.choices[what]](out)


def _seconds(call: Call) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def _into(out: Array, fill: Callable[[], Any]) -> Call:
    """A call of `fill`, which writes `out`, that returns `out`."""

    def call() -> Array:
        fill()
        return out

    return call


class NumPy(Peer):
    """NumPy as people type it, and at its best: SFC64, float32, `out=`, scaled in place."""

    name, module = "numpy", "numpy"

    def __init__(self) -> None:
        super().__init__()
        self.best = np.random.Generator(np.random.SFC64(1))
        np.random.seed(1)

    def fills(self, law: str, dtype: str) -> Entrants:
        fill = {"normal": self._normal, "uniform": self._uniform, "truncated": self._truncated}[law]
        typed = {
            "normal": lambda n: np.random.randn(n) * STD,
            "uniform": lambda n: np.random.uniform(-BOUND, BOUND, n),
            "truncated": lambda n: _redrawn(np.random.randn(n), np.random.randn) * STD,
        }[law]
        narrow = dtype in ("float16", "bfloat16")
        as_typed = Entrant(lambda out: lambda: typed(out.size).astype(out.dtype) if narrow else typed(out.size))
        best = Entrant(lambda out: _into(out, partial(self._blocks if narrow else fill, out, fill)))
        return {"numpy best": best, "numpy as typed": as_typed}

    def _normal(self, out: Array, _: Any = None) -> None:
        self.best.standard_normal(dtype=out.dtype, out=out)
        out *= STD

    def _uniform(self, out: Array, _: Any = None) -> None:
        self.best.random(dtype=out.dtype, out=out)
        out *= 2 * BOUND
        out -= BOUND

    def _truncated(self, out: Array, _: Any = None) -> None:
        self.best.standard_normal(dtype=out.dtype, out=out)
        _redrawn(out, partial(self.best.standard_normal, dtype=out.dtype))
        out *= STD

    def _blocks(self, out: Array, fill: Callable[[Array], None], block: int = 1 << 14) -> None:
        """Fill 16-bit `out` from float32 blocks that stay in cache."""
        scratch = np.empty(min(block, out.size), np.float32)
        for start in range(0, out.size, block):
            part = scratch[: out.size - start]
            fill(part)
            out[start : start + block] = part

    def schemes(self, scheme: str) -> Entrants:
        typed = {
            "small_normal": lambda n: np.random.randn(n, n) * 0.01,
            "lecun_normal": lambda n: np.random.randn(n, n) / np.sqrt(n),
            "he_normal": lambda n: np.random.randn(n, n) * np.sqrt(2 / n),
            "he_normal truncated": None,
            "glorot_uniform": lambda n: np.random.uniform(-np.sqrt(3 / n), np.sqrt(3 / n), (n, n)),
        }[scheme]
        return {"numpy as typed": Entrant(lambda out: lambda: typed(len(out)))} if typed else {}

    def moments(self, order: int, dtype: str) -> Entrants:
        def wide(x: Array) -> Array:
            return x.astype(np.float32) if dtype == "bfloat16" else x

        if order == 2:
            own = Entrant(lambda x: lambda: np.var(wide(x)), 1e-4)
            double = Entrant(lambda x: lambda: np.var(wide(x), dtype=np.float64), 1e-9)
            return {"numpy var": own} | ({} if dtype == "float64" else {"numpy var, float64": double})
        typed = Entrant(lambda x: lambda: _four_moments(wide(x)), 1e-3)
        return {"numpy four moments": typed, "numpy four moments, products": Entrant(_products_of(wide), 1e-3)}

    def orthogonal(self) -> Entrants:
        def call(out: Array) -> Array:
            q, r = np.linalg.qr(self.best.standard_normal(out.shape, dtype=out.dtype))
            return np.multiply(q, np.sign(np.diag(r)), out=out)

        return {"numpy qr": Entrant(lambda out: partial(call, out), 1e-4)}

    def small_layer(self) -> Entrants:
        return {"numpy": Entrant(lambda out: lambda: np.random.default_rng(0).standard_normal((8, 8)) * 0.5)}


def _redrawn(z: Array, normal: Callable[[int], Array]) -> Array:
    """Standard normal `z`, in place, drawn again where it is cut off."""
    bad = np.flatnonzero(np.abs(z) > 2)
    while bad.size:
        z[bad] = normal(bad.size)
        bad = bad[np.abs(z[bad]) > 2]
    return z


def _four_moments(x: Array) -> float:
    mean, variance = x.mean(), x.var()
    third, fourth = ((x - mean) ** 3).mean(), ((x - mean) ** 4).mean()
    return float((mean, variance, third, fourth)[3] / variance**2)


def _products_of(wide: Callable[[Array], Array]) -> Callable[[Array], Call]:
    def call(x: Array) -> float:
        d = wide(x) - wide(x).mean()
        squared = d * d
        variance, third, fourth = squared.mean(), (squared * d).mean(), (squared * squared).mean()
        return float((variance, third, fourth)[2] / variance**2)

    return lambda x: partial(call, x)


class Torch(Peer):
    """torch.Tensor and torch.nn.init, on the buffer of the race."""

    name, module = "torch", "torch"

    def __init__(self) -> None:
        super().__init__()
        self.init = self.package.nn.init
        self.package.manual_seed(1)

    def tensor(self, out: Array) -> Any:
        """The same memory as a tensor."""
        if out.dtype.name == "bfloat16":
            return self.package.from_numpy(out.view(np.int16)).view(self.package.bfloat16)
        return self.package.from_numpy(out)

    def _entrant(self, fill: Callable[[Any], Any], slack: float = 0.0) -> Entrant:
        return Entrant(lambda out: _into(out, partial(fill, self.tensor(out))), slack)

    def fills(self, law: str, dtype: str) -> Entrants:
        trunc = self.init.trunc_normal_
        slack = 5e-3 if dtype in ("float16", "bfloat16") else 0.0  # 16-bit uniforms are rounded down
        if law == "normal":
            own = {"torch": self._entrant(lambda t: t.normal_(0, STD), slack)}
            uncut = self._entrant(lambda t: trunc(t, std=STD), slack)  # a, b = -2, 2 are absolute: they cut nothing
            return own | ({"torch trunc_normal_ uncut": uncut} if dtype in ("float32", "bfloat16") else {})
        if law == "uniform":
            return {"torch": self._entrant(lambda t: t.uniform_(-BOUND, BOUND), slack)}
        return {"torch": self._entrant(lambda t: trunc(t, std=STD, a=-2 * STD, b=2 * STD), slack)}

    def schemes(self, scheme: str) -> Entrants:
        init = self.init

        fill = {
            "small_normal": lambda t: init.normal_(t, 0, 0.01),
            "lecun_normal": lambda t: init.kaiming_normal_(t, nonlinearity="linear"),
            "he_normal": lambda t: init.kaiming_normal_(t, nonlinearity="relu"),
            "he_normal truncated": None,
            "glorot_uniform": lambda t: init.xavier_uniform_(t),
        }[scheme]
        return {"torch": self._entrant(fill)} if fill else {}

    def moments(self, order: int, dtype: str) -> Entrants:
        def bind(x: Array) -> Call:
            tensor = self.tensor(x)
            return lambda: self.package.var_mean(tensor, correction=0)[0].item()

        return {"torch": Entrant(bind, 1e-2 if dtype == "bfloat16" else 1e-4)} if order == 2 else {}

    def orthogonal(self) -> Entrants:
        return {"torch": self._entrant(self.init.orthogonal_, 1e-4)}

    def small_layer(self) -> Entrants:
        empty, fill = self.package.empty, self.init.kaiming_normal_
        return {"torch": Entrant(lambda out: lambda: fill(empty(8, 8), nonlinearity="relu"))}


class Transformers(Peer):
    """Its models are in `torch_models`."""

    name = module = "transformers"


class Jax(Peer):
    """jax.random, compiled. One thread: NPROC is what XLA's pool on the CPU heeds, and it must come first."""

    name, module = "jax", "jax"

    def __init__(self) -> None:
        os.environ.setdefault("NPROC", "1")
        super().__init__()
        self.random = import_module("jax.random")
        self.initializers = import_module("jax.nn.initializers")

    def _entrant(self, make: Callable[[Any, Any, Any], Any], slack: float = 0.0) -> Entrant:
        def bind(out: Array) -> Call:
            made, key = self._compiled(make, out.shape, out.dtype.name), self.random.key(1)
            return lambda: made(key).block_until_ready()

        return Entrant(bind, slack)

    @cache  # noqa: B019 (peers live as long as the process)
    def _compiled(self, make: Callable[[Any, Any, Any], Any], shape: Any, dtype: str) -> Any:
        return self.package.jit(lambda key: make(key, shape, dtype)).lower(self.random.key(1)).compile()

    def fills(self, law: str, dtype: str) -> Entrants:
        if dtype == "float64":
            return {}
        make = {
            "normal": self.initializers.normal(STD),
            "uniform": lambda key, shape, dtype: self.random.uniform(key, shape, dtype, -BOUND, BOUND),
            "truncated": self.initializers.truncated_normal(STD),
        }[law]
        # Its uniforms have as many bits as the mantissa: 128 values in bfloat16, with mean -0.018 std.
        return {"jax": self._entrant(make, {"float16": 5e-3, "bfloat16": 3e-2}.get(dtype, 0.0))}

    def schemes(self, scheme: str) -> Entrants:
        make = {
            "small_normal": self.initializers.normal(0.01),
            "lecun_normal": self.initializers.variance_scaling(1, "fan_in", "normal"),
            "he_normal": self.initializers.variance_scaling(2, "fan_in", "normal"),
            "he_normal truncated": self.initializers.he_normal(),
            "glorot_uniform": self.initializers.glorot_uniform(),
        }[scheme]
        return {"jax": self._entrant(make)}

    def small_layer(self) -> Entrants:
        make, key = self.package.jit(lambda key: self.initializers.he_normal()(key, (8, 8))), self.random.key(1)
        return {"jax": Entrant(lambda out: lambda: make(key).block_until_ready())}


class Randompack(Peer):
    """randompack, with the fastest of its engines."""

    name, module = "randompack", "randompack"

    def fills(self, law: str, dtype: str) -> Entrants:
        if dtype not in ("float32", "float64") or law == "truncated":
            return {}
        engines = ("x256++simd", "x256**simd", "sfc64simd", "sfc64", "xoro++", "x128+")
        candidates = {engine: self._candidate(law, engine) for engine in engines}
        return {"randompack": Entrant(partial(self.fastest, f"{law} {dtype}", candidates))}

    def _candidate(self, law: str, engine: str) -> Callable[[Array], Call]:
        rng = self.package.Rng(engine)
        rng.seed(1)
        fill = partial(rng.normal, mu=0.0, sigma=STD) if law == "normal" else partial(rng.unif, a=-BOUND, b=BOUND)
        return lambda out: _into(out, partial(fill, out=out))


class MklRandom(Peer):
    """mkl_random: float64, new memory at each call; the fastest of its generators."""

    name, module = "mkl_random", "mkl_random"

    def fills(self, law: str, dtype: str) -> Entrants:
        if dtype != "float64" or law == "truncated":
            return {}
        brngs = ("MCG31", "MCG59", "SFMT19937", "MT2203", "ARS5", "PHILOX4X32X10")
        candidates = {brng: self._candidate(law, brng) for brng in brngs}
        return {"mkl_random": Entrant(partial(self.fastest, f"{law} {dtype}", candidates))}

    def _candidate(self, law: str, brng: str) -> Callable[[Array], Call]:
        rng = self.package.MKLRandomState(1, brng=brng)
        draw = partial(rng.normal, 0, STD) if law == "normal" else partial(rng.uniform, -BOUND, BOUND)
        return lambda out: lambda: draw(out.size)


_BRNGS = {"MCG31": 1, "MT19937": 8, "SFMT19937": 13, "ARS5": 15, "Philox": 16}  # numbers of mkl_vsl.h, over 2**20
_METHODS = {"normal": {"Box-Muller": 0, "Box-Muller 2": 1, "ICDF": 2}, "uniform": {"": 0}}


class OneMkl(Peer):
    """oneMKL's vector statistics through ctypes, with the fastest of its generators and methods."""

    name = "oneMKL"

    def __init__(self) -> None:
        libraries = [*Path(sys.prefix, "lib").glob("libmkl_rt.*"), ctypes.util.find_library("mkl_rt")]
        if not any(libraries):
            raise ImportError("no libmkl_rt")
        self.library = ctypes.CDLL(str(next(filter(None, libraries))))
        self.version, self.choices = _version("mkl"), {}
        self.streams = {brng: self._stream(number) for brng, number in _BRNGS.items()}

    def _stream(self, brng: int) -> ctypes.c_void_p:
        stream = ctypes.c_void_p()
        if self.library.vslNewStream(ctypes.byref(stream), brng << 20, ctypes.c_uint(7)):
            raise OSError(f"oneMKL has no generator {brng}")
        return stream

    def fills(self, law: str, dtype: str) -> Entrants:
        if dtype not in ("float32", "float64") or law not in _METHODS:
            return {}
        candidates = {
            f"{brng} {method}".strip(): partial(self._bind, law, stream, number)
            for brng, stream in self.streams.items()
            for method, number in _METHODS[law].items()
        }
        return {"oneMKL": Entrant(partial(self.fastest, f"{law} {dtype}", candidates))}

    def _bind(self, law: str, stream: ctypes.c_void_p, method: int, out: Array) -> Call:
        letter, number = ("s", ctypes.c_float) if out.itemsize == 4 else ("d", ctypes.c_double)
        fill = getattr(self.library, f"v{letter}Rng{'Gaussian' if law == 'normal' else 'Uniform'}")
        ends = (0, STD) if law == "normal" else (-BOUND, BOUND)
        pointer = ctypes.c_void_p(out.ctypes.data)
        return _into(out, partial(fill, method, stream, out.size, pointer, *map(number, ends)))


class Bottleneck(Peer):
    """bottleneck's one-dtype reductions."""

    name, module = "bottleneck", "bottleneck"

    def moments(self, order: int, dtype: str) -> Entrants:
        if order != 2 or dtype == "bfloat16":
            return {}
        # It adds in the dtype of x, one after another: in float32 the variance of 16 Mi values is 3 % off.
        return {"bottleneck": Entrant(lambda x: lambda: self.package.nanvar(x), 0.1)}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except ImportError:
        return ""


def read_limit() -> Entrants:
    """np.dot(x, x): the rate at which memory is read."""
    return {"np.dot (read limit)": Entrant(lambda x: lambda: np.dot(x, x) / x.size, 0.0, check_moment("second", 1e-3))}


@cache
def installed() -> tuple[Peer, ...]:
    """The peers that can be loaded here; NumPy always is."""
    found: list[Peer] = []
    for peer in (NumPy, Torch, Transformers, Jax, Randompack, MklRandom, OneMkl, Bottleneck):
        try:
            found.append(peer())
        except (ImportError, OSError):
            continue
    return tuple(found)
