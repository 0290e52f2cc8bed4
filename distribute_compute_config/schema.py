"""The JSON Schema of a job file, so that editors complete and check one while it is written."""

from __future__ import annotations

from typing import Any

from distribute_compute_config.models import JobFile, Kind

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12; it accepts every spelling that loading accepts.

    Contradictions between values (two jobs of one name, say) are beyond a schema.
    """
    schema = JobFile.model_json_schema(mode="validation")
    alternatives = [
        {"required": [kind.value], "properties": {kind.value: {"type": "object"}}} for kind in Kind
    ]
    return {"$schema": _DIALECT, **schema, "title": "distribute job file", "oneOf": alternatives}
