"""The course: what it hands out; right solutions pass however they are written; typical mistakes are named."""
import ast
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import tensorflow.compat.v1 as tf
from conftest import ROOT, run_script, snapshot, two_at_a_time
from course_mutants import MUTANTS

sys.path.append(os.path.join(ROOT, "course"))

import functions
import start
from judging import Wrong
from steps import STEPS

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


def test_it_writes_over_nothing_and_begins_anew_only_if_told(tmp_path):
    first = run_script("course/start.py", "mine", cwd=tmp_path)
    assert first.returncode == 0 and "center_crop, transform, merge" in first.stdout
    assert sorted(os.listdir(tmp_path / "mine")) == sorted(FILES)
    (tmp_path / "mine" / "gantut_gan.py").write_text("# mine\n")
    before = snapshot(tmp_path)
    again = run_script("course/start.py", "mine", cwd=tmp_path)
    assert again.returncode == 1 and again.stderr.count("\n") == 1 and "nothing is written over" in again.stderr
    no = run_script("course/start.py", "mine", "--reset", "gantut_gan.py", cwd=tmp_path, input="n\n")
    assert no.returncode == 1 and snapshot(tmp_path) == before
    yes = run_script("course/start.py", "mine", "--reset", "gantut_gan.py", cwd=tmp_path, input="y\n")
    assert yes.returncode == 0
    assert (tmp_path / "mine" / "gantut_gan.py.kept0").read_text() == "# mine\n"
    assert start.TO_WRITE in (tmp_path / "mine" / "gantut_gan.py").read_text()


# right solutions

def test_right_solutions_pass_however_they_are_written():
    """The project's, one typed from the text, one that takes other operators everywhere, and a lesson."""
    folders = [".", "tests/readers", "tests/course_otherwise", "variants"]
    for folder, done in two_at_a_time(check, folders).items():
        assert done.returncode == 0, (folder, done.stdout, done.stderr)
        assert "all {} steps are right".format(4 if folder == "variants" else 15) in done.stdout


# wrong ones

def test_a_skeleton_does_not_pass_and_the_next_thing_to_do_is_named(tmp_path):
    run_script("course/start.py", "mine", "--part", 4, cwd=tmp_path)
    first = check(tmp_path / "mine", "--hint", 3)
    assert first.returncode == 1 and "3 of 15 steps are right" in first.stdout
    assert "DCGAN.__init__ (Part 4) is yours to write" in first.stdout
    assert all("hint {}".format(level) in first.stdout for level in (1, 2, 3))
    solution = check(tmp_path / "mine", "--solution", "DCGAN.load")
    assert "self.saver.restore" in solution.stdout


@pytest.mark.parametrize("first, done", [("DCGAN.generator", 9), ("DCGAN.build_model", 11)])
def test_no_step_looks_at_a_later_function(first, done, tmp_path):
    """With all from one function on empty, those before it are right: a mistake is found at no earlier step."""
    names = [step.name for step in STEPS]
    left = set(names[names.index(first):]) | {"DCGAN.step"}
    for name, (part, _) in start.EMPTY.items():
        source = read(ROOT, name)
        (tmp_path / name).write_text(start.empty(source, left & start.functions(ast.parse(source)).keys(), part))
    said = check(tmp_path)
    assert said.returncode == 1 and "{} of 15 steps are right".format(done) in said.stdout, said.stdout
    assert "{} (Part 4) is yours to write".format(first) in said.stdout


BROKEN = {  # what the reader's gantut_imgfuncs.py begins with: what is said; the one that takes longest first
    "def center_crop(x, crop_h, crop_w=None, resize_w=64):\n    while True:\n        pass\n": "an endless loop?",
    "def center_crop(:\n": "line 1: Python cannot read it",
    "import sys\nsys.exit(3)\n": "cannot be imported: SystemExit",
    "import nowhere\n": "No module named 'nowhere' (gantut_imgfuncs.py, line 1)",
    "def center_crop(x, crop_h, crop_w=None, resize_w=64):\n    import os\n    os._exit(3)\n": "the process ended",
    "def center_crop(x, crop_h, crop_w=None, resize_w=64):\n    return x[nothing]\n": "name 'nothing' is not defined "
    "(gantut_imgfuncs.py, line 2)",
}


def test_broken_files_are_a_message_and_no_end(tmp_path):
    def broken(text):
        folder = tmp_path / str(list(BROKEN).index(text))
        folder.mkdir()
        for name in start.EMPTY:
            (folder / name).write_text(text if name == "gantut_imgfuncs.py" else read(ROOT, name))
        return check(folder)
    for text, done in two_at_a_time(broken, BROKEN).items():
        assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr, done.stderr
        assert "0 of 15 steps are right" in done.stdout and BROKEN[text] in done.stdout, done.stdout


def test_a_file_that_another_one_imports_is_named(tmp_path):
    for name in start.EMPTY:
        (tmp_path / name).write_text(read(ROOT, name) + "\n)\n" * (name == "gantut_datafuncs.py"))
    lines = read(tmp_path, "gantut_datafuncs.py").count("\n")
    assert "gantut_datafuncs.py, line {}: Python cannot read it".format(lines) in check(tmp_path).stdout


def by_contrib(x, train):
    return tf.contrib.layers.batch_norm(x, is_training=train)


def by_if(x, train):
    return x if train else -x


def by_xrange(x, train):
    return [x for _ in xrange(3)]  # noqa: F821


@pytest.mark.parametrize("norm, words", [(by_contrib, "tf.contrib is gone"), (by_if, "tf.cond decides later"),
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
