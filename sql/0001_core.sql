-- The core: shows and their tiers, partitions and their committed batches, bookings.
--
-- The tables are the last guard. Nobody but commit_batch (next migration) writes bookings, items,
-- changes and counters; its caller may execute it and nothing else.

CREATE TYPE booking_status AS ENUM
  ('HELD', 'PENDING', 'CONFIRMED', 'CANCELLED', 'EXPIRED', 'FAILED');
COMMENT ON TYPE booking_status IS 'In the order and numbering of base/model.h.';

-- The legal moves of a booking. A trigger refuses any other.
CREATE TABLE legal_moves (
  from_status booking_status NOT NULL,
  to_status   booking_status NOT NULL,
  PRIMARY KEY (from_status, to_status)
);
INSERT INTO legal_moves VALUES
  ('HELD', 'PENDING'), ('HELD', 'CONFIRMED'), ('HELD', 'CANCELLED'), ('HELD', 'EXPIRED'),
  ('PENDING', 'CONFIRMED'), ('PENDING', 'FAILED'), ('PENDING', 'CANCELLED'), ('PENDING', 'EXPIRED'),
  ('CONFIRMED', 'CANCELLED');

-- A partition: a stream, its Redis state, its one allocator. This row is the fence: whoever
-- commits moves `version` by one under its own `epoch`, or raises.
CREATE TABLE partitions (
  partition   integer PRIMARY KEY CHECK (partition > 0),
  epoch       bigint  NOT NULL DEFAULT 0 CHECK (epoch >= 0),
  version     bigint  NOT NULL DEFAULT 0 CHECK (version >= 0),
  cursor      text    NOT NULL DEFAULT '0-0' CHECK (cursor ~ '^[0-9]+-[0-9]+$'),
  now_ms      bigint  NOT NULL DEFAULT 0,             -- the allocator's clock; never runs back
  generation  text    NOT NULL DEFAULT '',            -- namespace in Redis that equals this row
  owner       text    NOT NULL DEFAULT '',            -- who took it last, for people
  heartbeat   timestamptz NOT NULL DEFAULT '-infinity' -- the owner's last sign, database clock
) WITH (fillfactor = 20);

CREATE TABLE shows (
  show              integer PRIMARY KEY CHECK (show > 0),
  slug              text    NOT NULL UNIQUE CHECK (slug ~ '^[a-z][a-z0-9-]{0,63}$'),
  name              text    NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  category          text    NOT NULL DEFAULT 'event' CHECK (category ~ '^[a-z][a-z0-9-]{0,31}$'),
  partition         integer NOT NULL REFERENCES partitions,
  starts_at         timestamptz,
  sales_open_at     timestamptz,                      -- NULL: open as soon as `state` says so
  sales_close_at    timestamptz,                      -- NULL: never closes by time
  state             text    NOT NULL DEFAULT 'open' CHECK (state IN ('draft', 'open', 'closed')),
  max_per_user      integer CHECK (max_per_user > 0),     -- live places; NULL: no limit
  max_per_booking   integer NOT NULL DEFAULT 10 CHECK (max_per_booking BETWEEN 1 AND 1000),
  hold_ms           bigint  NOT NULL DEFAULT 600000 CHECK (hold_ms BETWEEN 1000 AND 86400000),
  hold_ms_max       bigint  NOT NULL DEFAULT 1200000, -- from the hold's beginning, extension included
  currency          text    NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z]{3}$'),
  created_at        timestamptz NOT NULL DEFAULT now(),
  CHECK (hold_ms_max >= hold_ms),
  CHECK (sales_close_at > sales_open_at)
);
CREATE INDEX shows_by_start ON shows (starts_at, show);

-- A tier is a counter now; `kind` leaves numbered seats their place. The sum is invariant 1.
CREATE TABLE tiers (
  show      integer NOT NULL REFERENCES shows,
  tier      integer NOT NULL CHECK (tier BETWEEN 1 AND 32),
  code      text    NOT NULL CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9 _.-]{0,31}$'),
  kind      text    NOT NULL DEFAULT 'counter' CHECK (kind IN ('counter')),
  price     bigint  NOT NULL CHECK (price BETWEEN 0 AND 100000000000),  -- minor units
  capacity  integer NOT NULL CHECK (capacity >= 0),
  available integer NOT NULL CHECK (available >= 0),
  held      integer NOT NULL DEFAULT 0 CHECK (held >= 0),
  pending   integer NOT NULL DEFAULT 0 CHECK (pending >= 0),
  confirmed integer NOT NULL DEFAULT 0 CHECK (confirmed >= 0),
  blocked   integer NOT NULL DEFAULT 0 CHECK (blocked >= 0),
  PRIMARY KEY (show, tier),
  UNIQUE (show, code),
  CONSTRAINT never_oversold CHECK (available + held + pending + confirmed + blocked = capacity)
) WITH (fillfactor = 20);

-- One line inline (tier, quantity, price); a booking of several tiers has tier 0 and its lines in
-- booking_items. `id` is the id of the request that made it (base/id.h): its first four bytes are
-- the show, and fresh ones grow with time, so that the index is written at its right edge.
CREATE TABLE bookings (
  id          uuid    PRIMARY KEY,
  created_ms  bigint  NOT NULL,
  expires_ms  bigint  CHECK (expires_ms > created_ms), -- NULL: was never a hold
  amount      bigint  NOT NULL CHECK (amount >= 0),    -- of what is left, minor units
  fingerprint bigint  NOT NULL,                        -- of the request, to tell a reused key
  show        integer NOT NULL,
  tier        integer NOT NULL CHECK (tier BETWEEN 0 AND 32),
  quantity    integer NOT NULL CHECK (quantity BETWEEN 1 AND 10000),
  price       bigint  NOT NULL CHECK (price >= 0),     -- of one place; 0 where tier is 0
  status      booking_status NOT NULL,
  user_id     text    NOT NULL CHECK (octet_length(user_id) BETWEEN 1 AND 128),
  origin      bytea,                                   -- the booking as first answered, if changed since
  CHECK (status <> 'HELD' OR expires_ms IS NOT NULL),
  CHECK (status <> 'EXPIRED' OR expires_ms IS NOT NULL),
  CHECK (tier = 0 OR amount = quantity * price)
) WITH (fillfactor = 90);
COMMENT ON COLUMN bookings.quantity IS
  'Places that it has, or had when it ended: a whole cancellation and an expiry leave it as it was.';
-- A user's history, and the guard of invariant 6. The hash keeps its entries narrow.
CREATE INDEX bookings_by_user ON bookings (hashtextextended(user_id, 0));

CREATE TABLE booking_items (
  booking  uuid    NOT NULL REFERENCES bookings,
  tier     integer NOT NULL CHECK (tier BETWEEN 1 AND 32),
  quantity integer NOT NULL CHECK (quantity >= 0),
  price    bigint  NOT NULL CHECK (price >= 0),
  PRIMARY KEY (booking, tier)
);

-- Granted requests other than the one that made the booking: one decision per id, for ever.
CREATE TABLE booking_changes (
  request  uuid    PRIMARY KEY,
  booking  uuid    NOT NULL REFERENCES bookings,
  op       smallint NOT NULL,
  at_ms    bigint  NOT NULL,
  answer   bytea   NOT NULL                             -- base/answer.h
);

-- The journal: all answers of one committed batch, kept long enough to publish and to bring back.
CREATE TABLE batches (
  partition integer NOT NULL,                           -- commit_batch has just moved its row
  version   bigint  NOT NULL,
  epoch     bigint  NOT NULL,
  cursor    text    NOT NULL,
  now_ms    bigint  NOT NULL,
  answers   bytea   NOT NULL,                           -- [[id, reply_to, answer], …] as msgpack
  PRIMARY KEY (partition, version)
);

-- Written once, read after a failure at most: not worth compressing while people wait.
ALTER TABLE batches ALTER COLUMN answers SET STORAGE EXTERNAL;

CREATE FUNCTION booking_move_is_legal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM legal_moves m
                 WHERE m.from_status = OLD.status AND m.to_status = NEW.status) THEN
    RAISE EXCEPTION 'a booking may not go from % to %', OLD.status, NEW.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'legal_moves';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER booking_moves BEFORE UPDATE OF status ON bookings
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION booking_move_is_legal();
