"""What the four lessons share: handwritten digits, 28 x 28, the flags, the loss curves.

The lessons' texts all take MNIST. Here --data may be

    digits         scikit-learn's 1,797 digits of 8 x 8, scaled to 28 x 28: data/digits.npz, no download (default)
    mnist          MNIST itself, from tf.keras.datasets, which downloads it once
    FILE.npz       MNIST without a download: x_train, y_train, x_test, y_test as in Keras's mnist.npz; or any images
                   and labels
    FOLDER         MNIST's own IDX files (train-images-idx3-ubyte and so on), gzipped or not
"""
import argparse
import contextlib
import os
import pickle as pkl
import re
import sys
import zipfile
import zlib

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from PIL import Image

from gantut import scripts
from gantut.checkpoints import check_folder
from gantut.errors import UserError, locked, one_line, put_aside, whole, write_whole
from gantut.images import read_idx, save_figure
from gantut.paths import place
from gantut.scripts import argument_parser, at_least

DIGITS = place("data", "digits.npz")
RESULTS = r"(generator\.keras|checkpoints|train_losses\.pkl|(losses|samples|digit|iteration-\d+|epoch-.*)\.png)"
LOSSES = "train_losses.pkl"
IDX = {"train": "train", "test": "t10k"}
exits = contextlib.ExitStack()  # what a lesson holds until it ends


def load(data="digits", part="train"):
    """Load digits: the training set (part "train") or the test set ("test").

    data: see above. The first 1,500 of the 1,797 digits are for training. All images of an .npz with images and labels
    are for training. Digits that are sorted by class are put in a random order, see mixed().
    Returns images [N, 28, 28], float32 in [0, 1], ink = 1, and labels [N], int64. Raises UserError, one line.
    """
    if data == "digits":
        with np.load(DIGITS) as file:
            images, labels = scale(file["images"] / 16), file["labels"].astype(np.int64)
        return (images[:1500], labels[:1500]) if part == "train" else (images[1500:], labels[1500:])
    try:
        if data == "mnist":
            images, labels = download(part)
        elif os.path.isdir(data):
            images, labels = (read_file(data, f"{IDX[part]}-{name}-ubyte") for name in ("images-idx3", "labels-idx1"))
        else:
            images, labels = read_npz(data, part)
        images, labels = np.asarray(images), np.asarray(labels)
        return mixed(check(images, labels), labels.astype(np.int64))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(f"--data {data}: {one_line(error)}") from None


def scale(images):
    """Scale images [N, h, w] in [0, 1] to [N, 28, 28], float32, bilinearly (with antialiasing if they are larger)."""
    return np.stack([np.asarray(Image.fromarray(image.astype(np.float32)).resize((28, 28), Image.BILINEAR))
                     for image in images])


def download(part):
    from tensorflow.keras.datasets import mnist
    try:
        return mnist.load_data()[part == "test"]
    except Exception as error:  # urllib and Keras raise many kinds, also plain Exception
        raise ValueError(f"cannot be downloaded ({error}); without a network use --data FILE, Keras's mnist.npz "
                         "downloaded by hand, or --data digits") from None


def read_file(folder, name):
    """Read one of the IDX files in a folder, gzipped or not."""
    paths = [os.path.join(folder, name + suffix) for suffix in ("", ".gz")]
    path = next((path for path in paths if os.path.isfile(path)), None)
    if path is None:
        raise ValueError(f"no {name} or {name}.gz in that folder")
    try:
        return read_idx(path)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def read_npz(path, part):
    if not os.path.exists(path):
        raise ValueError("no such file or folder (digits, mnist, an .npz, or a folder of IDX files)")
    if not os.path.isfile(path):  # reading a pipe or a device may never end
        raise ValueError("is neither a file nor a folder")
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("is not an .npz, or is truncated")
    try:
        with np.load(path) as file:
            names = (f"x_{part}", f"y_{part}") if f"x_{part}" in file or part == "test" else ("images", "labels")
            found = ", ".join(file.files)
            if set(names) <= set(file.files):
                return tuple(file[name] for name in names)
    except Exception as error:  # np.load raises many kinds for a damaged file
        raise ValueError(f"is damaged, or not an .npz of arrays ({one_line(error)})") from None
    raise ValueError(f"has no x_{part} and y_{part}, but {found}")


def check(images, labels):
    """Convert bytes or numbers in [0, 1], [N, 28, 28], [N, 28, 28, 1] or [N, 784], to float32 [N, 28, 28] in [0, 1].

    N is at least 2: mnist_gan.py draws the second image.
    """
    shape, kind = images.shape, images.dtype
    if shape[1:] not in ((28, 28), (28, 28, 1), (784,)) or shape[0] < 2 or kind.kind not in "biuf":
        raise ValueError(f"images of shape {shape}, type {kind}, are not two or more digits of 28 x 28")
    if labels.shape != images.shape[:1]:
        raise ValueError(f"labels of shape {labels.shape} for {len(images)} images")
    if labels.dtype.kind not in "iuf" or np.any(labels % 1 != 0):
        raise ValueError("labels are not whole numbers")
    images = images.reshape(-1, 28, 28).astype(np.float32) / (255 if images.dtype == np.uint8 else 1)
    if not (0 <= images.min() and images.max() <= 1):  # also true for nan
        raise ValueError("images are neither bytes (uint8) nor numbers in [0, 1]")
    return images


def mixed(images, labels):
    """Images and labels in the same random order, always the same one, if they are sorted by class; MNIST is not.

    A lesson shuffles as its text does, keras_gan.py only 1,000 at a time: its batches would be of one class.
    """
    if np.sum(labels[1:] != labels[:-1]) < len(labels) / 2:  # 0.9 of them, of ten classes in a random order
        order = np.random.RandomState(0).permutation(len(labels))
        images, labels = images[order], labels[order]
    return images, labels


def batches(images, batch_size, rng):
    """Yield [batch_size, 28, 28] without end: a new order in each pass, nothing left out (input_data's next_batch)."""
    rest = images[:0]
    while True:
        while len(rest) < batch_size:
            rest = np.concatenate([rest, images[rng.permutation(len(images))]])
        yield rest[:batch_size]
        rest = rest[batch_size:]


def flags(doc, unit, default, beta1=None):
    """Parse the flags of a lesson and make the folder out_dir. unit: what its text counts, "epochs" or "steps".

    beta1: default of the flag --beta1, for a lesson that has it.
    """
    def fraction(text):
        if not 0 <= float(text) < 1:
            raise argparse.ArgumentTypeError(f"'{text}' is not at least 0 and below 1")
        return float(text)

    script = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    parser = argument_parser(doc)
    parser.add_argument("--" + unit, type=at_least(1), default=default, help=f"how long to train [{default}]")
    parser.add_argument("--data", type=os.path.expanduser, default="digits",
                        help="digits; mnist, a download; its file mnist.npz or folder of IDX files [digits]")
    parser.add_argument("--out_dir", type=os.path.expanduser, default=f"runs/{script}",
                        help=f"folder for the results [runs/{script}]")
    parser.add_argument("--seed", type=at_least(0), default=1, help="seed of weights, noise and order [1]")
    if beta1 is not None:
        parser.add_argument("--beta1", type=fraction, default=beta1, help=f"momentum term of both Adams [{beta1}]")
    args = parser.parse_args()
    check_folder(args.out_dir, "out_dir")
    try:
        os.makedirs(args.out_dir, exist_ok=True)
    except OSError as error:
        parser.error(f"--out_dir {args.out_dir}: {error.strerror}")
    return args


def start(out_dir):
    """Put the results of an earlier run aside: a new one writes files of the same names.

    The losses are a lesson's first file, so that whatever has such a name without them is another program's: it is
    refused. Until this lesson ends, no other one can write there.
    """
    exits.close()  # of an earlier lesson in the same notebook
    there = sorted(name for name in (os.listdir(out_dir) if os.path.isdir(out_dir) else [])
                   if re.fullmatch(RESULTS, name))
    if there and LOSSES not in there:
        raise UserError(f"--out_dir {out_dir}: {os.path.join(out_dir, there[0])} exists and is not from a lesson "
                        f"({LOSSES} is not there); give another")
    exits.enter_context(locked(out_dir, ".run", "--out_dir"))
    put_aside(out_dir, RESULTS)
    write_losses([], out_dir)


def write_losses(losses, out_dir):
    """Save the losses of D and G, [n, 2], as train_losses.pkl; a lesson does so whenever it saves its generator."""
    write_whole(os.path.join(out_dir, LOSSES), pkl.dumps(losses))


def save_losses(losses, out_dir, unit):
    """Save the losses of D and G in each unit, [n, 2], and plot them as losses.png."""
    write_losses(losses, out_dir)
    losses = np.array(losses)
    fig = Figure()
    ax = fig.subplots()
    ax.plot(losses.T[0], label="Discriminator", c="b")
    ax.plot(losses.T[1], label="Generator", c="r")
    ax.set_title("Training Losses")
    ax.set_xlabel(unit)
    ax.legend()
    save_figure(fig, os.path.join(out_dir, "losses.png"))


def save_model(model, out_dir, name="generator"):
    """Save a Keras model as generator.keras."""
    path = os.path.join(out_dir, name + ".keras")
    with whole(path, os.path.join(out_dir, name + ".part.keras")) as part:  # Keras needs this extension
        model.save(part)


def run(main):
    """Call main(); an error becomes one line on stderr and an exit code."""
    def lesson():
        try:
            with exits:
                main()
        except tf.errors.OpError as error:  # from its saver, for example on a full disk
            raise UserError(one_line(error)) from None

    scripts.run(lesson)
