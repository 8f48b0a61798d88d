"""One cell of the matrix: one change on a table of its own, met by a fault in one phase."""

import dataclasses
import itertools
import re
import threading
import time

import psycopg

from cluster import wait_until

import changes
import phases
from clients import Cancel, Changer, Pin, Writers

FIRST_PIN = 50_000_000
# A barrier is held this long at most before the fault must have come (the bounded wait is 2 s).
HOLD_SECONDS = 1.4
# A change that a single process delays any longer, besides the work that it has to do, counts as failed, though it ended. (A
# client behind a gateway that stands still for the whole fault gets its statement through only afterwards.)
LONGEST_SECONDS = 20
# Until the statements before COMMIT are done, with nothing in their way.
BEGIN_SECONDS = 30
ROLES = [
    "metadata leader", "metadata follower", "gateway with the client", "other gateway", "storage leader",
    "storage follower", "aggregator",
]
_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Spec:
    change: changes.Change
    phase: phases.Phase
    role: str
    fault: str
    cancel: bool

    def __str__(self):
        cancel = ", canceled" if self.cancel else ""
        return f"{self.change.name} / {self.phase.name} / {self.role} / {self.fault}{cancel}"


@dataclasses.dataclass
class Result:
    spec: Spec
    # "done", "reverted", "missed" or "failed"
    outcome: str
    # From the fault to the end of the change, by the job's own times.
    seconds: float = 0
    note: str = ""
    # The longest time a client waited for an answer of a gateway that was not hit.
    longest_statement: float = 0


class Wrong(AssertionError):
    """A cell that ended as it must not."""


def names(table):
    """Those that tables of a cell may have."""
    return table, f"{table}_new", f"{table}_b"


def catalog(connection, table):
    """What the gateway shows of the cell's tables, with `t` for the name."""
    lines = []
    for name in names(table):
        lines += connection.execute(
            "SELECT table_schema, table_name, column_name, ordinal_position, column_default, is_nullable, data_type,"
            " generation_expression FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position",
            (name,)).fetchall()
        lines += connection.execute(
            "SELECT objsubid, description FROM pg_description JOIN pg_class c ON c.oid = objoid WHERE relname = %s"
            " ORDER BY objsubid", (name,)).fetchall()
        lines += connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s ORDER BY indexname", (name,)).fetchall()
        lines += connection.execute(
            "SELECT t.constraint_name, c.check_clause, p.convalidated FROM information_schema.table_constraints t"
            " JOIN information_schema.check_constraints c ON c.constraint_name = t.constraint_name"
            " JOIN pg_constraint p ON p.conname = t.constraint_name"
            " JOIN pg_class r ON r.oid = p.conrelid AND r.relname = t.table_name"
            " WHERE t.table_name = %s ORDER BY 1", (name,)).fetchall()
        lines += connection.execute(
            "SELECT p.conname, p.contype, p.convalidated, p.confupdtype, p.confdeltype FROM pg_constraint p"
            " JOIN pg_class r ON r.oid = p.conrelid WHERE r.relname = %s AND p.contype = 'f' ORDER BY 1", (name,)).fetchall()
    lines += connection.execute(
        "SELECT viewname, definition FROM pg_views WHERE viewname LIKE %s ORDER BY 1", (f"{table}\\_%",)).fetchall()
    lines += connection.execute(
        "SELECT typname, enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = enumtypid WHERE typname LIKE %s"
        " ORDER BY typname, enumsortorder", (f"{table}\\_%",)).fetchall()
    lines += connection.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname LIKE %s ORDER BY 1", (f"{table}\\_%",)).fetchall()
    lines += connection.execute(
        "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname LIKE %s ORDER BY 1",
        (f"{table}\\_%",)).fetchall()
    return "\n".join(" ".join(str(part) for part in line) for line in lines).replace(table, "t")


class Cell:
    def __init__(self, ship, spec):
        self.ship, self.spec, self.change = ship, spec, spec.change
        self.table = f"m{next(_numbers)}"
        self.operation = f"matrix-{self.table}-{time.time_ns()}"
        # Where the cell looks and cancels: never at the process that is hit.
        self.control = 2 if spec.role == "gateway with the client" else 1
        has_work = spec.phase.kind == "work"
        self.rows = changes.ROWS_FOR_WORK if has_work else changes.ROWS
        self.longest_seconds = LONGEST_SECONDS + (spec.phase.works * changes.WORK_SECONDS if has_work else 0)
        self.before = ""
        self.range = None
        # The last one of the set-up.
        self.setup_job = ""
        self.writers = None
        self.pins = []
        self.changer = None
        self.canceler = None
        self.job = None
        self.is_ready = threading.Event()
        self.ready_at = None
        self.reached = None
        self.error = None
        self.disturbed_before = []

    def sql(self, text, **more):
        return text.format(t=self.table, rows=self.rows, job=self.setup_job, **more)

    def lines(self):
        return [self.sql(line) for line in self.change.lines]

    def general(self, text):
        """Without what is different for another table."""
        return re.sub(r"^range \d+.*", "ranges", re.sub(r"\btable \d+", "table {t}", text.replace(self.table, "{t}")))

    def make_table(self):
        if self.change.makes_table:
            return
        with self.ship.connect(self.control) as connection:
            connection.execute(self.sql(changes.TABLE))
            explained = [row[0] for row in connection.execute(f"EXPLAIN (DDL) DROP TABLE {self.table}").fetchall()]
            self.range = next(int(line.split()[1]) for line in explained if line.strip().startswith("range "))

    def fill(self):
        """The table as the change finds it."""
        with self.ship.connect(self.control) as connection:
            if not self.change.makes_table:
                for first in range(1, self.rows + 1, 5_000):
                    connection.execute(self.sql(changes.FILL, first=first, last=min(first + 4_999, self.rows)))
            for statement in self.change.setup:
                if isinstance(statement, changes.Elsewhere):
                    with self.ship.connect(1, dbname=self.sql(statement.database)) as elsewhere:
                        elsewhere.execute(self.sql(statement.statement))
                else:
                    connection.execute(self.sql(statement, first=1, last=self.rows))
            self.setup_job = connection.execute("SHOW theseus.last_job").fetchone()[0]
            self.before = catalog(connection, self.table)

    def begin(self):
        """Clients write, and everything is there that the change will need."""
        if not self.change.makes_table:
            self.writers = Writers(self.ship, self.table, self.change)
            self.writers.__enter__()
            self.writers.progress(4, seconds=20)
        begins_late = self.spec.phase.name == phases.MEANWHILE
        self.changer = Changer(self.ship, self.lines(), self.operation, begins_late)
        self.changer.start()
        if not begins_late and not self.changer.is_begun.wait(BEGIN_SECONDS):
            raise Wrong(f"the transaction was not begun in {BEGIN_SECONDS} s: {self.changer.error}")
        self._idle = [self.ship.connect(2, autocommit=False) for _ in range(3)] if not self.spec.phase.is_instant else []

    # On the way to the phase

    def advance(self):
        try:
            if self.spec.phase.is_instant:
                self.reached = self.spec.phase.name
            else:
                self._advance()
        except Exception as error:  # noqa: BLE001: whatever it is, the cell says so
            self.error = error
        self.ready_at = time.monotonic()
        self.is_ready.set()

    def _pin(self):
        pin = Pin(self._idle[len(self.pins) % len(self._idle)], self.table, FIRST_PIN + len(self.pins))
        self.pins.append(pin)
        return pin

    def _advance(self):
        target = self.spec.phase
        pin = self._pin()
        with self.ship.connect(self.control) as connection:
            self.changer.go.set()
            self.job = wait_until(lambda: self._find_job(connection), 10, "the job", pause=0.003)
            deadline = time.monotonic() + self.longest_seconds
            last = -1
            while time.monotonic() < deadline:
                steps = connection.execute(f"SHOW JOB {self.job} STEPS").fetchall()
                position = len(steps) - 1
                is_over = bool(steps) and steps[-1][4] is not None
                if target.kind == "rows" and position == target.position and not is_over:
                    if self._waits_for_rows(connection):
                        self.reached = target.name
                        return
                elif position >= target.position or is_over:
                    self.reached = self.general(steps[-1][1]) if steps else None
                    return
                if position > last:
                    # The next step of the change waits for a new transaction, this one no longer for the old.
                    last = position
                    old, pin = pin, None
                    if target.kind == "barrier":
                        pin = self._pin()
                    if old is not None:
                        old.commit()
                time.sleep(0.003)
        raise Wrong(f"{target.name} was not reached in {self.longest_seconds:.0f} s")

    def _waits_for_rows(self, connection):
        return any(row[0] == self.job and row[12] == phases.WAITS_FOR_ROWS for row in connection.execute("SHOW JOBS").fetchall())

    def _find_job(self, connection):
        return next((row[0] for row in connection.execute("SHOW JOBS").fetchall() if row[1] == self.operation), None)

    # The fault

    def about_to_be_struck(self):
        if self.writers is not None:
            self.disturbed_before = list(self.writers.disturbances)
        if self.spec.phase.name == phases.IN_FLIGHT:
            self.changer.go.set()

    def struck(self):
        """Called in a thread of the cell's own, right after the fault."""
        if self.spec.phase.name == phases.MEANWHILE:
            self.changer.go.set()
        if self.spec.cancel and self.job is not None:
            self.canceler = Cancel(self.ship, self.job, self.control)
            self.canceler.start()
        for pin in self.pins:
            if pin.outcome is None:
                pin.commit()

    # Afterwards

    def was_hit(self, moment):
        if self.spec.phase.name == phases.IN_FLIGHT:
            return self.changer.sent <= moment <= self.changer.answered
        if self.spec.phase.name == phases.MEANWHILE:
            return self.changer.sent >= moment
        if self.reached != self.spec.phase.name:
            return False
        with self.ship.connect(self.control) as connection:
            steps = connection.execute(f"SHOW JOB {self.job} STEPS").fetchall()
        begun = [step[3].timestamp() for step in steps[self.spec.phase.position + 1:]
                 if self.general(step[1]) != self.spec.phase.name]
        return not begun or begun[0] >= moment

    def close(self):
        if self.writers is not None:
            self.writers._stop.set()
        for connection in getattr(self, "_idle", []):
            connection.close()

    def drop(self):
        with self.ship.connect(1) as connection:
            connection.execute(f"DROP VIEW IF EXISTS {self.table}_v")
            for name in names(self.table):
                connection.execute(f"DROP TABLE IF EXISTS {name}")
            connection.execute(f"DROP SCHEMA IF EXISTS {self.table}_s, {self.table}_r CASCADE")
            for name in ("d", "e"):
                connection.execute(f"DROP DATABASE IF EXISTS {self.table}_{name}")
