"""The fields of Hugging Face's model records, in every form the hub sends them.

We ask with ``expand``, which answers with ``_id``, ``id`` and the fields asked for that the package
has; a field it has not is absent. The list without ``expand`` and the full answer about one package
have others, listed here too. ``always`` stands where the hub's API promises the field to each
record that was asked for with ``expand``.

What authors write (``cardData``, ``config``) or their files say (``gguf``) is open.

Source: hub-docs (api), huggingface_hub 2.x (``ModelInfo``), and recorded answers of 2026.
"""

from ptmtorrent.hubs.reading.shape import Field, Shape

SHAPE: Shape = (
    Field("_id", str, "packages.package_id", always=True),
    Field("author", str, "packages.owner"),
    Field("baseModels", dict),
    Field("baseModels.models", list),
    Field("baseModels.models._id", str),
    Field("baseModels.models.id", str),
    Field("baseModels.relation", str),
    Field("cardData", dict, open=True),
    Field("cardData.language", object, "packages.languages"),
    Field("cardData.license", object, "packages.license_raw"),
    Field("childrenModelCount", dict),
    Field("childrenModelCount.adapter", int),
    Field("childrenModelCount.finetune", int),
    Field("childrenModelCount.merge", int),
    Field("childrenModelCount.quantized", int),
    Field("config", dict, open=True),
    Field("config.architectures", object, "packages.architecture"),
    Field("config.model_type", object, "packages.architecture"),
    Field("createdAt", str, "packages.created_at", always=True),
    Field("disabled", bool, "packages.status"),
    Field("downloads", int, "packages.downloads_30d", always=True),
    Field("downloadsAllTime", int, "packages.downloads_all"),
    Field("evalResults", object, open=True),
    Field("gated", (bool, str), "packages.status", always=True),
    Field("gguf", dict, open=True),
    Field("gguf.architecture", str, "packages.architecture"),
    Field("gguf.total", int, "packages.parameters"),
    Field("id", str, "packages.name", always=True),
    Field("inference", str),
    Field("inferenceProviderMapping", object, open=True),
    Field("lastModified", str, "packages.modified_at"),
    Field("library_name", str, "packages.library"),
    Field("likes", int, "packages.likes", always=True),
    Field("mask_token", str),
    Field("model-index", (list, dict), open=True),
    Field("modelId", str),
    Field("pipeline_tag", str, "packages.task"),
    Field("private", bool, "packages.status", always=True),
    Field("resourceGroup", object, open=True),
    Field("safetensors", dict),
    Field("safetensors.parameters", dict, open=True),
    Field("safetensors.total", int, "packages.parameters", always=True),
    Field("securityRepoStatus", dict),
    Field("securityRepoStatus.filesWithIssues", list),
    Field("securityRepoStatus.filesWithIssues.level", str),
    Field("securityRepoStatus.filesWithIssues.path", str),
    Field("securityRepoStatus.scansDone", bool),
    Field("sha", str, "packages.head"),
    Field("siblings", list),
    Field("siblings.blobId", str),
    Field("siblings.lfs", dict),
    Field("siblings.lfs.pointerSize", int),
    Field("siblings.lfs.sha256", str),
    Field("siblings.lfs.size", int),
    Field("siblings.rfilename", str),
    Field("siblings.size", int),
    Field("spaces", list),
    Field("tags", list, "packages.tags", always=True),
    Field("transformersInfo", dict),
    Field("transformersInfo.auto_model", str),
    Field("transformersInfo.custom_class", str),
    Field("transformersInfo.pipeline_tag", str),
    Field("transformersInfo.processor", str),
    Field("trendingScore", (int, float)),
    Field("usedStorage", int, "packages.used_bytes"),
    Field("widgetData", list, open=True),
    Field("xetEnabled", bool),
)
