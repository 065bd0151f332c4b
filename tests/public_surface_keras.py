"""The public surface of `fastinit.keras` as users write it, for the type checker: it is read, never run.

Each line marked `# type: ignore[...]` is wrong, and `make lint` fails if the checker no longer finds it so. What is
Keras's own the checker does not look into, the parameters of initializers among it.
"""

import keras

import fastinit as fi
import fastinit.keras as fk


def initializers(seed: keras.random.SeedGenerator) -> None:
    fk.RandomNormal(mean=0.0, stddev=0.02, seed=0)((4, 8), dtype="bfloat16")
    fk.TruncatedNormal(stddev=0.02, seed=seed)((4, 8))
    fk.RandomUniform(minval=-0.05, maxval=0.05)((4, 8))
    fk.VarianceScaling(scale=2.0, mode="fan_in", distribution="untruncated_normal")((4, 8))
    fk.GlorotNormal()((4, 8)), fk.GlorotUniform()((4, 8)), fk.HeNormal()((4, 8)), fk.HeUniform()((4, 8))
    fk.LecunNormal()((4, 8)), fk.LecunUniform(seed=1)((4, 8), "float16", layout=None)
    law: fi.laws.Law = fk.Orthogonal(gain=2.0).law((4, 8))
    keras.layers.Dense(8, kernel_initializer=fk.HeNormal(seed=1), name=str(law))
    fk.HeNormal().law()  # type: ignore[call-arg]
    fk.HeNormal().law("4, 8")  # type: ignore[arg-type]
    fk.HeNormal()((4, 8), sed=0)  # type: ignore[call-arg]
    fk.HeNorml()  # type: ignore[attr-defined]


def blocks() -> None:
    with fk.fast_init():
        keras.layers.Dense(8)
    fk.fast_init(seed=0)  # type: ignore[call-arg]
