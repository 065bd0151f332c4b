"""Kernel: the tangent kernel at initialisation, from the gradients of the examples one by one, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import fastinit as fi
from fastinit.profiler.description.network import Network, mixes

from .model import Parameters, Tensor, read_out


def tangent_kernel(network: Network, parameters: Parameters, x: Tensor) -> dict[str, float] | None:
    """Largest eigenvalue of K, mean and median of that without the mean over examples.

    K_ij = <ds_i/dw, ds_j/dw> of the weights and biases w of all layers and of the readout; s_i is what a random unit
    vector makes of the logits of example i.

    Each example has a copy of the parameters for itself, so that one way back gives all gradients, one parameter after
    the other; they are added to the kernel and let go. With the mean taken out before products are, a kernel is known
    far below what rounding makes of the largest eigenvalue.
    """
    examples, mixed = network.batch, mixes(network)
    x = x.double()
    x = x.expand(examples, *x.shape) if mixed else x.reshape(examples, -1, x.shape[-1])
    whole, centred = torch.zeros(2, examples, examples, dtype=torch.float64)

    def add(copies: Tensor) -> None:
        gradients = copies.grad.flatten(1)
        whole.addmm_(gradients, gradients.T)
        gradients -= gradients.mean(0)
        centred.addmm_(gradients, gradients.T)
        copies.grad = None

    copies = {}
    for name, values in parameters.items():
        copies[name] = values.double().expand(examples, *values.shape).requires_grad_()
        copies[name].register_post_accumulate_grad_hook(add)
    found = read_out(network, copies, x)
    found = found.diagonal(dim1=0, dim2=1).T if mixed else found[:, 0]
    direction = torch.from_numpy(fi.normal(found.shape[1], seed=0, name="direction", dtype="float64"))
    (found @ direction / direction.norm()).sum().backward()
    return _spectrum(whole.numpy(), centred.numpy())


def _spectrum(whole: Any, centred: Any) -> dict[str, float] | None:
    """Eigenvalues; the one that taking the mean out makes zero is not counted."""
    if not (np.isfinite(whole).all() and np.isfinite(centred).all()):
        return None
    values = np.linalg.eigvalsh(centred)[1:]
    return {
        "largest": float(np.linalg.eigvalsh(whole)[-1]),
        "mean": float(np.trace(centred) / len(values)),
        "median": float(np.median(values)),
    }
