"""Few real photographs: does --augment keep D from learning them by heart?

  python benchmarks/few_pictures.py --out few

The 100 faces of Labeled Faces in the Wild that scikit-image brings along (25 x 25, gray): a small model learns 80 of
them at 32 x 32, with and without --augment, for 300 steps and on to 3,000. Then D is asked about the 80, the other 20,
and samples; what it says more of the first than of the second it knows by heart. The samples are judged as
gantut_judge.py does. --out gets the pictures, drawn by G's weights and by their moving average, and the figures.
"""
import argparse
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT]

import gantut.console  # noqa: E402, F401  (before TensorFlow, which it keeps quiet)

import machine  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow.compat.v1 as tf  # noqa: E402
from PIL import Image  # noqa: E402
from skimage.data import lfw_subset  # noqa: E402

import gantut_imgfuncs  # noqa: E402
from gantut.averages import restore_to_draw  # noqa: E402
from gantut.checkpoints import model_sizes  # noqa: E402
from gantut.finding import list_pictures  # noqa: E402
from gantut.images import pixels  # noqa: E402
from gantut.judge import Judge  # noqa: E402
from gantut.loading import Loader  # noqa: E402
from gantut_gan import DCGAN  # noqa: E402

SIZE, LEARNT, BATCH = 32, 80, 16
RECIPES = {"the text's": [], "+ augment": ["--augment"]}


def write_faces(folder):
    """Write the photographs as pictures; returns those to learn and those to hold out, [N, 32, 32, 1] in [-1, 1]."""
    parts = []
    for name, faces in (("learnt", lfw_subset()[:LEARNT]), ("held_out", lfw_subset()[LEARNT:100])):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for i, face in enumerate(faces):
            Image.fromarray(np.uint8(face * 255)).save(os.path.join(folder, name, "{:02d}.png".format(i)))
        parts.append(Loader(gantut_imgfuncs, SIZE, is_crop=True, c_dim=1).load_all(
            list_pictures(os.path.join(folder, name), ["png"])))
    return parts


def train(folder, data, epoch, flags):
    subprocess.run([sys.executable, os.path.join(ROOT, "gantut_trainer.py"), "--fast", "--precision", "float32",
                    "--dataset", data, "--is_crop", "--c_dim", "1", "--image_size", str(SIZE), "--batch_size",
                    str(BATCH), "--gf_dim", "32", "--df_dim", "32", "--ema", "0.999", "--epoch", str(epoch),
                    "--checkpoint_dir", folder, "--sample_dir", os.path.join(folder, "samples"), "--logs_dir",
                    os.path.join(folder, "logs"), *flags], check=True, stdout=subprocess.DEVNULL)


def ask(folder, learnt, held_out, name):
    """D's mean logits of the three kinds of pictures, and samples by either weights; writes a grid of each."""
    with tf.Graph().as_default(), tf.Session() as sess:
        dcgan = DCGAN(sess, **model_sizes(folder))
        dcgan.load(folder)
        z = np.random.RandomState(1).uniform(-1, 1, [1000, dcgan.z_dim])

        def run(fetch, feed, values):
            return np.concatenate([sess.run(fetch, {feed: part, dcgan.is_training: False})
                                   for part in np.array_split(values, 10)])

        said = [float(run(dcgan.D_logits, dcgan.images, images).mean())
                for images in (learnt, held_out, run(dcgan.G, dcgan.z, z))]
        samples = {}
        for weights in ("latest", "average"):
            restore_to_draw(dcgan, folder, weights)
            images = run(dcgan.G, dcgan.z, z)
            gantut_imgfuncs.save_images(images[:64], [8, 8], "{}_{}.png".format(name, weights))
            samples[weights] = pixels(images)
    return said, samples


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="few_pictures", help="folder for the pictures and few.json")
    parser.add_argument("--steps", type=int, nargs="+", default=[300, 3000])
    args = parser.parse_args()
    learnt, held_out = write_faces(args.out)
    judge = Judge(pixels(learnt), 1000, 1)
    floor = judge.floor()
    rows, results = [["real ones", *[""] * 5, *("{:.1f}".format(score) for score in floor.values())]], []
    for recipe, flags in RECIPES.items():
        folder = os.path.join(args.out, "augment" if flags else "text")
        for steps in args.steps:
            train(folder, os.path.join(args.out, "learnt"), steps // (LEARNT // BATCH), flags)
            said, samples = ask(folder, learnt, held_out, "{}_{}".format(folder, steps))
            for weights, images in samples.items():
                scores = judge.scores(images[:judge.count])
                results.append({"recipe": recipe, "steps": steps, "weights": weights, "logits": said, **scores})
                rows.append([recipe, steps, weights, *("{:.1f}".format(logit) for logit in said),
                             *("{:.1f}".format(score) for score in scores.values())])
    machine.table(["recipe", "steps", "weights", "D of the learnt", "of the held out", "of samples", *floor], rows)
    with open(os.path.join(args.out, "few.json"), "w") as file:
        json.dump({"machine": machine.describe(), "floor": floor, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
