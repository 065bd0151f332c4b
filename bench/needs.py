"""Needs: the packages that are not installed, of what a race or the benchmark imports."""

from __future__ import annotations

from importlib.util import find_spec

#: What pip calls a module, where that is another name.
_CALLED = {"sklearn": "scikit-learn"}


def missing(needs: str) -> list[str]:
    """The packages among these, with spaces between, that are not installed."""
    return [package for package in needs.split() if not find_spec(package)]


def check_installed(what: str, needs: str, extra: str) -> None:
    """Raise where one is missing of the packages that an extra of fastinit installs."""
    if absent := missing(needs):
        names = ", ".join(_CALLED.get(package, package) for package in absent)
        raise ImportError(f"{what} needs {names}: pip install --editable '.[{extra}]' in the source folder of fastinit")
