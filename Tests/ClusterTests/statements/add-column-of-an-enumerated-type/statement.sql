ALTER TABLE @ships ADD COLUMN was @mood NOT NULL DEFAULT 'sad' CHECK (was <> 'ok');
