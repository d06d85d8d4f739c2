"""Pieces of the OpenAPI document that the routes share."""

from __future__ import annotations

from typing import Any, Final

_WORDS: Final = {
    400: "The request makes no sense.",
    401: "No valid key was shown.",
    403: "The key is not good for this, or the page that asks is not allowed to.",
    404: "There is no such thing.",
    408: "The body came too slowly.",
    409: "This can't be done with it.",
    410: "The file is gone, or was changed.",
    412: "There is another version than If-Match asks for.",
    413: "The body is too large.",
    415: "This is no audio.",
    416: "There is no such range.",
    421: "The service does not go by this name.",
    422: "The values make no sense, or the audio has no answer.",
    429: "Too many requests.",
    431: "The request has too large a head.",
    500: "The service failed; its log says more.",
    501: "What this needs is not installed.",
    503: "Too much is waiting, or the service is busy.",
    507: "The disk is full.",
}
_EVERYWHERE: Final = (400, 401, 403, 408, 413, 421, 422, 429, 431, 500, 503)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses with these statuses, beside those that every route may give, as problems (RFC 9457)."""
    return {status: _problem(status) for status in sorted({*_EVERYWHERE, *statuses})}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemOut"}
    return {"description": _WORDS[status], "content": {"application/problem+json": {"schema": schema}}}


NO_KEY: Final[dict[str, Any]] = {"security": []}
"""Of what is open to everybody."""
_KNOWN: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "The client has it."}, 412: _problem(412)}
BINARY: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The bytes.", "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}}},
    206: {
        "description": "A range of them.",
        "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}},
    },
    **_KNOWN,
}
DRAWN: Final = _KNOWN
_FILE: Final = {"type": "string", "format": "binary"}
UPLOAD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _FILE},
            "audio/*": {"schema": _FILE},
            "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _FILE}, "required": ["file"]}},
        },
    }
}
FEATURES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "What was found out.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AudioFeatures"}}},
    },
}
FEATURES_OR_KNOWN: Final = {**FEATURES, **_KNOWN}
