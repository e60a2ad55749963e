"""The tutorial as a course. Its modules are in a package, so that a reader's own model.py or steps.py is never confused
with them."""
