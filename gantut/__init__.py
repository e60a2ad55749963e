"""The package behind the tutorial's files, flat, one topic a module.

process
  errors            errors that the user can fix, as one line; files written completely or not at all; locks of folders
  paths             where the project's own folders are, in a clone or installed, and what its scripts are called
  console           what a user sees: stdout and stderr, the progress of a training on a terminal or in a notebook
  scripts           how a script starts and ends: flags by argparse, one line for an error, Ctrl-C and SIGTERM
  quiet             what must happen before TensorFlow is imported
pictures
  seeding           random numbers that depend on the seed and the step alone
  images            picture files, in and out, beyond Part 3's eight functions; MNIST's IDX files
  faces             finds the faces in a picture; crops with eyes and mouth at given places
  datasets          which files are the pictures of a data set, and whether there are enough
  image_loader      reads pictures at the size that a model needs; checks them before the first step
  batches           the batches of a training, read ahead and kept in memory
  completion        the masks and the result files of gantut_complete.py
evaluation
  metrics           scores of pictures, beside those of real pictures and of noise
  inception         features from Keras' InceptionV3, in a separate process
cluster
  worker_discovery  where the workers of a cluster are
  workers           one process, or several that train one model
run
  session           the session's configuration, and bfloat16
  checkpoints       which is the newest, what is in it, a saver that checks it before it restores it
  flags             the flags beyond Part 5's, their defaults, and how a script runs with them
  run_record        run.json: the settings of a run, whether it can be continued
  weights           the moving average of G's weights; starting with another model's weights
  sampler           draws images with the G of a model or of a checkpoint
  outputs           event files, checkpoints and samples
  monitoring        checks during a training, scores after an epoch, the reason why a training ended
  run               the objects that the statements of DCGAN.train() call; it uses the modules above
step
  graph             computes a loss of the class again from other tensors
  fused_step        --fast: Part 4's updates in fewer passes, with faster kernels
  devices           the networks on several devices of a machine
recipe
  recipe            the class that trains: DCGAN, or DCGAN with the parts that flags add
output
  export            the networks for other runtimes, the page that draws, the quiz

A module imports only modules above it in this list (tests/test_architecture.py). None imports a gantut_*.py: it is
given what it needs of the model or of the image functions, so a reader's own files can replace ours. places, parts and
notebook are earlier names of paths, recipe and console. python -m gantut, which is __main__, lists the commands, and
prints what a bug report needs.
"""
__version__ = "1.1.0"
