"""The tutorial as a course. Its modules are a package's: a reader's own model.py or steps.py stands in for none of
them, nor they for it."""
