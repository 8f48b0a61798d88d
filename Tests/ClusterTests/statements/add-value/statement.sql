ALTER TYPE @mood ADD VALUE 'elated';
