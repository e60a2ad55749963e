"""The course: what it hands out; right solutions pass however they are written; typical mistakes are named."""
import ast
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest
import tensorflow.compat.v1 as tf
from course_mutants import MUTANTS
from helpers import ROOT, run_script, script_command, snapshot, the_error, two_at_a_time, wait_until

from course import check as checks
from course import functions, lesson, start, trainer, training
from course.check import look_for_files, solution
from course.judging import Unkept, Wrong, readers
from course.steps import STEPS
from gantut.errors import UserError

FILES = [*start.EMPTY, "gantut_trainer.py"]


def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()


def check(folder, *flags, **kwargs):
    return run_script("course/check.py", folder, *flags, cwd=ROOT, **kwargs)


# what is handed out

@pytest.mark.parametrize("name", start.EMPTY)
def test_the_files_differ_in_nothing_but_empty_bodies(name):
    part, empty = start.EMPTY[name]
    ours, theirs = read(ROOT, name), start.skeleton(name)
    assert start.skeleton(name, part + 1) == ours
    whole, bare = (start.functions(ast.parse(source)) for source in (ours, theirs))
    assert whole.keys() == bare.keys()
    for function in whole:
        docstrings = [ast.get_docstring(node) for node in (whole[function], bare[function])]
        assert docstrings[0] == docstrings[1] and (function not in empty or docstrings[0])
        assert ast.unparse(whole[function].args) == ast.unparse(bare[function].args)
        is_empty = start.TO_WRITE in ast.unparse(bare[function])
        assert is_empty == (function in empty)
        assert is_empty or ast.unparse(whole[function]) == ast.unparse(bare[function])
    assert without_bodies(ours, empty) == without_bodies(theirs, empty)


def without_bodies(source, names):
    lines, found = source.splitlines(), start.functions(ast.parse(source))
    for name in sorted(names, key=lambda name: -found[name].lineno):
        first, end = start.body_lines(found[name])
        while lines[first - 1].strip().startswith("#"):
            first -= 1
        del lines[first:end]
    return lines


def test_it_overwrites_nothing_and_starts_again_only_if_told(tmp_path):
    first = run_script("course/start.py", "mine", cwd=tmp_path)
    assert first.returncode == 0 and "center_crop, transform, merge" in first.stdout
    assert sorted(os.listdir(tmp_path / "mine")) == sorted(FILES)
    (tmp_path / "mine" / "gantut_gan.py").write_text("# mine\n")
    before = snapshot(tmp_path)
    again = run_script("course/start.py", "mine", cwd=tmp_path)
    assert again.returncode == 1 and again.stderr.count("\n") == 1 and "nothing is overwritten" in again.stderr
    no = run_script("course/start.py", "mine", "--reset", "gantut_gan.py", cwd=tmp_path, input="n\n")
    assert no.returncode == 1 and snapshot(tmp_path) == before
    yes = run_script("course/start.py", "mine", "--reset", "gantut_gan.py", cwd=tmp_path, input="y\n")
    assert yes.returncode == 0
    assert (tmp_path / "mine" / "gantut_gan.py.kept0").read_text() == "# mine\n"
    assert start.TO_WRITE in (tmp_path / "mine" / "gantut_gan.py").read_text()


@pytest.mark.quick
@pytest.mark.parametrize("here, other", [("gantut_gan.py", "mnist_gan.py"), ("gantut_trainer.py", "mnist_gan.py"),
                                         ("mnist_gan.py", "gantut_imgfuncs.py")])
def test_a_lesson_and_the_tutorial_are_never_in_one_folder(tmp_path, here, other):
    """Only the lesson would be checked."""
    (tmp_path / here).write_text("# mine\n")
    lesson = "mnist_gan" if other == "mnist_gan.py" else None
    for begin in (start.write, str(tmp_path), 3, lesson), (start.reset, str(tmp_path), other):
        with pytest.raises(UserError, match="cannot be in one folder"):
            begin[0](*begin[1:])
        assert os.listdir(tmp_path) == [here]
    (tmp_path / other).write_text("# mine\n")
    with pytest.raises(UserError, match="cannot be in one folder"):
        look_for_files(str(tmp_path))


@pytest.mark.quick
def test_a_file_that_is_started_again_is_as_its_part_began(tmp_path, monkeypatch):
    for name in "gantut_imgfuncs.py", "gantut_gan.py":
        monkeypatch.setattr(sys, "argv", ["start.py", str(tmp_path), "--part", "4", "--reset", name])
        start.main()
    assert read(tmp_path, "gantut_imgfuncs.py") == read(ROOT, "gantut_imgfuncs.py")
    assert start.TO_WRITE in read(tmp_path, "gantut_gan.py")
    os.remove(tmp_path / "gantut_imgfuncs.py")
    with pytest.raises(UserError, match="--reset gantut_imgfuncs.py [(]and --part 4, if you began with it[)]"):
        look_for_files(str(tmp_path))
    (tmp_path / "lesson").mkdir()
    start.reset(str(tmp_path / "lesson"), "mnist_gan.py", 4)
    assert start.TO_WRITE in read(tmp_path, "lesson", "mnist_gan.py")


@pytest.mark.quick
def test_every_step_has_a_solution(capsys):
    for step in STEPS + lesson.STEPS:
        solution(step.name)
        shown = capsys.readouterr().out
        path = os.path.join(ROOT, "variants" if step.file in start.LESSON else "", step.file)
        assert shown.strip() in read(path) and (step.name != step.file or shown == read(path))
    with pytest.raises(UserError, match="no step is called gantut_gan.py"):
        solution("gantut_gan.py")


def test_a_folder_without_a_name_is_one_line(tmp_path):
    assert "must have a name" in the_error(run_script("course/start.py", "", "--reset", "gantut_gan.py", cwd=tmp_path))
    assert os.listdir(tmp_path) == []


@pytest.mark.quick
def test_what_a_link_names_is_kept_too(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text("# mine\n")
    (tmp_path / "gantut_gan.py").symlink_to("theirs.py")
    monkeypatch.setattr(start, "asked", lambda _: True)
    start.reset(str(tmp_path), "gantut_gan.py")
    assert (tmp_path / "gantut_gan.py.kept0").read_text() == "# mine\n"
    assert (tmp_path / "gantut_gan.py").is_symlink() and start.TO_WRITE in (tmp_path / "theirs.py").read_text()


@pytest.mark.parametrize("missing", ["all", "one too high", *start.EMPTY])
def test_no_file_but_the_readers_is_checked(tmp_path, missing):
    folder = tmp_path / "mine" if missing == "one too high" else tmp_path
    folder.mkdir(exist_ok=True)
    for name in [] if missing == "all" else FILES:
        (folder / (name + ".old" if name == missing else name)).write_text(read(ROOT, name))
    done = check(tmp_path)
    assert the_error(done) == done.stderr.strip() and not done.stdout
    assert str(folder if missing == "one too high" else missing if missing in start.EMPTY else FILES[0]) in done.stderr
    if missing in start.EMPTY:
        assert run_script("course/start.py", tmp_path, "--reset", missing, cwd=ROOT).returncode == 0
        assert (tmp_path / missing).read_text() == start.skeleton(missing)


def test_a_file_that_disappears_during_the_check_is_named(tmp_path):
    """The project's file of that name, which Python would find next, is not taken."""
    for name in start.EMPTY:
        (tmp_path / name).write_text(read(ROOT, name))
    with open(tmp_path / "gantut_imgfuncs.py", "a") as file:
        file.write(f"import os\nos.remove({str(tmp_path / 'gantut_datafuncs.py')!r})\n")
    assert f"there is no gantut_datafuncs.py in {tmp_path}" in check(tmp_path).stdout


def test_the_readers_own_modules_are_theirs_whatever_they_are_called(tmp_path):
    run_script("course/start.py", "mine", "--part", 4, cwd=tmp_path)
    for name in os.listdir(os.path.join(ROOT, "course")):
        if name.endswith(".py"):
            (tmp_path / "mine" / name).write_text("VALUE = 'mine'\n")
    with open(tmp_path / "mine" / "gantut_imgfuncs.py", "a") as file:
        file.write("import model, steps\nassert model.VALUE == steps.VALUE == 'mine'\n")
    done = check(tmp_path / "mine")
    assert "3 of 16 steps are right" in done.stdout and "is yours to write" in done.stdout, done.stdout


# however it is run

COMMANDS = {"check": "course/check.py mine", "start": "course/start.py new", "solution": "course/check.py mine "
            "--solution lrelu", "help": "course/start.py --help", "command": "-m course check mine"}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_full_stdout_is_one_line_and_no_success(tmp_path, words):
    run_script("course/start.py", "mine", cwd=tmp_path)
    script = words.replace("course/", os.path.join(ROOT, "course", ""))
    done = subprocess.run(f"{sys.executable} {script} > /dev/full", shell=True, cwd=tmp_path, text=True,
                          capture_output=True, env={**os.environ, "PYTHONPATH": ROOT})
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "No space left on device" in done.stderr
    assert "new" not in words or sorted(os.listdir(tmp_path / "new")) == sorted(FILES)


def test_a_strict_encoding_is_no_obstacle(tmp_path):
    strict = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    made = run_script("course/start.py", "Übung", cwd=tmp_path, env=strict)
    assert made.returncode == 0 and "\\xdcbung" in made.stdout and made.stderr == ""
    with open(tmp_path / "Übung" / "gantut_imgfuncs.py", "a") as file:
        file.write("print('é')\nimport os\nos.write(2, b'\\xff')\n")
    done = check(tmp_path / "Übung", env=strict)
    assert "center_crop (Part 3) is yours to write" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("command", ["check", "start"])
def test_ctrl_c_is_one_line_and_ends_all(tmp_path, command):
    run_script("course/start.py", "mine", cwd=tmp_path)
    endless = "import os, time\nopen('began', 'w').write(str(os.getpid()))\nwhile True:\n    try:\n        " \
              "time.sleep(1)\n    except BaseException:\n        pass\n"
    (tmp_path / "mine" / "gantut_imgfuncs.py").write_text(endless)
    flags = ["course/check.py", "mine"] if command == "check" else ["course/start.py", "mine", "--reset",
                                                                    "gantut_imgfuncs.py"]
    process = subprocess.Popen(script_command(*flags), cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    if command == "check":
        pid = int(wait_until(lambda: (tmp_path / "began").exists() and (tmp_path / "began").read_text(), process))
    else:
        assert process.stdout.read(5) == "start"
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said == "stopped\n"
    assert (tmp_path / "mine" / "gantut_imgfuncs.py").read_text() == endless
    if command == "check":
        for _ in range(100):
            if not os.path.exists(f"/proc/{pid}"):
                break
            time.sleep(0.1)
        assert not os.path.exists(f"/proc/{pid}")


# right solutions

def test_right_solutions_pass_however_they_are_written():
    """The project's, one typed from the text, one that uses other operators everywhere, and a lesson."""
    folders = [".", "tests/readers", "tests/course_otherwise", "variants"]
    for folder, done in two_at_a_time(check, folders).items():
        assert done.returncode == 0, (folder, done.stdout, done.stderr)
        steps = 5 if folder == "variants" else 16
        assert f"all {steps} steps are right" in done.stdout


# wrong ones

def test_a_skeleton_does_not_pass_and_the_next_thing_to_do_is_named(tmp_path):
    run_script("course/start.py", "mine", "--part", 4, cwd=tmp_path)
    first = check(tmp_path / "mine", "--hint", 3)
    assert first.returncode == 1 and "3 of 16 steps are right" in first.stdout
    assert "DCGAN.__init__ (Part 4) is yours to write" in first.stdout
    assert all(f"hint {level}" in first.stdout for level in (1, 2, 3))
    solution = check(tmp_path / "mine", "--solution", "DCGAN.load")
    assert "self.saver.restore" in solution.stdout


@pytest.mark.parametrize("first, done", [("DCGAN.generator", 9), ("DCGAN.build_model", 11)])
def test_no_step_looks_at_a_later_function(first, done, tmp_path):
    """With a function and all after it empty, those before it are right: a mistake is found at no earlier step."""
    names = [step.name for step in STEPS]
    left = set(names[names.index(first):]) | {"DCGAN.step"}
    for name, (part, _) in start.EMPTY.items():
        source = read(ROOT, name)
        (tmp_path / name).write_text(start.empty(source, left & start.functions(ast.parse(source)).keys(), part))
    said = check(tmp_path)
    assert said.returncode == 1 and f"{done} of 16 steps are right" in said.stdout, said.stdout
    assert f"{first} (Part 4) is yours to write" in said.stdout


def checks_of(texts, tmp_path):
    """{text: check() of the project's files, with this text in place of gantut_imgfuncs.py}."""
    def check_one(text):
        folder = tmp_path / str(list(texts).index(text))
        folder.mkdir()
        for name in start.EMPTY:
            (folder / name).write_text(text if name == "gantut_imgfuncs.py" else read(ROOT, name))
        return check(folder)
    return two_at_a_time(check_one, texts)


BROKEN = {  # what the reader's gantut_imgfuncs.py starts with: what is said; the one that takes longest first
    "def center_crop(x, crop_h, crop_w=None, resize_w=64):\n    while True:\n        pass\n": "an endless loop?",
    "def center_crop(:\n": "line 1: Python cannot read it",
    "import sys\nsys.exit(3)\n": "cannot be imported: SystemExit",
    "import nowhere\n": "No module named 'nowhere' (gantut_imgfuncs.py, line 1)",
    "def center_crop(x, crop_h, crop_w=None, resize_w=64):\n    import os\n    os._exit(3)\n": "the process ended",
    "def center_crop(x, crop_h, crop_w=None, resize_w=64):\n    return x[nothing]\n": "name 'nothing' is not defined "
    "(gantut_imgfuncs.py, line 2)",
}


def test_broken_files_give_a_message_and_do_not_end_the_check(tmp_path):
    for text, done in checks_of(BROKEN, tmp_path).items():
        assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr, done.stderr
        assert "0 of 16 steps are right" in done.stdout and BROKEN[text] in done.stdout, done.stdout


ENDED = {  # how the reader's code ends the process: what is said
    "import os, traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()\n    os._exit(3)\n":
    ["ended with exit code 3", "Traceback", "gantut_imgfuncs.py", "ZeroDivisionError: division by zero"],
    "import os, signal\nprint('before')\nos.kill(os.getpid(), signal.SIGKILL)\n": ["ended by SIGKILL"],
    "import ctypes, faulthandler\nfaulthandler.enable()\nctypes.string_at(0)\n":
    ["ended by SIGSEGV", 'gantut_imgfuncs.py", line 3'],
}


def test_what_a_process_said_before_it_ended_is_shown(tmp_path):
    for text, done in checks_of(ENDED, tmp_path).items():
        assert done.returncode == 1 and done.stderr == ""
        assert all(words in done.stdout for words in ENDED[text]), done.stdout


@pytest.mark.parametrize("character, shown", [(" ", [f"line {i}" for i in range(100 - checks.LINES, 100)]),
                                              ("x", ["x" * checks.LINES * checks.LONG])])
def test_of_what_a_process_says_only_the_end_is_kept(tmp_path, monkeypatch, character, shown):
    (tmp_path / "gantut_imgfuncs.py").write_text(
        "import os, sys\nfor i in range(100):\n    print(f'line {i}\\n', file=sys.stderr)\n"
        f"print({character!r} * 1000000, file=sys.stderr, flush=True)\nos._exit(3)\n")
    said = []
    monkeypatch.setattr(checks, "how_it_ended", lambda code, words: said.append(words))
    checks.judge(str(tmp_path))
    assert [line for line in said[0].splitlines() if line.strip()] == shown


def test_of_what_a_reader_prints_only_the_epochs_are_counted():
    with contextlib.redirect_stdout(Unkept()) as said:
        for i in range(3):
            print(f"Epoch {i}, a step of an Epoch", flush=True)
        for part in ("Ep", "o", "ch\n"):
            said.write(part)
    assert said.epochs == 7 and said.getvalue() == "" and len(said.rest) < 5


def test_a_file_that_another_one_imports_is_named(tmp_path):
    for name in start.EMPTY:
        (tmp_path / name).write_text(read(ROOT, name) + "\n)\n" * (name == "gantut_datafuncs.py"))
    lines = read(tmp_path, "gantut_datafuncs.py").count("\n")
    assert f"gantut_datafuncs.py, line {lines}: Python cannot read it" in check(tmp_path).stdout


def by_contrib(x, train):
    return tf.contrib.layers.batch_norm(x, is_training=train)


def by_if(x, train):
    return x if train else -x


def by_xrange(x, train):
    return [x for _ in xrange(3)]  # noqa: F821


@pytest.mark.parametrize("norm, words", [(by_contrib, "tf.contrib no longer exists"), (by_if, "tf.cond decides later"),
                                         (by_xrange, "today's Python calls it range")])
def test_what_has_changed_since_the_text_is_explained(norm, words, monkeypatch):
    monkeypatch.setattr(functions, "load", lambda _: SimpleNamespace(batch_norm=lambda name: norm))
    with pytest.raises(Wrong, match=words):
        functions.batch_norm(None)


def test_every_typical_mistake_is_found_at_its_step_and_named():
    assert len(MUTANTS) >= 40

    def find(first):
        process = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "course_mutants.py"), str(first), "2"],
                                 capture_output=True, text=True)
        assert process.returncode == 0, process.stderr
        return [json.loads(line) for line in process.stdout.splitlines()]
    found = {name: rest for part in two_at_a_time(find, [0, 1]).values() for name, *rest in part}
    for name, _, _, step, words in MUTANTS:
        assert found[name][0] == step and re.search(words, found[name][1]), (name, found[name])


class Guarded:
    """Its train() uses names that it sets itself, or whose absence it expects."""

    def train(self, config):
        global drawn
        drawn = [len(one) for one in config]
        try:
            return unicode(drawn)
        except NameError:
            return str(drawn)


def test_a_name_that_train_sets_or_does_without_is_no_mistake():
    training.check_names(Guarded)


# the lesson

def the_lesson(monkeypatch, old="", new=""):
    """mnist_gan.py with a change, as the file that the lesson's checks judge."""
    source = read(ROOT, "variants", "mnist_gan.py")
    assert old in source
    module = ModuleType("mnist_gan")
    exec(source.replace(old, new), vars(module))
    monkeypatch.setattr(lesson, "load", lambda _: module)


@pytest.mark.parametrize("old, new, words", [
    ("glorot_uniform", "zeros", "the kernel begins with a standard deviation of 0.000, in tf.layers.dense with 0.082"),
    ("glorot_uniform", "random_normal", "the kernel begins with a standard deviation of [01]"),
    ("zeros", "ones", "the bias does not begin at 0")])
def test_a_layer_that_begins_with_other_values_is_named(monkeypatch, old, new, words):
    the_lesson(monkeypatch, f"tf.{old}_initializer()", f"tf.{new}_initializer()")
    with pytest.raises(Wrong, match=words):
        lesson.dense(None)


def test_the_layers_of_the_lesson_may_have_any_names(monkeypatch):
    the_lesson(monkeypatch, '"dense', '"layer')
    lesson.generator(None)
    lesson.discriminator(None)


@pytest.mark.parametrize("check, old, new, words", [
    ("dense", "    with tf.variable_scope(name):", "    units = 3\n    with tf.variable_scope(name):",
     r"a kernel \[5, 3\] and a bias \[3\], expected \[5, 4\] and \[4\]"),
    ("generator", 'dense(z, n_units, "dense")', 'dense(z, 64, "dense")',
     r"a kernel \[100, 64\] and a bias \[64\], expected \[100, 128\] and \[128\]"),
])
def test_a_layer_of_the_lesson_of_another_size_is_named(monkeypatch, check, old, new, words):
    the_lesson(monkeypatch, old, new)
    with pytest.raises(Wrong, match=words):
        getattr(lesson, check)(None)


def test_a_network_of_the_lesson_with_a_layer_less_is_named(monkeypatch):
    the_lesson(monkeypatch, 'hidden1 = dense(x, n_units, "dense")', "hidden1 = x")
    with pytest.raises(Wrong, match="has 1 of two kernels and 1 of two biases in the scope discriminator"):
        lesson.discriminator(None)


# the last step

TRAINERS = {  # the reader's file: what is said when they are trained
    "gantut_trainer.py": "import sys\nsys.exit('error: mine')\n", "gantut_gan.py": "raise RuntimeError('mine')\n",
}


@pytest.mark.parametrize("name", TRAINERS)
def test_the_readers_files_are_trained_by_their_own_trainer_or_else_ours(tmp_path, monkeypatch, name):
    for file in start.EMPTY:
        (tmp_path / file).write_text(read(ROOT, file))
    (tmp_path / name).write_text(TRAINERS[name])
    monkeypatch.setattr(readers, "folder", str(tmp_path))
    with pytest.raises(Wrong, match="gantut_trainer.py --dataset .* ends with exit code 1: .*: mine$"):
        trainer.trainer(None)


OF_TRAIN_SIZE = {  # what a reader's class has for min(len(data), config.train_size): what is said
    "len(data)": "--train_size 8 prints 3 lines with Epoch, expected 2: .* is config.train_size used",
    "min(len(data), float(config.train_size))": "--train_size 8 ends with exit code 1: TypeError: 'float' object",
}


@pytest.mark.parametrize("size", OF_TRAIN_SIZE)
def test_a_class_that_passes_the_other_checks_but_does_not_train_by_train_size(tmp_path, monkeypatch, size):
    for file in start.EMPTY:
        text = read(ROOT, "tests", "readers", file)
        assert file != "gantut_gan.py" or text.count("min(len(data), config.train_size)") == 1
        (tmp_path / file).write_text(text.replace("min(len(data), config.train_size)", size))
    monkeypatch.setattr(readers, "folder", str(tmp_path))
    with pytest.raises(Wrong, match=OF_TRAIN_SIZE[size]):
        trainer.trainer(None)


def test_a_lesson_that_passes_also_trains(tmp_path):
    """Its four functions are right, but not what is around them."""
    source = start.skeleton("mnist_gan.py", 2).replace("batch_images * 2 - 1", "batch_images[:, 1:] * 2 - 1")
    (tmp_path / "mnist_gan.py").write_text(source)
    done = check(tmp_path)
    assert done.returncode == 1 and "4 of 5 steps are right" in done.stdout
    assert "mnist_gan.py --epochs 2 ends with exit code 1: ValueError: Cannot feed value of shape" in done.stdout
