"""The tutorial's networks and schedule in PyTorch and in Keras 3, for benchmarks/step.py: same layers, same sizes.

Each class has step(batch_images, batch_z), which updates D once and G twice and then evaluates the three losses, each
with passes of its own, as Part 4's text does. Images are [N, size, size, 3] in [-1, 1].
"""


class Torch(object):
    """PyTorch, eager or with torch.compile."""

    def __init__(self, image_size=64, z_dim=100, gf_dim=64, df_dim=64, compiled=False):
        import torch
        from torch import nn
        self.torch, self.bce = torch, nn.functional.binary_cross_entropy_with_logits
        layers, channels = [nn.Linear(z_dim, gf_dim * 8 * 16), nn.Unflatten(1, (gf_dim * 8, 4, 4))], gf_dim * 8
        size, depth = 8, 8
        while size < image_size:
            layers += [nn.BatchNorm2d(channels), nn.ReLU(),
                       nn.ConvTranspose2d(channels, gf_dim * depth, 5, 2, 2, output_padding=1)]
            channels, size, depth = gf_dim * depth, size * 2, max(depth // 2, 1)
        self.generator = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(),
                                       nn.ConvTranspose2d(channels, 3, 5, 2, 2, output_padding=1), nn.Tanh())
        layers = [nn.Conv2d(3, df_dim, 5, 2, 2), nn.LeakyReLU(0.2)]
        for i in range(3):
            channels = df_dim * 2 ** i
            layers += [nn.Conv2d(channels, channels * 2, 5, 2, 2), nn.BatchNorm2d(channels * 2), nn.LeakyReLU(0.2)]
        self.discriminator = nn.Sequential(*layers, nn.Flatten(), nn.Linear(df_dim * 8 * (image_size // 16) ** 2, 1))
        self.d_optim = torch.optim.Adam(self.discriminator.parameters(), 0.0002, betas=(0.5, 0.999))
        self.g_optim = torch.optim.Adam(self.generator.parameters(), 0.0002, betas=(0.5, 0.999))
        if compiled:
            self.generator, self.discriminator = torch.compile(self.generator), torch.compile(self.discriminator)

    def loss(self, logits, label):
        return self.bce(logits, self.torch.full_like(logits, label))

    def step(self, batch_images, batch_z):
        images = self.torch.from_numpy(batch_images).permute(0, 3, 1, 2).contiguous()
        z = self.torch.from_numpy(batch_z)
        self.train(True)
        self.d_optim.zero_grad()
        (self.loss(self.discriminator(images), 1.) + self.loss(self.discriminator(self.generator(z).detach()), 0.)
         ).backward()
        self.d_optim.step()
        self.discriminator.requires_grad_(False)
        for _ in range(2):
            self.g_optim.zero_grad()
            self.loss(self.discriminator(self.generator(z)), 1.).backward()
            self.g_optim.step()
        self.discriminator.requires_grad_(True)
        self.train(False)
        with self.torch.no_grad():
            return (float(self.loss(self.discriminator(self.generator(z)), 0.)),
                    float(self.loss(self.discriminator(images), 1.)),
                    float(self.loss(self.discriminator(self.generator(z)), 1.)))

    def train(self, mode):
        self.generator.train(mode)
        self.discriminator.train(mode)


class Keras(object):
    """Keras 3 models; each update and each evaluation is a tf.function."""

    def __init__(self, image_size=64, z_dim=100, gf_dim=64, df_dim=64):
        import keras
        import tensorflow as tf
        from keras import layers
        self.tf = tf
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
        self.update_d, self.update_g = tf.function(self.update_d), tf.function(self.update_g)
        self.d_loss_fake, self.d_loss_real = tf.function(self.d_loss_fake), tf.function(self.d_loss_real)
        self.g_loss = tf.function(self.g_loss)

    @staticmethod
    def norm(layers):
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

    def loss(self, logits, label):
        return self.tf.reduce_mean(self.tf.nn.sigmoid_cross_entropy_with_logits(
            logits=logits, labels=self.tf.fill(self.tf.shape(logits), label)))

    def d_loss_fake(self, z, training=False):
        return self.loss(self.discriminator(self.generator(z, training=training), training=training), 0.)

    def d_loss_real(self, images, training=False):
        return self.loss(self.discriminator(images, training=training), 1.)

    def g_loss(self, z, training=False):
        return self.loss(self.discriminator(self.generator(z, training=training), training=training), 1.)

    def update_d(self, images, z):
        with self.tf.GradientTape() as tape:
            loss = self.d_loss_real(images, True) + self.d_loss_fake(z, True)
        variables = self.discriminator.trainable_variables
        self.d_optim.apply_gradients(zip(tape.gradient(loss, variables), variables))

    def update_g(self, z):
        with self.tf.GradientTape() as tape:
            loss = self.g_loss(z, True)
        variables = self.generator.trainable_variables
        self.g_optim.apply_gradients(zip(tape.gradient(loss, variables), variables))

    def step(self, batch_images, batch_z):
        images, z = self.tf.constant(batch_images), self.tf.constant(batch_z)
        self.update_d(images, z)
        self.update_g(z)
        self.update_g(z)
        return float(self.d_loss_fake(z)), float(self.d_loss_real(images)), float(self.g_loss(z))
