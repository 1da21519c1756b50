"""All benchmarks by name, and the suites that are made of them."""

from azr.config.choices import Half
from azr.errors import UserError
from azr.evaluation.benchmark import AnyBenchmark
from azr.evaluation.benchmarks.competitions import AIME24, AIME25, AMC23
from azr.evaluation.benchmarks.cruxeval import CRUXEVAL_I, CRUXEVAL_O
from azr.evaluation.benchmarks.gsm8k import GSM8K
from azr.evaluation.benchmarks.humaneval import HUMANEVAL
from azr.evaluation.benchmarks.humaneval_plus import HUMANEVAL_PLUS
from azr.evaluation.benchmarks.livecodebench import LIVECODEBENCH
from azr.evaluation.benchmarks.math500 import MATH500
from azr.evaluation.benchmarks.mathvision import MATHVISION
from azr.evaluation.benchmarks.mathvista import MATHVISTA
from azr.evaluation.benchmarks.mbpp_plus import MBPP_PLUS
from azr.evaluation.benchmarks.minerva import MINERVA
from azr.evaluation.benchmarks.olympiadbench import OLYMPIADBENCH
from azr.evaluation.benchmarks.small import SMALL

# The columns of table 1 in Zhao et al. 2025 (arXiv 2505.03335), in its order.
TABLE1 = (HUMANEVAL_PLUS, MBPP_PLUS, LIVECODEBENCH, AIME24, AIME25, AMC23, MATH500, MINERVA, OLYMPIADBENCH)

_LARGE: tuple[AnyBenchmark, ...] = (HUMANEVAL, *TABLE1, GSM8K, CRUXEVAL_O, CRUXEVAL_I)

# Of image-text models.
IMAGES = (MATHVISTA, MATHVISION)

BENCHMARKS: dict[str, AnyBenchmark] = {b.name: b for b in (*_LARGE, *IMAGES, *SMALL[Half.TUNE], *SMALL[Half.HELD])}
SUITES: dict[str, tuple[AnyBenchmark, ...]] = {
    "table1": TABLE1,
    "all": _LARGE,
    "images": IMAGES,
    "small-tune": SMALL[Half.TUNE],
    "small-held": SMALL[Half.HELD],
}


def find_benchmark(name: str) -> AnyBenchmark:
    """The benchmark of that name. Raises UserError with the names that there are."""
    if name not in BENCHMARKS:
        raise UserError(f"no benchmark {name}; there are {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
