-- The rivals' tables, as the documents have them (shows and bookings; the counter in the show's
-- row). One index serves a user's history, as usher's own does. Fillfactor, because a row that
-- is updated all the time wants room on its page: tuned, not crippled.
DROP TABLE IF EXISTS bookings, shows, seat_holds, seats;
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

-- Numbered seats: the second document's seats and seat_holds, without the foreign key and the
-- unique seat number (they would only cost it time), with room for the one update of each row.
CREATE TABLE seats (
  id          integer PRIMARY KEY,
  event_id    integer NOT NULL,
  seat_number integer NOT NULL,
  status      text    NOT NULL DEFAULT 'available'
              CHECK (status IN ('available', 'held', 'booked')),
  created_at  timestamptz DEFAULT now()
) WITH (fillfactor = 50);
CREATE TABLE seat_holds (
  id         bigserial PRIMARY KEY,
  seat_id    integer NOT NULL,
  user_email text    NOT NULL,
  expires_at timestamptz NOT NULL,
  created_at timestamptz DEFAULT now()
);
CREATE INDEX seat_holds_by_user ON seat_holds (hashtextextended(user_email, 0));
