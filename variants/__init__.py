"""The lessons, installed: python -m gantut_variants.mnist_gan. They find mnist.py beside them, as scripts do."""
import os
import sys

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
