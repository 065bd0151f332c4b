"""Calls of torch.nn.init: as functions of our own, and wherever a library makes them."""
