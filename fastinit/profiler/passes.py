"""Passes: what the core calls the steps of a layer and the ways through its columns, and the moments that it reads."""

from __future__ import annotations

#: What is passed: where h is read, a norm, an activation.
READ, NORM, ACTIVATION = range(3)
#: What a pass is for.
FORWARD, FORWARD_SUMS, BACKWARD, BACKWARD_SUMS = range(4)
#: The moments that are read, in order: forward before the steps' end and there, and the same back.
MOMENTS = ("preact", "act", "grad_preact", "grad_act")
