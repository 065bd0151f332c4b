"""The door of Dask: equal values whatever the chunks, the scheduler and the workers; what is refused, and when."""

import inspect
import os
import pickle
import signal
import subprocess
import sys
import time
from threading import Timer

import dask
import dask.array as da
import distributed
import numpy as np
import pytest
from conftest import DTYPES, bits

import fastinit as fi
import fastinit.dask as fd
from fastinit.schemes import SCHEMES

OWN = {
    "constant": {"value": 0.25},
    "sparse": {"sparsity": 0.3},
    "small_normal": {"std": 2.0},
    "he_normal": {"gain": 0.5},
}
KERNELS = ("dirac", "delta_orthogonal")


def arguments(name):
    return (3, 6, 7) if name in KERNELS else (13, 7), {"seed": 3, "name": "w", **OWN.get(name, {})}


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes, which are made anew where they die."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 10}),
        distributed.LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_every_law_and_scheme_is_there():
    assert fd.__all__ == sorted(SCHEMES)


@pytest.mark.parametrize("name", fd.__all__)
@pytest.mark.parametrize("chunks", ["auto", 1, (3, 2, 5), -1])
def test_values_are_those_of_the_numpy_face(name, chunks):
    shape, keywords = arguments(name)
    chunks = chunks[: len(shape)] if isinstance(chunks, tuple) else chunks
    lazy = getattr(fd, name)(shape, chunks=chunks, **keywords)
    same = getattr(fi, name)(shape, **keywords)
    made = lazy.compute(scheduler="threads")
    assert (lazy.shape, lazy.dtype, made.dtype) == (same.shape, same.dtype, same.dtype)
    assert lazy.chunks == da.ones(shape, chunks=chunks, dtype=same.dtype).chunks
    assert np.array_equal(bits(made), bits(same))
    da.utils.assert_eq(lazy, same, equal_nan=False, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (5, 0), 9, (2, 3, 5, 7)], ids=str)
def test_shapes_and_dtypes(shape, dtype):
    lazy = fd.normal(shape, 0.5, 2, seed=1, dtype=dtype, chunks=2 if shape else "auto")
    same = fi.normal(shape, 0.5, 2, seed=1, dtype=dtype)
    made = np.asarray(lazy.compute(scheduler="sync"))
    assert made.dtype == lazy.dtype == same.dtype and np.array_equal(bits(made), bits(same))


@pytest.mark.parametrize("name", fd.__all__)
def test_signatures_are_those_of_the_numpy_face(name):
    lazy, face = (inspect.signature(getattr(home, name)).parameters for home in (fd, fi))
    assert [*lazy] == [*(one for one in face if one not in ("index", "out", "threads")), "chunks"]
    assert all(lazy[one] == face[one] for one in lazy if one != "chunks")
    first = inspect.getdoc(getattr(fi, name)).partition("\n\n")[0]
    assert inspect.getdoc(getattr(fd, name)).startswith(f"{first}\n\nAs `fastinit.{name}`, but lazy")
    assert pickle.loads(pickle.dumps(getattr(fd, name))) is getattr(fd, name)


def test_the_graph_is_of_blocks_alone():
    lazy = fd.he_normal((400, 400), seed=0, chunks=10)
    assert len(dict(lazy.__dask_graph__())) == 1600
    whole = fd.orthogonal((40, 40), seed=0, chunks=10)
    tasks = [key for key in dict(whole.__dask_graph__()) if str(key[0]).startswith("fastinit-orthogonal")]
    assert len(tasks) == 1


def test_names_are_tokens():
    def name(*shape, **changed):
        return fd.he_normal(shape or (8, 8), **({"seed": 0, "name": "w", "chunks": 4} | changed)).name

    others = [{"seed": 1}, {"name": "v"}, {"dtype": "float64"}, {"chunks": 2}, {"gain": 2.0}]
    names = [name(), name(8, 16), fd.he_uniform((8, 8), seed=0, chunks=4).name, *(name(**one) for one in others)]
    assert len(set(names)) == len(names) and all(one.startswith("fastinit-he_") for one in names)
    assert name() == name()
    code = "import fastinit.dask as fd; print(fd.he_normal((8, 8), seed=0, name='w', chunks=4).name)"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == name()
    assert fd.zeros((8,), seed=1, name="a").name == fd.zeros((8,)).name  # nothing depends on them


def test_no_seed_is_one_that_is_drawn_when_it_is_described():
    first, second = fd.normal(100), fd.normal(100)
    assert first.name != second.name
    assert (first.compute() == first.compute()).all() and not (first == second).compute().any()


@pytest.mark.parametrize("planning", [True, False])
def test_both_kinds_of_graph(planning):
    """They are chosen as Dask is imported."""
    code = f"""
import dask
dask.config.set({{"array.query-planning": {planning}}})
import dask.array as da, numpy as np, fastinit as fi, fastinit.dask as fd
for name in fd.__all__:
    shape = (3, 6, 7) if name in {KERNELS} else (13, 7)
    keywords = {{"seed": 3}} | {OWN}.get(name, {{}})
    lazy, same = getattr(fd, name)(shape, chunks=3, **keywords), getattr(fi, name)(shape, **keywords)
    assert (lazy.compute() == same).all() and (lazy[1:, ::2].T.compute() == same[1:, ::2].T).all(), name
print(type(lazy).__module__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ("_array_expr" in done.stdout) == planning


def test_100_000_blocks_are_described_in_half_a_second():
    fd.normal(8, seed=0)
    start = time.perf_counter()
    lazy = fd.normal((800_000,), seed=0, chunks=8)
    assert time.perf_counter() - start < 0.5
    assert lazy.npartitions == 100_000


@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda: fd.normal(3, index=0), TypeError, "`index` must be left out for a lazy array (slice it), got 0"),
        (lambda: fd.normal(3, out=np.empty(3)), TypeError,
         "`out` must be left out for a lazy array (the workers make its blocks), got ndarray"),
        (lambda: fd.normal(3, threads=2), TypeError,
         "`threads` must be left out for a lazy array (a task has one), got 2"),
        (lambda: fd.normal(3, sed=1), TypeError, "normal() got an unexpected keyword argument 'sed' (nearest: 'seed')"),
        (lambda: fd.constant(3), TypeError, "constant() missing a required argument: 'value'"),
        (lambda: fd.normal(3, std=-1), ValueError, "`std` must be a finite number of at least 0, got -1.0"),
        (lambda: fd.normal(3, std=1e6, dtype="float16"), ValueError,
         "`std` must be small enough for mean + 8.58 std to stay below 65504 in float16, got 1000000.0"),
        (lambda: fd.he_normal(3), ValueError, "`shape` must be of at least two axes, for a fan, got (3,)"),
        (lambda: fd.orthogonal(3), ValueError, "`shape` must be of at least two axes, for a fan, got (3,)"),
        (lambda: fd.normal(3, name=1), TypeError, "`name` must be a string, got 1"),
        (lambda: fd.zeros(3, name=1), TypeError, "`name` must be a string, got 1"),
        (lambda: fd.nearly_he, AttributeError, "module 'fastinit.dask' has no attribute 'nearly_he'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_refusals_are_of_the_description(ask, error, said):
    with pytest.raises(error) as raised:
        ask()
    assert str(raised.value) == said


def test_a_task_has_one_thread(monkeypatch):
    threads, real = [], fd.draw

    def seen(*given, **keywords):
        threads.append(keywords["threads"])
        return real(*given, **keywords)

    monkeypatch.setattr(fd, "draw", seen)
    fd.normal((10, 10), seed=0, chunks=5).compute(scheduler="sync")
    assert threads == [1] * 4


def test_registered_schemes():
    scheme = fi.register(fi.Scheme("nearly_he", scale=1.8))
    lazy = fd.nearly_he((30, 20), gain=2.0, seed=0, chunks=7)
    assert (lazy.compute() == scheme((30, 20), gain=2.0, seed=0)).all()
    with pytest.raises(TypeError, match=r"^nearly_he\(\) too many positional arguments$"):
        fd.nearly_he((30, 20), 2.0)


def test_several_workers_of_which_one_is_killed(cluster):
    """Blocks that it held, and the one that it was making, are made again."""

    def slowly(block):
        time.sleep(0.05)
        return block

    lazy = fd.he_normal((640, 100), seed=5, name="w", chunks=(10, 100))
    future = cluster.compute(lazy.map_blocks(slowly, dtype=lazy.dtype))
    time.sleep(0.3)
    killed = next(iter(cluster.run(os.getpid).values()))
    os.kill(killed, signal.SIGKILL)
    assert (future.result(timeout=120) == fi.he_normal((640, 100), seed=5, name="w")).all()
    assert killed not in cluster.run(os.getpid).values()


NETWORKS = {
    "plain": {"activation": "gelu", "bias_std": 0.1},
    "layer norm": {"norm": "layer"},
    "batch norm after": {"norm": "batch", "norm_position": "post_act"},
    "orthogonal": {"scheme": "orthogonal", "activation": "tanh", "dtype": "float64"},
    "the user's functions": {"activation": (np.tanh, lambda x: 1 - np.tanh(x) ** 2)},
    "the user's signals": {"inputs": fi.normal((64, 3000), seed=9), "cotangent": fi.normal((64, 3000), seed=8)},
}


@pytest.mark.parametrize("network", NETWORKS)
def test_profiles_by_workers_have_equal_bits(cluster, network):
    keywords = {"width": 3000, "depth": 3, "batch": 64, "seed": 1, "repeats": 2} | NETWORKS[network]
    here = fi.profile(method="matrix_free", **keywords)
    there = fi.profile(client=cluster, **keywords)
    assert here == there and there.method == "matrix_free"
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=3, dashboard_address=":0") as other:
        assert fi.profile(client=other, **keywords) == here


def slow_tanh(x):
    time.sleep(0.02)
    return np.tanh(x)


def test_a_worker_that_is_killed_in_a_profile(cluster):
    keywords = {"width": 3000, "depth": 4, "batch": 64, "activation": (slow_tanh, lambda x: 1 - np.tanh(x) ** 2)}
    before = cluster.run(os.getpid)
    killer = Timer(0.5, os.kill, (next(iter(before.values())), signal.SIGKILL))
    killer.start()
    there = fi.profile(client=cluster, **keywords)
    killer.join()
    assert there == fi.profile(method="matrix_free", **keywords)
    assert there.again(method="matrix_free") == there  # here: a call is kept without its client
    assert set(cluster.run(os.getpid).values()) != set(before.values())


OTHER = "where the method must be 'dense' or 'tiled'"


@pytest.mark.parametrize(
    ("keywords", "where"),
    [
        ({"method": "dense"}, "with method 'dense'"),
        ({"residual": True}, "for a residual network"),
        ({"loss": "mse"}, "where there is a loss"),
        ({"jacobian": True}, "with sgd_steps or jacobian"),
        ({"scheme": "zeros"}, f"{OTHER} for weights that are neither Gaussian of mean zero nor Haar (zeros)"),
        ({"batch": 100}, f"{OTHER} for a batch (100) that is not below every width (100)"),
    ],
    ids=str,
)
def test_profiles_that_workers_do_not_make(cluster, keywords, where):
    with pytest.raises(ValueError) as error:
        fi.profile(100, 2, **{"batch": 8} | keywords, client=cluster)
    assert str(error.value) == f"`client` must be left out {where}, got {cluster!r}"


def test_a_client_that_was_closed():
    with distributed.Client(processes=False, n_workers=1, dashboard_address=":0") as client:
        pass
    for call, name in (
        (lambda: fi.profile(64, 2, batch=2, client=client), "client"),
        (lambda: fi.sweep({"depth": [2]}, width=8, batch=4, executor=client), "executor"),
    ):
        with pytest.raises(ValueError) as raised:
            call()
        assert str(raised.value) == f"`{name}` must be a client that is not closed, got {client!r}"


def test_a_client_is_one():
    with pytest.raises(TypeError) as error:
        fi.profile(100, 2, batch=8, client="tcp://somewhere:1")
    assert str(error.value) == "`client` must be a client of Dask, a distributed.Client, got 'tcp://somewhere:1'"


def test_sweeps_by_workers(cluster, tmp_path):
    over, fixed = {"depth": [2, 5], "activation": ["relu", "tanh"]}, {"width": 16, "batch": 8}
    here, there = (fi.sweep(over, executor=one, path=tmp_path / str(one is None), **fixed) for one in (None, cluster))
    for name in here:
        if name != "seconds":
            np.testing.assert_array_equal(here[name], there[name], name)


def test_a_worker_that_is_killed_in_a_sweep(cluster, tmp_path):
    died = tmp_path / "died"

    def deadly(shape, seed, name):
        if seed == 1 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return np.ones(shape, np.float32)

    found = fi.sweep({"seed": [0, 1, 2]}, width=8, depth=2, batch=4, scheme=deadly, executor=cluster)
    assert found["error"].tolist() == [None] * 3 and died.exists()


def test_whole_arrays_on_workers(cluster):
    lazy = fd.orthogonal((40, 30), seed=5, chunks=7)
    product = (lazy.T @ lazy).compute()
    assert np.allclose(product, np.eye(30), atol=1e-5)
