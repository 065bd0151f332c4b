"""Targets: the speed that the project promises, as ratios taken in one run."""

from __future__ import annotations

from typing import Any, NamedTuple

from .timing import Summary, summary

Results = dict[str, Any]

#: Who is this part as fast as another, or more, is no slower: less is not told apart from noise.
TOLERANCE = 0.97


class Target(NamedTuple):
    """`entrant` of a race has to be `least` times as fast as `against`.

    Where `against` is empty, `least` is instead the most microseconds that a call may take; and where `beyond` names
    an entrant, the most that a value of the race may take longer than with that. A `least` of 0 is only reported.
    """

    what: str
    race: str
    entrant: str
    against: str
    least: float
    beyond: str = ""


_NORMAL = "fills/normal float32 16 Mi"
_READ = "np.dot (read limit)"
_TORCH_TRUNCATED = "fills/truncated float32 16 Mi"

_DENSE, _ALONE = "profile/dense 4096, depth 16, batch 256", "draws and matrix products alone"
_MATRIX_FREE = "profile/matrix_free 1000000, depth 2, batch 32, batch norm"
_DEEP = "profile/matrix_free 1000000, depth 10, batch 32, batch norm, one thread"
_TILED = "tiled 65536, depth 2, batch 64, forward"
_LOOPS = {"tanh": "numpy", "silu": "numpy", "gelu": "scipy"}
_WIDE = "matrix_free 1000000, depth 50, batch 32, batch norm"
_STACK = "torch/16 x nn.Linear(4096, 4096)"
_SHARD = "torch/1/8 of 4096 x 4096"
_AXIS = "moments/moments of order 2 float32 4096 x 4096, axis 0"
_FORTRAN = "moments/moments of order 2 float32 4096 x 4096, Fortran order"
_ALL = "threads/normal float32"
_FIRST = "jax/he_normal float32, first of a shape"
_GPT = "keras/GPT-like, 12 layers of 768"
_POINTS = "points/320 profiles of 64 units, on two processes"

#: The most microseconds that small calls may take.
_CALLS = {
    "he_normal((8, 8), seed=0)": ("calls/he_normal 8 x 8", 0.8),
    "he_normal((8, 8), seed=0, name=...)": ("calls/he_normal 8 x 8, named", 0.8),
    "normal((8, 8), seed=0)": ("calls/normal 8 x 8", 0.7),
    "normal(4096, seed=0)": ("calls/normal 4 Ki", 2.6),
    "index= of 16 values": ("calls/normal, 16 of 256 x 256", 1.5),
    "moments of 64 values": ("moments/moments of order 4 float32 64", 3),
    "Moments.update of 64 values": ("moments/Moments.update of 64", 1),
    "ft.uniform_ of 16 x 16": ("torch/uniform_ 256", 4.5),
    "initialize_ of 1000 small tensors": ("torch/initialize_, 1000 tensors of nn.Linear(16, 16)", 30_000),
}
#: Methods of a generator that are to be no slower than NumPy's.
_METHODS = ("standard_normal()", "normal()", "random()", "uniform(-1, 1)", "standard_normal(64)", "random(64)")

TARGETS = (
    Target("normal float32", _NORMAL, "fastinit", "torch", 9),
    Target("normal float32", _NORMAL, "fastinit", "numpy best", 17),
    Target("normal float32", _NORMAL, "fastinit", "numpy as typed", 35),
    Target("normal float32", _NORMAL, "fastinit", "oneMKL", 3),
    Target("normal float32", _NORMAL, "fastinit", "randompack", 4.5),
    Target("normal bfloat16", "fills/normal bfloat16 16 Mi", "fastinit", "torch", 9),
    Target("normal float64", "fills/normal float64 16 Mi", "fastinit", "numpy best", 5.5),
    Target("normal float64", "fills/normal float64 16 Mi", "fastinit", "torch", 13),
    Target("normal float64", "fills/normal float64 16 Mi", "fastinit", "oneMKL", 1.6),
    Target("uniform float32", "fills/uniform float32 16 Mi", "fastinit", "torch", 14),
    Target("uniform float32", "fills/uniform float32 16 Mi", "fastinit", "oneMKL", TOLERANCE),
    Target("uniform float32, in cache", "fills/uniform float32 64 Ki", "fastinit", "oneMKL", TOLERANCE),
    Target("uniform float32, swept", "second fill/uniform float32 16 Mi", "fastinit", "memset", 0),
    Target("truncated normal float32, cut at 2 sd", _TORCH_TRUNCATED, "fastinit", "torch", 45),
    Target("truncated he_normal float32", "schemes/he_normal truncated 4096 x 4096", "fastinit", "jax", 12),
    Target("normal float32, forced AVX2", "levels/normal float32 1 Mi", "avx2", "torch", 5.5),
    *(
        Target(f"normal float32 {size}, all threads", f"{_ALL} {size}", "fastinit", "1 thread", TOLERANCE)
        for size in ("64 Ki", "128 Ki", "256 Ki", "512 Ki", "1 Mi")
    ),
    Target("normal float32 16 Mi, all threads", f"{_ALL} 16 Mi", "fastinit", "1 thread", 1.9),
    Target("normal float32 16 Mi, all threads", f"{_ALL} 16 Mi", "fastinit", "memset, all threads", 0),
    Target("moments of order 2", "moments/moments of order 2 float32 16 Mi", "fastinit", _READ, 0.8),
    Target("moments of order 2", "moments/moments of order 2 float32 16 Mi", "fastinit", "numpy var", 6),
    Target("moments of order 4", "moments/moments of order 4 float32 16 Mi", "fastinit", _READ, 0.45),
    Target("moments of order 2, axis 0", _AXIS, "fastinit", "fastinit, axis 1", 1 / 1.3),
    Target("moments of order 2, Fortran order", _FORTRAN, "fastinit", "numpy var", TOLERANCE),
    *(Target(what, race, "fastinit", "", most) for what, (race, most) in _CALLS.items()),
    *(Target(f"rng.{call}", f"calls/rng.{call}", "fastinit", "numpy", TOLERANCE) for call in _METHODS),
    Target("identity((4096, 4096))", "calls/identity 4096 x 4096", "fastinit", "numpy", TOLERANCE),
    Target("dirac((512, 512, 3, 3))", "calls/dirac 512 x 512 x 3 x 3", "fastinit", "torch", TOLERANCE),
    Target("normal, Fortran order", "schemes/normal 4096 x 4096, Fortran order", "fastinit", "numpy best", TOLERANCE),
    Target("orthogonal, one thread", "orthogonal/2048 x 2048, one thread", "fastinit", "torch", 1.8),
    Target("orthogonal, all threads", "orthogonal/2048 x 2048, all threads", "fastinit", "torch", 1.8),
    *(
        Target(f"{name} and slope", f"loops/{name} and slope 16 Ki", "fastinit", peer, 4)
        for name, peer in _LOOPS.items()
    ),
    Target("profile, dense", _DENSE, "fastinit", "numpy", 2.5),
    Target("profile, dense", _DENSE, "fastinit", _ALONE, 1 / 1.15),
    Target("profile, 64 units, 50 layers", "profile/dense 64, depth 50, batch 16", "fastinit", "", 8000),
    Target("profile, tiled", f"profile/{_TILED}", "fastinit", "matrix products alone", 1 / 1.6),
    Target("profile, matrix_free", _MATRIX_FREE, "fastinit", "numpy qr, float64", 10),
    Target("profile, matrix_free, one thread", _DEEP, "fastinit", "", 2e6),
    Target(
        "profile, matrix_free", "profile/matrix_free and dense 4096, depth 20, batch 64", "matrix_free", "dense", 15
    ),
    *(
        Target(
            f"jax he_normal {n} x {n} {dtype}, {how}", f"jax/he_normal {dtype} {n} x {n}, {how}", "fastinit", "jax", x
        )
        for n, dtype, x in ((4096, "float32", 10), (4096, "bfloat16", 12), (64, "float32", 2))
        for how in ("at once", "compiled")
    ),
    Target("jax, first of a shape, at once", f"{_FIRST}, at once", "fastinit", "jax", 50),
    Target("jax, first of a shape, compiled", f"{_FIRST}, compiled", "fastinit", "jax", 5),
    Target("nnx model of 35 M", "jax/nnx model of 6 layers of 512, the first time", "fastinit", "jax", 4),
    Target("Keras GPT-like 124 M, jax", f"{_GPT}, normal, jax", "fastinit", "keras", 4),
    Target("Keras GPT-like 124 M, torch", f"{_GPT}, truncated, torch", "fastinit", "keras", 6),
    Target("dask, 100,000 blocks described", "dask/describing 100000 blocks", "fastinit", "", 5e5),
    Target("dask, 1 GiB on threads", "dask/normal float32 256 Mi, on threads", "fastinit", "fastinit, NumPy face", 0.9),
    Target("sweep on two processes", _POINTS, "fastinit", "fastinit, one process", 1.7),
    Target("save 1 GiB", "save/16 x float32 4096 x 4096", "fastinit", "safetensors.numpy", 4),
    Target("GPT-2 774M in fast_init", "torch/GPT-2 774M", "fastinit", "transformers", 6),
    Target("GPT-2 774M, large_pages=True", "torch/GPT-2 774M", "fastinit, large pages", "transformers", 10),
    Target("500 x nn.Linear(16, 16) in fast_init", "torch/500 x nn.Linear(16, 16)", "fastinit", "torch", 1 / 1.1),
    Target("200 x nn.Linear(32, 32) in fast_init", "torch/200 x nn.Linear(32, 32)", "fastinit", "torch", 1),
    Target("64 x nn.Linear(256, 256) in fast_init", "torch/64 x nn.Linear(256, 256)", "fastinit", "torch", 1),
    Target("16 x nn.Linear(4096, 4096) in fast_init", _STACK, "fastinit", "torch", 6),
    Target("16 x nn.Linear(4096, 4096), large_pages=True", _STACK, "fastinit, large pages", "torch", 8),
    Target("16 x nn.Linear(4096, 4096), large_pages=True", _STACK, "fastinit, large pages", "memset, large pages", 0),
    Target("orthogonal_", "torch/orthogonal_ 2048 x 2048", "fastinit", "torch", 1.8),
    *(
        Target(
            f"trunc_normal_ {dtype}, {bounds}", f"torch/trunc_normal_ {dtype} 16 Mi, {bounds}", "fastinit", "torch", x
        )
        for dtype in ("float32", "bfloat16")
        for bounds, x in (("cut at 2 sd", 40), ("bounds beyond reach", 5))
    ),
    Target("1/8 of a matrix, rows", _SHARD, "fastinit", "fastinit, the whole", 8 / 1.2),
    Target("1/8 of a matrix, columns", _SHARD, "fastinit, columns", "fastinit, the whole", 8 / 1.2),
    Target("1/8 of a matrix, rows", _SHARD, "fastinit", "torch, the whole, then cut", 0),
    Target("fast_init, a call without a draw", "torch/1000 calls without a draw", "fastinit", "", 2, "torch"),
)

#: The most that a whole process may take: its name, "MiB" or "seconds", and how many of them; 0 is only reported.
LIMITS = (
    ("fill, beyond out, for each thread", "MiB", 1.0),
    (_TILED, "MiB", 1.5e9 / 2**20),
    (_WIDE, "seconds", 60.0),
    (_WIDE, "MiB", 500e6 / 2**20),
    ("save 1 GiB, fastinit", "MiB", 200.0),
    ("save 1 GiB, safetensors.numpy", "MiB", 0.0),
    ("save 1 GiB, safetensors.torch", "MiB", 0.0),
    ("save 1 GiB, torch.save", "MiB", 0.0),
    ("fastinit profile", "seconds", 5.0),
)


class Ratio(NamedTuple):
    """How many times as fast one entrant is as another: the median over rounds of the ratio of times, and quartiles."""

    times: Summary
    significant: bool

    def __str__(self) -> str:
        if not self.significant:
            return f"{number(self.times.median)}, not significant"
        return f"{number(self.times.median)} [{number(self.times.low)}, {number(self.times.high)}]"


def ratio(race: Results, entrant: str, against: str) -> Ratio:
    """Of two entrants, round by round; significant where the interquartile ranges of their times are apart.

    Who is far behind has left after a few rounds.
    """
    one, other = (race["entrants"][label]["samples"] for label in (entrant, against))
    times = summary(b / a for a, b in zip(one, other, strict=False))
    return Ratio(times, not summary(one).overlaps(summary(other)))


def number(value: float) -> str:
    """Three digits: 0.123, 1.23, 12.3, 1230."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def judged(results: Results) -> list[tuple[str, str, str, str, str]]:
    """What, against what, measured, promised, and the verdict, for each target and limit."""
    races = {f"{race['group']}/{race['name']}": race for race in results["races"]}
    rows = [(target.what, _other(target), *_judge(target, races.get(target.race))) for target in TARGETS]
    return rows + [_judge_process(results["processes"].get(limit[0], {}), *limit) for limit in LIMITS]


def _judge_process(process: dict[str, float], name: str, unit: str, most: float) -> tuple[str, str, str, str, str]:
    rule = f"at most {number(most)} {unit}" if most else ""
    if unit not in process:
        return name, "(process)", "", rule, "not measured"
    verdict = _verdict(process[unit] <= most) if most else "reported"
    return name, "(process)", f"{number(process[unit])} {unit}", rule, verdict


def _other(target: Target) -> str:
    return target.against or (f"(beyond {target.beyond})" if target.beyond else "(call)")


def _microseconds(target: Target, race: Results) -> float:
    if not target.beyond:
        return float(race["entrants"][target.entrant]["median"] * 1e6)
    one, other = (race["entrants"][label]["samples"] for label in (target.entrant, target.beyond))
    return summary(a - b for a, b in zip(one, other, strict=True)).median / race["values"] * 1e6


def _judge(target: Target, race: Results | None) -> tuple[str, str, str]:
    rule = f"{number(target.least)} x" if target.against else f"at most {target.least:g} us"
    rule = rule if target.least else ""
    if race is None or not {target.entrant, target.against or target.beyond or target.entrant} <= set(race["entrants"]):
        return "", rule, "not measured"
    if not target.against:
        microseconds = _microseconds(target, race)
        return f"{number(microseconds)} us", rule, _verdict(microseconds <= target.least)
    measured = ratio(race, target.entrant, target.against)
    if not target.least:
        return str(measured), rule, "reported"
    if target.least > 1 and not measured.significant:
        return str(measured), rule, "not significant"
    return str(measured), rule, _verdict(measured.times.median >= target.least)


def _verdict(met: bool) -> str:
    return "met" if met else "missed"
