ALTER TABLE @ships ALTER COLUMN owner TYPE text USING 'owner-' || owner;
