"""Every kernel test runs on every level this machine has, and the run says which these were."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastinit as fi
from fastinit import _core
from fastinit.models.recipe import RECIPES
from fastinit.schemes import SCHEMES

#: Read by the type checker, never run.
collect_ignore, collect_ignore_glob = list[str](), ["public_surface*.py"]
#: The doors, whose frameworks `make test` does without: `make test-doors` installs them, and a missing one is an error.
if os.environ.get("FASTINIT_TEST_DOORS"):
    # Before jax is imported: arrays that lie on several devices are tested on those of one host.
    os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
else:
    collect_ignore_glob.append("doors")

#: Of tests that compile: a test of an installed package may be where nothing can.
compiles = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

DTYPES = ["float32", "float64", "float16", "bfloat16"]
#: The byte order that this machine does not have, as NumPy writes it.
FOREIGN = ">" if sys.byteorder == "little" else "<"
LENGTHS = [*range(10), 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1003]
LAWS = [
    ("normal", ()),
    ("normal", (0.25, 0.02)),
    ("uniform", ()),
    ("uniform", (-0.1, 0.3)),
    ("truncated_normal", ()),
    ("truncated_normal", (0.1, 0.5, -3.0, 3.5)),
    ("truncated_normal", (0.0, 1.0, 4.0, np.inf)),
]


def pytest_report_header(config):
    levels = ", ".join(f"{isa} (AES {aes})" for isa, aes in _core.supported_levels())
    return f"fastinit levels that run: {levels}; in use: {fi.info()['isa']}"


@pytest.fixture(params=_core.supported_levels(), ids=lambda level: "-".join(level))
def level(request):
    """Each level in turn, seen to be the one in use."""
    before = _core.isa_in_use()
    assert _core.use_isa(*request.param)
    assert _core.isa_in_use() == request.param
    yield request.param
    assert _core.use_isa(*before)


@pytest.fixture(autouse=True)
def names_as_they_were():
    """What a test registers is forgotten after it."""
    before = [(known, dict(known)) for known in (SCHEMES, RECIPES)]
    yield
    for known, names in before:
        known.clear()
        known.update(names)


_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless, with a profile of its own: Debian's chromium with chromium-driver; see FASTINIT_REQUIRE_BROWSER."""
    program, driver_program = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver_program) and not os.environ.get("FASTINIT_REQUIRE_BROWSER"):
        pytest.skip("no chromium with its driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in [*_FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(driver_program))
    driver.set_script_timeout(60)
    driver.get("about:blank")
    yield driver
    driver.quit()


def bits(array):
    """The bits of an array's items, for exact comparison."""
    array = np.ascontiguousarray(array)
    return array.view(f"u{array.itemsize}")


def stored_bytes(array):
    """The bytes of an array as files have them on every machine: of each item the least significant one first."""
    return bits(array).astype(f"<u{array.itemsize}").tobytes()


def shown(value):
    """As a part of a test's name, which is the same in every process: without addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


def brought(code):
    """The modules that a fresh process has after some code, beside those that Python started with."""
    first = str(Path(fi.__file__).parent.parent)  # a folder of sources, where Python would look, may have no core
    code = f"import sys; sys.path[0] = {first!r}; before = set(sys.modules)\n{code}"
    code += "\nprint(*set(sys.modules) - before, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def asked(*arguments, status=0):
    """What the command line brings with it, which nobody listens to and which ends with this status."""
    return brought(f"""
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    from fastinit.cli import main
    try:
        status = main({arguments})
    except SystemExit as ended:
        status = ended.code
assert status == {status}
""")


def refused(command, said):
    """What the command line prints where a question was wrong: a rule that is broken is followed by where help is."""
    see = f" (see fastinit {command} --help)" if said.startswith("`") else ""
    return f"fastinit: {said}{see}\n"
