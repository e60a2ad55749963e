"""Random numbers that depend on the seed and the step alone, so that a stopped training goes on as if it had not."""
import os
import zlib

import numpy as np


def random_state(seed, purpose, *numbers):
    """A NumPy RandomState that depends on its arguments alone, for example random_state(seed, "z", step).

    Drawing from one of these for each step, instead of from one long stream, means that a stopped run can go on
    from the number of its step. RandomState, because NumPy froze its streams for good.
    """
    return np.random.RandomState(random_seed(seed, purpose, *numbers))


def random_seed(seed, purpose, *numbers):
    """What random_state() is begun with, for np.random.seed() as well."""
    return [seed, zlib.crc32(purpose.encode()), *numbers]


def sample_z(seed, numbers, z_dim):
    """The z of samples by number: [len(numbers), z_dim] in [-1, 1], each from (seed, number) alone."""
    return np.array([random_state(seed, "sample", i).uniform(-1, 1, z_dim) for i in numbers])


def file_number(path):
    """A number that depends on a file's name alone, so that a picture's noise does not depend on its batch-mates."""
    return zlib.crc32(os.path.basename(path).encode("utf-8", "surrogateescape"))
