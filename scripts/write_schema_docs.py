"""Write docs/SCHEMA.md anew from schemas/; ``make docs`` runs it after a schema has changed."""

from pathlib import Path

from ptmtorrent.shards.documents import schema_md

TARGET = Path(__file__).resolve().parent.parent / "docs" / "SCHEMA.md"


def main() -> None:
    """Replace the data dictionary by what the schemas say now."""
    TARGET.write_text(schema_md(), encoding="utf-8")


if __name__ == "__main__":
    main()
