"""The package behind the tutorial's files, flat, one topic a module.

process
  errors            what the user can mend, as one line; files that are written whole or not at all
  paths             where the project's own folders are, in a clone or installed, and what its scripts are called
  console           what a user sees: stdout and stderr, how far a training is, on a terminal or in a notebook
  scripts           how a script begins and ends: flags by argparse, one line for an error, Ctrl-C and SIGTERM
  quiet             what must happen before TensorFlow is imported
pictures
  seeding           random numbers that depend on the seed and the step alone
  images            picture files, in and out, beyond Part 3's eight functions; MNIST's IDX files
  faces             where the faces in a picture are; crops in which eyes and mouth lie at given places
  datasets          which files are the pictures of a data set, and whether there are enough
  image_loader      pictures as one model wants them; looking them over before the first step
  batches           the batches of a training, read ahead and kept in memory
  completion        the masks and the result files of gantut_complete.py
evaluation
  metrics           how good pictures are, in numbers, beside what real pictures and noise reach
  inception         features of Keras' network, in a process of its own
cluster
  worker_discovery  where the workers of a cluster are
  workers           one process, or several that train one model
run
  session           the session's configuration, and bfloat16
  checkpoints       which is the newest, what is in it, the saver that looks before it restores
  flags             the flags beyond Part 5's, their defaults, and how a script runs with them
  run_record        run.json: what a run is made with, whether it may go on, and that it is the only one
  weights           the moving average of G's weights; another model's weights to begin with
  sampler           draws with the G of a model, or of a checkpoint
  outputs           event files, checkpoints and samples
  monitoring        what is watched in a training, the scores after an epoch, what ended it
  run               what DCGAN.train() hands its statements: it brings the modules above together
step
  graph             a loss, written once in the class, of other tensors
  fused_step        --fast: Part 4's updates in fewer passes, with faster kernels
  devices           the networks on several devices of a machine
recipe
  recipe            the class that trains: DCGAN, or with what the flags ask for besides
output
  export            the networks for other runtimes, the page that draws, the quiz

A module imports only modules above it in this list (tests/test_architecture.py). None imports a gantut_*.py: what it
needs of the model or of the image functions it is handed, so that a reader's own files serve as well. places, parts and
notebook are earlier names of paths, recipe and console. python -m gantut, which is __main__, lists the commands, and
prints what a bug report needs.
"""
__version__ = "1.1.0"
