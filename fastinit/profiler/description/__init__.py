"""Description: what is profiled, checked: the network, how its weights are drawn, and what is sent through it."""
