from gantut.console import Progress  # noqa: F401  (an earlier name, which programs still import)
