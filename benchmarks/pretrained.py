"""A checkpoint to give away: the model and the average of G's weights, without the optimizers' variables.

  python benchmarks/pretrained.py --checkpoint_dir checkpoint --out my_model

With --average_only the average takes the place of G's own weights: the same pictures from a smaller file. Every command
can use the folder. It holds no run.json, so that a training in it starts with a new Adam.
"""
import os

import machine  # noqa: F401  (finds the project)

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import tensorflow.compat.v1 as tf

from gantut.checkpoints import newest_checkpoint, step_of
from gantut.scripts import argument_parser, call
from gantut.weights import names_to_draw_with


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--checkpoint_dir", default="checkpoint")
    parser.add_argument("--out", default="my_model", help="folder to write, which must not be there")
    parser.add_argument("--average_only", action="store_true", help="write G's average as its weights")
    args = parser.parse_args()
    path = newest_checkpoint(args.checkpoint_dir)
    if not path:
        parser.error(f"no checkpoint in {args.checkpoint_dir}")
    os.makedirs(args.out)
    reader = tf.train.load_checkpoint(path)
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith(("generator/", "discriminator/"))
             and not name.endswith(("/Adam", "/Adam_1"))]
    averages = names_to_draw_with(path, "average") if args.average_only else {}
    names = sorted(set(names) - set(averages.values()))
    with tf.Graph().as_default(), tf.Session() as sess:
        variables = [tf.get_variable(name, initializer=reader.get_tensor(averages.get(name, name))) for name in names]
        sess.run(tf.global_variables_initializer())
        tf.train.Saver(variables, save_relative_paths=True).save(
            sess, os.path.join(args.out, "DCGAN.model"), global_step=step_of(path), write_meta_graph=False)
    size = sum(os.path.getsize(os.path.join(args.out, name)) for name in os.listdir(args.out))
    print(f"{args.out}: {len(names)} variables, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    call(main)
