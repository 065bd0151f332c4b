"""Fields: the numbers of a profile by name, with their means over repeats, beside those of theory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arguments import key
from ...records import real_array
from ..statistics import log_normal_skewness
from ..tangent_kernel import KERNEL_EIGENVALUES

#: Skewness of a mean over repeats, that of one over the root of their number, up to which its standard error tells:
#: it moves the ratio of the two by half as much.
_SKEW = 2.0

Array = NDArray[np.float64]
Theory = Mapping[str, Array]


class Fields(Mapping[str, Array]):
    """A mapping of the names of fields to arrays: measured ones, of each repeat, and those of theory."""

    def __init__(self, fields: Mapping[str, Array], theory: Theory | Callable[[], Theory]) -> None:
        self._fields = {name: np.asarray(values) for name, values in fields.items()}
        self._predict = theory

    @cached_property
    def _theory(self) -> dict[str, Array]:
        """Fields of theory, which are computed when they are first asked for."""
        theory = self._predict() if callable(self._predict) else self._predict
        return {f"theory_{name}": np.asarray(values) for name, values in theory.items()}

    def __getstate__(self) -> dict[str, Any]:
        """With theory, in place of what computes it."""
        return self.__dict__ | {"_theory": self._theory, "_predict": None}

    def __getitem__(self, name: str) -> Array:
        return self._fields[name] if name in self._fields else self._theory[key(name, [*self])]

    def __contains__(self, name: object) -> bool:
        return name in self._fields or name in self._theory

    def __iter__(self) -> Iterator[str]:
        return iter((*self._fields, *self._theory))

    def __len__(self) -> int:
        return len(self._fields) + len(self._theory)

    def _by_layer(self, name: str) -> bool:
        """Whether a field has a number for each layer, not what is of the whole network."""
        return self[name].ndim > (name in self._fields) and name != KERNEL_EIGENVALUES

    @property
    def repeats(self) -> int:
        """Networks drawn."""
        return len(self._fields["act_second_moment"])

    def mean(self, name: str) -> Array:
        """Mean of a field over repeats, (depth + 1,); of a theory field the field itself."""
        return self[name].mean(axis=0) if name in self._fields else self[name]

    def mean_log(self, name: str) -> Array:
        """Mean over repeats of the natural logarithm of a field, (depth + 1,); of a theory field the logarithm.

        Over repeats a second moment q and its logarithm tell different things: in a finite ReLU network E q stays while
        E log q falls by 5/2 for each unit of depth / width.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            logs: Array = np.log(self[name])
            return logs.mean(axis=0) if name in self._fields else logs

    def standard_error(self, name: str, log: bool = False) -> Array:
        """Standard error of `mean`, or with `log` of `mean_log`, (depth + 1,).

        It is not a number for one repeat, and zero for a theory field.
        """
        values = self[name]
        if name not in self._fields:
            return np.zeros_like(values)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.log(values) if log else values
            spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1:], np.nan)
        return np.asarray(spread / np.sqrt(len(values)))

    def deviation(self, name: str) -> Array:
        """How far the mean of a field is from theory, in standard errors of the mean, (depth + 1,).

        Not a number where the repeats cannot tell: second moments of deep narrow networks are nearly log-normal, and of
        few repeats the mean and its standard error both miss the tail. Compare `mean_log` then.
        """
        with np.errstate(all="ignore"):
            away = (self.mean(name) - self[f"theory_{name}"]) / self.standard_error(name)
            return np.where(log_normal_skewness(self[name]) > _SKEW * np.sqrt(self.repeats), np.nan, away)


def read_fields(found: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Measured fields and those of theory, from what `to_dict` gave."""
    arrays = {name: real_array(values) for name, values in found["fields"].items()}
    theory = {name.removeprefix("theory_"): arrays.pop(name) for name in list(arrays) if name.startswith("theory_")}
    return arrays, theory
