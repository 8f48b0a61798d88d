ALTER TYPE @mood RENAME TO @temper;
