"""Plain networks: a description of a network in dictionaries, lists, strings and numbers, and the network of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NoReturn

import numpy as np

from ...activations import ACTIVATIONS, Activation, activation_of
from ...arguments import refuse
from ...laws.called import UsersFunction
from ...records import plain
from ...schemes import SCHEMES, Scheme
from ..description.initialisation import Initialisation
from ..description.network import Image, Network, Text

#: Activations whose parameter is what they multiply negative inputs by, or what is made of them.
_FAMILIES = ("leaky_relu", "elu")


@dataclass(frozen=True)
class Missing:
    """In place of a user's own function, of which JSON has the name alone: it refuses to be called."""

    argument: str
    name: str

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        refuse(self.argument, "the function itself, of which a profile that was read from JSON has the name", self.name)


def network_to_dict(network: Network) -> dict[str, Any]:
    """What a network is, which `network_from_dict` makes one of again."""
    found = {one.name: getattr(network, one.name) for one in fields(network)}
    special = {
        "widths": list(network.widths),
        "activation": _activation_to_dict(network.activation),
        "scheme": _scheme_to_dict(network.scheme),
        "dtype": np.dtype(network.dtype).name,
        "image": None if network.image is None else asdict(network.image),
        "text": None if network.text is None else asdict(network.text),
    }
    return {name: plain(value) for name, value in (found | special).items()}


def network_from_dict(found: Mapping[str, Any]) -> Network:
    """The network of which `network_to_dict` gives these."""
    special = {
        "widths": tuple(found["widths"]),
        "activation": _activation_from_dict(found["activation"]),
        "scheme": _scheme_from_dict(found["scheme"]),
        "dtype": np.dtype(found["dtype"]),
        "image": None if found["image"] is None else Image(**found["image"]),
        "text": None if found["text"] is None else Text(**found["text"]),
    }
    return Network(**{**found, **special})


def keywords_of(network: Network) -> dict[str, Any]:
    """Those of `fastinit.profile` that make this network; the width is an array, with that of each layer."""
    scheme = replace(network.scheme, gain=1.0)
    found: dict[str, Any] = {
        "kind": network.kind,
        "width": np.array(network.widths),
        "depth": network.depth,
        "activation": network.activation.name,
        "scheme": str(scheme),
        "gain": network.scheme.gain,
    }
    given = ("norm", "norm_position", "norm_eps", "residual", "branch_scale", "bias_std", "batch")
    found |= {name: getattr(network, name) for name in given}
    found["dtype"] = np.dtype(network.dtype).name
    if network.image:
        image = network.image
        found |= {"image_size": image.size, "kernel_size": image.kernel, "padding": image.padding}
    if network.text:
        text = asdict(network.text)
        found["sequence_length"] = text.pop("positions")
        found["mlp_ratio"] = text.pop("hidden") / network.widths[0]
        found |= text
    return found


def is_users(activation: Activation) -> bool:
    """Whether its functions are the user's own, which no description has."""
    return "own" in _activation_to_dict(activation)


def _activation_to_dict(activation: Activation) -> dict[str, Any]:
    named = ACTIVATIONS.get(activation.name)
    if named == activation:
        return {"name": activation.name}
    if activation.in_core is not None:
        _, (_, parameter) = activation.in_core
        for family in _FAMILIES:
            if activation_of((family, parameter)) == activation:
                return {"name": activation.name, "family": family, "parameter": parameter}
    about = {"name": activation.name, "kinks": list(activation.kinks), "degree": activation.degree}
    return about | {"own": True}


def _activation_from_dict(found: Mapping[str, Any]) -> Activation:
    if found.get("own"):
        missing = Missing("activation", found["name"])
        return Activation(found["name"], missing, missing, tuple(found["kinks"]), found["degree"])
    if "family" in found:
        return activation_of((found["family"], found["parameter"]))
    return activation_of(found["name"])


def _scheme_to_dict(drawn: Initialisation) -> dict[str, Any]:
    scheme = drawn.scheme
    found = {"name": scheme.name, "keywords": plain(drawn.keywords), "gain": plain(drawn.gain)}
    if scheme.needs_fans:
        found |= {"scale": scheme.scale, "mode": scheme.mode, "distribution": scheme.distribution}
    return found | {"own": True} if scheme.is_called else found


def _scheme_from_dict(found: Mapping[str, Any]) -> Initialisation:
    return Initialisation(_scheme_of(found), dict(found["keywords"]), found["gain"])


def _scheme_of(found: Mapping[str, Any]) -> Scheme:
    """One with a scale is all here; of another one that is not known here, the function is missing."""
    name, known = found["name"], SCHEMES.get(found["name"])
    if found.get("own"):
        return Scheme(name, family=UsersFunction(Missing("scheme", name)))
    if "scale" in found:
        described = {key: found[key] for key in ("scale", "mode", "distribution")}
        if known and described == {key: getattr(known, key) for key in described}:
            return known
        return Scheme(name, **described, keywords={key: described[key] for key in described.keys() & found["keywords"]})
    if known and not known.needs_fans:
        return known
    return Scheme(name, family=Missing("scheme", name), keywords=found["keywords"])
