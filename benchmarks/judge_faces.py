"""Judge drawn faces by a network that recognises traits in a picture.

  python benchmarks/judge_faces.py --checkpoint_dir checkpoint --count 1000

data/make_faces.py knows the traits of the faces that it draws. A small convolutional network learns ten of them from
1,600 of the first 2,000 faces in data/aligned; its accuracy on the other 400 is printed, and how often each trait
occurs among data and among samples of a model, which it classifies; then Fréchet distances to the 400 faces, in the
features before its last layer: of 1,000 of the faces it has learnt from, of uniform noise, and of samples.
"""
import os
import sys
import tempfile

import machine
from machine import ROOT, at_least, file_type, path_type

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import make_faces
import numpy as np
from PIL import Image
from tensorflow import keras
from tensorflow.keras import layers

from gantut.checkpoints import model_sizes
from gantut.metrics import frechet
from gantut.paths import find_model
from gantut.scripts import argument_parser

LEARNT, HELD_OUT = slice(0, 1600), slice(1600, 2000)
TRAITS = {
    "dark skin": lambda t: t["skin"].mean() < 150, "dark hair": lambda t: t["hair"].mean() < 60,
    "bald": lambda t: t["style"] == "bald", "long hair": lambda t: t["style"] == "long",
    "beard": lambda t: t["beard"] != "none", "glasses": lambda t: t["glasses"] != "none",
    "open mouth": lambda t: t["open"] > 0.2, "lipstick": lambda t: t["lipstick"] > 0.3,
    "light from the left": lambda t: t["light"][0] < 0, "bright ground": lambda t: t["ground"].mean() > 125,
}


def load(paths, size):
    """Pictures as float32 [N, size, size, 3] in [0, 1]."""
    return np.array([np.asarray(Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BOX))
                     for path in paths], np.float32) / 255


def aligned(size):
    """The first faces in data/aligned, [2000, size, size, 3] in [0, 1], and their traits, [2000, 10]."""
    folder = os.path.join(ROOT, "data", "aligned")
    traits = [make_faces.face_traits(np.random.RandomState([1, i])) for i in range(2000)]
    return (load([os.path.join(folder, f"face_{i:05d}.jpg") for i in range(2000)], size),
            np.array([[trait(t) for trait in TRAITS.values()] for t in traits], np.float32))


def train_reader(images, traits):
    """Train a network on images [N, size, size, 3]; it returns features [N, 32] and probabilities [N, 10]."""
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input(images.shape[1:])
    for augment in (layers.RandomTranslation(0.05, 0.05), layers.RandomBrightness(0.1, (0, 1))):  # while it trains
        x = augment(x)
    while x.shape[1] > 4:
        x = layers.Conv2D(min(16 * images.shape[1] // x.shape[1], 64), 5, 2, "same", activation="relu")(x)
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    features = layers.Dense(32, activation="elu")(x)
    model = keras.Model(inputs, layers.Dense(len(TRAITS), activation="sigmoid")(features))
    model.compile("adam", "binary_crossentropy")
    model.fit(images, traits, batch_size=50, epochs=30, verbose=0)
    return keras.Model(inputs, [features, model.output])


class Judge:
    """A classifier of traits at one size, and its features of the faces that it was not trained on."""

    def __init__(self, size):
        images, traits = aligned(size)
        self.reader = train_reader(images[LEARNT], traits[LEARNT])
        self.learnt, self.frequencies = images[:1000], traits.mean(axis=0)
        self.features, probabilities = self.look(images[HELD_OUT])
        self.accuracy = ((probabilities > 0.5) == traits[HELD_OUT]).mean(axis=0)

    def look(self, images):
        return self.reader.predict(images, batch_size=500, verbose=0)

    def __call__(self, images):
        """(Fréchet distance, how often each trait occurs [10]) of images [N, size, size, 3] in [0, 1]."""
        features, probabilities = self.look(images)
        return frechet(features, self.features), (probabilities > 0.5).mean(axis=0)


def draw(checkpoint_dir, count, *flags):
    """The paths of samples of a model, drawn by gantut_sample.py, and the temporary folder that holds them."""
    folder = tempfile.TemporaryDirectory()
    machine.trained([sys.executable, os.path.join(ROOT, "gantut_sample.py"), "--mode", "images", "--out", folder.name,
                     "--checkpoint_dir", checkpoint_dir, "--count", str(count), "--seed", "1", *flags])
    return [os.path.join(folder.name, name) for name in sorted(os.listdir(folder.name))], folder


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--checkpoint_dir", type=path_type, nargs="+", default=["checkpoint"])
    parser.add_argument("--count", type=at_least(2), default=1000, help="samples of each model [1000]")
    parser.add_argument("--size", type=at_least(1), default=64, help="pixels, as the models draw [64]")
    parser.add_argument("--json", type=file_type, help="write every figure, and the machine, to this file")
    args = parser.parse_args()
    for checkpoint_dir in args.checkpoint_dir:
        model_sizes(find_model(checkpoint_dir))  # raises UserError if there is no model
    judge = Judge(args.size)
    judged = {"data": judge.learnt, "noise": np.random.RandomState(1).uniform(0, 1, judge.learnt.shape)}
    for checkpoint_dir in args.checkpoint_dir:
        paths, folder = draw(checkpoint_dir, args.count)
        judged[checkpoint_dir] = load(paths, args.size)
        folder.cleanup()
    results = {name: judge(images) for name, images in judged.items()}
    machine.write_figures(args.json, accuracy=judge.accuracy.tolist(), samples={
        name: {"frechet": distance, "traits": often.tolist()} for name, (distance, often) in results.items()})
    machine.table(["", "Fréchet distance", *TRAITS], [
        ["accuracy on 400 held-out faces", "", *(f"{x:.0%}" for x in judge.accuracy)],
        ["how often in data/aligned", "", *(f"{x:.0%}" for x in judge.frequencies)],
        *([name, f"{distance:.1f}", *(f"{x:.0%}" for x in often)]
          for name, (distance, often) in results.items())])


if __name__ == "__main__":
    machine.run(main, "stopped")
