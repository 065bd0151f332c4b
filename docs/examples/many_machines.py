"""What a pass over a layer's columns costs by a client: bytes there and back, and processor time of a column.

The client here is this process: what would go over a wire is pickled and counted.
"""

import sys
from time import process_time

import cloudpickle

import fastinit as fi


class Counting:
    """As a client of Dask that has one worker."""

    def __init__(self):
        self.there, self.back, self.seconds = [], [], []

    def submit(self, function, *given, pure):
        self.there.append(len(cloudpickle.dumps(given)))
        return function(*given)

    def map(self, function, parts, *, layer, pure):
        start = process_time()
        made = [function(part, layer) for part in parts]
        self.seconds.append(process_time() - start)
        self.back.append([len(cloudpickle.dumps(one)) for one in made])
        return made

    def gather(self, made):
        return made


width, batch = map(int, sys.argv[1:] or (1_000_000, 32))
client = Counting()
fi.profile(width, 3, batch=batch, seed=0, client=client)
print(f"{len(client.seconds)} passes of a network of 3 layers")
print(f"there, at most: {max(client.there) / 1e3:.0f} kB to each worker in a pass")
print(f"back, at most: {max(map(len, client.back))} parts of {max(map(max, client.back)) / 1e3:.0f} kB in a pass")
print(f"{sum(client.seconds) / len(client.seconds) / width * 1e6:.2f} microseconds a column in a pass")
