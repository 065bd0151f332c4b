"""The public surface of `fastinit.dask` as users write it, for the type checker: it is read, never run.

Each line marked `# type: ignore[...]` is wrong, and `make lint` fails if the checker no longer finds it so. What is
Dask's own the checker does not look into, so that it finds the same where Dask is not installed.
"""

import fastinit.dask as fd


def laws() -> None:
    fd.normal((4, 8), 0.0, 0.02, seed=0, name="w", dtype="bfloat16", chunks=(2, 8)).compute()
    fd.truncated_normal((4, 8), low=-3.0, high=3.0, chunks="64MiB")
    fd.uniform(8, -1.0, 1.0)
    fd.constant((4, 8), 0.5), fd.zeros(8), fd.ones(8)
    fd.sparse((4, 8), 0.5), fd.identity((4, 4), 2.0), fd.dirac((4, 4, 3), 2), fd.delta_orthogonal((3, 4, 8))
    fd.orthogonal((4, 8), gain=2.0, in_axis=-2)
    fd.normal((4, 8), index=0)  # type: ignore[call-arg]
    fd.normal((4, 8), threads=2)  # type: ignore[call-arg]
    fd.normal("4, 8")  # type: ignore[arg-type]
    fd.normal((4, 8), dtype="float8")  # type: ignore[arg-type]
    fd.constant(8)  # type: ignore[call-arg]


def schemes() -> None:
    fd.variance_scaling((4, 8), 2.0, "fan_avg", "uniform", gain=2.0)
    fd.small_normal((4, 8), std=0.02)
    for scheme in (fd.he_normal, fd.kaiming_normal, fd.lecun_normal, fd.glorot_normal, fd.xavier_normal):
        scheme((4, 8), distribution="truncated_normal", batch_axis=(), chunks=2)
    for other in (fd.he_uniform, fd.kaiming_uniform, fd.lecun_uniform, fd.glorot_uniform, fd.xavier_uniform):
        other((4, 8), in_axis=(0,), out_axis=1)
    fd.he_normal((4, 8), sed=0)  # type: ignore[call-arg]
    fd.he_uniform((4, 8), distribution="normal")  # type: ignore[call-arg]
    fd.he_normal((4, 8), distribution="gauss")  # type: ignore[arg-type]
    fd.he_norml((4, 8))  # type: ignore[attr-defined]
