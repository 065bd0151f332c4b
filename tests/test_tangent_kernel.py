"""The tangent kernel of a profile: against explicit Jacobians, against itself by other ways, and its spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastinit as fi
from fastinit.profiler.description.signals import random_signs
from fastinit.profiler.steps import layers
from fastinit.profiler.tangent_kernel import KERNEL_FIELDS, KernelSpectrum, spectra, spectrum_of

Array = np.ndarray[Any, Any]


class Parameters:
    """A network as a function of all its parameters: weights that a scheme gives, and biases in place of the drawn."""

    def __init__(self, patch: pytest.MonkeyPatch, **network: Any) -> None:
        self.values: dict[str, Array] = {}
        self._network, self._outputs = network, np.empty(0)
        patch.setattr(layers, "bias", self._bias)

    def _bias(self, std: float, width: int, seed: int, name: str, dtype: Any) -> Array:
        return self.values.setdefault(f"{name}.bias", std * fi.normal(width, seed=seed, name=name, dtype=dtype)).copy()

    def _weight(self, shape: tuple[int, ...], seed: int, name: str) -> Array:
        drawn = self.values.setdefault(name, fi.lecun_normal(shape, gain=1.3, seed=seed, name=name, dtype="float64"))
        return drawn.copy()

    def outputs(self) -> Array:
        """(batch, outputs of an example)."""

        def keep(outputs: Array) -> Array:
            self._outputs = outputs.reshape(len(outputs), -1).copy()
            return outputs

        fi.profile(**self._network, scheme=self._weight, bias_std=0.1, loss=keep, dtype="float64", progress=False)
        return self._outputs

    def profile(self) -> fi.Profile:
        """The network's own."""
        return fi.profile(**self._network, scheme=self._weight, bias_std=0.1, dtype="float64", progress=False)

    def kernels(self) -> dict[str, Array]:
        """Each layer's part, by central differences of every parameter, and that of a readout."""
        outputs = self.outputs()
        examples, count = outputs.shape
        functional = random_signs((count,), 0, "cotangent", "float64") / np.sqrt(count)
        parts = {"readout": outputs @ outputs.T + 1}
        for name, values in self.values.items():
            flat, slopes = values.reshape(-1), np.empty((examples, values.size))
            for place in range(values.size):
                was, step = flat[place], 1e-5
                flat[place] = was + step
                above = self.outputs() @ functional
                flat[place] = was - step
                slopes[:, place] = (above - self.outputs() @ functional) / (2 * step)
                flat[place] = was
            layer = name.split(".")[1]
            parts[layer] = parts.get(layer, 0) + slopes @ slopes.T
        return parts


@pytest.mark.parametrize("network", [
    {"width": 4, "depth": 3, "activation": "tanh"},
    {"widths": [5, 2, 7, 3], "activation": "gelu"},
    {"widths": [2, 4, 3], "activation": "sin", "batch": 7},
    {"width": 4, "depth": 2, "activation": "tanh", "norm": "layer"},
    {"width": 4, "depth": 2, "activation": "tanh", "norm": "rms", "norm_position": "post_act"},
    {"width": 4, "depth": 2, "activation": "gelu", "residual": True, "branch_scale": 0.5},
    {"width": 4, "depth": 2, "activation": "gelu", "residual": True, "norm": "layer"},
    {"width": 4, "depth": 2, "activation": "tanh", "norm": "batch", "batch": 5},
    {"widths": [9, 16, 9], "activation": "tanh", "norm": "batch", "batch": 3},
    {"width": 3, "depth": 2, "activation": "tanh", "norm": "batch", "norm_position": "post_act", "batch": 5},
    {"kind": "conv", "channels": 2, "depth": 2, "image_size": 3, "activation": "tanh"},
    {"kind": "conv", "channels": [2, 8, 8], "kernel_size": 2, "image_size": 2, "activation": "tanh",
     "batch": 2},
    {"kind": "conv", "channels": 2, "depth": 2, "image_size": 3, "padding": "circular", "norm": "batch",
     "activation": "tanh"},
    {"kind": "transformer", "width": 4, "depth": 1, "sequence_length": 3, "activation": "gelu", "norm": "layer",
     "heads": 2, "vocabulary": 5, "embedding_std": 1.0},
    {"kind": "transformer", "width": 8, "depth": 1, "sequence_length": 2, "activation": "silu", "norm": "rms",
     "norm_position": "post", "gated": True, "mlp_ratio": 1.0, "vocabulary": 5, "embedding_std": 1.0},
])  # fmt: skip
def test_kernel_is_that_of_explicit_jacobians(network: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Central differences are off by 1e-10 (third derivatives) and 1e-11 (rounding) of a parameter's slope."""
    one = Parameters(monkeypatch, **{"batch": 3} | network)
    profile, parts = one.profile(), one.kernels()
    kernel = sum(parts.values(), np.zeros(()))
    expected, (found,) = spectrum_of(kernel), spectra(profile, 1)
    rough = 1e-8 * expected.largest
    assert np.allclose(found[:3], expected[:3], rtol=1e-7, atol=rough), (found, expected)
    assert found.examples == len(kernel) and 0 < found.rounding < 1e-12
    assert found.effective_rank == pytest.approx(expected.effective_rank, rel=1e-6)
    shares = [np.trace(parts[str(layer)]) / np.trace(kernel) for layer in range(1, profile.network.depth + 1)]
    assert np.allclose(profile["kernel_share"][0, 1:], shares, rtol=1e-7)
    lengths = np.sqrt(np.diag(kernel))
    cosines = kernel / np.outer(lengths, lengths)
    mean = (cosines.sum() - len(kernel)) / (len(kernel) * (len(kernel) - 1))
    assert profile["gradient_cosine"][0] == pytest.approx(mean, abs=1e-7)
