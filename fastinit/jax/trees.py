"""Trees: the weights of a model of any library, abstract or not, by rules on their names, and what they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, SingleDeviceSharding

from .. import verification
from ..arguments import refuse, unexpected
from ..machine import usually_rounded
from ..models import weights
from ..models.plans import Entry, Plan
from ..models.shards import ModelVerification, Shard, digest_of, put_together, wants_sketches
from ..models.weights import Ruled, Rules, Weight, planned
from ..rectangles import Rectangle
from ..stream import seed_number
from .initializers import law_in_rules
from .shards import laid_out, number_of_all

#: Last entries of paths that name no weight, but what holds its values.
_HOLDERS = ("value", "raw_value")


def name_of(path: tuple[Any, ...]) -> str:
    """The path of a leaf as the name of its stream: its entries, joined by dots."""
    words = [str(next(getattr(one, kind) for kind in ("key", "idx", "name") if hasattr(one, kind))) for one in path]
    while words and words[-1] in _HOLDERS:
        words.pop()
    return ".".join(words)


class _Leaves(NamedTuple):
    """A tree apart: all its leaves, and at which places there are weights, with these."""

    leaves: list[Any]
    structure: Any
    weights: dict[int, Weight]


def _leaves(tree: Any) -> _Leaves:
    paths, structure = jax.tree_util.tree_flatten_with_path(tree)
    found = {
        at: Weight(name_of(path), tuple(leaf.shape), np.dtype(leaf.dtype).name)
        for at, (path, leaf) in enumerate(paths)
        if hasattr(leaf, "shape") and jnp.issubdtype(getattr(leaf, "dtype", None), jnp.floating)
    }
    sides = _sides_in_attention({weight.name: weight.shape for weight in found.values()})
    found = {at: weight._replace(sides=sides.get(weight.name, weight.sides)) for at, weight in found.items()}
    counts = Counter(weight.name for weight in found.values())
    if twice := [name for name, count in counts.items() if count > 1]:
        refuse("tree", "one whose paths, joined by dots, are apart", twice)
    return _Leaves([leaf for _, leaf in paths], structure, found)


def _sides_in_attention(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[Any, Any, Any]]:
    """Of kernels of flax's attention, which have an axis for heads and one for the numbers of a head; of stacks too."""
    found: dict[str, tuple[Any, Any, Any]] = {}
    for name in shapes:
        home = name.removesuffix("query.kernel")
        names = [f"{home}{one}.kernel" for one in ("query", "key", "value", "out")]
        lengths = {len(shapes.get(one, ())) for one in names}
        if home != name and len(lengths) == 1 and min(lengths) > 2:
            stacked = tuple(range(min(lengths) - 3))
            found |= dict.fromkeys(names[:3], (-3, (-2, -1), stacked)) | {names[3]: ((-3, -2), -1, stacked)}
    return found


def law_of(scheme: Any, weight: Weight, **keywords: Any) -> Ruled:
    """The law of a scheme, or of an initializer, for a weight: what a function that gives rules returns.

    Parameters
    ----------
    scheme : str, Scheme, Law, callable or initializer
        The name of a scheme, one of fastinit's functions or one like them, or a law itself; or an initializer of this
        module, such as ``he_normal()``, which takes no keywords.
    weight : Weight
        What a function that gives rules is called with.
    **keywords
        Of the scheme: gain, std, ..., in_axis, out_axis and batch_axis.

    Returns
    -------
    Ruled
        What a rule returns.

    Raises
    ------
    ValueError, TypeError
        If there is no such scheme, it does not take a keyword, or it needs fans and there are none.
    """
    law = law_in_rules(scheme, weight.shape)
    if law is None:
        return weights.law_of(scheme, weight, **keywords)
    unexpected("initializer", keywords, ())
    return Ruled(law, weight.known_fans)


@usually_rounded
def plan(tree: Any, rules: Rules) -> Plan:
    """What `initialize` would do: name, shape, law, deviation, fans of every weight.

    Parameters
    ----------
    tree, rules
        As for `initialize`.

    Returns
    -------
    Plan
        A list with an entry for each weight; as a string, a table.

    Raises
    ------
    ValueError, TypeError
        If a rule matches nothing, or nothing matches a weight.

    Examples
    --------
    >>> import jax
    >>> import fastinit.jax
    >>> layer = {"kernel": jax.ShapeDtypeStruct((784, 256), "float32"), "bias": jax.ShapeDtypeStruct((256,), "float32")}
    >>> print(fastinit.jax.plan({"layers": [layer]}, [("*.bias", "zeros"), ("*", "he_normal")]))
    name             shape    law                  std      fan_in  fan_out
    layers.0.bias    256      zeros()              0        -       -
    layers.0.kernel  784x256  normal(std=0.05051)  0.05051  784     256
    """
    return planned([*_leaves(tree).weights.values()], rules, law_of)


@usually_rounded
def initialize(tree: Any, rules: Rules, *, seed: Any) -> Any:
    """The same tree with initial weights, each under its own name, so that no sharding and no order matters.

    Parameters
    ----------
    tree : tree of arrays
        Abstract or not: what `jax.eval_shape`, ``nnx.get_abstract_model`` or ``nnx.eval_shape`` give. A leaf's
        ``sharding`` says where its weight will lie; without one that is the default device. Leaves that are no floats
        stay what they are.
    rules : str, list or callable
        The name of a recipe, "gpt2" or "llama", or one made with its arguments, as ``deepnorm(layers=12)``; a list of
        ``(pattern, scheme)`` or ``(pattern, scheme, keywords)``, of which the first whose pattern matches the name
        counts; or a function from a `Weight` to a law (see `law_of`), or None. A name is the path of a leaf joined by
        dots, without a last ``value``: ``layers.0.kernel``. Kernels are (..., in, out), but those of flax's attention,
        whose heads have an axis; where outputs come first, as in Equinox, rules name the axes.
    seed : int, list or array of int, or numpy.random.SeedSequence
        The same on every process.

    Returns
    -------
    tree of jax.Array
        Each as ``fastinit.init({name: shape}, scheme, seed)`` makes it.

    Raises
    ------
    ValueError, TypeError
        If a rule matches nothing, or nothing matches a weight; or a sharding does not divide one, or has no devices.

    Examples
    --------
    >>> import jax
    >>> import fastinit as fi
    >>> import fastinit.jax
    >>> tree = {"layers": [{"kernel": jax.ShapeDtypeStruct((64, 32), "float32")}]}
    >>> made = fastinit.jax.initialize(tree, [("*.kernel", "he_normal")], seed=0)
    >>> same = fi.init({"layers.0.kernel": (64, 32)}, "he_normal", 0)["layers.0.kernel"]
    >>> bool((made["layers"][0]["kernel"] == same).all())
    True
    """
    number, found = number_of_all(seed), _leaves(tree)
    entries = planned([*found.weights.values()], rules, law_of)
    shardings = [_sharding(found.leaves[at], weight.name) for at, weight in found.weights.items()]
    made = list(found.leaves)
    for at, entry, sharding in zip(found.weights, entries, shardings, strict=True):
        assert entry.law is not None  # rules on names give every weight one
        dtype = found.weights[at].dtype
        made[at] = laid_out(entry.law, entry.shape, sharding, seed=number, name=entry.stream, dtype=dtype)
    return jax.tree.unflatten(found.structure, made)


def _sharding(leaf: Any, name: str) -> Any:
    """Where a weight will lie."""
    told = getattr(leaf, "sharding", None)
    if told is None:
        device = jax.config.jax_default_device
        return SingleDeviceSharding(device if isinstance(device, jax.Device) else jax.local_devices()[0])
    if isinstance(told, NamedSharding) and not isinstance(told.mesh, Mesh):
        mesh = jax.sharding.get_mesh()
        if mesh.empty:
            refuse("tree", f"of shardings that have devices, or under jax.set_mesh ({name})", told)
        told = NamedSharding(mesh, told.spec)
    return told


@usually_rounded
def verify(tree: Any, rules: Rules, seed: Any = None) -> ModelVerification:
    """Does a model, sharded or not, have the weights that `initialize` gives it?

    What each device holds is compared with the laws of `plan` (see `fastinit.verify`), and where a seed is given every
    bit; replicas must be equal, and different shards or weights must not hold the same values.

    Parameters
    ----------
    tree : tree of arrays
        All on devices of this process.
    rules
        As for `initialize`.
    seed : int, list or array of int, numpy.random.SeedSequence or None
        None: laws alone are checked.

    Returns
    -------
    ModelVerification
        True if nothing was wrong. Its digest depends on no sharding; see ``fastinit.torch.verify``.

    Raises
    ------
    ValueError, TypeError
        As for `plan`; and if a weight is abstract, or on devices of another process.

    Examples
    --------
    >>> import jax
    >>> import fastinit.jax
    >>> tree, rules = {"kernel": jax.ShapeDtypeStruct((64, 32), "float32")}, [("*", "he_normal")]
    >>> print(fastinit.jax.verify(fastinit.jax.initialize(tree, rules, seed=1), rules, seed=1).ok)
    True
    """
    found, number = _leaves(tree), None if seed is None else seed_number(seed)
    entries = planned([*found.weights.values()], rules, law_of)
    held: dict[int, list[tuple[Shard, Any]]] = {}
    for at, entry in zip(found.weights, entries, strict=True):
        for device, shard, array in _held(found.leaves[at], entry, number):
            held.setdefault(device, []).append((shard, array))
    every = [held.get(device, []) for device in range(max(held, default=0) + 1)]
    shards = [[shard for shard, _ in here] for here in every]
    if wants_sketches(shards):
        shards = [[shard.sketched(partial(_on_host, array)) for shard, array in here] for here in every]
    return put_together(shards, "device")


def _on_host(array: Any) -> list[Any]:
    return [np.asarray(array)]


def _held(leaf: Any, entry: Entry, seed: int | None) -> Iterator[tuple[int, Shard, Any]]:
    """By the number of its device, what each holds of a weight: what is found of it, and itself."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        refuse("tree", f"of arrays, none of them abstract ({entry.name})", leaf, TypeError)
    if not isinstance(leaf, jax.Array):
        yield 0, _shard(np.asarray(leaf), Rectangle.whole(entry.shape), entry, seed), leaf
        return
    if not leaf.is_fully_addressable:
        refuse("tree", f"of arrays that are whole on devices of this process ({entry.name})", leaf.sharding)
    for one in leaf.addressable_shards:
        ends = [part.indices(length)[:2] for part, length in zip(one.index, entry.shape, strict=True)]
        begin, size = tuple(start for start, _ in ends), tuple(stop - start for start, stop in ends)
        rectangle = Rectangle(begin, (0,) * len(begin), size)
        shard = _shard(np.asarray(one.data), rectangle, entry, seed, checked=one.replica_id == 0)
        yield one.device.id, shard, one.data


def _shard(array: Any, rectangle: Rectangle, entry: Entry, seed: int | None, checked: bool = True) -> Shard:
    """What a device tells of its part; that a replica is equal to another, which is checked, is seen to later."""
    bits = array.view(f"u{array.itemsize}")
    total = digest_of(lambda part: bits[part.local_slices], rectangle, entry.shape) % 2**64
    places = ((rectangle.offset, rectangle.size),) if rectangle.elements else ()
    shard = Shard(entry.name, entry.shape, array.dtype.name, places, total, True)
    if not checked or not prod(rectangle.size):
        return shard
    is_whole = rectangle == Rectangle.whole(entry.shape)
    index = None if is_whole else rectangle.slices
    law: Any = entry.law
    found = verification.verify(array, law, shape=entry.shape, index=index, seed=seed, name=entry.stream)
    return shard.judged(found, law)
