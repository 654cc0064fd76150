"""The fields of the ONNX Model Zoo's manifest, and of the statistics beside each turnkey model.

Source: onnx/models as of 2025-06; the manifest's history; the statistics of all 2,190 models.
"""

from ptmtorrent.hubs.reading.shape import Field, Shape

_NUMBER = (int, float)

SHAPE: Shape = (
    Field("metadata", dict, always=True),
    Field("metadata.extra_ports", dict),
    Field("metadata.extra_ports.features", list),
    Field("metadata.extra_ports.features.name", str),
    Field("metadata.extra_ports.features.shape", list),
    Field("metadata.io_ports", dict),
    Field("metadata.io_ports.inputs", list),
    Field("metadata.io_ports.inputs.name", str),
    Field("metadata.io_ports.inputs.shape", list),
    Field("metadata.io_ports.inputs.type", str),
    Field("metadata.io_ports.outputs", list),
    Field("metadata.io_ports.outputs.name", str),
    Field("metadata.io_ports.outputs.shape", list),
    Field("metadata.io_ports.outputs.type", str),
    Field("metadata.model_bytes", int, always=True),
    Field("metadata.model_sha", str, None, always=True),
    Field("metadata.model_with_data_bytes", int),
    Field("metadata.model_with_data_path", str),
    Field("metadata.model_with_data_sha", str),
    Field("metadata.tags", list, "packages.tags", always=True),
    Field("model", str, "packages.name", always=True),
    Field("model_path", str, "packages.url", always=True),
    Field("onnx_version", str, always=True),
    Field("opset_version", int, "packages.package_id", always=True),
)
"""An entry of ``ONNX_HUB_MANIFEST.json``."""

TURNKEY_SHAPE: Shape = (
    Field("author", str, "packages.owner", always=True),
    Field("builds", dict, always=True),
    Field("builds.x86_ort", dict),
    Field("builds.x86_ort.all_build_stages", list),
    Field("builds.x86_ort.benchmark_status", str),
    Field("builds.x86_ort.completed_build_stages", dict, open=True),
    Field("builds.x86_ort.completed_build_stages.export_pytorch", _NUMBER),
    Field("builds.x86_ort.completed_build_stages.set_success", _NUMBER),
    Field("builds.x86_ort.device_type", str),
    Field("builds.x86_ort.iterations", int),
    Field("builds.x86_ort.onnx_file", str),
    Field("builds.x86_ort.runtime", str),
    Field("builtin_model_script", str, always=True),
    Field("class", str, "packages.architecture", always=True),
    Field("hash", str, None, always=True),
    Field("model_name", str, None, always=True),
    Field("onnx_input_dimensions", dict, always=True, open=True),
    Field("onnx_model_information", dict, always=True),
    Field("onnx_model_information.ir_version", int, always=True),
    Field("onnx_model_information.opset", int, None, always=True),
    Field("onnx_model_information.size on disk (KiB)", _NUMBER),
    Field("onnx_ops_counter", dict, always=True, open=True),
    Field("parameters", int, "packages.parameters", always=True),
    Field("system_info", dict, always=True),
    Field("system_info.Memory Info", str),
    Field("system_info.OEM System", str),
    Field("system_info.OS Version", str),
    Field("system_info.Processor", str),
    Field("system_info.Python Packages", list),
    Field("task", str, "packages.task", always=True),
)
"""A ``turnkey_stats.yaml``."""
