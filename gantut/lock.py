"""One run in a checkpoint folder at a time: two would overwrite each other."""
import contextlib
import errno
import os
import socket
import sys

from filelock import FileLock, Timeout

from gantut.errors import UserError, one_line, writing

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, 524}  # the last is the kernel's, of NFS


@contextlib.contextmanager
def locked(checkpoint_dir):
    """While it is entered, or until the process ends in any way, no other run may train in the folder.

    Raises UserError that says who does.
    """
    path = os.path.join(checkpoint_dir, "run.json.lock")
    holder = os.path.join(checkpoint_dir, "run.json.holder")
    try:
        os.makedirs(checkpoint_dir, exist_ok=True)
        lock = acquire(path)
    except Timeout:
        raise UserError("another run trains in {}: {}; wait for it, or use another --checkpoint_dir".format(
            checkpoint_dir, read(holder))) from None
    except OSError as error:
        raise UserError("cannot write {}: {}".format(checkpoint_dir, error.strerror)) from None
    try:
        with writing(checkpoint_dir), open(holder, "w") as file:
            file.write("process {} on {}".format(os.getpid(), socket.gethostname()))
        yield
    finally:
        for name in (holder, path):  # while the lock is held, so that it is this run's
            with contextlib.suppress(OSError):
                os.remove(name)
        lock.release()


def acquire(path):
    """Lock the file at path; where its file system has no locks a line says so."""
    try:
        lock = FileLock(path, fallback_to_soft=False)  # a soft one outlives a run that is killed
    except TypeError:  # older versions of filelock have none
        lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (NotImplementedError, OSError) as error:
        if getattr(error, "errno", errno.ENOSYS) not in NO_LOCKS:
            raise
        print(" [!] {} has no locks ({}): see to it yourself that no other run trains there".format(
            os.path.dirname(path) or ".", one_line(error)), file=sys.stderr)
    return lock


def read(holder):
    try:
        with open(holder) as file:
            return file.read()
    except OSError:
        return "a process that has not said which it is"
