"""How a script that does without TensorFlow begins and ends; the others do it by gantut/console.py, which loads it."""
import sys

from gantut.errors import UserError, printable
from gantut.signals import leave_at_once
from gantut.streams import protect, reopen_closed


def run(main):
    """Call main(); how it ends becomes one line at most on stderr and an exit code.

    What main() returns is the exit code, as what it gives sys.exit(). It is not 0 if not all could be printed.
    """
    reopen_closed()
    protect()
    leave_at_once()
    try:
        code = main()
    except SystemExit as ended:
        code = ended.code
    except UserError as error:
        code = "error: {}".format(printable(str(error)))
    except OSError as error:
        code = "error: {}: {}".format(printable(str(error.filename or "cannot go on")), error.strerror or error)
    sys.exit(code or int(getattr(sys.stdout, "failed", False)))
