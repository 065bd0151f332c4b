"""What a step of descent changes, by width: a rate of 0.1 / width changes the same at any width, a fixed one does not.

Writes docs/images/coordinate_check.png: about a minute on two cores, most of it for the million units.
"""

import sys
from pathlib import Path

import fastinit as fi

IMAGES = Path(__file__).parents[1] / "images"
WIDTHS = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576]

path = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES / "coordinate_check.png"
found = fi.sweep(
    {"lr": [None, [1e-4, 1e-4, 1e-4]], "width": WIDTHS},  # one for each layer; None is 0.1 / width
    depth=3,
    activation="relu",
    scheme="he_normal",
    batch=4,
    sgd_steps=1,
    method="matrix_free",
    seed=0,
    threads=2,
    path=path.with_suffix(".jsonl"),
)
assert not any(found["error"]), found["error"]
found.plot(x="width", y="preact_second_moment_last", hue="lr", path=path)
