"""Runs: `profile` sends signals through networks, drawn once or several times, and returns what it saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, takewhile
from time import perf_counter
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import integer, names_nearest
from ..machine import threads_limited, usually_rounded
from ..schemes import SchemeLike
from ..stream import SEED_BITS, seed_number
from ..typing import (
    ActivationLike,
    Array,
    Client,
    Float32,
    Float64,
    Method,
    NetworkKind,
    NormName,
    NormPosition,
    Padding,
    Seed,
)
from .columns.dealing import dealt_to
from .columns.propagation import propagate_by_columns
from .description.keywords import OF_RUNS, OF_SIGNALS, network_from, settled
from .description.network import Network
from .description.signals import Signals, signals_from
from .first_loss import loss_fields
from .methods import at_once, method_for
from .parallel import in_parallel, sharing
from .prediction import predicted
from .progress import Report
from .progress import progress as progress_bar
from .result import Profile
from .statistics import FIELDS, Tally
from .steps.propagation import propagate_by_steps, reports_per_layer


class ProfileInterrupted(KeyboardInterrupt):
    """What `profile` raises where the user interrupts it.

    Attributes
    ----------
    profile : Profile or None
        Of the repeats, or of a first one the layers, that were done by then; None where nothing was.

    Examples
    --------
    >>> from fastinit.profiler import ProfileInterrupted, profile
    >>> def stop(outputs):
    ...     raise KeyboardInterrupt
    >>> try:
    ...     profile(64, 10, batch=8, loss=stop)
    ... except ProfileInterrupted as interruption:
    ...     partial = interruption.profile
    >>> partial.interrupted, partial["act_second_moment"].shape
    (True, (1, 11))
    """

    def __init__(self, profile: Profile | None) -> None:
        super().__init__("`.profile` of this exception is what was done by then" if profile else "nothing was done yet")
        self.profile = profile

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.profile,)


@names_nearest
@usually_rounded
def profile(
    width: SupportsIndex | Sequence[SupportsIndex] | None = None,
    depth: SupportsIndex | None = None,
    activation: ActivationLike = "relu",
    scheme: SchemeLike | tuple[SchemeLike, dict[str, Any]] | None = None,
    *,
    gain: float | Literal["auto"] | None = None,
    widths: Iterable[SupportsIndex] | None = None,
    norm: NormName | None = None,
    norm_position: NormPosition | None = None,
    norm_eps: float | None = None,
    residual: bool | None = None,
    branch_scale: float | None = None,
    bias_std: float = 0.0,
    kind: NetworkKind = "mlp",
    channels: SupportsIndex | Sequence[SupportsIndex] | None = None,
    kernel_size: SupportsIndex | None = None,
    image_size: SupportsIndex | None = None,
    padding: Padding | None = None,
    sequence_length: SupportsIndex | None = None,
    vocabulary: SupportsIndex | None = None,
    embedding_std: float | None = None,
    positional: bool | None = None,
    heads: SupportsIndex | None = None,
    mlp_ratio: float | None = None,
    gated: bool | None = None,
    causal: bool | None = None,
    stream_scale: float | None = None,
    residual_gain: float | Literal["gpt2"] | None = None,
    logit_scale: float | Literal["mup"] | None = None,
    batch: SupportsIndex | None = None,
    inputs: ArrayLike | None = None,
    cotangent: ArrayLike | Literal["random_sign"] | None = None,
    loss: Callable[[Array], ArrayLike] | Literal["mse"] | None = None,
    classes: SupportsIndex | None = None,
    backward: bool = True,
    jacobian: bool = False,
    sgd_steps: SupportsIndex = 0,
    lr: float | Sequence[float] | None = None,
    seed: Seed = 0,
    repeats: SupportsIndex = 1,
    method: Method = "auto",
    dtype: Float32 | Float64 | np.dtype[Any] | type[Any] = "float32",
    threads: int | None = None,
    client: Client | None = None,
    progress: bool | None = None,
) -> Profile:
    """Send signals through a network as it is initialised, and tell what becomes of them, layer by layer.

    A plain layer is ``h = x W + b, x' = phi(h)``, normalised before phi ("pre_act") or after it ("post_act"); a
    residual block is ``x' = x + branch_scale phi(h) W`` with ``h = norm(x)``. A signal of variance Var(x) gives sums of
    variance n Var(w) Var(x) forward, and the gradient goes back by the same rule with the fan out. A block of a
    transformer is attention, then an MLP, each ``stream_scale x + branch_scale f(norm(x))`` or, with the norm after the
    sum, ``norm(stream_scale x + branch_scale f(x))``; a layer is a block, x' the stream after it, h that of the MLP (of
    its gate, where it is gated), and the outputs are the stream after the last: there is no last norm, and no head.

    Parameters
    ----------
    width, depth : int
        Units of every layer, and layers: 1024 and 50 where left out; of a convolutional net 32 and 20, of a
        transformer 256 and 12.
    activation : str, (str, float), (callable, callable) or Activation
        phi: a name of `fastinit.gain`, ``("leaky_relu", 0.2)``, or a pair of phi and its derivative.
    scheme : str, (str, dict) or callable
        A scheme of the package by name, with keywords as in ``("small_normal", {"std": 0.02})``, or a callable
        ``(shape, seed, name) -> array`` with shape (fan_in, fan_out). "he_normal" where it is left out. A callable may
        treat matrices by their names, "layer.3.value" and the like.
    gain : None, float or "auto"
        None leaves the scheme as it is, a number multiplies it, "auto" is `fastinit.gain` of the activation on
        "lecun_normal".
    widths : sequence of int
        Units of the input and of each layer, instead of width and depth.
    norm : None, "batch", "layer" or "rms"
        Normalisation without parameters, with the exact gradient through its statistics. In a convolutional net "batch"
        is over examples and positions, "layer" and "rms" over the channels of a position; a transformer has "layer" or
        "rms", over the units of a token.
    norm_position : {"pre_act", "post_act"} or {"pre", "post"}
        With a norm: before or after the activation ("pre_act", "post_act"); in a transformer before f or after the sum
        ("pre", "post"). Before, where it is left out.
    norm_eps : float
        With a norm: what is added to the variance, or for "rms" to the second moment; 1e-5 where left out.
    residual : bool
        Residual blocks, in pre-activation order; all widths are then equal. False where left out; blocks of a
        transformer always are residual.
    branch_scale : float
        With residual blocks: factor of the branch; 1 where left out.
    bias_std : float
        Standard deviation of the biases.
    kind : {"mlp", "conv", "transformer"}
        Fully connected, convolutional with stride 1 and images that keep their size, or blocks of attention and MLP.
    channels, kernel_size, image_size, padding : int, int, int, {"zero", "circular"}
        Of a convolutional net; 3, 16 and "zero" where left out. Channels (of every layer, or a sequence as in `widths`)
        stand for `width`; the inputs have as many as the layers unless a sequence says otherwise.
    sequence_length : int
        Of a transformer: tokens of each example; 64 where left out, or as many as `inputs` have.
    vocabulary, embedding_std, positional : int, float, bool
        Of a transformer whose inputs are tokens: how many there are, the standard deviation of their embeddings, and
        whether embeddings of the positions, drawn alike, are added; 1024, 0.02 and True where left out. Gradients end
        at the embedded tokens: embeddings do not learn.
    heads, causal : int, bool
        Of attention: its heads (left out: width // 64, at least 1, or the next number below that divides the width),
        and whether a token sees none after it (left out: True).
    mlp_ratio, gated : float, bool
        Of a transformer: hidden units of the MLP by unit of width, and whether it is
        ``(phi(x W_gate) * x W_up) W_down``; 4 and False where left out.
    stream_scale : float
        Of a transformer: factor of the stream where a branch is added to it; 1 where left out.
    residual_gain : float or "gpt2"
        Of a transformer: multiplies the weights of the two matrices that end a branch; 1 where left out. "gpt2" is
        1/sqrt(2 depth).
    logit_scale : float or "mup"
        Of the products of queries and keys: 1/sqrt(units of a head) where left out, "mup" is 1/units of a head.
    batch : int
        Examples: 256 where left out; of a convolutional net 32, of a transformer 8.
    inputs : array_like
        (batch, width), or (batch, height, width, channels); standard normal where left out. For a transformer integer
        tokens (batch, sequence_length), which are uniform where left out, or (batch, sequence_length, width) of what
        would be embedded tokens. Width, image size or sequence length is theirs where it is not given.
    cotangent : "random_sign" or array_like
        The gradient at the outputs: fair signs of the examples times fair signs of the outputs, for which
        E |J'v|^2 = |J|^2, also where it is left out; or an array of their shape.
    loss : callable or "mse"
        From the outputs to the gradient of a loss, in place of a cotangent. "mse" is half the squared distance from
        standard normal targets, summed over units and averaged over the batch.
    classes : int
        How many there are, if that is what the network is to tell: a linear readout of weights of variance 1 / outputs,
        which the tangent kernel has too, makes logits of the outputs.
    backward : bool
        Whether gradients are wanted.
    jacobian : bool
        Whether the singular values of the input-output Jacobian are wanted too, (repeats,): their moments, from fair
        signs that are independent in all examples and outputs, "jacobian_second_moment" and "jacobian_fourth_moment",
        over as many values as outputs; and "jacobian_largest", of any example (where a norm mixes them, of all
        together), by 12 to 32 passes each way. The last is NaN for "matrix_free", which would have to remember the
        products of all of them. The moments are estimates: of a linear network of square weights, drawn once, the
        second has a relative standard deviation of sqrt(2 depth / (batch outputs)), the fourth about 1.6 times that.
    sgd_steps : int
        Steps of gradient descent on `loss` ("mse" where it is left out) before the profile is taken; the profiles
        before each are in ``.steps``.
    lr : float or sequence of float
        With sgd_steps: learning rate of weights and biases, or one for each layer; 0.1 / width where left out, which
        suits "mse", a sum over units.
    seed : int, list or array of int, numpy.random.SeedSequence or None
        Repeat r uses seed + r (modulo 2**128). None takes the first from the system's entropy; ``.seed`` of the profile
        then says which it was. Streams are "layer.1", ..., "layer.1.bias", ..., "input", "cotangent" and "target"; of a
        transformer "embedding.token", "embedding.position", and those of "layer.1.query" with key, value, output, gate,
        up and down.
    repeats : int
        Networks drawn.
    method : {"auto", "dense", "tiled", "matrix_free"}
        "dense" makes weights and multiplies; "tiled" makes the same weights tile by tile and never stores them;
        "matrix_free" samples what Gaussian or Haar weights would do, from statistics between examples, in time linear
        in the width. "auto" is dense up to 2**26 weights a layer, then matrix_free where it can be, then tiled.
    dtype : {"float32", "float64"}
        Of weights and signals.
    threads : int
        Of fills, moments and matrix products; where threadpoolctl is not installed, these have those of NumPy's BLAS.
    client : distributed.Client
        Of Dask, whose workers then pass the layers of "matrix_free", which is what "auto" is; no bit depends on how
        many they are, or on one that dies. Not for a residual network or a loss, of which whole signals are kept, nor
        with sgd_steps or jacobian. A layer has at most 32 parts; what a user gives as inputs goes to each worker.
        What is profiled `again`, or tried for advice, is so without it.
    progress : bool
        Whether to show a bar; where it is left out, for long runs on a terminal.

    Returns
    -------
    Profile
        A mapping of field names to arrays (repeats, depth + 1), column 0 being the input, with NaN where a layer has no
        such thing: ``preact_mean``, ``preact_variance``, ``preact_second_moment``, ``preact_kurtosis`` of h, the same
        with ``act_`` of x', ``dead_fraction`` (units whose slope is zero on the whole batch), ``distinct_units`` (whose
        h differ by more than rounding), ``cosine`` (mean over pairs of different examples, none of them zero),
        ``position_cosine`` (the same of the positions of an image, or the tokens of a sequence, averaged over examples;
        NaN where there is one),
        ``grad_preact_second_moment`` and ``grad_act_second_moment`` (of the gradient by h and by x'), ``weight_norm``,
        ``weight_grad_norm``, ``weight_dot_grad``; ``kernel_share`` (of the layer in the trace of the tangent kernel);
        and ``theory_`` before some of these names, (depth + 1,), for infinite width. Of the whole network, (repeats,),
        where the kernel was seen: ``kernel_largest``, ``kernel_mean``, ``kernel_median``, ``kernel_effective_rank``,
        ``kernel_rounding`` and ``kernel_examples`` (those of `fastinit.profiler.KernelSpectrum`), and
        ``gradient_cosine``, the mean cosine between the gradients of two examples. ``kernel_eigenvalues`` are those
        with the mean over examples taken out, (repeats, examples - 1), from large to small. With `classes`, K of them:
        ``first_loss``, the expected cross-entropy of random labels by logits of the outputs' second moment, and
        ``uniform_loss``, log K.

    Raises
    ------
    ValueError, TypeError
        If an argument breaks its rule, or belongs to another kind of network or to a switch that is off, or the memory
        that the method takes is not there; nothing has been made then.
    ProfileInterrupted
        If the user interrupts: a KeyboardInterrupt whose ``.profile`` is what was done by then.

    Warns
    -----
    UserWarning
        If batch normalisation has three rows or fewer: the expected gradient is infinite.

    Notes
    -----
    *Reference*: Poole et al., "Exponential expressivity in deep neural networks through transient chaos", 2016;
    Schoenholz et al., "Deep information propagation", 2017; for the sampler without weights, Lu, "Householder dice",
    IEEE Transactions on Information Theory 67(12), 2021.

    Examples
    --------
    >>> import fastinit as fi
    >>> p = fi.profile(width=256, depth=20, activation="relu", scheme="lecun_normal", batch=64, seed=0)
    >>> bool(p["act_second_moment"][0, 20] < 4 * 2.0**-20)
    True
    >>> p["distinct_units"][0, 20].item()
    256.0
    """
    typed = dict(locals())
    given = settled(typed)
    described = {name: value for name, value in given.items() if name not in (*OF_SIGNALS, *OF_RUNS)}
    network = network_from(**described)
    signals = signals_from(network, inputs=inputs, **{name: given[name] for name in OF_SIGNALS})
    chosen = method_for(network, signals, method, client)
    drawings, first = integer("repeats", repeats, 1), seed_number(seed)
    with threads_limited(threads), dealt_to(client):
        found = measured(network, signals, chosen, first, drawings, progress)
    taken: dict[str, Any] = {"seed": first, "inputs": signals.inputs, "cotangent": signals.cotangent, "client": None}
    taken |= {name: _as_it_is_now(typed[name]) for name in ("scheme", "lr")}
    taken |= {} if client is None else {"method": chosen}
    found.call = partial(profile, **typed | taken | ({} if widths is None else {"widths": network.widths}))
    return found


def _as_it_is_now(value: Any) -> Any:
    """Lists, arrays and mappings of an argument in copies of our own."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple)):
        return tuple(map(_as_it_is_now, value))
    return value.copy() if isinstance(value, np.ndarray) else value


def measured(
    network: Network, signals: Signals, method: str, seed: int, repeats: int, progress: bool | None
) -> Profile:
    """The profile of so many drawings; where the user interrupts, what is done goes with the exception."""
    start, drawn = perf_counter(), Drawings(network, signals, method, seed)
    passed = repeats * (network.depth + 1) * reports_per_layer(signals)
    try:
        with progress_bar(passed, progress) as report, np.errstate(all="ignore"):  # what overflows is in the numbers
            if at_once(network, signals, method, repeats):
                with sharing():
                    in_parallel(partial(drawn.add, report=report), range(repeats))
            else:
                for repeat in range(repeats):
                    drawn.add(repeat, report)
    except KeyboardInterrupt as error:
        raise ProfileInterrupted(drawn.profile(perf_counter() - start, interrupted=True)) from error
    found = drawn.profile(perf_counter() - start)
    assert found is not None
    return found


class Drawings:
    """Rows of fields: of each repeat, and in it of each step of gradient descent."""

    def __init__(self, network: Network, signals: Signals, method: str, seed: int) -> None:
        self._network, self._signals, self._method, self._seed = network, signals, method, seed
        self._rows: dict[int, list[dict[str, Any]]] = {}
        self._begun: list[dict[str, Any]] = []

    def add(self, repeat: int, report: Report) -> None:
        """Draw one more network and follow its signals; of a first one that is interrupted, keep what was seen."""
        tallies = [Tally() for _ in range(self._network.depth + 1)]
        seed = (self._seed + repeat) % (1 << SEED_BITS)
        rows: list[dict[str, Any]] = []
        try:
            for whole in self._propagate(seed, tallies, report):
                seen = _row(tallies)
                rows.append(seen | whole | loss_fields(self._signals.classes, seen["act_second_moment"][-1]))
        except KeyboardInterrupt:
            if repeat == 0:
                self._begun = [*rows, *filter(_has_numbers, [_row(tallies)])]
            raise
        self._rows[repeat] = rows

    def _propagate(self, seed: int, tallies: list[Tally], report: Report) -> Iterator[dict[str, Any]]:
        if self._method == "matrix_free" and not self._signals.asks_again:
            return propagate_by_columns(self._network, self._signals, seed, tallies, report)
        return propagate_by_steps(self._network, self._signals, seed, tallies, report, self._method)

    def profile(self, seconds: float, interrupted: bool = False) -> Profile | None:
        """What was seen, as a `Profile` of the last step with those before it; None where nothing was."""
        theory: Any = partial(predicted, self._network, self._signals)
        profiles: tuple[Profile, ...] = ()
        whole = list(takewhile(bool, map(self._rows.get, count())))  # of those made at once, one may miss others
        seen = [*zip(*(whole or [self._begun]), strict=True)]
        for rows in seen:
            fields = {name: np.array([row[name] for row in rows]) for name in rows[0]}
            done = (profiles, interrupted and rows is seen[-1], seconds, self._signals.backward)
            profiles = (*profiles, Profile(self._network, self._method, self._seed, fields, theory, *done))
            theory = {}  # for weights as they were drawn
        return profiles[-1] if profiles else None


def _row(tallies: list[Tally]) -> dict[str, Array]:
    rows = [tally.row() for tally in tallies]
    return {name: np.array([row[name] for row in rows]) for name in FIELDS}


def _has_numbers(row: dict[str, Array]) -> bool:
    return not all(np.isnan(values).all() for values in row.values())
