"""Which fields of a package's record an answer shows: by default, by switches, by ``expand``."""

from collections.abc import Iterable, Mapping
from typing import Any

from ptmtorrent.sandbox.exchange import Ask, ReplyError, json_reply

EXPANDABLE = (
    *("author", "baseModels", "cardData", "childrenModelCount", "config", "createdAt", "disabled"),
    *("downloads", "downloadsAllTime", "evalResults", "gated", "gguf", "inference"),
    *("inferenceProviderMapping", "lastModified", "library_name", "likes", "mask_token"),
    *("model-index", "pipeline_tag", "private", "resourceGroup", "safetensors", "sha", "siblings"),
    *("spaces", "tags", "transformersInfo", "trendingScore", "usedStorage", "widgetData"),
    "xetEnabled",
)
"""What ``expand`` may name (huggingface_hub, ``ExpandModelProperty_T``)."""

_ONLY_EXPANDED = (
    *("downloadsAllTime", "baseModels", "childrenModelCount", "evalResults"),
    *("inferenceProviderMapping", "resourceGroup", "trendingScore", "xetEnabled"),
)

INFO_FIELDS = (
    *("_id", "id", "modelId"),
    *(name for name in EXPANDABLE if name not in _ONLY_EXPANDED),
)
"""What an info answer shows by default."""

LIST_FIELDS = (
    *("_id", "id", "modelId", "private", "downloads", "likes", "tags", "createdAt"),
    *("trendingScore", "pipeline_tag", "library_name"),
)
"""What a listing shows by default."""

_SWITCHES: Mapping[str, tuple[str, ...]] = {
    "full": ("author", "sha", "lastModified", "siblings", "gated"),
    "config": ("config",),
    "cardData": ("cardData",),
}
_EXCLUSIVE = (*_SWITCHES, "blobs", "securityStatus")


def chosen_fields(ask: Ask, default: tuple[str, ...]) -> tuple[str, ...]:
    """The fields that a request asks for.

    Raises:
        ReplyError: ``expand`` names what is no field, or comes with a switch (400).
    """
    names = expanded(ask)
    if not names:
        extra = [_SWITCHES[name] for name in _SWITCHES if ask.flag(name)]
        return (*default, *(name for group in extra for name in group))
    if any(name not in EXPANDABLE for name in names):
        raise _bad()
    if clash := [name for name in _EXCLUSIVE if ask.last(name)]:
        raise _refused(f"expand cannot be used together with {clash[0]}")
    return ("_id", "id", *names)


def expanded(ask: Ask) -> list[str]:
    """The values of ``expand`` and ``expand[]``."""
    return [value for name, value in ask.query if name in ("expand", "expand[]")]


def pick(record: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """The fields that the record has: what is absent stays absent."""
    return {name: record[name] for name in dict.fromkeys(fields) if name in record}


def _bad() -> ReplyError:
    known = "|".join(f'"{field}"' for field in EXPANDABLE)
    return _refused(f"Invalid option: expected one of {known}")


def _refused(message: str) -> ReplyError:
    return ReplyError(json_reply({"error": message}, 400, {"X-Error-Message": message}))
