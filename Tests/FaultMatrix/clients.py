"""Who uses a table while it changes: clients that write, the client that sends the change, transactions that hold a step."""

import threading
import time

import psycopg

from traffic import RETRYABLE, UNKNOWN, Traffic

UNDEFINED_TABLE = "42P01"
# The gateway or the metadata service is away; the statement may be sent again with its operation id.
LOST = UNKNOWN | {"57P03", None}
ANSWER_SECONDS = 90


def is_lost(error):
    return error.sqlstate in LOST


class Writers(Traffic):
    """One client at each gateway; they know what the change may do to their table's name."""

    def __init__(self, ship, table, change):
        super().__init__(ship, table, threads=2, ids=20, gateways=[1, 2], pause=0.05)
        self.change = change
        self.old_name = table
        self.renamed = change.renamed and change.renamed.format(t=table)
        self.is_gone = False
        # Longest time to an answer, of whatever kind, by the gateway's port.
        self.longest = {}
        # When a value was sent, and when the row that holds it was acknowledged: no value is written twice.
        self.sent_at, self.acknowledged_at = {}, {}
        # Values of rows that clients found gone, of a change that empties the table.
        self.gone = []

    def execute(self, connection, statement, parameters):
        port, started = connection.info.port, time.monotonic()
        value = next((parameter for parameter in parameters if isinstance(parameter, str)), None)
        if value is not None:
            self.sent_at[value] = time.time()
        try:
            done = self._execute(connection, statement, parameters)
            if value is not None and done.rowcount == 1:
                self.acknowledged_at[value] = time.time()
            return done
        finally:
            self.longest[port] = max(self.longest.get(port, 0), time.monotonic() - started)

    def _execute(self, connection, statement, parameters):
        # The other client may have learned of the new name since this statement was made.
        old_name = f" {self.old_name} "
        try:
            return connection.execute(statement, parameters)
        except psycopg.Error as error:
            if error.sqlstate != UNDEFINED_TABLE or not self.renamed or old_name not in statement:
                raise
        # No name comes back: whoever saw the old one gone must find the new one.
        self.table = self.renamed
        return connection.execute(statement.replace(old_name, f" {self.renamed} "), parameters)

    def is_the_end(self, error):
        if self.change.drops_table and error.sqlstate == UNDEFINED_TABLE:
            self.is_gone = True
        return self.is_gone

    def may_be_gone(self, row, before):
        # Whether it may in truth is seen when it is known when the table was emptied.
        if self.change.empties_table:
            self.gone.append((row, before))
        return self.change.empties_table

    def lost(self, written, emptied_at):
        """Rows that are not what was acknowledged, by what is there. What was sent before the table was emptied may be gone."""
        lost, missing = [], [(row, None, possible) for row, possible in self.gone]
        for row, possible in self.possible.items():
            value = written.get(row)
            if value not in possible:
                (missing if value is None else lost).append((row, value, possible))
        return lost + [
            (row, value, possible) for row, value, possible in missing
            if emptied_at is None or emptied_at < min(self.sent_at[value] for value in possible - {None})]

    def _settle(self, connection, row, before):
        if self.is_gone:
            self._stop.set()
            return None
        return super()._settle(connection, row, before)


class Pin:
    """An open transaction that wrote one row: the step of the change that follows waits for its end."""

    def __init__(self, connection, table, row):
        self.connection, self.table, self.row = connection, table, row
        self.opened = time.monotonic()
        # Nothing known yet; then "committed", "refused" or "unknown".
        self.outcome = None
        self.error = None
        self._ending = threading.Lock()
        connection.execute(f"INSERT INTO {table} (id, k, v) VALUES (%s, %s, 'pin')", (row, row))

    def commit(self):
        # The step that waits for it and the fault may both want it to end: a second COMMIT would only find the connection idle.
        with self._ending:
            if self.outcome is None:
                self._commit()

    def _commit(self):
        try:
            self.connection.commit()
            self.outcome = "committed"
        except psycopg.Error as error:
            self.error = f"{error.sqlstate} {error}".strip()
            self.outcome = "refused" if error.sqlstate in RETRYABLE - {"57P03"} else "unknown" if is_lost(error) else "failed"
        self.held = time.monotonic() - self.opened

    def may_be(self, is_there):
        return self.outcome == "unknown" or is_there == (self.outcome == "committed")


class Changer(threading.Thread):
    """Sends a change through gateway 1, and again with the same operation id where the answer was lost."""

    def __init__(self, ship, lines, operation, begins_late):
        """The last of `lines` does the change; those before it are sent at once, or with it if it `begins_late`."""
        super().__init__(daemon=True)
        self.ship, self.lines, self.operation, self.begins_late = ship, lines, operation, begins_late
        self.is_begun = threading.Event()
        self.go = threading.Event()
        # Of the last line.
        self.sent = self.answered = None
        self.is_sent = threading.Event()
        # SQLSTATE; "" is success.
        self.result = None
        self.error = None
        self.attempts = 0
        self._connection = self._connect(1)

    def _connect(self, gateway):
        connection = self.ship.connect(gateway)
        connection.execute(f"SET theseus.operation_id = '{self.operation}'")
        return connection

    def run(self):
        if self.begins_late:
            self.go.wait()
        deadline = time.monotonic() + ANSWER_SECONDS
        gateway = 1
        while True:
            is_last = False
            try:
                self.attempts += 1
                if self._connection is None:
                    gateway = 3 - gateway
                    self._connection = self._connect(gateway)
                for line in self.lines[:-1]:
                    self._connection.execute(line)
                is_last = True
                self.is_begun.set()
                if not self.go.is_set():
                    self.go.wait()
                    deadline = time.monotonic() + ANSWER_SECONDS
                self.sent = self.sent or time.time()
                self.is_sent.set()
                self._connection.execute(self.lines[-1])
                self._connection.close()
                self.result = ""
                break
            except psycopg.Error as error:
                # Before its last line a transaction that is refused has done nothing.
                may_be_repeated = is_lost(error) or (not is_last and error.sqlstate in RETRYABLE)
                if not may_be_repeated or time.monotonic() > deadline:
                    self.result, self.error = error.sqlstate or "lost", str(error)
                    break
                if self._connection is not None:
                    self._connection.close()
                self._connection = None
                time.sleep(0.1)
        self.answered = time.time()


class Cancel(threading.Thread):
    """CANCEL JOB, until it is answered."""

    def __init__(self, ship, job, gateway):
        super().__init__(daemon=True)
        self.ship, self.job, self.gateway = ship, job, gateway
        # "accepted", "refused" (the job is past turning back), "unknown" (an answer was lost on the way).
        self.outcome = None
        self.error = None

    def run(self):
        deadline = time.monotonic() + ANSWER_SECONDS
        lost = False
        while time.monotonic() < deadline:
            try:
                self.ship.execute(f"CANCEL JOB {self.job}", self.gateway)
                self.outcome = "accepted"
                return
            except psycopg.Error as error:
                if is_lost(error):
                    lost = True
                    time.sleep(0.05)
                    continue
                self.error = str(error)
                self.outcome = "failed" if error.sqlstate != "55000" else "unknown" if lost else "refused"
                return
        self.outcome = "unanswered"
