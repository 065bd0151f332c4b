"""Called: the law of what a user's function makes, of which nothing is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar

from ..arguments import refuse
from ..dtypes import Kind
from .law import Fill, Law, set_argument


class Called(Law):
    """What a user's function makes, ``(shape, *, seed, name, dtype, index, out, **keywords) -> array``.

    Nothing is known of it: mean and deviation are NaN.
    """

    name: ClassVar[str] = "called"
    arguments: ClassVar[tuple[str, ...]] = ("call", "keywords")
    __slots__ = ("call", "keywords")
    call: Callable[..., Any]
    keywords: dict[str, Any]

    def __init__(self, call: Callable[..., Any], keywords: Mapping[str, Any] | None = None) -> None:
        if not callable(call):
            refuse("call", "a function that makes arrays", call, TypeError)
        set_argument(self, "call", call)
        set_argument(self, "keywords", dict(keywords or {}))

    def __call__(self, shape: Any, **common: Any) -> Any:
        """The function's array."""
        return self.call(shape, **common, **self.keywords)

    def check_call(self, shape: tuple[int, ...], name: str, dtype: str, whole: bool = False) -> None:
        """Raise, of rules that give it to an array of that name, where it cannot be called as it will be.

        For a part of an array, or for memory that is there, it takes more than where it makes the `whole`.
        """
        common = {"seed": 0, "name": name, "dtype": dtype, **({} if whole else {"index": None, "out": None})}
        try:
            signature(self.call).bind(shape, **common, **self.keywords)
        except (TypeError, ValueError) as error:  # the latter of what tells no signature
            called = getattr(self.call, "__name__", self.call)
            refuse("rules", f"of schemes that are called as fastinit's are ({name}: {error})", called, TypeError)

    def scaled(self, factor: float) -> Law:
        refuse("law", "one of fastinit's, to be scaled", str(self), TypeError)

    def fills(self, lengths: tuple[int, ...], kind: Kind, seed: int, name: str, threads: int) -> Fill:
        refuse("law", "one of fastinit's, to be put in a part of an array", str(self), TypeError)

    def to_dict(self) -> dict[str, Any]:
        return {"law": self.name, "call": str(getattr(self.call, "__name__", self.call)), "keywords": self.keywords}

    def __hash__(self) -> int:
        return hash(self.call)

    def __str__(self) -> str:
        shown = [f"{key}={value:.4g}" for key, value in self.keywords.items() if isinstance(value, (int, float))]
        return f"{getattr(self.call, '__name__', self.call)}({', '.join(shown)})"


@dataclass(frozen=True)
class UsersFunction:
    """From keywords to the law of what a function makes with them."""

    function: Callable[..., Any]

    def __call__(self, **keywords: Any) -> Called:
        return Called(self.function, keywords)


@dataclass(frozen=True)
class OneLaw:
    """The family of one law alone."""

    law: Law

    def __call__(self) -> Law:
        return self.law
