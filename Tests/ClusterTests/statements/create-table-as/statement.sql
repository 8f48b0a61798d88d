CREATE TABLE @crew AS SELECT id, upper(name) AS loud, owner * 2 AS twice FROM @ships WHERE id <= 20;
