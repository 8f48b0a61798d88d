"""psql's backslash commands say what they say of PostgreSQL 15 (catalog/generate), or at least fail not."""

import pathlib
import subprocess

import pytest

CATALOG = pathlib.Path(__file__).parent / "catalog"


def command(host, port, text):
    done = subprocess.run(
        ["psql", "-X", "-h", host, "-p", str(port), "-U", "root", "defaultdb", "-c", text], capture_output=True, text=True,
        timeout=60)
    return done.stdout + done.stderr


def answers(host, port, name):
    """Each command of a list with what psql prints for it."""
    commands = (CATALOG / name).read_text().splitlines()
    return "".join(f"### {text}\n{command(host, port, text)}" for text in commands)


@pytest.fixture(scope="module")
def described(cluster):
    host, port = cluster.address()
    subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", str(port), "-U", "root", "defaultdb", "-f",
         CATALOG / "setup.sql"], check=True, timeout=120)
    return host, port


def test_backslash_commands_print_what_they_print_of_postgresql(described):
    expected = (CATALOG / "psql.expected").read_text().split("### ")
    actual = answers(*described, "same.txt").split("### ")
    different = [f"wanted {wanted}\ngot {got}" for wanted, got in zip(expected, actual) if wanted != got]
    assert not different, "\n".join(different)
    assert len(actual) == len(expected) > 50


def test_commands_about_what_differs_work(described):
    """Sizes, settings of the server, and what PostgreSQL brings along."""
    for part in answers(*described, "other.txt").split("### ")[1:]:
        assert "ERROR" not in part, part


def test_verbose_lists_name_everything(described):
    shown = command(*described, r"\dt+")
    assert [line.split("|")[1].strip() for line in shown.splitlines()[3:-2]] == [
        "Odd Name", "cargo", "crew", "every_type", "ships", "stamps"]


def test_casts_to_names_and_back(cluster, described):
    number = cluster.execute("SELECT 'ships'::regclass::oid")[0][0]
    assert cluster.execute(f"SELECT {number}::regclass::text, to_regclass('nothing')") == [("ships", None)]
    assert cluster.execute("SELECT 'int4'::regtype::text, 25::regtype::text") == [("integer", "text")]
    assert cluster.execute("SELECT count(*) FROM ships WHERE name = ANY(%s)", parameters=(["a", "b"],)) == [(0,)]
    assert cluster.execute("SELECT relname FROM pg_class WHERE oid = %s::regclass", parameters=("ships",)) == [("ships",)]


def test_an_index_that_no_query_uses_says_so(cluster, described):
    cluster.execute("CREATE INDEX stamps_berth ON stamps (berth) WITH (visible = false)")
    try:
        assert '"stamps_berth" btree (berth) WITH (visible=\'false\')' in command(*described, r"\d stamps")
        assert cluster.execute("SELECT reloptions FROM pg_class WHERE relname = 'stamps_berth'") == [(["visible=false"],)]
    finally:
        cluster.execute("DROP INDEX stamps_berth")


def test_numbers_are_found_in_arrays_of_any_kind(cluster):
    from decimal import Decimal

    rows = "(VALUES (1::int8, 1.50), (70000, 2)) t (id, price)"
    assert cluster.execute(f"SELECT id FROM {rows} WHERE id = ANY(%s)", parameters=([1, 2],)) == [(1,)]
    assert cluster.execute(f"SELECT id FROM {rows} WHERE id <> ALL(%s)", parameters=([1, 2],)) == [(70000,)]
    assert cluster.execute(f"SELECT id FROM {rows} WHERE price = ANY(%s)", parameters=([Decimal("1.5")],)) == [(1,)]
    assert cluster.execute(f"SELECT id FROM {rows} WHERE price = ANY(%s)", parameters=([2.0],)) == [(70000,)]


def test_types_are_fetched_by_name(cluster):
    import psycopg.types

    with cluster.connect() as connection:
        assert psycopg.types.TypeInfo.fetch(connection, "hstore") is None
        assert psycopg.types.TypeInfo.fetch(connection, "int4").oid == 23
