"""Benchmarks: fastinit against NumPy and every peer that is installed, output first, speed second."""

#: Names of variables that were unset, for a run that started again without them.
UNSET = "FASTINIT_BENCH_UNSET"
