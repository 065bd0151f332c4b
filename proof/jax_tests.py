"""Tests of other libraries that use `jax.nn.initializers`, run with fastinit's in their place.

    python -m proof.jax_tests path/to/jax/tests/nn_test.py -k NNInitializers
    python -m proof.jax_tests path/to/flax/tests/linen/initializers_test.py

Nothing is fetched. The name of each initializer leads to ours before the tests are imported.
"""

import sys

import jax
import jax.nn.initializers
import pytest

import fastinit.jax

#: What has no random numbers is jax's own in both.
NAMES = [name for name in dir(jax.nn.initializers) if name in fastinit.jax.__all__ and name != "Initializer"]


class Ours:
    """A plugin of pytest that puts ours in the place of jax's, and says so."""

    def __init__(self) -> None:
        for name in NAMES:
            setattr(jax.nn.initializers, name, getattr(fastinit.jax, name))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(f"with fastinit.jax in place of {', '.join(NAMES)}")


if __name__ == "__main__":
    sys.exit(pytest.main([*sys.argv[1:], "-q", "-p", "no:cacheprovider"], plugins=[Ours()]))
