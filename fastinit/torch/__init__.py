"""fastinit for PyTorch: ``torch.nn.init`` and whole models, whatever their sharding."""

try:
    import torch as torch
except ImportError as error:
    raise ImportError("`fastinit.torch` needs torch: pip install 'fastinit-nn[torch]'") from error

from .fast import fast_init
from .init import (
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
from .initialize import initialize_
from .names import canonical_name
from .parts import fill_flat_, fill_partition_, fill_rectangles_
from .planning import Entry, Plan, plan
from .recipes import Factors, deepnorm, gpt2, llama, mup
from .rules import Weight, fans_of, law_of
from .seen.lsuv import Correction, lsuv_
from .seen.model_profile import ModelProfile
from .seen.profiling import profile
from .verification import ModelVerification, verify

__all__ = [
    "Correction",
    "Entry",
    "Factors",
    "ModelProfile",
    "ModelVerification",
    "Plan",
    "Weight",
    "calculate_gain",
    "canonical_name",
    "constant",
    "constant_",
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
    "mup",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "plan",
    "profile",
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
