from gantut.console import Progress  # noqa: F401  (an alias: programs that import it from here go on)
