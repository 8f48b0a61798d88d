"""What a cell must look like in the end."""

import psycopg

from cell import FIRST_PIN, Wrong, catalog, names
from changes import ROWS_OF_TRANSACTION

QUERY_CANCELED = "57014"
SERIALIZATION_FAILURE = "40001"


def check(cell, job, expected_after):
    """Answers "done" or "reverted"; throws `Wrong` when the change, the rows or an answer are not as they must be."""
    change, answer = cell.change, cell.changer.result
    if job["state"] == "succeeded":
        outcome, expected = "done", expected_after
    elif job["state"] in ("failed", "canceled"):
        outcome, expected = "reverted", cell.before
    else:
        raise Wrong(f"the job is {job['state']}")
    _check_end(cell, job, outcome)
    emptied_at = job["finished"].timestamp() if outcome == "done" and change.empties_table else None
    if outcome == "done" and answer != "":
        raise Wrong(f"the change is public, its client was told {answer} {cell.changer.error}")
    if outcome == "reverted" and answer != job["error"][:5]:
        raise Wrong(f"the job ended with {job['error']}, its client was told {answer!r} {cell.changer.error}")
    for gateway in (1, 2):
        with cell.ship.connect(gateway) as connection:
            found = catalog(connection, cell.table)
            if found != expected:
                raise Wrong(f"gateway {gateway} shows\n{found}\nafter {job['state']}, expected was\n{expected}")
            if found:
                _check_rows(cell, connection, outcome, emptied_at)
    _check_clients(cell, outcome)
    return outcome


def _check_end(cell, job, outcome):
    change, cancel = cell.change, cell.canceler.outcome if cell.canceler else None
    if cancel in ("failed", "unanswered"):
        raise Wrong(f"CANCEL JOB: {cancel}: {cell.canceler.error}")
    code = job["error"][:5]
    if outcome == "reverted" and code == QUERY_CANCELED:
        if cancel not in ("accepted", "unknown"):
            raise Wrong("the job was canceled, but nobody asked for it")
    elif outcome == "reverted" and code == SERIALIZATION_FAILURE:
        # Its rows are nowhere else before they are committed.
        if change.transaction_rows is None or cell.spec.role != "gateway with the client":
            raise Wrong(f"the job went back because of {job['error']}, its gateway was not hit")
    elif outcome == "reverted" and code != change.error:
        raise Wrong(f"the job went back because of {job['error']}")
    elif outcome == "done" and change.error:
        raise Wrong(f"public in spite of {change.error}")
    elif cancel == "accepted" and code != QUERY_CANCELED:
        raise Wrong(f"CANCEL JOB was accepted, but the job is {job['state']} {job['error']}")


def _check_rows(cell, connection, outcome, emptied_at):
    change = cell.change
    table = change.renamed.format(t=cell.table) if change.renamed and outcome == "done" else cell.table
    for (name,) in connection.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE tablename = ANY(%s)",
            (list(names(cell.table)),)).fetchall():
        wrong = [row for row in connection.execute(f"CHECK TABLE {name}").fetchall() if not row[3] or row[1] != row[2]]
        if wrong:
            raise Wrong(f"indexes and rows of {name} differ: {wrong}")
    _check_transaction(cell, connection, outcome)
    if outcome == "done" and change.wrong_rows:
        count = connection.execute(change.wrong_rows.format(t=table, rows=cell.rows)).fetchone()[0]
        if count:
            raise Wrong(f"{count} rows are wrong: {change.wrong_rows}")
    if change.makes_table:
        return
    kept = connection.execute(f"SELECT count(*) FROM {table} WHERE id <= 1000000").fetchone()[0]
    if emptied_at is not None and kept:
        raise Wrong(f"{kept} rows are there that the table was emptied of")
    if emptied_at is None and kept != cell.rows:
        raise Wrong(f"LOST: {kept} of {cell.rows} rows are left")
    there = {row[0] for row in connection.execute(f"SELECT id FROM {table} WHERE id >= {FIRST_PIN}").fetchall()}
    for pin in cell.pins:
        if not pin.may_be(pin.row in there):
            raise Wrong(f"a transaction {pin.outcome} ({pin.error}), its row is{'' if pin.row in there else ' not'} there")
    written = dict(connection.execute(
        f"SELECT id, v FROM {table} WHERE id >= {cell.writers.first_id} AND id < {FIRST_PIN}").fetchall())
    if emptied_at is not None:
        acknowledged = cell.writers.acknowledged_at
        old = [row for row, value in written.items() if acknowledged.get(value, cell.changer.sent) < cell.changer.sent]
        if old:
            raise Wrong(f"{len(old)} rows are there that the table was emptied of: {old[:5]}")
    lost = cell.writers.lost(written, emptied_at)
    if lost:
        raise Wrong(f"LOST: {len(lost)} rows are not what was acknowledged: {lost[:5]}")
    invented = sorted(set(written) - set(cell.writers.possible))
    if invented:
        raise Wrong(f"LOST: rows nobody wrote: {invented[:5]}")


def _check_transaction(cell, connection, outcome):
    """All of its rows come with its schema changes, or none."""
    change = cell.change
    if change.transaction_rows is None or (outcome == "reverted" and "{t}_b" not in "".join(change.setup)):
        return
    count = connection.execute(cell.sql(change.transaction_rows)).fetchone()[0]
    if count != (ROWS_OF_TRANSACTION if outcome == "done" else 0):
        raise Wrong(f"{'LOST: ' if outcome == 'done' else ''}{count} rows of the transaction are there, its job is {outcome}")


def _check_clients(cell, outcome):
    if cell.writers is None:
        return
    if cell.writers.failures:
        raise Wrong(f"clients were told: {cell.writers.failures[:3]}")
    if cell.disturbed_before:
        raise Wrong(f"clients were disturbed before any process was hit: {cell.disturbed_before[:3]}")
    if cell.writers.is_gone and outcome != "done":
        raise Wrong("clients were told that the table is gone")
    if any(pin.outcome == "failed" for pin in cell.pins):
        raise Wrong(f"transactions were told: {[pin.error for pin in cell.pins if pin.outcome == 'failed']}")
    if any(pin.outcome != "committed" for pin in cell.pins[:-1]):
        raise Wrong(f"a transaction was disturbed before any process was hit: {[pin.error for pin in cell.pins[:-1]]}")
