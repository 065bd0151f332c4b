"""Proofs: every job is in the table and on its page, results have one form, and a job tells what does not hold."""

import gzip
import importlib
import json
import os
import re
import runpy
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

HOME = Path(__file__).parents[1]
PROOF = HOME / "proof"
FIELDS = ("claim", "command", "seed", "false_alarm", "holds", "found", "seconds", "date", "machine")


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    monkeypatch.syspath_prepend(HOME)


@pytest.fixture
def front():
    return importlib.import_module("proof.__main__")


@pytest.fixture
def report():
    return importlib.import_module("proof.report")


def test_every_job_is_in_the_table(front):
    """In the order of their names, those that can be run; sanitized.py runs what others prove."""
    paths = [path for path in sorted(PROOF.rglob("*.py")) if 'if __name__ == "__main__":' in path.read_text("utf-8")]
    modules = [path.relative_to(PROOF).with_suffix("").as_posix().replace("/", ".") for path in paths]
    assert [job.name for job in front.JOBS] == [
        name.removesuffix(".__main__") for name in modules if name not in ("__main__", "sanitized")
    ]
    for job in front.JOBS:
        assert re.search(rf"`python -m proof.{job.name}\b|^    python -m proof.{job.name}\b", doc_of(job), re.MULTILINE)
        assert not job.runs or job.minutes < 60


def doc_of(job):
    source = PROOF / f"{job.name.replace('.', '/')}.py"
    source = source if source.exists() else PROOF / job.name.replace(".", "/") / "__main__.py"
    return source.read_text("utf-8").split('"""')[1]


def test_a_job_does_not_go_on_from_what_was_found_of_other_sources(tmp_path, monkeypatch):
    record = importlib.import_module("proof.record")
    assert record.before("words", "a claim", tmp_path) is None
    record.keep("words", "a claim", command="", holds=True, found={"numbers": 1}, seconds=0.0, folder=tmp_path)
    assert record.before("words", "a claim", tmp_path)["found"] == {"numbers": 1}
    monkeypatch.setattr(record, "sources", lambda: "others")
    with pytest.raises(SystemExit, match="of other sources or machines: use --results, or delete that line"):
        record.before("words", "a claim", tmp_path)


def test_results_are_of_jobs_and_have_one_form(front):
    names = {job.name.replace(".", "_"): job.name for job in front.JOBS}
    for path in sorted((PROOF / "results").glob("*.json")):
        assert path.stem in names
        lines = json.loads(path.read_text("utf-8"))
        assert [line["claim"] for line in lines] == sorted({line["claim"] for line in lines})
        for line in lines:
            assert tuple(line) == FIELDS
            assert line["holds"] is True and 0 <= line["false_alarm"] < 1
            assert line["machine"]["fastinit"] and re.fullmatch(r"\d{4}-\d\d-\d\d", line["date"])
            assert f"python -m proof.{names[path.stem]}" in line["command"]


def line_of(claim, **changed):
    made = (claim, "python -m proof.a", 3, 1e-9, True, {"x": [2.5, "a"]}, 4.0, "2026-01-01", {"cpu": "<C>"})
    return dict(zip(FIELDS, made, strict=True)) | changed


def test_a_job_is_listed_with_what_does_not_hold(front, report, tmp_path, monkeypatch):
    monkeypatch.setattr(front, "RESULTS", tmp_path)
    job = front.Job("a", "all is well", 2, worst=("x.0", "ulp"))
    assert front.listed(job) == "a                    by hand     2 min  not run\n    all is well"
    lines = [line_of("b"), line_of("c", found={"x": [3]})]
    (tmp_path / "a.json").write_text(json.dumps(lines))
    assert (
        front.listed(job)
        == "a                    by hand     2 min  2 hold, worst 3 ulp; 2 of other sources\n    all is well"
    )
    (tmp_path / "a.json").write_text(json.dumps([*lines, line_of("d", holds=False)]))
    assert " 1 of 3 DO NOT HOLD: d, worst 3 ulp; 3 of other sources\n" in front.listed(job)
    machine = importlib.import_module("proof.record").machine()
    (tmp_path / "a.json").write_text(json.dumps([{**line_of("b"), "machine": machine}]))
    assert " 1 hold, worst 2.5 ulp\n" in front.listed(job)


def test_a_section_of_the_page(report, tmp_path):
    assert report.section(tmp_path, "a", "all is well", ("", "")) == "### proof.a\n\nAll is well.\n\n**Not run.**\n"
    lines = [line_of("1 < 2"), line_of("c", holds=False, found={"y": {"z": list(range(9))}}, seconds=None, seed=None)]
    (tmp_path / "a.json").write_text(json.dumps(lines))
    assert report.section(tmp_path, "a", "all is well", ("", "")) == (
        "### proof.a\n\nAll is well.\n\n"
        "| | |\n| --- | --- |\n| claims that hold | 1 of 2 |\n| seeds | 3 |\n| false alarms | at most 2e-09 in all |\n"
        "| time | 4 s, and of 1 not stored |\n| dates | 2026-01-01 |\n| processors | &lt;C&gt; |\n\n"
        "<details><summary>All claims</summary>\n"
        "<p><b>1 &lt; 2</b><br><code>python -m proof.a</code><br>found: x 2.5, a<br>seed: 3<br>false alarm: 1e-09"
        "<br>seconds: 4.0<br>date: 2026-01-01<br>machine: cpu &lt;C&gt;</p>\n"
        "<p><b>c</b> <strong>does not hold</strong><br><code>python -m proof.a</code><br>found: y z 9 entries"
        "<br>false alarm: 1e-09<br>date: 2026-01-01<br>machine: cpu &lt;C&gt;</p>\n</details>\n"
    )


def test_every_night(front, monkeypatch, capsys):
    """What fails is told and is not the end; what lacks a package is told; what is run by hand is not run."""
    asked = []

    def run(command):
        asked.append(command[1:])
        return SimpleNamespace(returncode=int("bad" in command))

    monkeypatch.setattr(front.subprocess, "run", run)
    jobs = (
        front.Job("a", "", 1, ("", "--of bad")),
        front.Job("b", "", 1, ("",), ("no_such_package",)),
        front.Job("c", "", 120, needs=("no_such_package",)),
        front.Job("d", "", 1, ("",)),
    )
    assert front.nightly(jobs) == 1 and front.nightly(jobs[1:]) == 0
    assert asked[:3] == [["-m", "proof.a"], ["-m", "proof.a", "--of", "bad"], ["-m", "proof.d"]]
    out = capsys.readouterr().out
    assert "\ndo not hold: a --of bad\nnot run: b (needs no_such_package)\n" in out


def test_an_archive_made_again_is_the_same(tmp_path, monkeypatch):
    """Whatever the times, permissions and order of the files."""
    pytest.importorskip("setuptools")
    archive = runpy.run_path(str(HOME / "setup.py"))["Archive"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    made = []
    for names, mode, when in (("ab", 0o644, 1e9), ("ba", 0o600, 1.2e9)):
        folder = tmp_path / names / "d"
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(name)
            (folder / name).chmod(mode | (0o100 if name == "b" else 0))
            os.utime(folder / name, (when, when))
        monkeypatch.chdir(folder.parent)
        made.append(Path(archive.make_archive(None, "w", "gztar", base_dir="d")).read_bytes())
    assert made[0] == made[1]
    with tarfile.open("w.tar.gz") as opened:
        found = [(one.name, oct(one.mode), one.mtime, one.uid, one.uname) for one in opened]
    rest = (10**9, 0, "")
    assert found == [("d", "0o755", *rest), ("d/a", "0o644", *rest), ("d/b", "0o755", *rest)]
    assert gzip.decompress(made[0])


def test_what_is_built_otherwise_is_told(tmp_path, capsys):
    """Of two wheels that differ in one file; the first of two that are equal."""
    builds = importlib.import_module("proof.builds")
    seen = []

    def make(folder, out, environment):
        out.mkdir()
        seen.append((folder.name, environment["TZ"], environment["TMPDIR"]))
        with builds.zipfile.ZipFile(out / "w.whl", "w") as archive:
            for name, content in {
                "w.dist-info/WHEEL": "Generator: me\n",
                "same": "",
                "a": f"{len(folder.name) > 1}",
            }.items():
                archive.writestr(builds.zipfile.ZipInfo(name), content)

    files = builds.made(make, tmp_path, False)
    assert builds.differing(*files) == ["a"] and builds.digest(files[0]) != builds.digest(files[1])
    assert builds.generator(files[0]) == "me" and builds.differing(files[0], files[0]) == []
    assert (
        len({place for place, _, _ in seen}) == len({zone for _, zone, _ in seen}) == len({at for *_, at in seen}) == 2
    )


ACCELERATOR = """
import sys
from pathlib import Path
from proof import accelerator
from proof.devices import bits
from fastinit.torch.tensors import fills
accelerator.DTYPES = (accelerator.torch.float32, accelerator.torch.bfloat16)
accelerator.FILLS = {name: accelerator.FILLS[name] for name in ("normal_", "orthogonal_", "eye_")}
own = fills._fill_device
def faulty(targets, indices, whole):
    own(targets, indices, whole)
    for target in targets:
        if fault == "bit" and target.numel() > 1:
            bits(target).as_strided((1,), (1,)).bitwise_xor_(1)
        if fault == "guard" and target.storage_offset():
            target.as_strided((1,), (1,), 1).zero_()
fills._fill_device = faulty
for fault in ("none", "bit", "guard"):
    told = ["--device", "cpu", "--elements", "65536", "--results", sys.argv[1]]
    print(f"{fault}: {accelerator.main(['laws', 'parts', 'models', 'speed', *told])}")
    Path(sys.argv[1], "accelerator.json").rename(Path(sys.argv[1], fault))
"""


@pytest.mark.skipif(
    not (find_spec("torch") and "FASTINIT_TEST_DOORS" in os.environ),
    reason="torch is not here, or FASTINIT_TEST_DOORS is not set",
)
def test_a_device_with_a_fault_is_told(tmp_path):
    """The CPU as a device: in order, with a bit that is wrong, and where memory before a tensor is written to."""
    command = [sys.executable, "-c", ACCELERATOR, str(tmp_path)]
    done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
    for fault, parts in {
        "none": set(),
        "bit": {"laws", "parts", "models", "speed"},
        "guard": {"laws", "parts"},
    }.items():
        assert f"\n{fault}: {int(bool(parts))}\n" in done.stdout, done.stderr
        lines = json.loads((tmp_path / fault).read_text())
        assert len(lines) == 4 and sum(not line["holds"] for line in lines) == len(parts)
    assert "laws: DOES NOT HOLD" in done.stdout and "not asked on the CPU as a device: none" in done.stdout


def test_outcomes_of_tests_stay_where_a_run_is_cut_off(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import os\n\ndef test_quick(): pass\n\ndef test_slow(): assert 'later' in os.environ\n"
        "\ndef test_last(): assert 'stop' not in os.environ or os._exit(3)\n"
    )
    (tmp_path / "times.jsonl").write_text('{"test": "test_it.py::test_slow", "outcome": "passed", "seconds": 0.5}\n')
    summary = importlib.import_module("proof.outcomes").summary

    def run(*options, **environ):
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "proof.outcomes",
            "--outcomes=out.jsonl",
            *options,
            "test_it.py",
        ]
        where = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(HOME), **environ}, "capture_output": True}
        code = subprocess.run(command, **where, check=False).returncode
        found = summary(tmp_path / "out.jsonl", "new")
        return (
            code,
            found["passed"],
            found["failed"],
            found["tests"],
            found["ended"],
            found["earlier"],
            found["failed before"],
        )

    assert run("--times=times.jsonl", "--quick=0.1", stop="") == (3, 1, [], 3, False, 1, {})
    assert run("--times=times.jsonl", "--quick=0.1", "--sources=old") == (0, 2, [], 3, False, 2, {})
    assert run("--sources=new") == (1, 2, ["test_slow"], 3, True, 2, {})
    assert run("--sources=new", later="") == (0, 3, [], 3, True, 2, {"test_slow": 1})
    ran = (tmp_path / "out.jsonl").read_text().count('"outcome"')
    assert run() == (5, 3, [], 3, True, 2, {"test_slow": 1})
    assert (tmp_path / "out.jsonl").read_text().count('"outcome"') == ran == 4


@pytest.fixture
def machines(monkeypatch):
    """The job, and a root that needs no emulator: of a folder, a Python, and the digest of a part."""
    machines = importlib.import_module("proof.machines")

    class Root(machines.Root):
        def __init__(self, path, python, digest):
            path.mkdir(exist_ok=True)
            self.path, self.arch, self.python, self.digest = path, "s390x", python, digest
            (path / machines.REPORTS).mkdir(exist_ok=True)

        def build(self):
            pass

        def machine(self):
            return {"python": self.python}

        def sources(self, part):
            return self.digest

    monkeypatch.setattr(machines, "Root", Root)
    monkeypatch.setattr(machines, "parts", lambda: ["tests/test_a.py", "tests/test_b.py", "tests/test_c.py"])
    return machines


def said(root, part, collected, *outcomes):
    """Write what a part's tests came to: their names, outcomes and sources."""
    lines = [{"test": test, "outcome": one, "reason": "", "seconds": 1, "sources": of} for test, one, of in outcomes]
    root.outcomes(part).write_text("\n".join(map(json.dumps, [{"collected": collected}, *lines])))


def test_parts_of_another_machine_or_other_sources_are_not_known(machines, tmp_path):
    root = machines.Root(tmp_path / "one", "3.11", "new")
    said(
        root,
        "tests/test_a.py",
        ["a::x", "a::y"],
        ("a::x", "passed", "new"),
        ("a::y", "failed", "old"),
        ("a::y", "passed", "old"),
    )
    proof = machines.Proof(root, tmp_path / "machines.json")
    proof.add("tests/test_a.py", root.known("tests/test_a.py"))
    (line,) = json.loads((tmp_path / "machines.json").read_text())
    counts = {name: line["found"][name] for name in ("passed", "failed", "failed before", "earlier")}
    assert line["holds"] and counts == {"passed": 2, "failed": 0, "failed before": 1, "earlier": 1}
    for python, digest, known in (("3.11", "new", True), ("3.12", "new", False), ("3.11", "newer", False)):
        empty = machines.Proof(
            machines.Root(tmp_path / f"{python} {digest}", python, digest), tmp_path / "machines.json"
        )
        assert empty.wants("tests/test_a.py") != known


def test_parts_that_were_cut_off_are_told(machines, tmp_path):
    root = machines.Root(tmp_path / "one", "3.11", "new")
    said(root, "tests/test_a.py", ["a::x", "a::y"], ("a::x", "passed", "new"), ("a::y", "skipped", "new"))
    said(root, "tests/test_b.py", ["b::x", "b::y"], ("b::x", "passed", "new"))
    machines.Proof(root, tmp_path / "machines.json").add("tests/test_b.py", root.known("tests/test_b.py"))
    (line,) = json.loads((tmp_path / "machines.json").read_text())
    assert line["found"]["not run"] == ["tests/test_c.py"] and line["found"]["not ended"] == ["tests/test_b.py"]


def test_a_part_has_other_sources_where_the_package_or_its_own_file_has(tmp_path):
    machines = importlib.import_module("proof.machines")
    root = machines.Root.__new__(machines.Root)
    root.copy = tmp_path
    for name in ("setup.py", "fastinit/a.py", "fastinit/src/b.c", "tests/conftest.py", "tests/test_a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    parts = ("tests/test_a.py", machines.DOCSTRINGS)
    for name, changed in {
        "fastinit/a.py": 2,
        "fastinit/src/b.c": 2,
        "tests/conftest.py": 2,
        "tests/test_a.py": 1,
        "fastinit/_core.c": 0,
        "tests/test_b.py": 0,
    }.items():
        before = [root.sources(part) for part in parts]
        (tmp_path / name).write_text("changed")
        assert sum(root.sources(part) != one for part, one in zip(parts, before, strict=True)) == changed


PEERS = """
import sys
from proof import peers_tests
peers_tests.DOORS["numpy"] = peers_tests.Door(lambda: [])
sys.exit(peers_tests.main(["numpy", "--results", *sys.argv[1:]]))
"""


def test_a_file_that_cannot_be_collected_does_not_keep_its_line(tmp_path):
    """Nor one that has no such test."""
    path, name = tmp_path / "test_it.py", f"{tmp_path.name}/test_it.py of numpy"
    for text, more, code, failed in (
        ("def test_one(): pass", [], 0, 0),
        ("import no_such_module", [], 2, 1),
        ("def test_one(): pass", ["-k", "one"], 0, 0),
        ("def test_one(): pass", ["-k", "two"], 5, 0),
    ):
        path.write_text(text)
        command = [sys.executable, "-B", "-c", PEERS, str(tmp_path), str(path), *more]
        done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
        (line,) = json.loads((tmp_path / "peers_tests.json").read_text())
        assert line["claim"].startswith(name) and line["holds"] == (not done.returncode), done.stdout
        assert done.returncode == code and len(line["found"]["failed"]) == failed
        assert line["command"].endswith(f"{name.partition(' ')[0]} {' '.join(more)}".rstrip())


def test_the_table_of_processors_counts_all_parts(report, tmp_path):
    parts = {"test_a.py": {"tests": 1000}, "test_b.py": {"tests": 234}}
    line = {"claim": "", "found": {"passed": 1200, "skipped": 3, "failed": 1, "parts": parts}}
    places = ({"system": "Linux s390x", "emulator": "qemu"}, {"system": "Linux x86_64"})
    (tmp_path / "machines.json").write_text(json.dumps([{**line, "machine": place} for place in places]))
    assert report.suites(tmp_path).splitlines()[2:] == [
        "| s390x, emulated | 1,200 | 3 | 1 | 1,234 |",
        "| x86_64, in hardware | 1,200 | 3 | 1 | 1,234 |",
    ]
