"""Models: what the doors share for whole ones, on names, shapes and arrays alone: rules, plans, verdicts on shards."""
