"""Random numbers that depend only on the seed and the step, so that a stopped training continues as if it had not."""
import os
import zlib

import numpy as np


def random_state(seed, purpose, *numbers):
    """A NumPy RandomState that depends only on its arguments, for example random_state(seed, "z", step).

    Using one of these for each step, instead of one long stream, means that a stopped run can continue from the number
    of its step. RandomState, because NumPy guarantees that its streams never change.
    """
    return np.random.RandomState(random_seed(seed, purpose, *numbers))


def random_seed(seed, purpose, *numbers):
    """The seed of random_state(), also for np.random.seed()."""
    return [seed, zlib.crc32(purpose.encode()), *numbers]


def sample_z(seed, numbers, z_dim):
    """The z of samples by number: [len(numbers), z_dim] in [-1, 1]; each depends only on (seed, number)."""
    return np.array([random_state(seed, "sample", i).uniform(-1, 1, z_dim) for i in numbers])


def file_number(path):
    """A number that depends only on a file's name, so that a picture's noise does not depend on the rest of its batch.
    """
    return zlib.crc32(os.path.basename(path).encode("utf-8", "surrogateescape"))
