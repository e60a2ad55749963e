"""The machinery behind the tutorial's front rooms, gantut_gan.py and its neighbours: one room a file, one topic a room.

errors       what the user can mend, in one line; what is written whole or not at all
places       where the project's own folders are, in a clone or installed, and what its scripts are called
signals      Ctrl-C, SIGTERM and their like: a step is finished first
streams      stdout and stderr that nobody reads end nothing
scripts      how every script begins and ends: one line for an error
console      what a terminal sees: no noise, one line for an error, how far it is
notebook     what a notebook sees: how far it is and the newest samples, in place
flags        the flags beyond Part 5's, each defined once, and their defaults

images       picture files, in and out, beyond Part 3's eight functions
idx          MNIST's own file format
faces        where the faces of a picture are, and crops in which eyes and mouth lie at given places
finding      which files are the pictures of a data set, and whether there are enough
loading      pictures as one model wants them; looking them over before the first step
masks        for the completion: which pixels are kept
results      for the completion: what its results are called, and that none is lost
dice         random numbers that depend on the seed and the step alone
pictures     the order of the pictures in a training, read ahead and kept in memory
scores       how good pictures are, in numbers: formulas from their papers
judge        which of them, beside what real pictures and noise reach
inception    features of Keras' network, in a process of its own

parents      checkpoints of the programs that the tutorial descends from
checkpoints  which is the newest, what is in it, the saver that looks before it restores
averages     the moving average of G's weights, and drawing with it
record       run.json: what a run is made with, and whether it may go on
beginning    --init_from: the weights of another model, and nothing else of it
logs         TensorBoard's event files; a training does not end for them
keeping      checkpoints, which must not be lost, and samples, for which no training ends
lock         one run in a checkpoint folder at a time
health       numbers that are not finite, a discriminator that has won, samples that have collapsed
failures     what ended a training, in one line
epoch_judge  the judge during a training, and the best checkpoint
precision    bfloat16: half the time for a step
processes    one process, or several: what the run asks of either
addresses    where the workers of a cluster are
workers      what they do together
run          what DCGAN.train() hands its statements: it brings the modules above together

graph        a loss, written once in the class, of other tensors
schedule     what a class's step() asks of the session, found out by watching it
kernels      what a processor computes batch norm and gradients with, faster
faster       --fast: Part 4's updates in fewer passes
devices      the networks on several devices of a machine
augment      pictures changed by chance, so that gradients pass
recipe       what later papers changed, each part by a flag
parts        the class that trains: DCGAN, or with what the flags ask for besides

quiz         the page of the quiz, real or fake?
page         the page that draws faces while one moves sliders; tfjs/ holds what it computes with
export       the networks for other runtimes: SavedModel, ONNX, TensorFlow Lite

Imports run one way, downwards in this list to upwards. Nothing here imports a gantut_*.py: what a room needs of the
model or of the image functions it is handed, so that a reader's own files serve as well. Every room keeps this rule;
the scripts in the root, gantut_complete.py, gantut_sample.py and gantut_judge.py, are there since people call them by
name.
"""
__version__ = "1.1.0"
