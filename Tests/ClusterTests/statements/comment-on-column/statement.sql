COMMENT ON COLUMN @ships.name IS 'painted on';
