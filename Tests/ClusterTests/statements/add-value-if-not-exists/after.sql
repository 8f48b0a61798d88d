SELECT 'elated'::@mood > 'happy';
