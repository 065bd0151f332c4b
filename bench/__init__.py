"""Benchmarks: fastinit against NumPy and every peer that is installed, output first, speed second."""
