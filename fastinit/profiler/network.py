"""The network: one description, which the methods of propagation and the theory read. All checks are here."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from ..activations import Activation, activation_of
from ..arguments import choice, integer, real, refuse
from ..distributions import normal, uniform
from ..machine import available_memory, threads_for
from ..scaling import gain as exact_gain
from .norms import FEW_ROWS, NORMS
from .weights import TILE, Scheme, scheme_from
from .workspace import LEAST_COLUMNS, PART

Array = np.ndarray[Any, Any]

KINDS = ("mlp", "conv", "transformer")
#: Layers of a network are fewer than this: some kilobytes are kept for each.
_DEEPEST = 1 << 20
#: Width, depth and batch of each kind where the user names none.
_USUAL = {"mlp": (1024, 50, 256), "conv": (32, 20, 32), "transformer": (256, 12, 8)}
METHODS = ("dense", "tiled", "matrix_free")
POSITIONS = ("pre_act", "post_act")
BLOCK_POSITIONS = ("pre", "post")
PADDINGS = ("zero", "circular")

#: Attention weights held at once, unless those of one head are more: 4 MiB of float32, which a core's cache holds.
ATTENTION = 1 << 20
#: Weights of a layer beyond which "auto" looks for another method than "dense": 256 MiB of float32.
DENSE_WEIGHTS = 1 << 26


@dataclass(frozen=True)
class Image:
    """What a convolutional net convolves: square images, and the kernel that slides over them with stride 1."""

    size: int
    kernel: int
    padding: str

    @property
    def positions(self) -> int:
        """Pixels of an image."""
        return self.size**2


@dataclass(frozen=True)
class Text:
    """What a transformer reads, tokens or (where the vocabulary is 0) signals, and what its blocks are made of."""

    positions: int
    vocabulary: int
    embedding_std: float
    positional: bool
    heads: int
    hidden: int
    gated: bool
    causal: bool
    stream_scale: float
    residual_gain: float
    logit_scale: float

    def shapes(self, width: int) -> dict[str, tuple[int, int]]:
        """Of the matrices of a block."""
        mlp = ("gate", "up") if self.gated else ("up",)
        square = dict.fromkeys(("query", "key", "value", "output"), (width, width))
        return square | dict.fromkeys(mlp, (width, self.hidden)) | {"down": (self.hidden, width)}

    def __str__(self) -> str:
        words = [f"{self.heads} head{'s' * (self.heads > 1)} of {self.positions} {'causal ' * self.causal}positions"]
        words.append(f"{'gated ' * self.gated}MLP {self.hidden}")
        if self.vocabulary:
            words.append(f"vocabulary {self.vocabulary}, embedding std {self.embedding_std:.6g}")
            words[-1] += "" if self.positional else " without positions"
        scales = {"stream": self.stream_scale, "residual weights": self.residual_gain}
        words += [f"{name} x {scale:.6g}" for name, scale in scales.items() if scale != 1]
        return ", ".join([*words, f"logits x {self.logit_scale:.6g}"])


@dataclass(frozen=True)
class Network:
    """Shapes, weights, units and normalisation, checked.

    `widths` are units, or channels, of the input and of each layer.
    """

    kind: str
    widths: tuple[int, ...]
    batch: int
    activation: Activation
    scheme: Scheme
    norm: str | None = None
    norm_position: str = "pre_act"
    norm_eps: float = 1e-5
    residual: bool = False
    branch_scale: float = 1.0
    bias_std: float = 0.0
    dtype: Any = np.float32
    image: Image | None = None
    text: Text | None = None

    @property
    def depth(self) -> int:
        """Layers, the input not counted."""
        return len(self.widths) - 1

    @property
    def labels(self) -> tuple[str, ...]:
        """What tables call the input and the layers."""
        return tuple(map(str, range(self.depth + 1)))

    @property
    def rows(self) -> int:
        """Rows of a signal: examples, times positions."""
        several = self.image or self.text
        return self.batch * (several.positions if several else 1)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the inputs as a user gives them: (batch, width), (batch, height, width, channels), or of tokens."""
        if self.text and self.text.vocabulary:
            return (self.batch, self.text.positions)
        return (*self.output_shape[:-1], self.widths[0])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the outputs: (batch, width), (batch, height, width, channels), or (batch, positions, width)."""
        sides = (self.image.size,) * 2 if self.image else (self.text.positions,) if self.text else ()
        return (self.batch, *sides, self.widths[-1])

    def weight_shape(self, layer: int) -> tuple[int, ...]:
        """Shape of the weights of layer 1 to `depth`: (fan_in, fan_out), or (height, width, in, out)."""
        sides = (self.image.kernel,) * 2 if self.image else ()
        return (*sides, self.widths[layer - 1], self.widths[layer])

    def in_order(self, read: Any, norm: Any, act: Any) -> list[Any]:
        """What reads h, normalises and activates, as a layer has them; without a norm, none is among them.

        In a plain layer h is what the weights give, in a residual block what the norm gives.
        """
        if self.norm is None:
            return [read, act]
        if self.norm_position == "post_act":
            return [read, act, norm]
        return [norm, read, act] if self.residual else [read, norm, act]

    def matrices(self, layer: int) -> dict[str, tuple[int, ...]]:
        """Shapes of all weights of layer 1 to `depth`, by the name of their stream."""
        name = f"layer.{layer}"
        if self.text:
            return {f"{name}.{part}": shape for part, shape in self.text.shapes(self.widths[layer]).items()}
        return {name: self.weight_shape(layer)}

    def __str__(self) -> str:
        widths = str(self.widths[0]) if len(set(self.widths)) == 1 else "-".join(map(str, self.widths))
        words = [f"{self.kind} {widths}, depth {self.depth}", self.activation.name, str(self.scheme)]
        if self.image:
            words.append(
                f"{self.image.kernel}x{self.image.kernel} on {self.image.size}x{self.image.size}, {self.image.padding}"
            )
        if self.text:
            words.append(str(self.text))
        if self.norm:
            places = {"pre_act": "", "post_act": " after the activation", "pre": " before", "post": " after"}
            words.append(f"{self.norm} norm{places[self.norm_position]}")
        if self.residual:
            words.append("residual" + (f" x {self.branch_scale:.6g}" if self.branch_scale != 1 else ""))
        if self.bias_std:
            words.append(f"bias std {self.bias_std:.6g}")
        return ", ".join([*words, f"batch {self.batch}"])


@dataclass(frozen=True)
class Signals:
    """What is sent through a network: inputs forward, a cotangent or a gradient of a loss back, descent between."""

    inputs: Array | None = None
    cotangent: Array | None = None
    loss: Callable[[Array], Array] | str | None = None
    backward: bool = True
    jacobian: bool = False
    sgd_steps: int = 0
    rates: tuple[float, ...] = field(default=())

    @property
    def asks_again(self) -> bool:
        """Whether a matrix is multiplied more often than once on each way."""
        return self.jacobian or self.sgd_steps > 0

    def first(self, network: Network, seed: int) -> Array:
        """The inputs as a matrix of rows: the user's, or of the stream "input" standard normals or uniform tokens."""
        inputs = self.inputs
        if inputs is None and network.text and network.text.vocabulary:
            places = uniform(network.input_shape, 0, network.text.vocabulary, seed=seed, name="input", dtype="float64")
            inputs = places.astype(np.int64)
        elif inputs is None:
            inputs = normal(network.input_shape, seed=seed, name="input", dtype=network.dtype)
        return inputs.reshape(network.rows, -1)

    def last(self, network: Network, seed: int, x: Array) -> Array:
        """The gradient at the outputs x: the user's, that of the loss, or random signs of the stream "cotangent"."""
        if self.cotangent is not None:
            return self.cotangent.reshape(x.shape)
        if self.loss is None:
            return random_signs(x.shape, seed, "cotangent", x.dtype)
        if self.loss == "mse":
            return (x - normal(x.shape, seed=seed, name="target", dtype=x.dtype)) / x.dtype.type(network.batch)
        assert callable(self.loss)
        shape = network.output_shape
        gradient = np.asarray(self.loss(x.reshape(shape).copy()))  # the steps keep x for the way back
        if gradient.shape != shape:
            refuse("loss", f"a function whose gradient has the shape of the outputs, {shape}", gradient.shape)
        return gradient.astype(x.dtype).reshape(x.shape)


def random_signs(shape: tuple[int, ...], seed: int, name: str, dtype: Any, **where: Any) -> Array:
    """Independent fair signs: of each element of a normal stream, or with `index` of some."""
    drawn = normal(shape, seed=seed, name=name, dtype=dtype, **where)
    return np.copysign(drawn.dtype.type(1), drawn, out=drawn)


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
    if width is None and (kind, len(shape)) == ("mlp", 2):
        width = shape[1]
    if image_size is None:
        image_size = shape[1] if (kind, len(shape)) == ("conv", 4) else 16
    width, depth, batch = (
        usual if given is None else given for given, usual in zip((width, depth, batch), _USUAL[kind], strict=True)
    )
    image, norms, positions = None, NORMS, POSITIONS
    if kind == "conv":
        image = Image(
            integer("image_size", image_size, 1),
            integer("kernel_size", kernel_size, 1),
            choice("padding", padding, PADDINGS),
        )
        if image.kernel > image.size:
            refuse("kernel_size", f"at most image_size ({image.size})", image.kernel)
    if kind == "transformer":
        norms, positions = ("layer", "rms"), BLOCK_POSITIONS
    units = _widths(width, depth, widths)
    network = Network(
        kind=kind,
        widths=units,
        batch=integer("batch", batch, 1),
        activation=activation_of(activation),
        scheme=_scheme(scheme, gain, activation),
        norm=None if norm is None else choice("norm", norm, norms),
        norm_position=choice("norm_position", positions[0] if norm_position is None else norm_position, positions),
        norm_eps=real("norm_eps", norm_eps, low=0),
        residual=bool(residual) or kind == "transformer",
        branch_scale=real("branch_scale", branch_scale),
        bias_std=real("bias_std", bias_std, low=0),
        dtype=np.dtype(choice("dtype", _dtype_name(dtype), ("float32", "float64"))),
        image=image,
        text=_text(units, inputs=inputs, **text) if kind == "transformer" else None,
    )
    if network.residual and len(set(network.widths)) > 1:
        refuse("widths", "the same for all layers of a residual network", network.widths)
    if network.norm == "batch":
        _check_batch(network)
    return network


def check_sizes(kind: Any, width: Any, depth: Any, widths: Any, channels: Any) -> None:
    """That sizes are given in one way only."""
    if channels is not None and (kind != "conv" or width is not None):
        refuse("channels", "given for kind 'conv', in place of width", channels)
    if widths is not None and (width, depth, channels) != (None, None, None):
        refuse("widths", "left out where width, depth or channels is given", widths)


def _dtype_name(dtype: Any) -> Any:
    return dtype.name if isinstance(dtype, np.dtype) else getattr(dtype, "__name__", dtype)


def _shape(inputs: Any) -> tuple[int, ...]:
    try:
        shape = np.shape(inputs)
    except ValueError:  # lists of different lengths
        refuse("inputs", "an array", inputs)
    return refuse("inputs", "an array of one example or more", shape) if 0 in shape else shape


def _text(units: tuple[int, ...], *, inputs: Any, sequence_length: Any, vocabulary: Any, embedding_std: Any,
          positional: Any, heads: Any, mlp_ratio: Any, gated: Any, causal: Any, stream_scale: Any, residual_gain: Any,
          logit_scale: Any) -> Text:  # fmt: skip
    width, depth = units[0], len(units) - 1
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
        vocabulary=0 if np.ndim(inputs) == 3 else words,
        embedding_std=real("embedding_std", embedding_std, low=0),
        positional=bool(positional),
        heads=heads,
        hidden=hidden,
        gated=bool(gated),
        causal=bool(causal),
        stream_scale=real("stream_scale", stream_scale),
        residual_gain=_named("residual_gain", residual_gain, {"gpt2": (2 * depth) ** -0.5}),
        logit_scale=_named("logit_scale", logit_scale, {None: (width // heads) ** -0.5, "mup": heads / width}),
    )


def _named(name: str, value: Any, known: dict[Any, float]) -> float:
    """A number, given as such or by its name."""
    if value is not None and not isinstance(value, str):
        return real(name, value)
    return known[value if value in known else choice(name, value, filter(None, known), "a number or ")]


def _widths(width: Any, depth: Any, widths: Any) -> tuple[int, ...]:
    """Units of the input and of each layer."""
    if widths is None and isinstance(width, Sequence) and not isinstance(width, str):
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


def _scheme(scheme: Any, gain: Any, activation: Any) -> Scheme:
    if gain != "auto":
        return scheme_from(
            "he_normal" if scheme is None else scheme, 1.0 if gain is None else real("gain", gain, low=0)
        )
    if scheme not in (None, "lecun_normal"):
        refuse("scheme", "'lecun_normal' (or left out) with gain='auto'", scheme)
    return scheme_from("lecun_normal", exact_gain(activation_of(activation)))


def _check_batch(network: Network) -> None:
    if network.rows < 2:
        refuse("batch", "at least 2 for batch normalisation", network.batch)
    if network.rows in FEW_ROWS:
        warnings.warn(f"batch normalisation over {network.rows} rows {FEW_ROWS[network.rows]}", stacklevel=4)


def signals_from(network: Network, **given: Any) -> Signals:
    """Checked `Signals` from the keywords of `profile`."""
    inputs, cotangent, loss, steps = (given[name] for name in ("inputs", "cotangent", "loss", "sgd_steps"))
    if inputs is not None and network.text and network.text.vocabulary:
        inputs = _tokens(inputs, network.input_shape, network.widths[0], network.text.vocabulary)
    elif inputs is not None:
        inputs = _array("inputs", inputs, network.input_shape, network.dtype)
    outputs = network.output_shape
    if isinstance(cotangent, str):
        choice("cotangent", cotangent, ("random_sign",))
        cotangent = None
    elif cotangent is not None:
        cotangent = _array("cotangent", cotangent, outputs, network.dtype)
    if loss is not None and not callable(loss):
        choice("loss", loss, ("mse",))
    if loss is not None and cotangent is not None:
        refuse("cotangent", "left out where there is a loss", "an array")
    steps = integer("sgd_steps", steps, 0)
    if steps and not given["backward"]:
        refuse("backward", "true where sgd_steps is not 0", given["backward"])
    if given["jacobian"] and (loss is not None or cotangent is not None or steps or not given["backward"]):
        rule = "false, or with backward, cotangent='random_sign', and neither loss nor sgd_steps"
        refuse("jacobian", rule, given["jacobian"])
    return Signals(
        inputs=inputs,
        cotangent=cotangent,
        loss="mse" if steps and loss is None and cotangent is None else loss,
        backward=bool(given["backward"]),
        jacobian=bool(given["jacobian"]),
        sgd_steps=steps,
        rates=_rates(0.1 / max(network.widths) if given["lr"] is None else given["lr"], network.depth),
    )


def _array(name: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    array = np.asarray(value)
    if array.shape != shape:
        refuse(name, f"an array of shape {shape}", array.shape)
    if array.dtype.kind not in "fiub":
        refuse(name, "an array of real numbers", array.dtype.name, TypeError)
    array = array.astype(dtype)
    if not np.isfinite(array).all():
        refuse(name, "finite everywhere", f"{np.count_nonzero(~np.isfinite(array))} elements that are not")
    return array


def _tokens(value: Any, shape: tuple[int, ...], width: int, vocabulary: int) -> Array:
    array = np.asarray(value)
    if array.shape != shape:
        refuse("inputs", f"tokens of shape {shape} or signals of shape {(*shape, width)}", array.shape)
    if array.dtype.kind not in "iu":
        refuse("inputs", "integers where they are tokens", array.dtype.name, TypeError)
    if array.min() < 0 or array.max() >= vocabulary:
        refuse("inputs", f"tokens in [0, {vocabulary}) (the vocabulary)", [int(array.min()), int(array.max())])
    return array


def _rates(lr: Any, depth: int) -> tuple[float, ...]:
    """One learning rate for each layer."""
    if np.ndim(lr) == 0:
        return (real("lr", lr, low=0),) * depth
    if len(lr) != depth:
        refuse("lr", f"a number, or one for each of the {depth} layers", lr)
    return tuple(real("lr", rate, low=0) for rate in lr)


def method_for(network: Network, signals: Signals, method: str) -> str:
    """The method to use: the one asked for, or for "auto" the first that suits; it is refused where it cannot be."""
    choice("method", method, ("auto", *METHODS))
    if method == "auto":
        largest = max(prod(shape) for layer in range(network.depth) for shape in network.matrices(layer + 1).values())
        method = "dense"
        if largest > DENSE_WEIGHTS:
            method = next((m for m in ("matrix_free", "tiled") if not _obstacle(network, signals, m)), "dense")
    obstacle = _obstacle(network, signals, method)
    if obstacle:
        refuse("method", obstacle, method)
    _check_memory(network, signals, method)
    return method


def _obstacle(network: Network, signals: Signals, method: str) -> str:
    """What `method` must be, where it cannot be this one."""
    scheme = network.scheme
    if method == "tiled":
        if not scheme.can_be_cut:
            return f"'dense' for weights that cannot be made tile by tile ({scheme.name})"
        if signals.sgd_steps:
            return "'dense' or 'matrix_free' for weights that learn"
    if method == "matrix_free":
        other = "'dense' or 'tiled'" if scheme.can_be_cut else "'dense'"
        if network.kind != "mlp":
            return f"{other} for kind {network.kind!r}"
        if scheme.law not in ("normal", "orthogonal") or scheme.keywords.get("mean"):
            return f"{other} for weights that are neither Gaussian of mean zero nor Haar ({scheme})"
        if scheme.law == "orthogonal" and signals.asks_again:
            again = "sgd_steps" if signals.sgd_steps else "jacobian"
            return f"'dense' for orthogonal weights that are multiplied again ({again})"
        if network.batch >= min(network.widths):
            return f"{other} for a batch ({network.batch}) that is not below every width ({min(network.widths)})"
    return ""


def memory(network: Network, signals: Signals, method: str) -> int:
    """Bytes that a method takes at its peak, roughly and from above."""
    item = network.dtype.itemsize
    shapes = [shape for layer in range(network.depth) for shape in network.matrices(layer + 1).values()]
    rows, widest = network.rows, max(network.widths)
    if method == "matrix_free":
        return item * _wide_arrays(network, signals) + (0 if signals.asks_again else _parts_and_products(network))
    if network.text:
        signal = _text_signal(network, network.text, signals)
    else:
        patches = max(prod(shape[:-1]) for shape in shapes) if network.image else widest
        kept = sum(network.widths) * (4 if signals.backward else 0)
        signal = rows * (kept + 4 * widest + 2 * patches + (sum(prod(s[:-1]) for s in shapes) if network.image else 0))
    if method == "tiled":
        return item * (signal + TILE * TILE)
    held = signals.sgd_steps or not network.scheme.can_be_cut
    weights = sum(map(prod, shapes)) if held else sum(map(prod, set(shapes)))
    return item * (signal + weights)


def _text_signal(network: Network, text: Text, signals: Signals) -> int:
    """Numbers that the blocks keep, and that one of them needs at once beside weights."""
    rows, width = network.rows, network.widths[0]
    few = rows <= width  # then products keep what they give, not what they get
    kept = (10 if few else 6) * width + (2 + (2 + few) * text.gated) * text.hidden
    if signals.sgd_steps:
        kept += 5 * width + (1 + text.gated) * text.hidden
    heads = network.batch * text.heads * text.positions**2
    attention = 12 * rows * width + 4 * min(heads, max(ATTENTION, text.positions**2))
    mlp = rows * (2 * width + (6 + 3 * text.gated) * text.hidden)
    return rows * kept * (network.depth if signals.backward else 1) + max(attention, mlp)


def _wide_arrays(network: Network, signals: Signals) -> int:
    """Elements of what "matrix_free" keeps as wide as the network."""
    batch, widths, widest = network.batch, network.widths, max(network.widths)
    if signals.asks_again:  # bases and images on both sides, what was learned; and what the steps keep
        seen = 2 * (signals.sgd_steps + 1) + signals.jacobian + signals.sgd_steps
        sides = sum(widths[:-1]) + sum(widths[1:])
        return batch * (seen * sides + 6 * sum(widths) + (seen + 6) * widest)
    outputs = 4 * batch * widths[-1] if signals.loss is not None else 0
    # a stream in float64, its gradient, and where no norm keeps branches small, a copy for each growth by 2**20
    copies = 1 if network.norm else 1 + network.depth // 40
    stream = batch * widest * (1 + copies * 8 // network.dtype.itemsize) if network.residual else 0
    return outputs + stream


def _parts_and_products(network: Network) -> int:
    """Bytes of the parts that threads work on, and of what each layer keeps between its two passes."""
    batch = network.batch
    part = min(threads_for(None) * max(PART, LEAST_COLUMNS * batch), batch * max(network.widths))
    return part * (12 * network.dtype.itemsize + 24) + 8 * batch**2 * (8 * network.depth + 16)


def _check_memory(network: Network, signals: Signals, method: str) -> None:
    free = available_memory()
    needed = memory(network, signals, method)
    if needed <= free:
        return
    others = [m for m in METHODS if not _obstacle(network, signals, m) and memory(network, signals, m) <= free]
    rule = f"one that fits in {free / 2**30:.3g} GiB of free memory"
    rule += f" ({', '.join(map(repr, others))})" if others else " (none does: a smaller width or batch is needed)"
    refuse("method", rule, f"{method}, which takes {needed / 2**30:.3g} GiB")
