"""Errors that the user can fix, in one line; files that are written completely or not at all; locks of folders."""
import contextlib
import errno
import itertools
import os
import re
import socket
import sys
import tempfile

unfinished = set()  # temporary folders, and files of locks; a signal removes them before it ends the process
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, 524}  # the last one is from NFS in the kernel


class UserError(ValueError):
    """Something that the user can fix; the message is one line that says what is wrong, where, and what to do."""


class Stopped(Exception):
    """A training was stopped by a signal and saved; the argument is the number of the signal."""


def one_line(error):
    """The message of an error in one line; of a TensorFlow error without the places in the code."""
    message = re.search(r"^Node: .*\n(?:From /job:.*\n)?(.*)", str(error), re.MULTILINE)
    return " ".join((message[1] if message else str(error)).split()) or type(error).__name__


def printable(text):
    """A text in one line: the name of a file may contain anything, even a newline."""
    return "".join(c if c.isprintable() or "\ud800" <= c <= "\udfff" else repr(c)[1:-1] for c in text)


def say(line):
    """Print a warning, which ends nothing."""
    print(printable(" [!] " + line), file=sys.stderr, flush=True)


def is_inside(path, folder):
    """Whether a path is a folder, or lies in it, also through links."""
    real = os.path.realpath(folder)
    return os.path.commonpath([os.path.realpath(path), real]) == real


def check_outside(path, folder, flag, files=()):
    """Raise UserError if a path to write to, from a flag, is a folder of pictures that are the data, or inside it.

    files: the pictures, which may be in folders that are linked in that folder.
    """
    linked = set()
    for file in files:
        while len(file := os.path.dirname(file)) > len(folder) and file not in linked:
            linked.add(file)
    for one in [folder, *sorted(filter(os.path.islink, linked))]:
        if is_inside(path, one):
            raise UserError(f"--{flag} {path} lies in the folder of pictures {one}, which is only read: what is "
                            f"written there would count as data; give another --{flag}")


@contextlib.contextmanager
def writing(what):
    """Turn a failure to write something into a UserError: a full disk, a folder that cannot be written to."""
    try:
        yield
    except Exception as error:  # TensorFlow's writers raise OpError, but also ValueError, IndexError, RuntimeError
        raise UserError(f"cannot write {what}: {one_line(error)[:300]}; what was saved before is intact, fix this and "
                        "run the same command again") from None


@contextlib.contextmanager
def whole(path, part=None, to_disk=False):
    """Yield the path of a file to write; when that has succeeded, the file is moved to path.

    If it fails, the file is removed, and what was at path is unchanged. part: its name until then, path + ".part" if
    not given. to_disk: wait until it is on the disk, some milliseconds, so that a power cut does not leave it empty.
    If path exists and is not a regular file, such as /dev/stdout, it is written to directly.
    """
    path = os.path.realpath(path)  # a link stays a link
    if os.path.exists(path) and not os.path.isfile(path):
        yield path
        return
    if os.path.exists(path):
        open(path, "ab").close()  # raises if the file is write-protected, which os.replace() does not check
    part = part or path + ".part"
    try:
        yield part
        if to_disk:
            with open(part, "rb+") as file:
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise


def write_whole(path, content, to_disk=False):
    """Write bytes, or a str as UTF-8, to a file: completely or not at all. to_disk: as for whole()."""
    with whole(path, to_disk=to_disk) as part, open(part, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode("utf-8"))


def is_there(path):
    """Whether a file exists and is not empty, as a power cut may leave it."""
    return os.path.exists(path) and os.path.getsize(path) > 0


def check_writable(path):
    """Raise UserError if a file cannot be written at path, before the work starts; makes its folder."""
    with writing(path):
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        if os.path.isdir(path):
            raise IsADirectoryError("it is a folder")
        if os.path.isfile(path) or not os.path.exists(path):
            own = f"{os.path.realpath(path)}.{os.getpid()}.part"  # path + ".part" may be another process's
            with contextlib.suppress(Rehearsed), whole(path, own) as part, open(part, "ab"):
                raise Rehearsed


class Rehearsed(Exception):
    """Raised to leave whole() without writing anything."""


def is_table(path, header):
    """Whether a file is a table of ours by its header, a list of words; or empty, as a killed run may leave it."""
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as file:
        return file.readline().strip() in (",".join(header), "")
    return False


def put_aside(folder, ours, last=None):
    """Move what an earlier run has left in a folder, names that match `ours`, into a new folder earlier-N in it.

    last: the name of the file that says what the others are, so that a kill leaves none without it.
    """
    found = sorted((name for name in os.listdir(folder) if re.fullmatch(ours, name)),
                   key=lambda name: (name == last, name))
    if not found:
        return
    for n in itertools.count(1):
        aside = os.path.join(folder, f"earlier-{n}")
        with contextlib.suppress(FileExistsError):
            os.mkdir(aside)
            break
    for name in found:
        with contextlib.suppress(FileNotFoundError):  # another training has moved it
            os.rename(os.path.join(folder, name), os.path.join(aside, name))
    print(printable(f" [*] {folder} has results of an earlier run, {found[0]} and so on: moved to {aside}"))


@contextlib.contextmanager
def temporary_folder(**kwargs):
    """As tempfile.TemporaryDirectory(), also removed when a signal ends the process."""
    with tempfile.TemporaryDirectory(**kwargs) as folder:
        unfinished.add(folder)
        yield folder
    unfinished.discard(folder)


@contextlib.contextmanager
def all_whole(folder, first=None):
    """Yield a folder to write into; when that has succeeded, its files are moved to folder, one after the other.

    first: the name of the file that says what the others are, so that a kill leaves none without it.
    """
    with temporary_folder(prefix=".part-", dir=folder) as part:
        yield part
        for name in sorted(os.listdir(part), key=lambda name: (name != first, name)):
            os.replace(os.path.join(part, name), os.path.join(folder, name))


@contextlib.contextmanager
def locked(folder, name="run.json", flag="--checkpoint_dir"):
    """A context in which no other run can use the folder. The lock is released when the process ends in any way.

    name: of the file that says whose run it is; the lock's name begins with it. flag: what gave the folder.
    Raises UserError that says which process has the lock, or that there can be none: the checkpoint folder cannot be
    written to, or another one only as its lock is another user's. Any other folder that cannot be written to is not
    locked, since a training continues without its samples.
    """
    from filelock import Timeout  # not above: the report on an installation may lack it
    path, holder = (os.path.join(folder, name + end) for end in (".lock", ".holder"))
    with contextlib.ExitStack() as exits:
        try:
            os.makedirs(folder, exist_ok=True)
            exits.callback(release, acquire(path), holder)
            unfinished.update([path, holder])
            with open(holder, "w") as file:
                file.write(f"process {os.getpid()} on {socket.gethostname()}")
        except Timeout:
            raise UserError(f"another run uses {folder}: {who_holds(holder)}; wait for it, or use another "
                            f"{flag}") from None
        except OSError as error:
            if flag == "--checkpoint_dir":
                raise UserError(f"cannot write {folder}: {error.strerror}") from None
            if isinstance(error, PermissionError) and os.access(folder, os.W_OK):
                raise UserError(f"cannot use {path}, perhaps another user's run: {error.strerror}; use another "
                                f"{flag}") from None
        yield


def acquire(path):
    """Lock the file at path; if the file system has no locks, a line says so."""
    from filelock import FileLock
    try:
        lock = FileLock(path, fallback_to_soft=False)  # a soft lock would remain after a run is killed
    except TypeError:  # older versions of filelock have no soft locks
        lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (NotImplementedError, OSError) as error:
        if getattr(error, "errno", errno.ENOSYS) not in NO_LOCKS:
            raise
        folder = os.path.dirname(path) or "."
        say(f"{folder} has no locks ({one_line(error)}): make sure yourself that no other run uses it")
    return lock


def release(lock, holder):
    """Release a lock; first its files are removed, while they are still this run's."""
    for path in (holder, lock.lock_file):
        with contextlib.suppress(OSError):
            os.remove(path)
        unfinished.discard(path)
    lock.release()


def who_holds(holder):
    try:
        with open(holder) as file:
            return file.read()
    except OSError:
        return "an unknown process"
