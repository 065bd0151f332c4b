"""The public surface as users write it, for the type checker: it is read, never run.

Each line marked `# type: ignore[...]` is wrong, and `make lint` fails if the checker no longer finds it so.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import fastinit as fi
from fastinit import theory


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
    fi.he_normal((4, 8), sed=0)  # type: ignore[call-overload]
    fi.he_normal((4, 8), distribution="gauss")  # type: ignore[call-overload]
    fi.he_uniform((4, 8), distribution="normal")  # type: ignore[call-overload]
    fi.variance_scaling((4, 8), 1.0, "fan")  # type: ignore[call-overload]
    fi.normal("4, 8")  # type: ignore[arg-type]
    fi.normal(3, dtype="float8")  # type: ignore[call-overload]
    fi.normal(3, 0.0, 1.0, 5)  # type: ignore[call-overload]
    fi.normal(0.0, 1.0, (3, 4))  # type: ignore[call-overload]
    fi.normal((3, 4), seed="abc")  # type: ignore[arg-type]
    fi.constant(3)  # type: ignore[call-overload]
    fi.zeros((3, 4), gain=2.0)  # type: ignore[call-overload]


def every_scheme() -> None:
    assert_type(fi.constant((3, 4), 0.5), NDArray[np.float32])
    assert_type(fi.ones(3), NDArray[np.float32])
    assert_type(fi.small_normal((3, 4), std=0.02), NDArray[np.float32])
    assert_type(fi.lecun_normal((3, 4)), NDArray[np.float32])
    assert_type(fi.lecun_uniform((3, 4)), NDArray[np.float32])
    assert_type(fi.glorot_normal((3, 4)), NDArray[np.float32])
    assert_type(fi.glorot_uniform((3, 4)), NDArray[np.float32])
    assert_type(fi.xavier_normal((3, 4)), NDArray[np.float32])
    assert_type(fi.xavier_uniform((3, 4)), NDArray[np.float32])
    assert_type(fi.he_uniform((3, 4)), NDArray[np.float32])
    assert_type(fi.kaiming_normal((3, 4)), NDArray[np.float32])
    assert_type(fi.kaiming_uniform((3, 3, 8, 4), in_axis=(0, 1, 2), out_axis=-1), NDArray[np.float32])
    assert_type(fi.identity((3, 3), gain=2.0), NDArray[np.float32])
    assert_type(fi.dirac((3, 4, 4), groups=2, in_axis=1, out_axis=2), NDArray[np.float32])
    assert_type(fi.delta_orthogonal((3, 4, 4)), NDArray[np.float32])
    fi.orthogonal((3, 4), sparsity=0.5)  # type: ignore[call-overload]
    fi.he_norml((3, 4))  # type: ignore[attr-defined]


def schemes() -> None:
    own = fi.register(fi.Scheme("own", scale=1.5, mode="fan_out", distribution="uniform"))
    assert_type(own, fi.Scheme)
    assert_type(fi.init({"a": (3, 4), "b": 5}, own, seed=0), dict[str, Any])
    fi.init({"a": (3, 4)}, lambda shape, *, seed, name: np.zeros(shape))
    fi.unregister("own")
    fi.init({"a": (3, 4)}, "he_nromal")  # type: ignore[arg-type]
    fi.init("he_normal", {"a": (3, 4)})  # type: ignore[arg-type]
    fi.Scheme("own", scale=1.5, mode="fan")  # type: ignore[arg-type]
    fi.Scheme("own", scale=1.5, distribution="gauss")  # type: ignore[arg-type]
    fi.Scheme("own", std=1.5)  # type: ignore[call-arg]


def laws(own: fi.Scheme, given: fi.laws.Parameters) -> None:
    law = own.law(fi.Fans(3, 4), gain=2.0)
    assert_type(law, fi.laws.Law)
    assert_type(law.scaled(0.5).std, float)
    assert_type(fi.laws.Normal(std=0.02).bounds, tuple[float, float])
    assert_type(fi.laws.Normal().mean, float)
    assert_type(fi.laws.Uniform(-1, 1).scaled(2), fi.laws.Uniform)
    assert_type(fi.laws.UniformBelow(-1, 1).scaled(2), fi.laws.UniformBelow)
    assert_type(fi.laws.Truncated(0.0, 1.0, -2.0, 2.0).deviation((3, 4)), float)
    assert_type(fi.laws.Constant(2.0).to_dict(), dict[str, Any])
    assert_type(fi.laws.Law.from_dict({"law": "normal"}), fi.laws.Law)
    assert_type(fi.laws.Identity(2.0).can_be_cut, bool)
    assert_type(fi.laws.Dirac(groups=2).groups, int)
    assert_type(fi.laws.Orthogonal(gain=2.0, in_axis=(0, 1)).gain, float)
    assert_type(fi.laws.DeltaOrthogonal().variance((3, 4, 4)), float)
    assert_type(fi.laws.Sparse(0.5, std=0.1).sparsity, float)
    assert_type(fi.laws.Packed(fi.laws.Orthogonal(), parts=3, axis=0).part_of((6, 4)), tuple[int, ...])
    assert_type(fi.laws.Called(np.zeros).keywords, dict[str, Any])
    assert_type(given.scale, float)
    fi.laws.Normal(sigma=2)  # type: ignore[call-arg]
    fi.laws.Normal("0.02")  # type: ignore[arg-type]
    fi.laws.Sparse()  # type: ignore[call-arg]
    fi.laws.Law()  # type: ignore[abstract]


def sweeps() -> None:
    found = fi.sweep({"depth": range(1, 4), "activation": ["relu", "tanh"]}, path="points.jsonl", width=64)
    assert_type(found, fi.Sweep)
    assert_type(found.to_json(), str)
    assert_type(fi.Sweep.from_json(""), fi.Sweep)
    assert_type(found["act_second_moment_rate"], NDArray[Any])
    assert_type(found.axes, tuple[str, ...])
    assert_type(found.to_html(), str | None)
    found.to_frame()
    found.plot("sweep.png", x="depth", hue="activation")
    with ThreadPoolExecutor(2) as executor:
        fi.sweep({"depth": [1]}, executor=executor)
    fi.sweep({"depth": [1]}, executor=ThreadPoolExecutor, progress=True)
    fi.sweep(["depth"])  # type: ignore[arg-type]
    fi.sweep({"depth": [1]}, None)  # type: ignore[call-arg]


def numbers(x: NDArray[np.float32]) -> None:
    assert_type(fi.gain("relu"), float)
    assert_type(fi.gain(("leaky_relu", 0.2)), float)
    assert_type(fi.gain(np.tanh), float)
    assert_type(fi.fans((3, 4)).fan_in, float)
    assert_type(fi.fans((3, 3, 8, 4), in_axis=[0, 1, 2]), fi.Fans)
    assert_type(fi.info(), dict[str, Any])
    fi.set_num_threads(2)
    fi.gain("rleu")  # type: ignore[arg-type]
    fi.gain(("relu", 0.2))  # type: ignore[arg-type]
    fi.fans(3, 4)  # type: ignore[call-arg]
    fi.set_num_threads("2")  # type: ignore[arg-type]


def moments(x: NDArray[np.float32]) -> None:
    assert_type(fi.moments(x, axis=0, order=2), fi.Statistics)
    assert_type(fi.moments([[1.0, 2.0]]).to_json(), str)
    assert_type(fi.Statistics.from_json("{}"), fi.Statistics)
    sums = fi.Moments(2).update(x).update([1.0])
    assert_type(sums, fi.Moments)
    assert_type(sums + sums, fi.Moments)
    assert_type(sums.variance, float)
    assert_type(sums.result(), fi.Statistics)
    fi.moments(x, order=3)  # type: ignore[arg-type]
    fi.Moments(2).varience  # type: ignore[attr-defined]  # noqa: B018
    fi.Moments().update(x, 2)  # type: ignore[call-arg]


def generators(x: NDArray[np.float32]) -> None:
    rng = fi.default_rng(0)
    assert_type(fi.default_rng([0, 1]), fi.Generator)
    assert_type(fi.ARS(np.arange(3)).spawn(2), list[fi.ARS])
    assert_type(rng, fi.Generator)
    assert_type(fi.default_rng(fi.ARS(0).jumped(2)), fi.Generator)
    assert_type(rng.standard_normal(), float)
    assert_type(rng.standard_normal((3, 4)), NDArray[np.float64])
    assert_type(rng.standard_normal((3, 4), dtype="float32", out=x), NDArray[np.float32])
    assert_type(rng.random(5, "float32"), NDArray[np.float32])
    assert_type(rng.random(5, np.float16), NDArray[np.float16])
    assert_type(rng.normal(0.0, 2.0), float)
    assert_type(rng.normal([0, 100], 2.0), NDArray[Any])
    assert_type(rng.uniform(-1.0, size=3), NDArray[Any])
    rng.integers(5, size=3)
    rng.random(5, "float8")  # type: ignore[call-overload]
    rng.normal(mean=0.0)  # type: ignore[call-overload]
    fi.Generator(np.random.PCG64(0))  # type: ignore[arg-type]
    fi.default_rng("0")  # type: ignore[arg-type]


def verifications(x: NDArray[np.float32], own: fi.Scheme) -> None:
    found = fi.verify(x, "he_normal", shape=(3, 4), seed=0, gain=2.0)
    assert_type(found, fi.Verification)
    assert_type(found.ok, bool)
    assert_type(found.problems, list[str])
    assert_type(found.statistics, fi.Statistics)
    assert_type(found.to_dict(), dict[str, Any])
    assert_type(fi.Verification.from_json(found.to_json()), fi.Verification)
    fi.verify(x, own, index=np.s_[:2])
    fi.verify([x, x], fi.laws.Normal(), index=[np.s_[:2], fi.flat[2:]])
    fi.verify(x, "he")  # type: ignore[arg-type]
    fi.verify("he_normal", x)  # type: ignore[arg-type]


def profiles(own: fi.Scheme) -> None:
    p = fi.profile(64, 10, "tanh", "lecun_normal", norm="layer", residual=True, batch=8)
    assert_type(p, fi.Profile)
    fi.profile(64, activation=(np.sin, np.cos), scheme=("small_normal", {"std": 0.02}), gain=1.5)
    fi.profile(64, activation=("elu", 0.5), scheme=own, inputs=np.zeros((4, 64)), cotangent="random_sign", loss="mse")
    fi.profile(kind="conv", channels=[3, 8], kernel_size=3, image_size=8, padding="zero", gain="auto")
    fi.profile(kind="transformer", heads=4, norm="rms", norm_position="pre", logit_scale="mup", residual_gain="gpt2")
    fi.profile(64, 10, classes=10, jacobian=True)
    assert_type(p.trains("sgd", dtype="bfloat16").grade, str)
    p.trains("sgd", dtype="int8")  # type: ignore[arg-type]
    fi.profile(scheme=lambda shape, seed, name: np.zeros(shape), dtype="float64", method="dense", sgd_steps=2, lr=0.1)
    fi.profile(64, 10, "tahn")  # type: ignore[arg-type]
    fi.profile(64, 10, "he_normal", "relu")  # type: ignore[arg-type]
    fi.profile(64, 10, activation=("leaky_rleu", 0.2))  # type: ignore[arg-type]
    fi.profile(64, 10, norm="group")  # type: ignore[arg-type]
    fi.profile(64, 10, norm="batch", norm_position="before")  # type: ignore[arg-type]
    fi.profile(64, 10, kind="cnn")  # type: ignore[arg-type]
    fi.profile(kind="conv", padding="same")  # type: ignore[arg-type]
    fi.profile(64, 10, method="sparse")  # type: ignore[arg-type]
    fi.profile(64, 10, dtype="float16")  # type: ignore[arg-type]
    fi.profile(64, 10, scheme="he_nromal")  # type: ignore[arg-type]
    fi.profile(64, 10, scheme=("he_nromal", {"gain": 2.0}))  # type: ignore[arg-type]
    fi.profile(64, 10, gain="automatic")  # type: ignore[arg-type]
    fi.profile(64, 10, loss="mae")  # type: ignore[arg-type]
    fi.profile(64, 10, residual="no")  # type: ignore[arg-type]
    fi.profile(64, 10, hight=3)  # type: ignore[call-arg]


def checkpoints() -> None:
    shapes: dict[str, fi.typing.Shape] = {"fc": (3, 4)}
    assert_type(fi.save("folder", shapes, "he_normal", 0, dtype="bfloat16", max_shard_size="5GB"), list[Path])
    fi.save(Path("folder"), {"fc": ((3, 4), "normal", {"std": 0.02}), "b": (4, "zeros")}, metadata={"by": "us"})
    fi.save("folder", {"fc": (3, 4)}, seed=0, max_shard_size=None)  # type: ignore[arg-type]
    fi.save("folder", {"fc": (3, 4)}, "he_nromal")  # type: ignore[arg-type]
    fi.save({"fc": (3, 4)})  # type: ignore[arg-type, call-arg]
    fi.save("folder", {"fc": (3, 4)}, shard_size=3)  # type: ignore[call-arg]


def results(p: fi.Profile) -> None:
    assert_type(p["act_second_moment"], NDArray[np.float64])
    assert_type(p.mean("act_second_moment"), NDArray[np.float64])
    assert_type(p.mean_log("act_second_moment"), NDArray[np.float64])
    assert_type(p.standard_error("act_second_moment", log=True), NDArray[np.float64])
    assert_type(p.deviation("act_second_moment"), NDArray[np.float64])
    assert_type(p.healthy, bool)
    assert_type(p.ok, bool)
    assert_type(p.interrupted, bool)
    assert_type(p.steps, tuple[fi.Profile, ...])
    assert_type(p.network, fi.Network)
    assert_type(p.network.activation.name, str)
    assert_type(p.to_dict(), dict[str, Any])
    assert_type(fi.Profile.from_json(p.to_json()), fi.Profile)
    assert_type(p.to_html(), str | None)
    p.to_frame()
    p.table("all")
    p.plot("p.png")
    p.mean()  # type: ignore[call-arg]
    p.standard_error("act_second_moment", True, 2)  # type: ignore[call-arg]
    p.table("every")  # type: ignore[arg-type]
    p.healthy()  # type: ignore[operator]
    p.judge(backward=0.1)  # type: ignore[arg-type]


def verdicts(p: fi.Profile) -> None:
    verdict = p.judge(forward=(0.01, 100.0))
    assert_type(verdict, fi.Verdict)
    assert_type(p.verdict, fi.Verdict)
    assert_type(p.trains("sgd"), fi.Answer)
    assert_type(p.kernels, list[fi.KernelSpectrum])
    assert_type(p.again(gain="auto"), fi.Profile)
    assert_type(p.advise(), fi.Advice)
    assert_type(p.advise().best, fi.Trial | None)
    assert_type(p.advise().trials[0].sgd, fi.Answer)
    assert_type(fi.Advice.from_json(p.advise().to_json()), fi.Advice)
    assert_type(verdict.kind, str)
    assert_type(verdict.healthy, bool)
    assert_type(verdict.findings, tuple[fi.Finding, ...])
    assert_type(verdict.findings[0].numbers, dict[str, float])
    assert_type(verdict.forward, fi.Course)
    assert_type(verdict.forward.logs, NDArray[np.float64])
    assert_type(verdict.backward, fi.Course | None)
    assert_type(fi.Verdict.from_json(verdict.to_json()), fi.Verdict)
    verdict.backward.rate  # type: ignore[union-attr]  # noqa: B018
    verdict.sentense  # type: ignore[attr-defined]  # noqa: B018


def comparisons(p: fi.Profile) -> None:
    found = fi.compare([p, p], ["a", "b"])
    assert_type(found, fi.Comparison)
    assert_type(found.verdicts, dict[str, fi.Verdict])
    assert_type(fi.Comparison.from_json(found.to_json()), fi.Comparison)
    assert_type(found.to_dict(), dict[str, Any])
    assert_type(found.to_html("page.html"), str | None)
    found.to_frame()
    found.table()
    found.plot()
    fi.compare(p, p)  # type: ignore[arg-type]
    fi.compare([p], name=["a"])  # type: ignore[call-arg]
    try:
        fi.profile(progress=True)
    except fi.ProfileInterrupted as interruption:
        assert_type(interruption.profile, fi.Profile | None)


def infinite_width(activation: fi.typing.Activation) -> None:
    assert_type(theory.kernel("relu", 0.5), float)
    assert_type(theory.derivative_kernel(("leaky_relu", 0.2), 0.5, q=2.0), float)
    assert_type(theory.activation_moments(activation, q=[0.5, 1.0]), theory.ActivationMoments)
    assert_type(theory.second_moment_map((np.sin, np.cos), 1.0, 2.0, bias_variance=0.1), float)
    assert_type(theory.correlation_map("tanh", 0.5), float)
    assert_type(theory.chi("tanh", 1.0, 2.0), float)
    assert_type(theory.chi_parallel("tanh", 1.0), float)
    assert_type(theory.depth_scale(0.5), float)
    assert_type(theory.chi_2("tanh", 1.0), float)
    assert_type(theory.tangent_kernel("tanh", 3, 0.5), theory.TangentKernel)
    assert_type(theory.fixed_point("tanh", 1.5, 0.05), theory.FixedPoint)
    assert_type(theory.edge_of_chaos("tanh", bias_variance=0.05), theory.CriticalPoint)
    assert_type(theory.batch_norm("relu", 32).rate, float)
    assert_type(theory.batch_norm("relu"), theory.BatchNorm)
    assert_type(theory.decorrelation_rate("relu"), float)
    assert_type(theory.norm_rate("relu", "layer", "post_act"), float)
    assert_type(theory.relu_norm_law([64, 64]), theory.NormLaw)
    assert_type(theory.expectation(np.cos), float)
    assert_type(theory.expectation(np.cos, np.ones(3)), NDArray[np.float64])
    theory.kernel(0.5, "relu")  # type: ignore[arg-type]
    theory.chi("tahn", 1.0)  # type: ignore[arg-type]
    theory.norm_rate("relu", "group")  # type: ignore[arg-type]
    theory.norm_rate("relu", "layer", "after")  # type: ignore[arg-type]
    theory.edge_of_chaos("tanh", 0.05)  # type: ignore[call-arg]
    theory.fixed_point("tanh")  # type: ignore[call-arg]


def annotations(
    shape: fi.typing.Shape,
    seed: fi.typing.Seed,
    name: fi.typing.SchemeName,
    dtype: fi.typing.DType,
    index: fi.typing.Index,
    norm: fi.typing.NormName,
    activation: fi.typing.ActivationLike,
) -> fi.typing.Array:
    fi.profile(activation=activation, norm=norm)
    fi.verify(fi.init({"w": shape}, name, seed)["w"], name)
    return fi.normal(shape, seed=seed, dtype=dtype, index=index)
