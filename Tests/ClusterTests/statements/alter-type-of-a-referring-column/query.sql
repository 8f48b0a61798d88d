SELECT count(*) = 0 FROM @crew LEFT JOIN @ships ON @ships.id = @crew.ship WHERE @crew.ship IS NOT NULL AND @ships.id IS NULL;
