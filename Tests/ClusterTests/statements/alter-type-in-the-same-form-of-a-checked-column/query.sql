SELECT count(*) = 20 FROM @ships WHERE id <= 20 AND upper(tag) = 'T' AND tag <> 'z';
