"""Tests of other libraries, run with a door of fastinit's in the place of what they are about.

    python -m proof.peers_tests jax path/to/jax/tests/nn_test.py -k NNInitializers
    python -m proof.peers_tests jax path/to/flax/tests/linen/initializers_test.py
    python -m proof.peers_tests keras
    python -m proof.peers_tests dask

Keras and Dask have theirs installed with them; those of jax and flax are in their repositories. Nothing is fetched. The
names lead to ours before the tests are imported. The exit status is pytest's: 1 if a test fails. Which passed, were
skipped or left out, and why, is kept in results/peers_tests.json, a line for each file; one of which nothing passed,
such as one that cannot be imported, does not hold. Each takes under a minute.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from .record import RESULTS, keep, machine


class Door(NamedTuple):
    """How ours take the places of a library's own, and say of what; its installed tests; and those of them left out.

    `left_out` has for each reason a pattern of their names.
    """

    replace: Callable[[], list[str]]
    installed: str = ""
    left_out: dict[str, str] = {}  # noqa: RUF012


def _jax() -> list[str]:
    """What has no random numbers is jax's own in both."""
    home, ours = import_module("jax.nn.initializers"), import_module("fastinit.jax")
    names = [name for name in dir(home) if name in ours.__all__ and name != "Initializer"]
    for name in names:
        setattr(home, name, getattr(ours, name))
    return names


def _keras() -> list[str]:
    ours = import_module("fastinit.keras")
    names = [name for name in ours.__all__ if name != "fast_init"]
    for home in ("keras.initializers", "keras.src.initializers", "keras.src.initializers.random_initializers"):
        for name in names:
            setattr(import_module(home), name, getattr(ours, name))
    known = import_module("keras.src.initializers").ALL_OBJECTS_DICT
    known |= {key: getattr(ours, kind.__name__) for key, kind in known.items() if kind.__name__ in names}
    backend = import_module("keras").backend.backend()
    asked = ModuleType("conftest")  # which is not installed
    vars(asked)["skip_if_backend"] = lambda given, reason: pytest.mark.skipif(backend == given, reason=reason)
    sys.modules["conftest"] = asked
    return names


def _dask() -> list[str]:
    """Methods of Dask's generators: what has a size, and one number for each parameter."""
    random, door = import_module("dask.array.random"), import_module("fastinit.dask")
    laws = {"normal": "normal", "standard_normal": "normal", "uniform": "uniform", "random": "uniform"}

    def replaced(own: Any, law: str) -> Any:
        names = {"normal": ("loc", "scale"), "uniform": ("low", "high")}[law] if own.__name__ == law else ()

        def method(self: Any, *arguments: Any, chunks: Any = "auto", dtype: Any = "float64", **keywords: Any) -> Any:
            given = dict(zip((*names, "size"), arguments, strict=False)) | keywords
            size, others = given.get("size"), [given[name] for name in names if name in given]
            if size is None or not all(isinstance(one, (int, float)) for one in others):
                return own(self, *arguments, chunks=chunks, **keywords)
            seed = _number(self)
            values = [given.get(name, default) for name, default in zip(names, (0.0, 1.0), strict=False)]
            return getattr(door, law)(size, *values, seed=seed, dtype=dtype, chunks=chunks)

        method.__name__, method.__doc__ = own.__name__, own.__doc__
        return method

    for kind in (random.Generator, random.RandomState):
        for name, law in laws.items():
            setattr(kind, name, replaced(getattr(kind, name), law))
    return list(laws)


def _number(generator: Any) -> int:
    """A seed of a generator of Dask, which moves on."""
    if hasattr(generator, "_bit_generator"):
        return int(generator._bit_generator.random_raw())
    return int(generator._numpy_state.randint(1 << 31))


DOORS = {
    "jax": Door(_jax),
    "keras": Door(_keras, "keras.src.initializers.random_initializers_test"),
    "dask": Door(
        _dask,
        "dask.array.tests.test_random",
        {
            "draws no law of the door": "default_rng|doc_generator|docs|parametrized_random_function|multinomial|choice"
            "|permutation|.*_only_funcs|randint_dtype|raises_bad_kwarg|randomstate_kwargs",
            "asks for the name that Dask gives its own arrays": "names",
        },
    ),
}


class Run:
    """A plugin of pytest that leaves tests out, counts the others, and says so."""

    def __init__(self, door: Door) -> None:
        self.names, self.left_out = door.replace(), door.left_out
        self.found: dict[str, dict[str, Any]] = {}

    def _of(self, test: str) -> dict[str, Any]:
        name = "/".join(Path(test.partition("::")[0]).parts[-2:])
        return self.found.setdefault(name, {"passed": 0, "failed": [], "skipped": {}, "left out": {}})

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept = []
        for item in items:
            function = getattr(item, "originalname", item.name)
            reasons = [
                reason for reason, pattern in self.left_out.items() if re.fullmatch(f"test_({pattern})", function)
            ]
            if reasons:
                left = self._of(item.nodeid)["left out"]
                left.setdefault(reasons[0], []).append(item.name)
            else:
                kept.append(item)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept

    def add(self, arguments: list[str]) -> None:
        """Files that are asked for have a line, whatever becomes of them."""
        for path in (Path(one.partition("::")[0]) for one in arguments):
            if path.is_file():
                self._of(str(path.resolve()))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._of(report.nodeid)["failed"].append("what it has could not be collected")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found, name = self._of(report.nodeid), report.nodeid.partition("::")[2]
        if report.failed:
            found["failed"].append(name)
        elif report.skipped:
            found["skipped"][name] = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        elif report.when == "call":
            found["passed"] += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(f"with fastinit's in place of {', '.join(self.names)}")


def main(argv: list[str]) -> int:
    """Run the tests that are named, or those that are installed, and keep what was found."""
    parser = argparse.ArgumentParser("python -m proof.peers_tests", description=__doc__, allow_abbrev=False)
    parser.add_argument("door", choices=DOORS, help="whose tests; what follows is pytest's")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder they are kept in (%(default)s)")
    options, arguments = parser.parse_known_args(argv)
    name, door = options.door, DOORS[options.door]
    run = Run(door)
    spec = find_spec(door.installed) if door.installed else None
    asked = arguments or ([str(spec.origin)] if spec else [])
    if not asked:
        sys.exit(f"name the files of the tests for {name}: they are not installed")
    run.add(asked)
    start = time.perf_counter()
    # No settings of ours: the tests lie elsewhere, and are another's.
    outcome = pytest.main(
        [*asked, "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", os.sep], plugins=[run]
    )
    backend = import_module("keras").backend.backend() if name == "keras" else ""
    told, library = (f"KERAS_BACKEND={backend} ", f"keras on {backend}") if backend else ("", name)
    chosen = " ".join(one for one in arguments if not Path(one).exists())
    for file, found in run.found.items():
        keep(
            "peers_tests",
            f"{file} of {library} passes with fastinit's in its place",
            command=f"{told}python -m proof.peers_tests {name}{f' {file} {chosen}'.rstrip() if arguments else ''}",
            holds=bool(found["passed"]) and not found["failed"],
            found={**found, "names": run.names},
            seconds=time.perf_counter() - start,
            where=machine(**{name: import_module(name).__version__}),
            folder=options.results,
        )
    return int(outcome)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
