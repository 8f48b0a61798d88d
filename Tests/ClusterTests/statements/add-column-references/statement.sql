ALTER TABLE @ships ADD COLUMN captain int8 REFERENCES @crew;
