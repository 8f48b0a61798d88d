SELECT count(*) = 0 FROM @ships WHERE double IS DISTINCT FROM owner * 2;
