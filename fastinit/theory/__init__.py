"""Networks of infinite width: how second moments, correlations and gradients pass through a layer.

A layer is ``h = W phi(h') + b`` with independent weights of variance ``weight_variance / fan_in`` and biases of
variance ``bias_variance``. At infinite width the pre-activations h are Gaussian, so everything follows from their
second moment q and from the correlation c of the pre-activations of two inputs. Rates are ratios of second moments from
one layer to the next, never of their roots. Activations are given as everywhere: a name, ``("leaky_relu", slope)``,
``("elu", alpha)``, a pair (phi, phi') or an `Activation`.
"""

from .criticality import CriticalPoint, edge_of_chaos
from .finite_width import NormLaw, relu_norm_law
from .fixed_points import FixedPoint, fixed_point
from .kernels import ActivationMoments, activation_moments, derivative_kernel, kernel
from .maps import chi, chi_parallel, correlation_map, depth_scale, second_moment_map
from .normalisation import BatchNorm, batch_norm, decorrelation_rate, norm_rate
from .quadrature import expectation
from .tangent import TangentKernel, chi_2, tangent_kernel

__all__ = [
    "ActivationMoments",
    "BatchNorm",
    "CriticalPoint",
    "FixedPoint",
    "NormLaw",
    "TangentKernel",
    "activation_moments",
    "batch_norm",
    "chi",
    "chi_2",
    "chi_parallel",
    "correlation_map",
    "decorrelation_rate",
    "depth_scale",
    "derivative_kernel",
    "edge_of_chaos",
    "expectation",
    "fixed_point",
    "kernel",
    "norm_rate",
    "relu_norm_law",
    "second_moment_map",
    "tangent_kernel",
]
