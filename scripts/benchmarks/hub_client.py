"""huggingface_hub as its users call it: one process, nothing changed.

    python hub_client.py snapshots FILE    snapshot_download of each name in FILE
    python hub_client.py listing           every record of list_models(full=True)

``HF_ENDPOINT`` says where; run by the benchmark.
"""

import sys
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download


def main() -> None:
    """Do the one or the other."""
    if sys.argv[1] == "listing":
        print(sum(1 for _ in HfApi().list_models(full=True)))
        return
    for name in Path(sys.argv[2]).read_text().split():
        snapshot_download(name)


if __name__ == "__main__":
    main()
