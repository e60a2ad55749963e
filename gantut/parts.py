from gantut.recipe import with_parts  # noqa: F401  (an alias: programs that import it from here go on)
