"""A checkpoint to give away: the model and the average of G's weights, without the optimizers' variables.

  python benchmarks/pretrained.py --checkpoint_dir checkpoint --out my_model

With --average_only the average takes the place of G's own weights: the same pictures from a smaller file. Every command
can use the folder. It holds no run.json, so that a training in it starts with a new Adam.
"""
import os

import machine
from machine import path_type

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

import tensorflow.compat.v1 as tf

from gantut.checkpoints import check_folder, newest_checkpoint, shapes_in, sizes_of, step_of
from gantut.errors import UserError
from gantut.paths import find_model
from gantut.scripts import argument_parser
from gantut.weights import names_to_draw_with


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--checkpoint_dir", type=path_type, default="checkpoint")
    parser.add_argument("--out", type=path_type, default="my_model", help="folder to write, which must not be there")
    parser.add_argument("--average_only", action="store_true", help="write G's average as its weights")
    args = parser.parse_args()
    check_folder(args.out, "out")
    if os.path.lexists(args.out):
        raise UserError(f"--out {args.out} is there already: give another folder")
    path = newest_checkpoint(find_model(args.checkpoint_dir))
    if not path:
        parser.error(f"no checkpoint in {args.checkpoint_dir}")
    sizes_of(path, shapes_in(path), without_d=True)  # raises UserError if it is not of a DCGAN
    reader = tf.train.load_checkpoint(path)
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith(("generator/", "discriminator/"))
             and not name.endswith(("/Adam", "/Adam_1"))]
    averages = names_to_draw_with(path, "average") if args.average_only else {}
    names = sorted(set(names) - set(averages.values()))
    with tf.Graph().as_default(), tf.Session() as sess:
        variables = [tf.get_variable(name, initializer=reader.get_tensor(averages.get(name, name))) for name in names]
        sess.run(tf.global_variables_initializer())
        save(sess, variables, args.out, step_of(path))
    size = sum(os.path.getsize(os.path.join(args.out, name)) for name in os.listdir(args.out))
    print(f"{args.out}: {len(names)} variables, {size / 1e6:.1f} MB")


def save(sess, variables, out, step):
    """Write the folder out; it is not there if that fails."""
    with machine.new_folder(out) as folder:
        tf.train.Saver(variables, save_relative_paths=True).save(
            sess, os.path.join(folder, "DCGAN.model"), global_step=step, write_meta_graph=False)


if __name__ == "__main__":
    machine.run(main, "stopped")
