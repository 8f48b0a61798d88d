SELECT 'meh'::@mood < 'ok' AND 'meh'::@mood > 'sad';
