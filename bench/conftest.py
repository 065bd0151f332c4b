"""The races on warm memory as tests of pytest-benchmark: each entrant one, its output checked before it is timed."""

from __future__ import annotations

import pytest

from bench.peers import installed
from bench.races import ALL_THREADS, MOST, use_threads
from bench.suite import races


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--most-values", type=int, default=MOST, metavar="N", help="no array of more values than this")


def pytest_report_header() -> str:
    return "peers: " + ", ".join(f"{peer.name} {peer.version}" for peer in installed())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    warm = [race for race in races(metafunc.config.getoption("--most-values")) if race.memory == "warm"]
    pairs = [(race, label) for race in warm for label in race.present]
    metafunc.parametrize(("race", "label"), pairs, ids=[f"{race.key}, {label}" for race, label in pairs])


@pytest.fixture(autouse=True)
def _threads_as_found():
    yield
    use_threads(ALL_THREADS)
