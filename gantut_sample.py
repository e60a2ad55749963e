#!/usr/bin/env python3
"""Show what a trained GAN can do: samples, interpolation, a film, a quiz, a page that draws. Beyond the tutorial.

  python gantut_sample.py --mode grid --count 100
  python gantut_sample.py --mode quiz --dataset aligned

The sizes of the model are read from its checkpoint. Batch norm is in evaluation mode, and sample i of a seed is the
same picture in every mode, alone or in a batch.
"""
import os
import re

import gantut.quiet  # before TensorFlow, which it keeps quiet

import numpy as np
import tensorflow.compat.v1 as tf
from scipy.special import ndtr, ndtri
from tqdm import tqdm

import gantut.sampler
import gantut_imgfuncs
from gantut.datasets import check_number, find_dataset, list_pictures
from gantut.errors import UserError, check_outside, check_writable, is_there, say, write_whole, writing
from gantut.export import FORMATS, export_network, make_page, make_quiz
from gantut.flags import define, forget, run
from gantut.image_loader import Loader
from gantut.images import grid_size, pixels, read, reason, save_film
from gantut.sampler import BATCH, load_model
from gantut.seeding import random_state
from gantut.session import session_config
from gantut_gan import DCGAN, dataset_files
from gantut_imgfuncs import merge, save_images

flags = tf.app.flags
FLAGS = flags.FLAGS


def define_flags():
    forget()
    flags.DEFINE_enum("mode", "grid", list(MODES), "What to make [grid]")
    flags.DEFINE_string("checkpoint_dir", "checkpoint", "Directory of the trained model [checkpoint]")
    outs = ", ".join(out for _, out, _ in MODES.values())
    counts = ", ".join(f"{mode} {count}" for mode, (_, _, count) in MODES.items() if count)
    flags.DEFINE_string("out", None, f"File to write; a folder for images and a SavedModel [{outs}]")
    flags.DEFINE_integer("count", None, "How many samples; for interpolate and nearest how many rows, for the quiz how "
                         f"many of each kind [{counts}]", lower_bound=1)
    define("seed", "threads", "precision", "weights")
    flags.DEFINE_enum("path", "straight", ["straight", "spherical"], "interpolate: the path from z to z [straight]")
    flags.DEFINE_integer("steps", 8, "interpolate: pictures in a row, including both ends [8]", lower_bound=2)
    flags.DEFINE_list("a", [], "arithmetic, mean z of A - B + C: the samples A, by number as --mode grid shows them, "
                      "from 0, row by row: 1,5,9")
    flags.DEFINE_list("b", [], "arithmetic: the samples B")
    flags.DEFINE_list("c", [], "arithmetic: the samples C")
    flags.DEFINE_enum("walk", "closed", ["closed", "dimensions"], "walk: a smooth closed path, or each dimension of z "
                      "in turn [closed]")
    flags.DEFINE_integer("frames", None, "walk: frames of the closed walk, or of each dimension [60 or 8]",
                         lower_bound=2)
    flags.DEFINE_float("seconds", None, "walk, film: seconds per frame [0.05 or 0.2]", lower_bound=0.02,
                       upper_bound=655)  # a GIF counts hundredths in 16 bits
    flags.DEFINE_string("sample_dir", "samples", "film: the folder with epoch_NN.png from the training [samples]")
    flags.DEFINE_string("dataset", None, "nearest: folder of the training's pictures; quiz: of real ones; or the "
                        "name of one under data/.")
    define("is_crop", "crop_size", "skip_bad_images", where="nearest, quiz, as in the training: ")
    flags.DEFINE_integer("neighbours", 5, "nearest: training pictures shown beside each sample [5]", lower_bound=1)
    flags.DEFINE_enum("format", "saved_model", list(FORMATS), "export: for TensorFlow, ONNX or TensorFlow Lite "
                      "[saved_model]")
    flags.DEFINE_enum("network", "G", ["G", "D"], "export: the generator, z -> images in [0, 1], or the discriminator, "
                      "images in [0, 1] -> probability and logits of being real [G]")

    flags.register_multi_flags_validator(["mode", "count"], lambda f: (f["count"] or 0) <= (
        10**6 if f["mode"] == "images" else 10**4), "--count must be 10,000 or less, with --mode images 1,000,000")
    flags.register_multi_flags_validator(["mode", "dataset"], lambda f: f["dataset"] or f["mode"] not in (
        "nearest", "quiz"), "--mode nearest and quiz need --dataset: the training's pictures, or real ones for quiz")
    flags.register_multi_flags_validator(["mode", "a", "b", "c"], lambda f: f["mode"] != "arithmetic" or (
        f["a"] and f["b"] and f["c"]), "--mode arithmetic needs --a, --b and --c, for example --a 1,5,9 --b 2,3 --c 4")


def Sampler(sess, checkpoint_dir, seed, weights="auto"):
    """A Sampler (gantut/sampler.py) for the newest checkpoint in a folder."""
    return gantut.sampler.Sampler(load_model(DCGAN, sess, checkpoint_dir, weights), seed)


def grid(sampler, config):
    """A grid of samples."""
    images = sampler.draw_all(sampler.noise(range(config.count)))
    with writing(config.out):
        save_images(images, grid_size(config.count), config.out)


def images(sampler, config):
    """Samples as single pictures, image_00000.png, ..., as tools that compute FID need them."""
    paths = [os.path.join(config.out, f"image_{i:05d}.png") for i in range(config.count)]
    with writing(config.out):
        os.makedirs(config.out, exist_ok=True)
    others = set(list_pictures(config.out, say=False)).difference(paths)
    if others:
        example = os.path.basename(min(others))
        raise UserError(f"{len(others)} other picture(s) in {config.out}, for example {example}: they would count as "
                        "samples; give another --out, or remove them")
    for start in tqdm(range(0, config.count, BATCH), "drawing", disable=None, leave=False):
        batch = paths[start:start + BATCH]
        drawn = sampler.draw_all(sampler.noise(range(start, start + len(batch))))
        for path, image in zip(batch, drawn):
            check_same(path, pixels(image))
        with writing(config.out):
            for path, image in zip(batch, drawn):
                save_images(image[np.newaxis], [1, 1], path)


def check_same(path, image):
    """Raise UserError if path has another picture than image, uint8 [h, w, c_dim], but for rounding."""
    if is_there(path):
        try:
            found = read(path)
            same = found.shape[:2] == image.shape[:2] and np.abs(np.int16(found) - image).mean() <= 1
        except Exception:  # a broken file may make Pillow raise anything
            same = False
        if not same:
            raise UserError(f"{path} exists and is another picture: give another --out, or remove it")


def interpolate(sampler, config):
    """Rows of pictures on the path from one sample to another: from 0 to 1, from 2 to 3, ..."""
    between = {"straight": straight, "spherical": spherical}[config.path]
    start, end = (sampler.noise(range(first, 2 * config.count, 2)) for first in (0, 1))
    z = np.stack([between(start, end, t) for t in np.linspace(0, 1, config.steps)], axis=1)  # [count, steps, z_dim]
    images = sampler.draw_all(z.reshape([-1, z.shape[2]]))
    with writing(config.out):
        save_images(images, [config.count, config.steps], config.out)


def straight(a, b, t):
    """The point at t in [0, 1] on the straight line from a to b."""
    return (1 - t) * a + t * b


def spherical(a, b, t):
    """The point at t in [0, 1] on the arc from a to b, both [N, z_dim]: angle and norm change linearly.

    From arXiv 1609.04468. A straight line between typical z passes too near to 0, where no z of the training was; the
    arc does not, but some of its entries may leave [-1, 1]. If a and b are on one line, there is no arc, and the
    straight line is used.
    """
    norm_a, norm_b = (np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    angle = np.arccos(np.clip((a * b).sum(axis=1, keepdims=True) / (norm_a * norm_b), -1, 1))
    one_line = np.sin(angle) < 1e-6
    sine, norm = np.where(one_line, 1, np.sin(angle)), straight(norm_a, norm_b, t)
    arc = a * (np.sin((1 - t) * angle) / sine * (norm / norm_a)) + b * (np.sin(t * angle) / sine * (norm / norm_b))
    return np.where(one_line, straight(a, b, t), arc)


def arithmetic(sampler, config):
    """Mean z of A - mean z of B + mean z of C (Radford et al. 2015, section 6.3.2).

    A row for each of A, B and C: first the picture of its mean, then the chosen samples; below them the picture of the
    result. As in the paper, the result's z is not clipped, although some of its entries may leave [-1, 1].
    """
    groups = [sampler.noise(sample_numbers(words, config.count)) for words in (config.a, config.b, config.c)]
    a, b, c = (group.mean(axis=0) for group in groups)
    rows = [np.vstack([mean, group]) for mean, group in zip([a, b, c], groups)] + [[a - b + c]]
    columns = max(map(len, rows))
    images = np.full([len(rows), columns] + sampler.dcgan.image_shape, -1, dtype=np.float32)  # black where nothing is
    for cells, row in zip(images, rows):
        cells[:len(row)] = sampler.draw_all(np.array(row))
    with writing(config.out):
        save_images(images.reshape([-1] + sampler.dcgan.image_shape), [len(rows), columns], config.out)


def sample_numbers(words, count):
    """The numbers of the samples that the user chose, from words like ["1", "5"]; all must be below count."""
    for word in words:
        if not (word.isdecimal() and int(word) < count):
            raise UserError(f"no sample {word} in a grid of {count}: its samples are 0 to {count - 1}; --count makes a "
                            "larger grid")
    return [int(word) for word in words]


def walk(sampler, config):
    """A film of samples whose z moves and returns to its start."""
    frames = config.frames or {"closed": 60, "dimensions": 8}[config.walk]
    if config.walk == "closed":
        z = closed_walk(*(sampler.noise(range(first, first + config.count)) for first in (0, config.count)), frames)
    else:
        z = dimension_walk(sampler.noise(range(config.count)), frames)
    film = draw_frames(sampler, z)
    with writing(config.out):
        save_film(film, config.out, config.seconds or 0.05)


def draw_frames(sampler, z):
    """Draw z [frames, N, z_dim]: the frames of a film, uint8 [frames, h, w, c_dim], each a grid of N images."""
    pictures = np.concatenate([pixels(images) for images in sampler.draw(z.reshape([-1, z.shape[2]]))])
    return [np.uint8(merge(frame, grid_size(z.shape[1])))
            for frame in pictures.reshape(z.shape[:2] + pictures.shape[1:])]


def closed_walk(a, b, frames):
    """A smooth closed path from a through b, -a and -b, all [N, z_dim] in [-1, 1]: z [frames, N, z_dim].

    It is a circle in the space where z is normally distributed; so the z of every frame are uniform in [-1, 1], as in
    the training, not only a and b.
    """
    angle = 2 * np.pi * np.arange(frames).reshape([-1, 1, 1]) / frames
    normal_a, normal_b = ndtri((a + 1) / 2), ndtri((b + 1) / 2)
    return 2 * ndtr(np.cos(angle) * normal_a + np.sin(angle) * normal_b) - 1


def dimension_walk(z, frames):
    """Each dimension of z [N, z_dim] in turn goes to 1, to -1 and back: z [z_dim * frames, N, z_dim]."""
    walks = np.tile(z, [z.shape[1], frames, 1, 1])  # [z_dim, frames, N, z_dim]
    for d in range(z.shape[1]):
        for i, start in enumerate(z[:, d]):
            walks[d, :, i, d] = np.interp(np.arange(frames) / frames, [0, 0.25, 0.75, 1], [start, 1, -1, start])
    return walks.reshape([-1] + list(z.shape))


def film(config):
    """The training as a film: the same z after each epoch, from the pictures that the training wrote to sample_dir."""
    found = {int(name[6:-4]): os.path.join(config.sample_dir, name) for name in list_folder(config.sample_dir)
             if re.fullmatch(r"epoch_\d+\.png", name)}
    if not found:
        raise UserError(f"no epoch_NN.png in {config.sample_dir}: train a model first, or give its folder with "
                        "--sample_dir")
    frames = []
    for _, path in sorted(found.items()):
        try:
            frame = read(path)
        except Exception as error:  # a broken file may make Pillow raise anything
            say(f"{path}: {reason(error)}: left out")
            continue
        if frames and frame.shape != frames[0].shape:
            raise UserError(f"{path} has another size than the pictures before it: the film needs those of one "
                            "training")
        frames.append(frame)
    if not frames:
        raise UserError(f"none of the epoch_NN.png in {config.sample_dir} is a picture")
    with writing(config.out):
        save_film(frames, config.out, config.seconds or 0.2)


def list_folder(folder):
    return os.listdir(folder) if os.path.isdir(folder) else []


def nearest(sampler, config):
    """Each sample with the nearest training pictures beside it; distance: root mean square over the pixels."""
    files, loader = training_pictures(sampler, config, needed=1)
    samples = sampler.draw_all(sampler.noise(range(config.count)))
    found = [[] for _ in samples]  # the nearest so far of each sample: (distance, path, picture)
    for start in tqdm(range(0, len(files), BATCH), "comparing", disable=None, leave=False):
        paths, pictures = load_good(loader, files[start:start + BATCH], config.skip_bad_images)
        for i, sample in enumerate(samples):
            distances = np.sqrt(((pictures - sample)**2).mean(axis=(1, 2, 3)))
            found[i] = sorted([*found[i], *zip(distances, paths, pictures)], key=lambda one: one[0])[:config.neighbours]
            found[i] = [(distance, path, picture.copy()) for distance, path, picture in found[i]]  # frees the batch
    if not found[0]:
        raise UserError(f"none of the pictures in {config.dataset} can be read")
    for i, near in enumerate(found):
        print(f"sample {i}: {near[0][1]} at {near[0][0]:.3f}")
    sheet = np.array([image for sample, near in zip(samples, found) for image in [sample, *(one[2] for one in near)]])
    with writing(config.out):
        save_images(sheet, [len(samples), len(sheet) // len(samples)], config.out)


def training_pictures(sampler, config, needed):
    """The pictures of the training: their paths, and a Loader that reads them as the training did.

    Raises UserError if there are fewer than needed, or if some have the wrong size.
    """
    root = find_dataset(config.dataset)
    files = dataset_files(root)
    check_outside(config.out, root, "out", files)
    loader = Loader(gantut_imgfuncs, sampler.dcgan.image_size, config.is_crop, config.crop_size, sampler.dcgan.c_dim)
    files, _ = loader.look_over(files, config.skip_bad_images)
    check_number(files, root)
    if len(files) < needed:
        raise UserError(f"{len(files)} picture(s) in {root}: use --count {len(files)} or less")
    return files, loader


def load_good(loader, paths, skip_bad, count=np.inf):
    """Read pictures, up to count: (their paths, float32 [N, size, size, c_dim] in [-1, 1]).

    If skip_bad, a picture that is broken after its header is left out and named on stderr; otherwise raises UserError.
    """
    good, pictures = [], []
    for path in paths:
        if len(good) == count:
            break
        try:
            pictures.append(loader.load(path))
            good.append(path)
        except UserError as error:
            if not skip_bad:
                raise UserError(f"{error}; remove or replace such a file, or leave it out with "
                                "--skip_bad_images") from None
            say(str(error))
    return good, np.array(pictures).reshape([-1, loader.image_size, loader.image_size, loader.c_dim])


def quiz(sampler, config):
    """The quiz, real or fake? A page that works offline in any browser."""
    files, loader = training_pictures(sampler, config, needed=config.count)
    rng = random_state(config.seed, "quiz")
    good, real = load_good(loader, [files[i] for i in rng.permutation(len(files))], config.skip_bad_images,
                           config.count)
    if len(good) < config.count:
        raise UserError(f"{len(good)} picture(s) in {config.dataset} can be read: use --count {len(good)} or less")
    fake = sampler.draw_all(sampler.noise(range(config.count)))
    with writing(config.out):
        write_whole(config.out, make_quiz(pixels(real), pixels(fake), rng))


def export(sampler, config):
    """The generator or the discriminator for other runtimes; gantut/export.py describes its input and output."""
    export_network(DCGAN, sampler.sizes(), sampler.numbers(), config.network, config.format, config.out)


def page(sampler, config):
    """A page that draws faces while you move sliders. It works offline in any browser."""
    text = make_page(sampler.numbers(), sampler.dcgan.g_bns[0].epsilon, config.seed)
    with writing(config.out):
        write_whole(config.out, text)


MODES = {  # the function of a mode, its default --out and --count
    "grid": (grid, "grid.png", 64),
    "images": (images, "images", 10000),
    "interpolate": (interpolate, "interpolate.png", 8),
    "arithmetic": (arithmetic, "arithmetic.png", 64),
    "walk": (walk, "walk.gif", 16),
    "film": (film, "film.gif", None),
    "nearest": (nearest, "nearest.png", 8),
    "quiz": (quiz, "quiz.html", 10),
    "export": (export, "export", None),
    "page": (page, "page.html", None),
}


def main():
    mode, out, count = MODES[FLAGS.mode]
    out = FORMATS[FLAGS.format] if mode is export else out
    FLAGS.out = FLAGS.out or out
    FLAGS.count = FLAGS.count or count
    extension = os.path.splitext(out)[1]
    if not FLAGS.out.lower().endswith(extension):
        raise UserError(f"--mode {FLAGS.mode} writes a {extension} file: --out {FLAGS.out} should end in that")
    meant = [form for form, name in FORMATS.items() if name.endswith(os.path.splitext(FLAGS.out)[1] or "/")]
    if mode is export and meant and FLAGS.format not in meant:
        raise UserError(f"--out {FLAGS.out} is the name of another format's file: add --format {meant[0]}")
    if os.path.isfile(FLAGS.out):
        say(f"{FLAGS.out} exists and will be overwritten")
    if extension:
        check_writable(FLAGS.out)
    with writing(FLAGS.out):
        os.makedirs(os.path.dirname(os.path.abspath(FLAGS.out)), exist_ok=True)
    if mode is film:  # needs no model
        film(FLAGS)
    else:
        with tf.Session(config=session_config(FLAGS.threads, FLAGS.precision)) as sess:
            mode(Sampler(sess, FLAGS.checkpoint_dir, FLAGS.seed, FLAGS.weights), FLAGS)
    print(f"wrote {FLAGS.out}")


def command():
    """What gantut-sample calls."""
    define_flags()
    run(main)


if __name__ == "__main__":
    command()
