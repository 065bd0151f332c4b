"""Missing: what is not installed, and a command that installs it today."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from os.path import abspath, dirname

#: What pip is asked for, where that is not the package alone.
_ASKED_FOR = {"dask": "'dask[array,distributed]'", "distributed": "'dask[array,distributed]'"}


def missing(what: str, package: str, extra: str = "") -> ImportError:
    """That something needs a package, which comes with an extra of this one if there is one for it."""
    other = f" (or '.[{extra}]' in the source folder of fastinit)" if extra else ""
    return ImportError(f"{what} needs {package}: pip install {_ASKED_FOR.get(package, package)}{other}")


def missing_core(package: str) -> ImportError:
    """That the C core is not in the folder of the package: not built, or in another one, which this one hides."""
    home = dirname(abspath(package))
    spec = PathFinder.find_spec("fastinit", [entry for entry in sys.path if abspath(entry) != home])
    places = None if spec is None else spec.submodule_search_locations
    if places and PathFinder.find_spec("fastinit._core", places):
        return ImportError(
            f"{package} is the source of fastinit, and hides the installed one ({places[0]}): start Python in another "
            "folder, or run `pip install --editable .` in the source folder, to import it there too"
        )
    return ImportError(
        "the C core of fastinit is not built: run `pip install .` in its source folder and start Python in another "
        "one, or `pip install --editable .` to import it there too"
    )
