-- A series: the shows of one schedule (the nights of a hotel, the slots of a cinema), by which other
-- dates of the same thing are found. A show has at most one; the name is all there is of it.
ALTER TABLE shows
  ADD COLUMN series  text CHECK (series ~ '^[a-z][a-z0-9-]{0,63}$'),
  ADD COLUMN ends_at timestamptz,
  ADD CONSTRAINT show_ends_after_its_start CHECK (ends_at > starts_at);
CREATE INDEX shows_by_series ON shows (series, starts_at, show) WHERE series IS NOT NULL;
