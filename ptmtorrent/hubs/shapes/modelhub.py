"""The fields of Modelhub.ai's registry, and of the two files in each package's repository.

``config.json`` has a published schema (``config_schema.json`` in the registry's repository); real
files have more keys, and one is misspelt in some. An input has the name its author gave it.

Source: the registry and the repositories as of 2022-10, when the last commits were made.
"""

from ptmtorrent.hubs.reading.shape import Field, Shape

SHAPE: Shape = (
    Field("backend", list, "packages.framework", always=True),
    Field("github", str, "packages.origin", always=True),
    Field("github_branch", str, always=True),
    Field("gpu", bool),
    Field("id", str, "packages.package_id", always=True),
    Field("name", str, "packages.name", always=True),
    Field("task_extended", str, "packages.task", always=True),
)
"""An entry of ``models.json``."""

CONFIG_SHAPE: Shape = (
    Field("id", str, always=True),
    Field("meta", dict, always=True),
    Field("meta.application_area", str, "packages.tags", always=True),
    Field("meta.colab_link", str),
    Field("meta.data_source", str, "packages.datasets"),
    Field("meta.data_type", str, "packages.tags", always=True),
    Field("meta.framework", str),
    Field("meta.github_link", str),
    Field("meta.name", str, always=True),
    Field("meta.task", str, "packages.task", always=True),
    Field("meta.task_extended", str, always=True),
    Field("model", dict, always=True),
    Field("model.architecture", str, "packages.architecture", always=True),
    Field("model.description", str, always=True),
    Field("model.format", str, "packages.framework", always=True),
    Field("model.io", dict, always=True),
    Field("model.io.input", dict, open=True),
    *(
        field
        for place in ("", ".single", ".t1", ".t1c", ".t2", ".flair")
        for field in (
            *([Field(f"model.io.input{place}", object)] if place else []),
            Field(f"model.io.input{place}.description", object),
            Field(f"model.io.input{place}.dim_limits", object),
            Field(f"model.io.input{place}.dim_limits.max", object),
            Field(f"model.io.input{place}.dim_limits.min", object),
            Field(f"model.io.input{place}.format", object),
        )
    ),
    Field("model.io.output", list),
    Field("model.io.output.description", str),
    Field("model.io.output.name", str),
    Field("model.io.output.type", str),
    Field("model.learning_type", str, "packages.tags", always=True),
    Field("model.provenance", str),
    Field("model.provevance", str),
    Field("modelhub", dict, always=True),
    Field("modelhub.sort", bool),
    Field("modelhub.top", int),
    Field("publication", dict, always=True),
    Field("publication.abstract", str),
    Field("publication.authors", str),
    Field("publication.bibtex", str, "packages.papers"),
    Field("publication.email", str),
    Field("publication.google_scholar", str),
    Field("publication.source", str),
    Field("publication.title", str),
    Field("publication.url", str, "packages.papers"),
    Field("publication.year", int),
)
"""``contrib_src/model/config.json``."""

INIT_SHAPE: Shape = (
    Field("docker_id", str, always=True),
    Field("external_contrib_files", list, always=True),
    Field("external_contrib_files.dest_file_path", str, "assets.path"),
    Field("external_contrib_files.src_url", str, "assets.url"),
)
"""``init/init.json``."""
