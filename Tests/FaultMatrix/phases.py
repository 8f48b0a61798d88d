"""What a schema change goes through, read from EXPLAIN (DDL), and where a running one is, read from SHOW JOB n STEPS."""

import dataclasses
import re

# Phases of a change that is one entry: there is nothing to wait for, so the fault and the statement meet.
IN_FLIGHT = "statement in flight"
MEANWHILE = "statement sent meanwhile"


@dataclasses.dataclass(frozen=True)
class Phase:
    # Place among the rows of SHOW JOB n STEPS, from 0; nothing for a change of one entry.
    position: int | None
    name: str
    # "barrier": held by an open transaction; "work": held by the limit of rows a second; "instant".
    kind: str
    # Pieces of work of the whole change: each takes its time, wherever the fault comes.
    works: int = 0

    @property
    def is_instant(self):
        return self.kind == "instant"


def plan(lines):
    """The phases that can be met. Every stage and every piece of work is a row of SHOW JOB n STEPS, in this order."""
    rows, kinds = [], []
    for line in lines:
        if stage := re.match(r"stage \d+(?: \(visible\))?: (.*)", line):
            rows.append(stage[1])
            kinds.append("entry")
        elif line.strip().startswith("wait until"):
            kinds[-1] = "barrier"
        elif line.strip().startswith(("backfill ", "validate ")):
            rows.append(line.strip())
            kinds.append("work")
    phases = [
        Phase(position, row, kind, kinds.count("work")) for position, (row, kind) in enumerate(zip(rows, kinds)) if kind in ("barrier", "work")
    ]
    if not phases:
        phases = [Phase(None, IN_FLIGHT, "instant"), Phase(None, MEANWHILE, "instant")]
    return phases
