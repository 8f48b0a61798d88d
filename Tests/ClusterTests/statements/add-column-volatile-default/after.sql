SELECT count(*) = count(luck) AND count(DISTINCT luck) > 15 FROM @ships;
