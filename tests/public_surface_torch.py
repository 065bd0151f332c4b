"""The public surface of `fastinit.torch` as users write it, for the type checker: it is read, never run.

Each line marked `# type: ignore[...]` is wrong, and `make lint` fails if the checker no longer finds it so. What is
torch's own the checker does not look into, so that it finds the same where torch is not installed.
"""

from pathlib import Path
from typing import Any

import torch
from typing_extensions import assert_type

import fastinit as fi
import fastinit.torch as ft


def fills(tensor: torch.Tensor, generator: torch.Generator) -> None:
    ft.normal_(tensor, 0.0, 0.02, generator=generator)
    ft.trunc_normal_(tensor, std=0.02, a=-0.04, b=0.04)
    ft.kaiming_uniform_(tensor, mode="fan_out", nonlinearity="relu")
    ft.orthogonal_(tensor, gain=2.0)
    ft.sparse_(tensor, sparsity=0.5)
    ft.fill_flat_(tensor, 0, (4, 8), "he_normal", seed=0, name="w", gain=2.0)
    ft.fill_rectangles_(tensor, (4, 8), [((0, 0), (0, 0), (2, 8))], "he_normal", seed=0, name="w")
    ft.fill_partition_(tensor, "he_normal", partition=(0, 2), partition_dim=1, seed=0, name="w")
    ft.normal_(tensor, scale=0.02)  # type: ignore[call-arg]
    ft.sparse_(tensor)  # type: ignore[call-arg]
    ft.orthogonal_(tensor, "2")  # type: ignore[arg-type]
    ft.fill_flat_(tensor, 0, (4, 8), "he_normal")  # type: ignore[call-arg]
    ft.he_normal_(tensor)  # type: ignore[attr-defined]


def models(model: torch.nn.Module, inputs: torch.Tensor) -> None:
    made = ft.plan(model, [("*.bias", "zeros"), ("*", "he_normal", {"gain": 2.0})])
    assert_type(made, ft.Plan)
    assert_type(made[0], ft.Entry)
    assert_type(made[:2], ft.Plan)
    assert_type(made[0].std, float)
    assert_type(made[0].law, fi.laws.Law | None)
    assert_type(made[0].fans, fi.Fans | None)
    assert_type(ft.Plan.from_json(made.to_json()), ft.Plan)
    assert_type(ft.initialize_(model, "gpt2", seed=0, split={"*.qkv": 3}, partition=(0, 2)), ft.Plan)
    assert_type(ft.materialize(torch.nn.Linear(2, 2), "cpu"), torch.nn.Linear)
    found = ft.verify(model, ft.llama(std=0.02), seed=0)
    assert_type(found, ft.ModelVerification)
    assert_type(found.ok, bool)
    assert_type(ft.ModelVerification.from_json(found.to_json()), ft.ModelVerification)
    assert_type(ft.save(model, "folder", "gpt2", 0, dtype=torch.bfloat16, max_shard_size="5GB"), list[Path])
    assert_type(ft.lsuv_(model, inputs), list[ft.Correction])
    assert_type(ft.canonical_name("_orig_mod.fc.weight"), str)
    with ft.fast_init(seed=0, model=model) as fast:
        assert_type(fast, ft.fast_init)
    assert_type(fast.filled, int)
    ft.save(model)  # type: ignore[call-arg]
    ft.initialize_(model, 3)  # type: ignore[arg-type]
    ft.initialize_(model, sed=0)  # type: ignore[call-arg]
    ft.plan(model, seed=0)  # type: ignore[call-arg]
    ft.verify(model, partition=2)  # type: ignore[arg-type]
    ft.fast_init(0, model)  # type: ignore[call-arg]


@ft.register_recipe
class narrow(ft.Recipe):  # noqa: N801
    def law(self, weight: ft.Weight) -> ft.Ruled:
        assert_type(weight.fans, fi.Fans | None)
        assert_type(weight.layer, int | None)
        return ft.law_of("normal", weight, std=0.01)


def recipes(model: torch.nn.Module) -> None:
    ft.plan(model, narrow())
    ft.plan(model, ft.gpt2(layers=12, residual=["c_proj"]))
    ft.plan(model, ft.deepnorm(12))
    ft.plan(model, lambda weight: fi.laws.Normal(std=0.02) if weight.is_norm else None)
    assert_type(ft.mup(model).factors(model), dict[str, ft.Factors])
    ft.gpt2()  # type: ignore[call-arg]
    ft.llama(layers=2)  # type: ignore[call-arg]
    ft.deepnorm("12")  # type: ignore[arg-type]
    ft.plan(model, lambda weight: "he_normal")  # type: ignore[arg-type, return-value]


def profiles(model: torch.nn.Module, inputs: torch.Tensor) -> None:
    p = ft.profile(model, inputs)
    assert_type(p, ft.ModelProfile)
    assert_type(p.healthy, bool)
    assert_type(p.verdict, fi.Verdict)
    assert_type(p.roles, fi.Comparison)
    assert_type(p.to_dict(), dict[str, Any])
    assert_type(ft.ModelProfile.from_json(p.to_json()), ft.ModelProfile)
    assert_type(fi.compare([p]), fi.Comparison)
    p.to_frame()
    ft.profile()  # type: ignore[call-arg]
    ft.profile(model, inputs, names=3)  # type: ignore[arg-type]


def widths(batches: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    def make(width: int) -> torch.nn.Module:
        return torch.nn.Linear(8, width)

    def adam(model: torch.nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(model.parameters(), 1e-3)

    found = ft.coordinate_check(make, [64, 128, 256], adam, batches, steps=2, tolerance=0.2, names="*.weight")
    assert_type(found, ft.CoordinateCheck)
    assert_type(found.passed, bool)
    assert_type(found.problems, tuple[str, ...])
    assert_type(found.moves, ft.Powers)
    assert_type(ft.CoordinateCheck.from_json(found.to_json()), ft.CoordinateCheck)
    found.plot("widths.png")
    found.to_frame()
    ft.coordinate_check(make, [64, 128, 256], adam)  # type: ignore[call-arg]
    ft.coordinate_check(make, 64, adam, batches)  # type: ignore[arg-type]
