ALTER TABLE @ships RENAME COLUMN owner TO holder;
