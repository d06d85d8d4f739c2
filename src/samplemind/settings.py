"""What a user can set, and where: arguments over ``SAMPLEMIND_*`` variables over ``samplemind.toml`` over defaults.

``samplemind.toml`` is looked for in the working folder, then in the user's configuration folder.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from samplemind.errors import SettingsError

FILE_NAME: Final = "samplemind.toml"
_PREFIX: Final = "SAMPLEMIND_"


@dataclass(frozen=True)
class Settings:
    """Settings with their defaults. Each is a variable in capitals after ``SAMPLEMIND_``, and a key in the file."""

    cache_dir: Path | None = None
    """Folder of the cache; by default samplemind's own under the platform's cache folder."""
    cache_max_bytes: int = 2 * 2**30
    """Size limit of the cache file."""
    redis_url: str | None = None
    """Redis that other machines share, as ``redis://user:password@host:port/database``; none by default."""
    data_dir: Path | None = None
    """Folder of the library; by default samplemind's own under the platform's folder for data."""
    library_url: str | None = None
    """PostgreSQL database of the library, as ``postgresql://user:password@host:port/database``; by default the library
    is a file in the data folder."""
    max_duration_s: float = 24 * 3600.0
    """Longest sound that is analysed."""
    max_bytes: int = 64 * 2**30
    """Largest file that is read."""

    def __post_init__(self) -> None:
        for name in ("cache_max_bytes", "max_duration_s", "max_bytes"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} must be above 0, not {getattr(self, name)}")

    @property
    def cache_folder(self) -> Path:
        """The folder of the cache."""
        if self.cache_dir is not None:
            return self.cache_dir
        import platformdirs

        return Path(platformdirs.user_cache_dir("samplemind", appauthor=False))

    @property
    def data_folder(self) -> Path:
        """The folder of the library."""
        if self.data_dir is not None:
            return self.data_dir
        import platformdirs

        return Path(platformdirs.user_data_dir("samplemind", appauthor=False))


def load_settings(environment: Mapping[str, str] | None = None, **arguments: Any) -> Settings:
    """Read the settings.

    Args:
        environment: where to look for variables; the process's by default.
        **arguments: settings that win over all else; None counts as not given.

    Raises:
        SettingsError: an unknown key in the file, or a value that makes no sense.
    """
    environment = os.environ if environment is None else environment
    fields = {field.name: field.type for field in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    file = _settings_file()
    if file is not None:
        values = _read(file)
        for name in ("cache_dir", "data_dir"):  # a relative folder is meant from the file's own
            if name in values:
                values[name] = file.parent / _converted(name, "Path", values[name])
        unknown = values.keys() - fields.keys()
        if unknown:
            raise SettingsError(f"{file}: unknown setting {', '.join(sorted(unknown))}")
    for name in fields:
        variable = environment.get(_PREFIX + name.upper())
        if variable:
            values[name] = variable
    values |= {name: value for name, value in arguments.items() if value is not None}
    return Settings(**{name: _converted(name, str(fields[name]), value) for name, value in values.items()})


def _settings_file() -> Path | None:
    if os.path.isfile(FILE_NAME):  # unlike Path.is_file, false for a folder that may not be looked into
        return Path(FILE_NAME)
    import platformdirs

    user = Path(platformdirs.user_config_dir("samplemind", appauthor=False)) / FILE_NAME
    return user if os.path.isfile(user) else None


def _read(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file}: {error}") from error


def _converted(name: str, kind: str, value: Any) -> Any:
    wanted = {"int": "a whole number", "float": "a number", "str | None": "text"}.get(kind, "a path")
    try:
        if kind == "str | None":
            if not (value is None or isinstance(value, str)):
                raise TypeError(value)
            return value
        if kind.startswith("Path"):
            return Path(value).expanduser()
        number = float(value)
        if isinstance(value, bool) or not math.isfinite(number) or (kind == "int" and not number.is_integer()):
            raise ValueError(value)
        return int(value) if kind == "int" else number
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: ~ of a user without a home
        raise SettingsError(f"{name} must be {wanted}, not {value!r}") from error
