ALTER TABLE @ships RENAME TO @vessels;
