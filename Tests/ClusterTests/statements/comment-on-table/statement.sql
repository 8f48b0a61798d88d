COMMENT ON TABLE @ships IS 'what sails';
