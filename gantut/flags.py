"""The flags beyond Part 5's own, each defined once: several scripts share some, and train() uses their defaults."""
import codecs
import difflib
import inspect
import math
import os
import re
import sys
from types import SimpleNamespace

import tensorflow.compat.v1 as tf
from absl import app, flags

from gantut import __version__
from gantut.checkpoints import check_folder
from gantut.datasets import find_dataset
from gantut.errors import UserError, one_line, printable
from gantut.paths import in_words
from gantut.scripts import begin, call
from gantut.session import precision_of, threads_of
from gantut.workers import SingleProcess

flags.disclaim_key_flags()  # --help lists them as flags of the script that uses them

SEED = dict(lower_bound=0, upper_bound=2**32 - 1)
COUNT = dict(lower_bound=0, upper_bound=2**31 - 1)  # TensorFlow's integers
FILTERS = dict(lower_bound=1, upper_bound=2**14)  # more would not fit into memory
LARGEST = {"image_size": 2**12}  # of the scripts' own flags; others may be as large as TensorFlow's integers
PATHS = ["dataset", "checkpoint_dir", "init_from", "sample_dir", "logs_dir", "out_dir", "out", "mask", "pictures",
         "inception"]
RECIPE = {  # what later papers changed, gantut/recipe.py: name: (default, which is the text's, description, bounds)
    "ema": (0.0, "Decay of the moving average of G's weights, which draws the pictures; 0 = none [0]",
            dict(lower_bound=0, upper_bound=0.999999)),
    "augment": (False, "Change the pictures that D sees at random: colour, translation, cutout [False]", {}),
    "mirror": (False, "Train on each picture or its mirror image, chosen at random in each epoch [False]", {}),
    "r1": (0.0, "Weight of the penalty on D's gradient at real pictures, for example 1; 0 = none [0]",
           dict(lower_bound=0)),
    "d_learning_rate": (0.0, "Learning rate of D alone; 0 = the same as G's [0]", dict(lower_bound=0)),
    "g_updates": (2, "Updates of G for each of D: 1, or 2 for as many as step() makes, in the text 2 [2]",
                  dict(lower_bound=1, upper_bound=2)),
}
BEYOND = {  # all of them: name: (default, description, bounds)
    # what the tutorial hard-codes
    "logs_dir": ("logs", "Directory name to save the logs for TensorBoard [logs]", {}),
    "is_crop": (False, "Take the centre of every picture and scale it to the model's size [False]", {}),
    "crop_size": (0, "With is_crop: width of the centre in pixels; 0 = the largest square [0]", dict(lower_bound=0)),
    "c_dim": (3, "Colour channels: 3 = RGB, 1 = gray [3]", {}),
    "z_dim": (100, "Length of the noise vector z [100]", dict(lower_bound=1, upper_bound=2**20)),
    "gf_dim": (64, "Filters of the generator: 8, 8, 4, 2 times as many at 64 x 64 [64]", FILTERS),
    "df_dim": (64, "Filters of the discriminator: 1, 2, 4, 8 times as many [64]", FILTERS),
    "sample_every": (100, "Steps between sample grids [100]", dict(lower_bound=1)),
    "save_every": (500, "Steps between checkpoints; there is always one at the end [500]", dict(lower_bound=1)),
    "max_to_keep": (1, "How many of the newest checkpoints to keep [1]", dict(lower_bound=1)),
    "skip_bad_images": (False, "Leave out pictures that cannot be read [False]", {}),
    "judge_every": (0, "Epochs between scores of the samples, in TensorBoard and scores.csv; 0 = none [0]", COUNT),
    "keep_best": (False, "Keep the checkpoint with the best score in checkpoint_dir/best [False]", {}),
    "summary_every": (1, "Steps between TensorBoard summaries [1]", dict(lower_bound=1)),
    "seed": (1, "Seed of all random numbers: the same seed gives the same result [1]", SEED),
    "precision": ("float32", "float32, bfloat16, or auto: the faster one on this processor [float32; auto with --fast]",
                  dict(enum_values=["float32", "bfloat16", "auto"])),
    "threads": (0, "CPU threads for each operation; 0 = all cores [0]", dict(lower_bound=0, upper_bound=2**10)),
    "cache_mb": (1024, "Memory for decoded pictures, in MiB; 0 = decode them again [1024]", COUNT),
    # a faster step than the one as written: gantut/fused_step.py
    "fast": (False, "Fewer passes, faster kernels, --precision auto: the same numbers except for rounding [False]",
             {}),
    "losses_every": (1, "With --fast: steps between computations of the losses [1]", dict(lower_bound=1)),
    # what later papers changed: gantut/recipe.py
    "recipe": ("text", "text, or modern: --ema 0.999 --d_learning_rate 0.0004, which docs/quality.md chose; other "
               "parts can be added [text]", dict(enum_values=["text", "modern"])),
    **RECIPE,
    # another model's weights: gantut/weights.py
    "init_from": ("", "Start with the weights of the model in this folder, its moving average if it has one", {}),
    # several devices, several machines: docs/cluster.md
    "num_gpus": (1, "GPUs of this machine to use, each for a batch of its own [1]", dict(lower_bound=1)),
    "num_devices": (1, "Devices to divide the CPU into, each for a batch of its own, to try --num_gpus without a GPU "
                    "[1]", dict(lower_bound=1, upper_bound=2**8)),
    "worker_hosts": ([], "Addresses of all workers, host:port,host:port,..., the same for each worker", {}),
    "task_index": (0, "Number of this worker in worker_hosts, from 0 [0]", dict(lower_bound=0)),
    "kubernetes_label": ("", "Find the workers by the label of their pods, name=value", {}),
    "num_workers": (2, "With kubernetes_label: number of pods [2]", dict(lower_bound=1)),
    "start_timeout": (300.0, "Seconds to wait until all workers have started [300]", dict(lower_bound=0)),
    "worker_timeout": (600, "Seconds that a worker may be behind the others [600]", dict(COUNT, lower_bound=1)),
    "scale_learning_rate": (False, "Multiply the learning rate by the number of replicas, devices times workers "
                            "[False]", {}),
}
OF_A_MODEL = {  # flags of the scripts that draw with a model
    "weights": ("auto", "average, latest, or auto: the moving average of G's weights if the checkpoint has one [auto]",
                dict(enum_values=["auto", "average", "latest"])),
}
PART_5 = dict(epoch=20, learning_rate=0.0002, beta1=0.5, train_size=float("inf"), dataset="lfw-aligned-64",
              checkpoint_dir="checkpoint", sample_dir="samples")  # gantut_trainer.py's, for train() without its flags
RULES = [  # Part 5's flags, and one of the class: name, a test of the value, the rule in words
    ("epoch", lambda n: n >= 1, "must be 1 or more"),
    ("learning_rate", lambda x: 0 < x < float("inf"), "must be a number greater than 0"),
    ("beta1", lambda x: 0 <= x < 1, "must lie in [0, 1)"),
    ("train_size", lambda n: n >= 1, "must be 1 or more"),
    ("dataset", bool, "must name a folder"),
    ("c_dim", lambda n: n in (1, 3), "must be 1 (gray) or 3 (RGB)"),
]
OF_SEVERAL = dict(processes=SingleProcess(), devices=1)  # which only the trainer sets
OF_PYTHON = dict(progress=None)
OF_DCGAN = ["image_size", "c_dim", "z_dim", "gf_dim", "df_dim", "batch_size", "is_crop"]
OF_THE_RUN = ["crop_size", "skip_bad_images", "judge_every", "keep_best", "summary_every", "cache_mb", "mirror",
              "d_learning_rate", "init_from"]  # Run implements them
OF_THE_STEP = ["fast", "losses_every", *(name for name in RECIPE if name not in OF_THE_RUN)]  # with_parts() does
OF_THE_COMMAND = ["recipe", "precision", "threads", "num_gpus", "num_devices", "worker_hosts", "task_index",
                  "kubernetes_label", "num_workers", "start_timeout", "worker_timeout", "scale_learning_rate"]
KINDS = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string,
         list: flags.DEFINE_list}


def asked_for(values, names):
    """The names of flags that differ from the text. values: the flags, or a namespace of some of them."""
    return [name for name in names if getattr(values, name, None) not in (None, BEYOND[name][0])]


def forget():
    """Delete the flags of a script that was imported or run before in this process, as in a notebook."""
    for module, found in flags.FLAGS.flags_by_module_dict().items():
        if "gantut_" in module or module == sys.argv[0]:
            for flag in list(found):
                if flag.name in flags.FLAGS:
                    delattr(flags.FLAGS, flag.name)


def define(*names, where="", model=None):
    """Define some of the flags above, or all of BEYOND.

    where: added before their help, such as the mode they are for. model: a class whose arguments have the same
    defaults; what a reader changes there is the default here.
    """
    own = inspect.signature(model).parameters if model else {}
    for name in names or BEYOND:
        default, description, bounds = {**BEYOND, **OF_A_MODEL}[name]
        if name in own and type(own[name].default) is type(default):
            description = description.replace(f"[{default}]", f"[{own[name].default}]")
            default = own[name].default
        kind = flags.DEFINE_enum if "enum_values" in bounds else KINDS[type(default)]
        kind(name=name, default=default, help=where + description, **bounds)
    flags.FLAGS.mark_as_parsed()  # for a notebook that imports them, whose own arguments are not for these flags
    if not names or "crop_size" in names:
        flags.register_multi_flags_validator(["is_crop", "crop_size"], lambda f: f["is_crop"] or not f["crop_size"],
                                             "--crop_size has no effect without --is_crop")
    if not names:
        flags.register_multi_flags_validator(["fast", "losses_every"], lambda f: f["fast"] or f["losses_every"] == 1,
                                             "--losses_every needs --fast: as written, each step computes them")
        flags.register_multi_flags_validator(["keep_best", "judge_every"], lambda f: f["judge_every"] or not
                                             f["keep_best"], "--keep_best needs --judge_every, the epochs between "
                                             "scores")
        flags.register_multi_flags_validator(["num_workers", "kubernetes_label"], lambda f: f["kubernetes_label"] or
                                             f["num_workers"] == BEYOND["num_workers"][0], "--num_workers needs "
                                             "--kubernetes_label; otherwise --worker_hosts names the workers")
        flags.register_multi_flags_validator(["worker_hosts", "kubernetes_label"], lambda f: not all(f.values()),
                                             "--worker_hosts and --kubernetes_label exclude each other")


def with_flagfiles(argv, within=()):
    """The arguments, with each --flagfile replaced by its contents, in UTF-8 or in UTF-16 as PowerShell writes it.

    Raises UserError if a file cannot be read, or includes itself. within: the files that include this one.
    """
    found, words = [], iter(argv)
    for word in words:
        match = re.fullmatch(r"--?flagfile(?:=(.*))?", word, re.DOTALL)
        if word == "--":
            return [*found, word, *words]
        if match:
            path = os.path.expanduser(next(words, "") if match[1] is None else match[1])
            if path in within:
                raise UserError(f"--flagfile {path} names itself")
            found += with_flagfiles(lines_of(path), [*within, path])
        else:
            found.append(word)
    return found


def lines_of(path):
    """The lines of a flagfile, without comments. Raises UserError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            content = file.read()
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        lines = map(str.strip, content.decode("utf-16" if wide else "utf-8-sig").splitlines())
    except OSError as error:
        raise UserError(f"--flagfile {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"--flagfile {path} is not in UTF-8: save it as UTF-8") from None
    return [line for line in lines if line and not line.startswith(("#", "//"))]


def check_numbers():
    """Raise flags.Error for a flag that is not finite, or larger than TensorFlow or any memory allows."""
    for name in flags.FLAGS:
        flag = flags.FLAGS[name]
        if isinstance(flag.value, float) and not math.isfinite(flag.value) and flag.value != flag.default:
            raise flags.IllegalFlagValueError(f"flag --{name}={flag.value}: must be a finite number")
        most = LARGEST.get(name, getattr(flag.parser, "upper_bound", None) or 2**31 - 1)
        if isinstance(flag.value, int) and flag.value > most:
            raise flags.IllegalFlagValueError(f"flag --{name}={flag.value}: must be {most} or less")


def settle():
    """Check the flags after parsing, and replace ~ by the home folder. Raises UserError or flags.Error."""
    check_numbers()
    for name in PATHS:
        flag = flags.FLAGS[name] if name in flags.FLAGS else None
        if flag is not None and flag.value == "" and flag.present:
            raise UserError(f"--{name} must name a file or folder")
        if flag is not None and flag.value is not None:
            flag.value = os.path.expanduser(flag.value)
            if name == "checkpoint_dir":
                check_folder(flag.value)


def run(main):
    """Parse the flags and call main(); an error becomes one line on stderr and an exit code."""
    begin()
    show_help_of(main.__module__)
    with tf.Graph().as_default():  # a new one, since a notebook may run it again
        app.run(lambda _: call(lambda: explained(main)), flags_parser=parse_flags)


def show_help_of(module):
    """Let absl's --help show the docstring and the flags of a script, even if a command has imported it."""
    doc = sys.modules[module].__doc__ or ""
    sys.modules["__main__"].__doc__ = in_words(doc) + "\n--version says which version this is.\n"
    for flag in flags.FLAGS.get_flags_for_module(module):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def explained(main):
    """main(), with TensorFlow's errors raised as UserError."""
    try:
        main()
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(one_line(error)) from None
    except tf.errors.OpError as error:
        raise UserError(f"TensorFlow failed: {one_line(error)[:300]}") from None


def parse_flags(argv):
    """absl's flag parser, but errors are one line, --help exits with 0, and other arguments are an error."""
    if "log_dir" in flags.FLAGS:
        delattr(flags.FLAGS, "log_dir")  # absl's own, which does nothing here and looks like --logs_dir
    if "--version" in argv:
        print("gantut", __version__)
        sys.exit(0)
    try:
        rest = flags.FLAGS(with_flagfiles(["--help" if word == "-h" else word for word in argv]))
        settle()
    except flags.Error as error:
        sys.exit(f"error: {one_line(error)} (see --help)")
    except UserError as error:
        sys.exit(f"error: {printable(str(error))}")
    except SystemExit:
        sys.exit(0)
    if len(rest) > 1:
        sys.exit(f"error: what is '{rest[1]}' for? Every argument is a --flag (see --help)")
    return rest


class Settings(SimpleNamespace):
    """The settings of train(): all flags, checked by settings()."""


def settings(config, dcgan, **more):
    """The Settings of train(): the flags, or a plain namespace of some, and the defaults of the others.

    dcgan: the model, which has its sizes from DCGAN(...) and the parts of its step from gantut/recipe.py. more: given
    by the command only; processes: a SingleProcess or WorkerGroup; devices: the number per process. Raises UserError
    if there is no such dataset, or if a setting has no effect in train().
    """
    if isinstance(config, Settings):
        return config
    of_session = {"precision": precision_of(dcgan.sess), "threads": threads_of(dcgan.sess)}
    known = {**PART_5, **{name: default for name, (default, _, _) in BEYOND.items()}, **OF_PYTHON}
    if hasattr(config, "flag_values_dict"):  # absl's; a script may have other flags too
        given = {name: value for name, value in config.flag_values_dict().items() if name in {*known, *OF_DCGAN}}
    else:
        given = vars(config)
        check_names(given, [*known, *OF_DCGAN])
    of_class = {name: getattr(dcgan, "parts", {}).get(name, known[name]) for name in OF_THE_STEP}
    for name, value in given.items():
        if name in OF_DCGAN and not more and value != getattr(dcgan, name):
            raise UserError(f"{name}={value!r}, but the model has {getattr(dcgan, name)!r}: give it to "
                            f"DCGAN(sess, {name}={value!r})")
        if name in of_class and value != of_class[name]:
            raise UserError(f"{name}={value!r}, but this class trains with {of_class[name]!r}: make the class with "
                            "gantut.recipe.with_parts(DCGAN, config) and the same config")
        if name in OF_THE_COMMAND and not more and value != of_session.get(name, known[name]):
            raise UserError(f"{name}={value!r} is only for the command gantut_trainer.py, train() cannot do it")
    if not more:
        check_values({**known, **given, "is_crop": dcgan.is_crop, "c_dim": dcgan.c_dim})
        given = {**given, **of_session}
    found = {**OF_SEVERAL, **known, **given, **of_class, **more, **{name: getattr(dcgan, name) for name in OF_DCGAN}}
    found.update({name: os.path.expanduser(found[name]) for name in PATHS if isinstance(found.get(name), str)})
    if found["train_size"] < float("inf"):
        found["train_size"] = int(found["train_size"])  # a float flag, because its default is infinite
    if not more:  # otherwise the command has already found it
        found["dataset"] = find_dataset(found["dataset"])
    return Settings(**found)


def check_values(values):
    """Raise UserError for a value that the command would refuse."""
    for name, allowed, words in RULES:
        if not passes(allowed, values[name]):
            raise UserError(f"{name}={values[name]!r}: {words}")
    for name, (_, _, bounds) in BEYOND.items():
        low, high, kinds = (bounds.get(key) for key in ("lower_bound", "upper_bound", "enum_values"))
        if low is not None and not passes(lambda x, low=low, high=high: low <= x and (high is None or x <= high),
                                          values[name]):
            at_most = "" if high is None else f", {high} or less"
            raise UserError(f"{name}={values[name]!r} must be {low} or more{at_most}")
        if kinds and values[name] not in kinds:
            raise UserError(f"{name}={values[name]!r} must be one of {', '.join(kinds)}")
    for name, needed in (("crop_size", "is_crop"), ("keep_best", "judge_every")):
        if values[name] and not values[needed]:
            raise UserError(f"{name}={values[name]!r} has no effect without {needed}")


def passes(test, value):
    """Whether a value passes a test; one of another type does not."""
    try:
        return test(value)
    except TypeError:
        return False


def check_names(given, known):
    """Raise UserError for an unknown name, with the most similar known one, if any."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"is {near[0]} meant?" if near else "gantut_trainer.py --help lists all settings"
            raise UserError(f"train() knows no {name}: {hint}")
