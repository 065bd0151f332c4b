"""What tables, pictures, pages and the bar of progress show."""

import io
import json
import os
import re
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from test_verdict import FLAT, LAYERS, crafted

import fastinit as fi
from fastinit.profiler import compare, progress
from fastinit.profiler.result.training import OPTIMIZERS
from fastinit.profiler.show import html
from fastinit.profiler.show.axes import COLOURS, MARKERS, decades, style, ticks
from fastinit.profiler.show.table import MEANINGS, columns, number
from fastinit.profiler.tangent_kernel import ratio_words

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def three():
    """Three networks of batch normalisation."""
    return fi.profile(64, 30, "relu", "he_normal", norm="batch", batch=16, repeats=3, seed=1)


def theorised(repeats=3):
    act = np.tile(FLAT, (repeats, 1)) + 0.01 * np.arange(repeats)[:, None]
    return crafted(act, np.outer(1 + np.arange(repeats), 2.0 ** LAYERS[::-1]),
                   {"act_second_moment": FLAT, "grad_act_second_moment": 2.0 ** LAYERS[::-1]})  # fmt: skip


def test_table_has_the_numbers_theory_and_deviations():
    text = str(theorised().table())
    lines = text.splitlines()
    assert lines[0].split() == ["layer", "E", "x²", "theory", "SE", "E", "g²", "theory", "SE", "dead", "units"]
    assert lines[3].split() == ["1", "1.01", "1", "+1.7", "1.05e6", "5.24e5", "+1.7", "0%", "100"]
    assert "Gradient exploding: though the activations" in " ".join(text.split())
    assert "SE" not in str(theorised(1).table()).splitlines()[0]


def test_table_of_a_real_profile_is_thinned_and_fits(three):
    lines = str(three.table()).splitlines()
    assert max(map(len, lines)) <= 80
    assert [int(line[:5]) for line in lines[2:19]] == [0, 1, *range(2, 32, 2)]
    every = str(three.table(layers="all")).splitlines()
    assert [int(line[:5]) for line in every[2:33]] == list(range(31))
    with pytest.raises(ValueError, match="`layers` must be one of 'some', 'all', got 'none'"):
        three.table(layers="none")


def test_a_legend_says_what_the_headers_are(three):
    text = " ".join(str(three.table()).split())
    assert "17 of 31 rows: table('all') or --all shows all" in text and " rows: " not in str(three.table("all"))
    terms = {"E x²": "second moment of the activations, the mean of their squares",
             "SE": "measured, from theory, in standard errors",
             "|∂W|/|W|": "norm of the weight gradient over that of the weights"}  # fmt: skip
    for term, said in terms.items():
        assert MEANINGS[term] == said and three.to_html().count(f"<dt>{term}</dt><dd>{said}</dd>") == 1
        assert text.count(f"{term}: {said}") == 1
    assert "off: " not in text and "within: " not in text
    image = fi.profile(kind="conv", width=4, depth=2, batch=3, image_size=4)
    every = {header for p in (theorised(), theorised(1), image) for header, *_ in columns(p)}
    assert every == set(MEANINGS)


def test_an_overview_has_the_ratios_beside_the_grades(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    keywords = {"width": 64, "depth": 20, "activation": "sigmoid", "batch": 16}
    found = compare([fi.profile(scheme=scheme, **keywords) for scheme in ("lecun_normal", "he_normal")])
    lines = str(found.table()).splitlines()
    assert lines[2].split()[1:5] == ["SGD", "Adam", "mean", "median"] and set(lines[3]) == {"─"}
    for name, p in found.items():
        (row,) = (line for line in lines if line.startswith(f"{name} "))
        (kernel,) = p.kernels
        ratios = [ratio_words(one, kernel.rounding, number) for one in (kernel.over_mean, kernel.over_median)]
        assert row.split()[2:6] == [p.trains("sgd").grade, p.trains("adam").grade, *ratios]
        assert ratios[0].startswith(">") == (kernel.over_mean > 1 / kernel.rounding)
    assert "kernel over mean, over median: largest eigenvalue" in " ".join(str(found.table()).split())
    unseen = compare([fi.profile(16, 3, batch=4, backward=False)] * 2, ["a", "b"])
    assert "nan" not in str(unseen.table())


def test_columns_without_room_are_left_out(three, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    lines = str(three.table()).splitlines()
    assert max(map(len, lines)) <= 40
    assert "|W|" not in lines[0]
    assert "E x²" in lines[0]
    monkeypatch.setenv("COLUMNS", "200")
    assert "|W|" in str(three.table()).splitlines()[0]


def test_a_table_shows_itself_everywhere(three):
    table = three.table()
    assert repr(table) == str(table)
    assert (
        "<table" in table._repr_mimebundle_((), ())["text/html"]
        or "<pre" in table._repr_mimebundle_((), ())["text/html"]
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1"), (0.12345, "0.123"), (0.001, "1.00e-3"), (12345, "1.23e4"), (-1e-45, "-1.00e-45"),
     (np.nan, ""), (np.inf, "inf"), (99.96, "100")],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_plot_has_lines_theory_and_limits(tmp_path):
    p = crafted(0.3**LAYERS, 0.3 ** LAYERS[::-1], {"act_second_moment": 0.25**LAYERS})
    path = tmp_path / "p.png"
    figure = p.plot(path)
    assert isinstance(figure, Figure)
    assert p.plot()._repr_png_() == path.read_bytes()  # drawn for the first time: one matplotlib moves what it redraws
    assert matplotlib.image.imread(path).shape[2] == 4
    (axes,) = figure.axes
    forward, theory, backward = axes.get_lines()
    np.testing.assert_allclose(forward.get_ydata(), 0.3**LAYERS, rtol=1e-14)
    np.testing.assert_allclose(backward.get_ydata(), 0.3 ** LAYERS[::-1], rtol=1e-14)
    np.testing.assert_array_equal(theory.get_ydata(), 0.25**LAYERS)
    assert theory.get_linestyle() == "--"
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.texts] == ["float16 underflow", "outputs,\nSGD"]
    assert axes.patches[0].get_y() + axes.patches[0].get_height() == pytest.approx(2.0**-28)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "activations, forward",
        "theory",
        "gradient, backward",
    ]


def test_plot_of_repeats_has_quartiles_and_range(three):
    axes = three.plot().axes[0]
    assert len(axes.collections) == 4
    assert not any("flow" in text.get_text() for text in axes.texts)  # no limit is near


def test_axes_have_room_for_the_quartiles_and_the_line_is_the_geometric_mean():
    """The arithmetic mean of log-normal drawings is above most of them; verdicts speak of the other."""
    p = fi.profile(32, 60, "relu", "he_normal", batch=4, method="matrix_free", repeats=12)
    axes = p.plot().axes[0]
    low, high = axes.get_ylim()
    assert axes.get_ylabel() == "second moment (geometric mean)"
    page = json.loads(embedded(p.to_html(), "charts"))
    for name, line, chart in zip(("act_second_moment", "grad_act_second_moment"), measured(axes), page, strict=False):
        quartiles = np.quantile(p[name], [0.25, 0.75], axis=0)
        assert low < quartiles.min() and quartiles.max() < high
        for drawn in (line.get_ydata(), chart["data"][0]["y"]):
            np.testing.assert_allclose(drawn, np.exp(p.mean_log(name)))


def test_pictures_show_the_kernel_beside_the_bounds_of_the_verdict(three):
    """Eigenvalues over the largest, times examples: so much times the bound is what a ratio may be of each example."""
    one = sorted(three.kernels, key=lambda kernel: kernel.over_mean)[1]
    axes = three.plot().axes[1]
    curve, *marks = axes.get_lines()[:4]
    np.testing.assert_allclose(curve.get_ydata().sum(), one.mean * 5 * 6 / one.largest)
    assert [mark.get_ydata()[0] for mark in marks] == pytest.approx([6, 6 / one.over_mean, 6 / one.over_median])
    assert curve.get_ydata()[int(marks[2].get_xdata()[0]) - 1] == pytest.approx(marks[2].get_ydata()[0])
    bounds = [(1 / high, 1 / low) for low, high in (OPTIMIZERS["sgd"].over_mean, OPTIMIZERS["sgd"].over_median)]
    assert [(patch.get_y(), patch.get_y() + patch.get_height()) for patch in axes.patches] == [
        pytest.approx(pair) for pair in bounds
    ]
    assert [text.get_text() for text in axes.texts] == [
        "SGD, mean", "SGD, median", "Adam, median: far below, 6e-11 to 6e-12"
    ]  # fmt: skip
    shares = three.mean("kernel_share")
    bars = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in three.plot().axes[2].patches}
    assert bars == dict(enumerate(shares[1:].tolist(), 1))
    *_, spectrum, share = json.loads(embedded(three.to_html(), "charts"))
    assert spectrum["data"][0]["y"] == pytest.approx(curve.get_ydata().tolist())
    assert [shape["y1"] for shape in spectrum["layout"]["shapes"]] == pytest.approx([high for _, high in bounds])
    assert share["data"][0]["type"] == "bar" and share["data"][0]["y"] == pytest.approx(shares[1:].tolist())
    assert "tangent kernel of 6 examples: eigenvalues: largest" in " ".join(str(three.table()).split())


def test_bounds_of_the_outputs_are_marked_where_these_are_near():
    axes = fi.profile(128, 20, gain=1.3, batch=16).plot().axes[0]
    bounds = OPTIMIZERS["sgd"].outputs
    assert [(patch.get_y(), patch.get_y() + patch.get_height()) for patch in axes.patches][:1] == [bounds]
    assert [text.get_text() for text in axes.texts if "SGD" in text.get_text()] == ["outputs,\nSGD"]
    assert not fi.profile(64, 5, batch=16).plot().axes[0].texts


def test_eigenvalues_that_are_rounding_are_not_drawn():
    p = fi.profile(16, 3, "relu", "zeros", batch=8)
    axes = p.plot().axes[1]
    assert np.isnan(axes.get_lines()[0].get_ydata()).all()
    arrows = [line for line in axes.get_lines() if line.get_marker() == "v" and len(line.get_xdata())]
    assert [line.get_xdata()[0] for line in arrows] == [1]
    assert [text.get_text() for text in axes.texts][2] == "Adam, median"


def test_what_all_profiles_have_in_common_is_drawn_once(three):
    axes = compare([three, three], ["a", "b"]).plot().axes[2]
    assert [line.get_color() for line in axes.get_lines() if len(line.get_xdata()) > 1] == ["#808080"]
    two = compare([three, fi.profile(64, 30, "tanh", "lecun_normal", batch=16)], ["a", "b"]).plot()
    lines = [line for line in two.axes[2].get_lines() if len(line.get_xdata()) > 1]
    assert [line.get_color() for line in lines] == list(COLOURS[:2])
    assert len({line.get_marker() for line in lines}) == 2


def drawings(three):
    """Pictures and pages of one profile, of so many that colours are used again, and of a sweep."""
    many = compare([fi.profile(16, 4, batch=4, seed=seed) for seed in range(8)])
    sweep = fi.sweep({"width": [8, 16], "gain": [0.5, 1.0, 2.0]}, depth=3, batch=4, progress=False)
    return {"one": three, "many": many, "sweep": sweep}


def test_dashes_are_of_theory_alone(three):
    """All that is measured has lines without gaps, each of another colour or another marker."""
    assert len({style(place) for place in range(len(COLOURS) * len(MARKERS))}) == len(COLOURS) * len(MARKERS)
    for name, one in drawings(three).items():
        theories, lines = (
            0,
            [line for axes in one.plot().axes for line in axes.get_lines() if len(line.get_xdata()) > 1],
        )
        for line in lines:
            is_theory = line.get_color() == "black"
            theories += is_theory
            assert line.get_linestyle() == ("--" if is_theory else "-"), name
        page = one.to_html()
        traces = [trace for chart in json.loads(embedded(page, "charts")) for trace in chart["data"]]
        for trace in (trace for trace in traces if trace["type"] == "scatter" and "lines" in trace["mode"]):
            is_theory = trace.get("name", "").endswith("theory")
            theories += is_theory
            assert trace["line"]["dash"] == ("dash" if is_theory else "solid"), name
        assert bool(theories) == (name != "sweep") == ("stroke-dasharray" in page.replace(html.get_plotlyjs(), ""))
        assert page.count("stroke-dasharray") - html.get_plotlyjs().count("stroke-dasharray") == (name != "sweep")
    looks = [(trace["line"]["color"], trace["marker"]["symbol"]) for trace in traces[:2]]
    assert len({*looks}) == 2


def test_lines_join_what_there_is():
    """A value that is missing leaves no gap, and hides no point beside it."""
    act = np.where(LAYERS % 2 == 0, 2.0, np.nan)
    p = crafted(act, 1.0 + LAYERS)
    line = p.plot().axes[0].get_lines()[0]
    np.testing.assert_array_equal(line.get_xdata(), LAYERS[::2])
    assert line.get_ydata() == pytest.approx(2.0)
    found = json.loads(embedded(p.to_html(), "charts"))[0]["data"][0]
    assert found["x"] == LAYERS[::2].tolist() and found["y"] == pytest.approx([2.0] * len(LAYERS[::2]))


NAMES = {
    "blocks": (
        ["input", "stem", *(f"layer{s}.{b}.conv{c}" for s in (1, 2) for b in (0, 1) for c in range(1, 9)), "fc"],
        {2: "layer1.0", 10: "layer1.1", 18: "layer2.0", 26: "layer2.1", 34: "fc"},
    ),
    "few": (["input", "fc1", "relu", "fc2"], {0: "input", 1: "fc1", 2: "relu", 3: "fc2"}),
    "numbers": (["input", *map(str, range(40))], {0: "input"} | {row: str(row - 1) for row in range(3, 40, 3)}),
    "shared words": (
        ["net.emb", *(f"net.h.{block}.{part}" for block in range(4) for part in "abcdefgh"), "head"],
        {1: "h.0", 9: "h.1", 17: "h.2", 25: "h.3", 33: "head"},
    ),
    "long": (["a_name_that_is_far_too_long"], {0: "…is_far_too_long"}),
}


@pytest.mark.parametrize(("names", "wanted"), NAMES.values(), ids=NAMES)
def test_names_along_an_axis_are_of_blocks_and_apart(names, wanted):
    assert ticks(names) == wanted


def test_names_along_an_axis_have_room_on_a_phone():
    for blocks in range(1, 200, 7):
        found = sorted(ticks(["input", *(f"model.layers.{block}.{part}" for block in range(blocks) for part in "abc")]))
        assert len(found) <= 16 and min(np.diff(found)) >= (3 * blocks + 1) / 16


def test_a_profile_without_a_kernel_has_no_panels_of_it():
    p = fi.profile(16, 3, batch=4, backward=False)
    assert len(p.plot().axes) == 1 and len(compare([p, p]).plot().axes) == 2
    assert "tangent kernel" not in str(p.table()) and "angent kernel" not in p.to_html().split("numbers")[0]


def test_plot_shows_what_is_zero_or_not_finite():
    axes = crafted(np.where(LAYERS < 7, 1.0, 0.0), np.where(LAYERS < 3, np.inf, 1.0)).plot().axes[0]
    arrows = {(line.get_marker(), line.get_xdata()[0]) for line in axes.get_lines() if len(line.get_xdata()) == 1}
    assert arrows == {("v", 7), ("^", 2)}
    assert [text.get_text() for text in axes.texts] == ["0", "∞"]
    assert len(crafted(np.where(LAYERS < 7, 1.0, np.nan), interrupted=True).plot().axes[0].get_lines()) == 1


def measured(axes):
    """The lines that are not theory."""
    return [line for line in axes.get_lines() if line.get_color() != "black"]


def test_plot_into_axes_of_ones_own(three):
    axes = Figure().subplots()
    assert three.plot(ax=axes) is axes.figure
    assert len(measured(axes)) == 2


def test_plot_leaves_pyplot_alone():
    code = """
import sys
import fastinit as fi
fi.profile(16, 2, batch=4).plot()
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_axes_hold_what_is_there():
    assert decades(np.array([1e-5, 1e5, np.nan, 0, np.inf])) == (-5.5, 5.5)
    assert decades(np.array([1.0, 1.0])) == (-1, 1)
    assert decades(np.array([np.nan])) == (-1, 1)


def test_compare_names_by_what_differs():
    keywords = {"width": 16, "depth": 5, "batch": 4}
    found = compare(
        [fi.profile(scheme="he_normal", **keywords), fi.profile(scheme="lecun_normal", norm="layer", **keywords)]
    )
    assert list(found) == ["he_normal", "lecun_normal, layer norm"]
    assert list(found.verdicts) == list(found)
    schemes = [("normal", {"std": 0.1, "mean": 0.0}), ("normal", {"std": 0.2, "mean": 0.0})]
    found = compare(fi.profile(scheme=scheme, **keywords) for scheme in schemes)
    assert list(found) == ["normal(std=0.1, mean=0.0)", "normal(std=0.2, mean=0.0)"]
    same = fi.profile(**keywords)
    assert [name[-4:] for name in compare([same, same])] == [" (1)", " (2)"]
    text = str(compare([same, found[next(iter(found))]], ["a", "b"]).table())
    assert [line.split()[0] for line in text.splitlines()[4:6]] == ["a", "b"]
    assert len(found.plot().axes) == 4
    assert [line.get_label() for line in measured(found.plot().axes[1])] == list(found)
    assert set(json.loads(found.to_json())["profiles"]) == set(found)


@pytest.mark.parametrize(
    ("profiles", "names", "error", "message"),
    [
        ([], None, ValueError, "`profiles` must be one profile or more, got []"),
        ([1], None, TypeError, "`profiles` must be one profile or more, got [1]"),
        ([crafted(FLAT)], ["a", "b"], ValueError, "`names` must be 1 different names, got ['a', 'b']"),
        ([crafted(FLAT)] * 2, ["a", "a"], ValueError, "`names` must be 2 different names, got ['a', 'a']"),
    ],
)
def test_compare_refuses(profiles, names, error, message):
    with pytest.raises(error) as raised:
        compare(profiles, names)
    assert str(raised.value) == message


def test_json_has_every_number(three):
    found = json.loads(three.to_json())
    assert set(found["fields"]) == set(three)
    for name in three:
        np.testing.assert_array_equal(np.array(found["fields"][name], float), np.asarray(three[name]), strict=False)


def test_page_is_one_file_with_all_of_it(three, tmp_path):
    three.to_html(tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["p.html"]
    assert page == three.to_html()
    assert three.verdict.sentence.replace("'", "&#x27;") in page
    assert json.loads(embedded(page, "numbers")) == json.loads(three.to_json())
    assert len(json.loads(embedded(page, "charts"))) == 8
    assert page.count("<tr>") == 32
    assert " src=" not in page.replace(html.get_plotlyjs(), "")


def embedded(page, name):
    _, start, rest = page.partition(f'<script type="application/json" id="{name}">')
    assert start
    return rest.partition("</script>")[0]


def test_page_escapes_names():
    def scheme(shape, seed, name):
        return fi.he_normal(shape, seed=seed, name=name)

    scheme.__name__ = EVIL
    p = fi.profile(16, 4, batch=4, scheme=scheme)
    pages = [p.to_html(), compare([p, p]).to_html(), compare([p, p], [EVIL, "b"]).to_html()]
    for page in pages:
        own = page.replace(html.get_plotlyjs(), "")
        assert "alert(1)" in own
        assert "<script>alert" not in own
        assert "<img" not in own
        assert own.count("<script") == own.count("</script>") == 4


def test_nothing_half_written_is_left(three, tmp_path, monkeypatch):
    (tmp_path / "p.html").write_text("old")
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        three.to_html(tmp_path / "p.html")
    assert [path.name for path in tmp_path.iterdir()] == ["p.html"]
    assert (tmp_path / "p.html").read_text() == "old"


PLAIN = """
import sys
sys.modules["rich"] = None
from fastinit.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("profile --width 16 --depth 3", r"\n    3 +\d\.\d+ "),
        ("profile --width 16 --depth 3 --compare zeros,he_normal", r"\nzeros     dead +no +no "),
        ("profile --width 16 --depth 20 --scheme lecun_normal --advise", r"\nas it is +no +\w+ .*\n.* mends\n"),
        ("sweep --over width=4,8 --depth 2", r"\n    4 +\w+ .*\n    8 +\w+ "),
    ],
)
def test_tables_are_plain_where_rich_is_not_installed(arguments, shown):
    command = [sys.executable, "-c", PLAIN, *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=os.environ | {"COLUMNS": "90"})
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(shown, done.stdout, re.DOTALL), done.stdout
    assert all(line == line.rstrip() and len(line) <= 90 for line in done.stdout.splitlines())


def test_a_plain_table():
    from fastinit.profiler.show import plain

    made = plain.empty("told\nof all", ["", "a\nb"])
    made.columns[0].justify, made.columns[0].no_wrap, made.columns[0].max_width = "left", False, 5
    made.add_row("first one", "[green]1[/]", end_section=True)
    made.add_row("[i]", "23")
    assert str(made) == "       a\n       b\n--------\nfirst  1\none\n\n[i]   23\ntold\nof all"


@pytest.mark.parametrize(("show", "needs"), [("plot", "matplotlib"), ("to_html", "plotly")])
def test_what_is_not_installed_is_named(show, needs):
    code = f"""
import sys
sys.modules["{needs}"] = None
import fastinit as fi
p = fi.profile(16, 2, batch=4)
print(p.verdict.kind)
try:
    p.{show}()
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    said = f"pip install {needs} (or '.[profile]' in the source folder of fastinit)"
    assert done.stdout == f"stable\nto show a profile needs {needs}: {said}\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_shows_a_bar_where_it_is_wanted(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress, "_LOOK", 0.0)
    with progress.progress(3, True) as report:
        for _ in range(3):
            report()
    assert "3/3" in sys.stderr.getvalue()


@pytest.mark.parametrize(("wanted", "stream"), [(False, Terminal), (None, Terminal), (None, io.StringIO)])
def test_progress_is_silent_otherwise(monkeypatch, wanted, stream):
    """A short run on a terminal; any run elsewhere; and where it is not wanted."""
    monkeypatch.setattr(sys, "stderr", stream())
    with progress.progress(3, wanted) as report:
        report()
    assert sys.stderr.getvalue() == ""


def test_progress_stops_with_the_work(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())

    def work():
        with progress.progress(3, True) as report:
            report()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert sys.stderr.getvalue().endswith("\x1b[2K")


def test_a_picture_shows_names_as_they_are(three, tmp_path):
    names = ["$\\frac{$", "_hidden"]
    figure = compare([three, three], names=names).plot(tmp_path / "p.png")
    assert {text.get_text() for text in figure.legends[0].get_texts()} >= {r"\$\frac{\$", " _hidden"}


def test_numbers_of_all_profiles_are_in_the_page_whatever_their_names():
    compared = compare([crafted(FLAT), crafted(FLAT)], names=["", "b"])
    page = compared.to_html()
    numbers = page.split('id="numbers">')[1].split("</script>")[0]
    assert list(json.loads(numbers)["profiles"]) == ["", "b"]
    assert fi.Comparison.from_json(numbers) == compared


def test_a_mapping_of_profiles_is_compared_under_its_names():
    one, other = (fi.profile(8, 3, batch=4, scheme=scheme) for scheme in ("he_normal", "zeros"))
    found = fi.compare({"he": one, "none": other})
    assert found == fi.compare([one, other], ["he", "none"]) == fi.compare(found) and list(found) == ["he", "none"]
    with pytest.raises(ValueError) as error:
        fi.compare({"he": one}, names=["she"])
    assert str(error.value) == "`names` must be left out where profiles have theirs, in a mapping, got ['she']"
    with pytest.raises(ValueError, match=r"`profiles` must be one profile or more, got \[\]"):
        fi.compare({})
    with pytest.raises(TypeError, match=r"`profiles` must be one profile or more, got \['he_normal'\]"):
        fi.compare({"he": "he_normal"})


def test_legends_name_what_is_drawn():
    """Eigenvalues of zero have a mark where there are some; theory is of a mean where there are several drawings."""
    zero, of_mean = "from here on zero, or beyond rounding", "theory, of the arithmetic mean"
    for repeats, said in ((1, "theory"), (3, of_mean)):
        p = fi.profile(16, 3, batch=8, seed=0, repeats=repeats)
        told = {text.get_text() for text in p.plot().legends[0].get_texts()}
        assert said in told and zero not in told and len(told & {"theory", of_mean}) == 1
        assert (of_mean in p.to_html()) == (repeats > 1)
    alike = fi.profile(16, 3, scheme=("constant", {"value": 0.1}), batch=8, seed=0)
    assert zero in {text.get_text() for text in alike.plot().legends[0].get_texts()}
