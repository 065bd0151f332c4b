"""Paths: which places of a graph of autograd every gradient passes on its way to another place."""

from __future__ import annotations

from typing import Any

Node = Any


def passed_by_all(end: Node, start: Node) -> set[Node]:
    """The nodes that are on every path from the end of a graph back to its start.

    In an order in which none comes before what it leads to, a node is one where no edge goes over it.
    """
    order = in_order(end)
    leads = set()
    for node in reversed(order):
        if node is start or any(other in leads for other in _next(node)):
            leads.add(node)
    some = [node for node in order if node in leads]
    place = {node: number for number, node in enumerate(some)}
    found, reach = set(), 0
    for node in some:
        if place[node] >= reach:
            found.add(node)
        reach = max([reach, *(place[other] for other in _next(node) if other in leads and node is not start)])
    return found


def _next(node: Node) -> list[Node]:
    return [other for other, _ in node.next_functions if other is not None]


def in_order(end: Node) -> list[Node]:
    """All that it leads to, each after all from which it can be reached."""
    left, seen, order = [(end, iter(_next(end)))], {end}, []
    while left:
        node, following = left[-1]
        for other in following:
            if other not in seen:
                seen.add(other)
                left.append((other, iter(_next(other))))
                break
        else:
            order.append(node)
            left.pop()
    return order[::-1]
