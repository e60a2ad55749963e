"""Checkpoints of the two programs that the tutorial descends from: their networks differ, and a line says in what."""
import re

from gantut.errors import UserError

BAMOS, CARPEDM20 = "bamos/dcgan-completion.tensorflow", "carpedm20/DCGAN-tensorflow"
OURS = {"first": ["d_h00_conv"], "norms": ["d_bn0", "d_bn1", "d_bn2"], "linear": ["d_h4_lin"]}  # layers of D


def check_parents(path, shapes, flag="checkpoint_dir"):
    """Raise UserError if the checkpoint at path is a parent's. shapes: lists, by the names of its variables."""
    found = parent(shapes)
    if found:
        raise UserError("the checkpoint {} is one of {}: {}; no flag makes it fit, train a model or use another --{}"
                        .format(path, *found, flag))


def parent(shapes):
    """Whose checkpoint it is, and in what it differs from the tutorial's, both in words; None if it is no parent's."""
    shapes = {re.sub("^(generator|discriminator)/", "", name): shape for name, shape in shapes.items()}
    layers = sorted({name.split("/")[0] for name in shapes})
    theirs = {"first": [layer for layer in layers if layer == "d_h0_conv"],
              "norms": [layer for layer in layers if re.fullmatch(r"d_bn\d", layer)],
              "linear": [layer for layer in layers if re.fullmatch(r"d_h\d_lin", layer)]}
    if not theirs["first"] or "g_h0_lin" not in layers:
        return None
    differ = [kind for kind in OURS if theirs[kind] != OURS[kind]]
    words = "its D has {} where the tutorial's has {}".format(
        *(", ".join(sum((of[kind] for kind in differ), [])) for of in (theirs, OURS)))
    if "g_h1_lin" in layers:
        return CARPEDM20, words + ", and both networks are given a class besides (g_h1_lin)"
    filters = [shapes["g_h{}/w".format(i)][3] for i in range(1, 9) if "g_h{}/w".format(i) in shapes]
    expected = [filters[0] // 8 * max(16 >> max(i, 1), 1) for i in range(len(filters))]
    if filters != expected:
        words += ", its G {} filters where the tutorial's has {}".format(
            *(", ".join(map(str, numbers)) for numbers in (filters, expected)))
    if theirs["norms"] == OURS["norms"]:
        return BAMOS, words
    return (CARPEDM20 if theirs["linear"] == OURS["linear"] else "{} or {}".format(BAMOS, CARPEDM20)), words
