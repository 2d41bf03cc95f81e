"""Postgres: what each program's role may do is a short list; all else that the catalogue knows is denied.

The lists are held against the catalogue (so that whatever is granted by accident fails) and against
the programs' statements (so that what none needs any more is taken back); then each verb is tried.
"""

import re

import psycopg2
import pytest

from harness.process import REPOSITORY
from harness.world import ALLOCATOR_USER, COURIER_USER, GATEWAY_USER

READS = {
    GATEWAY_USER: "analytics_decisions analytics_holds analytics_refusals analytics_sales analytics_sell_out"
                  " audit booking_changes booking_items booking_seats bookings partitions payments price_steps"
                  " refunds request_bookings rooms seats show_moves shows tiers waits_by_minute waitlist"
                  " waitlist_changes",
    ALLOCATOR_USER: "admissions audit batches booking_changes booking_items booking_seats bookings partitions"
                    " payments price_steps request_bookings rooms seats show_moves shows tiers waitlist"
                    " waitlist_changes",
    COURIER_USER: ""}
# seat_status_of is the view seats', show_first_id and show_last_id are the views' of analytics.
CALLS = {
    GATEWAY_USER: "seat_status_of see_deliveries see_secret see_subscription see_subscriptions"
                  " show_first_id show_last_id wait_percentile",
    ALLOCATOR_USER: "add_figures admin_preview advance_room claim_partition commit_admin commit_admissions commit_batch"
                    " commit_payments commit_several commit_waiting name_generation note_traces prune_journal"
                    " roll_up_figures room_arrived seat_status_of stamp_partition status_number",
    COURIER_USER: "claim_deliveries claim_outbox delivered drop_outbox hasten_refund note_traces postpone_outbox"
                  " postpone_refund prune_deliveries recover_payments settle_refund trace_of_delivery"
                  " trace_of_outbox"}
SOURCES = {GATEWAY_USER: ["gateway/*.[ch]"], ALLOCATOR_USER: ["allocator/*.[ch]"],
           COURIER_USER: ["courier/*.[ch]"]}
ROLES = list(READS)
GROUP = {user: user.replace("test_", "usher_") for user in ROLES}

OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%%'"
RELATIONS = f"""
  SELECT c.relname AS name, v.verb FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS v (verb)
  WHERE {OURS} AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
    AND (has_table_privilege(%s, c.oid, v.verb)
         OR v.verb IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
            AND has_any_column_privilege(%s, c.oid, v.verb))"""
FUNCTIONS = f"""
  SELECT p.proname AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE {OURS} AND has_function_privilege(%s, p.oid, 'EXECUTE')"""
SEQUENCES = f"""
  SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE {OURS} AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(%s, c.oid, 'USAGE, SELECT, UPDATE') END"""
PLACES = f"""
  SELECT nspname || ': CREATE' AS name FROM pg_namespace n WHERE has_schema_privilege(%s, n.oid, 'CREATE')
  UNION ALL SELECT 'database: ' || v.verb FROM unnest(ARRAY['CREATE', 'TEMPORARY']) AS v (verb)
  WHERE has_database_privilege(%s, current_database(), v.verb)
  UNION ALL SELECT 'member of ' || r.rolname FROM pg_roles r
  WHERE pg_has_role(%s, r.oid, 'MEMBER') AND r.rolname NOT IN (%s, %s)
  UNION ALL SELECT 'foreign: ' || f.fdwname FROM pg_foreign_data_wrapper f
  WHERE has_foreign_data_wrapper_privilege(%s, f.oid, 'USAGE')"""


def rights(world, user):
    """What the catalogue lets a role do with what is ours, as words."""
    def names(statement, *parameters):
        return [row["name"] for row in world.rows(statement, *parameters)]
    found = {f"{row['verb']} {row['name']}" for row in world.rows(RELATIONS, user, user)}
    found |= {f"EXECUTE {name}" for name in names(FUNCTIONS, user)}
    found |= {f"SEQUENCE {name}" for name in names(SEQUENCES, user)}
    return found | set(names(PLACES, user, user, user, user, GROUP[user], user))


def allowed(user):
    return ({f"SELECT {name}" for name in READS[user].split()} |
            {f"EXECUTE {name}" for name in CALLS[user].split()})


@pytest.fixture
def tables(world):
    return {row["relname"] for row in world.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'v', 'm', 'p')")}


@pytest.mark.parametrize("user", ROLES)
def test_a_role_has_the_rights_of_the_list_and_no_others(world, user):
    assert rights(world, user) == allowed(user)


@pytest.mark.parametrize("grant", [
    "GRANT SELECT ON room_keys TO usher_gateway", "GRANT SELECT (secret) ON subscriptions TO PUBLIC",
    "GRANT UPDATE (owner) ON partitions TO usher_gateway", "GRANT EXECUTE ON FUNCTION set_room TO PUBLIC",
    "CREATE TABLE fresh (a integer GENERATED ALWAYS AS IDENTITY); GRANT SELECT ON fresh TO PUBLIC",
    "CREATE SEQUENCE numbers; GRANT USAGE ON SEQUENCE numbers TO PUBLIC",
    "GRANT CREATE ON SCHEMA public TO PUBLIC", "CREATE SCHEMA other; GRANT ALL ON SCHEMA other TO PUBLIC"])
def test_what_is_granted_by_accident_is_found(world, grant):
    world.cluster.run(world.database, grant)
    assert rights(world, GATEWAY_USER) != allowed(GATEWAY_USER)


def test_a_new_function_is_nobodys(world):
    world.cluster.run(world.database, "CREATE FUNCTION fresh() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    for user in ROLES:
        assert rights(world, user) == allowed(user)


@pytest.mark.parametrize("user", ROLES)
def test_a_program_reads_and_calls_what_it_may(user):
    """A right that no statement needs any more is to be taken back."""
    files = [path for pattern in SOURCES[user] for path in REPOSITORY.glob(pattern)]
    files += [REPOSITORY / "base/price.h"]
    text = " ".join(word for path in files
                    for word in re.findall(r'"((?:[^"\\]|\\.)*)"', path.read_text()))
    words = set(re.findall(r"\w+", text)) | {"seat_status_of", "show_first_id", "show_last_id"}
    assert set(READS[user].split()) <= set(re.findall(r"(?:FROM|JOIN|,)\s+(\w+)", text))
    assert set(CALLS[user].split()) <= words


def test_functions_that_act_as_the_owner_are_not_led_astray(world):
    """Names in them are looked up in the catalogue first, and in temporary schemas last."""
    rows = world.rows("SELECT proname, proconfig FROM pg_proc"
                      " WHERE pronamespace = 'public'::regnamespace AND prosecdef")
    assert len(rows) > 20
    wrong = [row["proname"] for row in rows
             if "search_path=pg_catalog, public, pg_temp" not in (row["proconfig"] or [])]
    assert not wrong, wrong


# Each verb, tried.

VERBS = {"INSERT": "INSERT INTO {0} DEFAULT VALUES", "UPDATE": "UPDATE {0} SET {1} = {1}",
         "DELETE": "DELETE FROM {0}", "TRUNCATE": "TRUNCATE {0}", "LOCK": "LOCK TABLE {0} IN EXCLUSIVE MODE",
         "COPY": "COPY {0} FROM STDIN", "TRIGGER": "CREATE TRIGGER x BEFORE INSERT ON {0} FOR EACH ROW"
         " EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
         "INDEX": "CREATE INDEX ON {0} ({1})", "ALTER": "ALTER TABLE {0} ADD COLUMN x integer",
         "DROP": "DROP TABLE {0}", "RULE": "CREATE RULE x AS ON INSERT TO {0} DO ALSO NOTHING",
         "POLICY": "CREATE POLICY x ON {0}", "COMMENT": "COMMENT ON COLUMN {0}.{1} IS 'x'"}
READING = {"SELECT": "SELECT 1 FROM {0} LIMIT 1", "COLUMN": "SELECT {1} FROM {0} LIMIT 1",
           "SHARE": "SELECT 1 FROM {0} FOR SHARE"}
OTHERS = [
    "SET ROLE usher_allocator", "SET ROLE usher_gateway", "SET ROLE usher_courier", "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres", "CREATE ROLE x", "GRANT usher_allocator TO CURRENT_USER",
    "ALTER ROLE CURRENT_USER SUPERUSER", "ALTER ROLE usher_gateway LOGIN", "DROP ROLE usher_courier",
    "CREATE DATABASE x", "CREATE SCHEMA x", "CREATE TABLE x ()", "CREATE TEMPORARY TABLE x ()",
    "CREATE FUNCTION x() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "CREATE TYPE x AS (a integer)",
    "CREATE EXTENSION pg_trgm", "CREATE PUBLICATION x", "CREATE EVENT TRIGGER x ON ddl_command_start"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()", "ALTER SYSTEM SET work_mem = '1MB'",
    "ALTER DATABASE {database} SET work_mem = '1MB'", "SET session_replication_role = replica",
    "SET log_statement = 'all'", "COPY (SELECT 1) TO PROGRAM 'cat'", "COPY (SELECT 1) TO '/tmp/x'",
    "SELECT pg_read_file('/etc/passwd')", "SELECT pg_ls_dir('/')", "SELECT lo_import('/etc/passwd')",
    "SELECT rolpassword FROM pg_authid", "SELECT pg_reload_conf()", "SELECT pg_switch_wal()",
    "SELECT pg_create_restore_point('x')", "SELECT * FROM pg_stat_get_wal_senders(), pg_show_all_file_settings()",
    "CHECKPOINT", "VACUUM FULL bookings", "REINDEX TABLE bookings", "CREATE SUBSCRIPTION x CONNECTION 'host=x'"
    " PUBLICATION x WITH (connect = false)", "DO LANGUAGE plpython3u 'pass'"]


def tried(connection, statement):
    """The SQLSTATE of trying it, or None if it went through; nothing of it stays."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            if statement.startswith("COPY") and "STDIN" in statement:
                cursor.copy_expert(statement, open("/dev/null", encoding="ascii"))
            else:
                cursor.execute(statement)
            return None
        except psycopg2.Error as error:
            return error.pgcode
        finally:
            cursor.execute("ROLLBACK")


@pytest.mark.parametrize("user", ROLES)
def test_every_verb_that_is_not_granted_is_denied(world, tables, user):
    connection = world.cluster.connect(world.database, user)
    views = {row["viewname"] for row in world.rows("SELECT viewname FROM pg_views")}
    for table in sorted(tables):
        column = world.value("SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = %s::regclass"
                             " AND attnum > 0 AND NOT attisdropped AND attidentity = '' ORDER BY attnum LIMIT 1", table)
        verbs = dict(VERBS)
        if table not in READS[user].split():
            verbs.update(READING)
        for statement in verbs.values():
            said = tried(connection, statement.format(table, column))
            # Views refuse some verbs by being views; what is no table is refused before rights are.
            is_view = table in views and said in ("42809", "55000")
            assert said == "42501" or is_view, (statement.format(table, column), said)
    connection.close()


@pytest.mark.parametrize("user", ROLES)
def test_every_function_that_is_not_granted_is_denied(world, user):
    connection = world.cluster.connect(world.database, user)
    rows = world.rows("""
        SELECT proname, (SELECT string_agg('NULL::' || format_type(t, NULL), ', ' ORDER BY n)
                         FROM unnest(proargtypes) WITH ORDINALITY AS a (t, n)) AS arguments
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'""")
    denied = [row for row in rows if row["proname"] not in CALLS[user].split()]
    assert len(denied) > 40
    for row in denied:
        call = f"SELECT {row['proname']}({row['arguments'] or ''})"
        said = tried(connection, call)
        # A trigger's function cannot be called by anybody; by whom it may be used is in the catalogue.
        assert said == "42501" or said == "0A000" and not row["arguments"], (call, said)
    connection.close()


@pytest.mark.parametrize("user", ROLES)
def test_nothing_else_is_possible(world, user):
    connection = world.cluster.connect(world.database, user)
    for statement in OTHERS:
        if statement == f"SET ROLE {GROUP[user]}":
            continue
        said = tried(connection, statement.format(database=world.database))
        # 25001: not within a transaction; 42704: there is no such language, nor will there be. VACUUM of
        # what is not one's own does nothing, with a warning.
        if said in ("25001", "42704"):
            with connection.cursor() as cursor:
                try:
                    cursor.execute(statement)
                    said = None
                except psycopg2.Error as error:
                    said = error.pgcode
        assert said in ("42501", "42704") or statement.startswith("VACUUM"), (statement, said)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename <> current_user"
                       " AND query <> '<insufficient privilege>' AND query <> ''")
        assert cursor.fetchone()[0] == 0, "it sees what others ask"
    connection.close()


def test_a_program_ends_nobody_elses_session(world):
    victim = world.cluster.connect(world.database, ALLOCATOR_USER)
    for user in (GATEWAY_USER, COURIER_USER):
        connection = world.cluster.connect(world.database, user)
        assert tried(connection, f"SELECT pg_terminate_backend({victim.info.backend_pid})") == "42501"
        connection.close()
    victim.close()
