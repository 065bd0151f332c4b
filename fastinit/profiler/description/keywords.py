"""Keywords: from those of `profile` to a checked network."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from ...activations import activation_of
from ...arguments import boolean, choice, integer, real, refuse
from ...scaling import gain as exact_gain
from ...typing import Method, NetworkKind, Padding
from ..norms import NORMS
from .initialisation import Initialisation, initialisation_from
from .network import Image, Network, Text, normalisation_of

KINDS = get_args(NetworkKind)
#: Layers of a network are fewer than this: some kilobytes are kept for each.
_DEEPEST = 1 << 20
#: Width, depth and batch of each kind where the user names none.
_USUAL = {"mlp": (1024, 50, 256), "conv": (32, 20, 32), "transformer": (256, 12, 8)}
POSITIONS = ("pre_act", "post_act")
BLOCK_POSITIONS = ("pre", "post")

_CONV, _TRANSFORMER = ("conv",), ("transformer",)
#: A switch that is none of the keywords: on where inputs are not what would be embedded tokens.
_TOKENS = "tokens as inputs"


@dataclass(frozen=True)
class Keyword:
    """A keyword that not every profile has: its usual value, the kinds of network that have it, and its switch.

    A switch is another keyword, without which this one says nothing.
    """

    usual: Any = None
    kinds: tuple[str, ...] = KINDS
    switch: str = ""


#: Keywords that are left out but where they are wanted. A usual value of None is found from the others.
KEYWORDS = {
    "residual": Keyword(False, ("mlp", "conv")),
    "branch_scale": Keyword(1.0, switch="residual"),
    "norm_position": Keyword(switch="norm"),
    "norm_eps": Keyword(1e-5, switch="norm"),
    "kernel_size": Keyword(3, _CONV),
    "image_size": Keyword(None, _CONV),
    "padding": Keyword("zero", _CONV),
    "sequence_length": Keyword(None, _TRANSFORMER),
    "vocabulary": Keyword(1024, _TRANSFORMER, _TOKENS),
    "embedding_std": Keyword(0.02, _TRANSFORMER, _TOKENS),
    "positional": Keyword(True, _TRANSFORMER, _TOKENS),
    "heads": Keyword(None, _TRANSFORMER),
    "mlp_ratio": Keyword(4.0, _TRANSFORMER),
    "gated": Keyword(False, _TRANSFORMER),
    "causal": Keyword(True, _TRANSFORMER),
    "stream_scale": Keyword(1.0, _TRANSFORMER),
    "residual_gain": Keyword(1.0, _TRANSFORMER),
    "logit_scale": Keyword(None, _TRANSFORMER),
    "cotangent": Keyword("random_sign", switch="backward"),
    "loss": Keyword(None, switch="backward"),
    "lr": Keyword(None, switch="sgd_steps"),
}
_FLAGS = ("residual", "positional", "gated", "causal", "backward", "jacobian", "progress")
_NEVER_LEFT_OUT = ("backward", "jacobian")
#: Keywords of what is sent through a network, and of how that is done; all others describe the network.
OF_SIGNALS = ("cotangent", "loss", "classes", "backward", "jacobian", "sgd_steps", "lr")
OF_RUNS = ("seed", "repeats", "method", "threads", "client", "progress")


def check_name(keyword: str, value: Any) -> None:
    """Raise where a keyword's value is a name that nothing has, or is made with one: no other keyword mends it."""
    if keyword == "activation":
        activation_of(value)
    elif keyword == "scheme" and value is not None:
        initialisation_from(value, 1.0)
    elif keyword in _NAMES and value is not None:
        choice(keyword, value, _NAMES[keyword])


#: Names that keywords may be.
_NAMES = {
    "kind": KINDS,
    "norm": tuple(NORMS),
    "norm_position": (*POSITIONS, *BLOCK_POSITIONS),
    "padding": get_args(Padding),
    "method": get_args(Method),
}


def settled(given: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of `profile` with usual values for those left out (None); all that says nothing is refused."""
    kind = choice("kind", given["kind"], KINDS)
    found = dict(given)
    for name in _FLAGS:
        if given[name] is not None or name in _NEVER_LEFT_OUT:
            found[name] = boolean(name, given[name])
    for name, keyword in KEYWORDS.items():
        if given[name] is None:
            found[name] = keyword.usual
        elif kind not in keyword.kinds:
            kinds = f"kind{'s' * (len(keyword.kinds) > 1)} {' and '.join(map(repr, keyword.kinds))}"
            refuse(name, f"left out for kind {kind!r} (it belongs to {kinds})", given[name])
        elif keyword.switch and not _is_on(keyword.switch, kind, given):
            refuse(name, f"left out without {keyword.switch}", _shown(given[name]))
    _check_cotangent(given)
    _check_sizes(given)
    return found


def _is_on(switch: str, kind: str, given: Mapping[str, Any]) -> bool:
    if switch == _TOKENS:
        return len(_shape(given["inputs"])) != 3
    return bool(given[switch]) or (switch, kind) == ("residual", "transformer")


def _shown(value: Any) -> Any:
    return "an array" if isinstance(value, np.ndarray) else value


def _check_cotangent(given: Mapping[str, Any]) -> None:
    """That there is one gradient at the outputs."""
    cotangent = given["cotangent"]
    if cotangent is None:
        return
    if given["loss"] is not None:
        refuse("cotangent", "left out where there is a loss", _shown(cotangent))
    if isinstance(cotangent, str) and cotangent == "random_sign" and given["sgd_steps"]:
        refuse("cotangent", "an array, or left out, with sgd_steps", cotangent)


def _check_sizes(given: Mapping[str, Any]) -> None:
    """That sizes are given in one way only."""
    width, depth, widths, channels = (given[name] for name in ("width", "depth", "widths", "channels"))
    if channels is not None and (given["kind"] != "conv" or width is not None):
        refuse("channels", "given for kind 'conv', in place of width", channels)
    if widths is not None and (width, depth, channels) != (None, None, None):
        refuse("widths", "left out where width, depth or channels is given", widths)
    for name in ("width", "channels"):
        if depth is not None and _listed(given[name]):
            refuse("depth", f"left out where {name} is a sequence", depth)


def network_from(
    *,
    kind: str,
    width: Any,
    depth: Any,
    widths: Any,
    channels: Any,
    activation: Any,
    scheme: Any,
    gain: Any,
    norm: Any,
    norm_position: Any,
    norm_eps: Any,
    residual: Any,
    branch_scale: Any,
    bias_std: Any,
    kernel_size: Any,
    image_size: Any,
    padding: Any,
    batch: Any,
    dtype: Any,
    inputs: Any = None,
    **text: Any,
) -> Network:
    """A checked `Network` from the keywords of `profile`; `text` has those of a transformer."""
    choice("kind", kind, KINDS)
    width, shape = channels if channels is not None else width, _shape(inputs)
    if shape and batch not in (None, shape[0]):
        refuse("batch", f"the number of inputs ({shape[0]}), or left out", batch)
    batch = shape[0] if shape else batch
    if width is None and (kind, len(shape)) in (("mlp", 2), ("transformer", 3)):
        width = shape[-1]
    if image_size is None:
        image_size = shape[1] if (kind, len(shape)) == ("conv", 4) else 16
    width, depth, batch = (
        usual if given is None else given for given, usual in zip((width, depth, batch), _USUAL[kind], strict=True)
    )
    image = None
    norms = [name for name, known in NORMS.items() if kind in known.kinds]
    positions = BLOCK_POSITIONS if kind == "transformer" else POSITIONS
    if kind == "conv":
        image = Image(
            integer("image_size", image_size, 1),
            integer("kernel_size", kernel_size, 1),
            choice("padding", padding, get_args(Padding)),
        )
        if image.kernel > image.size:
            refuse("kernel_size", f"at most image_size ({image.size})", image.kernel)
    units = _widths(width, depth, widths)
    network = Network(
        kind=kind,
        widths=units,
        batch=integer("batch", batch, 1),
        activation=activation_of(activation),
        scheme=_initialisation(scheme, gain, activation),
        norm=None if norm is None else choice("norm", norm, norms),
        norm_position=choice("norm_position", positions[0] if norm_position is None else norm_position, positions),
        norm_eps=real("norm_eps", norm_eps, low=0),
        residual=residual or kind == "transformer",
        branch_scale=real("branch_scale", branch_scale),
        bias_std=real("bias_std", bias_std, low=0),
        dtype=np.dtype(choice("dtype", _dtype_name(dtype), ("float32", "float64"))),
        image=image,
        text=_text(units, inputs=inputs, **text) if kind == "transformer" else None,
    )
    if network.residual and len(set(network.widths)) > 1:
        refuse("widths", "the same for all layers of a residual network", network.widths)
    _check_rows(network)
    return network


def _dtype_name(dtype: Any) -> Any:
    if isinstance(dtype, np.dtype) or dtype is float:
        return np.dtype(dtype).name
    return getattr(dtype, "__name__", dtype)


def _shape(inputs: Any) -> tuple[int, ...]:
    try:
        shape = np.shape(inputs)
    except ValueError:  # lists of different lengths
        refuse("inputs", "an array", inputs)
    return refuse("inputs", "an array of one example or more", shape) if 0 in shape else shape


def _text(units: tuple[int, ...], *, inputs: Any, sequence_length: Any, vocabulary: Any, embedding_std: Any,
          positional: Any, heads: Any, mlp_ratio: Any, gated: Any, causal: Any, stream_scale: Any, residual_gain: Any,
          logit_scale: Any) -> Text:  # fmt: skip
    width, depth, shape = units[0], len(units) - 1, np.shape(inputs)
    if sequence_length is None:
        sequence_length = shape[1] if len(shape) > 1 else 64
    if heads is None:  # 64 units each, as far as they divide the width
        heads = next(count for count in range(max(1, width // 64), 0, -1) if width % count == 0)
    heads = integer("heads", heads, 1)
    if width % heads:
        refuse("heads", f"a divisor of the width ({width})", heads)
    hidden = round(real("mlp_ratio", mlp_ratio, low=0) * width)
    if hidden < 1:
        refuse("mlp_ratio", f"such that mlp_ratio times the width ({width}) is at least 1", mlp_ratio)
    words = integer("vocabulary", vocabulary, 1)
    return Text(
        positions=integer("sequence_length", sequence_length, 1),
        vocabulary=0 if len(shape) == 3 else words,
        embedding_std=real("embedding_std", embedding_std, low=0),
        positional=positional,
        heads=heads,
        hidden=hidden,
        gated=gated,
        causal=causal,
        stream_scale=real("stream_scale", stream_scale),
        residual_gain=_named("residual_gain", residual_gain, {"gpt2": (2 * depth) ** -0.5}),
        logit_scale=_named("logit_scale", logit_scale, {None: (width // heads) ** -0.5, "mup": heads / width}),
    )


def _named(name: str, value: Any, known: dict[Any, float]) -> float:
    """A number, given as such or by its name."""
    if value is not None and not isinstance(value, str):
        return real(name, value)
    return known[value if value in known else choice(name, value, [*filter(None, known)], "a number or ")]


def _listed(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _widths(width: Any, depth: Any, widths: Any) -> tuple[int, ...]:
    """Units of the input and of each layer."""
    if widths is None and _listed(width):
        widths = width
    if widths is None:
        return (integer("width", width, 1),) * (integer("depth", depth, 1, _DEEPEST) + 1)
    try:
        listed = tuple(integer("widths", n, 1) for n in widths)
    except TypeError:
        refuse("widths", "a sequence of integers of at least 1", widths, TypeError)
    if len(listed) < 2:
        refuse("widths", "at least two: of the input and of one layer", listed)
    return listed


def _initialisation(scheme: Any, gain: Any, activation: Any) -> Initialisation:
    if isinstance(gain, str):
        choice("gain", gain, ("auto",), "a finite number of at least 0, or ")
    else:
        return initialisation_from(
            "he_normal" if scheme is None else scheme, 1.0 if gain is None else real("gain", gain, low=0)
        )
    if scheme not in (None, "lecun_normal"):
        refuse("scheme", "'lecun_normal' (or left out) with gain='auto'", scheme)
    return initialisation_from("lecun_normal", exact_gain(activation_of(activation)))


def _check_rows(network: Network) -> None:
    """That there are rows enough for the norm."""
    norm = normalisation_of(network)
    if norm and network.rows < norm.least_rows:
        refuse("batch", f"at least {norm.least_rows} for {norm.name} normalisation", network.batch)
    for caution in network.cautions:
        warnings.warn(caution, stacklevel=6)
