-- Several databases. A partition's truth lies in one of them: the one that is *home*, which all
-- programs are told of, or another, to which home's row of that partition only points.
--
-- This database is the row '' of `databases`; at home there is one more for each other database. Who
-- has one database has one row, with all numbers, and nothing else is different for them.

CREATE TABLE databases (
  dsn        text PRIMARY KEY
    CONSTRAINT dsn_is_short CHECK (octet_length(dsn) <= 1000 AND dsn !~ '[[:cntrl:]]')
    CONSTRAINT dsn_is_one CHECK (dsn = '' OR dsn ~ '^postgres(ql)?://' OR dsn ~ '^[^/]*=')
    -- The programs have their own; usherctl looks more closely, with libpq's eyes.
    CONSTRAINT dsn_has_no_password
      CHECK (dsn !~* 'password[[:space:]]*=' AND dsn !~ '^[a-z]+://[^/@]*:[^/@]*@'),
  id         uuid UNIQUE,            -- NULL while it is the only one
  home       uuid,                   -- whose database this one is; NULL: this is home
  first_show integer NOT NULL,       -- the numbers that its shows have
  last_show  integer NOT NULL,
  CONSTRAINT shows_have_numbers
    CHECK (first_show > 0 AND first_show <= last_show AND last_show < 2147483647),
  CONSTRAINT numbers_are_of_one_database
    EXCLUDE USING gist (int4range(first_show, last_show, '[]') WITH &&),
  CONSTRAINT others_are_known CHECK (dsn = '' OR id IS NOT NULL AND home IS NULL)
);
INSERT INTO databases (dsn, first_show, last_show) VALUES ('', 1, 2147483646);

-- What a pointer says of its partition is nothing; so it cannot be claimed or committed to, by
-- whatever function, nor can a show be handed over to it. This is looked at with every batch, and a
-- constraint costs by the length of its text: hence no more than what a claim or a commit moves.
ALTER TABLE partitions
  ADD COLUMN dsn text NOT NULL DEFAULT '' REFERENCES databases ON UPDATE CASCADE,
  ADD CONSTRAINT pointer_has_no_owner CHECK (dsn = '' OR epoch + version = 0);
COMMENT ON COLUMN partitions.dsn IS
  'Where this partition''s truth lies: '''' here; else this row is a pointer to that database''s row.';

-- What is wanted of the wrong database, in a sentence (as admin_refuses says it).
CREATE FUNCTION partition_is_at_home() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  is_home boolean := (SELECT home IS NULL FROM databases WHERE dsn = '');
BEGIN
  IF TG_OP = 'UPDATE' AND (OLD.dsn = '') <> (NEW.dsn = '') THEN
    PERFORM admin_refuses(format('Partition %s stays in its database', NEW.partition));
  END IF;
  -- A number is a partition's everywhere, in Redis too; home alone can tell whether it is free.
  IF TG_OP = 'INSERT' AND NOT is_home
     AND current_setting('usher.joins', true) IS DISTINCT FROM NEW.partition::text
     AND NOT EXISTS (SELECT FROM partitions WHERE partition = NEW.partition) THEN
    PERFORM admin_refuses('This database belongs to another one, and partitions are added there');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER partition_is_at_home BEFORE INSERT OR UPDATE OF dsn ON partitions
  FOR EACH ROW EXECUTE FUNCTION partition_is_at_home();

-- A show's number says whose it is, since the ids of its bookings carry it and nothing else. The
-- row is locked so that numbers which are just given away are not used meanwhile.
CREATE FUNCTION show_is_at_home() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  here databases;
BEGIN
  SELECT * INTO here FROM databases WHERE dsn = '' FOR SHARE;
  IF NEW.show NOT BETWEEN here.first_show AND here.last_show THEN
    PERFORM admin_refuses(format('Shows of this database have numbers from %s to %s, not %s',
                                 here.first_show, here.last_show, NEW.show));
  END IF;
  IF EXISTS (SELECT FROM partitions WHERE partition = NEW.partition AND dsn <> '') THEN
    PERFORM admin_refuses(format('Partition %s is in another database', NEW.partition));
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER show_is_at_home BEFORE INSERT OR UPDATE OF show, partition ON shows
  FOR EACH ROW EXECUTE FUNCTION show_is_at_home();

-- The number of the next show that is made here.
CREATE FUNCTION next_show() RETURNS integer LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT greatest((SELECT max(show) FROM shows), first_show - 1) + 1 FROM databases WHERE dsn = ''
$$;

-- As in 0009_admin.sql, but for where the number comes from.
CREATE OR REPLACE FUNCTION admin_create_show(p_settings jsonb) RETURNS admin_change
LANGUAGE plpgsql AS $$
DECLARE
  s shows := jsonb_populate_record(NULL::shows, p_settings - '{tiers,show}'::text[]);
BEGIN
  s.show := coalesce((p_settings ->> 'show_id')::integer, next_show());
  IF NOT EXISTS (SELECT FROM partitions WHERE partition = s.partition) THEN
    PERFORM admin_refuses('There is no such partition');
  END IF;
  INSERT INTO shows (show, slug, name, category, partition, starts_at, ends_at, sales_open_at,
    sales_close_at, state, max_per_user, max_per_booking, hold_ms, hold_ms_max, offer_ms, currency,
    series, payment)
  VALUES (s.show, s.slug, s.name, coalesce(s.category, 'event'), s.partition, s.starts_at,
    s.ends_at, s.sales_open_at, s.sales_close_at, coalesce(s.state, 'draft'), s.max_per_user,
    coalesce(s.max_per_booking, 10), coalesce(s.hold_ms, 600000),
    coalesce(s.hold_ms_max, 2 * coalesce(s.hold_ms, 600000)), s.offer_ms,
    coalesce(s.currency, 'USD'), s.series, coalesce(s.payment, 'optional'));
  PERFORM admin_insert_tiers(s.show, p_settings -> 'tiers');
  RETURN (s.show, NULL, jsonb_build_object('show', s.slug, 'show_id', s.show, 'partition',
          s.partition, 'state', coalesce(s.state, 'draft')))::admin_change;
END $$;

-- Adding a database is usherctl's (partition add --dsn), in steps that may each be done again.

-- Home has a name from now on, by which it is known that a database is its own, or is itself.
CREATE FUNCTION name_home() RETURNS uuid LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  here databases;
BEGIN
  UPDATE databases SET id = coalesce(id, gen_random_uuid()) WHERE dsn = '' RETURNING * INTO here;
  IF here.home IS NOT NULL THEN
    PERFORM admin_refuses('This database belongs to another one, and partitions are added there');
  END IF;
  RETURN here.id;
END $$;

-- At home: the database's row. A new one has 16,777,216 numbers of home's last ones.
CREATE FUNCTION reserve_database(p_dsn text) RETURNS databases LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  here databases;
  found_row databases;
BEGIN
  SELECT * INTO here FROM databases WHERE dsn = '' FOR UPDATE;
  SELECT * INTO found_row FROM databases WHERE dsn = p_dsn AND dsn <> '';
  IF FOUND THEN
    RETURN found_row;
  END IF;
  IF (SELECT count(*) FROM databases) >= 16 THEN
    PERFORM admin_refuses('There are 16 databases, which is as many as there can be');
  END IF;
  IF greatest((SELECT max(show) FROM shows), 0) > here.last_show - 16777216 THEN
    PERFORM admin_refuses('Shows at home have numbers that another database would need');
  END IF;
  UPDATE databases SET last_show = last_show - 16777216 WHERE dsn = '';
  INSERT INTO databases (dsn, id, first_show, last_show)
  VALUES (p_dsn, gen_random_uuid(), here.last_show - 16777215, here.last_show)
  RETURNING * INTO found_row;
  RETURN found_row;
END $$;

-- In the other one: it is home's from now on, and has this partition.
CREATE FUNCTION join_home(p_home uuid, p_id uuid, p_first integer, p_last integer,
                          p_partition integer)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  here databases;
BEGIN
  SELECT * INTO here FROM databases WHERE dsn = '' FOR UPDATE;
  IF here.id = p_home THEN
    PERFORM admin_refuses('That database is home itself');
  ELSIF here.home <> p_home OR here.id <> p_id AND here.home IS NULL THEN
    PERFORM admin_refuses('That database belongs to another home');
  ELSIF here.id <> p_id THEN
    PERFORM admin_refuses('That database is known at home under another DSN');
  ELSIF here.id IS NULL AND (EXISTS (SELECT FROM partitions) OR EXISTS (SELECT FROM shows)) THEN
    PERFORM admin_refuses('That database has partitions or shows of its own');
  END IF;
  UPDATE databases SET id = p_id, home = p_home, first_show = p_first, last_show = p_last
  WHERE dsn = '';
  PERFORM set_config('usher.joins', p_partition::text, true);
  INSERT INTO partitions (partition) VALUES (p_partition) ON CONFLICT DO NOTHING;
  PERFORM set_config('usher.joins', '', true);
END $$;

REVOKE ALL ON FUNCTION partition_is_at_home, show_is_at_home, next_show, admin_create_show,
  name_home, reserve_database, join_home FROM PUBLIC;
