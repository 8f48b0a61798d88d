DROP VIEW @fleet;
