SELECT count(*) = 0 FROM @ships WHERE share <> owner * 1.5;
