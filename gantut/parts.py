"""The class that trains: DCGAN as it is written, or with what the flags ask for besides, each part by its flag.

  Model = with_parts(DCGAN, config)
  Model(sess, ...).train(config)

Each part takes its losses and networks from the class, and honours what a reader has changed there, or refuses it.
"""
from gantut.devices import on_devices
from gantut.faster import check_class, own_step
from gantut.flags import BEYOND, OF_THE_STEP
from gantut.recipe import with_recipe


def with_parts(DCGAN, config, devices=(), workers=None):
    """The DCGAN that trains with the flags, or a plain namespace of some; without any it is the class itself.

    devices: the names of several. workers: what find_workers() has found. Raises UserError if the class cannot be
    trained so.
    """
    if workers or any(getattr(config, name, None) for name in ("mirror", "init_from")):  # its train() needs a run
        check_class(DCGAN)
    parts = {name: getattr(config, name, BEYOND[name][0]) for name in OF_THE_STEP}
    Model = own_step(DCGAN, parts["fast"], parts["g_updates"], parts["losses_every"])
    if len(devices) > 1:
        Model = on_devices(Model, devices)
    Model = with_recipe(Model, parts)
    if Model is not DCGAN:
        Model.parts = parts
    return Model
