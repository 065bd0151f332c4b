"""Rules: which law each tensor of a model gets."""
