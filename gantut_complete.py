#!/usr/bin/env python3
"""Fill in the missing part of a picture, which Part 5 names as a use of GANs. Beyond the tutorial.

  python gantut_complete.py --dataset portraits --count 16 --mask center

Semantic completion after Yeh et al. 2016 (arXiv 1607.07539), as in bamos/dcgan-completion.tensorflow: find the z whose
image G(z) agrees with the rest of the picture (contextual loss) and looks real to D (perceptual loss), and put its
pixels into the hole. It extends the graph from outside, through the tensors of DCGAN.
"""
import csv
import os

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import imageio.v3 as iio
import numpy as np
import tensorflow.compat.v1 as tf
from matplotlib.figure import Figure
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu
from tqdm import tqdm

import gantut_imgfuncs
from gantut.checkpoints import model_sizes
from gantut.completion import (
    FILM,
    HEADER,
    PLOT,
    RULE,
    TABLE,
    find_masks,
    mask_files,
    picture_names,
    put_results_aside,
    result_names,
    results,
    stem,
    try_to_write,
)
from gantut.datasets import check_number, find_dataset
from gantut.errors import UserError, all_whole, check_outside, locked, writing
from gantut.flags import define, forget, run
from gantut.image_loader import Loader
from gantut.images import grid_size, pixels, save_figure, save_film, to_uint8
from gantut.paths import find_model
from gantut.sampler import load_model
from gantut.seeding import file_number, random_state
from gantut.session import session_config
from gantut_gan import DCGAN, dataset_files
from gantut_imgfuncs import inverse_transform, merge

flags = tf.app.flags
FLAGS = flags.FLAGS
IN_FILM = 64  # so many pictures at most: each keeps all its frames in memory


def define_flags():
    forget()
    flags.DEFINE_string("dataset", None, "Picture, folder of pictures, or the name of a folder under data/.",
                        required=True)
    flags.DEFINE_integer("count", None, "How many of the folder's pictures, the first by name [all]", lower_bound=1)
    flags.DEFINE_string("checkpoint_dir", "checkpoint", "Directory of the trained model [checkpoint]")
    flags.DEFINE_string("out_dir", "completions", "Directory name to save the completions [completions]")
    flags.DEFINE_string("mask", "center", "random, center, left, full, grid or lowres; or a picture, " + RULE +
                        "; or a folder with a mask for each picture, with the same path and name [center]")
    define("is_crop", "crop_size", "seed", "threads", "precision", "weights")
    flags.DEFINE_enum("approach", "adam", ["adam", "hmc"], "Descend in z, or sample z [adam]")
    flags.DEFINE_integer("n_iter", 1000, "Iterations [1000]", lower_bound=1)
    flags.DEFINE_integer("restarts", 1, "How many z each picture starts from; the best is kept [1]", lower_bound=1)
    flags.DEFINE_float("lam", 0.1, "Weight of the perceptual loss [0.1]", lower_bound=0)
    flags.DEFINE_boolean("weighted", False, "Give kept pixels a greater weight near the hole [False]")
    flags.DEFINE_float("lr", 0.01, "Adam: learning rate [0.01]", lower_bound=0)
    flags.DEFINE_float("beta1", 0.9, "Adam: momentum [0.9]", lower_bound=0, upper_bound=0.9999999)
    flags.DEFINE_float("beta2", 0.999, "Adam: decay of squared gradients [0.999]", lower_bound=0, upper_bound=0.9999999)
    flags.DEFINE_float("hmc_eps", 0.001, "HMC: step [0.001]", lower_bound=0)
    flags.DEFINE_integer("hmc_l", 100, "HMC: leapfrog steps per iteration [100]", lower_bound=1)
    flags.DEFINE_float("hmc_beta", 0.2, "HMC: inverse temperature [0.2]", lower_bound=0)
    flags.DEFINE_float("hmc_anneal", 1.0, "HMC: factor of hmc_beta after each iteration [1.0]", lower_bound=0)
    flags.DEFINE_enum("blend", "none", ["none", "poisson"], "How the fill is blended into the picture [none]")
    flags.DEFINE_integer("film_every", 50, "Iterations between the frames of the film, of up to 64 pictures; 0 = no "
                         "film [50]", lower_bound=0)
    flags.DEFINE_integer("batch_size", 64, "How many z are computed at once [64]", lower_bound=1)
    flags.register_multi_flags_validator(["restarts", "batch_size"], lambda f: f["restarts"] <= f["batch_size"],
                                         "--restarts must be --batch_size or less, as they are computed at once")
    flags.register_multi_flags_validator(["mask", "weighted"], lambda f: f["mask"] != "full" or not f["weighted"],
                                         "--weighted needs a hole, and with --mask full nothing is missing")


class Completion:
    """The losses of completion and their gradient with respect to z, for each picture: [N] and [N, z_dim].

    loss = contextual + lam * perceptual (Yeh et al., equations 4 to 6). Contextual: sum of the absolute differences
    from the picture, weighted by pixel, and of those at low resolution. Perceptual: the generator's loss.
    """

    def __init__(self, dcgan):
        self.dcgan = dcgan
        self.weights = tf.placeholder(tf.float32, [None, dcgan.image_size, dcgan.image_size, 1], name="weights")
        self.lowres_weight = tf.placeholder(tf.float32, [], name="lowres_weight")
        self.contextual = (
            tf.reduce_sum(self.weights * abs(dcgan.G - dcgan.images), [1, 2, 3])
            + self.lowres_weight * tf.reduce_sum(abs(dcgan.lowres_G - dcgan.lowres_images), [1, 2, 3]))
        self.perceptual = tf.nn.sigmoid_cross_entropy_with_logits(
            logits=dcgan.D_logits_, labels=tf.ones_like(dcgan.D_logits_))[:, 0]
        self.loss = self.contextual + dcgan.lam * self.perceptual
        self.gradient = tf.gradients(self.loss, dcgan.z)[0]

    def energy(self, images, weights, lowres_weight):
        """Return the function z -> (loss [N], gradient [N, z_dim], contextual [N], perceptual [N], G) for N pictures.
        """
        dcgan = self.dcgan
        fetches = [self.loss, self.gradient, self.contextual, self.perceptual, dcgan.G]

        def evaluate(z):
            return dcgan.sess.run(fetches, {dcgan.z: z, dcgan.images: images, self.weights: weights,
                                            self.lowres_weight: lowres_weight, dcgan.is_training: False})
        return evaluate


def adam(z, energy, n_iter, lr=0.01, beta1=0.9, beta2=0.999):
    """Descend the energy of each row of z [N, z_dim] with Adam (arXiv 1412.6980), within [-1, 1].

    Yields, n_iter times, (z, what energy(z) returns) before the step.
    """
    m, v = np.zeros_like(z), np.zeros_like(z)
    for t in range(1, n_iter + 1):
        values = energy(z)
        yield z, values
        gradient = values[1]
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        step = lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + 1e-8)
        z = np.clip(z - step, -1, 1)


def hmc(z, energy, n_iter, rngs, eps=0.001, leapfrog=100, beta=0.2, anneal=1.0):
    """Sample each row of z [N, z_dim] from exp(-beta * energy) on [-1, 1] by Hamiltonian Monte Carlo (Neal 2011).

    The momentum is reflected where z reaches the boundary, so that the sampled distribution stays right. rngs: one
    RandomState for each row; each row is accepted or rejected by itself. Yields, n_iter times, (z, what energy(z)
    returns) before the iteration.
    """
    values = energy(z)
    for _ in range(n_iter):
        yield z, values
        momentum = np.array([rng.normal(size=z.shape[1]) for rng in rngs])
        new_z, new_values, new_momentum = z, values, momentum
        for _ in range(leapfrog):
            new_momentum = new_momentum - eps / 2 * beta * new_values[1]
            new_z = new_z + eps * new_momentum
            folded = np.mod(new_z + 1, 4)  # reflected at -1 and 1, any number of times
            new_z = np.where(folded > 2, 3 - folded, folded - 1)
            new_momentum = np.where(folded > 2, -new_momentum, new_momentum)
            new_values = energy(new_z)
            new_momentum = new_momentum - eps / 2 * beta * new_values[1]
        before = beta * values[0] + (momentum**2).sum(axis=1) / 2
        after = beta * new_values[0] + (new_momentum**2).sum(axis=1) / 2
        accept = np.log([rng.uniform() for rng in rngs]) < before - after  # Metropolis
        z = np.where(accept[:, np.newaxis], new_z, z)
        values = [choose(accept, new, old) for new, old in zip(new_values, values)]
        beta *= anneal


def choose(accept, new, old):
    """Take the rows of new where accept is True, those of old elsewhere."""
    return np.where(accept.reshape([-1] + [1] * (new.ndim - 1)), new, old)


def near_the_hole(mask):
    """Weights of the kept pixels, [h, w]: the missing fraction of the 7 x 7 around each (Yeh et al., equation 3)."""
    return mask * ndimage.uniform_filter((~mask).astype(np.float64), 7, mode="nearest")


def poisson_blend(picture, fill, mask):
    """Put fill into the hole of picture so that no edge shows: fill's gradients, and the picture's values around it.

    picture, fill: [h, w, channels]; mask: [h, w] bools, True = keep. Solves the Poisson equation inside the hole
    (Perez et al. 2003), with no condition where the hole meets the border of the picture.
    Returns [h, w, channels]; kept pixels are those of picture. A hole without any kept neighbour is filled with fill.
    """
    labels, _ = ndimage.label(~mask)
    touching = np.unique(labels[ndimage.binary_dilation(mask) & ~mask])
    hole = np.isin(labels, touching)
    result = np.where(mask[:, :, np.newaxis], picture, fill).astype(np.float64)
    if not hole.any():
        return result
    number = np.full(mask.shape, -1)
    number[hole] = np.arange(hole.sum())
    h, w = mask.shape
    ys, xs = np.nonzero(hole)
    degree, right = np.zeros(len(ys)), np.zeros([len(ys), picture.shape[2]])
    rows, columns = [], []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        inside = (0 <= ys + dy) & (ys + dy < h) & (0 <= xs + dx) & (xs + dx < w)
        here, y, x = np.flatnonzero(inside), ys[inside], xs[inside]
        ny, nx = y + dy, x + dx
        degree[here] += 1
        right[here] += fill[y, x] - fill[ny, nx]
        unknown = hole[ny, nx]
        rows.append(here[unknown])
        columns.append(number[ny, nx][unknown])
        right[here[~unknown]] += picture[ny, nx][~unknown]
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    laplace = sparse.diags(degree) - sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(ys), len(ys)))
    result[hole] = splu(laplace.tocsc()).solve(right)
    return result


def join(picture, fill, mask, blend="none"):
    """The completed picture, uint8 [h, w, channels], from a picture and a fill in [-1, 1]; mask: True = keep.

    Kept pixels are exactly the picture's. With no hole, or nothing kept, it is the fill: the generator's picture.
    """
    picture, fill = inverse_transform(picture) * 255, inverse_transform(fill) * 255
    if mask.all() or not mask.any():
        return to_uint8(fill)
    if blend == "poisson":
        return to_uint8(poisson_blend(picture, fill, mask))
    return to_uint8(np.where(mask[:, :, np.newaxis], picture, fill))


def complete(completion, pictures, masks, names, config):
    """Complete some pictures [N, size, size, c_dim] in [-1, 1] with masks [N, size, size] of bools, True = keep.

    Each starts from config.restarts different z, which depend on its name; the result with the lowest loss is kept.
    Returns (film: a list of fills [N, size, size, c_dim] in [-1, 1], one every config.film_every iterations and the
    last; losses [n_iter, N, 3]: loss, contextual, perceptual). Raises UserError if the search diverges.
    """
    n, restarts = len(pictures), config.restarts
    z = np.concatenate([random_state(config.seed, "complete", file_number(name)).uniform(
        -1, 1, [restarts, completion.dcgan.z_dim]) for name in names])  # [N * restarts, z_dim]
    weights = np.array([near_the_hole(mask) if config.weighted else mask for mask in masks], dtype=np.float32)
    energy = completion.energy(np.repeat(pictures, restarts, axis=0),
                               np.repeat(weights, restarts, axis=0)[..., np.newaxis], float(config.mask == "lowres"))
    if config.approach == "adam":
        search = adam(z, energy, config.n_iter, config.lr, config.beta1, config.beta2)
    else:
        rngs = [random_state(config.seed, "hmc", file_number(name), i) for name in names for i in range(restarts)]
        search = hmc(z, energy, config.n_iter, rngs, config.hmc_eps, config.hmc_l, config.hmc_beta, config.hmc_anneal)
    film, losses = [], []
    for t, (_, values) in enumerate(tqdm(search, "completing", config.n_iter, disable=None, leave=False)):
        loss, _, contextual, perceptual, fills = values
        if not np.isfinite(loss).all():
            if t == 0:
                raise UserError("the loss is not finite before the first iteration: use a smaller --lam, or another "
                                "model")
            flag = "lr" if config.approach == "adam" else "hmc_eps"
            raise UserError(f"the completion has diverged at iteration {t}: use a smaller --{flag}")
        best = loss.reshape([n, restarts]).argmin(axis=1) + np.arange(n) * restarts
        losses.append(np.stack([loss, contextual, perceptual], axis=1)[best])
        if t == config.n_iter - 1 or (config.film_every and t % config.film_every == 0):
            film.append(fills[best])
    return film, np.array(losses)


def strip(picture, mask, completed):
    """Before, masked, completed, side by side: uint8 [size, 3 * size, channels]. Missing pixels are gray."""
    before = pixels(picture)
    masked = np.where(mask[:, :, np.newaxis], before, 128).astype(np.uint8)
    return np.concatenate([before, masked, completed], axis=1)


def write_losses(out_dir, names, losses):
    """Write the losses [n_iter, N, 3] as a table, losses.csv, and plot their mean over the pictures as losses.png."""
    with open(os.path.join(out_dir, TABLE), "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(HEADER)
        for i, name in enumerate(names):
            table.writerows([name, t, *(f"{x:.6g}" for x in losses[t, i])] for t in range(len(losses)))

    figure = Figure(figsize=(8, 4))
    axes = figure.subplots()
    for k, label in enumerate(["loss", "contextual", "perceptual"]):
        axes.plot(losses[:, :, k].mean(axis=1), label=label)
    axes.set(xlabel="iteration", ylabel="mean over the pictures", yscale="log")
    axes.legend()
    save_figure(figure, os.path.join(out_dir, PLOT), dpi=100, bbox_inches="tight")


def write_pictures(out_dir, names, pictures, masks, fills, blend):
    """Write each completed picture and its strip (before, masked, completed)."""
    for name, picture, mask, fill in zip(names, pictures, masks, fills):
        completed = join(picture, fill, mask, blend)
        for file, image in zip(results(name), [completed, strip(picture, mask, completed)]):
            iio.imwrite(os.path.join(out_dir, file), image.squeeze())


def write_film(out_dir, pictures, masks, film, blend):
    """Write the film of all pictures as a GIF. film: their fills [N, size, size, c_dim] in [-1, 1]."""
    frames = (np.array([join(*one, blend) for one in zip(pictures, fills, masks)]) for fills in film)
    save_film((merge(frame, grid_size(len(frame))) for frame in frames), os.path.join(out_dir, FILM))


def main():
    root = FLAGS.dataset if os.path.isfile(FLAGS.dataset) else find_dataset(FLAGS.dataset)
    files = dataset_files(root) if os.path.isdir(root) else [root]
    check_number(files, root)
    files = files[:FLAGS.count]
    mask_paths = mask_files(FLAGS.mask, files, root)
    for paths, folder in ((files, root), (mask_paths, FLAGS.mask)):
        if paths and os.path.isdir(folder):
            check_outside(FLAGS.out_dir, folder, "out_dir", paths)
    FLAGS.checkpoint_dir = find_model(FLAGS.checkpoint_dir)
    sizes = model_sizes(FLAGS.checkpoint_dir)
    loader = Loader(gantut_imgfuncs, sizes["image_size"], FLAGS.is_crop, FLAGS.crop_size, sizes["c_dim"])
    pictures = loader.load_all(files)
    masks = find_masks(FLAGS.mask, files, root, loader.image_size, FLAGS.seed, loader.crop if FLAGS.is_crop else None)
    names = [stem(path, root).replace(os.sep, "_") for path in files]  # a picture's noise depends only on its name
    files_names = result_names(picture_names(files, root))
    with locked(FLAGS.out_dir, ".run", "--out_dir"):
        try_to_write(FLAGS.out_dir, files_names, files + mask_paths)
        losses = complete_all(pictures, masks, names, files_names)
    first, last = losses[0, :, 0].mean(), losses[-1, :, 0].mean()
    print(f"{len(files)} pictures completed in {FLAGS.out_dir}: mean loss {first:.2f} -> {last:.2f}")


def complete_all(pictures, masks, names, files_names):
    """Complete the pictures in batches, which are written one by one; returns the losses [n_iter, N, 3].

    names: of the pictures; files_names: of their results.
    """
    with tf.Session(config=session_config(FLAGS.threads, FLAGS.precision)) as sess:
        completion = Completion(load_model(DCGAN, sess, FLAGS.checkpoint_dir, FLAGS.weights, lam=FLAGS.lam))
        at_once = max(FLAGS.batch_size // FLAGS.restarts, 1)
        films, losses = [], np.empty([FLAGS.n_iter, 0, 3])
        for i in range(0, len(names), at_once):
            now = slice(i, i + at_once)
            film, new = complete(completion, pictures[now], masks[now], names[now], FLAGS)
            films += [film] if i < IN_FILM else []
            losses = np.concatenate([losses, new], axis=1)
            with writing(FLAGS.out_dir), all_whole(FLAGS.out_dir, TABLE) as part:  # a kill loses one batch at most
                write_losses(part, files_names[:now.stop], losses)
                write_pictures(part, files_names[now], pictures[now], masks[now], film[-1], FLAGS.blend)
                if i == 0:  # the new ones are written
                    put_results_aside(FLAGS.out_dir, files_names)
    if FLAGS.film_every:
        with writing(FLAGS.out_dir), all_whole(FLAGS.out_dir) as part:
            film = (np.concatenate(fills)[:IN_FILM] for fills in zip(*films))
            write_film(part, pictures[:IN_FILM], masks[:IN_FILM], film, FLAGS.blend)
    return losses


def command():
    """What gantut-complete calls."""
    define_flags()
    run(main)


if __name__ == "__main__":
    command()
