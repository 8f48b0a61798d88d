"""The fault matrix: every schema change × phase × role × fault × cancel, on a cluster of real processes.

    /usr/bin/python3 Tests/FaultMatrix/matrix.py quick|full [--changes NAMES] [--only TEXT] [--report FILE] [--minutes N]

Prints a line for each batch of cells and ends with `N passed, N failed`; exit code 0 only when nothing failed. A cell counts when
the fault came in its phase; otherwise it is tried again.
"""

import argparse
import dataclasses
import itertools
import pathlib
import random
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "ClusterTests")]

from cluster import LOGS  # noqa: E402

import changes  # noqa: E402
import phases  # noqa: E402
import report  # noqa: E402
from batch import Batch  # noqa: E402
from cell import ROLES, Cell, Result, Spec, catalog  # noqa: E402
from ship import Ship, faults  # noqa: E402

CELLS_OF_A_BATCH = 10
# Of those at most: their statement is to be on its way when the fault comes.
IN_FLIGHT_OF_A_BATCH = 2
# Cells that the quick slice has of each change.
QUICK_CELLS_OF_A_CHANGE = 5
# A cluster collects tables, jobs and traces; a new one takes its place after so many batches.
BATCHES_OF_A_CLUSTER = 12
TRIES = 4


def learn(ship, names=("",)):
    """Does each change once undisturbed: the phases it goes through, and the catalog's text when it is public.

    `names`: only changes whose name has one of these in it.
    """
    phases_of, expected = {}, {}
    for change in changes.CHANGES:
        if not any(name in change.name for name in names):
            continue
        cell = Cell(ship, Spec(change, phases.Phase(None, "", "instant"), ROLES[0], "", False))
        cell.make_table()
        cell.fill()
        with ship.connect() as connection:
            if not change.is_transaction:
                explained = [row[0] for row in connection.execute("EXPLAIN (DDL) " + cell.sql(change.statement)).fetchall()]
            connection.execute(f"SET theseus.operation_id = '{cell.operation}'")
            failed = None
            try:
                for line in cell.lines():
                    connection.execute(line)
            except Exception as error:  # noqa: BLE001: compared below
                failed = error
            assert getattr(failed, "sqlstate", None) == change.error, f"{change.name}: {failed!r}"
            job = next(row[0] for row in connection.execute("SHOW JOBS").fetchall() if row[1] == cell.operation)
            done = [row[1] for row in connection.execute(f"SHOW JOB {job} STEPS").fetchall()]
            found = phases.transaction(done) if change.commits_rows else phases.plan(explained)
            expected[change.name] = catalog(connection, cell.table)
        assert (expected[change.name] == cell.before) == bool(change.error or change.empties_table), f"{change.name} changes nothing that is seen"
        # A change that is refused does not come to the phases behind.
        phases_of[change.name] = [
            dataclasses.replace(phase, name=cell.general(phase.name))
            for phase in found if phase.is_instant or phase.kind == "rows" or phase.name in done]
        cell.drop()
    return phases_of, expected


def every_cell(phases_of):
    for change in changes.CHANGES:
        for phase in phases_of.get(change.name, []):
            for role, fault in itertools.product(ROLES, ["kill", "stop", "cut", "deaf", "mute"]):
                for cancel in [False] if phase.is_instant else [False, True]:
                    yield Spec(change, phase, role, fault, cancel)


def quick_slice(cells):
    """A few batches that touch every change, every role, every fault, every pair of both, and both with and without cancel."""
    pairs = [("metadata leader", "kill"), ("metadata follower", "stop"), ("gateway with the client", "kill"),
             ("other gateway", "stop"), ("storage leader", "cut"), ("storage follower", "deaf"), ("aggregator", "mute")]
    chosen = []
    for number, pair in enumerate(pairs):
        own = [cell for cell in cells if (cell.role, cell.fault) == pair and not cell.phase.is_brief]
        # Most changes once, at another phase for each pair.
        for position, change in enumerate(changes.CHANGES):
            of_change = [cell for cell in own if cell.change is change]
            if not of_change or (position + number) % len(pairs) >= QUICK_CELLS_OF_A_CHANGE:
                continue
            chosen.append(of_change[(number * 3) % len(of_change)])
    return chosen


def batches(specs):
    """Cells of one role and fault together; brief phases by themselves."""
    groups = {}
    for spec in specs:
        groups.setdefault((spec.role, spec.fault, spec.phase.is_brief), []).append(spec)
    for (_, _, are_brief), group in groups.items():
        flying = [spec for spec in group if spec.phase.name == phases.IN_FLIGHT]
        others = [spec for spec in group if spec.phase.name != phases.IN_FLIGHT]
        size = 3 if are_brief else CELLS_OF_A_BATCH
        while flying or others:
            batch, flying = flying[:IN_FLIGHT_OF_A_BATCH], flying[IN_FLIGHT_OF_A_BATCH:]
            room = size - len(batch)
            batch, others = batch + others[:room], others[room:]
            yield batch


class Run:
    def __init__(self, arguments):
        self.arguments = arguments
        self.results = []
        LOGS.mkdir(parents=True, exist_ok=True)
        self.journal = LOGS / f"{pathlib.Path(arguments.report or 'matrix').stem}.jsonl"
        if not arguments.resume:
            self.journal.unlink(missing_ok=True)
        self.ship = None
        self.batches_done = 0
        self.started = time.monotonic()
        quick = arguments.slice == "quick"
        self.faults = faults(
            seconds=arguments.seconds or (3 if quick else 10), seconds_down=arguments.seconds or (1 if quick else 3))

    def note(self, text):
        print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)

    def is_late(self):
        return self.arguments.minutes and time.monotonic() - self.started > self.arguments.minutes * 60

    def run(self):
        self._board()
        self.phases_of, self.expected = learn(self.ship, self.arguments.changes.split(","))
        cells = self.cells = list(every_cell(self.phases_of))
        total = len(cells)
        if self.arguments.slice == "quick":
            cells = quick_slice(cells)
        if self.arguments.only:
            cells = [cell for cell in cells if all(part in str(cell) for part in self.arguments.only.split("&"))]
        order = random.Random(self.arguments.shuffle or 0)
        if self.arguments.shuffle:
            order.shuffle(cells)
        self.note(f"{len(cells)} of {total} cells")
        for number in range(TRIES):
            missed = []
            groups = list(batches(cells))
            if self.arguments.shuffle:
                order.shuffle(groups)
            if self.arguments.reverse:
                groups.reverse()
            for specs in groups:
                if self.is_late():
                    break
                if self.arguments.resume:
                    known = {result.spec for result in report.read(self.journal, self.cells)}
                    specs = [spec for spec in specs if spec not in known]
                if not specs:
                    continue
                missed += self._run_batch(specs, is_last=number == TRIES - 1)
            cells = missed
        self._keep([Result(spec, "missed") for spec in cells if not self.is_late()])
        self.results = report.read(self.journal, self.cells)
        self._leave()

    def _keep(self, results):
        self.results += results
        report.append(self.journal, results)

    def _run_batch(self, specs, is_last):
        """Answers the cells whose phase was not met."""
        if self.ship is None or self.batches_done >= BATCHES_OF_A_CLUSTER:
            self._leave()
            self._board()
        self.batches_done += 1
        started = time.monotonic()
        batch = Batch(self.ship, specs, self.faults[specs[0].fault], self.expected)
        try:
            found = batch.run()
        except Exception as error:  # noqa: BLE001: the cells are told, and a new cluster takes over
            found = [Result(spec, "failed", 0, f"the batch ended with {error!r}") for spec in specs]
        missed = [result.spec for result in found if result.outcome == "missed"]
        kept = [result for result in found if result.outcome != "missed"]
        self._keep(kept)
        count = {outcome: sum(result.outcome == outcome for result in found) for outcome in
                 ("done", "reverted", "missed", "failed")}
        slowest = max((result.seconds for result in kept), default=0)
        self.note(
            f"{specs[0].role} ({batch.victim}), {specs[0].fault}: "
            + ", ".join(f"{number} {outcome}" for outcome, number in count.items() if number)
            + f"; slowest change {slowest:.1f} s, longest statement"
            f" {max((result.longest_statement for result in kept), default=0):.1f} s, fault {batch.fault_seconds:.1f} s, healthy after"
            f" {batch.recovery_seconds or -1:.1f} s, all in {time.monotonic() - started:.1f} s")
        failed = [result for result in found if result.outcome == "failed"]
        for result in failed:
            self.note(f"  FAILED {result.spec}: {result.note}")
        if failed:
            self._leave(keep_logs=True)
        return missed

    def _board(self):
        self.ship = Ship(f"matrix-{len(self.results)}")
        self.ship.start()
        self.batches_done = 0

    def _leave(self, keep_logs=False):
        if self.ship is not None:
            ship, self.ship = self.ship, None
            if keep_logs:
                self.note(f"  logs are in {LOGS / ship.name}")
            ship.stop(keep_logs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("slice", choices=["quick", "full"])
    parser.add_argument("--only", help="cells whose name contains all of these, divided by &")
    parser.add_argument("--changes", default="", help="only changes whose name contains one of these, divided by commas")
    parser.add_argument("--report", help="Markdown file for the result table")
    parser.add_argument("--minutes", type=float, help="begin no batch after so long; what was not attempted is not counted")
    parser.add_argument("--shuffle", type=int, help="seed: another order of the cells, so that a run cut short touched everything")
    parser.add_argument("--seconds", type=float, help="how long a fault lasts; 2 is where barriers stop waiting")
    parser.add_argument("--resume", action="store_true", help="leave out what a run of the same --report found, or finds beside this one")
    parser.add_argument("--reverse", action="store_true", help="the other way round, for a second run with --resume beside the first")
    parser.add_argument("--note", help="a sentence for the report, such as what was built")
    run = Run(parser.parse_args())
    try:
        run.run()
    finally:
        if run.ship is not None:
            run.ship.stop(keep_logs=True)
    if run.arguments.report:
        pathlib.Path(run.arguments.report).write_text(report.markdown(run))
    passed, missed, failed = (
        sum(result.outcome in outcomes for result in run.results)
        for outcomes in (("done", "reverted"), ("missed",), ("failed",)))
    if missed:
        run.note(f"{missed} cells whose phase was never met count as neither")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
