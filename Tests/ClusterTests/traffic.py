"""Clients that write without pause and remember what was acknowledged."""

import random
import threading
import time

import psycopg

# The statement had no effect and may be tried again.
RETRYABLE = {"40001", "40P01", "55P03", "57P03", "53300"}
# The connection ended or the server cannot tell: the statement may have had its effect.
UNKNOWN = {"40003", "57P01", "08006", "08003", "08000"}

ABSENT = None


class Traffic:
    """Every thread owns the ids of its residue class, so that what a row may be depends on one thread only.

    `possible[id]` is the set of values the row may have now; one element when the last write was acknowledged.
    """

    def __init__(self, cluster, table="t", threads=4, first_id=10_000_000, ids=200, gateways=None, pause=0):
        """`pause`: seconds a client rests after each statement."""
        self.cluster = cluster
        self.pause = pause
        self.table = table
        self.threads = threads
        self.first_id = first_id
        self.ids = ids
        self.gateways = gateways or [row["name"].split("-")[1] for row in cluster.members("gateway")]
        self.possible = {}
        self.acknowledged = 0
        self.retries = 0
        self.unknown = 0
        self.failures = []
        self.latencies = []
        # What the clients were told when a statement was not done.
        self.disturbances = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._workers = [threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(threads)]

    def __enter__(self):
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_):
        self.finish()

    def finish(self):
        self._stop.set()
        for worker in self._workers:
            worker.join(60)
            assert not worker.is_alive(), "a client hangs"

    def assert_undisturbed(self):
        """Not one statement failed or had to be sent again by its client."""
        assert not self.failures, self.failures[:5]
        assert (self.retries, self.unknown) == (0, 0), f"disturbed: {self.disturbances[:5]}"

    def progress(self, statements=50, seconds=60):
        """Waits until so many more writes are acknowledged."""
        goal = self.acknowledged + statements
        deadline = time.monotonic() + seconds
        while self.acknowledged < goal:
            assert time.monotonic() < deadline, f"writes stand still: {self.failures[-3:]}"
            time.sleep(0.02)

    def _connect(self, number, attempt):
        gateway = self.gateways[(number + attempt) % len(self.gateways)]
        return self.cluster.connect(gateway)

    def _work(self, number):
        choose = random.Random(number)
        connection = None
        attempt = 0
        version = 0
        own = [self.first_id + number + self.threads * step for step in range(self.ids)]
        for row in own:
            self.possible[row] = {ABSENT}
        while not self._stop.is_set():
            if self.pause:
                self._stop.wait(self.pause)
            if connection is None:
                try:
                    connection = self._connect(number, attempt)
                except psycopg.Error:
                    attempt += 1
                    time.sleep(0.05)
                    continue
            version += 1
            row = choose.choice(own)
            value = f"w{number}-{version}"
            before = self.possible[row]
            if len(before) > 1:
                # Find out first, so that the next statement is of the right kind.
                before = self._settle(connection, row, before)
                if before is None:
                    connection = None
                    attempt += 1
                    continue
            started = time.monotonic()
            try:
                if before == {ABSENT}:
                    after = value
                    key = row * 31 % 1_000_003
                    changed = self._change(connection, f"INSERT INTO {self.table} (id, k, v) VALUES (%s, %s, %s)", row, key, value)
                elif choose.random() < 0.3:
                    after = ABSENT
                    changed = self._change(connection, f"DELETE FROM {self.table} WHERE id = %s", row)
                else:
                    after = value
                    changed = self._change(
                        connection, f"UPDATE {self.table} SET v = %s, k = k + 1 WHERE id = %s", value, row)
                if changed != 1:
                    if self.may_be_gone(row, before):
                        after = ABSENT
                    else:
                        self.failures.append(f"row {row}, believed {before}: {changed} rows changed")
                self.possible[row] = {after}
                with self._lock:
                    self.acknowledged += 1
                    self.latencies.append(time.monotonic() - started)
            except psycopg.Error as error:
                state = error.sqlstate
                if self.is_the_end(error):
                    break
                self.disturbances.append(f"{time.monotonic() - started:.2f} s: {state} {error}")
                if state in RETRYABLE:
                    self.retries += 1
                elif state is None or state in UNKNOWN or connection.closed:
                    self.possible[row] = before | {after}
                    self.unknown += 1
                else:
                    self.failures.append(f"{state} {error}")
                if connection.closed or state in UNKNOWN or state is None:
                    connection.close()
                    connection = None
                    attempt += 1
        if connection is not None:
            connection.close()

    def is_the_end(self, error):
        """Whether a refusal means that there is nothing left to write to."""
        return False

    def may_be_gone(self, row, before):
        """Whether a row that was `before` may be gone though no client deleted it."""
        return False

    def execute(self, connection, statement, parameters):
        return connection.execute(statement, parameters)

    def _change(self, connection, statement, *parameters):
        return self.execute(connection, statement, parameters).rowcount

    def _settle(self, connection, row, before):
        try:
            found = self.execute(connection, f"SELECT v FROM {self.table} WHERE id = %s", (row,)).fetchone()
        except psycopg.Error:
            connection.close()
            return None
        value = found[0] if found else ABSENT
        if value not in before and not (value is ABSENT and self.may_be_gone(row, before)):
            self.failures.append(f"row {row} is {value}, which is none of {before}")
        self.possible[row] = {value}
        return {value}

    def verify(self, gateway=1):
        """Every acknowledged write is there, and nothing that nobody wrote."""
        assert not self.failures, self.failures[:5]
        with self.cluster.connect(gateway) as connection:
            found = dict(
                connection.execute(f"SELECT id, v FROM {self.table} WHERE id >= %s", (self.first_id,)).fetchall())
        wrong = [
            (row, found.get(row, ABSENT), possible)
            for row, possible in self.possible.items()
            if found.get(row, ABSENT) not in possible
        ]
        assert not wrong, f"{len(wrong)} rows are not what was acknowledged: {wrong[:5]}"
        invented = set(found) - set(self.possible)
        assert not invented, f"rows nobody wrote: {sorted(invented)[:5]}"
        assert self.acknowledged > 0, "no write was acknowledged"
