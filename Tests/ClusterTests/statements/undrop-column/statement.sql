UNDROP COLUMN port ON @ships;
