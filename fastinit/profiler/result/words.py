"""Words: the sentences that tell findings, which become English here alone; what few rows do, their norm says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..norms import NORMS
from .findings import BACKWARD, CAUTION, COPIES, FORWARD, LIMITS, PARTIAL, ROLES, SHALLOW, Finding, Judgement


class Naming(Protocol):
    """How a sentence calls the layers of a profile."""

    #: What a gradient that gets no further does not reach.
    rest: str

    def one(self, layer: int) -> str:
        """A layer."""

    def span(self, first: int, last: int) -> str:
        """From one layer to another."""


class Numbered:
    """By their numbers."""

    rest = "or below"

    def one(self, layer: int) -> str:
        """A layer."""
        return f"layer {layer}"

    def span(self, first: int, last: int) -> str:
        """From one layer to another."""
        return f"layer {first} to {last}"


def sentences(judgement: Judgement, naming: Naming) -> str:
    """A sentence for each finding, and for each dtype's range that is left."""
    texts: list[str] = []
    for place, finding in enumerate(judgement.findings):
        before = judgement.findings[:place]
        text = _text(finding, naming, before)
        if finding.kind == "dead" and any(one.kind == "dead" for one in before):
            texts[-1] += f" and {text}"
        else:
            texts.append(text)
    texts += [text for one in judgement.findings if (text := _range(one, naming))]
    first, *others = texts
    head = f"{judgement.kind.capitalize()}{judgement.where}: {first}."
    return " ".join([head, *(f"{capital(one)}." for one in others)])


def capital(text: str) -> str:
    """As a sentence begins."""
    return text[0].upper() + text[1:]


def worst(judgement: Judgement, naming: Naming) -> str:
    """What is told of the worst finding alone."""
    return _text(judgement.findings[0], naming, ())


def _text(finding: Finding, naming: Naming, before: Sequence[Finding]) -> str:
    """What is said of one, after those before it."""
    write = _FIXED.get((finding.kind, finding.quantity))
    if write is not None:
        return write(finding, naming)
    if finding.kind == CAUTION:
        return NORMS[finding.quantity].caution(int(finding.numbers["rows"]))
    if "rate" in finding.numbers:
        return _of_course(finding, naming, before)
    if "ratio" in finding.numbers:
        first = naming.one(int(finding.numbers["first_layer"]))
        ratio, there = finding.numbers["ratio"], _layer(finding, naming)
        return f"{_OF[finding.quantity]} second moment is {ratio:.3g} of that of {first} at {there}"
    if "bits" in finding.numbers:
        where = "below" if finding.kind.endswith("vanishing") else "beyond"
        dtype, there = f"float{finding.numbers['bits']}", _layer(finding, naming)
        return f"the {_ARE[finding.quantity]} {where} the range of {dtype} at {there}"
    return _no_gradient(finding, naming)


_OF = {FORWARD: "the activations'", BACKWARD: "the gradient's"}
_WHAT = {FORWARD: "activations", BACKWARD: "gradient"}
_ARE = {FORWARD: "activations are", BACKWARD: "gradient is"}
#: Kinds of a second moment that changes too much.
_CHANGES = ("vanishing", "exploding", "gradient vanishing", "gradient exploding")


def _layer(finding: Finding, naming: Naming) -> str:
    assert finding.layer is not None
    return naming.one(finding.layer)


def _no_signal(finding: Finding, naming: Naming) -> str:
    first = _layer(finding, naming)
    if "last_layer" not in finding.numbers:
        return f"the signal is zero from {first} on"
    last = int(finding.numbers["last_layer"])
    assert finding.layer is not None
    there = f"at {first}" if last == finding.layer else f"from {naming.span(finding.layer, last)}"
    return f"the signal is zero {there}"


def _no_slope(finding: Finding, naming: Naming) -> str:
    share = finding.numbers["share"]
    whose = "no unit" if share == 1 else f"hardly a unit ({100 * (1 - share):.2g} %)"
    return f"{whose} of {_layer(finding, naming)} has a slope on the batch"


def _no_gradient(finding: Finding, naming: Naming) -> str:
    rest = f" {naming.rest}" if finding.numbers["before"] else ""
    return f"no gradient comes back to {_layer(finding, naming)}{rest}"


def _no_learning(finding: Finding, naming: Naming) -> str:
    if finding.layer is None:
        return "no weight gets a gradient"
    return f"the weights of {_layer(finding, naming)} get no gradient"


def _symmetric(finding: Finding, naming: Naming) -> str:
    steps = finding.numbers.get("steps", 0)
    still = f" (after {steps} step{'s' * (steps > 1)} of gradient descent they still are)" if steps else ""
    return (
        f"all units of a layer are the same from {_layer(finding, naming)} on and get the same gradient, so that they "
        f"stay the same{still}"
    )


def _of_course(finding: Finding, naming: Naming, before: Sequence[Finding]) -> str:
    """How a second moment changes, and that the other one does not where that has not been said."""
    of, how = _OF[finding.quantity], _how(finding, naming)
    if finding.kind == "stable":
        return f"{of} changes {how}" if finding.quantity == BACKWARD else f"{of} second moment changes {how}"
    alone = finding.quantity == BACKWARD and not any(one.kind in _CHANGES for one in before)
    though = "though the activations are stable, " if alone else ""
    verb = "shrinks" if finding.kind.endswith("vanishing") else "grows"
    return f"{though}{of} second moment {verb} {how}"


def _how(finding: Finding, naming: Naming) -> str:
    numbers = finding.numbers
    theory = f" (theory {numbers['theory']:.4g})" if "theory" in numbers else ""
    rate = f"by a factor of {numbers['rate']:.4g}{theory} per layer"
    if "power" in numbers:
        rate = f"as layer^{numbers['power']:.2f}"
    span = naming.span(int(numbers["first_layer"]), int(numbers["last_layer"]))
    return f"{rate}, {numbers['change']:.3g} in all from {span}"


def _range(finding: Finding, naming: Naming) -> str:
    """Where the typical size leaves the range of a dtype: in the network or beyond; nothing where it does not."""
    numbers, seen, ahead = finding.numbers, [], []
    for dtype in LIMITS:
        name = dtype.partition(" ")[0]
        if f"{name}_layer" in numbers:
            seen.append(f"{dtype} at {naming.one(int(numbers[f'{name}_layer']))}")
        elif f"{name}_depth" in numbers:
            ahead.append(f"{dtype} after about {numbers[f'{name}_depth']} layers")
    if ahead:
        seen.append(f"by extrapolation {', '.join(ahead)}")
    way = "underflow" if numbers.get("change", 1.0) < 1 else "overflow"
    return f"{way} of the {_WHAT[finding.quantity]}: {', '.join(seen)}" if seen else ""


Writer = Callable[[Finding, Naming], str]

_FIXED: dict[tuple[str, str], Writer] = {
    ("dead", FORWARD): _no_signal,
    ("dead", "dead_fraction"): _no_slope,
    ("dead", BACKWARD): _no_gradient,
    ("dead", "weight_grad_norm"): _no_learning,
    ("dead", "cosine"): lambda one, naming: f"no example is told from another from {_layer(one, naming)} on",
    ("unknown", "cosine"): lambda one, naming: (
        f"signal and gradient pass, but the examples are nearly alike at {_layer(one, naming)} (mean cosine "
        f"{one.numbers['cosine']:.4f}): whether the gradient tells them apart was not looked at"
    ),
    ("unknown", "weight_grad_norm"): lambda one, naming: (
        "signal and gradient pass, but no parameter takes a gradient (requires_grad): nothing learns"
    ),
    ("symmetric", "distinct_units"): _symmetric,
    ("not finite", FORWARD): lambda one, naming: f"activations are not finite from {_layer(one, naming)} on",
    ("not finite", BACKWARD): lambda one, naming: f"the gradient is not finite from {_layer(one, naming)} down",
    ("unknown", FORWARD): lambda one, naming: "too few layers were passed",
    ("unknown", SHALLOW): lambda one, naming: "too shallow to compare layers",
    ("unknown", ROLES): lambda one, naming: "no three layers of one kind make a chain that could be compared",
    ("unknown", COPIES): lambda one, naming: "the examples are all alike",
    (CAUTION, PARTIAL): lambda one, naming: "partial, interrupted: of the layers and repeats done by then",
    (CAUTION, FORWARD): lambda one, naming: (
        f"over drawings the logarithm of the activations' change has a standard deviation of "
        f"{one.numbers['spread']:.2g}: with another seed the verdict may be another"
    ),
    (CAUTION, "weight_norm"): lambda one, naming: (
        f"no gradient passes {_layer(one, naming)} in the first step: its weights are zero"
    ),
}
