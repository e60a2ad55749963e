"""Which files are the pictures of a data set: its folder, what counts in it, whether there are enough."""
import collections
import os
import sys

import numpy as np

from gantut.errors import UserError, printable
from gantut.images import ENDINGS
from gantut.paths import place

DATA = place("data")
SYSTEM = {"@eadir", "@recycle", "@tmp", "@__thumb", "#recycle", "#snapshot", "~snapshot", "@snapshot", "@sharesnap",
          "@recently-snapshot", "__macosx", "$recycle.bin", "lost+found",
          "system volume information"}  # of NAS boxes, macOS, Windows, Linux: thumbnails, copies, what was deleted


def find_dataset(name):
    """Return the folder called name, or else the one of that name under data/, here or the project's.

    Raises UserError if there is none.
    """
    path = os.path.expanduser(name)
    for folder in (path, os.path.join("data", name), os.path.join(DATA, name)):
        if os.path.isdir(folder):
            return folder
    if os.path.isfile(path):
        what = "one picture" if path.lower().endswith(ENDINGS) else "a file: unpack it, if it is an archive"
        raise UserError(f"--dataset {name} is {what}; give a folder of pictures")
    here = sorted(entry.name for entry in os.scandir(DATA) if entry.is_dir()) if os.path.isdir(DATA) else []
    raise UserError("no folder {}, and none of that name under {}: give --dataset a folder of pictures{}".format(
        name, DATA, f" (try --dataset {here[0]})" if here else ""))


def list_pictures(root, extensions, say=True):
    """The sorted paths of the pictures below a folder: the regular files with one of the extensions, in any case.

    Hidden files are left out, and hidden folders and those of a system (.ipynb_checkpoints, @eaDir, __MACOSX, ...).
    Linked folders are followed; no folder is read twice. say: how many files are left out, and why, in one line on
    stderr, if any. Raises UserError if a folder cannot be read.
    """
    endings = tuple("." + extension for extension in extensions)
    found, others, left_out = [], collections.Counter(), collections.Counter()
    folders, links, seen = [root], [], set()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)  # links last: a folder's own path comes before them
        for entry in read_folder(folder, seen):
            if os.path.isdir(entry) if entry.is_symlink() else entry.is_dir():  # isdir() bears what leads in circles
                if entry.name.startswith(".") or entry.name.lower() in SYSTEM:
                    left_out["hidden or system folder(s)"] += 1
                else:
                    (links if entry.is_symlink() else folders).append(entry.path)
            elif entry.name.startswith("."):
                left_out["hidden file(s)"] += 1
            elif not entry.name.lower().endswith(endings):
                others[os.path.splitext(entry.name)[1].lower() or "no ending"] += 1
            elif not (entry.is_file(follow_symlinks=False) or os.path.isfile(entry)):
                left_out["that are no files (pipes, broken links)"] += 1
            else:
                found.append(entry.path)
    if say and found and (others or left_out):
        words = [f"{n} {what}" for what, n in left_out.items()]
        words += [f"{others.total()} of other kinds: {count(others)}"] if others else []
        print(printable(" [!] {} pictures in {}; left out: {}".format(len(found), root, ", ".join(words))),
              file=sys.stderr)
    return sorted(found)


def read_folder(folder, seen):
    """The entries of a folder, sorted; none if it was seen before or is not there. Raises UserError otherwise."""
    try:
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            return []
        seen.add((status.st_dev, status.st_ino))
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"cannot read the folder {folder}: {error.strerror}") from None


def count(endings):
    return ", ".join("{} ({})".format(*pair) for pair in endings.most_common(5))


def check_number(files, root, batch_size=1, train_size=np.inf, replicas=1):
    """Raise UserError unless there are pictures, and enough for a batch of each replica. root: where they should be."""
    if not files:
        endings = collections.Counter(
            os.path.splitext(name)[1].lower() or "no ending" for _, _, names in os.walk(root) for name in names)
        raise UserError("no pictures in {}: files that end in {} count, in subfolders too; found {}".format(
            root, " ".join(ENDINGS), count(endings) or "no files at all"))
    batches = f"one batch of {batch_size}" if replicas == 1 else f"{replicas} batches of {batch_size}"
    if train_size < batch_size * replicas:
        raise UserError(f"--train_size {train_size:g} is less than {batches}: use --batch_size {train_size // replicas:g} or less")
    if len(files) < batch_size * replicas:
        raise UserError(f"{len(files)} picture(s) in {root} are fewer than {batches}: use --batch_size {len(files) // replicas} or less, or add "
                        "pictures")
