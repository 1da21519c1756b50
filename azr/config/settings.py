"""Reading a config: a YAML file, then `key=value` words from the command line, checked against azr/config/fields.py."""

import difflib
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError
from yaml import YAMLError

from azr.config.fields import Config
from azr.errors import UserError


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The config of `path` with `overrides` ("learner.clip=0.3") on top; what neither names keeps its default.

    Raises UserError, one line that names the key, for a missing or broken file, an unknown key, a wrong value.
    """
    if not path.is_file():
        raise UserError(f"no config file {path}{_nearest_file(path)}")
    for word in overrides:
        if "=" not in word:
            raise UserError(f"'{word}' is not key=value (an example: learner.learning_rate=1e-5)")
    try:
        loaded = OmegaConf.load(path)
        if not OmegaConf.is_dict(loaded) or not loaded:
            raise UserError(f"{path} holds no keys; see configs/quickstart.yaml for what a config looks like")
        merged = OmegaConf.merge(loaded, OmegaConf.from_dotlist(list(overrides)))
        plain = OmegaConf.to_container(merged, resolve=True)
    except (OmegaConfBaseException, YAMLError, ValueError, OSError) as error:
        raise UserError(f"{path} can't be read as YAML: {_one_line(error)}") from None
    try:
        return TypeAdapter(Config).validate_python(plain)
    except ValidationError as error:
        raise UserError(f"{path}: {_first_fault(error)}") from None


def dump_config(config: Config) -> str:
    """The whole config as YAML, every default spelt out; `load_config` reads it back equal."""
    plain = TypeAdapter(Config).dump_python(config, mode="json")
    return OmegaConf.to_yaml(OmegaConf.create(plain))


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    path = [str(part) for part in fault["loc"]]
    key = ".".join(path)
    if fault["type"] != "unexpected_keyword_argument":
        return f"{key} = {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
    known = {".".join([*path[:-1], name]): name for name in _keys(path[:-1])}
    near = difflib.get_close_matches(path[-1], known.values(), n=1, cutoff=0.75)
    meant = [full for full, name in known.items() if name in near] or _elsewhere(path[-1])
    hint = f"did you mean {meant[0]}?" if meant else f"known here: {', '.join(known.values())}"
    return f"unknown key {key}; {hint}"


def _keys(section: Sequence[str]) -> list[str]:
    cls: Any = Config
    for part in section:
        cls = get_type_hints(cls)[part]
    return [field.name for field in fields(cls)]


def _elsewhere(name: str) -> list[str]:
    """Full keys in any section whose last part is `name`, or near it; of several the one that lies least deep."""
    full: dict[str, str] = {}
    for key in sorted(_all_keys(Config), key=lambda key: key.count(".")):
        full.setdefault(key.rsplit(".", 1)[-1], key)
    return [full[match] for match in difflib.get_close_matches(name, full, n=1)]


def _all_keys(cls: Any, prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, hint in get_type_hints(cls).items():
        keys.append(prefix + name)
        if is_dataclass(hint):
            keys.extend(_all_keys(hint, f"{prefix}{name}."))
    return keys


def _nearest_file(path: Path) -> str:
    if not path.parent.is_dir():
        return ""
    near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")], n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else ""


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
