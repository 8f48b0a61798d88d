"""Several cells at once: changes of different tables, each in the phase it is to be in, and one fault for all."""

import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import psycopg
import psycopg.rows

import phases
from cell import HOLD_SECONDS, Cell, Result, Wrong
from verdict import check

# From the end of the fault to the end of the last change and to its client's answer.
END_SECONDS = 60
PLACING_TRIES = 60
# Some phases are over soon: the fault does not wait for all of them.
BRIEF_SECONDS = 0.05


class JobMonitor(threading.Thread):
    """The newest SHOW JOBS, by operation id."""

    def __init__(self, ship, gateway):
        super().__init__(daemon=True)
        self.ship, self.gateway = ship, gateway
        self.jobs = {}
        self._stop_asked = threading.Event()

    def run(self):
        connection = None
        while not self._stop_asked.wait(0.05):
            try:
                connection = connection or self.ship.connect(self.gateway)
                rows = connection.cursor(row_factory=psycopg.rows.dict_row).execute("SHOW JOBS").fetchall()
                self.jobs = {row["operation_id"]: row for row in rows}
            except psycopg.Error:
                if connection is not None:
                    connection.close()
                connection = None

    def finished(self, operation):
        job = self.jobs.get(operation)
        return job if job and job["state"] in ("succeeded", "failed", "canceled") else None

    def stop(self):
        self._stop_asked.set()
        self.join(30)


class Batch:
    """`specs` have one role and one fault."""

    def __init__(self, ship, specs, fault, expected):
        self.ship, self.specs, self.fault, self.expected = ship, specs, fault, expected
        self.role = specs[0].role
        self.victim = None
        self.recovery_seconds = None
        self.fault_seconds = fault.seconds
        # For tests of the verdict: damages a cell before it is looked at.
        self.tamper = lambda cell: None

    def run(self):
        """Answers a `Result` for every cell; throws when the cluster does not come back."""
        with ThreadPoolExecutor(4) as pool:
            cells = [cell for cell in pool.map(self._open, self._choose_victim()) if cell]
            list(pool.map(Cell.begin, cells))
        ways = [threading.Thread(target=cell.advance, daemon=True) for cell in cells]
        for way in ways:
            way.start()
        self._wait_until_ready(cells)
        monitor = JobMonitor(self.ship, cells[0].control)
        try:
            return self._disturb(cells, monitor)
        finally:
            monitor.stop()
            for cell in cells:
                cell.close()

    # Who is hit

    def _choose_victim(self):
        """Of storage nodes the one that leads the first table with one decides; the others are placed to fit."""
        if self.role == "metadata leader":
            self.victim = self.ship.leading_replica()
        elif self.role == "metadata follower":
            leader = self.ship.leading_replica()
            self.victim = next(m["name"] for m in self.ship.members("meta") if m["name"] != leader)
        elif self.role == "gateway with the client":
            self.victim = "gateway-1"
        elif self.role == "other gateway":
            self.victim = "gateway-2"
        elif self.role == "aggregator":
            self.victim = "ack-1"
        else:
            self.victim = f"storage-{1 + zlib.crc32(str(self.specs[0]).encode()) % 3}"
        return self.specs

    def _open(self, spec):
        for _ in range(PLACING_TRIES):
            cell = Cell(self.ship, spec)
            cell.make_table()
            if cell.range is None or not self.role.startswith("storage") or (
                    (self.ship.range_leader(cell.range) == self.victim) == (self.role == "storage leader")):
                cell.fill()
                return cell
            cell.drop()
        raise AssertionError(f"no table found a place for {spec}")

    def _wait_until_ready(self, cells):
        """Until all are where they are to be, or the first of them cannot be held any longer."""
        while True:
            waiting = [cell for cell in cells if not cell.is_ready.is_set()]
            if not waiting:
                return
            held = [cell.ready_at for cell in cells if cell.is_ready.is_set() and not cell.spec.phase.is_instant]
            if held and time.monotonic() - min(held) > self._patience(cells):
                return
            waiting[0].is_ready.wait(0.005)

    @staticmethod
    def _patience(cells):
        return BRIEF_SECONDS if any(cell.spec.phase.is_brief for cell in cells) else HOLD_SECONDS

    # The fault

    def _disturb(self, cells, monitor):
        flying = [cell for cell in cells if cell.spec.phase.name == phases.IN_FLIGHT]
        for cell in cells:
            cell.about_to_be_struck()
        for cell in flying:
            cell.changer.is_sent.wait(0.02)
        moment = time.time()
        self.fault.strike(self.ship, self.victim)
        ways = [threading.Thread(target=cell.struck, daemon=True) for cell in cells]
        for way in ways:
            way.start()
        monitor.start()
        self._wait_for_the_end_of_the_fault(moment)
        self.fault.heal(self.ship, self.victim)
        self.fault_seconds = time.time() - moment
        deadline = time.monotonic() + END_SECONDS
        jobs = [self._wait_for_job(cell, monitor, deadline) for cell in cells]
        for cell in cells:
            cell.changer.join(max(0, deadline - time.monotonic()))
        for way in ways:
            way.join(max(0, deadline - time.monotonic()))
        self.recovery_seconds = self.ship.wait_until_healthy()
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda pair: self._judge(*pair, moment), zip(cells, jobs)))

    def _wait_for_the_end_of_the_fault(self, moment):
        while (left := moment + self.fault.seconds - time.time()) > 0:
            time.sleep(left)

    @staticmethod
    def _wait_for_job(cell, monitor, deadline):
        if cell.error is not None and cell.job is None:
            return None
        while time.monotonic() < deadline:
            if job := monitor.finished(cell.operation):
                return job
            time.sleep(0.02)
        return monitor.jobs.get(cell.operation)

    def _judge(self, cell, job, moment):
        spec = cell.spec
        try:
            if cell.error is not None:
                raise Wrong(f"on the way: {cell.error!r}")
            if job is None or job["finished"] is None:
                raise Wrong(f"the job did not end within {END_SECONDS} s of the end of the fault: {job}; its client was told"
                            f" {cell.changer.result!r} {cell.changer.error or ''}")
            if cell.changer.answered is None:
                raise Wrong(f"the client of the change has no answer; the job is {job['state']}")
            if cell.canceler is not None:
                cell.canceler.join(1)
            seconds = job["finished"].timestamp() - moment
            if cell.writers is not None:
                cell.writers.finish()
            self.tamper(cell)
            if seconds > cell.longest_seconds:
                raise Wrong(f"the change ended after {seconds:.1f} s only")
            outcome = check(cell, job, self.expected[spec.change.name])
            if not cell.was_hit(moment):
                outcome = "missed"
            cell.drop()
            return Result(spec, outcome, max(seconds, 0), self._note(cell, job), self._longest_statement(cell))
        except (AssertionError, psycopg.Error) as error:
            return Result(spec, "failed", 0, f"{cell.table}: {error}")

    def _longest_statement(self, cell):
        longest = cell.writers.longest if cell.writers else {}
        return max((
            longest.get(self.ship.address(number)[1], 0) for number in (1, 2) if f"gateway-{number}" != self.victim), default=0)

    @staticmethod
    def _note(cell, job):
        cancel = f", cancel {cell.canceler.outcome}" if cell.canceler else ""
        return f"job {job['state']}{cancel}, statement sent {cell.changer.attempts} times"
