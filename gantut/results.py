"""What the results of pictures are called, each by itself; for the completion, that none takes another file's place."""
import collections
import itertools
import os
import unicodedata

from gantut.errors import UserError, check_outside, writing
from gantut.masks import stem

TABLE, PLOT, FILM = "losses.csv", "losses.png", "film.gif"
LONGEST = 235  # bytes of a result's name, of 255, for what is added to it


def picture_names(files, root):
    """What each picture is called: its path below root, / replaced, with the ending only if that alone tells two."""
    stems = [stem(path, root) for path in files]
    times = collections.Counter(stems)
    return [(one if times[one] == 1 else os.path.relpath(path, root).replace(".", "_")).replace(os.sep, "_")
            for one, path in zip(stems, files)]


def result_names(names):
    """What the results of pictures are called: their names, as far as every file system takes them, each once."""
    names = ["".join("_" if unicodedata.category(c) in ("Cc", "Cs") else c for c in name) for name in names]
    return each_once([name.encode()[:LONGEST].decode(errors="ignore") for name in names], results, [PLOT])


def each_once(names, results, taken=()):
    """The names, numbered where a result would have the name of another's. results: the files of a name; taken: more.
    """
    own = keys(*map(results, names))  # a number makes no picture's results pass for another's
    taken, found = keys(taken), []
    for name in names:
        numbered = ("{}_{}".format(name, i) for i in itertools.count(2))
        tries = itertools.chain([name], (one for one in numbered if own.isdisjoint(keys(results(one)))))
        found.append(next(one for one in tries if taken.isdisjoint(keys(results(one)))))
        taken |= keys(results(found[-1]))
    return found


def results(name):
    return [name + ".png", name + "_strip.png"]


def keys(*lists):
    """Names of files as file systems compare them that ignore the case and how accents are encoded."""
    return {unicodedata.normalize("NFC", file.lower()) for files in lists for file in files}


def check_apart(out_dir, files, root):
    """Raise UserError if out_dir lies in root, where files are read, or where a linked folder there leads."""
    folders = {root} if files and os.path.isdir(root) else set()
    for path in files:
        while len(os.path.dirname(path)) > len(root):
            path = os.path.dirname(path)
            folders.add(path)
    for folder in sorted(folders):
        check_outside(out_dir, folder, "out_dir")


def try_to_write(out_dir, names, inputs):
    """Raise UserError if a result cannot be written, or would take the place of an input or of what is no result."""
    with writing(out_dir):
        os.makedirs(out_dir, exist_ok=True)
    paths = [os.path.join(out_dir, file) for file in [TABLE, PLOT, FILM, *itertools.chain(*map(results, names))]]
    there = [path for path in paths if os.path.lexists(path)]
    read = {os.stat(path)[1:3] for path in inputs}  # inode and device, the same by whatever link
    same = [path for path in there if os.path.exists(path) and os.stat(path)[1:3] in read]
    if same:
        raise UserError("--out_dir {}: {} is read, and a result would be written over it; give another".format(
            out_dir, same[0]))
    if there and paths[0] not in there:
        raise UserError("--out_dir {}: {} is there, and from no completion ({} is not there); give another".format(
            out_dir, there[0], TABLE))
    with writing(out_dir):
        for path in paths:
            open(path, "ab").close()
            if path not in there:
                os.remove(path)
