#!/usr/bin/env python3
"""The tutorial as a course: writes the files of its Parts 3 and 4, with empty bodies that you fill in.

  python course/start.py my_gan
  python course/check.py my_gan

They are made from the project's present files: names, arguments, docstrings and shapes stay, bodies are removed.
gantut_trainer.py is Part 5's, and trains with what you write. docs/course.md explains the course.
"""
import ast
import os
import shlex
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
if not __package__:  # run as a script
    sys.path.insert(0, ROOT)

from gantut.errors import UserError, whole  # noqa: E402
from gantut.paths import in_words, place  # noqa: E402
from gantut.scripts import argument_parser, run  # noqa: E402

EMPTY = {  # file: (part, the functions to write)
    "gantut_imgfuncs.py": (3, ["center_crop", "transform", "merge"]),
    "gantut_datafuncs.py": (4, ["batch_norm.__call__", "conv2d", "lrelu", "linear", "conv2d_transpose"]),
    "gantut_gan.py": (4, ["DCGAN." + name for name in ("__init__", "build_model", "generator", "discriminator", "train",
                                                       "step", "save", "load")]),
}
TUTORIAL = [*EMPTY, "gantut_trainer.py"]
LESSON = {"mnist_gan.py": (1, ["dense", "generator", "discriminator", "loss_func"])}  # of variants/
TO_WRITE = "is yours to write"  # in an empty body


def functions(tree):
    """The functions of a module and the methods of its classes, by name: {"linear": ..., "DCGAN.load": ...}."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        if isinstance(node, ast.ClassDef):
            found.update({f"{node.name}.{one.name}": one for one in node.body if isinstance(one, ast.FunctionDef)})
    return found


def body_lines(node):
    """The first and last line of a function's body, from 0, without its docstring."""
    first = node.body[1] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body[0]
    return first.lineno - 1, node.end_lineno


def empty(source, names, part):
    """A file's source with empty bodies for some functions."""
    lines, found = source.splitlines(), functions(ast.parse(source))
    for name in sorted(names, key=lambda name: -found[name].lineno):  # from the end, so that line numbers stay right
        start, end = body_lines(found[name])
        while lines[start - 1].strip().startswith("#"):  # a comment above the first statement belongs to it
            start -= 1
        indent = " " * (found[name].col_offset + 4)
        where = f"Part {part}" if part > 1 else "a lesson"
        lines[start:end] = [f'{indent}raise NotImplementedError("{name} ({where}) {TO_WRITE}")']
    return "\n".join(lines) + "\n"


def skeleton(name, part=1):
    """What start.py writes for a file; parts before `part` are complete."""
    folder = place("variants") if name in LESSON else ROOT
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        source = file.read()
    if name in EMPTY or name in LESSON:
        its_part, names = {**EMPTY, **LESSON}[name]
        source = source if its_part < part else empty(source, names, its_part)
    if name not in EMPTY:  # a script: it must find the project's package gantut/ and data from any folder
        paths = list(dict.fromkeys([folder, ROOT]))
        source = source.replace("import os\n", f"import os\nimport sys\n\nsys.path += {paths!r}\n", 1)
    return source


def check_apart(folder, names=()):
    """Raise UserError if a folder has, or with these names would have, files of the tutorial and of a lesson."""
    tutorial, lessons = ([name for name in some if name in names or os.path.exists(os.path.join(folder, name))]
                         for some in (TUTORIAL, LESSON))
    if tutorial and lessons:
        raise UserError(f"{folder}: {tutorial[0]} and {lessons[0]} cannot be in one folder, as only one of them would "
                        "be checked: give the lesson a folder of its own")


def write(folder, part, lesson):
    """Write the files; raises UserError before anything is written if one of them exists."""
    names = list(LESSON) if lesson else TUTORIAL
    check_apart(folder, names)
    there = [name for name in names if os.path.lexists(os.path.join(folder, name))]
    if there:
        raise UserError(f"{os.path.join(folder, there[0])} exists: nothing is overwritten; give a new folder, or "
                        f"--reset {there[0]}")
    os.makedirs(folder, exist_ok=True)
    for name in names:
        with whole(os.path.join(folder, name)) as path:
            put(path, skeleton(name, 1 if lesson else part))
        its_part, left = {**EMPTY, **LESSON}.get(name, (0, []))
        left = left if lesson or its_part >= part else []
        print(f"{os.path.join(folder, name)}: {'to write: ' + ', '.join(left) if left else 'complete'}")
    print(in_words(f"next: python course/check.py {shlex.quote(folder)}"))


def reset(folder, name, part=3):
    """Start one file again, if the reader agrees; the old one is kept beside it. A missing file is just written."""
    check_apart(folder, [name])
    path = os.path.join(folder, name)
    there = os.path.lexists(path)
    kept = next(one for one in (f"{path}.kept{i}" for i in range(1000)) if not os.path.lexists(one))
    if there and not asked(f"start {path} again? The present file is kept as {kept} [y/N] "):
        sys.exit("nothing is changed")
    if os.path.exists(path):
        shutil.copy2(path, kept)  # the content, as path may be a link
    with whole(path) as new:
        put(new, skeleton(name, 1 if name in LESSON else part))


def asked(question):
    try:
        return input(question).strip().lower() == "y"
    except EOFError:
        return False


def put(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("folder", type=os.path.expanduser, help="a new folder for your files")
    parser.add_argument("--part", type=int, choices=[3, 4], default=3, help="begin with this part; earlier parts are "
                        "complete [3]")
    parser.add_argument("--lesson", choices=["mnist_gan"], help="a lesson of variants/ instead of Parts 3 and 4")
    parser.add_argument("--reset", choices=[*EMPTY, *LESSON],
                        help="start this file again; asks first, and keeps a copy")
    args = parser.parse_args()
    if not args.folder:
        parser.error("the folder must have a name")
    try:
        reset(args.folder, args.reset, args.part) if args.reset else write(args.folder, args.part, args.lesson)
    except OSError as error:
        raise UserError(f"cannot write {args.folder}: {error.strerror}") from None


def command():
    run(main, prints=True)


if __name__ == "__main__":
    command()
