"""Every entrant of every race, one by one; `python -m bench` runs them in turn, and compares."""

from bench.races import use_threads


def test_speed(race, label, benchmark):
    use_threads(race.threads)
    entrant = race.checked(label, race.buffer())
    benchmark.group = race.key
    benchmark.extra_info.update(error=entrant.error, values=race.values)
    benchmark(entrant.call)
