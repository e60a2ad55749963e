from gantut.recipe import with_parts  # noqa: F401  (an earlier name, which programs still import)
