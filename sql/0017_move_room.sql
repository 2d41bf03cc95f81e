-- A show with a waiting room moves too. What is true of a room stands in its row; its numbers are
-- counted in its partition's Redis, and whoever owns the show's new partition fetches them from
-- there (allocator/arrival.c).

-- The partition under whose keys the numbers are still counted; NULL: the show's own. While it is
-- another one, nobody moves the room on.
ALTER TABLE rooms ADD COLUMN counted_in integer REFERENCES partitions;

-- Its numbers are with the show, or given up: what was reserved and not given is skipped. From here
-- on nobody looks for them where they were.
CREATE FUNCTION room_arrived(p_partition integer, p_epoch bigint, p_show integer)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM FROM partitions WHERE partition = p_partition AND epoch = p_epoch FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'partition % has another owner', p_partition USING ERRCODE = 'US001';
  END IF;
  UPDATE rooms r SET counted_in = NULL
  FROM shows s WHERE r.show = p_show AND s.show = r.show AND s.partition = p_partition;
END $$;

-- As in 0010_room.sql, but of a room that is not here, or not yet, it is said that it is elsewhere
-- (US003): that is no reason to give up the partition.
CREATE OR REPLACE FUNCTION advance_room(
  p_partition integer, p_epoch bigint, p_show integer, p_issued_upto integer, p_serving integer,
  p_marks text, p_active boolean, p_opened_ms bigint, p_arrivals integer)
RETURNS bytea LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  opened bytea;
BEGIN
  PERFORM FROM partitions WHERE partition = p_partition AND epoch = p_epoch FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'partition % has another owner', p_partition USING ERRCODE = 'US001';
  END IF;
  UPDATE rooms r
  SET issued_upto = p_issued_upto, serving = p_serving, marks = p_marks,
      active = CASE r.mode WHEN 'auto' THEN p_active ELSE r.active END,
      opened_ms = p_opened_ms, arrivals = p_arrivals,
      key = CASE WHEN p_opened_ms IS NOT NULL
                 THEN (SELECT k.key FROM room_keys k WHERE k.show = r.show) END
  FROM shows s
  WHERE r.show = p_show AND s.show = r.show AND s.partition = p_partition AND r.counted_in IS NULL
  RETURNING r.key INTO opened;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'show % has no waiting room in partition %', p_show, p_partition
      USING ERRCODE = 'US003';
  END IF;
  RETURN opened;
END $$;

-- {"to": partition}. What it does to the partitions is commit_admin's.
CREATE OR REPLACE FUNCTION admin_move_show(p_show integer, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  wanted integer := (p_settings ->> 'to')::integer;
  was shows := admin_show_row(p_show);
BEGIN
  IF wanted IS NULL OR wanted = was.partition THEN
    PERFORM admin_refuses('"to" must be another partition than its own');
  END IF;
  IF NOT EXISTS (SELECT FROM partitions WHERE partition = wanted
                 AND heartbeat > clock_timestamp() - interval '10 seconds') THEN
    PERFORM admin_refuses('That partition is not there, or no allocator has it now');
  END IF;
  IF EXISTS (SELECT FROM rooms WHERE show = p_show AND counted_in IS NOT NULL) THEN
    PERFORM admin_refuses('Its waiting room has not arrived yet from where it was: try again in a moment');
  END IF;
  UPDATE rooms SET counted_in = was.partition WHERE show = p_show;
  UPDATE shows SET partition = wanted WHERE show = p_show;
  RETURN (p_show, jsonb_build_object('partition', was.partition),
          jsonb_build_object('partition', wanted))::admin_change;
END $$;

REVOKE ALL ON FUNCTION room_arrived FROM PUBLIC;
GRANT EXECUTE ON FUNCTION room_arrived TO usher_allocator;
