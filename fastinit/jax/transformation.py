"""Transformation: a function of jax whose normal, truncated and uniform draws are fastinit's, all else as it was."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, jaxpr_as_fun

from ..dtypes import NAMES
from ..laws import Law, Normal, Truncated, Uniform
from .draws import draw

P = ParamSpec("P")
R = TypeVar("R")

#: By the names of the functions in which jax draws: the laws of what they take beside the key.
_DRAWS: dict[str, Callable[..., Law]] = {
    "_normal": Normal,
    "_normal_real": Normal,
    "_uniform": Uniform,
    "_truncated_normal": lambda low, high: Truncated(low=low, high=high),
}
#: Other functions of `jax.random`, some of which draw by these.
_OTHERS = {f"_{name}" for name in dir(jax.random)} - set(_DRAWS)


def fast_init(function: Callable[P, R]) -> Callable[P, R]:
    """A function that initialises as another does, faster: a transformation, as `jax.jit` is.

    What the function draws by `jax.random.normal`, `truncated_normal` and `uniform`, itself or through initializers of
    any library, inside of loops and other transformations too, are the values that fastinit has for the same keys.
    All other random functions, and draws between bounds that only the program knows, are left as they are.

    Parameters
    ----------
    function : callable
        Of jax arrays (keys, say) and anything else, to a tree of such: ``model.init``, a class of equinox, ...

    Returns
    -------
    callable
        The same under jit as not.

    Examples
    --------
    >>> import jax
    >>> import fastinit.jax
    >>> def init(key):
    ...     return jax.nn.initializers.he_normal()(key, (64, 32))
    >>> key = jax.random.key(5)
    >>> W = fastinit.jax.fast_init(init)(key)
    >>> bool(abs(W - fastinit.jax.he_normal()(key, (64, 32))).max() < 1e-6)
    True
    """

    @wraps(function)
    def fast(*args: P.args, **kwargs: P.kwargs) -> R:
        given, tree = jax.tree.flatten((args, kwargs))
        places = [at for at, one in enumerate(given) if isinstance(one, jax.Array)]
        returned: list[Any] = []

        def of_arrays(*arrays: Any) -> list[Any]:
            leaves = list(given)
            for at, array in zip(places, arrays, strict=True):
                leaves[at] = array
            own_args, own_kwargs = jax.tree.unflatten(tree, leaves)
            returned[:] = jax.tree.flatten(function(*own_args, **own_kwargs))
            return [one for one in returned[0] if isinstance(one, jax.Array)]

        arrays = [given[at] for at in places]
        made = iter(jaxpr_as_fun(_rewritten(jax.make_jaxpr(of_arrays)(*arrays)))(*arrays))
        leaves, out = returned
        return jax.tree.unflatten(out, [next(made) if isinstance(one, jax.Array) else one for one in leaves])

    return fast


def _rewritten(value: Any) -> Any:
    """A program, or what an operation is told, with the programs in it, in which the draws are ours."""
    if isinstance(value, ClosedJaxpr):
        return value.replace(jaxpr=_rewritten(value.jaxpr))
    if isinstance(value, Jaxpr):
        return value.replace(eqns=[_operation(one) for one in value.eqns])
    if isinstance(value, (tuple, list)) and any(isinstance(one, (ClosedJaxpr, Jaxpr)) for one in value):
        return type(value)(map(_rewritten, value))
    return value


def _operation(operation: JaxprEqn) -> JaxprEqn:
    drawn = _drawn(operation)
    if drawn is not None:
        return operation.replace(params={**operation.params, "jaxpr": drawn})
    if operation.params.get("name") in _OTHERS:
        return operation
    return operation.replace(params={name: _rewritten(one) for name, one in operation.params.items()})


def _drawn(operation: JaxprEqn) -> ClosedJaxpr | None:
    """The program of ours in place of a draw of jax; None where it is none, or not one that we can make."""
    known = _DRAWS.get(operation.params.get("name", ""))
    if known is None or len(operation.outvars) != 1:
        return None
    keys, out = operation.invars[0].aval, operation.outvars[0].aval
    bounds: list[Any] = [one.val if isinstance(one, Literal) else None for one in operation.invars[1:]]
    if out.dtype.name not in NAMES or out.shape[: keys.ndim] != keys.shape or None in bounds:
        return None
    law, shape = known(*map(float, bounds)), out.shape[keys.ndim :]

    def values(key: Any, *_: Any) -> Any:
        return draw(key, shape, out.dtype, law, "fast_init")

    for _ in range(keys.ndim):
        values = jax.vmap(values, in_axes=(0, *[None] * len(bounds)))
    arguments = [jax.ShapeDtypeStruct(one.aval.shape, one.aval.dtype) for one in operation.invars]
    return jax.make_jaxpr(values)(*arguments)
