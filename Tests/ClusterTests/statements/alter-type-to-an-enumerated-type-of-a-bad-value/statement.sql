ALTER TABLE @ships ALTER COLUMN word TYPE @mood USING word::@mood;
