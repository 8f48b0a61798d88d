"""Prints what SQLAlchemy finds in a database: `describe.py URL`."""

import sys

import sqlalchemy
from sqlalchemy import MetaData, create_engine, inspect
from sqlalchemy.schema import CreateIndex, CreateTable

engine = create_engine(sys.argv[1])
inspector = inspect(engine)
print("tables", sorted(inspector.get_table_names()))
print("schemas", sorted(inspector.get_schema_names()), inspector.default_schema_name)
print("yard", sorted(inspector.get_table_names("yard")), sorted(inspector.get_sequence_names("yard")))
print("views", inspector.get_view_names())
print("sequences", sorted(inspector.get_sequence_names()))
print("has", inspector.has_table("ships"), inspector.has_table("nothing"))
for name in ("ships", "crew", "every_type", "stamps", "Odd Name", "cargo", "yard.hulls", "yard.ships"):
    schema, _, table = name.rpartition(".")
    for get in (
        inspector.get_columns, inspector.get_pk_constraint, inspector.get_indexes, inspector.get_unique_constraints,
        inspector.get_check_constraints, inspector.get_foreign_keys, inspector.get_table_comment,
    ):
        found = get(table, schema or None)
        if isinstance(found, list):
            for item in found:
                print(name, get.__name__, sorted(item.items(), key=lambda pair: pair[0]))
        else:
            print(name, get.__name__, sorted(found.items()))
metadata = MetaData()
metadata.reflect(engine)
metadata.reflect(engine, schema="yard")
for table in sorted(metadata.tables.values(), key=lambda table: table.fullname):
    print(CreateTable(table).compile(engine))
    for index in sorted(table.indexes, key=lambda index: index.name):
        print(CreateIndex(index).compile(engine))
