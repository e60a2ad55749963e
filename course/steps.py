"""The steps of the course, in the tutorial's order: what is checked, the text's sentence, hints in three levels."""
import os

from .judging import Step


def part_3(name, *words):
    return Step(name, 3, "gantut_imgfuncs.py", "pictures." + name, *words, 10)


def block(name, *words):
    return Step(name, 4, "gantut_datafuncs.py", "functions." + name, *words)


def method(name, check, *words):
    return Step("DCGAN." + name, 4, "gantut_gan.py", check, *words)


STEPS = [
    part_3("center_crop", "Part 3: crop the picture at its centre, then resize it to what the network wants.", [
        "How many rows lie above the window, and how many columns left of it?",
        "x is [height, width, channels]; the window x[j:j + crop_h, i:i + crop_w] becomes [resize_w, resize_w, 3].",
        "j = int(round((h - crop_h) / 2.)), i from the widths; resize(to_uint8(...), resize_w) of gantut/images.py"]),
    part_3("transform", "Part 3: crop if is_crop is True, and scale the intensities from 0..255 to [-1, 1].", [
        "What must 0 become, and what 255?", "The shape is [npx, npx, channels] after the crop, else as it was.",
        "center_crop(image, npx, resize_w=npx), then / 127.5 - 1"]),
    part_3("merge", "Part 3: lay the images out in one large array, row by row.", [
        "In which row and column of the grid does image number idx lie?",
        "[N, h, w, channels] -> [rows * h, columns * w, channels]; size is [rows, columns].",
        "i = idx % size[1], j = idx // size[1]; img[j*h:j*h+h, i*w:i*w+w] = image"]),
    method("__init__", "model.init",
           "Part 4: 'we need to transfer these inputs to the self of the class so they are accessible later on'.", [
               "What must be set before build_model() is called?",
               "image_shape is [image_size, image_size, c_dim]; four d_bns, log2(image_size) g_bns.",
               "assert image_size & (image_size - 1) == 0 and image_size >= 8; batch_norm(name='d_bn{}'.format(i))"]),
    block("batch_norm",
          "Part 4: 'We effectively redistribute the intensities of the images around a common mean with a set "
          "variance.'",
          ["Which mean and variance in training, and which later? What has to be remembered from training?",
           "x [..., channels]; mean, variance, beta, gamma, moving_mean, moving_variance are [channels].",
           "tf.nn.moments, tf.cond on train, tf.control_dependencies on the assignments, tf.nn.batch_normalization"]),
    method("discriminator", "model.discriminator",
           "Part 4: 'Thus we use the variable reuse when calling the discriminator() method - we will set it to True "
           "when we're using the fake images.'", [
               "Which layer has no batch norm?",
               "[N, 64, 64, 3] -> [N, 32, 32, 64] -> [N, 16, 16, 128] -> [N, 8, 8, 256] -> [N, 4, 4, 512] -> [N, 8192] "
               "-> [N, 1]",
               "with tf.variable_scope('discriminator') as scope: if reuse: scope.reuse_variables(); "
               "lrelu(self.d_bns[0](conv2d(h0, self.df_dim * 2, name='d_h1_conv'), self.is_training))"]),
    block("conv2d",
          "Part 4: 'The padding option SAME makes sure that we end up with output that is the same size as the input. "
          "Biases are added [...] before the result is returned.' (With stride 2 it is half as wide.)", [
              "A kernel looks at all channels of its window: which shape has w?",
              "[N, h, w, channels] -> [N, h / d_h, w / d_w, output_dim]; w [k_h, k_w, channels, output_dim], biases "
              "[output_dim].",
              "tf.get_variable, tf.nn.conv2d(..., strides=[1, d_h, d_w, 1], padding='SAME'), tf.nn.bias_add"]),
    block("lrelu", "Part 4: 'The network need to be able to learn complex functions, so we add some non-linearity'.", [
        "x where x is positive: what where it is negative?", "The shape stays.",
        "f1 * x + f2 * abs(x), or tf.nn.leaky_relu, or tf.maximum"]),
    block("linear",
          "Part 4: 'We return the result of input_ x matrix by default, but if we also need the weights, we also "
          "output matrix and bias through the if statement.'", [
              "What are the shapes of matrix and bias, if [N, n] becomes [N, output_size]?",
              "Matrix [n, output_size], bias [output_size]; names Matrix and bias in the scope, or in Linear.",
              "tf.matmul(input_, matrix) + bias"]),
    method("generator", "model.generator",
           "Part 4: 'the generator is effectively a reverse discriminator in that it is a CNN that works backwards'.", [
               "What does the last layer do that the others do not, and the other way round?",
               "[N, 100] -> [N, 4, 4, 512] -> [N, 8, 8, 512] -> [N, 16, 16, 256] -> [N, 32, 32, 128] -> [N, 64, 64, 3]",
               "linear(..., 'g_h0_lin', with_w=True), tf.reshape; in a loop conv2d_transpose(..., name='g_h1', "
               "with_w=True), batch norm, tf.nn.relu; last tf.nn.tanh"]),
    block("conv2d_transpose",
          "Part 4: 'The inverse convolution function looks very similar to the forward convolution function.'", [
              "Which of the two channel numbers of w comes first here?",
              "w [k_h, k_w, channels out, channels in]; output_shape says how large the result is.",
              "tf.nn.conv2d_transpose(input_, w, output_shape, strides=[1, d_h, d_w, 1]), tf.nn.bias_add"]),
    method("build_model", "model.build_model",
           "Part 4: 'how well did the discriminator do at letting true images through (i.e. comparing D to 1)'.", [
               "What should D say about which image, in the loss of each player?",
               "D_logits [N, 1] of self.images, D_logits_ [N, 1] of self.G; each loss is one number.",
               "tf.nn.sigmoid_cross_entropy_with_logits(logits=self.D_logits, labels=tf.ones_like(self.D)), "
               "tf.reduce_mean; 'd_' in var.name"], 60),
    method("save", "model.save",
           "Part 4: 'It will check whether the output directory exists, if not it will create it.'", [
        "What if the folder does not exist?", "The file is called DCGAN.model-7 after step 7.",
        "self.saver.save(self.sess, os.path.join(checkpoint_dir, self.model_name), global_step=step)"], 60),
    method("load", "model.load_", "Part 4: 'If there is no checkpoint available, the function returns false'.", [
        "How does the caller know whether there was one?", "It returns True or False.",
        "tf.train.get_checkpoint_state, ckpt.model_checkpoint_path, self.saver.restore(self.sess, ...)"], 60),
    method("train", "training.train",
           "Part 4: 'The generator is updated twice. This is to make sure that the discriminator loss function does "
           "not just converge to zero very quickly.'", [
               "Which variables may each optimizer move, and how often?",
               "batch_images [batch_size, 64, 64, 3] and batch_z [batch_size, z_dim], both in [-1, 1].",
               "AdamOptimizer(config.learning_rate, beta1=config.beta1).minimize(self.d_loss, var_list=self.d_vars); "
               "the project's train() takes its optimizers and writer from a Run; you can use tf.train.AdamOptimizer "
               "and tf.summary.FileWriter. Initialise the variables before self.load()"], 150),
    Step("gantut_trainer.py", 5, "gantut_trainer.py", "trainer.trainer",
         "Part 5: 'This is it! 5 posts later and we can train our GAN.'", [
             "Does it run when you type the command?", "config.train_size is a whole number, np.inf if not given.",
             "batch_idxs = min(len(data), config.train_size) // self.batch_size; self.save(config.checkpoint_dir, "
             "counter)"], 600),
]


def steps_for(folder):
    """The steps of the tutorial, or of a lesson of variants/, by the files in the folder."""
    if os.path.exists(os.path.join(folder, "mnist_gan.py")):
        from .lesson import STEPS as of_the_lesson
        return of_the_lesson
    return STEPS


def notes_for(steps):
    """What the reader should know before training, once all steps are right."""
    if steps is not STEPS:
        return []
    from .model import notes
    return notes()
