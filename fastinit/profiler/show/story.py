"""The story of five initialisations, in a deep ReLU network with and without batch normalisation."""

from __future__ import annotations

from itertools import product
from os import PathLike
from typing import Any

from ...machine import threads_limited
from ...whole_files import write_figure
from ..drawing import drawn
from ..parallel import in_parallel, sharing
from ..progress import progress as progress_bar
from ..result import Comparison, Profile
from ..runs import ProfileInterrupted, profile

#: Deep enough to see where each leads, and all ten networks done in a second or two.
WIDTH, DEPTH, BATCH = 512, 30, 64

INITIALISATIONS: dict[str, Any] = {
    "zeros": "zeros",
    "constant 1/n": ("constant", {"value": 1 / WIDTH}),
    "0.01 randn": ("small_normal", {"std": 0.01}),
    "randn / √n": "lecun_normal",
    "randn √(2/n)": "he_normal",
}


class Story(Comparison):
    """Ten profiles, and a picture with a row for each kind of network; fewer where it was interrupted."""

    interrupted = False

    def plot(self, path: str | PathLike[str] | None = None) -> Any:
        """A picture of what goes forward and back, and of the tangent kernel, without and with batch normalisation."""
        picture = drawn("plot")
        figure = picture.picture(16, 9)
        panels = figure.subplots(2, 3)
        for row, norm in zip(panels, (None, "batch"), strict=True):
            some = {name: one for name, one in self.items() if one.network.norm == norm}
            for axes, field, title in zip(row[:-1], (picture.FORWARD, picture.BACKWARD), picture.TITLES, strict=True):
                text = "with batch normalisation" if norm else "without normalisation"
                picture.overlay(axes, some, field).finish(f"{title}, {text}", "second moment")
            picture.spectra(row[-1], some)
        picture.legend(figure, panels[0])
        if path is not None:
            write_figure(figure, path)
        return figure


def story(progress: bool | None = None, threads: int | None = None, **keywords: Any) -> Story:
    """Profiles of the five initialisations, twice; those that were done, where the user interrupts.

    Networks this small gain nothing from a second thread: each has one, and as many are made at a time.
    """
    cases = [*product((None, "batch"), INITIALISATIONS)]
    found: dict[tuple[str | None, str], Profile] = {}

    def tell(case: tuple[Any, str]) -> None:
        norm, name = case
        scheme = INITIALISATIONS[name]
        try:
            found[case] = profile(WIDTH, DEPTH, "relu", scheme, norm=norm, batch=BATCH, progress=False, **keywords)
        except ProfileInterrupted as interruption:
            if interruption.profile is not None:
                found[case] = interruption.profile
            raise
        report()

    interrupted = False
    try:
        with threads_limited(threads), sharing(), progress_bar(len(cases), progress, "networks") as report:
            in_parallel(tell, cases)
    except KeyboardInterrupt:
        if not found:
            raise
        interrupted = True
    told = Story((name + ", BN" * bool(norm), found[norm, name]) for norm, name in cases if (norm, name) in found)
    told.interrupted = interrupted
    return told
