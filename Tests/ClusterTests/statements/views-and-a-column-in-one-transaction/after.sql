SELECT count(*) = 20 AND min(flag) = 'x' AND (SELECT count(*) = 0 FROM @sailors) FROM @fleet;
