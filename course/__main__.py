"""The course as one command:

  gantut-course start my_gan
  gantut-course check my_gan

Each is the script of that name in a clone's course/; add --help for more.
"""
import importlib
import sys

from gantut.scripts import argument_parser, run


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("word", choices=["start", "check"], help="write the files; or say what is not right yet")
    word = parser.parse_args(sys.argv[1:2]).word
    sys.argv[:2] = [f"{sys.argv[0]} {word}"]  # the name that --help shows
    return importlib.import_module("." + word, __package__).main()


def command():
    """What gantut-course calls."""
    run(main, prints=True)


if __name__ == "__main__":
    command()
