SELECT count(*) = 1 FROM @ships WHERE upper(name) = 'SHIP-7';
