"""Propagation by steps: a layer is a sequence of steps, and each passes the whole signal."""
