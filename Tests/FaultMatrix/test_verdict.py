"""The matrix can fail: what a fault must not do is done here on purpose, and the verdict has to name it."""

import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent)]

import changes  # noqa: E402
import matrix  # noqa: E402
from changes import FIRST_OF_TRANSACTION  # noqa: E402
from batch import Batch  # noqa: E402
from cell import FIRST_PIN, Spec  # noqa: E402
from ship import Fault, Ship  # noqa: E402

NAMES = ["CREATE INDEX", "CREATE UNIQUE INDEX", "ADD COLUMN with DEFAULT", "TRUNCATE", "BEGIN"]
ROWS_AND_INDEX = "BEGIN … COMMIT of rows and an index"
ROWS_OVER_DUPLICATES = "BEGIN … COMMIT of rows and an index over duplicates"
NOTHING = Fault("nothing", 0.2, lambda ship, member: None, lambda ship, member: None)


@pytest.fixture(scope="module")
def aboard():
    ship = Ship("matrix-verdict")
    try:
        ship.start()
        yield ship, *matrix.learn(ship, NAMES)
    finally:
        ship.stop()


def judge(aboard, name, tamper=lambda cell: None, cancel=False):
    """The result of an undisturbed cell in the first phase of a change."""
    ship, phases_of, expected = aboard
    change = next(change for change in changes.CHANGES if change.name == name)
    batch = Batch(ship, [Spec(change, phases_of[name][0], "aggregator", "nothing", cancel)], NOTHING, expected)
    batch.tamper = tamper
    return batch.run()[0]


def statement(text):
    return lambda cell: cell.ship.execute(text.format(t=cell.table, row=next(
        (row for row, values in (cell.writers.possible if cell.writers else {}).items() if values != {None}), 0)))


def test_undisturbed_changes_pass(aboard):
    assert judge(aboard, "CREATE INDEX").outcome == "done"
    assert judge(aboard, "CREATE INDEX", cancel=True).outcome == "reverted"
    assert judge(aboard, "CREATE UNIQUE INDEX over duplicates").outcome == "reverted"
    assert judge(aboard, "TRUNCATE").outcome == "done"
    assert judge(aboard, ROWS_AND_INDEX).outcome == "done"
    assert judge(aboard, ROWS_AND_INDEX, cancel=True).outcome == "reverted"
    assert judge(aboard, ROWS_OVER_DUPLICATES).outcome == "reverted"


@pytest.mark.parametrize("text, complaint", [
    ("DELETE FROM {t} WHERE id = {row}", "LOST"),
    ("UPDATE {t} SET v = 'other' WHERE id = {row}", "LOST"),
    ("INSERT INTO {t} (id, k) VALUES (11000000, 1)", "nobody wrote"),
    ("DELETE FROM {t} WHERE id = 1", "LOST"),
    (f"DELETE FROM {{t}} WHERE id = {FIRST_PIN}", "a transaction committed"),
    ("ALTER TABLE {t} ADD COLUMN oops int8", "shows"),
    ("DROP INDEX {t}_i", "shows"),
])
def test_damage_is_found(aboard, text, complaint):
    result = judge(aboard, "CREATE INDEX", statement(text))
    assert result.outcome == "failed" and complaint in result.note


def test_a_change_half_undone_is_found(aboard):
    result = judge(aboard, "CREATE INDEX", statement("CREATE INDEX {t}_i ON {t} (k)"), cancel=True)
    assert result.outcome == "failed" and "after canceled" in result.note


def test_wrong_defaults_are_found(aboard):
    result = judge(aboard, "ADD COLUMN with DEFAULT", statement("UPDATE {t} SET c = 8 WHERE id = 1"))
    assert result.outcome == "failed" and "rows are wrong" in result.note


@pytest.mark.parametrize("text, complaint", [
    ("DELETE FROM {t} WHERE id = {row}", "LOST"),
    ("UPDATE {t} SET v = 'other' WHERE id = {row}", "LOST"),
    ("INSERT INTO {t} (id, k) VALUES (1, 1)", "was emptied of"),
    ("UPDATE {t} SET v = '{old}' WHERE id = {row}", "was emptied of"),
])
def test_rows_of_an_emptied_table_are_told_apart(aboard, text, complaint):
    def tamper(cell):
        times = cell.writers.sent_at
        there = dict(cell.ship.execute(f"SELECT id, v FROM {cell.table}"))
        last = max(there, key=lambda row: times[there[row]])
        cell.ship.execute(text.format(t=cell.table, row=last, old=min(times, key=times.get)))

    result = judge(aboard, "TRUNCATE", tamper)
    assert result.outcome == "failed" and complaint in result.note


@pytest.mark.parametrize("name, text, complaint", [
    (ROWS_AND_INDEX, f"DELETE FROM {{t}}_b WHERE id = {FIRST_OF_TRANSACTION}", "LOST: 19999 rows of the transaction"),
    (ROWS_OVER_DUPLICATES, f"INSERT INTO {{t}}_b VALUES ({FIRST_OF_TRANSACTION}, 1)", "1 rows of the transaction"),
    (ROWS_OVER_DUPLICATES, "ALTER TABLE {t} ADD COLUMN c int8 DEFAULT 7", "after failed"),
])
def test_half_a_transaction_is_found(aboard, name, text, complaint):
    result = judge(aboard, name, statement(text))
    assert result.outcome == "failed" and complaint in result.note


def test_a_wrong_answer_is_found(aboard):
    def tamper(cell):
        cell.changer.result = "XX000"

    assert "its client was told XX000" in judge(aboard, "CREATE INDEX", tamper).note
