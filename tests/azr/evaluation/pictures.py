"""MathVista and MATH-Vision in small, in the shapes of the published sets: our own questions, images drawn here."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

Row = dict[str, Any]


def drawn(number: int, size: tuple[int, int] = (60, 44), kind: str = "PNG") -> bytes:
    """`number` + 1 bars of growing height, as a file's bytes."""
    picture = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(picture)
    for bar in range(number + 1):
        pen.rectangle((4 + 9 * bar, size[1] - 6 * (bar + 1), 10 + 9 * bar, size[1]), fill=(200, 40 * bar, 60))
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def mathvista_rows() -> list[Row]:
    """One question of each kind: integer, float, choice, list."""
    shared = {"choices": None, "unit": None, "precision": None, "question_type": "free_form"}
    rows = [
        {"question": "How many bars are there?", "answer": "1", "answer_type": "integer"},
        {
            "question": "How high is the mean bar?",
            "answer": "1.5",
            "answer_type": "float",
            "precision": 1.0,
            "unit": "cm",
        },
        {
            "question": "Which colour are the bars?",
            "answer": "red",
            "answer_type": "text",
            "question_type": "multi_choice",
            "choices": ["green", "red", "blue"],
        },
        {"question": "List the heights of the bars.", "answer": "[6, 12, 18, 24]", "answer_type": "list"},
    ]
    return [
        shared | row | {"pid": str(number + 1), "image": f"images/{number + 1}.png"} for number, row in enumerate(rows)
    ]


def mathvision_rows() -> list[Row]:
    """A number, an option by letter, and one whose options are in the picture."""
    rows = [
        {"question": "How many bars?\n<image1>", "options": [], "answer": "1", "level": 1},
        {"question": "Which bar is the last?\n<image1>", "options": ["A", "B", "C"], "answer": "B", "level": 2},
        {"question": "Which bar is $6$ high?\n<image1>", "options": [], "answer": "C", "level": 2},
    ]
    return [
        row | {"id": str(number + 1), "image": f"images/{number + 1}.png", "subject": "counting", "solution": None}
        for number, row in enumerate(rows)
    ]


def write_parquet(path: Path, rows: list[Row]) -> Path:
    """Rows with their images inside, as on the hub."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = [row | {"decoded_image": {"bytes": drawn(n), "path": None}} for n, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(stored), path)
    return path


def write_images(folder: Path, rows: list[Row]) -> None:
    """The images that the rows name, below a folder."""
    for number, row in enumerate(rows):
        (folder / row["image"]).parent.mkdir(parents=True, exist_ok=True)
        (folder / row["image"]).write_bytes(drawn(number))


def published(folder: Path) -> Path:
    """A data folder with both sets: MathVista as parquet, MATH-Vision as its repository has it."""
    write_parquet(folder / "mathvista" / "data" / "testmini-00000-of-00001.parquet", mathvista_rows())
    vision = folder / "mathvision"
    write_images(vision, mathvision_rows())
    (vision / "data").mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in mathvision_rows())
    (vision / "data" / "test.jsonl").write_text(lines, encoding="utf-8")
    return folder
