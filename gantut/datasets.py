"""Which files are the pictures of a data set: its folder, which files count, whether there are enough."""
import collections
import os
import sys

import numpy as np

from gantut.errors import UserError, printable
from gantut.images import EXTENSIONS
from gantut.paths import place

DATA = place("data")
SYSTEM = {"@eadir", "@recycle", "@tmp", "@__thumb", "#recycle", "#snapshot", "~snapshot", "@snapshot", "@sharesnap",
          "@recently-snapshot", "__macosx", "$recycle.bin", "lost+found",
          "system volume information"}  # of NAS boxes, macOS, Windows, Linux: thumbnails, copies, deleted files


def find_dataset(name, flag="dataset"):
    """Return the folder called name, or otherwise the one of that name in data/, here or in the project.

    Raises UserError if there is none. flag: the one that gave the name.
    """
    path = os.path.expanduser(name)
    for folder in (path, os.path.join("data", name), os.path.join(DATA, name)):
        if os.path.isdir(folder):
            return folder
    if os.path.isfile(path):
        what = "one picture" if path.lower().endswith(EXTENSIONS) else "a file: unpack it, if it is an archive"
        raise UserError(f"--{flag} {name} is {what}; give a folder of pictures")
    here = sorted(entry.name for entry in os.scandir(DATA) if entry.is_dir()) if os.path.isdir(DATA) else []
    here = [one for one in here if not one.startswith(("_", "."))]  # an installed copy has a __pycache__
    hint = f" (try --dataset {here[0]})" if here and flag == "dataset" else ""
    raise UserError(f"no folder {name}, and none of that name under {DATA}: give --{flag} a folder of pictures{hint}")


def list_pictures(root, extensions=None, say=True):
    """The sorted paths of the pictures below a folder: the regular files with one of the extensions [EXTENSIONS].

    Upper and lower case are the same. Hidden files, hidden folders and system folders (.ipynb_checkpoints, @eaDir,
    __MACOSX, ...) are left out. Linked folders are followed; no folder is read twice. say: print one line on stderr
    that says how many files are left out, and why, if any. Raises UserError if a folder cannot be read.
    """
    extensions = tuple("." + extension for extension in extensions) if extensions else EXTENSIONS
    found, others, left_out = [], collections.Counter(), collections.Counter()
    folders, links, seen = [root], [], set()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)  # links last: a folder's own path comes before them
        for entry in read_folder(folder, seen):
            if os.path.isdir(entry) if entry.is_symlink() else entry.is_dir():  # isdir() raises nothing for link cycles
                if entry.name.startswith(".") or entry.name.lower() in SYSTEM:
                    left_out["hidden or system folder(s)"] += 1
                else:
                    (links if entry.is_symlink() else folders).append(entry.path)
            elif entry.name.startswith("."):
                left_out["hidden file(s)"] += 1
            elif not entry.name.lower().endswith(extensions):
                others[os.path.splitext(entry.name)[1].lower() or "no extension"] += 1
            elif not (entry.is_file(follow_symlinks=False) or os.path.isfile(entry)):
                left_out["that are not regular files (pipes, broken links)"] += 1
            else:
                found.append(entry.path)
    if say and found and (others or left_out):
        words = [f"{n} {what}" for what, n in left_out.items()]
        words += [f"{others.total()} of other kinds: {count(others)}"] if others else []
        print(printable(f" [!] {len(found)} pictures in {root}; left out: {', '.join(words)}"), file=sys.stderr)
    return sorted(found)


def read_folder(folder, seen):
    """The entries of a folder, sorted; none if it was read before or does not exist.

    Raises UserError if it cannot be read.
    """
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


def count(extensions):
    return ", ".join(f"{extension} ({n})" for extension, n in extensions.most_common(5))


def check_number(files, root, batch_size=1, train_size=np.inf, replicas=1):
    """Raise UserError unless there are pictures, and enough for a batch on each replica. root: where they should be."""
    if not files:
        found = count(collections.Counter(
            os.path.splitext(name)[1].lower() or "no extension" for _, _, names in os.walk(root) for name in names))
        raise UserError(f"no pictures in {root}: files that end in {' '.join(EXTENSIONS)} count, in subfolders too; "
                        f"found {found or 'no files at all'}")
    batches = f"one batch of {batch_size}" if replicas == 1 else f"{replicas} batches of {batch_size}"
    if min(len(files), train_size) < replicas:
        raise UserError(f"{replicas} devices or workers need at least one picture each: {len(files)} in {root}, "
                        f"--train_size {train_size:g}")
    if train_size < batch_size * replicas:
        most = f"{train_size // replicas:g}"
        raise UserError(f"--train_size {train_size:g} is less than {batches}: use --batch_size {most} or less")
    if len(files) < batch_size * replicas:
        most = len(files) // replicas
        raise UserError(f"{len(files)} picture(s) in {root} are fewer than {batches}: use --batch_size {most} or less, "
                        "or add pictures")
