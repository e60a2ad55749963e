"""Checkpoints: which is the newest, what is in it, and a saver that checks one before it restores it.

Checkpoints of the two programs that the tutorial is based on do not fit: a line says how their networks differ.
"""
import contextlib
import json
import os
import re
import shutil
from functools import partial

import tensorflow.compat.v1 as tf
from google.protobuf import text_format
from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

from gantut.errors import UserError, one_line, say

said = set()  # lines that were printed, each only once
TRIES = 100  # how often a training may replace the checkpoint while it is being read
BAMOS, CARPEDM20 = "bamos/dcgan-completion.tensorflow", "carpedm20/DCGAN-tensorflow"
OURS = {"first": ["d_h00_conv"], "norms": ["d_bn0", "d_bn1", "d_bn2"], "linear": ["d_h4_lin"]}  # layers of D
seen = {}  # checkpoints that were read completely: {(path, size and time of its files): what was wrong}


def newest_checkpoint(checkpoint_dir, flag="checkpoint_dir"):
    """The path of the newest checkpoint in a folder, or None. The folder may have been moved.

    It is the one that the folder's state file, `checkpoint`, names. If there is no state file, or the files of the
    checkpoint it names are missing, it is the newest complete checkpoint, and a line says so. If that one is truncated
    or otherwise broken, the one before it is taken, and a line says so. Raises UserError if there are only incomplete
    or broken ones. flag: the flag that gave the folder.
    """
    if not checkpoint_dir:
        return None
    checkpoint_dir = os.path.expanduser(checkpoint_dir)
    check_folder(checkpoint_dir, flag)
    for _ in range(TRIES):
        named = names_in_state(checkpoint_dir)
        complete, parts = find_checkpoints(checkpoint_dir)
        known = [name for name in named if name in complete][::-1]
        order = known + sorted(complete.difference(known), key=step_of, reverse=True)
        newest, reasons = first_whole(checkpoint_dir, order)
        if named == names_in_state(checkpoint_dir):  # otherwise a training has just saved another one
            break
    if newest:
        for reason in reasons:
            say_once(f"{reason}: taking {newest}")
        if not named:
            say_once(f"{checkpoint_dir} has no readable file `checkpoint` that names its model: taking the newest, "
                     f"{newest}")
        elif named[-1] not in complete:
            state = os.path.join(checkpoint_dir, "checkpoint")
            say_once(f"{state} names {named[-1]}, which is not there: taking {newest}")
        return os.path.join(checkpoint_dir, newest)
    if reasons:
        raise UserError(f"{reasons[0]}, and {checkpoint_dir} has no other one that can be read: restore it from a "
                        f"copy, or use another --{flag}")
    foreign = sorted(parts - set(written_by_run(checkpoint_dir)))
    if foreign:
        raise UserError(f"{checkpoint_dir} holds only parts of {foreign[-1]}: its .index and all of its .data files "
                        f"are needed; add the missing ones, or use another --{flag}")
    return None


def first_whole(checkpoint_dir, names):
    """The first of the checkpoints that can be read, or None; and what is wrong with those before it."""
    reasons = []
    for name in names:
        path = os.path.join(checkpoint_dir, name)
        reason = why_unreadable(path)
        if not reason:
            return name, reasons
        reasons.append(f"the checkpoint {path} cannot be read ({reason})")
    return None, reasons


def why_unreadable(path):
    """What is wrong with a complete checkpoint, in words; None if all of it can be read and its checksums are right.

    Raises UserError if a file cannot be opened.
    """
    folder, name = os.path.split(path)
    files = sorted(os.path.join(folder, file) for file in os.listdir(folder or ".")
                   if re.fullmatch(re.escape(name) + r"\.(index|data-\d+-of-\d+)", file))
    try:
        key = (path, *((status.st_size, status.st_mtime_ns) for status in map(os.stat, files)))
        if key not in seen:
            for file in files:
                open(file, "rb").close()
            reader = tf.train.load_checkpoint(path)
            seen[key] = None
            for variable in reader.get_variable_to_shape_map():
                reader.get_tensor(variable)
    except FileNotFoundError:
        return "its files have been deleted"
    except OSError as error:
        raise UserError(f"cannot read the checkpoint {error.filename}: {error.strerror}") from None
    except (tf.errors.OpError, ValueError, IndexError, RuntimeError) as error:  # as TensorFlow's reader raises them
        seen[key] = one_line(error)
    return seen[key]


def with_newest(checkpoint_dir, use, flag="checkpoint_dir"):
    """use(path) of the newest checkpoint in a folder; if a training replaces it meanwhile, of the one that follows."""
    for last in range(TRIES)[::-1]:
        path = newest_checkpoint(checkpoint_dir, flag)
        try:
            return use(path)
        except (tf.errors.OpError, UserError):
            if not last or not path or os.path.exists(path + ".index"):
                raise


def check_folder(checkpoint_dir, flag="checkpoint_dir"):
    """Raise UserError if TensorFlow cannot keep checkpoints in a folder of that name, or it is a checkpoint itself."""
    if re.search(r"[][*?\\]", checkpoint_dir):
        raise UserError(f"--{flag} {checkpoint_dir}: TensorFlow treats [ ] * ? and \\ as patterns and would not find "
                        "its checkpoints again; use a path without them")
    if os.path.exists(checkpoint_dir + ".index"):
        folder = os.path.dirname(checkpoint_dir) or "."
        raise UserError(f"--{flag} {checkpoint_dir} is one checkpoint: give its folder, {folder}")


def check_loaded(load_dir, save_dir):
    """Raise UserError if a training cannot save into a folder, or that holds a checkpoint which it does not start from.
    """
    if os.path.isdir(os.path.join(save_dir, "checkpoint")):
        raise UserError(f"{save_dir} holds a folder named checkpoint, the name of the file that TensorFlow writes "
                        "there: give another --checkpoint_dir")
    load, save = map(newest_checkpoint, (load_dir, save_dir))
    if save and (not load or os.path.realpath(load) != os.path.realpath(save)):
        raise UserError(f"{save_dir} holds a checkpoint that this training would not continue from: give DCGAN() the "
                        "same checkpoint_dir, or train() another")


def find_checkpoints(checkpoint_dir):
    """The names of the checkpoints in a folder, NAME-<step>: returns (complete ones, ones with missing parts)."""
    found = {}
    for file in os.listdir(checkpoint_dir) if os.path.isdir(checkpoint_dir) else []:
        match = re.fullmatch(r"(.+-\d+)\.(index|data-\d+-of-(\d+))", file)
        if match:
            found.setdefault(match[1], []).append(match)
    complete = {name for name, files in found.items() if "index" in {match[2] for match in files}
                and len(files) == 1 + max(int(match[3] or 0) for match in files)}
    complete -= {name for name in complete if len(found[name]) == 1}
    return complete, set(found) - complete


def names_in_state(checkpoint_dir):
    """The checkpoints that a folder's state file names, the newest last; none if it cannot be read."""
    try:
        with open(os.path.join(checkpoint_dir, "checkpoint"), encoding="utf-8") as file:
            state = text_format.Parse(file.read(), CheckpointState())
    except (OSError, ValueError, text_format.ParseError):
        return []
    newest = state.model_checkpoint_path
    paths = [path for path in state.all_model_checkpoint_paths if path != newest] + [newest]
    return [re.split(r"[/\\]", path)[-1] for path in paths if path]  # Windows may have written it


def written_by_run(checkpoint_dir):
    """The names of the checkpoints that the folder's own run has written, from run.json."""
    try:
        with open(os.path.join(checkpoint_dir, "run.json")) as file:
            return json.load(file).get("checkpoints", names_in_state(checkpoint_dir))  # if absent, the state file's
    except (OSError, ValueError, AttributeError):
        return []


def say_once(line):
    if line not in said:
        said.add(line)
        say(line)


def step_of(path):
    """The step in a checkpoint's name, DCGAN.model-<step>."""
    return int(path.rsplit("-", 1)[-1])


def model_sizes(checkpoint_dir, flag="checkpoint_dir"):
    """Read the sizes of the model in the newest checkpoint from its variables' shapes: a dict of DCGAN's arguments.

    flag: the flag that gave the folder. Raises UserError if there is no checkpoint, or none of a DCGAN.
    """
    def sizes(path):
        if not path:
            raise UserError(f"no checkpoint in {checkpoint_dir}: train a model first, or give its folder with --{flag}")
        return sizes_of(path, shapes_in(path, flag), flag)

    return with_newest(checkpoint_dir, sizes, flag)


def sizes_of(path, shapes, flag="checkpoint_dir", without_d=False):
    """The sizes of the model with these shapes, by name. without_d: D may be missing; then there is no df_dim."""
    check_parents(path, shapes, flag)
    layers = sum(1 for name in shapes if re.fullmatch(r"generator/g_h\d+/w", name))
    try:
        sizes = dict(z_dim=shapes["generator/g_h0_lin/Matrix"][0],
                     gf_dim=shapes["generator/g_h0_lin/bias"][0] // (8 * 4 * 4),
                     image_size=4 * 2**layers, c_dim=shapes[f"generator/g_h{layers}/w"][2])
        if not without_d or any(name.startswith("discriminator/") for name in shapes):
            sizes["df_dim"] = shapes["discriminator/d_h00_conv/biases"][0]
        return sizes
    except KeyError as error:
        raise UserError(f"the checkpoint {path} is not of a complete DCGAN, it has no {error.args[0]}: use another "
                        f"--{flag}") from None


def shapes_in(path, flag="checkpoint_dir"):
    """The shapes, lists, of the variables in a checkpoint, by name. Raises UserError if it cannot be read."""
    try:
        return tf.train.load_checkpoint(path).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(f"the checkpoint {path} cannot be read ({one_line(error)}): use another --{flag}") from None


def check_graph():
    """Raise UserError if the graph already has a DCGAN: their variables would have the same names."""
    if any(var.name.startswith(("generator/", "discriminator/")) for var in tf.global_variables()):
        raise UserError("this graph already has a DCGAN: make another one in a graph of its own, with "
                        "tf.Graph().as_default(), tf.Session() as sess:")


class SafeSaver(tf.train.Saver):
    """A tf.train.Saver whose new checkpoint is on the disk before it removes older ones.

    TensorFlow leaves it to the system when files reach the disk, and a power cut could leave neither.
    restored: the path of the checkpoint that was restored, if one was.
    """

    restored = None

    def _MaybeDeleteOldCheckpoints(self, meta_graph_suffix="meta"):  # called at the end of each save
        to_disk(self.last_checkpoints[-1])
        super()._MaybeDeleteOldCheckpoints(meta_graph_suffix)

    def take_over(self, checkpoint_dir, name):
        """Find which checkpoints of this run still exist, and remove what it left unfinished.

        A killed run leaves half-written files, and checkpoints that the folder's state file does not name, or no
        longer. What has been restored stays until the next one is saved. Files that the run has not written itself
        stay: run.json lists its own.
        """
        written, restored = written_by_run(checkpoint_dir), os.path.basename(self.restored or "")
        complete, _ = find_checkpoints(checkpoint_dir)
        known = [one for one in names_in_state(checkpoint_dir) if one in complete]
        own = sorted(complete.intersection(written) - {restored}, key=step_of) + [restored]  # the last stay longest
        own = [one for one in own if one in written][-self.saver_def.max_to_keep:]  # it may be less than it was
        self.recover_last_checkpoints([os.path.join(checkpoint_dir, one) for one in own])
        step = re.escape(name) + r"-\d+"
        unfinished = rf"{step}(_temp|\..*\.tempstate\d+|\.meta\.tmp[0-9a-f]{{32}})|checkpoint\.tmp[0-9a-f]{{32}}"
        for one in os.listdir(checkpoint_dir):
            whole = re.fullmatch(rf"({step})\.(index|meta|data-\d+-of-\d+)", one)
            old = (whole and known and whole[1] in written and whole[1] not in (*known, *own, restored)
                   and (not restored or step_of(whole[1]) < step_of(restored)))  # somebody may have gone back
            if old or re.fullmatch(unfinished, one):
                path = os.path.join(checkpoint_dir, one)
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


class Saver(SafeSaver):
    """Part 4's tf.train.Saver of all variables that exist now; it checks a checkpoint before it restores it.

    max_to_keep: how many of the newest checkpoints stay. model: the variables that a checkpoint must have, all if not
    given; the others, Adam's and the averages, may be missing, as they are in the checkpoints of 2017.
    of_a_run: whether a training has made it.
    """

    of_a_run = False

    def __init__(self, max_to_keep=1, model=None):
        self.variables = tf.global_variables()
        self.model = model or self.variables
        super().__init__(self.variables, max_to_keep=max_to_keep, save_relative_paths=True)

    def compare(self, path):
        """Compare a checkpoint with the variables.

        Returns (the missing variables that are not the model's, such as the optimizers'; None, or in words a variable
        of the model that is missing or has another shape). Raises UserError if it cannot be read, or is of one of the
        two programs that the tutorial is based on.
        """
        shapes = shapes_in(path)
        for var in self.variables:
            shape = shapes.get(var.op.name)
            if shape is None and var in self.model:
                check_parents(path, shapes)
                return [], f"the checkpoint {path} has no {var.op.name}"
            if shape is not None and shape != var.shape.as_list():
                check_parents(path, shapes)
                own = var.shape.as_list()
                return [], f"{var.op.name} has the shape {shape} in the checkpoint {path}, but {own} in this model"
        return [var for var in self.variables if var.op.name not in shapes], None

    def restore(self, sess, path):
        """Restore what the checkpoint has; a line names what is missing. Raises UserError if it does not fit.

        If a training replaces it meanwhile, the one that follows it is restored.
        """
        try:
            self.restore_one(sess, path)
        except (tf.errors.OpError, UserError):
            if os.path.exists(path + ".index"):
                raise
            with_newest(os.path.dirname(path), partial(self.restore_one, sess))

    def restore_one(self, sess, path):
        """Restore one checkpoint, or raise UserError."""
        absent, misfit = self.compare(path)
        if misfit:
            raise UserError(misfit + ": use the flags it was trained with (image_size, gf_dim, df_dim, z_dim, c_dim), "
                            "the networks as they were then, or another --checkpoint_dir")
        self.restored = path
        if not absent:
            return super().restore(sess, path)
        print(f" [*] {path} holds no {absent[0].op.name} (and {len(absent) - 1} more of the optimizers' or averages'): "
              "they start anew")
        tf.train.Saver([var for var in self.variables if var not in absent]).restore(sess, path)


def to_disk(path):
    """Return when the files of the checkpoint at path, their names, and the state file are on the disk."""
    folder, name = os.path.split(path)
    for one in os.listdir(folder or "."):
        if one.startswith(name + ".") or one == "checkpoint":
            with open(os.path.join(folder, one), "rb+") as file:
                os.fsync(file.fileno())
    if os.name == "posix":
        names = os.open(folder or ".", os.O_RDONLY)
        with contextlib.suppress(OSError):  # not every file system can
            os.fsync(names)
        os.close(names)


def check_parents(path, shapes, flag="checkpoint_dir"):
    """Raise UserError if the checkpoint at path is of a program that the tutorial is based on.

    shapes: lists, by the names of its variables.
    """
    found = parent(shapes)
    if found:
        program, words = found
        raise UserError(f"the checkpoint {path} is one of {program}: {words}; no flag makes it fit, train a model or "
                        f"use another --{flag}")


def parent(shapes):
    """The program that the tutorial is based on and that wrote a checkpoint, and how its networks differ, in words.

    None if neither of the two wrote it.
    """
    shapes = {re.sub("^(generator|discriminator)/", "", name): shape for name, shape in shapes.items()}
    layers = sorted({name.split("/")[0] for name in shapes})
    theirs = {"first": [layer for layer in layers if layer == "d_h0_conv"],
              "norms": [layer for layer in layers if re.fullmatch(r"d_bn\d", layer)],
              "linear": [layer for layer in layers if re.fullmatch(r"d_h\d_lin", layer)]}
    if not theirs["first"] or "g_h0_lin" not in layers:
        return None
    differ = [kind for kind in OURS if theirs[kind] != OURS[kind]]
    its_layers, our_layers = (", ".join(sum((of[kind] for kind in differ), [])) for of in (theirs, OURS))
    words = f"its D has {its_layers} where the tutorial's has {our_layers}"
    if "g_h1_lin" in layers:
        return CARPEDM20, words + ", and both networks also take a class as input (g_h1_lin)"
    filters = [shapes[f"g_h{i}/w"][3] for i in range(1, 9) if f"g_h{i}/w" in shapes]
    expected = [filters[0] // 8 * max(16 >> max(i, 1), 1) for i in range(len(filters))]
    if filters != expected:
        its_filters, our_filters = (", ".join(map(str, numbers)) for numbers in (filters, expected))
        words += f", its G has {its_filters} filters where the tutorial's has {our_filters}"
    if theirs["norms"] == OURS["norms"]:
        return BAMOS, words
    return (CARPEDM20 if theirs["linear"] == OURS["linear"] else f"{BAMOS} or {CARPEDM20}"), words
