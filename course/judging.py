"""What the checks of the course have in common: what is wrong, in words; values beside what they should be."""
import collections
import importlib
import importlib.util
import os
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TO_WRITE = "is yours to write"  # what start.py leaves in a body
READERS = ["gantut_imgfuncs.py", "gantut_datafuncs.py", "gantut_gan.py", "mnist_gan.py"]  # files
SINCE_2017 = {  # what an error says: what has changed since the text, or is meant
    "no attribute 'contrib'": "the text's line, but tf.contrib is gone: do by hand what the docstring says",
    "name 'xrange' is not defined": "today's Python calls it range",
    "name 'get_image' is not defined": "this file has it as gantut_imgfuncs.get_image",
    "name 'save_images' is not defined": "this file has it as gantut_imgfuncs.save_images",
    "Cannot handle this data type": "Pillow wants 8 bits: to_uint8() of gantut/images.py",
    "Using a symbolic": "an error: an if, and, or not asks for a tensor's value while the graph is built, when there "
                        "is none yet: tf.cond decides later, in each run",
}

Step = collections.namedtuple("Step", "name part file check sentence hints seconds", defaults=[20])


def check_of(step):
    """The function that checks a step, "module.name"; TensorFlow is not loaded before a step that needs it."""
    module, name = step.check.split(".")
    if module != "pictures":
        import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)
    return getattr(importlib.import_module("." + module, __package__), name)


class Readers:
    """Finds the reader's files for Python's import: in the reader's folder, never the project's of the same names."""

    folder = None

    def read_from(self, folder):
        """From now on the reader's files are those in this folder, and what else lies there is found first."""
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
            raise ModuleNotFoundError("there is no {}.py in {}".format(name, self.folder))
        return importlib.util.spec_from_file_location(name, file)


readers = Readers()


class Wrong(Exception):
    """What is not right yet, in the words of somebody who teaches."""


def is_empty(function):
    """Whether a function is still to be written."""
    constants = getattr(getattr(function, "__code__", None), "co_consts", [TO_WRITE])
    return any(isinstance(constant, str) and constant.endswith(TO_WRITE) for constant in constants)


def load(name):
    """The reader's module; whatever keeps it from being imported is Wrong, with the line."""
    try:
        return importlib.import_module(name)
    except SyntaxError as error:
        file = os.path.basename(error.filename or name + ".py")  # perhaps one that it imports
        raise Wrong("{}, line {}: Python cannot read it: {}".format(file, error.lineno, error.msg)) from None
    except BaseException as error:  # also sys.exit
        raise Wrong("{}.py cannot be imported: {}{}".format(name, describe(error), where(error))) from None


def describe(error):
    """An error in a line; what often comes of typing a text of 2017 is explained."""
    lines = str(error).strip().splitlines()
    said = "{}: {}".format(type(error).__name__, lines[0] if lines else "")
    for words, explanation in SINCE_2017.items():
        if words in said:
            return explanation if "symbolic" in words else "{} ({})".format(said, explanation)
    return said


def where(error):
    """The deepest line of the reader's files in a traceback, in words."""
    place, trace = "", error.__traceback__
    while trace:
        folder, file = os.path.split(trace.tb_frame.f_code.co_filename)
        if file in READERS and folder == readers.folder:
            place = " ({}, line {})".format(file, trace.tb_lineno)
        trace = trace.tb_next
    return place


def attempt(call, function, *args, **kwargs):
    """function(*args); an error of the reader's code is Wrong, and says what was called."""
    try:
        return function(*args, **kwargs)
    except Wrong:
        raise
    except NotImplementedError as error:
        raise Wrong("{}, in place of the line raise NotImplementedError".format(error) if TO_WRITE in str(error) else
                    "{} raises {}".format(call, describe(error))) from None
    except BaseException as error:  # also sys.exit
        raise Wrong("{} raises {}{}".format(call, describe(error), where(error))) from None


def compare(call, got, expected, mistakes=(), tolerance=1e-3):
    """Raise Wrong unless got is expected: shapes first, then values.

    mistakes: pairs of what is said and what a typical mistake gives.
    """
    if got is None:
        raise Wrong("{} returns nothing: is there a return?".format(call))
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape == expected.shape and near(got, expected, tolerance):
        return
    for name, value in mistakes:
        if got.shape == np.shape(value) and near(got, value, tolerance):
            raise Wrong("{}: {}".format(call, name))
    if got.shape != expected.shape:
        raise Wrong("{} has the shape {}, expected {}".format(call, list(got.shape), list(expected.shape)))
    off = ~np.isclose(got, expected, rtol=tolerance, atol=tolerance * max(1, abs(expected).max()))
    at = tuple(int(i) for i in np.argwhere(off)[0])
    raise Wrong("{} has the right shape, but at {} it is {:.5g}, expected {:.5g} ({:.0%} of the values differ)".format(
        call, list(at), float(got[at]), float(expected[at]), off.mean()))


def near(got, expected, tolerance):
    expected = np.asarray(expected)
    return np.allclose(got, expected, rtol=tolerance, atol=tolerance * max(1, abs(expected).max()))


def need(condition, words):
    if not condition:
        raise Wrong(words)


def ours(name):
    """One of the project's own modules, beside the reader's of the same name."""
    spec = importlib.util.spec_from_file_location("ours_" + name, os.path.join(ROOT, name + ".py"))
    if spec.name not in sys.modules:
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name]
