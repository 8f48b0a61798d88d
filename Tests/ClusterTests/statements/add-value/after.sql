SELECT max(e) = 'elated' FROM (VALUES ('elated'::@mood), ('happy')) AS v(e);
