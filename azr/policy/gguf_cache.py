"""Models that come as a GGUF file: find the file, unpack it once into a plain transformers folder, keep that folder.

Reading a GGUF file takes transformers half a minute (weights are dequantized, the tokenizer is rebuilt); the plain
folder opens in seconds, and vLLM can open it too.
"""

import hashlib
import logging
import os
import re
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from azr.errors import UserError

log = logging.getLogger(__name__)

_LAYOUT = 1  # raise it when the plain folder's contents change


def find_gguf(name: str) -> Path | None:
    """The GGUF file that a model's name stands for: the file itself, a folder with one, or a package that ships one.

    Returns None where the name stands for something else (a transformers folder, a hub id). Raises UserError if there
    are several to choose from.
    """
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return path
    if path.is_dir():
        return None if (path / "config.json").exists() else _only_one(sorted(path.glob("*.gguf")), name)
    try:
        package = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None
    files = [Path(str(package.locate_file(file))) for file in package.files or () if file.suffix == ".gguf"]
    return _only_one([file for file in files if file.exists()], name)


def plain_folder(gguf: Path) -> Path:
    """The folder with the GGUF file's model and tokenizer as transformers saves them, in fp32; made if need be.

    It lies in the user's cache and is named after the file's size and time and the versions that read it. It is written
    aside and renamed, so several processes may ask for it at once.
    """
    if there := unpacked(gguf):
        return there
    folder = _place(gguf)
    log.info("unpacking %s into %s, once; this takes about half a minute", gguf.name, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _unpack(gguf, aside)
        _rename_unless_there(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def unpacked(gguf: Path) -> Path | None:
    """The file's plain folder where it has been made already."""
    folder = _place(gguf)
    return folder if folder.is_dir() else None


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/azr`, or `~/.cache/azr`."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "azr"


def _place(gguf: Path) -> Path:
    return cache_root() / "models" / f"{_slug(gguf.stem)}-{_fingerprint(gguf)}"


def _unpack(gguf: Path, folder: Path) -> None:
    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    try:
        model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(**where)
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"transformers can't read {gguf}: {error}") from error
    # The config says "quantized", and save_pretrained refuses such a model although its weights are plain by now.
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(model.state_dict())
    plain.generation_config = model.generation_config
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _rename_unless_there(aside: Path, folder: Path) -> None:
    try:
        aside.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster, and its copy is as good
            raise


def _fingerprint(gguf: Path) -> str:
    stat = gguf.stat()
    parts = (stat.st_size, stat.st_mtime_ns, transformers.__version__, metadata.version("gguf"), _LAYOUT)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")


def _only_one(files: list[Path], name: str) -> Path | None:
    if len(files) > 1:
        listed = ", ".join(file.name for file in files)
        raise UserError(f"{name} has several GGUF files ({listed}): give the path of one as model.name")
    return files[0] if files else None
