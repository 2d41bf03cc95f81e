"""Reports on a sale: a history made on purpose, and its figures reckoned here once more."""

import collections
import csv
import io
import json
import re
import signal
import statistics
import time
from datetime import datetime, timezone
from urllib.parse import quote

import psycopg2
import pytest

from harness.process import wait_until
from harness.world import ADMIN_TOKEN, ALLOCATOR_USER

REPORTS = ["sales", "conversion", "sell-out", "decisions", "refusals", "waits"]
TIMED = [name for name in REPORTS if name != "sell-out"]
LONG = "2000-01-01T00:00:00Z"


# 20,000 holds of a show, one of twenty paid, the others confirmed, half of them of two tiers; past
# the programs, and so past what holds rows together.
MANY = """
    SET session_replication_role = replica;
    CREATE TEMP TABLE made AS
    SELECT n, md5(n::text)::uuid AS payment,
           (lpad(to_hex(%s), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id
    FROM generate_series(1, 20000) n;
    INSERT INTO bookings (id, created_ms, expires_ms, amount, fingerprint, show, tier, quantity, price,
                          status, user_id, payment)
    SELECT id, n, n + 60000, 0, n, 1, n %% 2, 2, 0, 'CONFIRMED', n::text,
           CASE WHEN n %% 20 = 0 THEN payment END FROM made;
    INSERT INTO booking_items (booking, tier, quantity, price)
    SELECT id, tier, 1, 0 FROM made, generate_series(1, 2) tier WHERE n %% 2 = 0;
    INSERT INTO booking_changes (request, booking, op, at_ms, answer)
    SELECT id, id, 3, n, '' FROM made WHERE n %% 20 <> 0;
    INSERT INTO payments (id, booking, amount, currency, status, reply_to, method, created_ms,
                          settled_ms)
    SELECT payment, id, 1, 'USD', 'SUCCEEDED', '', 'pm', n, n + 1 FROM made WHERE n %% 20 = 0;
    RESET session_replication_role;
    ANALYZE bookings; ANALYZE booking_items; ANALYZE booking_changes; ANALYZE payments;
    SELECT 1
"""


def ask(client, report, show="gala", accept=None, token=ADMIN_TOKEN, **words):
    query = "&".join(f"{name.rstrip('_')}={quote(str(value))}" for name, value in words.items())
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.ask("GET", f"/v1/admin/shows/{show}/analytics/{report}" + (query and f"?{query}"),
                      headers=headers | ({"Accept": accept} if accept else {}))


def rows_of(client, report, show="gala", **words):
    answer = ask(client, report, show, **words)
    assert answer.status == 200, answer
    return answer.json["rows"]


def read_csv(answer):
    assert answer.status == 200 and answer.header("Content-Type").startswith("text/csv"), answer
    text = answer.body.decode()
    assert text.endswith("\r\n") and "\n" not in text.replace("\r\n", "")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def as_csv(row):
    """A row of JSON, as CSV should have it."""
    return {name: "" if value is None else str(value) for name, value in row.items()}


class Sale:
    """Asks, and keeps its own books: what each booking should be, and how each ask was decided."""

    def __init__(self, world):
        self.world = world
        self.client = world.client()
        self.lines = []                       # [id, tier, quantity, price, status]
        self.holds = {}                       # id → what became of it
        self.decided = collections.Counter()  # code, GRANTED, REPEATED

    def count(self, answer, status=None):
        if status is not None:
            assert answer.status == status, answer
        replayed = answer.header("Idempotent-Replayed") == "true"
        self.decided["REPEATED" if replayed else answer.code or "GRANTED"] += 1
        return answer

    def take(self, answer):
        """A booking or a hold that was granted."""
        body = self.count(answer, 201).json
        for item in body["items"]:
            self.lines.append([body["id"], item["tier"], item["quantity"], item["price"],
                               body["status"]])
        if body["status"] == "HELD":
            self.holds[body["id"]] = "open"
        return body["id"]

    def book(self, user, tier, quantity=1, **more):
        return self.take(self.client.book("gala", user, tier, quantity, **more))

    def hold(self, user, tier, quantity=1, **more):
        return self.take(self.client.hold("gala", user, tier, quantity, **more))

    def becomes(self, booking, status, hold=None):
        for line in self.lines:
            if line[0] == booking:
                line[4] = status
        if booking in self.holds and hold is not None:
            self.holds[booking] = hold

    def confirm(self, booking):
        self.count(self.client.confirm(booking), 200)
        self.becomes(booking, "CONFIRMED", "confirmed")

    def cancel(self, booking):
        self.count(self.client.cancel(booking), 200)
        was = self.holds.get(booking)
        self.becomes(booking, "CANCELLED", "cancelled" if was == "open" else was)

    def give_back(self, booking, tier, quantity):
        self.count(self.client.cancel(booking, {"tier": tier, "quantity": quantity}), 200)
        line, = [line for line in self.lines if line[:2] == [booking, tier]]
        line[2] -= quantity

    def await_status(self, booking, status, hold):
        wait_until(status, lambda: self.client.booking(booking).json["status"] == status)
        self.becomes(booking, status, hold)

    def await_handed_over(self):
        """The allocator has counted what this side knows of."""
        def counted():
            return {row["code"]: int(row["n"]) for row in self.world.rows(
                "SELECT code, sum(count) AS n FROM decisions_by_minute GROUP BY 1")}
        wait_until("the figures", lambda: counted() == dict(self.decided), 10)


def sales_of(lines):
    """As the report has them, without their time."""
    found = {}
    for booking, tier, quantity, price, status in lines:
        if quantity == 0:
            continue
        row = found.setdefault(tier, dict.fromkeys(
            ("bookings", "held", "held_amount", "pending", "pending_amount", "confirmed",
             "confirmed_amount", "cancelled", "cancelled_amount", "expired", "failed"), 0))
        row["bookings"] += 1
        row[status.lower()] += quantity
        if status not in ("EXPIRED", "FAILED"):
            row[status.lower() + "_amount"] += quantity * price
    return found


@pytest.fixture
def gala(world, tmp_path):
    """Counted places, one price of which steps up, and numbered seats; somebody who charges."""
    seats = tmp_path / "seats.csv"
    seats.write_text("id,tier,row,number\n" + "".join(f"A-{n},VIP,A,{n}\n" for n in range(1, 5)))
    made = world.ctl("show", "create", "--slug", "gala", "--name", '=cmd|"/c calc"!A1, "Ltd"',
                     "--tier", "GA:1000:40", "--tier", "VIP:5000", "--map", seats,
                     "--tier", "Box:300:3", "--hold-seconds", "60")
    assert made.code == 0, made
    world.show("empty", {"GA": (0, 5)})
    world.start_provider(lambda fields: "decline" if "ida" in str(fields) else "succeed")
    world.start()
    world.start_courier()
    yield world
    world.judge()


@pytest.fixture
def sale(gala):
    """The history. Each kind of thing that may happen to a booking happens."""
    sale = Sale(gala)
    client = sale.client
    sale.book("ann", "GA", 2)
    sale.confirm(sale.hold("bob", "GA", 3))
    sale.cancel(sale.hold("cat", "GA", 1))
    sale.give_back(sale.book("dan", "GA", 4), "GA", 1)
    converted = sale.hold("eve", "GA", 2)
    sale.confirm(converted)
    sale.cancel(converted)
    several = sale.take(client.hold("gala", "fay", items=[{"tier": "GA", "quantity": 2},
                                                          {"tier": "Box", "quantity": 1}]))
    sale.confirm(several)
    sale.give_back(several, "GA", 2)                      # nothing of that tier is left
    sale.take(client.book("gala", "gus", seats=["A-1", "A-2"]))
    paid = sale.hold("hal", "GA", 1)
    sale.count(client.pay(paid, "k1", {"method": "pm"}), 200)
    sale.await_status(paid, "CONFIRMED", "confirmed")
    failed = sale.hold("ida", "GA", 1)
    sale.count(client.pay(failed, "k2", {"method": "ida"}), 200)  # that it is asked for is granted
    sale.await_status(failed, "FAILED", "failed")
    sale.hold("jan", "GA", 1)
    result = gala.ctl("show", "price", "gala", "--tier", "GA", "--price", "1500")
    assert result.code == 0, result
    sale.book("kim", "GA", 2)
    assert sale.lines[-1][3] == 1500
    assert gala.ctl("show", "change", "gala", "--set", "hold_ms=1000").code == 0
    gone = sale.hold("lea", "GA", 2)
    sale.await_status(gone, "EXPIRED", "expired")
    # Refusals, each of its own kind, and retries.
    assert sale.count(client.book("gala", "mia", "Box", 9)).code == "NOT_ENOUGH"
    assert sale.count(client.book("gala", "mia", seats=["A-1"])).code == "SEAT_TAKEN"
    assert sale.count(client.confirm(gone)).code == "HOLD_EXPIRED"
    assert sale.count(client.cancel(gone)).code in ("ILLEGAL_STATE", "HOLD_EXPIRED")
    assert sale.count(client.book("gala", "mia", "GA", 99)).status == 409
    sale.book("nan", "GA", 1, key="again")
    for _ in range(3):
        answer = client.book("gala", "nan", "GA", 1, key="again")
        assert answer.status == 201 and answer.header("Idempotent-Replayed") == "true"
        sale.count(answer)
    for _ in range(2):
        sale.count(client.book("gala", "oda", "Box", 9, key="refused"))
    return sale


def test_sales_are_what_was_done(sale):
    found = {row["tier"]: row for row in rows_of(sale.client, "sales", step="all", from_=LONG)}
    for row in found.values():
        assert row.pop("at") == "2000-01-01T00:00:00.000Z" and row.pop("tier")
    assert found == sales_of(sale.lines)
    by_minute = rows_of(sale.client, "sales", step="minute")
    assert all(row["at"].endswith(":00.000Z") for row in by_minute)
    assert sum(row["confirmed"] for row in by_minute) == sum(
        line[2] for line in sale.lines if line[4] == "CONFIRMED")
    listed = ask(sale.client, "sales", step="day").json
    assert (listed["show"], listed["currency"], listed["step"], listed["report"]) == (
        "gala", "USD", 86400, "sales")
    assert {row["at"][11:] for row in listed["rows"]} == {"00:00:00.000Z"}


def test_conversion_is_what_became_of_the_holds(sale):
    row, = rows_of(sale.client, "conversion", step="all")
    want = collections.Counter(sale.holds.values())
    assert row["at"] is None and row["holds"] == len(sale.holds)
    assert {name: row[name] for name in ("confirmed", "open", "expired", "cancelled", "failed")} \
        == {name: want[name] for name in ("confirmed", "open", "expired", "cancelled", "failed")}
    assert row["share"] == round(want["confirmed"] / (len(sale.holds) - want["open"]), 4)
    # Of the times there is the database's word alone: changes of op 3, and settlements.
    times = sorted(int(r["ms"]) for r in sale.world.rows(
        "SELECT c.at_ms - b.created_ms AS ms FROM booking_changes c JOIN bookings b"
        " ON b.id = c.booking WHERE c.op = 3 UNION ALL SELECT p.settled_ms - b.created_ms"
        " FROM payments p JOIN bookings b ON b.id = p.booking WHERE p.status = 'SUCCEEDED'"))
    assert len(times) == want["confirmed"] and row["median_ms"] == statistics.median_low(times)
    view, = sale.world.rows("SELECT sum(holds) AS holds, sum(confirmed) AS confirmed"
                            " FROM analytics_conversion WHERE show = 1")
    assert (view["holds"], view["confirmed"]) == (len(sale.holds), want["confirmed"])


def test_decisions_refusals_and_waits_are_what_was_told(sale):
    sale.await_handed_over()
    found = {row["code"]: row["requests"] for row in rows_of(sale.client, "decisions", step="all")}
    assert found == dict(sale.decided) and found["REPEATED"] >= 4
    refused = {code: n for code, n in found.items() if code not in ("GRANTED", "REPEATED")}
    assert {row["code"]: row["requests"]
            for row in rows_of(sale.client, "refusals", step="all")} == refused
    assert len(refused) >= 3
    waits, = rows_of(sale.client, "waits", step="all")
    assert waits["requests"] == sum(sale.decided.values())
    assert 0 <= waits["p50_ms"] <= waits["p95_ms"] <= waits["p99_ms"] <= waits["max_ms"]
    assert 0 <= waits["mean_ms"] <= waits["max_ms"]
    by_minute = rows_of(sale.client, "waits", step=60)
    assert sum(row["requests"] for row in by_minute) == waits["requests"]
    assert max(row["max_ms"] for row in by_minute) == waits["max_ms"]


def test_selling_out_is_told_by_tier_and_ends_with_a_cancellation(gala):
    client = gala.client()
    before = datetime.now(timezone.utc)
    show, *tiers = rows_of(client, "sell-out")
    assert [row["tier"] for row in tiers] == ["GA", "VIP", "Box"] and show["tier"] is None
    assert all(row["first_at"] is row["sold_out_at"] is row["seconds"] is None
               for row in [show, *tiers])
    first = client.book("gala", "ann", "Box", 2).json
    time.sleep(0.05)
    last = client.book("gala", "bob", "Box", 1).json
    _, _, _, box = rows_of(client, "sell-out")
    assert (box["first_at"], box["sold_out_at"]) == (first["created_at"], last["created_at"])
    assert 0.05 <= box["seconds"] < 60 and box["available"] == 0
    assert client.cancel(first["id"]).status == 200
    show, _, _, box = rows_of(client, "sell-out")
    assert box["first_at"] == show["first_at"] == first["created_at"]
    assert box["sold_out_at"] is None and box["available"] == 2
    again = client.hold("gala", "cat", "Box", 2).json        # what is held is not free
    _, _, _, box = rows_of(client, "sell-out")
    assert box["sold_out_at"] == again["created_at"]
    assert client.book("gala", "dan", "GA", 10).status == 201
    for n in range(3):
        assert client.book("gala", f"e{n}", "GA", 10).status == 201
    end = client.book("gala", "fay", seats=["A-1", "A-2", "A-3", "A-4"]).json
    show, *_ = rows_of(client, "sell-out")
    assert (show["capacity"], show["available"]) == (47, 0)
    assert show["sold_out_at"] == end["created_at"]
    assert datetime.fromisoformat(show["sold_out_at"].replace("Z", "+00:00")) >= before


def test_csv_is_what_json_is(sale):
    sale.await_handed_over()
    for report in REPORTS:
        check_csv(sale, report)


def check_csv(sale, report):
    words = {} if report == "sell-out" else {"step": "minute"}
    rows = rows_of(sale.client, report, **words)
    assert rows
    answer = ask(sale.client, report, accept="text/csv", **words)
    assert answer.header("Content-Disposition") == f'attachment; filename="gala-{report}.csv"'
    assert answer.header("Cache-Control") == "no-store" and answer.header("Vary") == "Accept"
    numbers = [{name: value.rstrip("0") if "." in value and not value.endswith("Z") else value
                for name, value in row.items()} for row in read_csv(answer)]
    assert numbers == [{name: value.rstrip("0") if "." in value and not value.endswith("Z")
                        else value for name, value in as_csv(row).items()} for row in rows]
    assert read_csv(ask(sale.client, report, format="csv", **words)) == read_csv(answer)
    assert "json" in ask(sale.client, report, accept="application/json, text/csv",
                         **words).header("Content-Type")
    assert "json" in ask(sale.client, report, format="json", accept="text/csv",
                         **words).header("Content-Type")


def test_pages_are_the_whole(sale):
    sale.await_handed_over()
    for report in REPORTS:
        check_pages(sale, report)


def check_pages(sale, report):
    words = {} if report == "sell-out" else {"step": "minute", "from_": LONG}
    whole, parts, lines, cursor = rows_of(sale.client, report, **words), [], [], {}
    while cursor is not None:
        page = ask(sale.client, report, limit=1, **words, **cursor).json
        assert len(page["rows"]) <= 1
        parts += page["rows"]
        cursor = {"cursor": page["next"]} if page["next"] else None
    assert parts == whole
    path = f"/v1/admin/shows/gala/analytics/{report}?limit=1&format=csv" + "".join(
        f"&{name.rstrip('_')}={value}" for name, value in words.items())
    while path is not None:
        answer = sale.client.ask("GET", path, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        lines += read_csv(answer)
        link = answer.header("Link")
        path = link and link[1:link.index(">")]
    assert lines == read_csv(ask(sale.client, report, format="csv", **words))


def test_times_have_zones_and_steps_count_from_the_beginning(sale):
    client = sale.client
    row = sale.world.rows("SELECT min(created_ms) AS first, max(created_ms) AS last FROM bookings")[0]
    whole = sum(r["bookings"] for r in rows_of(client, "sales", step="all"))
    minute = row["first"] // 60000 * 60

    def at(seconds, hours=0):
        local = datetime.fromtimestamp(seconds + hours * 3600, timezone.utc)
        return local.strftime("%Y-%m-%dT%H:%M:%S") + f"{'-' if hours < 0 else '+'}{abs(hours):02}:00"

    for hours in (-11, 0, 5):
        found = rows_of(client, "sales", step="all", from_=at(minute, hours),
                        to=at(row["last"] // 1000 + 1, hours))
        assert sum(r["bookings"] for r in found) == whole
        assert {r["at"] for r in found} == {
            datetime.fromtimestamp(minute, timezone.utc).strftime("%Y-%m-%dT%H:%M:00.000Z")}
        assert rows_of(client, "sales", to=at(minute, hours)) == []
    # Days of a place that is 5 hours ahead begin at its midnight.
    days = rows_of(client, "sales", step="day", from_="2001-02-03T00:00:00+05:00")
    assert days and {r["at"][11:] for r in days} == {"19:00:00.000Z"}
    answer = ask(client, "sales", step=120, from_="2001-02-03T00:00:59+05:30").json
    assert answer["from"] == "2001-02-02T18:30:00.000Z" and answer["step"] == 120
    assert rows_of(client, "sales", from_="2990-01-01") == []
    assert ask(client, "sales", from_="0001-01-01").json["from"] is None


WRONG = [
    ({"from": "yesterday"}, "from"), ({"to": "2026-02-30"}, "to"), ({"step": "0"}, "step"),
    ({"step": "90"}, "step"), ({"step": "week"}, "step"), ({"step": "-60"}, "step"),
    ({"step": "1e3"}, "step"), ({"step": "99999999999"}, "step"), ({"limit": "0"}, "limit"),
    ({"limit": "2001"}, "limit"), ({"format": "xml"}, "format"), ({"format": "csv' OR 1"}, "format"),
    ({"cursor": "1"}, "cursor"), ({"cursor": "1.GA"}, "cursor"), ({"cursor": "x.1"}, "cursor"),
    ({"cursor": "-5.1"}, "cursor"), ({"cursor": "1." + "1" * 40}, "cursor"),
    ({"from": "2026-01-02", "to": "2026-01-02"}, "later"),
    ({"from": "2026-01-02", "to": "2026-01-01T00:00:00+02:00"}, "later")]


def test_what_cannot_be_asked_says_why(gala):
    client = gala.client()
    for words, about in WRONG:
        answer = ask(client, "sales", **words)
        assert (answer.status, answer.code) == (400, "INVALID"), (words, answer)
        assert about in answer.json["detail"], words


def test_of_what_is_not_there_nothing_is_told(gala):
    client = gala.client()
    for report in TIMED:
        listed = ask(client, report, "empty").json
        assert listed["rows"] == [] and listed["next"] is None
        assert read_csv(ask(client, report, "empty", format="csv")) == []
    show, tier = rows_of(client, "sell-out", "empty")
    assert show["tier"] is None and tier["tier"] == "GA" and tier["available"] == 5
    assert ask(client, "sales", "nowhere").status == 404
    for name in ("revenue", "Sales", "sales%00", "..%2fsales", "analytics_sales"):
        answer = ask(client, name)
        assert (answer.status, answer.code) == (404, "NOT_FOUND"), name
    for name in ("from", "to", "step"):
        answer = ask(client, "sell-out", **{name: "2026-01-01"})
        assert answer.status == 400 and name in answer.json["detail"]
    for report in REPORTS:
        for token in (None, ADMIN_TOKEN[:-1] + "2"):
            answer = ask(client, report, token=token)
            assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")


def test_the_operator_asks_from_the_shell(sale):
    sale.await_handed_over()
    ctl = sale.world.ctl
    for report in REPORTS:
        words = [] if report == "sell-out" else ["--step", "minute"]
        lines = ctl("analytics", "gala", report, *words)
        rows = rows_of(sale.client, report, **({} if report == "sell-out" else {"step": "minute"}))
        assert (lines.code, lines.out.splitlines()) == (0, [
            json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in rows])
        table = ctl("analytics", "gala", report, "--csv", "--page", "1", *words)
        assert table.code == 0, table
        want = ask(sale.client, report, format="csv",
                   **({} if report == "sell-out" else {"step": "minute"})).body.decode()
        assert table.out.replace("\r\n", "\n") == want.replace("\r\n", "\n")
    wrong = ctl("analytics", "gala", "sales", "--from", "x&y")
    assert wrong.code == 1 and "from" in wrong.err
    assert ctl("analytics", "gala", "nothing").code == 1
    assert ctl("analytics", "gala").code == 2
    assert ctl("analytics", "gala", "sales", "more").code == 2


def login(world, user):
    connection = psycopg2.connect(world.cluster.url(world.database, user))
    connection.autocommit = True
    return connection


def test_who_has_tools_of_their_own_sees_figures_and_no_people(sale):
    """What programs may is test_privileges_postgres.py's."""
    sale.await_handed_over()
    views = [row["v"] for row in sale.world.rows(
        "SELECT viewname AS v FROM pg_views WHERE viewname LIKE 'analytics%'")]
    assert len(views) == 7
    with sale.world.cluster.connect(sale.world.database).cursor() as cursor:
        cursor.execute("SET ROLE usher_analyst")
        for view in views:
            cursor.execute(f"SELECT * FROM {view} WHERE show = 1")
            assert cursor.fetchall() and "user_id" not in {c.name for c in cursor.description}, view
            for verb in (f"DELETE FROM {view}", f"INSERT INTO {view} (show) VALUES (1)",
                         f"UPDATE {view} SET show = 2"):
                with pytest.raises(psycopg2.Error):
                    cursor.execute(verb)
        for statement in ("SELECT * FROM bookings", "SELECT roll_up_figures(0, 1)", "SELECT " + ADD,
                          "DELETE FROM decisions_by_minute", "UPDATE waits_by_minute SET count = 1"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
    assert all(row["n"] for row in sale.world.rows(
        "SELECT obj_description(oid) AS n FROM pg_class WHERE relname LIKE 'analytics%'"
        " AND relkind = 'v'"))


ADD = ("add_figures(1, 0, '{1,1}'::int[], '{1,2}'::bigint[], '{GRANTED,SOLD_OUT}',"
       " '{5,6}'::bigint[], '{1}'::int[], '{1}'::bigint[], '{8}'::int[],"
       " '{5}'::bigint[], '{30}'::bigint[], '{7}'::bigint[])")


def add(cursor, epoch):
    cursor.execute("SELECT " + ADD.replace("(1, 0,", f"(1, {epoch},"))


def test_reports_read_their_own_show_by_the_key(world):
    """However large the installation is: no table that grows with it is read from end to end."""
    world.show("gala", {"GA": (500, 10)})
    world.show("other", {"GA": (500, 100000)})
    number = {row["slug"]: row["show"] for row in world.rows("SELECT slug, show FROM shows")}
    world.rows(MANY, number["other"])
    for view in ("sales", "sell_out", "holds", "conversion"):
        plan = "\n".join(row["QUERY PLAN"] for row in world.rows(
            f"EXPLAIN SELECT * FROM analytics_{view} WHERE show = %s", number["gala"]))
        assert "bookings" in plan, plan
        assert not re.search("Seq Scan on (booking|payment)", plan), plan


def test_an_owner_of_before_hands_over_nothing_and_minutes_become_hours(world):
    world.show("gala", {"GA": (0, 5)})
    world.start()
    epoch = world.value("SELECT epoch FROM partitions WHERE partition = 1")
    with login(world, ALLOCATOR_USER).cursor() as cursor:
        for wrong in (epoch - 1, epoch + 1):
            with pytest.raises(psycopg2.Error) as refused:
                add(cursor, wrong)
            assert refused.value.pgcode == "US001"
        assert world.value("SELECT count(*) FROM decisions_by_minute") == 0
        add(cursor, epoch)
        add(cursor, epoch)
        rows = "SELECT minute_ms, code, count FROM decisions_by_minute ORDER BY 1, 2"
        assert [tuple(row.values()) for row in world.rows(rows)] == [
            (60000, "GRANTED", 10), (120000, "SOLD_OUT", 12)]
        # The owner may have done it meanwhile: these minutes are long gone.
        cursor.execute("SELECT roll_up_figures(1000000000000, 1)")
        cursor.execute("SELECT roll_up_figures(1000000000000, 500)")
        assert [tuple(row.values()) for row in world.rows(rows)] == [
            (0, "GRANTED", 10), (0, "SOLD_OUT", 12)]
        assert [tuple(row.values()) for row in world.rows("SELECT * FROM waits_by_minute")] == [
            (1, 0, 8, 10, 60, 7)]
        add(cursor, epoch)
        cursor.execute("SELECT roll_up_figures(1000000000000, 500)")
        assert [tuple(row.values()) for row in world.rows(rows)] == [
            (0, "GRANTED", 15), (0, "SOLD_OUT", 18)]
    world.judge()


def test_a_killed_allocator_takes_half_a_second_of_figures_with_it(world):
    world.show("gala", {"GA": (0, 5000)})
    world.start(allocators=2)
    client = world.client()
    for n in range(20):
        assert client.book("gala", f"a{n}", "GA").status == 201

    def counted():
        return world.value("SELECT coalesce(sum(count), 0) FROM decisions_by_minute")

    wait_until("what was decided", lambda: counted() == 20)
    for n in range(20):
        assert client.book("gala", f"b{n}", "GA").status == 201
    owner = world.wait_owner()
    world.expect_exit(owner)
    owner.send(signal.SIGKILL)
    world.wait_owner(other_than=owner)
    for n in range(10):
        assert client.book("gala", f"c{n}", "GA").status == 201
    wait_until("what was decided since", lambda: counted() >= 30)
    time.sleep(1.5)
    assert 30 <= counted() <= 50
    assert world.value("SELECT count(*) FROM bookings") == 50
    assert sum(row["confirmed"] for row in rows_of(client, "sales")) == 50
    world.judge()


def test_what_postgres_will_not_count_stops_nobody_from_buying(world):
    world.show("gala", {"GA": (0, 100)})
    world.start()
    client = world.client()
    owner = world.wait_owner()
    epoch = world.value("SELECT epoch FROM partitions WHERE partition = 1")
    locker = world.cluster.connect(world.database)
    locker.autocommit = False
    locker.cursor().execute("LOCK TABLE decisions_by_minute IN ACCESS EXCLUSIVE MODE")
    for n in range(10):
        assert client.book("gala", f"a{n}", "GA").status == 201
        time.sleep(0.15)
    wait_until("it to be said", lambda: owner.events("figures_refused"))
    locker.rollback()
    locker.close()
    wait_until("the figures", lambda: sum(
        row["requests"] for row in rows_of(client, "decisions")) == 10)
    assert world.owner() is owner
    assert world.value("SELECT epoch FROM partitions WHERE partition = 1") == epoch
    world.judge()
