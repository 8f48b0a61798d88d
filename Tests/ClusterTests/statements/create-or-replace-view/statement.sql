CREATE OR REPLACE VIEW @fleet AS SELECT id, name, port FROM @ships WHERE id <= 20;
