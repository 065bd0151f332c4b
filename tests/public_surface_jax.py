"""The public surface of `fastinit.jax` as users write it, for the type checker: it is read, never run.

Each line marked `# type: ignore[...]` is wrong, and `make lint` fails if the checker no longer finds it so. What is
jax's own the checker does not look into, so that it finds the same where jax is not installed.
"""

from typing import Any

import jax
import jax.numpy as jnp
from typing_extensions import assert_type

import fastinit as fi
import fastinit.jax as fj


def initializers(key: jax.Array, layout: jax.sharding.NamedSharding) -> None:
    fj.normal(0.02)(key, (4, 8))
    fj.uniform(scale=0.02, dtype=jnp.bfloat16)(key, (4, 8), jnp.float32, layout)
    fj.truncated_normal(0.02, jnp.float32, lower=-3.0, upper=3.0)(key, (4, 8))
    fj.variance_scaling(2.0, "fan_in", "normal", in_axis=(0, 1), out_axis=-1, batch_axis=[2])(key, (3, 3, 2, 8))
    for made in (fj.glorot_normal, fj.glorot_uniform, fj.he_normal, fj.he_uniform, fj.lecun_normal, fj.lecun_uniform):
        made(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None)(key, (4, 8))
    for same in (fj.xavier_normal, fj.xavier_uniform, fj.kaiming_normal, fj.kaiming_uniform):
        same()(key, (4, 8))
    fj.orthogonal(scale=2.0, column_axis=0)(key, (4, 8))
    fj.delta_orthogonal()(key, (3, 4, 8))
    fj.constant(0.5)(key, (4, 8)), fj.zeros(key, 8), fj.ones(key, 8)
    assert_type(fj.seed_of(key), int)
    fj.normal(std=0.02)  # type: ignore[call-arg]
    fj.variance_scaling(2.0)  # type: ignore[call-arg]
    fj.variance_scaling(2.0, 1, "normal")  # type: ignore[arg-type]
    fj.he_normal(in_axis=0.5)  # type: ignore[arg-type]
    fj.orthogonal(column_axis="last")  # type: ignore[arg-type]
    fj.he_norml()  # type: ignore[attr-defined]
    fj.seed_of()  # type: ignore[call-arg]


def custom() -> fj.Initializer:
    return fj.he_normal()


def arrays(layout: jax.sharding.NamedSharding) -> None:
    fj.sharded("he_normal", (4, 8), layout, seed=0, name="w", dtype="bfloat16", gain=2.0)
    fj.sharded(fi.laws.Normal(std=0.02), [4, 8], layout, seed=0)
    fj.sharded("he_normal", (4, 8), layout)  # type: ignore[call-arg]
    fj.sharded("he_nromal", (4, 8), layout, seed=0)  # type: ignore[arg-type]
    fj.sharded("he_normal", "4, 8", layout, seed=0)  # type: ignore[arg-type]


def narrow(weight: fj.Weight) -> fj.Ruled:
    return fj.law_of("normal", weight, std=0.01)


def models(tree: Any) -> None:
    made = fj.plan(tree, [("*.bias", "zeros"), ("*", "he_normal", {"gain": 2.0})])
    assert_type(made, fj.Plan)
    assert_type(made[0], fj.Entry)
    assert_type(fj.Plan.from_json(made.to_json()), fj.Plan)
    fj.initialize(tree, narrow, seed=0)
    fj.initialize(tree, "gpt2", seed=0)
    recipes: list[fj.Recipe] = [fj.gpt2(layers=2), fj.llama(), fj.deepnorm(layers=2)]
    for recipe in recipes:
        fj.plan(tree, recipe)
    found = fj.verify(tree, narrow, seed=0)
    assert_type(found, fj.ModelVerification)
    assert_type(found.ok, bool)
    fj.initialize(tree, narrow)  # type: ignore[call-arg]
    fj.initialize(tree, 3, seed=0)  # type: ignore[arg-type]
    fj.plan(tree, narrow, seed=0)  # type: ignore[call-arg]
    fj.verify(tree)  # type: ignore[call-arg]


def transformed(key: jax.Array) -> None:
    def init(key: jax.Array, width: int) -> dict[str, int]:
        return {"width": width}

    assert_type(fj.fast_init(init)(key, 8), dict[str, int])
    fj.fast_init(init)(key, "8")  # type: ignore[arg-type]
    fj.fast_init(init, seed=0)  # type: ignore[call-arg]
