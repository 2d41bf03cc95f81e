-- Prices that step up, and the waiting list.

-- The price of a tier from a share of its capacity on (held, pending and confirmed places count as
-- sold), or from a time on. The last step that holds says the price; where none does, tiers.price.
CREATE TABLE price_steps (
  show          integer NOT NULL,
  tier          integer NOT NULL,
  step          integer NOT NULL CHECK (step BETWEEN 1 AND 16),
  sold_permille integer CHECK (sold_permille BETWEEN 1 AND 1000),
  from_at       timestamptz CHECK (from_at >= '1970-01-01 00:00:00Z' AND from_at < 'infinity'),
  price         bigint  NOT NULL CHECK (price BETWEEN 0 AND 100000000000),
  PRIMARY KEY (show, tier, step),
  FOREIGN KEY (show, tier) REFERENCES tiers,
  CONSTRAINT by_share_or_by_time CHECK (num_nonnulls(sold_permille, from_at) = 1)
);

-- How long an offer to somebody who waits lasts; NULL: as long as a hold.
ALTER TABLE shows ADD COLUMN offer_ms bigint CHECK (offer_ms BETWEEN 1000 AND 86400000);

-- Who waits for places of a tier, or did. `id` is that of the request that joined; an offer is a
-- booking with the same id, and says itself what has become of it.
CREATE TABLE waitlist (
  id        uuid    PRIMARY KEY,
  show      integer NOT NULL,
  tier      integer NOT NULL,
  quantity  integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
  position  bigint  NOT NULL CHECK (position > 0),      -- grows with every one who joins the show
  joined_ms bigint  NOT NULL,
  ended_ms  bigint,                                     -- when it was offered places, or left
  status    text    NOT NULL CHECK (status IN ('WAITING', 'OFFERED', 'LEFT')),
  user_id   text    NOT NULL CHECK (octet_length(user_id) BETWEEN 1 AND 128),
  answer    bytea   NOT NULL,                           -- base/answer.h, to whoever joined
  FOREIGN KEY (show, tier) REFERENCES tiers,
  UNIQUE (show, position),
  CHECK ((status = 'WAITING') = (ended_ms IS NULL))
) WITH (fillfactor = 80);
-- The order, and how many are before somebody.
CREATE UNIQUE INDEX waitlist_order ON waitlist (show, tier, position) WHERE status = 'WAITING';
CREATE UNIQUE INDEX waitlist_once ON waitlist (show, tier, user_id) WHERE status = 'WAITING';

-- Granted requests to leave the list, of those that waited: one decision per id, for ever. Who was
-- offered places and leaves changes a booking (booking_changes).
CREATE TABLE waitlist_changes (
  request uuid   PRIMARY KEY,
  entry   uuid   NOT NULL REFERENCES waitlist,
  at_ms   bigint NOT NULL,
  answer  bytea  NOT NULL
);

-- Goes with commit_batch, in the same statement and behind it. The arrays:
--
--   w_*  who joined
--   o_*  who was offered places: the booking of this id was just made (n_* of commit_batch)
--   l_*  who left while waiting
--
-- The same one may join and then be offered places or leave within one batch.
CREATE FUNCTION commit_waiting(
  p_partition integer, p_epoch bigint, p_version bigint, p_now_ms bigint,
  w_id uuid[], w_show integer[], w_tier integer[], w_quantity integer[], w_position bigint[],
  w_user text[], w_answer bytea[],
  o_id uuid[],
  l_request uuid[], l_entry uuid[], l_answer bytea[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
DECLARE
  affected bigint;
  fits boolean;
BEGIN
  -- commit_batch has moved this row in this transaction, or nothing of it may happen.
  PERFORM FROM partitions
  WHERE partition = p_partition AND epoch = p_epoch AND version = p_version;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'partition % is not at epoch % and version %',
      p_partition, p_epoch, p_version USING ERRCODE = 'US001';
  END IF;

  -- Those who waited before go first, so that who left may join again.
  UPDATE waitlist w
  SET status = CASE WHEN w.id = ANY (o_id) THEN 'OFFERED' ELSE 'LEFT' END, ended_ms = p_now_ms
  WHERE w.id = ANY (o_id || l_entry) AND w.status = 'WAITING';
  GET DIAGNOSTICS affected = ROW_COUNT;
  fits := batch_expects('who waited', affected,
                        (SELECT count(*) FROM unnest(o_id || l_entry) e WHERE e <> ALL (w_id)));

  INSERT INTO waitlist (id, show, tier, quantity, position, joined_ms, ended_ms, status, user_id,
                        answer)
  SELECT w.id, w.show, w.tier, w.quantity, w.position, p_now_ms,
         CASE WHEN w.id = ANY (o_id || l_entry) THEN p_now_ms END,
         CASE WHEN w.id = ANY (o_id) THEN 'OFFERED' WHEN w.id = ANY (l_entry) THEN 'LEFT'
              ELSE 'WAITING' END,
         w.user_id, w.answer
  FROM unnest(w_id, w_show, w_tier, w_quantity, w_position, w_user, w_answer)
       AS w (id, show, tier, quantity, position, user_id, answer);

  -- An offer is what was asked for: the same person, tier and number of places.
  SELECT count(*) INTO affected
  FROM unnest(o_id) o JOIN waitlist w ON w.id = o JOIN bookings b ON b.id = o
  WHERE b.show = w.show AND b.tier = w.tier AND b.user_id = w.user_id AND b.created_ms = p_now_ms
    AND b.expires_ms IS NOT NULL;
  fits := batch_expects('offers', affected, cardinality(o_id));

  INSERT INTO waitlist_changes (request, entry, at_ms, answer)
  SELECT l.request, l.entry, p_now_ms, l.answer
  FROM unnest(l_request, l_entry, l_answer) AS l (request, entry, answer);
END $$;

REVOKE ALL ON FUNCTION commit_waiting FROM PUBLIC;
GRANT EXECUTE ON FUNCTION commit_waiting TO usher_allocator;
GRANT SELECT ON price_steps, waitlist, waitlist_changes TO usher_allocator;
GRANT SELECT ON price_steps, waitlist, waitlist_changes TO usher_gateway;
