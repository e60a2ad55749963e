"""What the user can mend, in one line; and what is written whole or not at all."""
import contextlib
import os
import re
import sys
import tempfile


class UserError(ValueError):
    """Something that the user can mend; the message is one line that says what is wrong, where, and what to do."""


class Stopped(Exception):
    """A training was stopped by a signal, and saved; the argument is the signal's number."""


def one_line(error):
    """The message of an error in one line; of TensorFlow's, without the places in the code."""
    message = re.search(r"^Node: .*\n(?:From /job:.*\n)?(.*)", str(error), re.MULTILINE)
    return " ".join((message[1] if message else str(error)).split()) or type(error).__name__


def printable(text):
    """A text in one line: a file's name may hold anything, a newline as well."""
    return "".join(c if c.isprintable() or "\ud800" <= c <= "\udfff" else repr(c)[1:-1] for c in text)


def say(line):
    """Print a line that a user should see, though nothing ends for it."""
    print(printable(" [!] " + line), file=sys.stderr, flush=True)


def check_outside(path, folder, flag):
    """Raise UserError if a path to write to, a flag's, is a folder of pictures that are read as data, or inside it."""
    real = os.path.realpath(folder)
    if os.path.commonpath([os.path.realpath(path), real]) == real:
        raise UserError(f"--{flag} {path} lies in the folder of pictures {folder}, which is only read: what is written there would "
                        f"count as data; give another --{flag}")


@contextlib.contextmanager
def writing(what):
    """Turn the failure to write something into a UserError: a full disk, a folder that cannot be written to."""
    try:
        yield
    except Exception as error:  # TensorFlow's writers raise OpError, but also ValueError, IndexError, RuntimeError
        raise UserError(f"cannot write {what}: {one_line(error)[:300]}; what was saved before is intact, mend this and run the same command to "
                        "go on") from None


@contextlib.contextmanager
def whole(path, part=None):
    """Yield the path of a file to write; once that has gone well it takes the place of path: whole or not at all.

    Otherwise nothing stays of it, and what is at path is what it was. part: what it is called until then, path +
    ".part" if not given. Where path leads to no file, as /dev/stdout, it is written to as it is.
    """
    path = os.path.realpath(path)  # a link stays one
    if os.path.exists(path) and not os.path.isfile(path):
        yield path
        return
    if os.path.exists(path):
        open(path, "ab").close()  # raises if it may not be written to, which os.replace() does not ask
    part = part or path + ".part"
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise


def write_whole(path, content):
    """Write bytes, or a str as UTF-8, into a file: whole or not at all."""
    with whole(path) as part, open(part, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode("utf-8"))


def check_writable(path):
    """Raise UserError, before the work is done, if a file cannot be written at path; makes its folder."""
    with writing(path):
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        if os.path.isdir(path):
            raise IsADirectoryError("it is a folder")
        if os.path.isfile(path) or not os.path.exists(path):
            with contextlib.suppress(Rehearsed), whole(path) as part, open(part, "ab"):
                raise Rehearsed


class Rehearsed(Exception):
    """What whole() is left by, so that nothing is written."""


@contextlib.contextmanager
def all_whole(folder):
    """Yield a folder to write into; once that has gone well all that is in it takes its place in folder, else none."""
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
        yield part
        for name in sorted(os.listdir(part)):
            os.replace(os.path.join(part, name), os.path.join(folder, name))
