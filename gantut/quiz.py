"""The quiz of Part 5, real or fake? One HTML page, quiz.html, that holds its pictures and needs no network.

gantut_sample.py --mode quiz draws the pictures; make_quiz() makes the page.
"""
import base64
import io
import json
import math
import os

import numpy as np
from PIL import Image

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "quiz.html")


def make_quiz(real, fake, rng):
    """The page, as a str, that asks for each picture whether it is real, in an order drawn from rng.

    real, fake: uint8 [N, h, w, 1 or 3]. The answers stand in the page only in code (base64), so that neither its
    text nor its structure tells them before the player has answered.
    """
    pictures = [*real, *fake]
    truth = "r" * len(real) + "f" * len(fake)
    order = rng.permutation(len(pictures))
    quiz = {"pictures": [data_uri(pictures[i]) for i in order],
            "key": base64.b64encode("".join(truth[i] for i in order).encode()).decode(),
            "chances": chances(len(pictures))}
    with open(PAGE, encoding="utf-8") as file:
        return file.read().replace("QUIZ", json.dumps(quiz))


def data_uri(picture):
    """A picture, uint8 [h, w, 1 or 3], as the address of a PNG that it contains itself."""
    file = io.BytesIO()
    Image.fromarray(np.squeeze(picture, 2) if picture.shape[2] == 1 else picture).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def chances(n):
    """For each score 0..n, the chance that mere guessing, 50 % each time, reaches it or more (binomial, exact)."""
    ways = [math.comb(n, k) for k in range(n + 1)]
    return [sum(ways[k:]) / 2**n for k in range(n + 1)]
