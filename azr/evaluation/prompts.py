"""How the benchmarks ask: for each kind of question a chat form with room to think, and a plain text to be continued.

The wording is ours. A small base model does better with the text to be continued, a tuned one with the chat.
"""

from collections.abc import Mapping, Sequence

from azr.evaluation.benchmark import PromptForm
from tasks.triplet import Prompt

Prompts = Mapping[PromptForm, Prompt]

# Where a function that is being continued ends: at the next thing that starts in the first column.
_BODY_ENDS = ("\ndef ", "\nclass ", "\nif ", "\nfor ", "\nprint", "\nassert", "\n#", "\n@", "\n```", '\n"""', "\n>>>")

_MATH_EXAMPLES = """Problem: A box holds 3 rows of 4 cups. Five cups break. How many are left?
Solution: There are 3 * 4 = 12 cups, and 12 - 5 = 7 are left. The answer is \\boxed{7}.

Problem: What is the larger root of $x^2 - 5x + 6 = 0$?
Solution: The equation is $(x - 2)(x - 3) = 0$, so the roots are 2 and 3. The answer is \\boxed{3}.

"""

_OUTPUT_EXAMPLES = """def f(words):
    return [w.upper() for w in words if len(w) > 2]

>>> f(['an', 'oak', 'tree'])
['OAK', 'TREE']

def f(n, step):
    total = 0
    while n > 0:
        total += n
        n -= step
    return total

>>> f(7, 3)
12

"""

_INPUT_EXAMPLES = """def f(words):
    return [w.upper() for w in words if len(w) > 2]

# A call that gives ['OAK', 'TREE']:
f(['an', 'oak', 'tree'])

def f(n, step):
    total = 0
    while n > 0:
        total += n
        n -= step
    return total

# A call that gives 12:
f(7, 3)

"""


def math_question(question: str) -> Prompts:
    """A question whose answer goes into a box."""
    return {
        PromptForm.REASONING: Prompt(
            f"{question}\n\nReason step by step. End with the final answer alone, once, inside \\boxed{{}}."
        ),
        PromptForm.COMPLETION: Prompt(
            f"{_MATH_EXAMPLES}Problem: {question}\nSolution:", stop=("\n\nProblem:", "\nProblem:")
        ),
    }


def image_question(question: str, ending: str = "the final answer alone") -> Prompts:
    """A question about an image whose answer goes into a box; `ending` says in what form."""
    return {
        PromptForm.REASONING: Prompt(f"{question}\n\nReason step by step. End with {ending}, once, inside \\boxed{{}}.")
    }


def image_choice(question: str, options: Sequence[str]) -> Prompts:
    """A question about an image with options, of which one's letter goes into a box."""
    listed = "\n".join(f"({chr(ord('A') + number)}) {option}" for number, option in enumerate(options))
    return image_question(f"{question}\n\n{listed}", "the letter of the right option alone")


def function_to_complete(header: str) -> Prompts:
    """A function given by its signature and docstring."""
    return {
        PromptForm.REASONING: Prompt(
            "Write the Python function that this begins. Keep its name and its parameters.\n\n"
            f"```python\n{header.strip()}\n```\n\n"
            "Think about it first. End with the complete function and what it imports, in one ```python block."
        ),
        PromptForm.COMPLETION: Prompt(header, stop=_BODY_ENDS),
    }


def function_to_write(description: str, name: str) -> Prompts:
    """A function given by a description, with an example call in it."""
    opening = f"def {name}("
    return {
        PromptForm.REASONING: Prompt(
            f"{description}\n\nThe function is called {name}. Think about it first. "
            "End with the complete Python code in one ```python block."
        ),
        PromptForm.COMPLETION: Prompt(f'"""\n{description}\n"""\n{opening}', stop=_BODY_ENDS, answer_prefix=opening),
    }


def contest_problem(statement: str, starter: str) -> Prompts:
    """A contest problem: to be solved by filling in `starter`, or, where that is empty, from input to output."""
    if starter:
        task = f"Fill in this class and keep its name and its method's:\n\n```python\n{starter.strip()}\n```"
    else:
        task = "Write a program that reads standard input and prints the answer."
    opening = f"```python\n{starter}"
    return {
        PromptForm.REASONING: Prompt(
            f"{statement}\n\n{task}\n\nThink about it first. End with the complete Python code in one ```python block."
        ),
        PromptForm.COMPLETION: Prompt(
            f"{statement}\n\n{task}\n\nA correct program:\n\n{opening}", stop=("```",), answer_prefix=opening
        ),
    }


def output_question(program: str, arguments: str) -> Prompts:
    """What does the program give for these arguments?"""
    return {
        PromptForm.REASONING: Prompt(
            f"```python\n{program}\n```\n\nWhat does f({arguments}) return? Follow the code step by step. "
            "End with the value alone, as a Python literal, between <answer> and </answer>."
        ),
        PromptForm.COMPLETION: Prompt(f"{_OUTPUT_EXAMPLES}{program}\n\n>>> f({arguments})\n", stop=("\n",)),
    }


def input_question(program: str, output: str) -> Prompts:
    """Which arguments make the program give this value?"""
    return {
        PromptForm.REASONING: Prompt(
            f"```python\n{program}\n```\n\nFind arguments with which f returns {output}. Any that do are right. "
            "Reason step by step. End with the call alone, such as f(1, 'a'), between <answer> and </answer>."
        ),
        PromptForm.COMPLETION: Prompt(
            f"{_INPUT_EXAMPLES}{program}\n\n# A call that gives {output}:\nf(", stop=("\n",), answer_prefix="f("
        ),
    }
