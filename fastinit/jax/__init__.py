"""fastinit for JAX: the initializers of ``jax.nn.initializers``, and whole models, whatever their sharding.

On the CPU a program makes values where they will lie, each device its own part. For other devices they are made on the
host and sent: by an initializer in a program whole, by `sharded` and `initialize` part by part.
"""

try:
    import jax as jax
except ImportError as _error:
    from ..missing import missing

    raise missing("`fastinit.jax`", "jax", "jax") from _error

from ..models.plans import Entry, Plan
from ..models.recipe import Recipe
from ..models.recipes import deepnorm, gpt2, llama
from ..models.shards import ModelVerification
from ..models.weights import Ruled, Weight
from .initializers import (
    Initializer,
    constant,
    delta_orthogonal,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    kaiming_normal,
    kaiming_uniform,
    lecun_normal,
    lecun_uniform,
    normal,
    ones,
    orthogonal,
    truncated_normal,
    uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
    zeros,
)
from .keys import seed_of
from .shards import sharded
from .transformation import fast_init
from .trees import initialize, law_of, plan, verify

__all__ = [
    "Entry",
    "Initializer",
    "ModelVerification",
    "Plan",
    "Recipe",
    "Ruled",
    "Weight",
    "constant",
    "deepnorm",
    "delta_orthogonal",
    "fast_init",
    "glorot_normal",
    "glorot_uniform",
    "gpt2",
    "he_normal",
    "he_uniform",
    "initialize",
    "kaiming_normal",
    "kaiming_uniform",
    "law_of",
    "lecun_normal",
    "lecun_uniform",
    "llama",
    "normal",
    "ones",
    "orthogonal",
    "plan",
    "seed_of",
    "sharded",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "verify",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]


def __dir__() -> list[str]:
    return list(__all__)
