"""Order, chaos and the line between them: deep tanh networks by the variance of their weights and biases.

Writes docs/images/edge_of_chaos.png, in about a minute on two cores.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fastinit as fi

IMAGES = Path(__file__).parents[1] / "images"
GAINS = [round(float(gain), 2) for gain in np.linspace(0.8, 2.4, 17)]
BIASES = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
LOOKS = {"yes": ("#009e73", "o"), "slowly": ("#e69f00", "s"), "no": ("#d55e00", "x")}

path = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES / "edge_of_chaos.png"
found = fi.sweep(
    {"bias_std": BIASES, "gain": GAINS},
    width=200,
    depth=30,
    activation="tanh",
    scheme="lecun_normal",
    batch=16,
    seed=0,
    path=path.with_suffix(".jsonl"),
)
assert not any(found["error"]), found["error"]

figure = Figure(figsize=(11, 4.5), layout="constrained")
lines, plane = figure.subplots(1, 2)
found.plot(x="gain", y="grad_act_second_moment_rate", hue="bias_std", ax=lines)
lines.axhline(1, color="grey", linewidth=1)
for grade, (colour, marker) in LOOKS.items():
    here = found["sgd"] == grade
    plane.scatter(
        found["gain"][here] ** 2,
        found["bias_std"][here] ** 2,
        color=colour,
        marker=marker,
        label=f"trains by SGD: {grade}",
    )
edge = [fi.theory.edge_of_chaos("tanh", bias_variance=std**2) for std in BIASES]
plane.plot([point.weight_variance for point in edge], [std**2 for std in BIASES], "k--", label="edge of chaos, theory")
plane.set(xlabel="variance of weights x width", ylabel="variance of biases")
plane.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
figure.savefig(path)
