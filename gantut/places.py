from gantut.paths import find_model, place  # noqa: F401  (an alias: programs that import it from here go on)
