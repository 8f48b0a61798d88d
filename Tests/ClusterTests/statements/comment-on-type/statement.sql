COMMENT ON TYPE @mood IS 'how it feels';
