"""What a buffer's file looks like (docs/buffer.md describes the columns).

Version 1 had no `problem` and no `answer`, version 2 no `look`: such a buffer is read as one in which these are empty,
and gets them when its run goes on.
"""

SCHEMA_VERSION = 3

SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE proposal(
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL,            -- 0: seeding
    type TEXT NOT NULL,               -- deduction | abduction | induction
    refs TEXT NOT NULL,               -- JSON list of the ids of the tasks that the prompt showed
    text TEXT NOT NULL,               -- what the model wrote
    tokens INTEGER NOT NULL,
    truncated INTEGER NOT NULL,       -- 1: ran into the token limit
    rejection TEXT,                   -- NULL: it became a task; else the reason, one word
    detail TEXT,                      -- of the rejection, for a person
    reward REAL                       -- NULL while seeding
);
CREATE TABLE task(
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL,
    type TEXT NOT NULL,
    origin TEXT NOT NULL,             -- identity | file | seeding | self-play | varied
    proposal_id INTEGER REFERENCES proposal(id),
    program TEXT NOT NULL,
    inputs TEXT NOT NULL,             -- JSON list of argument lists
    outputs TEXT NOT NULL,            -- JSON list of reprs
    message TEXT NOT NULL,
    fingerprint TEXT NOT NULL,        -- of type, program (as below) and inputs
    program_fingerprint TEXT NOT NULL, -- of the program; layout, comments, names of variables aside
    lines INTEGER NOT NULL,           -- of the program
    nodes INTEGER NOT NULL,           -- of the program's syntax tree
    branches INTEGER NOT NULL,        -- cyclomatic complexity
    solve_rate REAL,                  -- Monte Carlo mean accuracy when it was proposed; NULL where not estimated
    learnability REAL                 -- 0 where solve_rate is 0 or 1, else 1 - solve_rate
);
CREATE TABLE attempt(
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL,
    task_id INTEGER NOT NULL REFERENCES task(id),
    purpose TEXT NOT NULL,            -- estimate | solve
    text TEXT NOT NULL,               -- what the model wrote
    answer TEXT,                      -- NULL: none could be read from the text
    verdict TEXT NOT NULL,            -- right | wrong | unparsed
    reward REAL NOT NULL,
    tokens INTEGER NOT NULL,
    truncated INTEGER NOT NULL
);
CREATE INDEX proposal_by_step ON proposal(step, type);
CREATE INDEX task_by_type ON task(type, step);
CREATE INDEX task_by_step ON task(step);
CREATE INDEX task_by_solve_rate ON task(solve_rate);
CREATE INDEX task_by_learnability ON task(learnability);
CREATE INDEX task_by_fingerprint ON task(fingerprint);
CREATE INDEX task_by_program ON task(program_fingerprint);
CREATE INDEX task_by_proposal ON task(proposal_id);
CREATE INDEX attempt_by_task ON attempt(task_id);
CREATE INDEX attempt_by_step ON attempt(step);
"""

PROBLEM_SCHEMA = """
CREATE TABLE problem(
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL,            -- in which it was first asked
    method TEXT NOT NULL,             -- rlvr | ttrl | a method of your own
    key TEXT NOT NULL,                -- its name among the method's problems: SOURCE:ID
    level TEXT NOT NULL,              -- how hard it is; empty where nobody says
    question TEXT NOT NULL,
    answer TEXT                       -- NULL: not known, or kept back
);
CREATE TABLE answer(
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL,
    problem_id INTEGER NOT NULL REFERENCES problem(id),
    text TEXT NOT NULL,               -- what the model wrote
    answer TEXT,                      -- NULL: none could be read from the text
    verdict TEXT,                     -- right | wrong | unparsed; NULL where the problem's answer is not known
    cluster INTEGER,                  -- equal for the answers of a step that are one vote; NULL: it did not vote
    label INTEGER NOT NULL,           -- 1: it is of the largest cluster
    trained INTEGER NOT NULL,
    reward REAL NOT NULL,
    tokens INTEGER NOT NULL,
    truncated INTEGER NOT NULL
);
CREATE UNIQUE INDEX problem_by_key ON problem(method, key);
CREATE INDEX answer_by_problem ON answer(problem_id);
CREATE INDEX answer_by_step ON answer(step);
"""

LOOK_SCHEMA = """
CREATE TABLE look(
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL,            -- after which it was asked; 0: before training
    method TEXT NOT NULL,
    key TEXT NOT NULL,                -- the problem's: SOURCE:ID
    level TEXT NOT NULL,
    answers INTEGER NOT NULL,
    solved INTEGER,                   -- answers that are right; NULL where the problem's answer is not known
    vote INTEGER,                     -- 1: the vote of the answers is right; NULL: not known, or they can't vote
    tokens REAL NOT NULL              -- of an answer, their mean
);
CREATE UNIQUE INDEX look_by_key ON look(method, step, key);
"""

# In the order that foreign keys let rows be dropped.
TABLES = ("look", "answer", "problem", "attempt", "task", "proposal")
TASK_COLUMNS = "id, type, program, inputs, outputs, message"
_ADDED = {2: PROBLEM_SCHEMA, 3: LOOK_SCHEMA}  # by the version that brought it


def added_since(version: int) -> str:
    """The SQL that brings a buffer of an older version to this one."""
    return "".join(schema for number, schema in _ADDED.items() if number > version)
