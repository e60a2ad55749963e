"""The tutorial's networks in PyTorch and in Keras 3, for benchmarks/step.py: same layers, same sizes, same Adam.

Each class has step(batch_images, batch_z), which updates D once and G twice and then evaluates the three losses, in one
of two schedules: the tutorial's, each with passes of its own, or the shared one, as an expert in the framework has it:
G's images serve D's update and the first one of G, and the three losses take one pass of G. Images are [N, size, size,
3] in [-1, 1].
"""
import contextlib


class Torch:
    """PyTorch, eager or with torch.compile; channels_last and bfloat16 (autocast) as its users set them."""

    def __init__(self, image_size=64, z_dim=100, gf_dim=64, df_dim=64, compiled=False, shared=True, channels_last=True,
                 bfloat16=False, c_dim=3):
        import torch
        from torch import nn
        self.torch, self.bce = torch, nn.functional.binary_cross_entropy_with_logits
        self.shared, self.bfloat16 = shared, bfloat16
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        layers, channels = [nn.Linear(z_dim, gf_dim * 8 * 16), nn.Unflatten(1, (gf_dim * 8, 4, 4))], gf_dim * 8
        size, depth = 8, 8
        while size < image_size:
            layers += [nn.BatchNorm2d(channels), nn.ReLU(),
                       nn.ConvTranspose2d(channels, gf_dim * depth, 5, 2, 2, output_padding=1)]
            channels, size, depth = gf_dim * depth, size * 2, max(depth // 2, 1)
        self.generator = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(),
                                       nn.ConvTranspose2d(channels, c_dim, 5, 2, 2, output_padding=1), nn.Tanh())
        layers = [nn.Conv2d(c_dim, df_dim, 5, 2, 2), nn.LeakyReLU(0.2)]
        for i in range(3):
            channels = df_dim * 2 ** i
            layers += [nn.Conv2d(channels, channels * 2, 5, 2, 2), nn.BatchNorm2d(channels * 2), nn.LeakyReLU(0.2)]
        pixels = max(image_size // 16, 1) ** 2
        self.discriminator = nn.Sequential(*layers, nn.Flatten(), nn.Linear(df_dim * 8 * pixels, 1))
        self.generator, self.discriminator = (net.to(memory_format=self.layout)
                                              for net in (self.generator, self.discriminator))
        for layer in [*self.generator, *self.discriminator]:  # the text truncates D's
            if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(layer.weight, 0, 0.02)
                nn.init.zeros_(layer.bias)
        self.d_optim = torch.optim.Adam(self.discriminator.parameters(), 0.0002, betas=(0.5, 0.999))
        self.g_optim = torch.optim.Adam(self.generator.parameters(), 0.0002, betas=(0.5, 0.999))
        if compiled:
            self.generator, self.discriminator = torch.compile(self.generator), torch.compile(self.discriminator)

    def loss(self, logits, label):
        return self.bce(logits.float(), self.torch.full_like(logits, label, dtype=self.torch.float32))

    def precision(self):
        return self.torch.autocast("cpu", self.torch.bfloat16) if self.bfloat16 else contextlib.nullcontext()

    def update_d(self, images, fakes):
        self.d_optim.zero_grad()
        with self.precision():
            loss = self.loss(self.discriminator(images), 1.) + self.loss(self.discriminator(fakes.detach()), 0.)
        loss.backward()
        self.d_optim.step()

    def update_g(self, fakes):
        self.g_optim.zero_grad()
        with self.precision():
            loss = self.loss(self.discriminator(fakes), 1.)
        loss.backward()
        self.g_optim.step()

    def draw(self, z):
        with self.precision():
            return self.generator(z)

    def step(self, batch_images, batch_z):
        images = self.torch.from_numpy(batch_images).permute(0, 3, 1, 2).contiguous(memory_format=self.layout)
        z = self.torch.from_numpy(batch_z)
        self.train(True)
        fakes = self.draw(z)
        self.update_d(images, fakes)
        self.discriminator.requires_grad_(False)
        self.update_g(fakes if self.shared else self.draw(z))
        self.update_g(self.draw(z))
        self.discriminator.requires_grad_(True)
        self.train(False)
        with self.torch.no_grad(), self.precision():
            fake = self.discriminator(self.generator(z))
            again = fake if self.shared else self.discriminator(self.generator(z))
            return (float(self.loss(fake, 0.)), float(self.loss(self.discriminator(images), 1.)),
                    float(self.loss(again, 1.)))

    def train(self, mode):
        self.generator.train(mode)
        self.discriminator.train(mode)


class Keras:
    """Keras 3 models; each update and each evaluation is a tf.function; mixed_bfloat16 as its users set it."""

    def __init__(self, image_size=64, z_dim=100, gf_dim=64, df_dim=64, shared=True, bfloat16=False):
        import keras
        import tensorflow as tf
        from keras import layers
        if bfloat16:
            keras.config.set_dtype_policy("mixed_bfloat16")
        self.tf, self.shared = tf, shared
        sequence, size, depth = [keras.Input([z_dim]), layers.Dense(gf_dim * 8 * 16),
                                 layers.Reshape([4, 4, gf_dim * 8])], 8, 8
        while size < image_size:
            sequence += [self.norm(layers), layers.ReLU(),
                         layers.Conv2DTranspose(gf_dim * depth, 5, 2, padding="same")]
            size, depth = size * 2, max(depth // 2, 1)
        self.generator = keras.Sequential([*sequence, self.norm(layers), layers.ReLU(),
                                           layers.Conv2DTranspose(3, 5, 2, padding="same", activation="tanh")])
        sequence = [keras.Input([image_size, image_size, 3]), layers.Conv2D(df_dim, 5, 2, padding="same"),
                    layers.LeakyReLU(0.2)]
        for i in range(1, 4):
            sequence += [layers.Conv2D(df_dim * 2 ** i, 5, 2, padding="same"), self.norm(layers),
                         layers.LeakyReLU(0.2)]
        self.discriminator = keras.Sequential([*sequence, layers.Flatten(), layers.Dense(1)])
        self.d_optim = keras.optimizers.Adam(0.0002, beta_1=0.5)
        self.g_optim = keras.optimizers.Adam(0.0002, beta_1=0.5)
        for name in ("update_both", "update_d", "update_g", "losses", "d_loss_fake", "d_loss_real", "g_loss"):
            setattr(self, name, tf.function(getattr(self, name)))

    @staticmethod
    def norm(layers):
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

    def loss(self, logits, label):
        return self.tf.reduce_mean(self.tf.nn.sigmoid_cross_entropy_with_logits(
            logits=self.tf.cast(logits, "float32"), labels=self.tf.fill(self.tf.shape(logits), label)))

    def d_loss_fake(self, z, training=False):
        return self.loss(self.discriminator(self.generator(z, training=training), training=training), 0.)

    def d_loss_real(self, images, training=False):
        return self.loss(self.discriminator(images, training=training), 1.)

    def g_loss(self, z, training=False):
        return self.loss(self.discriminator(self.generator(z, training=training), training=training), 1.)

    def losses(self, images, z):
        logits = self.discriminator(self.generator(z, training=False), training=False)
        return self.loss(logits, 0.), self.d_loss_real(images), self.loss(logits, 1.)

    def apply(self, optim, network, tape, loss):
        variables = network.trainable_variables
        optim.apply_gradients(zip(tape.gradient(loss, variables), variables))

    def update_d(self, images, z):
        with self.tf.GradientTape() as tape:
            loss = self.d_loss_real(images, True) + self.d_loss_fake(z, True)
        self.apply(self.d_optim, self.discriminator, tape, loss)

    def update_g(self, z):
        with self.tf.GradientTape() as tape:
            loss = self.g_loss(z, True)
        self.apply(self.g_optim, self.generator, tape, loss)

    def update_both(self, images, z):
        with self.tf.GradientTape() as g_tape:
            fakes = self.generator(z, training=True)
            with self.tf.GradientTape() as d_tape, g_tape.stop_recording():
                loss = self.d_loss_real(images, True) + self.loss(self.discriminator(fakes, training=True), 0.)
            with g_tape.stop_recording():
                self.apply(self.d_optim, self.discriminator, d_tape, loss)
            loss = self.loss(self.discriminator(fakes, training=True), 1.)
        self.apply(self.g_optim, self.generator, g_tape, loss)

    def step(self, batch_images, batch_z):
        images, z = self.tf.constant(batch_images), self.tf.constant(batch_z)
        if self.shared:
            self.update_both(images, z)
            self.update_g(z)
            return [float(loss) for loss in self.losses(images, z)]
        self.update_d(images, z)
        self.update_g(z)
        self.update_g(z)
        return float(self.d_loss_fake(z)), float(self.d_loss_real(images)), float(self.g_loss(z))
