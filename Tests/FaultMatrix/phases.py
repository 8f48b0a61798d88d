"""What a schema change goes through, read from EXPLAIN (DDL), and where a running one is, read from SHOW JOB n STEPS.

EXPLAIN (DDL) tells of one statement. What a transaction goes through is read from the steps that it took when nothing disturbed it.
"""

import dataclasses
import re

# Phases of a change that is one entry: there is nothing to wait for, so the fault and the statement meet.
IN_FLIGHT = "statement in flight"
MEANWHILE = "statement sent meanwhile"
ROWS = "rows of the transaction"
# What SHOW JOBS says of a job that has come to it.
WAITS_FOR_ROWS = "the rows of its transaction"


@dataclasses.dataclass(frozen=True)
class Phase:
    # Place among the rows of SHOW JOB n STEPS, from 0; nothing for a change of one entry.
    position: int | None
    name: str
    # "barrier": held by an open transaction; "work": held by the limit of rows a second; "rows": held by their number; "instant".
    kind: str
    # Pieces of work of the whole change: each takes its time, wherever the fault comes.
    works: int = 0

    @property
    def is_instant(self):
        return self.kind == "instant"

    @property
    def is_brief(self):
        """Over soon, and nothing holds it."""
        return self.kind == "rows" or self.name.startswith("validate")


def plan(lines):
    """The phases that can be met. Every stage and every piece of work is a row of SHOW JOB n STEPS, in this order."""
    rows, kinds = [], []
    for line in lines:
        if stage := re.match(r"stage \d+(?: \(visible\))?: (.*)", line):
            rows.append(stage[1])
            kinds.append("entry")
        elif line.strip().startswith("wait until"):
            kinds[-1] = "barrier"
        elif line.strip().startswith(("backfill ", "give rows ", "validate ")):
            rows.append(line.strip())
            kinds.append("work")
    phases = [
        Phase(position, row, kind, kinds.count("work")) for position, (row, kind) in enumerate(zip(rows, kinds)) if kind in ("barrier", "work")
    ]
    return phases or instant()


def instant():
    return [Phase(None, IN_FLIGHT, "instant"), Phase(None, MEANWHILE, "instant")]


def transaction(steps):
    """The phases that can be met of a transaction which went through `steps`; its COMMIT may also be in flight."""
    given_up = next((position for position, step in enumerate(steps) if step.endswith(": given up")), None)
    settled = next((position for position, step in enumerate(steps) if step.startswith("end the locks")), None)
    last = given_up if given_up is not None else len(steps) - 1 if settled is None else settled - 1
    works = [step.startswith(("backfill ", "give rows ", "validate ")) for step in steps[:last]]
    phases = []
    for position, step in enumerate(steps[:last]):
        if works[position]:
            phases.append(Phase(position, step, "work", sum(works)))
        # An entry with no work that is not the visible one is there to be waited for.
        elif " -> " in step and position + 1 < last and not works[position + 1]:
            phases.append(Phase(position, step, "barrier", sum(works)))
    if settled is not None and given_up is None:
        phases.append(Phase(last - 1, ROWS, "rows", sum(works)))
    return phases + instant()
