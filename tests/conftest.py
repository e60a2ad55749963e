"""The fixtures that the tests share."""
import os
from unittest import mock

import pytest
from helpers import tf, write_pictures


@pytest.fixture(scope="session", autouse=True)
def temporary_folder(tmp_path_factory):
    """Made here, before two threads ask for it at once."""
    return tmp_path_factory.getbasetemp()


@pytest.fixture(autouse=True)
def environment():
    """Variables that a test's calls set are not there for the next one: with them, no process could be forked."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture
def pictures(tmp_path):
    """A folder of 24 colour pictures, 16 x 16."""
    return write_pictures(tmp_path / "pictures")


@pytest.fixture
def sess():
    """A session on a graph of its own."""
    tf.disable_eager_execution()
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        yield session
