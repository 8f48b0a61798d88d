BEGIN; ALTER TABLE @ships ADD COLUMN tons int8 DEFAULT 7; COMMENT ON COLUMN @ships.tons IS 'empty'; COMMENT ON TABLE @ships IS 'what sails'; COMMIT;
