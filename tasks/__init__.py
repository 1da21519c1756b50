"""The domain: three types of tasks about Python programs, how they are asked for, read, validated, judged and paid.

    from tasks.kinds import KINDS

    kind = KINDS[TaskType.DEDUCTION]
    prompt = kind.propose_prompt(style, references, rng)
    proposal = kind.parse_proposal(style, prompt.answer_prefix + response, references)
    task = kind.validate(sandbox, proposal)

A type of task is a module with the six functions of `TaskKind`; a new type is a new module and a line in KINDS
(tasks/kinds.py). Nothing is imported here, so that who only wants the vocabulary (tasks/triplet.py) has it at once.
"""
