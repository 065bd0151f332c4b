"""Quadrature in the plane: expectations of products of a function at two correlated variables."""

from __future__ import annotations

from math import atan2, pi, sqrt
from typing import NamedTuple

import numpy as np

from ..activations import Array, Function
from .quadrature import GRID, graded, panels

#: Of a function with more kinks no product is told: each costs some hundreds of radii.
MOST_KINKS = 32


class Plane(NamedTuple):
    """Two directions in the plane, u and v, and points on one side of their bisector: the other side swaps them.

    Nodes (radius, angle), weights of sum one.
    """

    u: Array
    v: Array
    weight: Array

    def mean(self, function: Function) -> float:
        """E[f(u)]."""
        return float(np.sum(self.weight * (function(self.u) + function(self.v)))) / 2

    def product(self, function: Function) -> float:
        """E[f(u) f(v)]."""
        return float(np.sum(self.weight * function(self.u) * function(self.v)))


def plane(c: float, radius: Array, radial: Array, scale: float, kinks: Array) -> Plane:
    """Two directions of correlation c. Where u or v is zero or at a kink the angle has a panel edge, at each radius."""
    turn = atan2(sqrt((1 - c) * (1 + c)), c) / 2
    near = np.array([0.0, *graded(2 * scale)])
    crossings = np.add.outer([pi / 2 - turn, pi / 2 + turn], [*near, *-near]).ravel()
    edges = np.array([0.0, pi / 2, pi, *crossings])
    away = kinks[kinks != 0]
    if away.size and scale > 0:  # u is there at turn + bend and turn - bend, v at those less 2 turn
        bend = np.arccos(np.clip(np.divide.outer(away, radius), -1, 1)).T
        edges = np.broadcast_to(edges, (len(radius), len(edges)))
        edges = np.hstack([edges, turn + bend, turn - bend, bend - turn, 2 * pi - turn - bend])
    angle, angular = panels(np.clip(edges, 0.0, pi))
    weight = radial[:, None] * angular
    u, v = (radius[:, None] * np.cos(angle + shift) for shift in (-turn, turn))
    return Plane(u, v, weight / weight.sum())


def _seen_from(c: float, kinks: Array, unit: float) -> Array:
    """Radii from which on lines u = k and v = k are seen, as a root, and those at which two of these cross."""
    if unit == 0:
        return np.zeros(0)
    kinks = kinks / unit
    sizes = np.unique(np.abs(kinks))
    edges = np.multiply.outer(sizes, [1.0, *(1 + 2.0 ** -np.arange(31))]).ravel()
    if abs(c) == 1:
        return edges
    squares = np.add.outer(kinks**2, kinks**2) - 2 * c * np.multiply.outer(kinks, kinks)
    return np.concatenate([edges, np.sqrt(np.maximum(squares, 0) / ((1 - c) * (1 + c))).ravel()])


def gaussian_plane(c: float, std: float, kinks: tuple[float, ...]) -> Plane:
    """Two normal variables of correlation c and one standard deviation."""
    at = np.array(kinks)
    bends = np.minimum(_seen_from(c, at, std), 9.0)
    radius, weight = panels(np.concatenate([GRID[(GRID >= 0) & (GRID <= 9)], graded(std), bends]))
    return plane(c, std * radius, weight * radius * np.exp(-radius * radius / 2), std, at)


def sphere_plane(batch: int, std: float, kinks: tuple[float, ...]) -> Plane:
    """Two coordinates of a uniform point of norm sqrt(batch) std and sum zero: a plane at correlation -1 / (B - 1).

    The radius is ``sqrt(B - 1) sin(x)`` with density ``sin(x) cos(x)**(B - 4)``: fixed for B = 3; for B = 2 the plane
    is a line.
    """
    if batch == 2:
        return Plane(np.array([std]), np.array([-std]), np.ones(1))
    x, weight, c, most = np.array([pi / 2]), np.ones(1), -1 / (batch - 1), std * sqrt(batch - 1)
    at = np.array(kinks)
    if batch > 3:
        bends = np.arcsin(np.minimum(_seen_from(c, at, most), 1.0))
        x, weight = panels(np.clip(np.concatenate([GRID / sqrt(batch - 3), bends]), 0, pi / 2))
        weight = weight * np.sin(x) * np.cos(x) ** (batch - 4)
    return plane(c, most * np.sin(x), weight, std, at)
