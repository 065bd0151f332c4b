"""Trainability: what `fi.profile` says of networks, held against what becomes of them in training."""
