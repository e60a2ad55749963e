"""Typical wrong solutions of the course, one mistake each, made from the project's own files, and the step that finds each.

  python tests/course_mutants.py FIRST STEP

Prints a line of JSON for every STEP-th of them: name, the step that found it, what was said.
"""
import json
import os
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILES = {"imgfuncs": "gantut_imgfuncs.py", "datafuncs": "gantut_datafuncs.py", "gan": "gantut_gan.py"}
BN = "self.mean, self.variance = tf.cond(tf.convert_to_tensor(train), batch_statistics, moving_averages)"
AVERAGES = "return tf.identity(self.moving_mean), tf.identity(self.moving_variance)"
D_TRAINING = [(f'name="d_h{i}_conv"), self.is_training)', f'name="d_h{i}_conv"), tf.constant(True))')
              for i in (1, 2, 3)]
SECOND = """        # run g_optim twice to make sure that d_loss does not go to zero
        _, summary_str = self.sess.run([g_optim, self.g_sum],
                                       feed_dict={self.z: batch_z, self.is_training: True})
        self.writer.add_summary(summary_str, counter)
"""

MUTANTS = [  # mistake, file, what is replaced by what, the step that must find it, what it must say
    ("rounded down", "imgfuncs", [("i = int(round((w - crop_w) / 2.0))", "i = int((w - crop_w) / 2.0)")], "center_crop",
     "truncated, not rounded"),
    ("rows and columns", "imgfuncs", [("x[j:j + crop_h, i:i + crop_w]", "x[i:i + crop_w, j:j + crop_h]")], "center_crop",
     "shape|exchanged"),
    ("upper left", "imgfuncs", [("i = int(round((w - crop_w) / 2.0))", "i = j = 0")],
     "center_crop", "upper left corner"),
    ("from the middle", "imgfuncs", [("(h - crop_h) / 2.0", "h / 2.0"), ("(w - crop_w) / 2.0", "w / 2.0")],
     "center_crop", "begins in the middle"),
    ("not resized", "imgfuncs", [("return resize(to_uint8(x[j:j + crop_h, i:i + crop_w]), resize_w)",
                                  "return to_uint8(x[j:j + crop_h, i:i + crop_w])")], "center_crop", "not resized"),
    ("crop_w ignored", "imgfuncs", [("    if crop_w is None:\n        crop_w", "    crop_w")], "center_crop",
     "crop_w is ignored"),
    ("no - 1", "imgfuncs", [("/ 127.5 - 1.0", "/ 127.5")], "transform", "not the - 1"),
    ("/ 255", "imgfuncs", [("/ 127.5 - 1.0", "/ 255")], "transform", r"lie in \[0, 1\]"),
    ("not scaled", "imgfuncs", [("np.array(cropped_image) / 127.5 - 1.0", "np.array(cropped_image)")], "transform",
     "no values are scaled"),
    ("not cropped", "imgfuncs", [("    if is_crop:\n", "    if False:\n")], "transform", "nothing is cropped"),
    ("too small", "imgfuncs", [("if h < crop_h or w < crop_w:", "if h < crop_h:")], "center_crop",
     "too small for the crop does not raise ValueError"),
    ("column by column", "imgfuncs", [("idx % size[1]", "idx // size[0]"), ("idx // size[1]", "idx % size[0]")], "merge",
     "column by column"),
    ("size exchanged", "imgfuncs", [("h * size[0], w * size[1]", "h * size[1], w * size[0]"), (
        "idx % size[1]", "idx % size[0]"), ("idx // size[1]", "idx // size[0]")], "merge", "rows and columns of the grid"),
    ("no return", "imgfuncs", [("    return img\n", "")], "merge", "is there a return"),
    ("too many", "imgfuncs", [("if len(images) > size[0] * size[1]:\n        raise", "images = images[:size[0] * "
                               "size[1]]\n    if False:\n        raise")], "merge", "seven images does not raise"),
    ("reversed", "imgfuncs", [("enumerate(images)", "enumerate(images[::-1])")], "merge", "reverse order"),

    ("train ignored", "datafuncs", [(BN, BN.replace("tf.convert_to_tensor(train)", "tf.constant(True)"))], "batch_norm",
     "train is ignored"),
    ("averages always", "datafuncs", [(BN, BN.replace("tf.convert_to_tensor(train)", "tf.constant(False)"))], "batch_norm",
     "train is ignored"),
    ("never moves", "datafuncs", [("tf.control_dependencies([self.move(mean, variance)])", "tf.control_dependencies([])")],
     "batch_norm", "it never moves"),
    ("momentum the wrong way", "datafuncs", [("* (1 - self.momentum)", "* self.momentum")], "batch_norm",
     "wrong way round"),
    ("no gamma, beta", "datafuncs", [("beta, gamma, self.epsilon", "None, None, self.epsilon")], "batch_norm",
     "gamma and beta are not applied"),
    ("trainable averages", "datafuncs", [("initializer=tf.zeros_initializer(),\n"
                                          "                                               trainable=False)",
                                          "initializer=tf.zeros_initializer())")], "batch_norm", "trainable"),
    ("moves in evaluation", "datafuncs", [(AVERAGES, "with tf.control_dependencies([self.move(*tf.nn.moments(x, [0, 1, "
                                           "2]))]):\n                    " + AVERAGES)], "batch_norm",
     "only a training step may move them"),
    ("axes of a picture", "datafuncs", [("list(range(x.get_shape().ndims - 1))", "[0, 1, 2]")], "batch_norm",
     r"of x \[6, 3\] .* all axes except the last"),
    ("the first axis of what is not a picture", "datafuncs", [("list(range(x.get_shape().ndims - 1))",
                                                            "[0, 1, 2] if x.get_shape().ndims == 4 else [0]")],
     "batch_norm", r"of x \[4, 5, 3\] .* all axes except the last"),
    ("epsilon ignored", "datafuncs", [("beta, gamma, self.epsilon", "beta, gamma, 1e-5")], "batch_norm",
     "epsilon is ignored"),
    ("another epsilon", "datafuncs", [("epsilon=1e-5", "epsilon=1e-3")], "batch_norm", "epsilon is 0.001"),
    ("momentum ignored", "datafuncs", [("* (1 - self.momentum)", "* 0.1")], "batch_norm", "momentum is ignored"),
    ("the variance moves towards the mean", "datafuncs", [("(self.moving_variance - variance)", "(self.moving_variance - mean)"
                                                           )], "batch_norm", "moving variance .* towards the mean"),
    ("the variance moves towards the root", "datafuncs", [("(self.moving_variance - variance)", "(self.moving_variance - "
                                                           "tf.sqrt(variance))")], "batch_norm",
     "moving variance .* towards the standard deviation"),
    ("another momentum of the variance", "datafuncs", [("(self.moving_variance - variance) * (1 - self.momentum)",
                                                        "(self.moving_variance - variance) * 0.01")], "batch_norm",
     "moving variance .* momentum is 0.99, expected 0.9"),
    ("momentum of the variance ignored", "datafuncs", [("(self.moving_variance - variance) * (1 - self.momentum)",
                                                        "(self.moving_variance - variance) * 0.1")], "batch_norm",
     "moving variance .* momentum is ignored"),
    ("the variance begins at 0", "datafuncs", [('"moving_variance", channels, initializer=tf.ones_initializer()',
                                                '"moving_variance", channels, initializer=tf.zeros_initializer()')],
     "batch_norm", "moving variance .* begins at 0, expected 1"),
    ("local variables", "datafuncs", [('moving_mean", channels,', 'moving_mean", channels, collections=['
                                       "tf.GraphKeys.LOCAL_VARIABLES],")], "batch_norm", "is a local variable"),
    ("variables of no collection", "datafuncs", [('moving_mean", channels,', 'moving_mean", channels, collections=[],')],
     "batch_norm", "no variable bn/moving_mean"),
    ("variables elsewhere", "datafuncs", [("with tf.variable_scope(self.name):", "with tf.variable_scope(self.name + "
                                           "'_variables'):")], "batch_norm", "no variable bn/gamma"),
    ("one variable more", "datafuncs", [("            channels = x", "            tf.get_variable('steps', [])\n"
                                         "            channels = x")], "batch_norm", "has the variable bn/steps"),
    ("new averages each time", "datafuncs", [
        ('tf.get_variable("moving_mean", channels, initializer=tf.zeros_initializer(),',
         'tf.Variable(tf.zeros(channels), name="moving_mean",')], "batch_norm", "with reuse, makes new variables"),
    ("VALID", "datafuncs", [('padding="SAME"', 'padding="VALID"')], "conv2d", "padding is VALID"),
    ("no stride", "datafuncs", [("w, strides=[1, d_h, d_w, 1], padding", "w, strides=[1, 1, 1, 1], padding")], "conv2d",
     "stride is forgotten"),
    ("strides exchanged", "datafuncs", [("w, strides=[1, d_h, d_w, 1], padding", "w, strides=[1, d_w, d_h, 1], padding")],
     "conv2d", "exchanged"),
    ("d_h twice", "datafuncs", [("w, strides=[1, d_h, d_w, 1], padding", "w, strides=[1, d_h, d_h, 1], padding")],
     "conv2d", "d_h is the stride in both"),
    ("stride 2 always", "datafuncs", [("w, strides=[1, d_h, d_w, 1], padding", "w, strides=[1, 2, 2, 1], padding")],
     "conv2d", "or both are ignored"),
    ("kernels exchanged", "datafuncs", [("[k_h, k_w, input_", "[k_w, k_h, input_")], "conv2d", r"\[4, 3, 3, 40\], "
     r"expected \[k_h, k_w"),
    ("stddev ignored", "datafuncs", [("truncated_normal_initializer(stddev=stddev)", "truncated_normal_initializer("
                                      "stddev=0.02)")], "conv2d", "not stddev, 0.5"),
    ("new weights each time", "datafuncs", [
        ('w = tf.get_variable("w", [k_h, k_w, input_.get_shape()[-1], output_dim],\n'
         '                            initializer=tf.truncated_normal_initializer(stddev=stddev))',
         'w = tf.Variable(tf.truncated_normal([k_h, k_w, input_.get_shape()[-1], output_dim], stddev=stddev), name="w")')],
     "conv2d", "with reuse, makes new variables"),
    ("no biases", "datafuncs", [("return tf.nn.bias_add(conv, biases)", "return conv")],
     "conv2d", "biases are not added"),
    ("stddev 1", "datafuncs", [("truncated_normal_initializer(stddev=stddev)", "truncated_normal_initializer()")], "conv2d",
     "standard deviation"),
    ("not truncated", "datafuncs", [("truncated_normal_initializer", "random_normal_initializer")], "conv2d",
     "not a truncated normal"),
    ("another name", "datafuncs", [('w = tf.get_variable("w", [k_h, k_w, input_', 'w = tf.get_variable("weights", [k_h, '
                                    'k_w, input_')], "conv2d", "no variable c/w"),
    ("nothing returned", "datafuncs", [("return tf.nn.bias_add(conv, biases)", "tf.nn.bias_add(conv, biases)")], "conv2d",
     "is there a return"),
    ("relu", "datafuncs", [("tf.nn.leaky_relu(x, leak)", "tf.nn.relu(x)")], "lrelu", "without the leak"),
    ("lrelu returns nothing", "datafuncs", [("return tf.nn.leaky_relu(x, leak)", "tf.nn.leaky_relu(x, leak)")], "lrelu",
     "is there a return"),
    ("leak ignored", "datafuncs", [("tf.nn.leaky_relu(x, leak)",
     "tf.nn.leaky_relu(x, 0.2)")], "lrelu", "leak is ignored"),
    ("wrong side", "datafuncs", [("tf.nn.leaky_relu(x, leak)", "tf.minimum(x, leak * x)")], "lrelu", "wrong side"),
    ("halves missing", "datafuncs", [("tf.nn.leaky_relu(x, leak)", "(1 + leak) * x + (1 - leak) * abs(x)")], "lrelu",
     "halves are missing"),
    ("no bias", "datafuncs", [("matrix) + bias, matrix", "matrix), matrix")], "linear", "bias is not added"),
    ("with_w ignored", "datafuncs", [("initializer=tf.constant_initializer(bias_start))\n        if with_w:",
                                      "initializer=tf.constant_initializer(bias_start))\n        if False:")], "linear",
     "the output alone"),
    ("returns only with with_w", "datafuncs", [("            return tf.matmul(input_, matrix) + bias\n",
                                                "            pass\n")], "linear", r"linear\(x, 4\) .* is there a return"),
    ("a sigmoid", "datafuncs", [("return tf.matmul(input_, matrix) + bias, matrix",
                                 "return tf.sigmoid(tf.matmul(input_, matrix) + bias), matrix")], "linear", "sigmoid"),
    ("another scope", "datafuncs", [('scope or "Linear"', 'scope or "linear"')], "linear", "must use the scope Linear"),
    ("bias_start ignored", "datafuncs", [("constant_initializer(bias_start)", "constant_initializer(0.0)")], "linear",
     "not at 0.5"),
    ("stddev of the matrix", "datafuncs", [("tf.random_normal_initializer(stddev=stddev))\n        bias",
                                            "tf.random_normal_initializer(stddev=0.02))\n        bias")], "linear",
     "not stddev, 0.3"),
    ("stddev 1 of the matrix", "datafuncs", [("tf.random_normal_initializer(stddev=stddev))\n        bias",
                                              "tf.random_normal_initializer())\n        bias")], "linear",
     "not stddev, 0.02"),
    ("no biases up", "datafuncs", [("deconv = tf.nn.bias_add(deconv, biases)", "pass")], "conv2d_transpose",
     "biases are not added"),
    ("returns only with with_w up", "datafuncs", [("            return deconv\n", "            pass\n")],
     "conv2d_transpose", "is there a return"),
    ("channels exchanged", "datafuncs", [("[k_h, k_w, output_shape[-1], input_.get_shape()[-1]]",
                                          "[k_h, k_w, input_.get_shape()[-1], output_shape[-1]]")], "conv2d_transpose",
     "channels out, channels in"),
    ("fixed stride up", "datafuncs", [("output_shape=output_shape, strides=[1, d_h, d_w, 1]",
                                       "output_shape=output_shape, strides=[1, 2, 2, 1]")], "conv2d_transpose",
     r"strides \[1, d_h, d_w, 1\]"),
    ("strides exchanged up", "datafuncs", [("output_shape=output_shape, strides=[1, d_h, d_w, 1]",
                                            "output_shape=output_shape, strides=[1, d_w, d_h, 1]")],
     "conv2d_transpose", r"strides \[1, d_h, d_w, 1\]"),
    ("kernels exchanged up", "datafuncs", [("[k_h, k_w, output_shape[-1]", "[k_w, k_h, output_shape[-1]")],
     "conv2d_transpose", r"\[4, 3, 40, 3\], expected \[k_h, k_w"),
    ("stddev ignored up", "datafuncs", [("tf.random_normal_initializer(stddev=stddev))\n        deconv",
                                         "tf.random_normal_initializer(stddev=0.02))\n        deconv")],
     "conv2d_transpose", "not stddev, 0.5"),

    ("four g_bns", "gan", [("for i in range(log_size)", "for i in range(4)")], "DCGAN.__init__", "names of g_bns"),
    ("names from 1", "gan", [('"d_bn{}".format(i)', '"d_bn{}".format(i + 1)')], "DCGAN.__init__", "names of d_bns"),
    ("any size", "gan", [("assert image_size & (image_size - 1) == 0 and image_size >= 8", "assert image_size")],
     "DCGAN.__init__", "must be a power of two"),
    ("shape", "gan", [("[image_size, image_size, c_dim]", "[c_dim, image_size, image_size]")], "DCGAN.__init__",
     "self.image_shape is"),
    ("z_dim lost", "gan", [("        self.z_dim = z_dim\n", "")], "DCGAN.__init__", "self.z_dim is not set"),
    ("not built", "gan", [("        self.build_model()\n", "")], "DCGAN.__init__", "called 0 times"),
    ("lowres lost", "gan", [("        self.lowres_size = image_size // lowres\n", "")], "DCGAN.__init__",
     "lowres_size is not set: the text forgets it"),
    ("built too early", "gan", [("        self.sess = sess\n", "        self.sess = sess\n        self.build_model()\n"), (
        "        check_graph()\n        self.build_model()\n", "")], "DCGAN.__init__", "called before"),
    ("norm in the first layer", "gan", [('lrelu(conv2d(image, self.df_dim, name="d_h00_conv"))', 'lrelu(self.d_bns[3]('
                                         'conv2d(image, self.df_dim, name="d_h00_conv"), self.is_training))')],
     "DCGAN.discriminator", "first layer has none"),
    ("two sets of weights", "gan", [("            if reuse:\n", "            if False:\n")], "DCGAN.discriminator",
     "reuse must reach the scope"),
    ("exchanged", "gan", [("return tf.nn.sigmoid(h4), h4", "return h4, tf.nn.sigmoid(h4)")], "DCGAN.discriminator",
     "exchanged"),
    ("sigmoid twice", "gan", [("return tf.nn.sigmoid(h4), h4", "return tf.nn.sigmoid(tf.nn.sigmoid(h4)), h4")],
     "DCGAN.discriminator", "sigmoid is applied twice"),
    ("one thing", "gan", [("return tf.nn.sigmoid(h4), h4", "return h4")], "DCGAN.discriminator", "returns one thing"),
    ("is_training ignored in D", "gan", D_TRAINING, "DCGAN.discriminator", "is_training is ignored"),
    ("d_bns from 1", "gan", [("self.d_bns[2](", "self.d_bns[3]("), ("self.d_bns[1](", "self.d_bns[2]("),
                             ("self.d_bns[0](", "self.d_bns[1](")], "DCGAN.discriminator", r"the text's three are d_bns\[0\]"),
    ("filters of a layer", "gan", [("conv2d(h0, self.df_dim * 2,", "conv2d(h0, self.df_dim,")], "DCGAN.discriminator",
     r"d_h1_conv/w has the shape \[5, 5, 64, 64\], expected \[5, 5, 64, 128\]"),
    ("filters of D's last layer", "gan", [("conv2d(h2, self.df_dim * 8,", "conv2d(h2, self.df_dim * 4,")],
     "DCGAN.discriminator", r"d_h3_conv/w has the shape \[5, 5, 256, 256\]"),
    ("filters of G never halved", "gan", [("depth_mul = max(depth_mul // 2, 1)", "pass")], "DCGAN.generator", r"g_h2/w has the shape"),
    ("names of variables", "gan", [("self.d_vars = [var for var", "self.d_vars = [var.name for var")],
     "DCGAN.build_model", "checking it raises AttributeError"),
    ("no tanh", "gan", [("return tf.nn.tanh(hs[i])", "return hs[i]")], "DCGAN.generator", "tanh is missing"),
    ("sigmoid for tanh", "gan", [("return tf.nn.tanh(hs[i])", "return tf.nn.sigmoid(hs[i])")], "DCGAN.generator",
     "ends in a sigmoid"),
    ("is_training ignored in G", "gan", [("self.g_bns[0](hs[0], self.is_training)", "self.g_bns[0](hs[0], tf.constant(True))"
                                          ), ("self.g_bns[i](hs[i], self.is_training)",
                                              "self.g_bns[i](hs[i], tf.constant(True))")], "DCGAN.generator",
     "is_training is ignored"),
    ("other names in G", "gan", [('name = "g_h{}".format(i)', 'name = "g_deconv{}".format(i)')], "DCGAN.generator",
     "no variable generator/g_h1"),
    ("labels of G", "gan", [("self.g_loss = tf.reduce_mean(\n            tf.nn.sigmoid_cross_entropy_with_logits("
                             "logits=self.D_logits_, labels=tf.ones_like(self.D_))",
                             "self.g_loss = tf.reduce_mean(\n            tf.nn.sigmoid_cross_entropy_with_logits("
                             "logits=self.D_logits_, labels=tf.zeros_like(self.D_))")], "DCGAN.build_model",
     "self.g_loss: labels are exchanged"),
    ("labels of the real", "gan", [("logits=self.D_logits, labels=tf.ones_like", "logits=self.D_logits, labels=tf.zeros_like"
                                    )], "DCGAN.build_model", "self.d_loss_real: labels are exchanged"),
    ("probabilities for logits", "gan", [("logits=self.D_logits, labels", "logits=self.D, labels")], "DCGAN.build_model",
     "the sigmoid is applied twice"),
    ("no fakes in d_loss", "gan", [("self.d_loss = self.d_loss_real + self.d_loss_fake", "self.d_loss = self.d_loss_real")],
     "DCGAN.build_model", "fakes are left out"),
    ("losses subtracted", "gan", [("self.d_loss = self.d_loss_real + self.d_loss_fake",
                                   "self.d_loss = self.d_loss_real - self.d_loss_fake")],
     "DCGAN.build_model", "losses are subtracted"),
    ("G's variables in D's list", "gan", [('if "d_" in var.name', "")], "DCGAN.build_model", "self.d_vars has"),
    ("lists exchanged", "gan", [('if "d_" in var.name', 'if "g_" in var.name'), ("self.g_vars = [var for var in t_vars if "
                                 '"g_" in', 'self.g_vars = [var for var in t_vars if "d_" in')], "DCGAN.build_model",
     "self.d_vars has"),
    ("real for fake", "gan", [("self.D_, self.D_logits_ = self.discriminator(self.G,",
                               "self.D_, self.D_logits_ = self.discriminator(self.images,")], "DCGAN.build_model",
     "D's judgement of G"),
    ("no step in the name", "gan", [(", global_step=step)", ")")], "DCGAN.save", "global_step"),
    ("nothing restored", "gan", [("            self.saver.restore(self.sess, ckpt)\n", "")], "DCGAN.load",
     "has not restored"),
    ("returns nothing", "gan", [("            return True\n        else", "            pass\n        else")], "DCGAN.load",
     "expected True"),
    ("one G update", "gan", [(SECOND, "")], "DCGAN.train", "runs g_optim twice"),
    ("wrong loss", "gan", [("self.g_loss, var_list=self.g_vars)", "self.d_loss, var_list=self.g_vars)")],
     "DCGAN.train", "no optimizer minimizes self.g_loss"),
    ("no var_list", "gan", [("self.d_loss, var_list=self.d_vars)", "self.d_loss)")], "DCGAN.train", "no var_list"),
    ("wrong var_list", "gan", [("self.d_loss, var_list=self.d_vars", "self.d_loss, var_list=self.g_vars")], "DCGAN.train",
     "trains the wrong variables"),
    ("beta1 ignored", "gan", [("beta1=config.beta1).minimize(\n                self.d_loss", "beta1=0.9).minimize(\n"
                               "                self.d_loss")], "DCGAN.train", "ignores config.beta1"),
    ("learning_rate ignored", "gan", [("run.AdamOptimizer(config.learning_rate,", "run.AdamOptimizer(0.002,")],
     "DCGAN.train", "ignores config.learning_rate"),
    ("z the same", "gan", [("batch_z = np.random.uniform(", "batch_z = np.random.RandomState(1).uniform(")], "DCGAN.train",
     "z is the same"),
    ("z from 0 to 1", "gan", [("batch_z = np.random.uniform(-1, 1,", "batch_z = np.random.uniform(0, 1,")], "DCGAN.train",
     "not drawn from -1 to 1"),
    ("G as if it did not learn", "gan", [("feed_dict={self.z: batch_z, self.is_training: True})",
                                          "feed_dict={self.z: batch_z, self.is_training: False})")], "DCGAN.train",
     "without is_training True"),
    ("D twice", "gan", [(SECOND, SECOND.replace("g_", "d_").replace("{self.z", "{self.images: batch_images, self.z")),
                        ], "DCGAN.train", "d_optim has made 8 updates and g_optim 4"),
    ("evaluated in training", "gan", [("self.d_loss_fake.eval({self.z: batch_z, self.is_training: False})",
                                       "self.d_loss_fake.eval({self.z: batch_z, self.is_training: True})")],
     "DCGAN.train", "evaluated with is_training True"),
    ("the first batch always", "gan", [("data[idx * config.batch_size:(idx + 1) * config.batch_size]",
                                        "data[:config.batch_size]")], "DCGAN.train", "each batch has the same images"),
    ("the text's save_images", "gan", [('run.save_images(samples, "train_', 'save_images(samples, [8, 8], "train_')],
     "DCGAN.train", r"train\(\) raises NameError: name 'save_images' .* gantut_imgfuncs.save_images"),
    ("another name in a list comprehension", "gan", [('run.print("[Sample]', '[sample_image for _ in samples]\n'
                                                      '                        run.print("[Sample]')], "DCGAN.train",
     "name 'sample_image' is not defined"),
    ("not loaded", "gan", [("if self.load(self.checkpoint_dir):", "if False:")], "DCGAN.train", "does not call self.load"),
    ("loaded from elsewhere", "gan", [("if self.load(self.checkpoint_dir):", 'if self.load("elsewhere"):')], "DCGAN.train",
     "finds no checkpoint in train"),
    ("loaded before the initializer", "gan", [
        ("            tf.global_variables_initializer().run()\n", ""),
        ("            counter = run.begin()", "            tf.global_variables_initializer().run()\n"
         "            counter = run.begin()")], "DCGAN.train", "overwritten before the first step"),
    ("no initializer with a checkpoint", "gan", [
        ("            tf.global_variables_initializer().run()\n", ""),
        ('a new one with --checkpoint_dir ")\n            else:\n', 'a new one with --checkpoint_dir ")\n            else:\n'
         "                tf.global_variables_initializer().run()\n"),
        ("self.saver = run.Saver(config.max_to_keep)", "run.Saver(config.max_to_keep)")], "DCGAN.train",
     "variables that are not initialised: perhaps those of the optimizers"),
    ("never saved", "gan", [("self.save(config.checkpoint_dir, counter)", "pass")], "gantut_trainer.py",
     "writes no checkpoint"),
]


SLOW = ["DCGAN." + name for name in ("discriminator", "generator", "build_model", "save", "load", "train")]


def mutate(folder, file, pairs):
    """Write the project's files into a folder, one of them with the mistake."""
    for name in FILES.values():
        with open(os.path.join(ROOT, name)) as source:
            text = source.read()
        for old, new in pairs if name == FILES[file] else []:
            assert old in text, (name, old)
            text = text.replace(old, new)
        with open(os.path.join(folder, name), "w") as target:
            target.write(text)


def find(steps, step, file):
    """(step, words) of the first of the steps that is not right.

    Steps of other files and later ones are left out, and where a check takes seconds all others: no step depends on a
    later function, which test_course.py tests.
    """
    from course.judging import Wrong, check_of
    names = [one.name for one in steps]
    for one in steps[:names.index(step) + 1]:
        if one.name == step or one.file == FILES[file] and one.name not in SLOW:
            try:
                check_of(one)(one)
            except Wrong as wrong:
                return one.name, str(wrong)
    return None, None


def main(first, stride):
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path.insert(0, ROOT)
    import gantut.quiet  # noqa: F401

    from course.judging import readers
    from course.steps import STEPS
    for name, file, pairs, step, _ in MUTANTS[first::stride]:
        with tempfile.TemporaryDirectory() as folder:
            mutate(folder, file, pairs)
            readers.read_from(folder)
            found, words = find(STEPS, step, file)
        print(json.dumps([name, found, words]), file=out, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
