"""gantut/scripts.py: the flags and names of the scripts that argparse reads, in any order, as processes."""
import glob
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from helpers import ROOT, run_program, run_script, snapshot, two_at_a_time, write_pictures

from gantut.scripts import Stop, argument_parser, tell

ANY_ORDER = {  # what is typed in a folder with three pictures; what is there afterwards
    "data/get_dataset.py": (["celeba", "--archive", "pictures", "out", "--crop", 8, "--size", 8], "out/source.txt"),
    "data/get_dataset.py ": (["--crop", 8, "celeba", "--size", 8, "out", "--archive", "pictures"], "out/source.txt"),
    "data/align_faces.py": (["--mode", "crop", "pictures", "--workers", 1, "out", "--size", 8], "out/alignment.csv"),
    "data/make_faces.py": (["--count", 1, "out", "--size", 8], "out/face_00000.jpg"),
    "course/start.py": (["--part", 4, "out"], "out/gantut_imgfuncs.py"),
}


def test_flags_and_names_in_any_order(tmp_path):
    def run(case):
        folder = tmp_path / re.sub(r"\W", "_", case)
        write_pictures(folder / "pictures", n=3)
        return folder, run_script(case.strip(), *ANY_ORDER[case][0], cwd=folder)

    for case, (folder, process) in two_at_a_time(run, ANY_ORDER).items():
        assert process.returncode == 0 and (folder / ANY_ORDER[case][1]).exists(), (case, process.stderr)


@pytest.mark.quick
def test_several_names_of_a_kind(monkeypatch):
    """Names on both sides of a flag: the second is read, and it is the wrong one."""
    import judge_digits
    monkeypatch.setattr(judge_digits, "GENERATORS", {"mnist_gan": "judge_digits.py"})
    here = "mnist_gan=" + os.path.join(ROOT, "benchmarks")
    monkeypatch.setattr(sys, "argv", ["judge_digits.py", here, "--count", "3", "mnist_gan=nowhere"])
    with pytest.raises(ValueError, match="nowhere holds no generator"):
        judge_digits.main()


def parser():
    made = argument_parser("What it does.")
    made.add_argument("set", choices=["a", "b"])
    made.add_argument("out", nargs="?", default="default")
    made.add_argument("--size", type=int)
    return made


@pytest.mark.quick
@pytest.mark.parametrize("words, expected", [
    ("a", ("a", "default", None)), ("a x", ("a", "x", None)), ("--size 3 b", ("b", "default", 3)),
    ("a --size 3 x", ("a", "x", 3)), ("--size=3 a x", ("a", "x", 3)), ("a -- -x", ("a", "-x", None)),
])
def test_what_is_read(words, expected):
    args = parser().parse_args(words.split())
    assert (args.set, args.out, args.size) == expected


@pytest.mark.quick
@pytest.mark.parametrize("words, message", [
    ("", "the following arguments are required: set"), ("c", "invalid choice: 'c'"), ("a x --size 3 y", "arguments: y"),
    ("a --size x", "invalid int value: 'x'"), ("a --sizes 3 x", "--sizes"), ("a x --size", "expected one argument"),
])
def test_what_is_wrong_is_one_line(words, message):
    with pytest.raises(SystemExit) as left:
        parser().parse_args(words.split())
    assert message in left.value.code and left.value.code.startswith("error: ") and "\n" not in left.value.code


@pytest.mark.quick
def test_no_script_that_takes_names_has_a_parser_of_its_own():
    """One of argparse's reads no optional name, and no list of names, behind a flag."""
    for path in glob.glob(os.path.join(ROOT, "**", "*.py"), recursive=True):
        with open(path) as file:
            text = file.read()
        if not path.startswith(os.path.join(ROOT, "tests")) and re.search(r"\bArgumentParser\(", text):
            assert not re.search(r"parser\.add_argument\(['\"]\w.*nargs", text), path


ENDS_ITSELF = """
import os, signal
from gantut.errors import all_whole, write_whole
from gantut.scripts import run

def main():
    for results in ("old", "new"):
        with all_whole(".") as part:
            write_whole(os.path.join(part, "results"), results)
            if results == "new":
                os.kill(os.getpid(), signal.SIGTERM)
                write_whole("too late", "")
run(main)
"""


def test_a_signal_leaves_nothing_of_what_is_being_written(tmp_path):
    process = run_program(ENDS_ITSELF, cwd=tmp_path)
    assert (process.returncode, process.stderr) == (143, "stopped\n")
    assert os.listdir(tmp_path) == ["results"] and snapshot(tmp_path) == {"results": b"old"}


@pytest.mark.quick
def test_a_programs_own_signals_stop_no_training(capsys):
    """Python writes every signal that has a handler to the pipe that is read here."""
    seen = []
    before = signal.signal(signal.SIGWINCH, lambda *_: seen.append(1))
    try:
        with Stop("stopping\n") as stop:
            for number, expected in [(signal.SIGWINCH, None), (signal.SIGWINCH, None), (signal.SIGTERM, 15)]:
                os.kill(os.getpid(), number)
                time.sleep(0.1)
                assert stop.signum == expected
    finally:
        signal.signal(signal.SIGWINCH, before)
    assert len(seen) == 2 and capsys.readouterr().err == "stopping\n"


FULL = """
import os, sys
from gantut.errors import all_whole
from gantut.scripts import run

def main():
    with all_whole("."):
        os.set_blocking(2, False)
        try:
            while True:
                os.write(2, b"x" * 1000)
        except BlockingIOError:
            os.set_blocking(2, True)
        print("full", flush=True)
        sys.stdin.read()
run(main)
"""


def test_a_signal_ends_a_script_whose_stderr_nobody_reads(tmp_path):
    with subprocess.Popen([sys.executable, "-c", FULL], cwd=tmp_path, env={**os.environ, "PYTHONPATH": ROOT},
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"full\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143 and os.listdir(tmp_path) == []


@pytest.mark.quick
def test_a_message_without_anywhere_to_print_it(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    tell("stopping\n")
