"""Judge the lessons' digits by a classifier of real digits.

  python benchmarks/judge_digits.py mnist_gan=runs/mnist_gan keras_gan=runs/keras_gan
  python benchmarks/judge_digits.py --data mnist.npz mnist_gan=runs/mnist_gan gantut_trainer=checkpoint

Each argument names a lesson in variants/ and the folder that a run of it left (--out_dir), or gantut_trainer and its
--checkpoint_dir. A small convolutional network learns the 1,500 training digits, or MNIST's 60,000; its accuracy on
the 297 or 10,000 held-out ones is printed. It then classifies 1,000 samples of each generator. The table says how many
of the ten classes make up 2 % or more, the mean confidence (the greatest of the ten probabilities), and the Fréchet
distance between samples and held-out digits in the features before the last layer. Its first rows are 1,000 of the
training digits, the same scaled to 32 x 32 and back, as the trainer learns and its samples are judged, and uniform
noise. lessons.py trains the runs.
"""
import os
import subprocess
import sys
import tempfile

import machine
from machine import ROOT, at_least, file_type, path_type

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import judge_faces
import mnist
import numpy as np
from PIL import Image
from tensorflow import keras
from tensorflow.keras import layers

import gantut_imgfuncs
from gantut.errors import UserError
from gantut.metrics import frechet
from gantut.scripts import argument_parser

VARIANTS = os.path.join(ROOT, "variants")
GENERATORS = {"mnist_gan": "checkpoints/checkpoint", "mnist_dcgan": "checkpoints/checkpoint",
              "keras_gan": "generator.keras", "keras_dcgan": "generator.keras", "gantut_trainer": "checkpoint"}

# In a process of its own: a lesson in graph mode switches eager execution off, which Keras needs.
GENERATE = """
import importlib, sys
variants, lesson, folder, count, out = sys.argv[1:]
sys.path.insert(0, variants)
import mnist, numpy as np
lesson = importlib.import_module(lesson)
np.save(out, lesson.generate(folder, lesson.sample_noise(np.random.RandomState(1), int(count))))
"""


def parse_runs(arguments):
    """Turn LESSON=FOLDER into (lesson, folder); raises UserError unless the folder holds that lesson's generator."""
    runs = [(lesson, os.path.expanduser(folder)) for lesson, _, folder in (one.partition("=") for one in arguments)]
    for lesson, folder in runs:
        if lesson not in GENERATORS or not folder:
            raise UserError(f"{lesson}={folder}: say LESSON=FOLDER, LESSON one of {', '.join(GENERATORS)}")
        if not os.path.exists(os.path.join(folder, GENERATORS[lesson])):
            raise UserError(f"{folder} holds no generator of {lesson} ({GENERATORS[lesson]})")
    return runs


def generate(lesson, folder, count):
    """Make count digits [count, 28, 28] in [0, 1] by the generator of the lesson that was saved in folder."""
    if lesson == "gantut_trainer":
        try:
            paths, samples = judge_faces.draw(folder, count)
        except UserError:  # it has said why
            raise UserError(f"{folder}: no digits from {lesson}") from None
        with samples:
            return read(paths)
    with tempfile.TemporaryDirectory() as temporary:
        out = os.path.join(temporary, "digits.npy")
        process = subprocess.run([sys.executable, "-c", GENERATE, VARIANTS, lesson, folder, str(count), out],
                                 capture_output=True, text=True)
        if process.returncode != 0:
            raise UserError(f"{folder}: no digits from {lesson}: {machine.last_line(process.stderr)}")
        return (np.load(out) + 1) / 2


def write(images, folder):
    """Write images [N, 28, 28] in [0, 1] as PNGs into a folder, for the trainer."""
    os.makedirs(folder, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(np.uint8(np.round(image * 255))).save(os.path.join(folder, f"{i:05d}.png"))


def read(paths):
    """Gray pictures, scaled to [N, 28, 28], in [0, 1]."""
    return np.array([np.asarray(Image.open(path).convert("L").resize((28, 28), Image.Resampling.BOX))
                     for path in paths]) / 255


def train_classifier(images, labels):
    """Train a network on images [N, 28, 28] in [0, 1]; it returns features [N, 32] and probabilities [N, 10]."""
    epochs = max(60000 // len(images), 10)  # 40 of the 1,500 digits
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((28, 28, 1))
    for augment in (layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
                    layers.RandomRotation(0.05, fill_mode="constant"),
                    layers.RandomZoom(0.1, 0.1, fill_mode="constant")):  # while it trains, only
        x = augment(x)
    x = layers.Conv2D(16, 5, strides=2, padding="same", activation="relu")(x)  # [N, 14, 14, 16]
    x = layers.Conv2D(32, 5, strides=2, padding="same", activation="relu")(x)  # [N, 7, 7, 32]
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    features = layers.Dense(32, activation="elu")(x)  # [N, 32], far fewer than the held-out digits
    probabilities = layers.Dense(10, activation="softmax")(features)
    model = keras.Model(inputs, probabilities)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images[..., np.newaxis], labels, batch_size=50, epochs=epochs, verbose=0)
    return keras.Model(inputs, [features, probabilities])


def look(classifier, images):
    """The classifier's features [N, 32] and probabilities [N, 10] of images [N, 28, 28] in [0, 1]."""
    return classifier.predict(images[..., np.newaxis], batch_size=500, verbose=0)


def class_counts(probabilities):
    """How many of the images with these probabilities [N, 10] the classifier takes for each digit, [10]."""
    return np.bincount(probabilities.argmax(axis=1), minlength=10)


def coverage(probabilities):
    """How many of the ten digits are 2 % or more of the images with these probabilities [N, 10]."""
    return int((class_counts(probabilities) >= 0.02 * len(probabilities)).sum())


def confidence(probabilities):
    """Mean of the greatest probability of each image, of [N, 10]."""
    return float(probabilities.max(axis=1).mean())


def judge(classifier, images, held_out):
    """The figures of images [N, 28, 28] in [0, 1]. held_out: the features of the held-out digits, [M, 32]."""
    features, probabilities = look(classifier, images)
    return {"classes": coverage(probabilities), "confidence": confidence(probabilities),
            "frechet": frechet(features, held_out), "of each class": class_counts(probabilities).tolist()}


def scaled(image):
    """An image [28, 28] in [0, 1] scaled to 32 x 32, as the trainer does with --is_crop, and back, as read() does."""
    large = Image.fromarray(gantut_imgfuncs.center_crop(np.round(image * 255), 28, resize_w=32))
    return np.asarray(large.resize((28, 28), Image.Resampling.BOX)) / 255


def references(images, count):
    """The first rows of every table: digits to train on, as they are and by way of 32 x 32, and noise."""
    rng = np.random.RandomState(1)
    digits = rng.permutation(images)[:count]
    return {"training digits": digits, "scaled to 32 x 32 and back": np.array([scaled(digit) for digit in digits]),
            "noise": rng.uniform(0, 1, (count, 28, 28))}


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("runs", nargs="+", metavar="LESSON=FOLDER")
    parser.add_argument("--count", type=at_least(2), default=1000, help="samples of each generator [1000]")
    parser.add_argument("--data", type=path_type, default="digits",
                        help="what the lessons were trained on, as their --data [digits]")
    parser.add_argument("--json", type=file_type, help="write every figure, and the machine, to this file")
    args = parser.parse_args()
    runs = parse_runs(args.runs)
    images, labels = mnist.load(args.data, "train")
    held_out, held_out_labels = mnist.load(args.data, "test")
    judged = {**references(images, args.count),
              **{folder: generate(lesson, folder, args.count) for lesson, folder in runs}}

    classifier = train_classifier(images, labels)
    held_out_features, probabilities = look(classifier, held_out)
    accuracy = float((probabilities.argmax(axis=1) == held_out_labels).mean())
    print(f"the classifier's accuracy on {len(held_out)} held-out digits: {accuracy:.1%}\n")

    figures = {name: judge(classifier, digits, held_out_features) for name, digits in judged.items()}
    machine.write_figures(args.json, accuracy=accuracy, samples=figures)
    machine.table([f"{args.count} samples", "classes of ten", "mean confidence", "Fréchet distance"],
                  [[name, f["classes"], f"{f['confidence']:.3f}", f"{f['frechet']:.1f}"]
                   for name, f in figures.items()])


if __name__ == "__main__":
    machine.run(main, "stopped")
