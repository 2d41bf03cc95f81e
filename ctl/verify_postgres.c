#include "verify_postgres.h"

#define LINES_OF_A_CHECK_MAX 20

/* A check: a query whose rows are sentences about what is wrong. Adding one is adding a row. */
struct check {
    const char *name;
    const char *sql;
};

#define LIVE "('HELD', 'PENDING', 'CONFIRMED')"
/* Of bookings b: made since an operator last changed this rule. What is older kept the old one. */
#define SINCE_RULE(name)                                                                           \
    " AND b.created_ms > coalesce((SELECT max(a.at_ms) FROM audit a WHERE a.show = b.show"         \
    " AND a.settings ? '" name "'), -1)"

static const struct check checks[] = {
    {"a tier's places add up",
     "SELECT format('show %s tier %s: available %s, held %s, pending %s, confirmed %s and blocked"
     " %s do not add up to its capacity of %s', show, tier, available, held, pending, confirmed,"
     " blocked, capacity) FROM tiers"
     " WHERE available + held + pending + confirmed + blocked <> capacity"
     " OR least(available, held, pending, confirmed, blocked) < 0"},

    {"a tier's counters are its bookings",
     "WITH lines AS ("
     " SELECT show, tier, quantity, status FROM bookings WHERE tier > 0"
     " UNION ALL"
     " SELECT b.show, i.tier, i.quantity, b.status"
     " FROM bookings b JOIN booking_items i ON i.booking = b.id WHERE b.tier = 0"
     "), counted AS ("
     " SELECT show, tier, coalesce(sum(quantity) FILTER (WHERE status = 'HELD'), 0) AS held,"
     "  coalesce(sum(quantity) FILTER (WHERE status = 'PENDING'), 0) AS pending,"
     "  coalesce(sum(quantity) FILTER (WHERE status = 'CONFIRMED'), 0) AS confirmed"
     " FROM lines GROUP BY show, tier)"
     "SELECT format('show %s tier %s: it counts %s held, %s pending, %s confirmed; its bookings"
     " have %s, %s, %s', show, tier, t.held, t.pending, t.confirmed, coalesce(c.held, 0),"
     " coalesce(c.pending, 0), coalesce(c.confirmed, 0))"
     " FROM tiers t LEFT JOIN counted c USING (show, tier)"
     " WHERE (t.held, t.pending, t.confirmed) IS DISTINCT FROM"
     "  (coalesce(c.held, 0), coalesce(c.pending, 0), coalesce(c.confirmed, 0))"
     " UNION ALL "
     "SELECT format('show %s tier %s: there are bookings of it, but no such tier', show, tier)"
     " FROM counted c WHERE NOT EXISTS"
     "  (SELECT FROM tiers t WHERE t.show = c.show AND t.tier = c.tier)"},

    {"a tier's counters are its numbered seats",
     "SELECT format('show %s tier %s: its seats are %s available, %s held, %s pending, %s booked,"
     " %s blocked; its counters say %s, %s, %s, %s, %s', t.show, t.tier, s.available, s.held,"
     " s.pending, s.booked, s.blocked, t.available, t.held, t.pending, t.confirmed, t.blocked)"
     " FROM tiers t, LATERAL (SELECT count(*) FILTER (WHERE status = 0) AS available,"
     "  count(*) FILTER (WHERE status = 1) AS held, count(*) FILTER (WHERE status = 2) AS pending,"
     "  count(*) FILTER (WHERE status = 3) AS booked, count(*) FILTER (WHERE status = 4) AS blocked"
     "  FROM seats s WHERE s.show = t.show AND s.tier = t.tier) s"
     " WHERE (t.kind = 'seats' AND (s.available, s.held, s.pending, s.booked, s.blocked)"
     "  <> (t.available, t.held, t.pending, t.confirmed, t.blocked))"
     " OR (t.kind <> 'seats' AND EXISTS (SELECT FROM seats s WHERE s.show = t.show"
     "  AND s.tier = t.tier))"},

    {"a seat is its booking's, and the booking's state is the seat's",
     "SELECT format('show %s seat %s: status %s, booking %s', s.show, s.id, s.status, s.booking)"
     " FROM seats s LEFT JOIN bookings b ON b.id = s.booking"
     " LEFT JOIN booking_seats l ON l.booking = b.id"
     " WHERE s.booking IS NOT NULL AND (b.id IS NULL OR b.show <> s.show"
     " OR seat_status_of(b.status) = 0 OR NOT coalesce(s.position = ANY (l.seats), false))"
     " UNION ALL "
     "SELECT format('show %s position %s is taken by %s, but is no seat', show, position, booking)"
     " FROM seats_taken t WHERE NOT EXISTS"
     "  (SELECT FROM seat_map m WHERE m.show = t.show AND m.position = t.position)"},

    {"a live booking has the seats of its list, and no more places than those",
     "SELECT format('booking %s: %s places in tiers of seats, %s seats in its list, %s of them its"
     " own', p.id, p.places, coalesce(cardinality(l.seats), 0), (SELECT count(*) FROM seats s"
     "  WHERE s.show = p.show AND s.booking = p.id AND s.position = ANY (l.seats)))"
     " FROM (SELECT b.id, b.show, sum(coalesce(i.quantity, b.quantity)) AS places FROM bookings b"
     "  LEFT JOIN booking_items i ON i.booking = b.id AND b.tier = 0"
     "  JOIN tiers t ON t.show = b.show AND t.tier = coalesce(i.tier, b.tier) AND t.kind = 'seats'"
     "  WHERE b.status IN " LIVE " GROUP BY b.id, b.show) p"
     " LEFT JOIN booking_seats l ON l.booking = p.id"
     " WHERE p.places <> coalesce(cardinality(l.seats), 0) OR p.places <> (SELECT count(*)"
     "  FROM unnest(l.seats) AS u (position) JOIN seats s ON s.show = p.show"
     "  AND s.position = u.position WHERE s.booking = p.id)"},

    {"nobody has more than the show allows",
     "SELECT format('show %s: user %s has %s live places, the show allows %s', b.show, b.user_id,"
     " sum(b.quantity), s.max_per_user)"
     " FROM bookings b JOIN shows s ON s.show = b.show AND s.max_per_user IS NOT NULL"
     " WHERE b.status IN " LIVE SINCE_RULE(
         "max_per_user") " GROUP BY b.show, b.user_id, s.max_per_user HAVING sum(b.quantity) > "
                         "s.max_per_user"},

    {"no booking is larger than the show allows",
     "SELECT format('booking %s of show %s: %s places, the show allows %s in one booking', b.id,"
     " b.show, b.quantity, s.max_per_booking)"
     " FROM bookings b JOIN shows s ON s.show = b.show WHERE b.quantity > "
     "s.max_per_booking" SINCE_RULE("max_per_booking")},

    {"a booking's id is of its show",
     "SELECT format('booking %s: its id is not of its show %s', id, show) FROM bookings"
     " WHERE substring(uuid_send(id) FOR 4) <> int4send(show)"},

    {"a booking's show exists",
     "SELECT format('show %s: there are %s bookings of it, but no such show', show, count(*))"
     " FROM bookings b WHERE NOT EXISTS (SELECT FROM shows s WHERE s.show = b.show) GROUP BY show"},

    {"a booking of one tier says what it costs",
     "SELECT format('booking %s: %s places at %s do not cost %s', id, quantity, price, amount)"
     " FROM bookings WHERE tier > 0 AND amount <> quantity * price"},

    {"a booking of several tiers is the sum of its lines",
     "SELECT format('booking %s: it says %s places for %s, its lines %s for %s', b.id, b.quantity,"
     " b.amount, coalesce(i.quantity, 0), coalesce(i.amount, 0))"
     " FROM bookings b LEFT JOIN ("
     "  SELECT booking, sum(quantity) AS quantity, sum(quantity * price) AS amount"
     "  FROM booking_items GROUP BY booking) i ON i.booking = b.id"
     " WHERE b.tier = 0 AND (b.quantity, b.amount) IS DISTINCT FROM (i.quantity, i.amount)"},

    {"lines belong to bookings of several tiers",
     "SELECT format('booking %s: it has a line of tier %s, but is not of several tiers', i.booking,"
     " i.tier) FROM booking_items i LEFT JOIN bookings b ON b.id = i.booking"
     " WHERE b.tier IS DISTINCT FROM 0"},

    {"a request for several shows made a booking of each, at once and for one person",
     "SELECT format('request %s: its booking %s is of another person, moment or kind than its "
     "first',"
     " r.request, r.booking)"
     " FROM request_bookings r JOIN bookings f ON f.id = r.request JOIN bookings b ON b.id = "
     "r.booking"
     " WHERE (b.user_id, b.created_ms, b.fingerprint, b.expires_ms IS NULL) <>"
     "  (f.user_id, f.created_ms, f.fingerprint, f.expires_ms IS NULL)"
     " UNION ALL "
     "SELECT format('request %s for several shows: it made %s bookings of %s shows, counted to %s',"
     " r.request, count(*), count(DISTINCT b.show), max(r.position))"
     " FROM request_bookings r JOIN bookings b ON b.id = r.booking GROUP BY r.request"
     " HAVING count(*) < 2 OR count(*) <> max(r.position) OR count(*) <> count(DISTINCT b.show)"},

    {"a hold has an end, and it is not long past",
     "SELECT format('booking %s of show %s: it is still held %s ms after its time', b.id, b.show,"
     " p.now_ms - b.expires_ms)"
     " FROM bookings b JOIN shows s ON s.show = b.show JOIN partitions p ON p.partition ="
     " s.partition WHERE b.status = 'HELD' AND b.expires_ms < p.now_ms - 5000"
     " UNION ALL "
     "SELECT format('booking %s of show %s: it is %s and has no end', id, show, status)"
     " FROM bookings WHERE status IN ('HELD', 'EXPIRED') AND expires_ms IS NULL"},

    {"a booking is paid as it says",
     "SELECT format('booking %s: it is %s, and its payment is %s', b.id, b.status,"
     " coalesce(p.status::text, 'none'))"
     " FROM bookings b LEFT JOIN payments p ON p.booking = b.id"
     " WHERE b.payment IS DISTINCT FROM p.id"
     " OR (b.status = 'PENDING' AND p.status IS DISTINCT FROM 'PENDING')"
     " OR (b.status = 'FAILED' AND (p.status IS NULL OR p.status = 'PENDING'))"
     " OR (b.status = 'CONFIRMED' AND p.status <> 'SUCCEEDED')"
     " OR (b.status IN ('HELD', 'EXPIRED') AND p.id IS NOT NULL)"},

    {"payments and refunds balance",
     "SELECT format('payment %s of booking %s: %s was paid and %s given back, the booking is %s for"
     " %s', p.id, b.id, CASE p.status WHEN 'SUCCEEDED' THEN p.amount ELSE 0 END, r.refunded,"
     " b.status, b.amount)"
     " FROM payments p JOIN bookings b ON b.id = p.booking, LATERAL ("
     "  SELECT coalesce(sum(r.amount), 0) AS refunded FROM refunds r WHERE r.payment = p.id) r"
     " WHERE (p.status <> 'SUCCEEDED' AND r.refunded > 0)"
     " OR (p.status = 'SUCCEEDED' AND p.amount - r.refunded <>"
     "  CASE WHEN b.status IN " LIVE " THEN b.amount ELSE 0 END)"},

    {"somebody carries what is owed",
     "SELECT format('payment %s is PENDING, and no courier will carry it', p.id) FROM payments p"
     " WHERE p.status = 'PENDING' AND NOT EXISTS"
     "  (SELECT FROM outbox o WHERE o.payment = p.id AND o.kind <> 'refund')"
     " UNION ALL "
     "SELECT format('refund %s is PENDING, and no courier will carry it', r.id) FROM refunds r"
     " WHERE r.status = 'PENDING' AND NOT EXISTS"
     "  (SELECT FROM outbox o WHERE o.refund = r.id)"},

    {"no refund was refused",
     "SELECT format('refund %s of payment %s: the provider refused to give %s back: %s', r.id,"
     " r.payment, r.amount, r.failure) FROM refunds r WHERE r.status = 'FAILED'"},

    {"a change belongs to a booking",
     "SELECT format('request %s: it changed booking %s, which does not exist', c.request,"
     " c.booking) FROM booking_changes c"
     " WHERE NOT EXISTS (SELECT FROM bookings b WHERE b.id = c.booking)"},

    {"a request was decided once",
     "SELECT format('request %s: it made a booking and changed one', c.request)"
     " FROM booking_changes c WHERE EXISTS (SELECT FROM bookings b WHERE b.id = c.request)"},

    {"an offer is a booking of who waited",
     "SELECT format('waiting list entry %s: it was offered %s places of tier %s to %s, and there "
     "is no"
     " such booking', w.id, w.quantity, w.tier, w.user_id)"
     " FROM waitlist w LEFT JOIN bookings b ON b.id = w.id WHERE w.status = 'OFFERED'"
     " AND (b.show, b.tier, b.user_id, b.created_ms) IS DISTINCT FROM"
     "  (w.show, w.tier, w.user_id, w.ended_ms)"},

    {"who waits has no booking by that request",
     "SELECT format('waiting list entry %s: it is %s, and there is a booking of that id', w.id,"
     " w.status) FROM waitlist w JOIN bookings b ON b.id = w.id WHERE w.status <> 'OFFERED'"},

    {"a waiting room's numbers are in order, and its draw is what was committed to",
     "SELECT format('show %s: its waiting room serves %s of %s numbers, %s of which were drawn%s',"
     " show, serving, issued_upto, coalesce(arrivals, 0), CASE WHEN sha256(key) <> commitment"
     "  THEN ', by a key that is not the one committed to' ELSE '' END)"
     " FROM rooms WHERE serving > issued_upto OR arrivals > issued_upto"
     " OR sha256(key) <> commitment OR (serving > 0 AND opened_ms IS NULL)"},

    {"a waiting room is counted where its show is, or where it came from",
     "SELECT format('show %s: it is in partition %s, and its waiting room is counted in %s',"
     " r.show, s.partition, r.counted_in) FROM rooms r JOIN shows s USING (show)"
     " WHERE r.counted_in IS NOT NULL AND r.counted_in IS DISTINCT FROM"
     "  (SELECT m.from_partition FROM show_moves m WHERE m.show = r.show ORDER BY m.id DESC LIMIT "
     "1)"},

    {"an admission was given, and its booking is of its show",
     "SELECT format('show %s: booking %s was made with admission %s, and the waiting room has let "
     "in"
     " %s', a.show, a.booking, a.number, coalesce(r.serving, 0))"
     " FROM admissions a LEFT JOIN rooms r ON r.show = a.show"
     " WHERE a.number > coalesce(r.serving, 0)"
     " UNION ALL "
     "SELECT format('show %s: booking %s was made with its admission %s, and is of show %s', "
     "a.show,"
     " a.booking, a.number, b.show) FROM admissions a JOIN bookings b ON b.id = a.booking"
     " WHERE b.show <> a.show"},

    {"a show is of its database",
     "SELECT format('show %s: its number is not one of this database, which are %s to %s', s.show,"
     " d.first_show, d.last_show) FROM shows s JOIN databases d ON d.dsn = ''"
     " WHERE s.show NOT BETWEEN d.first_show AND d.last_show"
     " UNION ALL"
     " SELECT format('show %s: its partition %s is in another database', s.show, s.partition)"
     " FROM shows s JOIN partitions p USING (partition) WHERE p.dsn <> ''"},

    {"the journal ends where its partition is",
     "SELECT format('partition %s: it is at version %s (cursor %s), its journal ends at version %s"
     " (cursor %s)', p.partition, p.version, p.cursor, b.version, b.cursor)"
     " FROM partitions p JOIN LATERAL ("
     "  SELECT version, epoch, cursor FROM batches b WHERE b.partition = p.partition"
     "  ORDER BY version DESC LIMIT 1) b ON true"
     " WHERE (b.version, b.cursor) <> (p.version, p.cursor) OR b.epoch > p.epoch"},

    {"the journal has no hole",
     "SELECT format('partition %s: its journal has %s batches from version %s to %s', partition,"
     " count(*), min(version), max(version)) FROM batches b GROUP BY partition"
     " HAVING count(*) <> max(version) - min(version) + 1 - (SELECT coalesce(sum(m.skipped), 0)"
     "  FROM show_moves m WHERE m.to_partition = b.partition AND m.to_version > min(b.version))"},

    {"the journal's epochs and times do not run back",
     "SELECT format('partition %s: version %s was committed under epoch %s at %s, after epoch %s"
     " at %s', partition, version, epoch, now_ms, epoch_before, now_ms_before)"
     " FROM (SELECT partition, version, epoch, now_ms,"
     "   lag(epoch) OVER w AS epoch_before, lag(now_ms) OVER w AS now_ms_before"
     "  FROM batches WINDOW w AS (PARTITION BY partition ORDER BY version)) b"
     " WHERE epoch < epoch_before OR now_ms < now_ms_before"},
};

static const char counts_sql[] = "SELECT (SELECT count(*) FROM shows), (SELECT count(*) FROM"
                                 " bookings), (SELECT count(*) FROM partitions WHERE dsn = '')";

static enum err run_check(struct postgres *postgres, const struct check *check,
                          struct differences *found)
{
    struct postgres_result *lines;
    TRY(postgres_query(postgres, check->sql, 0, NULL, false, &lines));
    size_t rows = postgres_rows(lines);
    size_t shown = rows < LINES_OF_A_CHECK_MAX ? rows : LINES_OF_A_CHECK_MAX;
    for (size_t i = 0; i < shown; i++) {
        struct span line = postgres_cell(lines, i, 0);
        differences_add(found, "%.*s", (int)line.len, line.bytes);
    }
    if (rows > shown)
        differences_add(found, "(%s) %zu more like these", check->name, rows - shown);
    postgres_result_free(lines);
    return ERR_NONE;
}

static enum err read_counts(struct postgres *postgres, struct verify_counts *counts)
{
    struct postgres_result *row;
    TRY(postgres_query(postgres, counts_sql, 0, NULL, false, &row));
    counts->shows = postgres_cell_i64(row, 0, 0);
    counts->bookings = postgres_cell_i64(row, 0, 1);
    counts->partitions = postgres_cell_i64(row, 0, 2);
    postgres_result_free(row);
    return ERR_NONE;
}

enum err verify_postgres(struct postgres *postgres, struct differences *found,
                         struct verify_counts *counts)
{
    TRY(postgres_run(postgres, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    TRY(read_counts(postgres, counts));
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        TRY(run_check(postgres, &checks[i], found));
    return postgres_run(postgres, "COMMIT");
}
