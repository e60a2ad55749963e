"""What the checks of the course share: errors in words, and the comparison of values with the expected ones."""
import collections
import functools
import importlib
import importlib.util
import io
import os
import sys

import numpy as np

from .start import EMPTY, LESSON, ROOT, TO_WRITE

READERS = [*EMPTY, *LESSON]  # files
SINCE_2017 = {  # part of an error's message: what has changed since the text, or what it means
    "no attribute 'contrib'": "the text's line, but tf.contrib no longer exists: write out what the docstring says",
    "name 'xrange' is not defined": "today's Python calls it range",
    "name 'get_image' is not defined": "this file has it as gantut_imgfuncs.get_image",
    "name 'save_images' is not defined": "this file has it as gantut_imgfuncs.save_images",
    "Cannot handle this data type": "Pillow wants 8 bits: to_uint8() of gantut/images.py",
    "Using a symbolic": "an error: an if, and, or not needs a tensor's value while the graph is built, when there is "
                        "none yet: tf.cond decides later, in each run",
}

Step = collections.namedtuple("Step", "name part file check sentence hints seconds", defaults=[20])


def check_of(step):
    """The function that checks a step, "module.name"; TensorFlow is loaded only when a step needs it.

    An error that it does not expect, of what the reader's code has made, is raised as Wrong too.
    """
    module, name = step.check.split(".")
    if module != "pictures":
        import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)
    check = getattr(importlib.import_module("." + module, __package__), name)
    return functools.partial(attempt, "checking it", check)


class Readers:
    """Finds the reader's files for Python's import: those in the reader's folder, never the project's of the same name.
    """

    folder = None

    def read_from(self, folder):
        """From now on the reader's files are those in this folder; other modules are also searched there first."""
        self.folder = folder
        for name in READERS:
            sys.modules.pop(name[:-3], None)
        sys.meta_path[:] = [self, *(finder for finder in sys.meta_path if finder is not self)]
        own = [os.path.realpath(path) for path in (os.path.dirname(__file__), ROOT)]
        sys.path[:] = [folder, *(path for path in sys.path if os.path.realpath(path) not in own), ROOT]

    def find_spec(self, name, path=None, target=None):
        if name + ".py" not in READERS:
            return None
        file = os.path.join(self.folder, name + ".py")
        if not os.path.isfile(file):
            raise ModuleNotFoundError(f"there is no {name}.py in {self.folder}")
        return importlib.util.spec_from_file_location(name, file)


readers = Readers()


class Wrong(Exception):
    """What is not right yet, in a teacher's words."""


def is_empty(function):
    """Whether a function is not written yet."""
    constants = getattr(getattr(function, "__code__", None), "co_consts", [TO_WRITE])
    return any(isinstance(constant, str) and constant.endswith(TO_WRITE) for constant in constants)


def load(name):
    """The reader's module; an error while it is imported is raised as Wrong, with the line."""
    try:
        return importlib.import_module(name)
    except SyntaxError as error:
        file = os.path.basename(error.filename or name + ".py")  # perhaps one that it imports
        raise Wrong(f"{file}, line {error.lineno}: Python cannot read it: {error.msg}") from None
    except BaseException as error:  # also sys.exit
        raise Wrong(f"{name}.py cannot be imported: {describe(error)}{where(error)}") from None


def describe(error):
    """An error in a line, with an explanation if it is typical of code from 2017."""
    lines = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {lines[0] if lines else ''}"
    for words, explanation in SINCE_2017.items():
        if words in said:
            return explanation if "symbolic" in words else f"{said} ({explanation})"
    return said


def where(error):
    """The deepest line of the reader's files in a traceback, in words."""
    place, trace = "", error.__traceback__
    while trace:
        folder, file = os.path.split(trace.tb_frame.f_code.co_filename)
        if file in READERS and folder == readers.folder:
            place = f" ({file}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return place


class Unkept(io.StringIO):
    """A stream that keeps nothing of what the reader's code prints, perhaps without end, but counts `Epoch` in it."""

    epochs, rest = 0, ""

    def write(self, text):
        new = self.rest + text
        self.epochs, self.rest = self.epochs + new.count("Epoch"), new[-4:]  # an Epoch may come in parts
        return len(text)


def attempt(call, function, *args, **kwargs):
    """function(*args); an error of the reader's code is raised as Wrong, with the call."""
    try:
        return function(*args, **kwargs)
    except Wrong:
        raise
    except NotImplementedError as error:
        raise Wrong(f"{error}, in place of the line raise NotImplementedError" if TO_WRITE in str(error) else
                    f"{call} raises {describe(error)}") from None
    except BaseException as error:  # also sys.exit
        raise Wrong(f"{call} raises {describe(error)}{where(error)}") from None


def compare(call, got, expected, mistakes=(), tolerance=1e-3):
    """Raise Wrong unless got is expected: shapes first, then values.

    mistakes: pairs of a message and the result of a typical mistake.
    """
    if got is None:
        raise Wrong(f"{call} returns nothing: is there a return?")
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape == expected.shape and near(got, expected, tolerance):
        return
    for name, value in mistakes:
        if got.shape == np.shape(value) and near(got, value, tolerance):
            raise Wrong(f"{call}: {name}")
    if got.shape != expected.shape:
        raise Wrong(f"{call} has the shape {list(got.shape)}, expected {list(expected.shape)}")
    off = ~np.isclose(got, expected, rtol=tolerance, atol=tolerance * max(1, abs(expected).max()))
    at = tuple(int(i) for i in np.argwhere(off)[0])
    raise Wrong(f"{call} has the right shape, but at {list(at)} it is {float(got[at]):.5g}, expected "
                f"{float(expected[at]):.5g} ({off.mean():.0%} of the values differ)")


def near(got, expected, tolerance):
    expected = np.asarray(expected)
    return np.allclose(got, expected, rtol=tolerance, atol=tolerance * max(1, abs(expected).max()))


def need(condition, words):
    if not condition:
        raise Wrong(words)


def ours(name):
    """One of the project's own modules, in addition to the reader's of the same name."""
    spec = importlib.util.spec_from_file_location("ours_" + name, os.path.join(ROOT, name + ".py"))
    if spec.name not in sys.modules:
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name]
