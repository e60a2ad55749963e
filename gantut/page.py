"""The page that draws faces while one moves sliders: one HTML file that holds the generator and needs no network.

gantut_sample.py --mode page hands over the generator's numbers; page.html computes with TensorFlow.js, which lies in
tfjs/ with its licence. docs/export.md explains the page.
"""
import base64
import html
import json
import os
import re
import zlib

import numpy as np
from scipy.sparse.linalg import svds

from gantut.dice import random_state

ROOM = os.path.dirname(os.path.abspath(__file__))
LIBRARY = ["tf-core.es2017.min.js", "tf-backend-wasm.es2017.min.js", "tf-backend-webgl.es2017.min.js"]
DIRECTIONS = 6  # sliders
LOOKS = 4000  # z by which the directions are found


def make_page(numbers, epsilon, seed):
    """The page, as a str, for a generator's numbers, {name of the variable: array}.

    epsilon: of its batch norm. seed: face i of the page is sample i of this seed.
    """
    layers = fold(numbers, epsilon)
    matrix, bias = layers[0]
    model = {"seed": seed, "purpose": zlib.crc32(b"sample"),
             "directions": directions(matrix, bias, random_state(seed, "directions")).tolist(),
             "layers": [{"shape": w.shape, "w": encode(w, "<f2"), "b": encode(b, "<f4")} for w, b in layers]}
    parts = {"MODEL": json.dumps(model), "LICENCES": html.escape(read("tfjs/LICENSE") + "\n" + read("tfjs/NOTICES")),
             "LIBRARY": "\n".join(script(read("tfjs/" + name)) for name in LIBRARY), "WASM": base64.b64encode(
                 read_bytes("tfjs/tfjs-backend-wasm-simd.wasm")).decode()}
    return re.sub("|".join("{{%s}}" % name for name in parts), lambda found: parts[found[0][2:-2]], read("page.html"))


def fold(numbers, epsilon):
    """The generator's layers in evaluation mode, batch norm folded into what is before it.

    Returns a list of (weights, biases), float32: first [z_dim, 4 * 4 * channels], then [5, 5, channels out, in].
    """
    scope, layers = "generator/", []
    while True:
        i = len(layers)
        name, w, b = ("g_h0_lin", "Matrix", "bias") if i == 0 else ("g_h{}".format(i), "w", "biases")
        if scope + name + "/" + w not in numbers:
            return layers
        w, b = numbers[scope + name + "/" + w], numbers[scope + name + "/" + b]
        if scope + "g_h{}/w".format(i + 1) in numbers:  # the last layer has none
            beta, gamma, mean, variance = (numbers[scope + "g_bn{}/{}".format(i, one)] for one in (
                "beta", "gamma", "moving_mean", "moving_variance"))
            scale = gamma / np.sqrt(variance + epsilon)
            shift = beta - mean * scale
            times = len(b) // len(scale)  # the first layer has each channel at 4 x 4 places
            w = w * (np.tile(scale, times) if i == 0 else scale[:, np.newaxis])
            b = b * np.tile(scale, times) + np.tile(shift, times)
        layers.append((np.float32(w), np.float32(b)))


def directions(matrix, bias, rng):
    """The directions of z along which the first layer's result varies most: [DIRECTIONS, z_dim], the first the most.

    As GANSpace finds them (Härkönen et al. 2020, arXiv 2004.02546): the principal components of the results over many
    z, carried back to z by least squares. Each is as long as its component's standard deviation is in z.
    """
    z = np.float32(rng.uniform(-1, 1, [LOOKS, len(matrix)]))
    results = np.maximum(z @ matrix + bias, 0)
    results -= results.mean(axis=0)
    count = min(DIRECTIONS, len(matrix))
    u, s, _ = svds(results, k=count, v0=np.ones(min(results.shape), np.float32))
    components = u[:, np.argsort(-s)] * np.sqrt(LOOKS)  # of variance 1, and orthogonal
    found = components.T @ z / LOOKS
    return found * np.sign(found.sum(axis=1, keepdims=True))  # the sign is the solver's whim


def encode(array, dtype):
    return base64.b64encode(array.astype(dtype).tobytes()).decode()


def script(text):
    """A script for the page; the line that names a file for debuggers would make them ask for it."""
    return "<script>{}</script>".format(re.sub("//# sourceMappingURL=.*", "", text).strip())


def read(name):
    return read_bytes(name).decode("utf-8")


def read_bytes(name):
    with open(os.path.join(ROOM, name), "rb") as file:
        return file.read()
