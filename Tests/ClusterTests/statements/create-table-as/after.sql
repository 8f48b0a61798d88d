SELECT count(*) = 20 AND sum(id) = 210 AND count(DISTINCT loud) = 20 FROM @crew;
