"""The site of docs/: its examples run, every public name has a place, its figures are stored ones, and it builds."""

import importlib
import os
import re
import runpy
import shlex
import subprocess
import sys
from importlib.util import find_spec

import pytest
from pages import HOME, blocks_of, held_out, long_sentences, run, shares_right, shares_trained

import fastinit as fi
from bench.options import arguments
from fastinit.cli.command_line import parser

DOCS = HOME / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
COUNTED = DOCS / "examples/many_machines.py"
DRAWN = sorted(set((DOCS / "examples").glob("*.py")) - {COUNTED})
#: Pages whose examples need a framework: `make test-doors` runs those whose framework is there.
FRAMEWORKS = {"torch": "torch", "jax": "jax", "keras": "keras", "dask": "dask", "many-machines": "distributed"}
#: By module the page with its names. Those of Dask's door are written when the site is built.
PLACES = {"fastinit": "*", "fastinit.laws": "laws", "fastinit.theory": "theory"}
PLACES |= {f"fastinit.{door}": door for door in ("torch", "jax", "keras")}
#: Modules whose own pages have what is in them.
ELSEWHERE = {"fastinit": {"laws", "theory", "typing"}}


def name_of(path):
    return path.relative_to(DOCS).as_posix()


@pytest.mark.parametrize("path", [path for path in PAGES if blocks_of(path)], ids=name_of)
def test_python_blocks_run(path, tmp_path, monkeypatch):
    """Each page is one program, in a folder of its own."""
    framework = FRAMEWORKS.get(path.stem)
    if framework and not (os.environ.get("FASTINIT_TEST_DOORS") and find_spec(framework)):
        pytest.skip(f"{framework} is not here, or FASTINIT_TEST_DOORS is not set")
    monkeypatch.chdir(tmp_path)
    run(path, blocks_of(path))


def commands():
    """Lines of the shell, on the pages and beside them, with what is continued on the next."""
    for path in [*PAGES, HOME / "CONTRIBUTING.md"]:
        for block in blocks_of(path, "console").values():
            yield from (shlex.split(line, comments=True) for line in block.replace("\\\n", "").splitlines())


def test_commands_are_understood():
    """Each is taken apart by what would run it; none is run."""
    targets = re.search(r"^\.PHONY: (.*)$", (HOME / "Makefile").read_text("utf-8"), re.MULTILINE)[1].split()
    fi.register(fi.Scheme("mine", 1.0))
    seen = {"fastinit": 0, "make": 0, "python": 0}
    for program, *rest in commands():
        seen[program] = seen.get(program, 0) + 1
        if program == "fastinit":
            parser().parse_args(rest)
        elif program == "make":
            assert set(rest) <= set(targets)
        elif rest[:2] == ["-m", "bench"]:
            arguments(rest[2:])
    assert min(seen.values()) >= 1 and seen["fastinit"] >= 10


@pytest.mark.parametrize("path", DRAWN, ids=name_of)
def test_examples_draw(path, tmp_path, monkeypatch):
    """Of the first two values of each axis."""
    whole, picture = fi.sweep, tmp_path / "picture.png"
    monkeypatch.setattr(fi, "sweep", lambda over, **more: whole({k: v[:2] for k, v in over.items()}, **more))
    monkeypatch.setattr(sys, "argv", [path.name, str(picture)])
    runpy.run_path(str(path))
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert len(picture.with_suffix(".jsonl").read_text().splitlines()) == 4


def test_bytes_and_seconds_are_counted(monkeypatch, capsys):
    pytest.importorskip("cloudpickle")
    monkeypatch.setattr(sys, "argv", [COUNTED.name, "10000", "8"])
    runpy.run_path(str(COUNTED))
    assert re.search(r"(?m)^back, at most: \d+ parts of \d+ kB in a pass$", capsys.readouterr().out)


def named(module, page):
    """What the pages of the reference have of a module: by a docstring, or in words."""
    text = "\n".join(path.read_text("utf-8") for path in sorted((DOCS / "reference").glob(f"{page}.md")))
    told = re.findall(rf"^::: {re.escape(module)}\.(\w+)$", text, flags=re.MULTILINE)
    assert len(set(told)) == len(told)
    return set(told), set(re.findall(r"`(\w+)`", text))


@pytest.mark.parametrize(("module", "page"), PLACES.items(), ids=PLACES)
def test_every_public_name_has_its_place(module, page):
    framework = FRAMEWORKS.get(page)
    if framework and not (find_spec(framework) and "FASTINIT_TEST_DOORS" in os.environ):
        pytest.skip(f"{framework} is not here, or FASTINIT_TEST_DOORS is not set")
    public = set(importlib.import_module(module).__all__) - ELSEWHERE.get(module, set())
    told, said = named(module, page)
    assert told - ELSEWHERE.get(module, set()) <= public <= told | said


SURFACES = [("public_surface", "fi", "fastinit"), ("public_surface_torch", "ft", "fastinit.torch")]
SURFACES += [("public_surface_jax", "fj", "fastinit.jax"), ("public_surface_keras", "fk", "fastinit.keras")]


@pytest.mark.parametrize(("surface", "short", "module"), SURFACES)
def test_so_has_the_surface(surface, short, module):
    """Names of the examples of the public surface, but those that are wrong there."""
    lines = (HOME / "tests" / f"{surface}.py").read_text("utf-8").splitlines()
    used = {name for line in lines if "type: ignore" not in line for name in re.findall(rf"\b{short}\.(\w+)", line)}
    told, said = named(module, PLACES[module])
    assert used - ELSEWHERE.get(module, set()) <= told | said


def test_figures_of_the_verdicts_are_those_of_the_stored_run():
    rows = {
        "judged rightly": shares_right("verdict"),
        "judged rightly by the signal alone": shares_right("signal alone"),
        "judged rightly by the norms of the gradients": shares_right("gradient norms"),
    }
    rows["judged rightly by always saying *yes*"] = shares_trained()
    rows["a plain *yes* that does not train"] = shares_trained("yes", wrong=True)
    rows["a *slowly* that does not train"] = shares_trained("slowly", wrong=True)
    guide = (DOCS / "guides/profile.md").read_text("utf-8")
    assert f"of the {len(held_out())} that were held out" in " ".join(guide.split())
    for words, shares in rows.items():
        assert f"| {words} | {' | '.join(shares)} |" in guide


def test_it_is_cited_by_its_version():
    assert f"\nversion: {fi.__version__}\n" in (HOME / "CITATION.cff").read_text("utf-8")


def test_the_glossary_has_every_field():
    whole = fi.profile(32, 3, norm="batch", batch=8, classes=4, jacobian=True, seed=0)
    fields = {name for name in whole if not name.startswith("theory_")}
    glossary = (DOCS / "guides/profile.md").read_text("utf-8")
    assert fields <= set(re.findall(r"`(\w+)`", glossary))


@pytest.mark.parametrize("path", [*PAGES, HOME / "CONTRIBUTING.md", HOME / "SECURITY.md"], ids=lambda path: path.stem)
def test_sentences_are_short(path):
    assert not long_sentences(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """What `make docs` makes. Strictly: a link or an anchor that leads nowhere fails."""
    if not find_spec("mkdocstrings"):
        pytest.skip("pip install '.[docs]' brings what builds the site")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(build, cwd=HOME, env=os.environ | {"PYTHONPATH": str(HOME)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_nothing_of_the_site_comes_from_a_network(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        loaded = re.findall(r'<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="([^"]+)"', page.read_text("utf-8"))
        assert not [one for one in loaded if re.match(r"(https?:)?//", one)], page


def test_the_site_is_searched_from_disk(site, browser):
    browser.get((site / "index.html").as_uri())
    browser.execute_script("document.querySelector('input.md-search__input').focus()")
    browser.find_element("css selector", "input.md-search__input").send_keys("edge_of_chaos")
    browser.implicitly_wait(20)
    first = browser.find_element("css selector", "a.md-search-result__link").get_attribute("href")
    assert "/reference/theory.html" in first
    assert not browser.get_log("browser")
