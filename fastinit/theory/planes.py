"""Quadrature in the plane: expectations of products of a function at two correlated variables."""

from __future__ import annotations

from math import atan2, pi, sqrt
from typing import NamedTuple

import numpy as np

from ..activations import Array, Function
from .quadrature import GRID, graded, panels


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


def plane(c: float, radius: Array, radial: Array, scale: float) -> Plane:
    """Two directions of correlation c. Where u or v is zero the angle has a panel edge, at every radius."""
    turn = atan2(sqrt((1 - c) * (1 + c)), c) / 2
    near = np.array([0.0, *graded(2 * scale)])
    crossings = np.add.outer([pi / 2 - turn, pi / 2 + turn], [*near, *-near]).ravel()
    angle, angular = panels(np.clip([0.0, pi / 2, pi, *crossings], 0.0, pi))
    weight = radial[:, None] * angular
    u, v = (np.multiply.outer(radius, np.cos(angle + shift)) for shift in (-turn, turn))
    return Plane(u, v, weight / weight.sum())


def gaussian_plane(c: float, std: float) -> Plane:
    """Two normal variables of correlation c and one standard deviation."""
    radius, weight = panels(np.concatenate([GRID[(GRID >= 0) & (GRID <= 9)], graded(std)]))
    return plane(c, std * radius, weight * radius * np.exp(-radius * radius / 2), std)


def sphere_plane(batch: int, std: float) -> Plane:
    """Two coordinates of a uniform point of norm sqrt(batch) std and sum zero: a plane at correlation -1 / (B - 1).

    The radius is ``sqrt(B - 1) sin(x)`` with density ``sin(x) cos(x)**(B - 4)``: fixed for B = 3; for B = 2 the plane
    is a line.
    """
    if batch == 2:
        return Plane(np.array([std]), np.array([-std]), np.ones(1))
    x, weight = np.array([pi / 2]), np.ones(1)
    if batch > 3:
        x, weight = panels(np.clip(GRID / sqrt(batch - 3), 0, pi / 2))
        weight = weight * np.sin(x) * np.cos(x) ** (batch - 4)
    return plane(-1 / (batch - 1), std * sqrt(batch - 1) * np.sin(x), weight, std)
