"""Every entrant of every race, one by one; `python -m bench` runs them in turn, and compares."""

from bench.races import use_threads


def test_speed(race, label, benchmark):
    use_threads(race.threads)
    buffer = race.buffer()  # held here: a call may know no more than its address
    entrant = race.checked(label, buffer)
    benchmark.group = race.key
    benchmark.extra_info.update(error=entrant.error, values=race.values)
    benchmark(entrant.call)
