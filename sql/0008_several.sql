-- Which bookings one request for several shows made: one for each show, the first one under the
-- request's own id. Each is a booking like any other from then on. The answer is kept whole, so that
-- the request is answered the same for ever.
CREATE TABLE request_bookings (
  request  uuid     NOT NULL REFERENCES bookings,
  position smallint NOT NULL CHECK (position > 0),
  booking  uuid     NOT NULL UNIQUE REFERENCES bookings,
  answer   bytea,                                       -- base/answer.h; of the first
  PRIMARY KEY (request, position),
  CHECK ((position = 1) = (booking = request)),
  CHECK ((position = 1) = (answer IS NOT NULL))
);

-- Goes with commit_batch (0002_commit.sql), in the same statement and behind it: the bookings are
-- there, and the partition's row has moved to exactly this version.
CREATE FUNCTION commit_several(
  p_partition integer, p_epoch bigint, p_version bigint, p_now_ms bigint,
  v_request uuid[], v_position integer[], v_booking uuid[], v_answer bytea[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM partitions p WHERE p.partition = p_partition AND p.epoch = p_epoch
                 AND p.version = p_version) THEN
    RAISE EXCEPTION 'partition % is not at version % of epoch %', p_partition, p_version, p_epoch
      USING ERRCODE = 'US001';
  END IF;
  INSERT INTO request_bookings (request, position, booking, answer)
  SELECT * FROM unnest(v_request, v_position, v_booking, v_answer);
END $$;

REVOKE ALL ON FUNCTION commit_several FROM PUBLIC;
GRANT EXECUTE ON FUNCTION commit_several TO usher_allocator;
GRANT SELECT ON request_bookings TO usher_allocator, usher_gateway;
