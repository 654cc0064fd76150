"""The small dataset, built once."""

import pytest
from small_dataset import build_both


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The folder of the small dataset; its name has what SQL and hive paths must survive."""
    dataset = tmp_path_factory.mktemp("it's") / "hub=x" / "dataset"
    build_both(dataset)
    return dataset
