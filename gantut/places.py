from gantut.paths import find_model, place  # noqa: F401  (an earlier name, which programs still import)
