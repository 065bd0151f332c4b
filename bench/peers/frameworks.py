"""Frameworks: torch, transformers, whose models are in `torch_models`, and jax."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import Any

import numpy as np

from ..checks import BOUND, STD
from ..races import Array, Call, Entrant
from .peer import Entrants, Peer


class Torch(Peer):
    """torch.Tensor and torch.nn.init, on the buffer of the race."""

    name, module = "torch", "torch"

    def __init__(self) -> None:
        super().__init__()
        self.init = self.package.nn.init
        self.package.manual_seed(1)

    def tensor(self, out: Array) -> Any:
        """The same memory as a tensor."""
        if out.dtype.name == "bfloat16":
            return self.package.from_numpy(out.view(np.int16)).view(self.package.bfloat16)
        return self.package.from_numpy(out)

    def _entrant(self, bind: Callable[[Any], Call], slack: float = 0.0) -> Entrant:
        return Entrant(lambda out: bind(self.tensor(out)), slack, writes=True)

    def fills(self, law: str, dtype: str) -> Entrants:
        trunc, low, high = self.init.trunc_normal_, -2 * STD, 2 * STD
        slack = 5e-3 if dtype in ("float16", "bfloat16") else 0.0  # 16-bit uniforms are rounded down
        own = {
            "normal": lambda t: lambda: t.normal_(0, STD),
            "uniform": lambda t: lambda: t.uniform_(-BOUND, BOUND),
            "truncated": lambda t: lambda: trunc(t, std=STD, a=low, b=high),
            "constant": lambda t: lambda: t.fill_(STD),
        }[law]
        entrants = {"torch": self._entrant(own, slack)}
        if law == "normal" and dtype in ("float32", "bfloat16"):  # a, b = -2, 2 are absolute: they cut nothing
            entrants["torch trunc_normal_ uncut"] = self._entrant(lambda t: lambda: trunc(t, std=STD), slack)
        return entrants

    def schemes(self, scheme: str) -> Entrants:
        init = self.init

        fill = {
            "small_normal": lambda t: lambda: init.normal_(t, 0, 0.01),
            "lecun_normal": lambda t: lambda: init.kaiming_normal_(t, nonlinearity="linear"),
            "he_normal": lambda t: lambda: init.kaiming_normal_(t, nonlinearity="relu"),
            "he_normal truncated": None,
            "glorot_uniform": lambda t: lambda: init.xavier_uniform_(t),
        }[scheme]
        return {"torch": self._entrant(fill)} if fill else {}

    def moments(self, order: int, dtype: str) -> Entrants:
        def bind(x: Array) -> Call:
            tensor = self.tensor(x)
            return lambda: self.package.var_mean(tensor, correction=0)[0].item()

        return {"torch": Entrant(bind, 1e-2 if dtype == "bfloat16" else 1e-4)} if order == 2 else {}

    def orthogonal(self) -> Entrants:
        orthogonal = self.init.orthogonal_
        return {"torch": self._entrant(lambda t: lambda: orthogonal(t), 1e-4)}

    def along(self, axis: int) -> Entrants:
        def bind(x: Array) -> Call:
            tensor, var = self.tensor(x), self.package.var
            return lambda: var(tensor, dim=axis, correction=0)

        return {"torch": Entrant(bind, 1e-4)}

    def activation(self, name: str) -> Entrants:
        """Its functions, and what it sends back through them, without what autograd costs besides."""
        torch, aten, functional = self.package, self.package.ops.aten, self.package.nn.functional

        def bind(out: Array) -> Call:
            x = self.tensor(out)
            ones = torch.ones_like(x)
            return {
                "relu": lambda: (x.relu(), aten.threshold_backward(ones, x, 0)),
                "tanh": lambda: ((y := x.tanh()), aten.tanh_backward(ones, y)),
                "silu": lambda: (functional.silu(x), aten.silu_backward(ones, x)),
                "gelu": lambda: (functional.gelu(x), aten.gelu_backward(ones, x)),
            }[name]

        return {"torch": Entrant(bind, 1e-6)}

    def norm(self, name: str, axis: int, centred: bool, eps: float) -> Entrants:
        torch, functional = self.package, self.package.nn.functional

        def bind(both: Array) -> Call:
            x, d = self.tensor(both)
            x, units = x.clone().requires_grad_(), x.shape[1:]
            forward = {
                "batch": lambda: functional.batch_norm(x, None, None, training=True, eps=eps),
                "layer": lambda: functional.layer_norm(x, units, eps=eps),
                "rms": lambda: functional.rms_norm(x, units, eps=eps),
            }[name]

            def call() -> tuple[Any, Any]:
                y = forward()
                return y.detach(), torch.autograd.grad(y, x, d)[0]

            return call

        return {"torch": Entrant(bind, 1e-5)}

    def calls(self) -> dict[str, Call]:
        torch, dirac, empty = self.package, self.init.dirac_, self.package.empty
        return {
            "he_normal 8 x 8": lambda: empty(8, 8).normal_(0, 0.5),
            "normal 8 x 8": lambda: torch.randn(8, 8),
            "normal 4 Ki": lambda: torch.randn(4096),
            "uniform 64": lambda: torch.rand(64),
            "zeros 64": lambda: torch.zeros(64),
            "constant 64": lambda: torch.full((64,), STD),
            "identity 8 x 8": lambda: torch.eye(8),
            "identity 4096 x 4096": lambda: torch.eye(4096),
            "dirac 16 x 16 x 3 x 3": lambda: dirac(empty(16, 16, 3, 3)),
            "dirac 512 x 512 x 3 x 3": lambda: dirac(empty(512, 512, 3, 3)),
        }


class Transformers(Peer):
    """Its models are in `torch_models`."""

    name = module = "transformers"


class Jax(Peer):
    """jax.random, compiled. One thread: NPROC is what XLA's pool on the CPU heeds, and it must come first."""

    name, module = "jax", "jax"

    def __init__(self) -> None:
        os.environ.setdefault("NPROC", "1")
        super().__init__()
        self.random = import_module("jax.random")
        self.initializers = import_module("jax.nn.initializers")

    def _entrant(self, make: Callable[[Any, Any, Any], Any], slack: float = 0.0) -> Entrant:
        def bind(out: Array) -> Call:
            made, key = self._compiled(make, out.shape, out.dtype.name), self.random.key(1)
            return lambda: made(key).block_until_ready()

        return Entrant(bind, slack)

    @cache  # noqa: B019 (peers live as long as the process)
    def _compiled(self, make: Callable[[Any, Any, Any], Any], shape: Any, dtype: str) -> Any:
        return self.package.jit(lambda key: make(key, shape, dtype)).lower(self.random.key(1)).compile()

    def fills(self, law: str, dtype: str) -> Entrants:
        if dtype == "float64" or law == "constant":
            return {}
        make = {
            "normal": self.initializers.normal(STD),
            "uniform": lambda key, shape, dtype: self.random.uniform(key, shape, dtype, -BOUND, BOUND),
            "truncated": self.initializers.truncated_normal(STD),
        }[law]
        # Its uniforms have as many bits as the mantissa: 128 values in bfloat16, with mean -0.018 std.
        return {"jax": self._entrant(make, {"float16": 5e-3, "bfloat16": 3e-2}.get(dtype, 0.0))}

    def schemes(self, scheme: str) -> Entrants:
        make = {
            "small_normal": self.initializers.normal(0.01),
            "lecun_normal": self.initializers.variance_scaling(1, "fan_in", "normal"),
            "he_normal": self.initializers.variance_scaling(2, "fan_in", "normal"),
            "he_normal truncated": self.initializers.he_normal(),
            "glorot_uniform": self.initializers.glorot_uniform(),
        }[scheme]
        return {"jax": self._entrant(make)}

    def calls(self) -> dict[str, Call]:
        key, initializers = self.random.key(1), self.initializers
        he = self.package.jit(lambda key: initializers.variance_scaling(2, "fan_in", "normal")(key, (8, 8)))
        normal, long = (self.package.jit(partial(self.random.normal, shape=shape)) for shape in ((8, 8), 4096))
        return {
            "he_normal 8 x 8": lambda: he(key).block_until_ready(),
            "normal 8 x 8": lambda: normal(key).block_until_ready(),
            "normal 4 Ki": lambda: long(key).block_until_ready(),
        }
