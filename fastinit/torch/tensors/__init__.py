"""Tensors: what they are called, what of a whole they hold, and a law's values into them."""
