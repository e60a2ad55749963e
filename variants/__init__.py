"""The lessons as installed: python -m gantut_variants.mnist_gan. They import mnist.py from this folder, as scripts do.
"""
import os
import sys

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
