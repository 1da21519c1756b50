"""The images of problems: where each one is, and what is in it once a model is to be asked.

A published set has them as files' bytes in its parquet rows, or as paths beside its JSON. They are read when a model is
asked and not before: who scores samples made elsewhere needs none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azr.errors import UserError

if TYPE_CHECKING:
    from azr.evaluation.benchmark import Problem, Row

BYTES_COLUMN, PATH_COLUMN = "decoded_image", "image"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image as its row has it: a file's content (PNG, JPEG, ...), else a path that is relative to a folder."""

    path: str
    content: bytes | None = None
    folders: tuple[Path, ...] = ()

    def read(self) -> bytes:
        """The file's content. Raises UserError where it is not there."""
        if self.content is not None:
            return self.content
        for folder in self.folders:
            if (folder / self.path).is_file():
                return (folder / self.path).read_bytes()
        places = " and not in ".join(map(str, self.folders))
        raise UserError(f"the image {self.path} is not in {places}: unpack the set's images there (docs/evaluation.md)")


def image_of(row: "Row", folder: Path | None) -> ImageFile:
    """A row's image; `folder` is its file's, None for a row from the hub.

    A path is looked up from there and from the folder above, since MATH-Vision's rows lie in data/ and its images
    beside that. Raises KeyError and TypeError where the row has neither.
    """
    stored = row.get(BYTES_COLUMN)
    path = row.get(PATH_COLUMN) or ""
    if isinstance(stored, Mapping) and stored.get("bytes"):
        return ImageFile(str(path), bytes(stored["bytes"]))
    if not isinstance(row[PATH_COLUMN], str) or not path or folder is None:
        raise TypeError(f"the row has no image: no bytes in {BYTES_COLUMN}, and no path of a file in {PATH_COLUMN}")
    return ImageFile(path, folders=(folder, folder.resolve().parent))


def refuse_images(problems: "Iterable[Problem]", doing: str) -> None:
    """Raises UserError where a problem has images: `doing` is what takes text alone."""
    if pictured := next((problem for problem in problems if problem.images), None):
        raise UserError(f"{doing} takes text alone, and problem {pictured.task_id} has an image")
