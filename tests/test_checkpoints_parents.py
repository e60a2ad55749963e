"""gantut/checkpoints.py: those of the two programs that the tutorial descends from, by every command that loads one.

parents.json has the names and shapes of the checkpoint that bamos/dcgan-completion.tensorflow published (MIT). Those of
the other programs are as their code makes them.
"""
import json
import os
import re

import pytest
import tensorflow.compat.v1 as tf
from helpers import ROOT, run_script, snapshot, the_error, two_at_a_time, write_pictures

from gantut.checkpoints import model_sizes, parent
from gantut.errors import UserError

with open(os.path.join(ROOT, "tests", "parents.json")) as shapes_file:
    PUBLISHED = json.load(shapes_file)


def renamed(shapes, *names):
    for pattern, name in names:
        shapes = {re.sub(pattern, name, one): shape for one, shape in shapes.items()}
    return shapes


def with_filters_of_the_tutorial(shapes):
    """As bamos' later program makes them: its G has 512, 512, 256, 128 filters."""
    new = {"g_bn1": 512, "g_bn2": 256, "g_bn3": 128, "g_h1": 512, "g_h2": 256, "g_h3": 128}
    changed = {name: [new.get(name.split("/")[1], shape[0])] if len(shape) == 1 else shape
               for name, shape in shapes.items()}
    return {**changed, "generator/g_h1/w": [5, 5, 512, 512], "generator/g_h2/w": [5, 5, 256, 512],
            "generator/g_h3/w": [5, 5, 128, 256], "generator/g_h4/w": [5, 5, 3, 128]}


CONDITIONAL = {  # main.py --dataset mnist of carpedm20's, without batch norm
    "discriminator/d_h0_conv/w": [5, 5, 11, 11], "discriminator/d_h1_conv/w": [5, 5, 21, 74],
    "discriminator/d_bn1/beta": [74], "discriminator/d_bn2/beta": [1024],
    "discriminator/d_h2_lin/Matrix": [3636, 1024], "discriminator/d_h3_lin/Matrix": [1034, 1],
    "generator/g_h0_lin/Matrix": [110, 1024], "generator/g_h1_lin/Matrix": [1034, 6272],
    "generator/g_h2/w": [5, 5, 128, 138], "generator/g_h3/w": [5, 5, 1, 138]}
LATER = renamed(PUBLISHED, ("d_h3_lin", "d_h4_lin"))
PARENTS = {  # their shapes: whose, in what they differ
    "bamos, published": (PUBLISHED, "one of bamos/dcgan-completion.tensorflow or carpedm20/DCGAN-tensorflow: its D has "
                         "d_h0_conv, d_bn1, d_bn2, d_bn3, d_h3_lin where the tutorial's has d_h00_conv, d_bn0, d_bn1, "
                         "d_bn2, d_h4_lin, its G has {} filters where the tutorial's has {}; "),
    "carpedm20, 2016": (renamed(PUBLISHED, ("^(generator|discriminator)/", "")), "one of bamos/dcgan-completion."
                        "tensorflow or carpedm20/DCGAN-tensorflow: its D has d_h0_conv, d_bn1, d_bn2, d_bn3, d_h3_lin"),
    "carpedm20, 2017": (LATER, "one of carpedm20/DCGAN-tensorflow: its D has d_h0_conv, d_bn1, d_bn2, d_bn3 where the "
                        "tutorial's has d_h00_conv, d_bn0, d_bn1, d_bn2, its G has {} filters where the tutorial's has "
                        "{}"),
    "carpedm20, digits": (CONDITIONAL, "one of carpedm20/DCGAN-tensorflow: its D has d_h0_conv, d_bn1, d_bn2, d_h2_lin"
                          ", d_h3_lin where the tutorial's has d_h00_conv, d_bn0, d_bn1, d_bn2, d_h4_lin, and both "
                          "networks also take a class as input (g_h1_lin)"),
    "bamos, later": (with_filters_of_the_tutorial(renamed(LATER, *(
        (f"d_bn{i}", f"d_bn{i - 1}") for i in (1, 2, 3)))),
        "one of bamos/dcgan-completion.tensorflow: its D has d_h0_conv where the tutorial's has d_h00_conv; "),
}
FULL, SMALL = ("512, 256, 128, 64", "512, 512, 256, 128"), ("32, 16, 8, 4", "32, 32, 16, 8")
MODEL = ["--gf_dim", 4, "--df_dim", 4, "--batch_size", 4]
COMMANDS = {  # the commands that load a checkpoint, and the flag that names it
    "trainer": ("gantut_trainer.py", [*MODEL, "--dataset", "pictures"], "checkpoint_dir"),
    "trainer, beginning": ("gantut_trainer.py", [*MODEL, "--dataset", "pictures", "--checkpoint_dir", "new"],
                           "init_from"),
    "sample": ("gantut_sample.py", [], "checkpoint_dir"),
    "export": ("gantut_sample.py", ["--mode", "export"], "checkpoint_dir"),
    "page": ("gantut_sample.py", ["--mode", "page"], "checkpoint_dir"),
    "complete": ("gantut_complete.py", ["--dataset", "pictures"], "checkpoint_dir"),
    "judge": ("gantut_judge.py", ["--dataset", "pictures"], "checkpoint_dir"),
}


def write(folder, shapes):
    """A checkpoint of such variables, a sixteenth of their filters, as a Saver writes it."""
    with tf.Graph().as_default(), tf.Session() as session:
        for name, shape in shapes.items():
            tf.get_variable(name, [n // 16 if n % 64 == 0 else n for n in shape], use_resource=False)
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / "parents" / "DCGAN.model"), global_step=60502)


@pytest.mark.parametrize("name", PARENTS)
def test_a_parents_checkpoint_is_named(tmp_path, name):
    shapes, line = PARENTS[name]
    whose, words = parent(shapes)
    assert line.format(*FULL) in f"one of {whose}: {words}; "
    write(tmp_path, shapes)
    with pytest.raises(UserError, match=re.escape(line.format(*SMALL))):
        model_sizes(str(tmp_path / "parents"))


def test_every_command_names_it(tmp_path):
    write(tmp_path, PUBLISHED)
    write_pictures(tmp_path / "pictures", size=64)
    before = snapshot(tmp_path)

    def run(name):
        script, flags, flag = COMMANDS[name]
        return run_script(script, *flags, "--" + flag, "parents", cwd=tmp_path)
    for name, process in two_at_a_time(run, COMMANDS).items():
        line = the_error(process)
        assert process.stderr == line + "\n", name
        assert line == ("error: the checkpoint parents/DCGAN.model-60502 is " + PARENTS["bamos, published"][1].format(
            *SMALL) + "no flag makes it fit, train a model or use another --" + COMMANDS[name][2]), name
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("without, holds_no", [("generator", "generator/g_h0_lin/Matrix"), (
    "discriminator", "discriminator/d_h00_conv/biases")])
def test_another_checkpoint_is_not_called_a_parents(tmp_path, without, holds_no):
    """Ours, but with one network alone, as other programs save a generator."""
    ours = renamed(PARENTS["bamos, later"][0], ("d_h0_conv", "d_h00_conv"))
    assert parent(ours) is None
    write(tmp_path, {name: shape for name, shape in ours.items() if not name.startswith(without)})
    with pytest.raises(UserError, match=f"not of a complete DCGAN, it has no {holds_no}: use"):
        model_sizes(str(tmp_path / "parents"))
