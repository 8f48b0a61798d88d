UNDROP COLUMN name ON @ships;
