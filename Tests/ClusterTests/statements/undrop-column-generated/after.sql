SELECT count(*) = 0 FROM @ships WHERE port IS DISTINCT FROM owner * 2;
