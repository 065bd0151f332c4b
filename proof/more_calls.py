"""Calls of the rest of the public surface: moments, accumulators, generators, laws, schemes, many arrays, networks.

A call of several steps stands in one: its `given` are the steps, each judged alone.
"""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from random import Random
from shutil import rmtree
from typing import Any

import numpy as np

import fastinit as fi
from fastinit import reference
from fastinit.schemes import SCHEMES as SCHEMES_KNOWN

from .calls import OWN, Finding, Judge
from .wild import DTYPES, INDEXES, SEEDS, SHAPES, WILD, WILD_SHAPES, WORDS, BrokenError, Call, made, picked

ELEMENTS = [
    *("np.arange(12.0).reshape(3, 4)", "np.arange(60, dtype='f4').reshape(3, 4, 5)[:, ::-2].T", "np.ones(199)"),
    *("np.linspace(-1, 1, 33).astype('f2')", "np.arange(7)", "np.array([True, False])", "[[1.0, 2.0], [3.0, 5.5]]"),
    *("np.arange(9, dtype='>f8')", "np.zeros((0, 3))", "np.array([1.0, nan, inf])", "np.full(50, 1e300)", "3.5"),
    *("np.arange(99, dtype='u1')[::3]", "memory('float32', (5, 9), 'unaligned')", "memory('float64', (4, 4), 'apart')"),
    *(
        "fi.normal((5, 9), seed=1, dtype='bfloat16')",
        "np.array(['1', '2'])",
        "np.array([1, 2j])",
        "np.zeros(3, object)",
    ),
    *("np.zeros((2, 3), 'f4,i4')", "np.zeros(3, 'M8[s]')", "np.ma.array([1.0, 2.0], mask=[0, 1])", "[[1], [2, 3]]"),
    *("np.longdouble([1, 2])", "range(5)", "(x for x in (1, 2))", "np.float16([6e4, 6e4])", "[2**63, 1]", "[10**400]"),
]
SIZES = ("None", "3", "()", "(2, 3)", "0", "(0, 2)", "[4]", "np.int64(3)", "70", "(5, 8)")
WORDS_OF = {"standard_normal": (), "random": (), "normal": ("loc", "scale"), "uniform": ("low", "high")}
ARRAYS = ("[0.0, 1.0, 2.0]", "np.ones((2, 1))", "[[0.5], [1.0]]", "[nan, 1.0, 2.0]")
PARAMETERS = {
    "loc": ("0.0", "-1", ARRAYS[0]), "scale": ("0.5", "1", ARRAYS[0]),
    "low": ("0.0", "0.25", ARRAYS[0]), "high": ("1", "2.5", ARRAYS[0]),
}  # fmt: skip
STEPS = [
    *("integers(9, size=3)", "exponential(size=3)", "bit_generator.advance(5)", "bit_generator.advance(-3)"),
    *("bit_generator.state", "bit_generator.jumped()", "spawn(2)", "shuffle([1, 2, 3])", "permutation(5)"),
    *("choice(5, 2)", "bytes(3)", "multivariate_normal([0, 0], [[1, 0], [0, 1]])", "bit_generator.random_raw(3)"),
]
SCHEMES = ("'he_normal'", "'orthogonal'", "fi.laws.Normal()", "'uniform'", "[('.*', 'glorot_uniform')]", "fi.he_normal")
LAWS = {
    "Normal": OWN["normal"], "Uniform": OWN["uniform"], "Truncated": OWN["truncated_normal"],
    "UniformBelow": OWN["uniform"], "Constant": OWN["constant"], "Identity": OWN["identity"], "Dirac": OWN["dirac"],
    "Orthogonal": OWN["orthogonal"], "DeltaOrthogonal": OWN["delta_orthogonal"] | {"in_axis": ("-2", "(0, 1)")},
    "Sparse": OWN["sparse"],
}  # fmt: skip
OWN_SCHEME = fi.Scheme("own", scale=1.5)
#: Slow ones: one in some hundred calls.
NETWORKS: dict[str, dict[str, tuple[str, ...]]] = {
    "profile": {"width": ("8", "(4, 8, 3)"), "depth": ("2", "1"), "batch": ("4",), "activation": ("'relu'", "'tanh'"),
                "scheme": ("'he_normal'",), "norm": ("None", "'layer'"), "seed": ("1",), "method": ("'dense'",),
                "gain": ("1.0",), "residual": ("False",), "dtype": ("'float64'",), "inputs": ("3",)},
    "compare": {"width": ("8",), "depth": ("2",), "batch": ("4",), "seed": ("1",)},
    "sweep": {"width": ("8",), "depth": ("2",), "batch": ("4",), "seed": ("1",)},
    "save": {"scheme": SCHEMES, "seed": SEEDS, "dtype": ("'float32'",), "max_shard_size": ("'5GB'", "100"),
             "metadata": ("None", "{'a': 'b'}")},
    **{f"theory.{name}": {"weight_variance": ("2.0", "1"), "q": ("1.0", "0.5"), "c": ("0.5", "-1")}
       for name in ("chi", "chi_2", "chi_parallel", "kernel", "derivative_kernel", "second_moment_map", "fixed_point",
                    "correlation_map", "activation_moments", "batch_norm", "norm_rate", "tangent_kernel")},
    "theory.depth_scale": {}, "theory.relu_norm_law": {},
}  # fmt: skip
FIRST = {**{name: "'tanh'" for name in NETWORKS if name.startswith("theory")}, "theory.depth_scale": "0.5",
         "theory.relu_norm_law": "(8, 4)", "compare": "{'a': {}, 'b': {'depth': 3}}", "sweep": "{'depth': [1, 2]}",
         "save": "'new'"}  # fmt: skip


def _keywords(
    drawn: Random, own: dict[str, tuple[str, ...]], often: float = 0.5, share: float = 0.12
) -> dict[str, str]:
    return {name: picked(drawn, good, share=share) for name, good in own.items() if drawn.random() < often}


def _simple(judge: Judge, call: Call, function: Callable[..., Any]) -> tuple[str, Any]:
    given, words = [made(text) for text in call.given], {name: made(text) for name, text in call.keywords.items()}
    return judge.outcome(call, lambda: function(*given, **words))


# Moments


def draw_moments(drawn: Random) -> Call:
    words = _keywords(drawn, {"axis": ("None", "0", "-1", "(0, 1)", "()", "1"), "order": ("4", "2"),
                              "threads": ("1", "2", "None")}, 0.4)  # fmt: skip
    return Call("fi.moments", (picked(drawn, ELEMENTS, share=0.1),), words)


def judge_moments(judge: Judge, call: Call, drawn: Random) -> str:
    kind, found = _simple(judge, call, fi.moments)
    if kind != "value" or drawn.random() < 0.5:
        return kind
    x = made(call.given[0])
    words = {name: made(text) for name, text in call.keywords.items() if name != "threads"}
    x = np.asarray(list(x) if hasattr(x, "__next__") else x)
    if x.size == 0 or x.dtype.kind == "O" or x.dtype == np.longdouble or x.dtype.name == "bfloat16":
        return kind
    judge.counts["twin"] += 1
    with np.errstate(all="ignore"):
        twin = reference.moments(x, **words)
    for name, value in twin.items():
        own = getattr(found, name)
        if (value is None) != (own is None) or (
            value is not None and not np.array_equal(np.asarray(own, float), value, equal_nan=True)
        ):
            raise Finding(f"{call}: {name} {own!r}, and the twin {value!r}")
    return kind


def draw_accumulator(drawn: Random) -> Call:
    steps = [f"update({picked(drawn, ELEMENTS, share=0.1)})" for _ in range(3)]
    order = picked(drawn, ("4", "2", "4"), share=0.05)
    return Call("Moments", (order, *steps, drawn.choice(["copy", "pickle", "add", "json", "repr"])), {})


def judge_accumulator(judge: Judge, call: Call, drawn: Random) -> str:
    order, *updates, last = call.given
    kind, sums = judge.outcome(call, lambda: fi.Moments(made(order)))
    if kind != "value":
        return kind
    for step in updates:
        before = sums.count
        text = step[len("update(") : -1]
        kind, _ = judge.outcome(call, lambda text=text: sums.update(made(text)))
        if kind != "value" and sums.count != before and "object" not in text:
            raise Finding(f"{call}: {step} was refused, and taken in")
    copies = {
        "copy": lambda: copy.deepcopy(sums).result(),
        "pickle": lambda: pickle.loads(pickle.dumps(sums)).result(),
        "json": lambda: fi.Statistics.from_json(sums.result().to_json()),
        "add": lambda: (fi.Moments(sums.order) + sums).result()._replace(**_higher(sums.result())),
        "repr": lambda: sums.result() if repr(sums) else None,
    }
    found, expected = copies[last](), sums.result()
    if found != expected:
        raise Finding(f"{call}: {found}, and {expected}")
    return kind


def _higher(found: fi.Statistics) -> dict[str, Any]:
    """What a sum has but for rounding."""
    return {name: getattr(found, name) for name in ("mean", "variance", "std", "skewness", "kurtosis")}


# Generators


def draw_generator(drawn: Random) -> Call:
    steps = []
    for _ in range(4):
        if drawn.random() < 0.2:
            steps.append(picked(drawn, STEPS, share=0))
            continue
        method = picked(drawn, tuple(WORDS_OF), share=0)
        words = {
            name: picked(drawn, PARAMETERS[name], ARRAYS, 0.15) for name in WORDS_OF[method] if drawn.random() < 0.6
        }
        words |= _keywords(drawn, {"size": SIZES, "dtype": ("'float32'", "'float64'", "'float16'", "None")}, 0.6, 0.08)
        if drawn.random() < 0.15:
            words["out"] = picked(drawn, ("memory('float64', (2, 3), 'plain')", "memory('float32', (3,), 'apart')",
                                          "memory('float32', (3,), 'locked')"), share=0.1)  # fmt: skip
        steps.append(f"{method}({', '.join(f'{name}={text}' for name, text in words.items())})")
    return Call("default_rng", (picked(drawn, SEEDS, share=0.05), *steps), {})


def judge_generator(judge: Judge, call: Call, drawn: Random) -> str:
    seed, *steps = call.given
    kind, rng = judge.outcome(call, lambda: fi.default_rng(made(seed)))
    if kind != "value" or made(seed) is None or "default_rng" in seed or "ARS" in seed:
        return kind
    names = {**_generator_names(), "rng": rng}
    for step in steps:
        first = rng.bit_generator._position
        kind, value = judge.outcome(call, lambda step=step: eval(step_code(step), names))
        last = rng.bit_generator._position
        method = step.partition("(")[0]
        if method not in WORDS_OF:
            continue
        size = value.size if isinstance(value, np.ndarray) else 1
        if (kind == "value" and last != first + size) or (kind != "value" and last != first):
            raise Finding(f"{call}: {step} moved the position from {first} to {last} ({kind})")
        if kind == "value" and method in ("standard_normal", "random"):
            law = fi.uniform if method == "random" else fi.normal
            if not isinstance(value, np.ndarray):
                continue
            judge.counts["calls"] += 1
            flat = law(first + size, seed=made(seed), dtype=value.dtype.name, index=fi.flat[first:])
            if flat.tobytes() != np.ascontiguousarray(value).tobytes():
                raise Finding(f"{call}: {step} gave {value!r}, and the law {flat!r}")
    return kind


_code: dict[str, Any] = {}


def step_code(step: str) -> Any:
    """The step as code of `rng`."""
    if len(_code) > 50_000:
        _code.clear()
    if step not in _code:
        _code[step] = compile(f"rng.{step}", "<step>", "eval")
    return _code[step]


def _generator_names() -> dict[str, Any]:
    from .wild import NAMES

    return NAMES


# Laws, schemes, many arrays, shapes, networks


def draw_law(drawn: Random) -> Call:
    name = drawn.choice(list(LAWS))
    words = _keywords(drawn, LAWS[name], 0.7, 0.1)
    return Call(
        f"fi.laws.{name}", (picked(drawn, SHAPES, WILD_SHAPES, 0.05), picked(drawn, ("2.0", "0", "1e-3"))), words
    )


def judge_law(judge: Judge, call: Call, drawn: Random) -> str:
    shape, factor = call.given
    kind, law = _simple(
        judge, Call(call.function, (), call.keywords), getattr(fi.laws, call.function.rpartition(".")[2])
    )
    if kind != "value":
        return kind
    again = fi.laws.Law.from_dict(law.to_dict())
    if (
        again != law
        or hash(again) != hash(law)
        or pickle.loads(pickle.dumps(law)) != law
        or not (str(law) and repr(law))
    ):
        raise Finding(f"{call}: {law!r}, and {again!r}")
    judge.outcome(call, lambda: law.scaled(made(factor)))
    judge.outcome(call, lambda: law.deviation(made(shape)))
    one, array = judge.outcome(call, lambda: fi.init({"w": made(shape)}, law, seed=5)["w"])
    if one == "value" and not isinstance(array, np.ndarray):
        raise Finding(f"{call}: {array!r}")
    return one


def draw_many(drawn: Random) -> Call:
    shapes = ", ".join(
        f"{picked(drawn, WORDS, share=0.05)}: {picked(drawn, SHAPES, WILD_SHAPES, 0.1)}" for _ in range(2)
    )
    weights = f"{{{shapes}}}" if drawn.random() < 0.95 else picked(drawn, WILD, share=0)
    words = _keywords(drawn, {"scheme": SCHEMES, "seed": SEEDS, "dtype": (*map(repr, DTYPES),), "threads": ("1", "2")})
    return Call("fi.init", (weights,), words)


def judge_many(judge: Judge, call: Call, drawn: Random) -> str:
    try:
        made(call.given[0])
    except (TypeError, ValueError, BrokenError):  # a key that has no hash
        return "no call"
    return _simple(judge, call, fi.init)[0]


SMALL: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, ...]]]] = {
    "fans": (tuple(SHAPES), {"in_axis": ("-2", "0"), "out_axis": ("-1", "(1,)"), "batch_axis": ("()", "0")}),
    "gain": (("'relu'", "'tanh'", "('leaky_relu', 0.2)", "np.abs"), {}),
    "set_num_threads": (("1", "2"), {}),
    "ARS": (SEEDS, {}),
    "Scheme": (("'own'", "'a b'"), {"scale": ("1.0",), "mode": ("'fan_in'",), "distribution": ("'normal'",)}),
    "register": (("fi.Scheme('own', scale=1.5)",), {}),
    "unregister": (("'own'",), {}),
    "verify": (("fi.he_normal((4, 8), seed=1)", "np.zeros((3, 3), 'f4')", "memory('float16', (5, 9), 'apart')"),
               {"scheme": SCHEMES, "seed": SEEDS, "shape": ("None", "(8, 8)"), "index": ("None", *INDEXES),
                "name": WORDS, "gain": ("1.0",)}),
    "Statistics.from_json": (("fi.moments([1.0]).to_json()", "'{}'", "'[' * 9"), {}),
    "laws.Law.from_dict": (("{'law': 'normal'}", "{'law': 'sparse', 'sparsity': 0.5}", "{'law': 'dirac', 'a': 1}"), {}),
}  # fmt: skip


def draw_small(drawn: Random) -> Call:
    name = drawn.choice(list(SMALL))
    good, own = SMALL[name]
    return Call(f"fi.{name}", (picked(drawn, good, share=0.3),), _keywords(drawn, own))


def draw_network(drawn: Random) -> Call:
    name = drawn.choice(list(NETWORKS))
    first = (picked(drawn, (FIRST[name],), share=0.1),) if name in FIRST else ()
    second = (picked(drawn, ("{'a': 3, 'b': (2, 4)}",), share=0.1),) if name == "save" else ()
    return Call(f"fi.{name}", (*first, *second), _keywords(drawn, NETWORKS[name], 0.7, 0.08))


def judge_small(judge: Judge, call: Call, drawn: Random) -> str:
    function: Any = fi
    for name in call.function.split(".")[1:]:
        function = getattr(function, name)
    if call.function == "fi.unregister":
        fi.register(OWN_SCHEME)
    kind, value = _simple(judge, call, function)
    rmtree("new", ignore_errors=True)  # of save
    if call.function in ("fi.register", "fi.unregister"):
        SCHEMES_KNOWN.pop(OWN_SCHEME.name, None)
    if kind == "value" and "theory" not in call.function and isinstance(value, float) and math.isnan(value):
        raise Finding(f"{call}: not a number")
    return kind
