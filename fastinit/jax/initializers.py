"""Initializers: those of `jax.nn.initializers`, with its parameters and its words where it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from math import prod
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import initializers as jax_initializers
from jax.nn.initializers import Initializer as Initializer
from jax.nn.initializers import constant as constant
from jax.nn.initializers import ones as ones
from jax.nn.initializers import zeros as zeros
from jax.sharding import NamedSharding

from ..arguments import refuse
from ..laws import Constant, DeltaOrthogonal, Law, Normal, Orthogonal, Truncated, Uniform
from ..layout import checked_shape
from ..schemes import DISTRIBUTIONS, FANS, SCHEMES
from .draws import draw

Axes = int | Sequence[int]

#: Bound now: somebody may put ours in their place, and what ours leave to jax still goes to jax.
_OF_JAX = dict(vars(jax_initializers))


@dataclass(frozen=True)
class _Same:
    """An array that is equal to itself alone."""

    array: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.array is other.array

    def __hash__(self) -> int:
        return id(self.array)


@dataclass(frozen=True, eq=False)
class _Initializer:
    """An initializer of jax's protocol. Those with equal arguments are equal; of an array, with the same one."""

    #: What makes it, in `jax.nn.initializers`.
    made_by: ClassVar[str]

    def __call__(self, key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> Any:
        lengths, asked = _lengths(shape), _dtype(self.arguments()["dtype"] if dtype is None else dtype)
        if jnp.issubdtype(asked, jnp.complexfloating):
            return self.own()(key, lengths, asked, out_sharding)
        if not jnp.issubdtype(asked, jnp.floating):
            raise ValueError(f"dtype argument to `{self.drawn}` must be a float dtype, got {asked}")
        law, factor = self.law(lengths)
        layout = None if out_sharding is None else self.checked(key, lengths, asked, out_sharding)
        values = draw(key, lengths, asked, law, self.drawn, layout)
        return values if factor is None else values * jnp.asarray(factor, asked)

    @property
    def drawn(self) -> str:
        """What jax calls it where it refuses a key or a dtype: the function of `jax.random` that draws the same."""
        return self.made_by

    def own(self) -> Any:
        """jax's own of the same arguments."""
        return _OF_JAX[self.made_by](**self.arguments())

    def law(self, shape: tuple[int, ...]) -> tuple[Law, Any]:
        """Of an array of that shape; and a factor of its values that a law does not have, or None."""
        raise NotImplementedError

    def checked(self, key: Any, shape: tuple[int, ...], dtype: Any, out_sharding: Any) -> Any:
        """How jax's own would lay out the result, or what it says against that."""
        spec = jax.eval_shape(lambda key: self.own()(key, shape, dtype, out_sharding), key).sharding.spec
        return NamedSharding(out_sharding.mesh, spec) if isinstance(out_sharding, NamedSharding) else spec

    def arguments(self) -> dict[str, Any]:
        """Those it was made with, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _compared(self) -> tuple[Any, ...]:
        given = self.arguments().values()
        return tuple(_Same(one) if isinstance(one, (np.ndarray, jax.Array)) else one for one in given)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Initializer) and type(self) is type(other) and self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash((type(self), self._compared()))


def _lengths(shape: Any) -> tuple[int, ...]:
    """A shape as jax takes it."""
    if type(shape) is not tuple or not all(type(length) is int for length in shape):
        shape = jax.eval_shape(lambda: jnp.empty(shape)).shape
    return checked_shape(shape)


def _dtype(dtype: Any) -> Any:
    """A dtype as jax understands it; of float64 it warns where it has no 64 bits."""
    if dtype is None:
        return jax.dtypes.canonicalize_dtype(float)
    known = jnp.dtype(dtype)
    return known if known.itemsize <= 4 else jnp.zeros((), dtype).dtype


def _is_known(scale: Any) -> bool:
    """Whether it is one number, and no array or tracer, by which values are multiplied after."""
    return not isinstance(scale, jax.core.Tracer) and np.ndim(scale) == 0


def _magnitude(scale: Any) -> tuple[float, Any]:
    """A scale as one that a law has, and the factor that is left."""
    if not _is_known(scale):
        return 1.0, scale
    return abs(float(scale)), -1 if scale < 0 else None


@dataclass(frozen=True, eq=False)
class _Uniform(_Initializer):
    scale: Any
    dtype: Any
    made_by: ClassVar[str] = "uniform"

    def law(self, shape: tuple[int, ...]) -> tuple[Law, Any]:
        scale, factor = _magnitude(self.scale)
        return Uniform(0.0, scale), factor


@dataclass(frozen=True, eq=False)
class _Normal(_Initializer):
    stddev: Any
    dtype: Any
    made_by: ClassVar[str] = "normal"

    def law(self, shape: tuple[int, ...]) -> tuple[Law, Any]:
        stddev, factor = _magnitude(self.stddev)
        return Normal(0.0, stddev), factor


@dataclass(frozen=True, eq=False)
class _TruncatedNormal(_Initializer):
    stddev: Any
    dtype: Any
    lower: Any
    upper: Any
    made_by: ClassVar[str] = "truncated_normal"

    def law(self, shape: tuple[int, ...]) -> tuple[Law, Any]:
        stddev, factor = _magnitude(self.stddev)
        return Truncated(0.0, stddev, float(self.lower), float(self.upper)), factor


@dataclass(frozen=True, eq=False)
class _VarianceScaling(_Initializer):
    scale: Any
    mode: Any
    distribution: Any
    in_axis: Axes
    out_axis: Axes
    batch_axis: Axes
    dtype: Any
    made_by: ClassVar[str] = "variance_scaling"

    @property
    def drawn(self) -> str:
        return str(self.distribution)

    def law(self, shape: tuple[int, ...]) -> tuple[Law, Any]:
        for what, given, known in (("mode", self.mode, FANS), ("distribution", self.distribution, DISTRIBUTIONS)):
            if given not in known:
                raise ValueError(f"invalid {what} for variance scaling initializer: {given}")
        scale, factor = (self.scale, None) if _is_known(self.scale) else (1.0, jnp.sqrt(self.scale))
        return _scaled(*self._fans(shape), self.distribution, float(scale), self.mode), factor

    def _fans(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """By jax's arithmetic, which knows shapes of one axis and no axes at all."""
        if self.in_axis == -2 and len(shape) <= 1:
            raise ValueError(
                f"Can't compute input and output sizes of a {len(shape)}-dimensional weights tensor with default "
                "in_axis. Must be at least 2D or specify in_axis explicitly."
            )
        named = (self.in_axis, self.out_axis, self.batch_axis)
        inputs, outputs, batch = (
            shape[axes] if isinstance(axes, int) else prod(shape[axis] for axis in axes) for axes in named
        )
        places = prod(shape) / (inputs * outputs * batch or 1)
        return inputs * places, outputs * places


@lru_cache(maxsize=1024)  # it took a tenth of the time of a small layer
def _scaled(fan_in: float, fan_out: float, distribution: Any, scale: float, mode: Any) -> Law:
    return SCHEMES["variance_scaling"].scaled(fan_in, fan_out, distribution=distribution, scale=scale, mode=mode)


@dataclass(frozen=True, eq=False)
class _Orthogonal(_Initializer):
    scale: Any
    column_axis: int
    dtype: Any
    made_by: ClassVar[str] = "orthogonal"

    def law(self, shape: tuple[int, ...]) -> tuple[Law, Any]:
        if len(shape) < 2:
            raise ValueError("orthogonal initializer requires at least a 2D shape")
        scale, factor = _magnitude(self.scale)
        column = range(len(shape))[self.column_axis]
        return Orthogonal(scale, in_axis=0 if column else 1, out_axis=column), factor

    def checked(self, key: Any, shape: tuple[int, ...], dtype: Any, out_sharding: Any) -> Any:
        """What can only be made whole has no layout, as in jax."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class _DeltaOrthogonal(_Orthogonal):
    made_by: ClassVar[str] = "delta_orthogonal"

    def law(self, shape: tuple[int, ...]) -> tuple[Law, Any]:
        if len(shape) not in (3, 4, 5):
            raise ValueError("Delta orthogonal initializer requires a 3D, 4D or 5D shape.")
        if shape[-1] < shape[-2]:
            raise ValueError("`fan_in` must be less or equal than `fan_out`. ")
        scale, factor = _magnitude(self.scale)
        return DeltaOrthogonal(scale), factor


def law_in_rules(scheme: Any, shape: tuple[int, ...]) -> Law | None:
    """The law of an initializer in a rule on the names of a tree; None of what is none of ours."""
    if scheme is zeros or scheme is ones:
        return Constant(float(scheme is ones))
    if not isinstance(scheme, _Initializer):
        return None
    law, factor = scheme.law(shape)
    if factor is not None:
        refuse("rules", "of initializers whose scale is a number, and not negative", scheme)
    return law


def _axes(axes: Any) -> Any:
    """What nobody can change."""
    return tuple(axes) if isinstance(axes, list) else axes


def uniform(scale: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Uniform values in [0, scale). See `jax.nn.initializers.uniform`."""
    return _Uniform(scale, dtype)


def normal(stddev: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Normal values of mean zero. See `jax.nn.initializers.normal`."""
    return _Normal(stddev, dtype)


def truncated_normal(stddev: Any = 1e-2, dtype: Any = None, lower: Any = -2.0, upper: Any = 2.0) -> Initializer:
    """Normal values between two bounds, in units of `stddev`. See `jax.nn.initializers.truncated_normal`."""
    return _TruncatedNormal(stddev, dtype, lower, upper)


def variance_scaling(
    scale: Any,
    mode: str,
    distribution: str,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: Any = None,
) -> Initializer:
    """Values of mean zero and variance ``scale / fan``. See `jax.nn.initializers.variance_scaling`.

    Examples
    --------
    >>> import jax
    >>> import fastinit as fi
    >>> from fastinit.jax import seed_of, variance_scaling
    >>> key = jax.random.key(5)
    >>> W = variance_scaling(2.0, "fan_in", "truncated_normal")(key, (64, 32))
    >>> same = fi.he_normal((64, 32), seed=seed_of(key), distribution="truncated_normal")
    >>> bool((W == same).all())
    True
    """
    axes = (_axes(in_axis), _axes(out_axis), _axes(batch_axis))
    return _VarianceScaling(scale, mode, distribution, *axes, dtype)


def glorot_uniform(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
    """Uniform of variance 2 / (fan_in + fan_out). See `variance_scaling`."""
    return variance_scaling(1.0, "fan_avg", "uniform", in_axis, out_axis, batch_axis, dtype)


def glorot_normal(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
    """Truncated normal of variance 2 / (fan_in + fan_out). See `variance_scaling`."""
    return variance_scaling(1.0, "fan_avg", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def lecun_uniform(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
    """Uniform of variance 1 / fan_in. See `variance_scaling`."""
    return variance_scaling(1.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def lecun_normal(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
    """Truncated normal of variance 1 / fan_in. See `variance_scaling`."""
    return variance_scaling(1.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def he_uniform(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
    """Uniform of variance 2 / fan_in. See `variance_scaling`."""
    return variance_scaling(2.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def he_normal(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
    """Truncated normal of variance 2 / fan_in. See `variance_scaling`."""
    return variance_scaling(2.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """Orthonormal rows or columns, whichever are fewer, times `scale`. See `jax.nn.initializers.orthogonal`.

    float16 and bfloat16 too. In a program the matrix is made on the host, whole.
    """
    return _Orthogonal(scale, column_axis, dtype)


def delta_orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """Zero but for the kernel's centre, an orthogonal matrix times `scale`. See `jax.nn.initializers.delta_orthogonal`.

    Whichever axis `column_axis` is, all such matrices are as likely.
    """
    return _DeltaOrthogonal(scale, column_axis, dtype)


xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal
