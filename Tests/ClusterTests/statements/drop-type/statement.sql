DROP TYPE @weather;
