"""Targets: the speed that the project promises, as ratios taken in one run."""

from __future__ import annotations

from typing import Any, NamedTuple

from .timing import Summary, summary

Results = dict[str, Any]


class Target(NamedTuple):
    """`entrant` of a race has to be `least` times as fast as `against`.

    Where `against` is empty, `least` is instead the most microseconds that a call may take. A `least` of 0 is only
    reported.
    """

    what: str
    race: str
    entrant: str
    against: str
    least: float


_NORMAL = "fills/normal float32 16 Mi"
_READ = "np.dot (read limit)"
_TORCH_TRUNCATED = "fills/truncated float32 16 Mi"

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
    Target("truncated normal float32, cut at 2 sd", _TORCH_TRUNCATED, "fastinit", "torch", 45),
    Target("truncated he_normal float32", "schemes/he_normal truncated 4096 x 4096", "fastinit", "jax", 12),
    Target("normal float32, forced AVX2", "levels/normal float32 1 Mi", "avx2", "torch", 5.5),
    Target("normal float32, all threads", "threads/normal float32 16 Mi", "all threads", "1 thread", 1.8),
    Target("normal float32, all threads", "threads/normal float32 16 Mi", "all threads", "memset, all threads", 0),
    Target("moments of order 2", "moments/moments of order 2 float32 16 Mi", "fastinit", _READ, 0.8),
    Target("moments of order 2", "moments/moments of order 2 float32 16 Mi", "fastinit", "numpy var", 6),
    Target("moments of order 4", "moments/moments of order 4 float32 16 Mi", "fastinit", _READ, 0.45),
    Target("he_normal((8, 8), seed=0)", "calls/he_normal 8 x 8", "fastinit", "", 6),
    Target("he_normal((8, 8), seed=0)", "calls/he_normal 8 x 8", "fastinit", "numpy", 10 / 6),
    Target("orthogonal, one thread", "orthogonal/2048 x 2048, one thread", "fastinit", "torch", 1.8),
    Target("orthogonal, all threads", "orthogonal/2048 x 2048, all threads", "fastinit", "torch", 1.8),
)

#: MiB for each thread that a fill may take beyond `out`.
MOST_MEMORY = 1.0


class Ratio(NamedTuple):
    """How many times as fast one entrant is as another: the median over rounds of the ratio of times, and quartiles."""

    times: Summary
    significant: bool

    def __str__(self) -> str:
        if not self.significant:
            return f"{number(self.times.median)}, not significant"
        return f"{number(self.times.median)} [{number(self.times.low)}, {number(self.times.high)}]"


def ratio(race: Results, entrant: str, against: str) -> Ratio:
    """Of two entrants, round by round; significant where the interquartile ranges of their times are apart."""
    one, other = (race["entrants"][label]["samples"] for label in (entrant, against))
    times = summary(b / a for a, b in zip(one, other, strict=True))
    return Ratio(times, not summary(one).overlaps(summary(other)))


def number(value: float) -> str:
    """Three digits: 0.123, 1.23, 12.3, 1230."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def judged(results: Results) -> list[tuple[str, str, str, str, str]]:
    """What, against what, measured, promised, and the verdict, for each target."""
    races = {f"{race['group']}/{race['name']}": race for race in results["races"]}
    rows = [(target.what, target.against or "(call)", *_judge(target, races.get(target.race))) for target in TARGETS]
    memory = results["memory"]
    met = "not measured" if memory is None else _verdict(memory <= MOST_MEMORY)
    measured = "" if memory is None else f"{number(memory)} MiB"
    return [*rows, ("memory beyond out, for each thread", "", measured, f"at most {MOST_MEMORY:g} MiB", met)]


def _judge(target: Target, race: Results | None) -> tuple[str, str, str]:
    rule = f"{number(target.least)} x" if target.against else f"at most {target.least:g} us"
    rule = rule if target.least else ""
    if race is None or not {target.entrant, target.against or target.entrant} <= set(race["entrants"]):
        return "", rule, "not measured"
    if not target.against:
        microseconds = race["entrants"][target.entrant]["median"] * 1e6
        return f"{number(microseconds)} us", rule, _verdict(microseconds <= target.least)
    measured = ratio(race, target.entrant, target.against)
    if not target.least:
        return str(measured), rule, "reported"
    if target.least > 1 and not measured.significant:
        return str(measured), rule, "not significant"
    return str(measured), rule, _verdict(measured.times.median >= target.least)


def _verdict(met: bool) -> str:
    return "met" if met else "missed"
