"""MNIST's own file format, IDX: two zeros, the type, how many dimensions, each as four bytes; then the bytes."""
import gzip

import numpy as np


def read_idx(path):
    """Read an IDX file, gzipped or not: a uint8 array. Raises ValueError, OSError or zlib.error if it is none."""
    with open(path, "rb") as file:
        content = file.read()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    if content[:3] != b"\0\0\x08" or len(content) < 4:
        raise ValueError("is not an IDX file of bytes")
    shape = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)
