-- The rivals' tables, as the documents have them (shows and bookings; the counter in the show's
-- row). One index serves a user's history, as usher's own does. Fillfactor, because a row that
-- is updated all the time wants room on its page: tuned, not crippled.
DROP TABLE IF EXISTS bookings, shows;
CREATE TABLE shows (
  id             integer PRIMARY KEY,
  total_seats    integer NOT NULL,
  reserved_seats integer NOT NULL DEFAULT 0,
  version        bigint  NOT NULL DEFAULT 0,
  CHECK (reserved_seats BETWEEN 0 AND total_seats)
) WITH (fillfactor = 20);
CREATE TABLE bookings (
  id         bigserial PRIMARY KEY,
  show_id    integer NOT NULL,
  user_name  text    NOT NULL,
  seats      integer NOT NULL,
  status     text    NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX bookings_by_user ON bookings (hashtextextended(user_name, 0));
