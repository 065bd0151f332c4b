"""The public surface as users write it, for the type checker: it is read, never run.

Each line marked `# type: ignore[...]` is wrong, and `make lint` fails if the checker no longer finds it so.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import fastinit as fi


def arrays(out: NDArray[np.float32], halves: NDArray[np.float16]) -> None:
    assert_type(fi.he_normal((4, 8), seed=0, name="w"), NDArray[np.float32])
    assert_type(fi.he_normal((4, 8), dtype="float64", gain=2.0, distribution="uniform"), NDArray[np.float64])
    assert_type(fi.normal(3, 0.0, 0.02, dtype="float16"), NDArray[np.float16])
    assert_type(fi.uniform([3, 4], -1, 1, dtype=np.float64), NDArray[np.float64])
    assert_type(fi.uniform((3, 4), dtype=np.dtype(np.float32)), NDArray[np.float32])
    assert_type(fi.truncated_normal((3, 4), dtype="bfloat16"), NDArray[Any])
    assert_type(fi.zeros((3, 4), out=out), NDArray[np.float32])
    assert_type(fi.orthogonal((3, 4), dtype=None, out=halves), NDArray[np.float16])
    assert_type(
        fi.variance_scaling((3, 4), 2.0, "fan_avg", index=[np.s_[:2], fi.flat[3:5]], seed=0), list[NDArray[Any]]
    )
    fi.sparse((10, 4), 0.5, seed=np.random.SeedSequence(1), index=np.s_[1:, None, ..., ::-1], threads=2)
    fi.dirac((3, 4, 4), groups=2, in_axis=1, out_axis=2)
    fi.kaiming_uniform((3, 3, 8, 4), in_axis=(0, 1, 2), out_axis=-1)
    fi.he_normal((4, 8), sed=0)  # type: ignore[call-overload]
    fi.he_normal((4, 8), distribution="gauss")  # type: ignore[call-overload]
    fi.he_uniform((4, 8), distribution="normal")  # type: ignore[call-overload]
    fi.variance_scaling((4, 8), 1.0, "fan")  # type: ignore[call-overload]
    fi.normal("4, 8")  # type: ignore[arg-type]
    fi.normal(3, dtype="float8")  # type: ignore[call-overload]
    fi.normal(3, 0.0, 1.0, 5)  # type: ignore[call-overload]
    fi.constant(3)  # type: ignore[call-overload]


def schemes() -> None:
    own = fi.register(fi.Scheme("own", scale=1.5, mode="fan_out", distribution="uniform"))
    assert_type(fi.init({"a": (3, 4), "b": 5}, own, seed=0), dict[str, Any])
    law = own.law(fi.Fans(3, 4), gain=2.0)
    assert_type(law.scaled(0.5).std, float)
    assert_type(fi.laws.Normal(std=0.02).bounds, tuple[float, float])
    fi.init({"a": (3, 4)}, lambda shape, *, seed, name: np.zeros(shape))
    fi.unregister("own")
    fi.init({"a": (3, 4)}, "he_nromal")  # type: ignore[arg-type]
    fi.Scheme("own", scale=1.5, mode="fan")  # type: ignore[arg-type]
    fi.laws.Normal(sigma=2)  # type: ignore[call-arg]


def numbers(x: NDArray[np.float32]) -> None:
    assert_type(fi.gain("relu"), float)
    assert_type(fi.gain(("leaky_relu", 0.2)), float)
    assert_type(fi.fans((3, 4)).fan_in, int)
    assert_type(fi.moments(x, axis=0, order=2), fi.Statistics)
    assert_type(fi.Moments(2).update(x).update([1.0]), fi.Moments)
    rng = fi.default_rng(0)
    assert_type(rng, fi.Generator)
    rng.standard_normal((3, 4), dtype="float32", out=x)
    rng.integers(5, size=3)
    assert_type(fi.verify(x, "he_normal", shape=(3, 4), seed=0, gain=2.0).ok, bool)
    fi.gain("rleu")  # type: ignore[arg-type]
    fi.moments(x, order=3)  # type: ignore[arg-type]
    fi.verify(x, "he")  # type: ignore[arg-type]


def profiles() -> None:
    p = fi.profile(64, 10, "tanh", "lecun_normal", norm="layer", residual=True, batch=8)
    assert_type(p, fi.Profile)
    assert_type(p.healthy, bool)
    assert_type(p.verdict, fi.Verdict)
    assert_type(p.judge(forward=(0.01, 100.0)).kind, str)
    assert_type(fi.Profile.from_json(p.to_json()), fi.Profile)
    fi.profile(64, activation=(np.sin, np.cos), scheme=("small_normal", {"std": 0.02}), gain=1.5)
    assert_type(fi.compare([p, p], ["a", "b"]), fi.Comparison)
    fi.theory.batch_norm("relu", 32)
    fi.profile(64, 10, "tahn")  # type: ignore[arg-type]
    fi.profile(64, 10, norm="group")  # type: ignore[arg-type]
    fi.profile(64, 10, method="sparse")  # type: ignore[arg-type]
    fi.profile(64, 10, scheme="he_nromal")  # type: ignore[arg-type]
    fi.profile(64, 10, hight=3)  # type: ignore[call-arg]
