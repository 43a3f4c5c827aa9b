"""The JSON schema of scenario and sweep files, made from the same definition that the loader validates with.

Editors that know ``# yaml-language-server: $schema=…`` check and complete files with it. Written to ``docs/`` by
``make schema``; a test keeps the written files current.
"""

from __future__ import annotations

import json

from pydantic import BaseModel


def json_schema(model: type[BaseModel], title: str) -> str:
    """Return the schema of a document as indented JSON text.

    Args:
        model: What the loader validates the document with.
        title: What editors show.
    """
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(), "title": title}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
