SELECT count(*) = 20 AND count(*) FILTER (WHERE mood < 'happy') = 13 FROM @ships WHERE id <= 20;
