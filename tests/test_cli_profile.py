"""``fastinit profile``: the story, the options, the files, one line for what is wrong, and exit statuses."""

import inspect
import json
import os
import re
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
from conftest import asked, refused

import fastinit as fi
from fastinit.activations import ACTIVATIONS
from fastinit.cli import main, profile_command
from fastinit.cli.profile_options import OPTIONS
from fastinit.profiler.description.keywords import _USUAL, BLOCK_POSITIONS, KEYWORDS, KINDS, POSITIONS
from fastinit.profiler.norms import NORMS
from fastinit.profiler.show import story
from fastinit.schemes import SCHEMES
from fastinit.typing import Method, Padding

SMALL = ["--width", "32", "--depth", "6", "--batch", "8"]
NAMES = ", ".join(map(repr, ACTIVATIONS))
#: The story, one network after the other.
ALONE = ["--threads", "1"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of its own, with a file of inputs."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.ones((4, 32)))
    return tmp_path


def run(capsys, *arguments):
    status = main(["profile", *arguments])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return status, printed.out, printed.err


def test_every_keyword_of_profile_is_an_option():
    assert set(inspect.signature(fi.profile).parameters) == {name for group in OPTIONS.values() for name in group}


def test_story(capsys, folder, monkeypatch):
    monkeypatch.setattr(story, "WIDTH", 256)
    monkeypatch.setattr(story, "BATCH", 16)
    status, out, err = run(capsys)
    assert (status, err) == (0, "")
    kinds = dict(zip(story.INITIALISATIONS, ("dead", "symmetric", "vanishing", "vanishing", "stable"), strict=True))
    for name, kind in kinds.items():
        assert any(line.startswith(name) and kind in line for line in out.splitlines())
    assert "\n0.01 randn: vanishing; SGD no, Adam " in out and len(out.splitlines()) < 40
    assert not list(folder.glob("*.png"))
    assert run(capsys, "--png", "story.png")[1].endswith("wrote story.png\n")
    assert (folder / "story.png").read_bytes().startswith(b"\x89PNG")


def test_story_as_a_comparison(monkeypatch):
    monkeypatch.setattr(story, "WIDTH", 64)
    monkeypatch.setattr(story, "BATCH", 8)
    told = story.story(seed=0, threads=2)
    assert told == story.story(seed=0, threads=1)
    normalised = [verdict.kind for name, verdict in told.verdicts.items() if name.endswith(", BN")]
    assert normalised == ["dead", "symmetric", *["gradient exploding"] * 3]
    panels = told.plot().axes
    assert len(panels) == 6
    assert {line.get_label() for line in panels[0].get_lines()} > set(story.INITIALISATIONS)


def test_options_are_those_of_profile(capsys):
    typed = (
        "--activation leaky_relu:0.2 --scheme small_normal:std=0.2 --residual --no-backward --branch-scale 0.5 "
        f"--norm layer --seed {2**100} --repeats 2e0 --json p.json"
    )
    status, out, _ = run(capsys, *SMALL, *typed.split())
    same = fi.profile(
        32, 6, ("leaky_relu", 0.2), ("small_normal", {"std": 0.2}), batch=8, residual=True, backward=False,
        branch_scale=0.5, norm="layer", seed=2**100, repeats=2,
    )  # fmt: skip
    with open("p.json") as file:
        found = json.load(file)
    labels = {"format": "fastinit Profile", "version": 1, "fastinit": fi.__version__}
    assert found | {"seconds": 0} == labels | same.to_dict() | {"seconds": 0}
    assert (status, out.splitlines()[-1]) == (0, "wrote p.json")
    assert str(same.network) in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "described"),
    [
        (["--widths", "32,16,8", "--batch", "4"], "mlp 32-16-8, depth 2, relu, he_normal, batch 4"),
        (["--inputs", "x.npy", "--width", "3.2e1", "--depth", "2"], "mlp 32, depth 2, relu, he_normal, batch 4"),
        (["--kind", "conv", "--channels", "4,8", "--image-size", "5", "--batch", "2"],
         "conv 4-8, depth 1, relu, he_normal, 3x3 on 5x5, zero, batch 2"),
        ([*SMALL, "--gain", "auto", "--activation", "tanh"], "mlp 32, depth 6, tanh, lecun_normal x 1.59254, batch 8"),
        ([*SMALL, "--gain", "1.5", "--method", "tiled"], "mlp 32, depth 6, relu, he_normal x 1.5, batch 8"),
        ([*SMALL, "--sgd-steps", "1", "--lr", "0.1,0.1,0.1,0.1,0.1,0.1"], "mlp 32, depth 6, relu, he_normal, batch 8"),
        ([*SMALL, "--norm", "batch", "--batch", "3"], "mlp 32, depth 6, relu, he_normal, batch norm, batch 3"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_more_options(capsys, monkeypatch, arguments, described):
    monkeypatch.setenv("COLUMNS", "200")
    status, out, err = run(capsys, *arguments)
    assert (status, err) == (0, "")
    assert described in " ".join(out.split())


def test_files_and_the_sentence_without_a_table(capsys, folder):
    status, out, _ = run(capsys, *SMALL, "--no-table", "--png", "p.svg", "--html", "p.html", "--json", "p.json")
    said, *wrote = out.splitlines()
    assert status == 0
    assert said.startswith("It trains with SGD and with Adam: ") and " Signal stable: " in said
    assert wrote == ["wrote p.svg", "wrote p.html", "wrote p.json"]
    assert all((folder / name).stat().st_size > 1000 for name in ("p.svg", "p.html", "p.json"))


@pytest.mark.parametrize("command", [["profile", *SMALL], ["sweep", "--over", "depth=2", "--width", "8"]], ids=" ".join)
def test_numbers_alone_go_to_standard_output(capsys, folder, command):
    assert main([*command, "--json", "p.json"]) == 0
    shown = capsys.readouterr().out
    assert main([*command, "--json", "-"]) == 0
    out, err = capsys.readouterr()
    kept, printed = json.loads((folder / "p.json").read_text()), json.loads(out)
    assert kept.keys() == printed.keys() and kept["format"] == printed["format"]
    assert err.splitlines()[-1] == "wrote standard output" and shown.splitlines()[-1] == "wrote p.json"


def test_without_a_command_there_is_help(capsys):
    for typed in ([], ["torch"]):
        with pytest.raises(SystemExit) as stopped:
            main(typed)
        out, err = capsys.readouterr()
        assert (stopped.value.code, out) == (2, "") and err.startswith("usage: fastinit") and "    plan  " in err
    helps = []
    for typed in (["help", "torch", "plan"], ["torch", "help", "plan"], ["torch", "plan", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(typed)
        assert stopped.value.code == 0
        helps.append(capsys.readouterr().out)
    assert helps[0] == helps[1] == helps[2]


def test_compare_and_healthy(capsys):
    schemes = "he_normal,small_normal:std=0.001,mean=0,normal:std=0.25,mean=0"
    assert run(capsys, *SMALL, "--compare", schemes)[0] == 2  # small_normal has no mean
    schemes = "he_normal,normal:std=0.001,mean=0,constant:value=0.1"
    status, out, _ = run(capsys, *SMALL, "--compare", schemes, "--healthy", "--json", "p.json")
    assert status == 1
    with open("p.json") as file:
        assert list(json.load(file)["profiles"]) == ["he_normal", "normal:std=0.001,mean=0", "constant:value=0.1"]
    assert "\nhe_normal: stable; SGD yes, Adam yes\n" in out
    assert "\nconstant:value=0.1: symmetric; SGD no, Adam no (symmetric)\n" in out
    assert run(capsys, *SMALL, "--healthy", "--no-table")[0] == 0
    assert run(capsys, *SMALL, "--healthy", "--scheme", "zeros", "--no-table")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--width", "many"], "`--width` must be a number, got 'many'"),
        (["--width", "1.5"], "`--width` must be an integer, such as 4096 or 1e6, got '1.5'"),
        (["--width", "inf"], "`--width` must be an integer, such as 4096 or 1e6, got 'inf'"),
        (["--width", "0"], "`--width` must be an integer of at least 1, got 0"),
        (["--norm", "bach"],
         "`--norm` must be one of 'none', 'batch', 'layer', 'rms', got 'bach' (nearest: 'batch')"),
        (["--activation", "rleu"], f"`--activation` must be leaky_relu:0.2, elu:0.5 or one of {NAMES}, got 'rleu' "
         "(nearest: 'relu')"),
        (["--activation", "tanh:0.2"],
         "`--activation` must be tanh, leaky_relu:0.2 or elu:0.5: no other has a parameter, got 'tanh:0.2'"),
        (["--scheme", "sparse"],
         "`--scheme` must be given with its sparsity: sparse:sparsity=NUMBER, got 'sparse'"),
        (["--depth", "0"], "`--depth` must be an integer in [1, 1048576), got 0"),
        (["--scheme", "small_normal:0.02"],
         "`--scheme` must be a name, or a name with keywords as in small_normal:std=0.02, got 'small_normal:0.02'"),
        (["--scheme", "small_normal:std=wide"], "`std` must be a number, got 'wide'"),
        (["--inputs", "x.pkl"], "`--inputs` must be an .npy file, got 'x.pkl'"),
        (["--seed", "-1"], "`--seed` must be an integer in [0, 2**128), got -1"),
        (["--seed", str(2**128)], f"`--seed` must be an integer in [0, 2**128), got {2**128}"),
        (["--gain", "own"], "`--gain` must be a finite number of at least 0, or one of 'auto', got 'own'"),
        (["--inputs", "x.npy", "--width", "16"], "`--inputs` must be an array of shape (4, 16), got (4, 32)"),
        (["--inputs", "none.npy"], "none.npy: No such file or directory"),
        (["--compare", "he_normal", "--scheme", "zeros"], "`--scheme` must be left out with --compare, got 'zeros'"),
        (["--html", "p.png"], "`--html` must be a file that ends in .html or .htm, got 'p.png'"),
        (["--json", "no/p.json"], "`--json` must be in a folder that exists, got 'no/p.json'"),
        (["--batch", "1", "--norm", "batch"], "`--batch` must be at least 2 for batch normalisation, got 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_one_line_for_what_is_wrong(capsys, arguments, said):
    assert run(capsys, *arguments) == (2, "", refused("profile", said))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("profile --dpeth 3", "--dpeth (nearest: '--depth') (see fastinit profile --help)"),
        ("profile --dpeth=3", "--dpeth (nearest: '--depth') (see fastinit profile --help)"),
        ("profile x", "x (see fastinit profile --help)"),
        ("sweep --procesess 2", "--procesess (nearest: '--processes') (see fastinit sweep --help)"),
        ("verify w.npy --schem zeros", "--schem (nearest: '--scheme') (see fastinit verify --help)"),
        ("torch profile --shap 3", "--shap (nearest: '--shape') (see fastinit torch profile --help)"),
        ("info --json", "--json (see fastinit info --help)"),
        ("--improt os info", "--improt (nearest: '--import') (see fastinit --help)"),
        ("--import os torch --modle plan", "--modle (see fastinit torch --help)"),
        ("torch --import os plan", "--import (see fastinit torch --help)"),
    ],
)
def test_one_line_for_an_unknown_option(arguments, said):
    command = [sys.executable, "-m", "fastinit.cli", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"fastinit: unrecognized arguments: {said}\n"


ALL = "'info', 'profile', 'sweep', 'plan', 'save', 'verify', 'torch'"
OF_TORCH = "'plan', 'profile', 'save', 'verify'"
DTYPES = "'float16', 'bfloat16', 'float32', 'float64'"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("profil", f"`command` must be one of {ALL}, got 'profil' (nearest: 'profile') (see fastinit --help)"),
        ("--import os zzz --of", f"`command` must be one of {ALL}, got 'zzz' (see fastinit --help)"),
        ("torch profil", f"`command` must be one of {OF_TORCH}, got 'profil' (nearest: 'profile') "
         "(see fastinit torch --help)"),
        ("torch profile --model a:b --shape 2 --dtype float31",
         f"`--dtype` must be one of {DTYPES}, got 'float31' (nearest: 'float32') (see fastinit torch profile --help)"),
        ("verify w.npy --scheme zeros --dtype bfloat1",
         "`--dtype` must be one of 'bfloat16', got 'bfloat1' (nearest: 'bfloat16') (see fastinit verify --help)"),
    ],
)  # fmt: skip
def test_one_line_for_a_misspelt_command_or_choice(capsys, arguments, said):
    with pytest.raises(SystemExit) as stopped:
        main(arguments.split())
    assert (stopped.value.code, *capsys.readouterr()) == (2, "", f"fastinit: {said}\n")


def test_help_has_the_defaults_and_the_choices():
    """Written there, where nothing slow is imported: those of the signature, and of what it finds from the others."""
    said = {name: meaning for group in OPTIONS.values() for name, (_, meaning) in group.items()}
    usual = {name: one.default for name, one in inspect.signature(fi.profile).parameters.items()}
    usual |= {name: keyword.usual for name, keyword in KEYWORDS.items()}
    words = {True: "yes", False: "no"}
    for name, value in usual.items():
        if value is not None:
            written = words[value] if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value
            assert f"(default: {written})" in said[name], name
    for place, name in enumerate(("width", "depth", "batch")):
        of = {kind: found[place] for kind, found in _USUAL.items()}
        assert f"default: {of['mlp']}, conv {of['conv']}, transformer {of['transformer']})" in said[name]
    network = fi.profile(kind="conv", width=2, depth=1, batch=1).network
    assert f"(default: {network.image.size})" in said["image_size"] and "(default: he_normal)" in said["scheme"]
    choices = {"kind": KINDS, "norm": NORMS, "padding": get_args(Padding), "method": get_args(Method)}
    choices |= {"activation": ACTIVATIONS, "norm_position": (*POSITIONS, *BLOCK_POSITIONS)}
    for name, known in choices.items():
        assert set(known) <= set(re.split(r"\W+", said[name])), name
    named = set(re.split(r"\W+", said["scheme"]))
    families = {f"{family}_{law}" for family in ("lecun", "glorot", "xavier", "he", "kaiming")
                for law in ("normal", "uniform")}  # fmt: skip
    assert set(SCHEMES) == (named & set(SCHEMES)) | families


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_names_are_whole_in_tables_of_any_width(capsys, monkeypatch, columns):
    """What has no room is left out; nothing is cut, and no line ends in blanks."""
    monkeypatch.setenv("COLUMNS", str(columns))
    typed = [*SMALL, "--compare", "he_normal,small_normal:std=0.02"]
    lines = run(capsys, *typed)[1].partition("\n\nhe_normal: ")[0].splitlines()
    assert max(map(len, lines)) <= columns and "…" not in "".join(lines)
    assert "he_normal" in "".join(lines) and "small_normal:std=0" in "".join(lines)
    headers = " ".join(" ".join(lines[:3]).split())
    assert headers.count("kernel") == (0 if columns < 60 else 1 if columns < 100 else 2)
    assert lines == [line.rstrip() for line in lines]
    table = run(capsys, *SMALL)[1].splitlines()
    assert table == [line.rstrip() for line in table] and max(map(len, table)) <= max(columns, 60)


def test_all_layers(capsys):
    said = refused("profile", "`--all` must be left out with {}: it is of a table of layers, got True")
    for typed in ([], ["--seed", "3"], [*SMALL, "--compare", "zeros"]):
        assert run(capsys, "--all", *typed) == (2, "", said.format("--compare and for the story"))
    assert run(capsys, "--all", *SMALL, "--no-table") == (2, "", said.format("--no-table"))
    typed = ["--width", "16", "--depth", "50", "--batch", "8"]
    some, every = (run(capsys, *typed, *more)[1] for more in ([], ["--all"]))
    assert "19 of 51 rows: table('all') or --all shows all" in some and "rows: " not in every
    assert [line[:5].strip() for line in every.splitlines()[2:53]] == [*map(str, range(51))]


@pytest.mark.parametrize("ends", ["RuntimeError('own')", "SystemExit(0)", "SystemExit(1)", "GeneratorExit"])
def test_what_a_users_code_raises_is_no_answer(capsys, folder, monkeypatch, ends):
    """When it is imported, and when it is called: 1 would say that weights are wrong, 0 that all is right."""
    monkeypatch.syspath_prepend(folder)
    (folder / "ending.py").write_text(f"raise {ends}")
    (folder / "calling.py").write_text(
        f"import fastinit as fi\ndef law(own=1.0):\n    raise {ends}\n"
        "fi.register(fi.Scheme('ending', family=law, keywords={'own': 1.0}))\n"
    )
    np.save("w.npy", np.ones((4, 4)))
    try:
        for arguments in (
            ["--import", "ending", "info"],
            ["torch", "verify", "w.npy", "--model", "ending:model"],
            ["--import", "calling", "verify", "w.npy", "--scheme", "ending"],
        ):
            assert main(arguments) == 2
            last, kind = capsys.readouterr().err.splitlines()[-1], ends.partition("(")[0]
            assert re.match(rf"fastinit: (the module of --(import|model), ending, raised|stopped by) {kind}\b", last)
    finally:
        fi.unregister("ending")
        for name in ("ending", "calling"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "arguments", ["info", "--help", "verify --help", "profile --help", "profile --width 8 --depth 900 --batch 4 --all"]
)
def test_a_pipe_that_closes_early(arguments):
    """What reads it may go before the first line or later, and lines may be written one by one."""
    for read, unbuffered in ((0, ""), (1, ""), (0, "1")):
        done = subprocess.Popen(
            [sys.executable, "-m", "fastinit", *arguments.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
        assert len(done.stdout.read(read)) == read
        done.stdout.close()
        assert (done.wait(), done.stderr.read()) in ((141, b""), (0, b""))
        done.stderr.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_has_no_room(unbuffered):
    command, environment = [sys.executable, "-m", "fastinit", "info"], os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, check=False)
    assert (done.returncode, done.stderr) == (2, b"fastinit: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_pipe_that_cannot_encode_all_signs(encoding):
    command = [sys.executable, "-m", "fastinit.cli", "profile", *SMALL]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0
    assert b"E x" in done.stdout and done.stderr == b""


def test_what_is_not_installed_is_missed_before_the_run(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    for name in ("html", "charts"):
        monkeypatch.delitem(sys.modules, f"fastinit.profiler.show.{name}", raising=False)
    monkeypatch.setattr(profile_command, "profile", lambda **_: pytest.fail("it ran"))
    said = "to show a profile needs plotly: pip install plotly (or '.[profile]' in the source folder of fastinit)"
    assert run(capsys, *SMALL, "--html", "p.html") == (2, "", f"fastinit: {said}\n")


def test_interrupted(capsys, monkeypatch):
    """What is done is shown; the other schemes are left; an interrupt elsewhere is one line."""
    real, calls = fi.profile, []

    def interrupted(*arguments, **keywords):
        calls.append(keywords)
        found = real(*arguments, **keywords)
        found.interrupted = True
        raise fi.ProfileInterrupted(found)

    monkeypatch.setattr(profile_command, "profile", interrupted)
    monkeypatch.setattr(story, "profile", interrupted)
    for arguments in (SMALL, [*SMALL, "--compare", "he_normal,zeros"], ALONE):
        calls.clear()
        status, out, _ = run(capsys, *arguments)
        assert (status, len(calls)) == (130, 1)
        assert "relu" in out

    def stop(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(profile_command, "profile", stop)
    assert run(capsys, *SMALL) == (130, "", "fastinit: interrupted\n")


def test_interrupted_before_anything_was_seen(capsys, monkeypatch):
    """There is nothing to show; what was done before is."""
    real, calls = fi.profile, []

    def interrupted(*arguments, **keywords):
        calls.append(keywords)
        if len(calls) > done:
            raise fi.ProfileInterrupted(None)
        return real(*arguments, **keywords)

    monkeypatch.setattr(profile_command, "profile", interrupted)
    monkeypatch.setattr(story, "profile", interrupted)
    done = 0
    for arguments in (SMALL, [*SMALL, "--compare", "he_normal,zeros"], ALONE):
        assert run(capsys, *arguments) == (130, "", "fastinit: interrupted\n")
    done = 1
    for arguments in ([*SMALL, "--compare", "he_normal,zeros,normal"], ALONE):
        calls.clear()
        status, out, _ = run(capsys, *arguments)
        assert (status, len(calls)) == (130, 2)
        assert "relu" in out


@pytest.mark.parametrize(
    ("arguments", "drawn"),
    [
        ("", {"rich.table"}),
        ("--compare zeros,he_normal", {"rich.table"}),
        ("--no-table --json p.json", set()),
        ("--no-table --png p.png", {"matplotlib"}),
    ],
)
def test_a_profile_brings_what_draws_what_is_asked_for(arguments, drawn):
    small = "profile --width 8 --depth 2 --batch 4"
    assert asked(*small.split(), *arguments.split()) & {"rich.table", "matplotlib"} == drawn
