"""What a reader reads is what runs: a breakpoint in every function, edits of losses, layers and updates, as written and
by --fast, against a second graph that TensorFlow's own optimizers train by the text's schedule.
"""
import ast
import collections
import os
import re
from types import SimpleNamespace

import forked
import numpy as np
import pytest
from helpers import ROOT, SMALL, two_at_a_time, variables, write_pictures
from second_graph import step_of

from gantut.seeding import random_state
from gantut_gan import DCGAN, dataset_files

FILES = ["gantut_imgfuncs.py", "gantut_datafuncs.py", "gantut_gan.py", "gantut_trainer.py"]
COMMAND = [*SMALL, "--dataset", "pictures", "--epoch", "1"]


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def copied(folder, edits=()):
    """Copy the tutorial's files into a folder, with (file, old, new) edited, and write pictures for one step."""
    folder.mkdir()
    for name in FILES:
        text = read(name)
        for file, old, new in edits:
            if file == name:
                assert old in text, old
                text = text.replace(old, new)
        (folder / name).write_text(text)
    write_pictures(folder / "pictures", n=8)


def run_all(root, cases):
    """Run (name, script, argv) in the folders root/name, in processes of their own; returns them by name."""
    cases = {name: [script, *argv] for name, script, argv in cases}

    def run(name):
        folder = root / name
        with open(folder / "stdout", "w") as out, open(folder / "stderr", "w") as err:
            code = forked.Process(cases[name], folder, out, err).wait(900)
        return SimpleNamespace(returncode=code, stdout=(folder / "stdout").read_text(),
                               stderr=(folder / "stderr").read_text())

    return two_at_a_time(run, cases)


# a breakpoint

def functions(name):
    """The functions of a file and the methods of its classes, each with the line of its first statement."""
    found = {}
    for node in ast.parse(read(name)).body:
        for one in [node] if isinstance(node, ast.FunctionDef) else getattr(node, "body", []):
            if isinstance(one, ast.FunctionDef):
                found[one.name if one is node else f"{node.name}.{one.name}"] = one.body[
                    1 if ast.get_docstring(one) else 0].lineno
    return found


REACHED = {
    "gantut_imgfuncs.py": ["imread", "transform", "center_crop", "get_image", "inverse_transform", "merge", "imsave",
                           "save_images"],
    "gantut_datafuncs.py": ["batch_norm.__init__", "batch_norm.__call__", "batch_norm.move", "conv2d", "lrelu",
                            "linear", "conv2d_transpose"],
    "gantut_gan.py": ["dataset_files", *("DCGAN." + name for name in (
        "__init__", "build_model", "generator", "discriminator", "train", "step", "save", "load"))],
    "gantut_trainer.py": ["main"],
}


@pytest.mark.quick
def test_no_function_is_left_out():
    for name, reached in REACHED.items():
        assert sorted(reached) == sorted(functions(name).keys() - {"command"}), name


def test_a_breakpoint_in_any_function_ends_the_tutorials_command(tmp_path):
    cases = []
    for file, names in REACHED.items():
        for name in names:
            line = functions(file)[name]
            copied(tmp_path / name)
            lines = read(file).splitlines()
            indent = re.match(" *", lines[line - 1])[0]
            lines.insert(line - 1, indent + f'raise RuntimeError("reached " + {name!r})')
            (tmp_path / name / file).write_text("\n".join(lines) + "\n")
            flags = ["--is_crop"] if name == "center_crop" else []
            cases.append((name, "gantut_trainer.py", [*COMMAND, *flags]))
    for name, done in run_all(tmp_path, cases).items():
        assert done.returncode == 1, name
        assert done.stderr.endswith(f"RuntimeError: reached {name}\n"), (name, done.stderr[-500:])


# edits

GAN, LAYERS, IMAGES = "gantut_gan.py", "gantut_datafuncs.py", "gantut_imgfuncs.py"
LOSS = ("self.{} = tf.reduce_mean(\n            tf.nn.sigmoid_cross_entropy_with_logits("
        "logits=self.{}, labels=tf.{}_like(self.{})))")
REAL, FAKE = LOSS.format("d_loss_real", "D_logits", "ones", "D"), LOSS.format("d_loss_fake", "D_logits_", "zeros", "D_")
G_LOSS = LOSS.format("g_loss", "D_logits_", "ones", "D_")
START = "        # run g_optim twice"
SECOND = START + read(GAN).split(START)[1].split("        errD_fake = self.d_loss_fake")[0]
LAST = '            hs.append(None)\n            name = "g_h{}".format(i)\n            hs[i], _, _ ='
ADAM = "run.AdamOptimizer(config.learning_rate, beta1=config.beta1)"
EDITS = {  # name: (the edits, arguments for second_graph.py)
    "none": ([], []),
    "0.0 * d_loss_real": ([(GAN, REAL, REAL.replace("= ", "= 0.0 * ", 1))], []),
    "0.0 * d_loss_fake": ([(GAN, FAKE, FAKE.replace("= ", "= 0.0 * ", 1))], []),
    "0.0 * d_loss": ([(GAN, "self.d_loss_real + self.d_loss_fake\n", "0.0 * (self.d_loss_real + self.d_loss_fake)\n")],
                     []),
    "0.0 * g_loss": ([(GAN, G_LOSS, G_LOSS.replace("= ", "= 0.0 * ", 1))], []),
    "hinge": ([(GAN, REAL, "self.d_loss_real = tf.reduce_mean(tf.nn.relu(1 - self.D_logits))"),
               (GAN, FAKE, "self.d_loss_fake = 0.5 * tf.reduce_mean(tf.nn.relu(1 + self.D_logits_))"),
               (GAN, G_LOSS, "self.g_loss = -tf.reduce_mean(self.D_logits_)")], []),
    "smooth": ([(GAN, REAL, REAL.replace("tf.ones", "0.9 * tf.ones"))], []),
    "leak": ([(LAYERS, "leak=0.2", "leak=0.01")], []),
    "momentum": ([(LAYERS, "momentum=0.9", "momentum=0.5")], []),
    "norm": ([(LAYERS, "self.mean, self.variance, beta", "self.mean, 2 * self.variance, beta")], []),
    "beta1": ([(GAN, ADAM, ADAM.replace("config.beta1", "0.9"))], ["2", "0.9"]),
    "layer in G": ([(GAN, LAST, """            hs[-1] = tf.nn.relu(conv2d_transpose(
                hs[-1], [n, size // 2, size // 2, hs[-1].shape[-1]], d_h=1, d_w=1, name="g_more"))
""" + LAST)], []),
    "layer in D": ([(GAN, "            h3 = tf.reshape(h3", """            h3 = lrelu(self.d_bns[3](
                conv2d(h3, self.df_dim * 8, d_h=1, d_w=1, name="d_more"), self.is_training))
            h3 = tf.reshape(h3""")], []),
    "one update of G": ([(GAN, SECOND, "")], ["1"]),
    "three updates of G": ([(GAN, SECOND, SECOND + SECOND)], ["3"]),
    "mirror": ([(IMAGES, "np.array(cropped_image) / 127.5", "np.array(cropped_image)[:, ::-1] / 127.5")], []),
}
REFUSED = {  # refused by --fast: the edits, what it names
    "new z": ([(GAN, START, "        batch_z = -batch_z\n" + START)],
              "DCGAN.step() has been changed"),
    "dropout in G": ([(GAN, "tf.nn.tanh(hs[i])", "tf.nn.dropout(tf.nn.tanh(hs[i]), rate=0.5)")],
                     "draws random numbers"),
    "features of D": ([(GAN, "            h4 = linear(", "            self.features = h3\n            h4 = linear("),
                       (GAN, G_LOSS, G_LOSS + "\n        self.g_loss += tf.reduce_mean(self.features)")],
                      "more of D than D_ and D_logits_"),
    "another optimizer": ([(GAN, ADAM + ".minimize(\n                self.g_loss",
                            "tf.train.GradientDescentOptimizer(0.1).minimize(\n                self.g_loss")],
                          "run.AdamOptimizer"),
    "no move": ([(LAYERS, "def move(self", "def shift(self"), (LAYERS, "self.move(", "self.shift(")], "move()"),
}


@pytest.fixture(scope="module")
def edited(tmp_path_factory):
    """One step of the trainer for each edit, as written and by --fast, and of the second graph for each."""
    root, cases = tmp_path_factory.mktemp("edited"), []
    for name, (edits, arguments) in EDITS.items():
        for how, flags in (("written", []), ("fast", ["--fast", "--precision", "float32"])):
            copied(root / f"{name}, {how}", edits)
            cases.append((f"{name}, {how}", "gantut_trainer.py", [*COMMAND, *flags]))
        copied(root / f"{name}, second", edits)
        (root / f"{name}, second" / "second_graph.py").write_text(read("tests/second_graph.py"))
        cases.append((f"{name}, second", "second_graph.py", ["batch.npz", "out.npz", *arguments]))
        files = dataset_files(str(root / f"{name}, second" / "pictures"))
        random_state(1, "data").shuffle(files)
        np.savez(root / f"{name}, second" / "batch.npz", z=random_state(1, "z", 1).uniform(-1, 1, [8, 8]),
                 paths=[files[i] for i in random_state(1, "epoch", 0).permutation(8)])
    for name, (edits, _) in REFUSED.items():
        for how, flags in (("written", []), ("fast", ["--fast"])):
            copied(root / f"{name}, {how}", edits)
            cases.append((f"{name}, {how}", "gantut_trainer.py", [*COMMAND, *flags]))
    return root, run_all(root, cases)


def differ(a, b):
    """The fraction of the numbers that differ by more than a tenth of a step of Adam's, by the variables' names.

    The biases before a batch norm are left out: their gradient is nothing but rounding.
    """
    assert a.keys() == b.keys()
    noise = re.compile(r"d_(h[123]|more)_?\w*/biases|g_h1/biases|g_h0_lin/bias|moving_mean|Adam")
    shares = {name: np.mean(abs(a[name] - b[name]) > 2e-5) for name in a if not noise.search(name)}
    return {name: share for name, share in shares.items() if share}


@pytest.mark.parametrize("how", ["written", "fast"])
@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_what_trains(edited, name, how):
    root, done = edited
    run = done[f"{name}, {how}"]
    assert (run.returncode, run.stderr) == (0, ""), run.stderr[-2000:]
    assert done[name + ", second"].returncode == 0, done[name + ", second"].stderr[-2000:]
    found = step_of(root / f"{name}, {how}")
    second = dict(np.load(root / (name + ", second") / "out.npz"))
    assert max(differ(found, second).values(), default=0) < 0.02, differ(found, second)
    if name != "none":
        plain = step_of(root / ("none, " + how))
        changed = found.keys() != plain.keys() or max(differ(found, plain).values(), default=0) > 0.2
        assert changed or name == "beta1", differ(found, plain)
    if name == "beta1":
        assert abs(found["beta1_power"] - 0.9**2) < 1e-6


@pytest.mark.parametrize("name", REFUSED)
def test_what_fast_cannot_do_is_refused_by_name_and_trains_as_written(edited, name):
    _, done = edited
    assert done[name + ", written"].returncode == 0, done[name + ", written"].stderr[-2000:]
    fast = done[name + ", fast"]
    assert fast.returncode == 1 and fast.stderr.startswith("error: ") and "Traceback" not in fast.stderr
    assert REFUSED[name][1] in fast.stderr and "train without" in fast.stderr


def test_a_changed_number_of_steps_is_refused_and_a_changed_default_is_the_trainers(tmp_path):
    step, save = "                    counter += 1\n", "                    if np.mod(counter - 2"
    edits = {"half": [(GAN, "config.train_size) // self.batch_size", "config.train_size) // self.batch_size // 2")],
             "a break": [(GAN, step, step + "                    break\n")],
             "a break at the end": [(GAN, save, f"{' ' * 20}if last:\n{' ' * 24}break\n{save}")],
             "a default": [(GAN, "gf_dim=64, df_dim=64", "gf_dim=3, df_dim=5")]}
    for name, changed in edits.items():
        copied(tmp_path / name, changed)
    two_steps = [*COMMAND, "--batch_size", "4", "--epoch", "3"]
    done = run_all(tmp_path, [
        ("half", "gantut_trainer.py", two_steps), ("a break", "gantut_trainer.py", two_steps),
        ("a break at the end", "gantut_trainer.py", COMMAND), ("a default", "gantut_trainer.py", ["--help"])])
    half, *breaks = (done[name] for name in edits if name != "a default")
    assert half.returncode == 1 and half.stderr.startswith(
        "error: the steps in an epoch of this train() are 1, but its pictures make 2"), half.stderr[-500:]
    assert half.stderr.endswith("; --train_size 4 makes epochs of that length\n")
    for left in breaks:
        assert left.returncode == 1 and left.stderr.startswith("error: this train() leaves an epoch before its end: ")
    assert [re.search(rf"--{name}:.*?default: '(\d+)'", done["a default"].stdout, re.DOTALL)[1]
            for name in ("gf_dim", "df_dim", "z_dim")] == ["3", "5", "100"]


# the statements

def statements(source, *names):
    """The statements of some functions as ast.unparse() writes them; of those that hold others the first line."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef) and function.name in names:
            for node in ast.walk(function):
                if isinstance(node, ast.stmt) and node is not function and not (
                        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
                    found.append(ast.unparse(node).split("\n")[0])
    return found


@pytest.mark.quick
def test_most_statements_of_the_texts_train_are_kept_as_they_are():
    text = collections.Counter(statements(read("tests/readers/gantut_gan.py"), "train"))
    ours = collections.Counter(statements(read(GAN), "train", "step"))
    assert sum(text.values()) == 45
    stand = sum((text & ours).values())
    assert stand >= 28, text - ours
    with open(os.path.join(ROOT, "docs", "tutorial.md"), encoding="utf-8") as file:
        page = file.read()
    assert f"{stand} of the 45 statements" in page


@pytest.mark.quick
def test_the_class_is_short():
    node = next(node for node in ast.parse(read(GAN)).body if isinstance(node, ast.ClassDef))
    assert node.name == DCGAN.__name__ and node.end_lineno - node.lineno + 1 <= 250


def test_pictures_that_are_mirrored_at_random_resume_bit_for_bit(tmp_path):
    """By a reader's change of Part 3: what is drawn depends on the step alone."""
    mirror = [(IMAGES, "np.array(cropped_image) / 127.5",
               "np.array(cropped_image)[:, ::np.random.choice([-1, 1])] / 127.5")]
    for name in ("whole", "halves"):
        copied(tmp_path / name, mirror)
    three = [*COMMAND, "--epoch", "3"]
    done = [run_all(tmp_path, [("whole", "gantut_trainer.py", three), ("halves", "gantut_trainer.py", COMMAND)]),
            run_all(tmp_path, [("halves", "gantut_trainer.py", three)])]
    assert [run.returncode for runs in done for run in runs.values()] == [0, 0, 0]
    assert "An existing model was found" in done[1]["halves"].stdout
    assert variables(tmp_path / "whole") == variables(tmp_path / "halves")
