"""The benchmark as a process: how it ends where Ctrl-C or a reader ends it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rich")
pytest.importorskip("threadpoolctl")

from bench import saves

HOME = Path(__file__).parents[1]
STORED = str(HOME / "bench" / "results" / "quick.json")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them are asked for")


def ended(program):
    """Exit status, both outputs, and seconds since the program said that it begins."""
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=HOME, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begins\n"
    start = time.perf_counter()
    out, error = process.communicate(timeout=60)
    return process.returncode, out, error, time.perf_counter() - start


@pytest.mark.parametrize("as_an_import_does", ["raise", "raise ImportError('half of a module') from None"])
def test_ctrl_c_before_the_first_race_is_one_line(as_an_import_does):
    program = f"""
import signal, sys
from bench.__main__ import start
def main(argv):
    print("begins", flush=True)
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        {as_an_import_does}
sys.exit(start("python -m bench", main))
"""
    assert ended(program)[:3] == (130, "", "python -m bench: interrupted\n")


def test_ctrl_c_ends_a_call_of_c_that_does_not_come_back():
    """The call, of OpenSSL, takes some minutes."""
    program = """
import hashlib, os, signal, threading
from bench.stopping import stoppable
def give_up():
    print("what there is", flush=True)
    os._exit(130)
print("begins", flush=True)
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
with stoppable(give_up):
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**30)
print("it came back")
"""
    status, out, error, seconds = ended(program)
    assert (status, out, error) == (130, "what there is\n", "")
    assert seconds < 10


def test_ctrl_c_leaves_it_to_what_comes_back_at_once():
    program = """
import os, signal, threading, time
from bench.stopping import GRACE, STOPPED, stoppable
print("begins", flush=True)
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
with stoppable(lambda: os._exit(1)):
    time.sleep(60)
assert not STOPPED.is_set()
time.sleep(2 * GRACE)
print("it came back")
"""
    assert ended(program)[:3] == (0, "it came back\n", "")


def test_folders_are_removed_though_something_writes_there():
    folder = saves.TemporaryDirectory(prefix=saves.PREFIX)
    with (Path(folder.name) / "model.safetensors").open("wb") as file:
        file.write(bytes(1 << 20))
        saves.remove_folders()
        assert not Path(folder.name).exists() and os.fstat(file.fileno()).st_size == 0
    folder.cleanup()


def test_an_output_that_nobody_reads_on_ends_quietly():
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "--report", STORED, "--all"],
        cwd=HOME,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("Of 145 races against the best other in each")
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait(60) == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_an_output_that_is_full_is_one_line():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "bench", "--report", STORED]
        done = subprocess.run(command, cwd=HOME, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "python -m bench: [Errno 28] No space left on device\n")
