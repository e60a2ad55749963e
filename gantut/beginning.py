"""--init_from: a training begins with the weights of another model, and with nothing else of it."""
import os
from functools import partial

import tensorflow.compat.v1 as tf

from gantut import record
from gantut.averages import ENDING, names_to_draw_with
from gantut.checkpoints import check_folder, newest_checkpoint, shapes_in, sizes_of, with_newest
from gantut.errors import UserError
from gantut.places import find_model

FLAG = "init_from"


def check(given, checkpoint_dir, dcgan):
    """Raise UserError unless the training in checkpoint_dir can begin with the model in a folder, or has done so.

    given: the folder, as the flag has it. dcgan: the model to train.
    """
    folder = find_model(given)
    check_folder(folder, FLAG)
    if os.path.realpath(folder) == os.path.realpath(checkpoint_dir):
        raise UserError("--init_from {} is the --checkpoint_dir of this training, which goes on from there by itself: "
                        "leave one of them out".format(given))
    if not newest_checkpoint(checkpoint_dir):
        with_newest(folder, partial(check_one, given, dcgan), FLAG)
        return
    path = os.path.join(checkpoint_dir, "run.json")
    before = record.read(path).get("init_from") if os.path.exists(path) else None
    if not before or before["folder"] != os.path.normpath(given):
        raise UserError("{} holds a training {}, not --init_from {}: leave --init_from out to go on with it, or use "
                        "another --checkpoint_dir for a new run".format(
                            checkpoint_dir, "that has begun with --init_from " + before["folder"] if before else
                            "that no run.json says to have begun with another model", given))


def check_one(given, dcgan, path):
    """Raise UserError unless the checkpoint at path holds G's weights, and D's or none of D, as the model has them."""
    if not path:
        raise UserError("--init_from {}: there is no checkpoint; give the folder of a trained model".format(given))
    shapes = shapes_in(path, FLAG)
    for var in to_take(dcgan.saver.variables, shapes):
        if shapes.get(var.op.name) != var.shape.as_list():
            sizes = sizes_of(path, shapes, FLAG, without_d=True)
            differ = [name for name in sizes if sizes[name] != getattr(dcgan, name)]
            if differ:
                raise UserError("--init_from {}: its model was made with {}, this one with {}: train with its sizes, "
                                "or begin with another model".format(given, *(record.as_flags(of, differ) for of in (
                                    sizes, vars(dcgan)))))
            raise UserError("--init_from {}: its {} has the shape {}, in this model {}".format(
                path, var.op.name, shapes.get(var.op.name), var.shape.as_list()))


def to_take(variables, names):
    """Those of a model's variables that a checkpoint with such names should hold: without D, if it has nothing of D."""
    prefixes = [of for of in ("generator/", "discriminator/") if of == "generator/" or any(
        name.startswith(of) for name in names)]
    return [var for var in variables if var.op.name.startswith(tuple(prefixes))]


def begin(given, sess, saver):
    """Give the model its first weights, those of the newest checkpoint in a folder; returns what run.json says of it.

    G's are those that draw: their moving average, if there is one. The training's own moving average begins with them.
    saver: the run's.
    """
    return with_newest(find_model(given), partial(begin_with, given, sess, saver), FLAG)


def begin_with(given, sess, saver, path):
    names = shapes_in(path, FLAG)
    averages = names_to_draw_with(path)
    taken = to_take(saver.model, names)
    from_names = {var.op.name: averages.get(var.op.name, var.op.name) for var in taken}
    tf.train.Saver({from_names[var.op.name]: var for var in taken}).restore(sess, path)
    own_averages = {from_names[var.op.name[:-len(ENDING)]]: var for var in saver.variables
                    if var.op.name.endswith(ENDING)}
    if own_averages:
        tf.train.Saver(own_averages).restore(sess, path)
    weights = "average" if averages else "latest"  # as --weights has it
    print(" [*] Beginning with the weights of {} (of G the {})".format(path, weights))
    if len(taken) < len(saver.model):
        print(" [*] {} holds no weights of D: D starts anew".format(path))
    return {"folder": os.path.normpath(given), "checkpoint": os.path.basename(path), "weights": weights}
