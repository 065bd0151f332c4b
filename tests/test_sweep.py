"""Sweeps: rows in the order of the product, whoever makes them; files that are resumed; workers that die."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial, wraps

import numpy as np
import pytest
from conftest import refused

import fastinit as fi
from fastinit.cli import main
from fastinit.profiler import progress as progress_bar
from fastinit.profiler.statistics import FIELDS
from fastinit.sweeps import points

OVER = {"activation": ["relu", "tanh"], "depth": [2, 5]}
SMALL = {"width": 16, "batch": 8, "seed": 3}
TWO = partial(ProcessPoolExecutor, 2)


def same(one, other):
    """All but the seconds."""
    assert [*one] == [*other]
    for name in one:
        if name != "seconds":
            np.testing.assert_array_equal(one[name], other[name], name)


@pytest.fixture(scope="module")
def known():
    return fi.sweep(OVER, **SMALL)


@pytest.fixture
def counted(monkeypatch):
    """The settings of the points that this process makes."""
    made, real = [], points.profile

    @wraps(real)
    def profile(**settings):
        made.append(settings)
        return real(**settings)

    monkeypatch.setattr(points, "profile", profile)
    return made


def test_rows_are_in_the_order_of_the_product(known):
    assert known["activation"].tolist() == ["relu", "relu", "tanh", "tanh"]
    assert known["depth"].tolist() == [2, 5, 2, 5] and known["depth"].dtype == int
    assert known.axes == ("activation", "depth")
    assert repr(known) == "Sweep(4 points over activation, depth)"


def test_columns_are_all_that_a_profile_says(known):
    profile = fi.profile(16, 5, "tanh", batch=8, seed=3, threads=1)
    row = {name: known[name][3] for name in known}
    for name in profile:
        field = FIELDS.get(name.removeprefix("theory_"))
        if name == "kernel_eigenvalues":  # many of each network
            assert name not in row
            continue
        if field is None:
            assert row[name] == pytest.approx(profile[name].mean(), rel=1e-12, nan_ok=True)
            continue
        layers = profile.mean(name)
        found = [row[f"{name}_first"], row[f"{name}_last"]]
        assert found == pytest.approx([layers[0 if field.at_input else 1], layers[-1]], rel=1e-5, nan_ok=True)
        assert f"{name}_rate" in row
    verdict = profile.verdict
    assert row["act_second_moment_rate"] == pytest.approx(verdict.forward.rate, rel=1e-5)
    assert row["grad_act_second_moment_rate"] == pytest.approx(verdict.backward.rate, rel=1e-5)
    assert row["theory_act_second_moment_rate"] == pytest.approx(verdict.forward.theory, rel=1e-9)
    assert row["kernel_over_mean"] == pytest.approx(profile.kernels[0].over_mean, rel=1e-4)
    assert (row["verdict"], row["sgd"], row["adam"]) == (verdict.kind, verdict.sgd.grade, verdict.adam.grade)
    assert bool(row["healthy"]) == verdict.healthy and row["error"] is None and row["seconds"] > 0


def test_values_may_be_any_sequence():
    found = fi.sweep({"bias_std": np.linspace(0, 1, 3), "depth": range(1, 3), "norm": (None, "layer")}, **SMALL)
    assert found["bias_std"].tolist() == np.repeat([0, 0.5, 1], 4).tolist()
    assert found["norm"].tolist() == [None, "layer"] * 6


@pytest.mark.parametrize("executor", [partial(ThreadPoolExecutor, 2), TWO, "one that is there"])
def test_no_number_depends_on_the_executor(known, executor):
    if callable(executor):
        same(fi.sweep(OVER, executor=executor, **SMALL), known)
        return
    with ProcessPoolExecutor(2) as pool:
        same(fi.sweep(OVER, executor=pool, **SMALL), known)
        same(fi.sweep(OVER, executor=pool, **SMALL), known)


def test_a_point_that_fails_is_a_row():
    found = fi.sweep({"width": [16, 0], "bias_std": [0.0, -1.0]}, depth=2, batch=8)
    assert found["error"].tolist() == [
        None,
        "ValueError: `bias_std` must be a finite number of at least 0, got -1.0",
        *["ValueError: `width` must be an integer of at least 1, got 0"] * 2,
    ]
    assert np.isnan(found["act_mean_last"]).tolist() == [False, True, True, True]
    assert found["verdict"].tolist()[1:] == [None] * 3 and (found["seconds"] >= 0).all()
    nothing = fi.sweep({"width": [0]})
    assert [*nothing] == ["width", "error", "seconds"] and "`width` must be" in nothing.to_html()


@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda: fi.sweep(["depth"]), TypeError,
         "`over` must be a mapping of keywords of profile, one or more, to their values, got ['depth']"),
        (lambda: fi.sweep({}), TypeError,
         "`over` must be a mapping of keywords of profile, one or more, to their values, got {}"),
        (lambda: fi.sweep({"dpth": [1]}), TypeError,
         "sweep() got an unexpected keyword argument 'dpth' (nearest: 'depth')"),
        (lambda: fi.sweep({"depth": [1]}, wdth=3), TypeError,
         "sweep() got an unexpected keyword argument 'wdth' (nearest: 'width')"),
        (lambda: fi.sweep({"client": [1]}), TypeError, "sweep() got an unexpected keyword argument 'client'"),
        (lambda: fi.sweep({"depth": [1]}, depth=2), ValueError,
         "`over` must be of other keywords than those that are fixed, got ['depth']"),
        (lambda: fi.sweep({"norm": "layer"}), TypeError,
         "`over` must be a mapping to sequences of values, for norm too, got 'layer'"),
        (lambda: fi.sweep({"depth": 3}), TypeError,
         "`over` must be a mapping to sequences of values, for depth too, got 3"),
        (lambda: fi.sweep({"depth": []}), ValueError,
         "`over` must be a mapping to values, one or more, for depth too, got []"),
        (lambda: fi.sweep({"depth": [1]}, executor=3), TypeError,
         "`executor` must be None, a concurrent.futures.Executor, a function that makes one, or a Dask client, got 3"),
        (lambda: fi.sweep({"loss": [abs]}, path="p"), TypeError,
         "`loss` must be numbers, words and arrays where there is a path: a file does not tell functions apart, "
         "got <built-in function abs>"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_refusals_come_before_anything_runs(counted, ask, error, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as raised:
        ask()
    assert str(raised.value) == said
    assert not counted and not [*tmp_path.iterdir()]


# --- files


def test_a_file_is_resumed(known, counted, tmp_path):
    path = tmp_path / "points.jsonl"
    same(fi.sweep(OVER | {"depth": [5]}, path=path, **SMALL), fi.sweep(OVER | {"depth": [5]}, **SMALL))
    counted.clear()
    same(fi.sweep(OVER, path=path, **SMALL), known)
    assert [one["depth"] for one in counted] == [2, 2]
    lines = path.read_text().splitlines()
    assert len(lines) == 4
    found = json.loads(lines[2])
    assert found["settings"] == SMALL | {"activation": "relu", "depth": 2} and found["seen"]["verdict"] == "stable"
    counted.clear()
    again = fi.sweep(OVER, path=path, **SMALL)
    same(again, known)
    assert not counted and again["healthy"].dtype == bool
    fi.sweep(OVER, path=path, **SMALL | {"seed": 4})
    assert len(counted) == 4 and len(path.read_text().splitlines()) == 8


def test_half_a_line_is_made_again(known, counted, tmp_path):
    path = tmp_path / "points.jsonl"
    fi.sweep(OVER, path=path, **SMALL)
    whole = path.read_bytes()
    for end in (len(whole) - 1, len(whole) - 40, whole.index(b"\n") + 3, 7):
        path.write_bytes(whole[:end])
        counted.clear()
        same(fi.sweep(OVER, path=path, **SMALL), known)
        assert len(counted) == 4 - whole[:end].count(b"\n") - (end == len(whole) - 1)
        assert path.read_bytes().endswith(b"\n")
        same(fi.sweep(OVER, path=path, **SMALL), known)


@pytest.mark.parametrize("seen", ["{}", "1", '{"seen": {}}', '{"key": "k", "seen": 3}', '{"key": [], "seen": {}}'])
def test_a_line_that_no_sweep_wrote_is_refused(capsys, counted, tmp_path, seen):
    path = tmp_path / "points.jsonl"
    fi.sweep({"depth": [2]}, path=path, **SMALL)
    counted.clear()
    path.write_bytes(path.read_bytes() + seen.encode() + b"\n")
    said = f"`path` must be a file of sweeps, whose line 2 is none that a sweep wrote, got {str(path)!r}"
    with pytest.raises(ValueError) as raised:
        fi.sweep({"depth": [2, 3]}, path=path, **SMALL)
    assert str(raised.value) == said and not counted
    assert run(capsys, "--over", "depth=2", "--path", str(path)) == (
        2,
        "",
        refused("sweep", said.replace("path", "--path", 1)),
    )


@pytest.mark.parametrize(
    ("name", "right", "wrong", "nearest"),
    [
        ("scheme", "zeros", "he_norml", "he_normal"),
        ("activation", "tanh", "tanhh", "tanh"),
        ("norm", None, "bach", "batch"),
        ("method", "auto", "dens", "dense"),
        ("kind", "mlp", "conf", "conv"),
    ],
)
def test_a_name_that_nothing_has_is_refused_before_anything_is_made(capsys, counted, name, right, wrong, nearest):
    said = rf"^`{name}` must be .*, got '{wrong}' \(nearest: '{nearest}'\)$"
    for over, fixed in (({name: [right, wrong]}, {}), ({"depth": [2]}, {name: wrong})):
        with pytest.raises(ValueError, match=said):
            fi.sweep(over, **fixed, **SMALL)
    status, out, err = run(capsys, "--over", f"{name}={wrong}")
    option = f"--over {name}" if name in ("activation", "norm") else name  # which have forms of their own there
    assert (status, out) == (2, "") and err.startswith(f"fastinit: `{option}` must be ")
    assert not counted


def test_what_failed_is_tried_again(counted, tmp_path):
    path = tmp_path / "points.jsonl"
    for _ in range(2):
        assert fi.sweep({"width": [16, 0]}, depth=2, batch=8, path=path)["error"][1] is not None
    assert [one["width"] for one in counted] == [16, 0, 0]


def test_arrays_and_mappings_are_told_apart(counted, tmp_path):
    path = tmp_path / "points.jsonl"
    inputs = [np.ones((4, 8)), np.eye(4, 8), np.ones((4, 8))]
    schemes = [("small_normal", {"std": 0.1}), ("small_normal", {"std": 0.2})]
    for count in (6, 0):
        counted.clear()
        fi.sweep({"inputs": inputs, "scheme": schemes}, depth=2, path=path)
        assert len(counted) == count
    assert len({json.loads(line)["key"] for line in path.read_text().splitlines()}) == 4


def test_a_file_of_something_else_is_kept(counted, tmp_path):
    for text in ("a letter\n", '{"format": "fastinit Profile", "version": 1}\n'):
        (tmp_path / "p").write_text(text)
        with pytest.raises(ValueError) as error:
            fi.sweep(OVER, path=tmp_path / "p", **SMALL)
        assert str(error.value) == f"`path` must be a file of sweeps, or of nothing yet, got {str(tmp_path / 'p')!r}"
        assert (tmp_path / "p").read_text() == text and not counted
    with pytest.raises(FileNotFoundError):
        fi.sweep(OVER, path=tmp_path / "no" / "p")


def test_a_process_that_is_killed_loses_no_finished_point(tmp_path):
    path = tmp_path / "points.jsonl"
    code = f"import fastinit as fi; fi.sweep({{'seed': range(10**6)}}, width=16, depth=2, batch=8, path={str(path)!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    while not path.exists() or path.read_bytes().count(b"\n") < 5:
        time.sleep(0.01)
    process.kill()
    process.wait()
    done = path.read_bytes().count(b"\n")
    fi.sweep({"seed": range(done + 2)}, width=16, depth=2, batch=8, path=path)
    keys = [json.loads(line)["key"] for line in path.read_text().splitlines() if line.endswith("}")]
    assert len(keys) == len(set(keys)) == done + 2


# --- workers


def deadly(shape, seed, name):
    """Kills its process; with odd seeds where a file says so, once."""
    if seed % 2 and (seed != 1 or not os.path.exists("died")):
        open("died", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return np.ones(shape, np.float32)


def test_workers_that_die_are_made_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = fi.sweep({"seed": [0, 1, 2, 4]}, width=8, depth=2, batch=4, scheme=deadly, executor=TWO)
    assert found["error"].tolist() == [None] * 4


def test_a_point_that_kills_its_worker_is_a_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = fi.sweep({"seed": [0, 3, 2, 5]}, width=8, depth=2, batch=4, scheme=deadly, executor=TWO)
    said = "BrokenExecutor: a worker died while it made this point alone"
    assert found["error"].tolist() == [None, said, None, said]


def test_an_executor_that_was_shut_down():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    for given in (executor, lambda: executor):
        with pytest.raises(ValueError) as raised:
            fi.sweep({"depth": [2, 3]}, width=8, batch=4, executor=given)
        assert str(raised.value) == f"`executor` must be one that has not been shut down, got {executor!r}"


def test_an_executor_whose_worker_died(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ProcessPoolExecutor(1) as pool, pytest.raises(BrokenExecutor) as error:
        fi.sweep({"seed": [0, 3, 2]}, width=8, depth=2, batch=4, scheme=deadly, executor=pool)
    said = "`executor` must be a function that makes one: a worker died, and 2 of 3 points are not made, got "
    assert str(error.value) == said + repr(pool)


def test_settings_that_cannot_be_sent_are_rows():
    found = fi.sweep({"activation": ["relu", (lambda x: x, np.ones_like)]}, depth=2, executor=TWO, **SMALL)
    assert found["error"][0] is None and "pickle" in found["error"][1]


def test_a_user_interrupts(tmp_path):
    def stop(outputs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fi.sweep({"loss": ["mse", stop]}, depth=2, **SMALL)


# --- showing


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_no_cell_is_cut(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    over = {"depth": [2, 30], "scheme": ["he_normal", "lecun_normal"], "width": [16, 0]}
    lines = str(fi.sweep(over, activation="sigmoid", batch=8).table()).splitlines()
    assert max(map(len, lines)) <= columns and "…" not in "".join(lines)
    assert sum("lecun_normal" in line for line in lines) == 4
    header = " ".join(lines[: next(place for place, line in enumerate(lines) if set(line) == {"─"})])
    assert "SGD" in header and "Adam" in header
    assert ("seconds" in header, "kernel" in header) == (columns == 120, columns == 120)
    assert any(">" in line for line in lines) == (columns == 120)  # beyond rounding, at depth 30


def test_a_page_says_from_where_on_a_ratio_is_rounding():
    found = fi.sweep({"depth": [2, 30]}, activation="sigmoid", **SMALL)
    most = 1 / max(found["kernel_rounding"])
    assert f"over the mean of the others; {most:.0e} and more may be rounding" in found.to_html()
    assert (found["kernel_over_mean"] > most).tolist() == [False, True]
    unseen = fi.sweep({"depth": [2, 3]}, backward=False, **SMALL)
    assert "Kernel over mean" not in unseen.to_html() and "kernel" not in str(unseen.table())


def test_frame_and_table(known, monkeypatch):
    frame = known.to_frame()
    assert [*frame.columns] == [*known] and frame.shape == (4, len(known))
    assert frame["activation"].tolist() == ["relu", "relu", "tanh", "tanh"]
    monkeypatch.setenv("COLUMNS", "120")
    text = str(known.table())
    assert all(word in text for word in ("activation", "depth", "SGD", "relu", "stable", "seconds"))
    assert "no such file" not in text and "error" not in text
    assert "`width`" in str(fi.sweep({"width": [0]}).table())


def test_plot(known, tmp_path):
    (axes,) = known.plot(tmp_path / "p.png").axes
    assert [line.get_label() for line in axes.get_lines()] == ["activation relu", "activation tanh"]
    assert axes.get_lines()[0].get_xdata().tolist() == [2, 5]
    assert axes.get_lines()[1].get_ydata() == pytest.approx(known["act_second_moment_rate"][2:])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("depth", "activations, forward: E x², factor per layer")
    assert all(tick == round(tick) for tick in axes.get_xticks())
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    (axes,) = known.plot(x="activation", y="cosine_last", hue="depth").axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["relu", "tanh"]
    (axes,) = known.plot(x="depth", y="kernel_largest", hue="sgd").axes
    assert len(axes.get_lines()) == len({*known["sgd"]}) and axes.get_ylabel() == "kernel largest"
    with pytest.raises(ValueError, match=r"^`y` must be one of 'depth', 'healthy', "):
        known.plot(y="verdict")
    with pytest.raises(ValueError, match=r"^`x` must be one of 'activation', 'depth', 'verdict', "):
        known.plot(x="wdth")
    with pytest.raises(ValueError, match=r"^`path` must be a file, or a keyword \(x='depth'\), got 'depth'$"):
        known.plot("depth")


def test_points_of_one_place_are_averaged():
    found = fi.sweep({"seed": [0, 1], "depth": [2, 3], "width": [8, 16]}, batch=4)
    (axes,) = found.plot(x="depth", hue="width").axes
    wanted = found["act_second_moment_rate"].reshape(2, 2, 2).mean(axis=0)[:, 0]
    assert axes.get_lines()[0].get_ydata() == pytest.approx(wanted)


def test_page(known, tmp_path):
    known.to_html(tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text()
    assert "<title>4 points over activation, depth</title>" in page and page.count("<tr>") == 5
    numbers = page.partition('id="numbers">')[2].partition("</script>")[0]
    found = json.loads(numbers)["columns"]
    assert [*found] == [*known] and found["activation"] == ["relu", "relu", "tanh", "tanh"]
    assert known.to_html().partition("<title>")[2] == page.partition("<title>")[2]


def test_unknown_columns(known):
    with pytest.raises(KeyError, match="nearest: 'verdict'"):
        known["verdit"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress_bar, "_LOOK", 0.0)
    fi.sweep(OVER, progress=True, **SMALL)
    assert "points" in sys.stderr.getvalue() and "4/4" in sys.stderr.getvalue()


# --- the command line


def run(capsys, *arguments):
    status = main(["sweep", *arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_command(capsys, known, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    typed = (
        "--over activation=relu,tanh --over depth=2,5 --width 16 --batch 8 --seed 3 --path p --html p.html --png p.png"
    )
    status, out, err = run(capsys, *typed.split(), "--x", "activation", "--hue", "depth")
    assert (status, err) == (0, "")
    assert out.startswith(str(known.table())[:100]) and out.endswith("wrote p.png\nwrote p.html\n")
    same(fi.sweep(OVER, path="p", **SMALL), known)
    assert len((tmp_path / "p").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("over", "values"),
    [
        ("scheme=he_normal,normal:std=0.1,mean=0", ["he_normal", ("normal", {"std": 0.1, "mean": 0})]),
        ("widths=8,4;8,8,4", [(8, 4), (8, 8, 4)]),
        ("bias-std=0,0.5", [0, 0.5]),
        ("residual=true,false", [True, False]),
        ("norm=none,layer", [None, "layer"]),
    ],
)
def test_axes_that_are_typed(capsys, monkeypatch, over, values):
    seen = {}
    monkeypatch.setattr(fi.sweeps, "sweep", lambda axes, **keywords: seen.update(axes) or {"error": []})
    assert run(capsys, "--over", over, "--no-table")[0] == 0
    assert seen == {over.partition("=")[0].replace("-", "_"): values}


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--over", "depth"], 2, "`--over` must be a keyword and its values, as in depth=10,20, got 'depth'"),
        (["--over", "depth=2", "--over", "depth=3"], 2, "`--over` must be another keyword each time, got 'depth=3'"),
        (["--over", "depth=2,x"], 2, "`--over depth` must be a number, got 'x'"),
        (["--over", "depth=2", "--depth", "3"], 2,
         "`--over` must be of other keywords than those that are fixed, got ['depth']"),
        (["--over", "depth=2", "--png", "p.gif"], 2,
         "`--png` must be a file that ends in .png or .svg or .pdf, got 'p.gif'"),
    ],
    ids=str,
)  # fmt: skip
def test_one_line_for_what_is_wrong(capsys, arguments, status, said):
    assert run(capsys, *arguments) == (status, "", refused("sweep", said))


def test_the_status_says_that_a_point_failed(capsys):
    assert run(capsys, "--over", "width=0", "--no-table")[0] == 1


def test_what_a_file_cannot_tell_is_refused(counted, tmp_path):
    """A registered scheme is another one in another process, and a fresh seed another one each time."""
    fi.register(fi.Scheme("of_my_own", scale=1.5))
    for more, said in (
        ({"scheme": "of_my_own"}, "`scheme` must be one of the package where there is a path: a file has only the "
                                  "names of others, got 'of_my_own'"),
        ({"seed": None}, "`seed` must be a number where there is a path: no file tells one fresh seed from another, "
                         "got None"),
    ):  # fmt: skip
        with pytest.raises(ValueError) as error:
            fi.sweep({"width": [16]}, depth=2, batch=8, path=tmp_path / "p", **more)
        assert str(error.value) == said
    assert not counted and not [*tmp_path.iterdir()]


def test_a_sweep_comes_back_from_json(capsys, tmp_path):
    """Points that failed, settings with keywords and of two kinds too; columns have the dtypes they had."""
    over = {"scheme": ["he_normal", ("normal", {"std": 0.1})], "norm": [None, "batch"], "batch": [1, 4]}
    found = fi.sweep(over, width=8, depth=3)
    text = found.to_json()
    again = fi.Sweep.from_json(text)
    assert again == found and hash(again) == hash(found) and again.to_json() == text and again.axes == found.axes
    assert json.loads(text)["format"] == "fastinit Sweep" and json.loads(text)["version"] == 1
    assert [*map(bool, found["error"])] == [False, False, True, False] * 2 and again["error"][2] == found["error"][2]
    for name in found:
        assert again[name].dtype == found[name].dtype
        np.testing.assert_array_equal(again[name], found[name])
    assert str(again.table()) == str(found.table()) and again != fi.sweep({"depth": [3]}, width=8, batch=4)
    own = fi.sweep({"loss": [lambda outputs: outputs]}, width=8, depth=3, batch=4)
    assert fi.Sweep.from_json(own.to_json())["loss"].tolist() == ["<lambda>"]
    typed = ["--over", "depth=2,3", "--width", "8", "--batch", "4", "--no-table", "--json", str(tmp_path / "s.json")]
    assert run(capsys, *typed)[::2] == (0, "")
    assert fi.Sweep.from_json((tmp_path / "s.json").read_text())["depth"].tolist() == [2, 3]
