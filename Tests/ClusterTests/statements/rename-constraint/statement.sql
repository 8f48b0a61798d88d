ALTER TABLE @ships RENAME CONSTRAINT @owned TO @possessed;
