"""How deep a plain network may be: depth by activation, against whether it trains.

Writes docs/images/depth_scan.png, in about a minute on two cores.
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure

import fastinit as fi

IMAGES = Path(__file__).parents[1] / "images"
ACTIVATIONS = ["linear", "relu", "gelu", "silu", "tanh", "selu"]
DEPTHS = [2, 4, 8, 16, 32, 64, 128]
LOOKS = {"yes": ("#009e73", "o"), "slowly": ("#e69f00", "s"), "no": ("#d55e00", "x")}

path = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES / "depth_scan.png"
found = fi.sweep(
    {"activation": ACTIVATIONS, "depth": DEPTHS},
    width=256,
    gain="auto",
    batch=16,
    seed=0,
    path=path.with_suffix(".jsonl"),
)
assert not any(found["error"]), found["error"]

figure = Figure(figsize=(11, 4.5), layout="constrained")
lines, plane = figure.subplots(1, 2)
found.plot(x="depth", y="grad_act_second_moment_first", hue="activation", ax=lines)
for grade, (colour, marker) in LOOKS.items():
    here = found["sgd"] == grade
    plane.scatter(
        found["depth"][here], found["activation"][here], color=colour, marker=marker, label=f"trains by SGD: {grade}"
    )
plane.set(xscale="log", xlabel="depth")
plane.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3)
figure.savefig(path)
