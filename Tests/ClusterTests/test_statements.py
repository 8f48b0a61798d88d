"""Every schema change, one stage after the other, and back from each of them.

A folder of `statements` is a case: `setup.sql`; `statement.sql`, the change; `dml.sql`, what clients write in every stage; `query.sql`,
which must answer true before, in and after every stage, to old transactions and new ones; `after.sql`, which must answer true when the
change is done and not before; `stages`, those that old transactions hold up (`WRITE_EXPECTED=1` writes it); `plan`, all of them and the
ways back, which a unit test of SchemaChange compares. `error` has the SQLSTATE of a change that the rows refuse. `@` stands for the
names' prefix, `#` for a number that grows, `{job}` for the last job of the set-up.

Stages are held by what holds them for users: a transaction that still uses the schema before. The next one begins before it ends, so the
job goes on by exactly one entry. Copies of rows are held by their rate.
"""

import os
import pathlib
import re
import threading
import time

import psycopg
import pytest

CASES = pathlib.Path(__file__).parent / "statements"
NAMES = sorted(folder.name for folder in CASES.iterdir())
CANCELED = "57014"
# What rows are worked on by, as the job says it.
WORK = ("backfill", "give rows")
# Rows a second: a table of 20 is copied in 0.4 s.
RATE = 50
_numbers = iter(range(1, 1_000_000))


class Case:
    def __init__(self, cluster, name):
        self.cluster = cluster
        self.folder = CASES / name
        self.prefix = f"s{next(_numbers)}_"
        self.error = (self.folder / "error").read_text().strip() if (self.folder / "error").exists() else None
        self.job = None
        self.setup_job = ""
        self.row = 0
        self.connections = [cluster.connect(gateway, prepare_threshold=None) for gateway in (1, 2)]

    def close(self):
        for connection in self.connections:
            connection.close()

    def text(self, file):
        self.row += 1
        text = (self.folder / f"{file}.sql").read_text() if (self.folder / f"{file}.sql").exists() else ""
        return text.strip().replace("@", self.prefix).replace("#", str(self.row)).replace("{job}", self.setup_job)

    def statements(self, file):
        return [part for part in re.split(r";\s*", self.text(file)) if part]

    def set_up(self):
        for statement in self.statements("setup"):
            self.connections[0].execute(statement)
        self.setup_job = self.connections[0].execute("SHOW theseus.last_job").fetchone()[0]
        self.before = self.described()

    def described(self):
        """Everything that the catalog says of the case's tables."""
        like = f"LIKE '{self.prefix}%'"
        return [self.connections[1].execute(query).fetchall() for query in (
            f"SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
            f" WHERE table_name {like} ORDER BY table_name, ordinal_position",
            f"SELECT tablename, indexname, indexdef FROM pg_indexes WHERE tablename {like} ORDER BY 1, 2",
            f"SELECT conname, contype, convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname {like} ORDER BY 1",
            f"SELECT sequencename, increment_by, max_value, cache_size FROM pg_sequences WHERE sequencename {like} ORDER BY 1")]

    def write(self):
        for connection in self.connections:
            for statement in self.statements("dml"):
                connection.execute(statement)

    def assert_query(self, *more):
        for connection in (*self.connections, *more):
            if query := self.text("query"):
                assert connection.execute(query).fetchall() == [(True,)], query

    def is_done(self):
        try:
            return self.connections[1].execute(self.text("after")).fetchall() == [(True,)]
        except psycopg.errors.Error:
            return False

    def check_tables(self):
        for (table,) in self.connections[0].execute(
                f"SELECT schemaname || '.' || tablename FROM pg_tables WHERE tablename LIKE '{self.prefix}%'").fetchall():
            self.cluster.check_table(table)

    def hold(self):
        """A transaction that uses the schema as it is now."""
        connection = self.cluster.connect(1, prepare_threshold=None)
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        self.assert_query(connection)
        return connection

    def watch(self):
        """The stage in which the job stays for a while; None: there is no job yet, or it goes on."""
        cursor = self.connections[1].cursor(row_factory=psycopg.rows.dict_row)
        rows = [row for row in cursor.execute("SHOW JOBS").fetchall() if row["operation_id"] == self.prefix]
        if rows:
            self.job = rows[0]["job_id"]
            reason = rows[0]["wait_reason"]
            # Only transactions are in the way: who comes now uses the schema as this stage left it.
            is_held = "waiting for gateway" in reason and "has applied" not in reason
            if is_held or rows[0]["stage"].startswith(WORK):
                return rows[0]["stage"]
        return None

    def change(self):
        """In a thread of its own; what came of it is in `outcome`: nil or the SQLSTATE."""
        self.outcome = None
        try:
            with self.cluster.connect(2) as connection:
                connection.execute("SET theseus.ddl_wait = '60s'")
                connection.execute(f"SET theseus.operation_id = '{self.prefix}'")
                connection.execute(self.text("statement"))
        except psycopg.Error as error:
            self.outcome = error.sqlstate or str(error)

    def try_job(self, statement):
        try:
            self.connections[0].execute(statement)
        except psycopg.errors.ObjectNotInPrerequisiteState:
            # What it does can be seen already, it is on its way back, or just done.
            pass

    def assert_stages(self):
        """Those that transactions hold; how long a copy takes is another matter."""
        held = "".join(f"{stage.replace(self.prefix, '@')}\n" for stage in self.stages if not stage.startswith(WORK))
        file = self.folder / "stages"
        if os.environ.get("WRITE_EXPECTED"):
            file.write_text(held)
        assert held == file.read_text()

    def run(self, cancel_at=None):
        """Answers the number of stages it was held in."""
        self.set_up()
        self.stages = []
        assert not self.is_done(), "it is done before it begins"
        self.write()
        self.assert_query()
        stage = 0
        holders = [self.hold()]
        change = threading.Thread(target=self.change)
        change.start()
        try:
            last = None
            while change.is_alive():
                now = self.watch()
                if now is None or now == last:
                    time.sleep(0.002)
                    continue
                last = now
                stage += 1
                if stage == 1:
                    # So slow that the work of the job is a stage like the others.
                    self.try_job(f"ALTER JOB {self.job} SET (max_rows_per_second = {RATE})")
                self.write()
                self.assert_query(*holders)
                self.stages.append(now)
                if stage == cancel_at:
                    self.try_job(f"CANCEL JOB {self.job}")
                # Work waits for nobody: the one who holds the stage before it holds the next one.
                if not now.startswith(WORK):
                    holders.append(self.hold())
                    holder = holders.pop(0)
                    holder.execute("COMMIT")
                    holder.close()
        finally:
            for holder in holders:
                holder.close()
            change.join()
        self.write()
        self.assert_query()
        self.check_tables()
        if self.outcome is None:
            assert self.error is None and self.is_done()
            self.assert_stages()
            return stage
        assert self.outcome in ({self.error} if cancel_at is None else {self.error, CANCELED}), self.outcome
        assert self.described() == self.before and not self.is_done()
        return stage


def run(cluster, name, cancel_at=None):
    case = Case(cluster, name)
    try:
        return case.run(cancel_at)
    finally:
        case.close()


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_and_the_way_back_from_it(cluster, name):
    for stage in range(1, run(cluster, name) + 1):
        run(cluster, name, cancel_at=stage)
