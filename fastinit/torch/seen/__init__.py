"""What is seen of a model while it runs: its profile, and weights that are scaled by what layers return."""
