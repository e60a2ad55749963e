"""Few photographs: what do --init_from, --augment and --mirror give, in the same time?

  python benchmarks/few_pictures.py --out few --minutes 30 --seeds 3

150 of the portraits in data/portraits are held out; models of the same sizes as the one in --init_from learn the
others: from nothing and from that model, with and without --augment, with and without --mirror. First the seconds of a
step are measured, with --augment and without, in turn; then each takes about as many epochs as --minutes allow. All
keep G's moving average and draw with it. The samples are judged as gantut_judge.py does, against the learnt and the
held-out pictures together, and against the held-out ones alone, which a copy of what was learnt does not help. The
table has D's mean logits (above 0 is "real") of the learnt pictures, of the held-out ones and of samples: by how much
the first exceed the second, D has memorised. "time" is the fraction of the training after which the mean SWD against
learnt pictures, computed about twenty times, is what the same recipe from nothing ends with. --out gets the models, the
pictures and few.json. The same command continues a run that was stopped: what few.json holds is not done again, a
training resumes where it stopped.
"""
import itertools
import os

import machine
from machine import PRECISIONS, at_least, path_type, positive

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import numpy as np
import recipes
import tensorflow.compat.v1 as tf
from hold_out import copy_parts

import gantut_imgfuncs
from gantut.checkpoints import model_sizes
from gantut.datasets import find_dataset, list_pictures
from gantut.errors import check_outside
from gantut.image_loader import Loader
from gantut.images import grid_size, pixels
from gantut.metrics import FEWEST, Judge
from gantut.paths import find_model, place
from gantut.sampler import Sampler, load_model
from gantut.scripts import argument_parser
from gantut_gan import DCGAN, dataset_files

BEGINNINGS, AUGMENT, MIRROR = ("from nothing", "from the model"), ("", " + augment"), ("", " + mirror")
RECIPES = list(map("".join, itertools.product(BEGINNINGS, AUGMENT, MIRROR)))


def flags_of(recipe, init_from):
    return ["--" + name for name in ("augment", "mirror") if name in recipe] + (
        ["--init_from", init_from] if BEGINNINGS[1] in recipe else [])


def ask(checkpoint_dir, parts, name):
    """D's mean logits of each part of the pictures and of 1,000 samples, and the samples; writes a grid of them."""
    with tf.Graph().as_default(), tf.Session() as sess:
        dcgan = load_model(DCGAN, sess, checkpoint_dir)
        samples = Sampler(dcgan, 1).draw_all(np.random.RandomState(1).uniform(-1, 1, [1000, dcgan.z_dim]))
        gantut_imgfuncs.save_images(samples[:64], grid_size(64), name + ".png")

        def logits(images):
            return np.concatenate([sess.run(dcgan.D_logits, {dcgan.images: part, dcgan.is_training: False})
                                   for part in np.array_split(images, 10)])

        return [float(logits(images).mean()) for images in (*parts, samples)], samples


def report(args, found, *floors):
    """Print the table of the results; floors: the mean SWDs of real pictures, against all and against held-out ones."""
    rows = [["real ones", "", *(f"{floor:.1f}" for floor in floors), *[""] * 5]]
    for recipe in args.recipes:
        of, nothing = ([found.get(f"{name}, {seed}") for seed in range(1, args.seeds + 1)]
                       for name in (recipe, recipe.replace(*BEGINNINGS[::-1])))
        times = [next((n / one["epochs"] for n, _, score in one["curve"] if score <= other["curve"][-1][2]), np.inf)
                 for one, other in zip(of, nothing) if other]  # infinite: never
        nearest = np.mean([one["scores"]["nearest in the data"] for one in of])
        rows.append([recipe, len(of), *(machine.spread([one[kind][machine.BEST] for one in of])
                                        for kind in ("scores", "held out")),
                     *(f"{logit:.1f}" for logit in np.mean([one["logits"] for one in of], axis=0)),
                     f"{nearest:.1f}", f"{np.median(times):.2f}" if times else ""])
    machine.table(["recipe", "seeds", machine.BEST, "against held-out ones", "D of the learnt", "of the held out",
                   "of samples", "nearest in the data", "time"], rows)


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--out", type=path_type, default="few_pictures",
                        help="folder for the models, the pictures and few.json")
    parser.add_argument("--data", type=path_type, default=place("data", "portraits"))
    parser.add_argument("--held_out", type=at_least(1), default=150)
    parser.add_argument("--init_from", type=path_type, default=place("pretrained", "lfw"))
    parser.add_argument("--minutes", type=positive, default=30, help="of each training [30]")
    parser.add_argument("--seeds", type=at_least(1), default=3)
    parser.add_argument("--batch_size", type=at_least(1), default=64)
    parser.add_argument("--precision", default="auto", choices=PRECISIONS)
    parser.add_argument("--recipes", nargs="+", default=RECIPES, choices=RECIPES)
    args = parser.parse_args()
    sizes = {**model_sizes(find_model(args.init_from), "init_from"), "batch_size": args.batch_size,
             "precision": args.precision}
    size, root = sizes.pop("image_size"), find_dataset(args.data, "data")
    files = dataset_files(root)
    common = {name: value for name, value in vars(args).items() if name not in ("out", "seeds", "recipes")}
    least = max(2 * FEWEST, 2 * args.batch_size)
    if args.held_out < 2 * FEWEST or len(files) - args.held_out < least:
        parser.error(f"of {len(files)} pictures {args.held_out} are held out: at least {2 * FEWEST} must be, and "
                     f"{least} must be left to learn; give other --held_out or --batch_size")
    check_outside(args.out, root, "out", files)
    path = os.path.join(args.out, "few.json")
    machine.check_ours(path, *(os.path.join(args.out, name) for name in ("learnt", "held_out")))
    os.makedirs(args.out, exist_ok=True)
    figures = machine.Figures(path, {**common, "pictures": len(files)}, "seconds", "found")
    shuffled = [files[i] for i in np.random.RandomState(1).permutation(len(files))]
    copy_parts({"held_out": shuffled[:args.held_out], "learnt": shuffled[args.held_out:]}, root, args.out)
    steps = (len(files) - args.held_out) // args.batch_size  # of an epoch
    flags = ["--dataset", os.path.join(args.out, "learnt"), *(f"--{name}={value}" for name, value in sizes.items())]
    loader = Loader(gantut_imgfuncs, size, is_crop=True, c_dim=sizes["c_dim"])
    parts = [loader.load_all(list_pictures(os.path.join(args.out, name))) for name in ("learnt", "held_out")]
    judge, strict = Judge(pixels(np.concatenate(parts)), 1000, 1), Judge(pixels(parts[1]), 1000, 1)

    for name, seconds in recipes.measure(size, flags, ["the text's", "+ augment"], figures["seconds"]).items():
        figures.keep("seconds", name, seconds)
    for seed, recipe in itertools.product(range(1, args.seeds + 1), args.recipes):
        key = f"{recipe}, {seed}"
        if key not in figures["found"]:
            seconds = figures["seconds"]["+ augment" if "augment" in recipe else "the text's"]
            epochs, every = machine.judged(args.minutes * 60 / (seconds * steps))
            folder = os.path.join(args.out, key.replace(" ", "_").replace(",", ""))
            recipes.train(size, folder, [*flags, *flags_of(recipe, args.init_from), "--epoch", str(epochs), "--seed",
                                         str(seed), "--judge_every", str(every)])
            logits, samples = ask(os.path.join(folder, "checkpoint"), parts, folder)
            figures.keep("found", key, {"logits": logits, "scores": judge.scores(pixels(samples[:judge.count])),
                                        "held out": strict.scores(pixels(samples[:strict.count])), "epochs": epochs,
                                        "curve": machine.curve(os.path.join(folder, "samples"))})
    report(args, figures["found"], judge.floor()[machine.BEST], strict.floor()[machine.BEST])


if __name__ == "__main__":
    machine.run(main)
