"""Where the project's own folders are, and what its scripts are called, in a clone or installed.

A clone's data/, course/, variants/ and pretrained/ are installed as the packages gantut_data and so on, the scripts as
commands. Installed folders are only read.
"""
import os
import re
import shlex
import shutil
import sys

from gantut.errors import UserError, is_inside

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INSTALLED = os.path.isdir(os.path.join(ROOT, "gantut_data"))
COMMANDS = {"gantut_trainer.py": "gantut-train", "gantut_sample.py": "gantut-sample",
            "gantut_complete.py": "gantut-complete", "gantut_judge.py": "gantut-judge",
            "data/align_faces.py": "gantut-align", "data/make_faces.py": "gantut-faces",
            "course/start.py": "gantut-course start", "course/check.py": "gantut-course check"}


def place(folder, *names):
    """The path of data, course, variants or pretrained, or of something in it."""
    return os.path.join(ROOT, "gantut_" + folder if INSTALLED else folder, *names)


def new_data(name):
    """The folder for a new data set, which is then found by its name: in the clone's data/, or in data/ here."""
    return os.path.join("data" if INSTALLED else os.path.relpath(place("data")), name)


def find_model(checkpoint_dir):
    """The folder of a model to read: checkpoint_dir, or the project's own folder pretrained if that is meant."""
    first, *rest = os.path.normpath(checkpoint_dir).split(os.sep)
    ours = place(first, *rest)
    return ours if first == "pretrained" and not os.path.isdir(checkpoint_dir) and os.path.isdir(ours) else \
        checkpoint_dir


def check_not_pretrained(path, flag):
    """Raise UserError if a path to write to, from a flag, lies in the project's own model."""
    if is_inside(path, place("pretrained")):
        raise UserError(f"--{flag} {path} is the model that comes with the project, which is only read: give another "
                        f"--{flag}, and copy the model there to continue from it")


def typed():
    """The command line of this process, for a shell: the command, or Python and the script, and the arguments."""
    script, spec = sys.argv[0], getattr(sys.modules["__main__"], "__spec__", None)
    name = os.path.basename(script)
    if is_command():
        words = [name if shutil.which(name) == script else script]
    else:
        words = [sys.executable, "-m", spec.name] if spec else [sys.executable, script]
    return shlex.join(words + sys.argv[1:])


def is_script():
    """Whether this process runs one of the project's scripts, not another program that imports the project."""
    folder, name = os.path.split((getattr(sys, "argv", None) or [""])[0])
    ours = [place(one) for one in ("data", "course", "variants")]
    ours += [] if INSTALLED else [os.path.join(ROOT, one) for one in ("benchmarks", "docs")]
    return name.startswith(("gantut_", "gantut-")) or os.path.realpath(folder) in map(os.path.realpath, ours)


def is_command():
    """Whether this process is one of the installed commands."""
    return os.path.basename(sys.argv[0]) in COMMANDS.values()


def in_words(text):
    """A text that names the project's scripts as in a clone, with their names as they are called here."""
    if INSTALLED or is_command():
        for script, command in COMMANDS.items():
            text = text.replace("python " + script, command)
        text = re.sub(r"python (data|variants|course)/(\w+)\.py", r"python -m gantut_\1.\2", text)
        text = text.replace("pip install '.[", "pip install 'gantut[")
    return text
