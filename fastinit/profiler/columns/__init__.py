"""Propagation by columns: a layer is passed some units at a time, and its weights are never made."""
