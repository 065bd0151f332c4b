"""fastinit for PyTorch: ``torch.nn.init`` and whole models, whatever their sharding."""

try:
    import torch as torch
except ImportError as _error:
    from ..missing import missing

    raise missing("`fastinit.torch`", "torch", "torch") from _error

from ..models.plans import Entry, Plan
from ..models.recipe import Recipe, Sought
from ..models.recipes import deepnorm, gpt2, llama
from ..models.shards import ModelVerification
from .calls.fast import fast_init
from .calls.init import (
    calculate_gain,
    constant,
    constant_,
    dirac,
    dirac_,
    eye,
    eye_,
    kaiming_normal,
    kaiming_normal_,
    kaiming_uniform,
    kaiming_uniform_,
    normal,
    normal_,
    ones_,
    orthogonal,
    orthogonal_,
    sparse,
    sparse_,
    trunc_normal_,
    uniform,
    uniform_,
    xavier_normal,
    xavier_normal_,
    xavier_uniform,
    xavier_uniform_,
    zeros_,
)
from .fill_parts import fill_flat_, fill_partition_, fill_rectangles_
from .models.initialize import initialize_
from .models.memory import materialize
from .models.plans import plan
from .models.saving import save
from .models.verification import verify
from .rules.modules import fans_of
from .rules.recipe import register_recipe
from .rules.weights import Ruled, Weight, law_of
from .rules.width import Factors, mup
from .seen.coordinates import CoordinateCheck, Powers
from .seen.lsuv import Correction, lsuv_
from .seen.model_profile import ModelProfile
from .seen.profiling import profile
from .seen.widening import coordinate_check
from .tensors.names import canonical_name

__all__ = [
    "CoordinateCheck",
    "Correction",
    "Entry",
    "Factors",
    "ModelProfile",
    "ModelVerification",
    "Plan",
    "Powers",
    "Recipe",
    "Ruled",
    "Sought",
    "Weight",
    "calculate_gain",
    "canonical_name",
    "constant",
    "constant_",
    "coordinate_check",
    "deepnorm",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "fans_of",
    "fast_init",
    "fill_flat_",
    "fill_partition_",
    "fill_rectangles_",
    "gpt2",
    "initialize_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "law_of",
    "llama",
    "lsuv_",
    "materialize",
    "mup",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "plan",
    "profile",
    "register_recipe",
    "save",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "verify",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]


def __dir__() -> list[str]:
    return list(__all__)
