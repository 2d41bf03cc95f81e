#include "gateway/options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounds.h"
#include "base/config.h"
#include "base/random.h"
#include "base/secrecy.h"
#include "base/text.h"
#include "gateway/admin_access.h"
#include "gateway/postgres_link.h"
#include "gateway/stock.h"
#include "trace/tracer.h"

#define NAME_DIGITS 12
#define WORKERS_MAX 64
#define WORKER_DIGITS 3 /* "-63" stands behind the name in a worker's channel */

#define TEXT(field, key, fallback, help)                                                           \
    {                                                                                              \
        key, OPTION_TEXT, offsetof(struct gateway_options, field), fallback, 0, 0, help            \
    }
#define NUMBER(field, fallback, min, max, help)                                                    \
    {                                                                                              \
#field, OPTION_NUMBER, offsetof(struct gateway_options, field), fallback, min, max, help   \
    }

static const struct option_row rows[] = {
    {"redis", OPTION_SECRET, offsetof(struct gateway_options, redis), "redis://127.0.0.1:6379", 0,
     0, REDIS_URL_HELP},
    {"postgres", OPTION_SECRET, offsetof(struct gateway_options, postgres), "postgresql:///usher",
     0, 0, "Postgres: a libpq URL, several hosts allowed; only read from"},
    {"postgres_replica", OPTION_SECRET, offsetof(struct gateway_options, postgres_replica), "", 0,
     0, "a standby of it, likewise, for what may be a little old (default: none)"},
    TEXT(listen, "listen", "127.0.0.1:8080", "address and port to serve HTTP at"),
    TEXT(name, "name", "", "this gateway's name, unique among gateways (default: random)"),
    NUMBER(workers, "1", 1, WORKERS_MAX, "processes that share the port"),
    NUMBER(connections_max, "18000", 1, 1000000, "open connections of a worker; beyond: 503"),
    NUMBER(body_bytes_max, "16384", 256, 1048576, "bytes of a request body; beyond: 413"),
    NUMBER(idle_ms, "75000", 10, 86400000, "ms a kept-alive connection may be idle"),
    NUMBER(head_ms, "10000", 10, 600000, "ms a request's head may take"),
    NUMBER(body_ms, "10000", 10, 600000, "ms a request's body may take"),
    NUMBER(write_ms, "20000", 10, 600000, "ms without progress in sending an answer"),
    NUMBER(output_bytes_max, "1048576", 65536, 1073741824, "unsent bytes of a connection"),
    NUMBER(wait_ms, "5000", 0, WAIT_SECONDS_MAX * 1000, "ms a command waits for its decision"),
    NUMBER(waiters_max, "65536", 1, 10000000, "requests that a worker awaits; beyond: 503"),
    NUMBER(queue_wait_ms_max, "10000", 1, 3600000, "ms of estimated queueing; beyond: 503"),
    NUMBER(backlog_requests_max, "500000", 1, 1000000000,
           "requests that may stand in a partition's queue; beyond: 503"),
    NUMBER(availability_max_age_ms, "100", 0, 60000, "ms that availability may be old"),
    NUMBER(stream_interval_ms, "100", 10, 60000, "ms between two events of a show's stream"),
    NUMBER(stream_heartbeat_ms, "15000", 50, 600000, "ms between signs of life on a stream"),
    NUMBER(stream_retry_ms, "2000", 1, 600000, "ms after which a cut stream is to be asked again"),
    NUMBER(shows_max, "2048", 1, 1000000, "shows kept in memory"),
    NUMBER(postgres_connections, "4", 1, 64,
           "connections to Postgres of a worker, and to a replica"),
    NUMBER(replica_lag_ms_max, "2000", 100, 60000, "ms that what a replica tells may be old"),
    NUMBER(drain_notice_ms, "0", 0, 600000,
           "ms to go on serving when asked to stop, while /readyz says 503 and connections are "
           "closed"),
    NUMBER(drain_ms, "35000", 0, 600000, "ms to answer those who wait when asked to stop"),
    NUMBER(show_gauges, "20", 0, STOCK_SHOWS_MAX,
           "shows on sale, the newest, whose places /metrics tells"),
    NUMBER(scale_window_ms, "300000", 6000, 86400000,
           "ms before /metrics wants fewer gateways or partitions than it did"),
    TEXT(auth, "auth", "",
         "open: the user is whom a request names; jwt: whom its bearer token names "
         "(default: open at loopback, else it must be said)"),
    TEXT(jwt_keys, "jwt_keys", "",
         "files of PEM public keys ([kid=]path) and JWK sets, with commas; read again on SIGHUP"),
    TEXT(jwt_secrets, "jwt_secrets", "",
         "files of HS256 secrets ([kid=]path), with commas; read again on SIGHUP"),
    TEXT(jwt_issuer, "jwt_issuer", "", "what a token's iss must be (default: anything)"),
    TEXT(jwt_audience, "jwt_audience", "",
         "what a token's aud must have (default: it may have none)"),
    NUMBER(jwt_leeway_s, "10", 0, 300, "s by which the clocks of those who make tokens may differ"),
    {"jwt_streams", OPTION_FLAG, offsetof(struct gateway_options, jwt_streams), "no", 0, 0,
     "streams, too, are for who shows a token, the cookie usher_token or a ticket"},
    TEXT(jwt_role_claim, "jwt_role_claim", "role", "a token's claim that lists its roles"),
    TEXT(jwt_admin_role, "jwt_admin_role", "", "the role of administrators (default: none has it)"),
    TEXT(limit_user_text, "limit_user", "",
         "commands of a user, as quota/seconds, like 60/60 (default: no limit)"),
    TEXT(limit_address_text, "limit_address", "",
         "commands from an address, or an IPv6 network of 64 bits (default: no limit)"),
    TEXT(limit_show_text, "limit_show", "", "commands for a show (default: no limit)"),
    TEXT(limit_cancellations_text, "limit_cancellations", "",
         "cancellations of a user before it is a signal (default: never)"),
    TEXT(on_cancellations_text, "on_cancellations", "log",
         "to who takes places then: log, refuse or challenge"),
    TEXT(limit_users_of_address_text, "limit_users_of_address", "",
         "users that take places from one address before it is a signal (default: never)"),
    TEXT(on_users_of_address_text, "on_users_of_address", "log",
         "to who takes places then: log, refuse or challenge"),
    TEXT(challenge_url, "challenge_url", "", "where people are sent to show that they are some"),
    TEXT(challenge_keys, "challenge_keys", "",
         "as jwt_keys, of who signs what they have shown (Usher-Challenge)"),
    TEXT(challenge_secrets, "challenge_secrets", "", "as jwt_secrets, likewise"),
    TEXT(trusted_proxies, "trusted_proxies", "",
         "networks of proxies that say whom they speak for, with commas"),
    TEXT(forwarded_field, "forwarded_field", "x-forwarded-for",
         "the field in which they say it: x-forwarded-for or forwarded"),
    TEXT(cors_origins, "cors_origins", "", "origins that browsers may ask from, or *"),
    TEXT(book_show, "book_show", "hall", "slug of the show behind POST /book {\"userId\"}"),
    TEXT(tickets_show, "tickets_show", "festival", "slug of the show behind GET /tickets"),
    TEXT(seats_show, "seats_show", "theatre",
         "slug of the show that is first of GET /events; POST /holds {\"seat_id\": 1} means it"),
    {"payment_webhook_secret", OPTION_SECRET,
     offsetof(struct gateway_options, payment_webhook_secret), "", 0, 0,
     "secret of the payment provider's webhooks; two while it changes, with a comma"},
    TEXT(ticket_keys, "ticket_keys", "",
         "file of the keys that sign waiting rooms' tickets; the first one signs"),
    TEXT(admin_listen, "admin_listen", "",
         "address and port of the administrators' routes; they are nowhere else then"),
    {"admin_token_hashes", OPTION_SECRET, offsetof(struct gateway_options, admin_token_hashes), "",
     0, 0, "who may administrate: NAME:HASH, …, hashes of tokens that usherctl admin-token makes"},
    {"core_dumps", OPTION_FLAG, offsetof(struct gateway_options, core_dumps), "no", 0, 0,
     CORE_DUMPS_HELP},
    TEXT(log_level_name, "log_level", "info", "debug, info, warn or error"),
    TEXT(otlp_endpoint, "otlp_endpoint", "", TRACE_ENDPOINT_HELP),
    TEXT(trace_ratio_text, "trace_ratio", "0.01",
         "share of the traces that begin here that is recorded; others say it of theirs"),
    NUMBER(trace_others_max, "1000", 0, 1000000,
           "traces of others that a worker records a second; beyond, another is begun"),
    TEXT(log_format_name, "log_format", "logfmt", LOG_FORMAT_HELP),
};

/* The port, and something that could be an address; the server tells the rest. */
static bool is_address(const char *listen)
{
    const char *colon = strrchr(listen, ':');
    uint64_t port;

    if (colon == NULL || !text_u64(span_of(colon + 1), 65535, &port))
        return false;
    size_t host = (size_t)(colon - listen);
    return host == 0 || strcspn(listen, " \t/,@") >= host;
}

static bool has_any_port(const char *listen)
{
    return strspn(strrchr(listen, ':') + 1, "0") == strlen(strrchr(listen, ':') + 1);
}

/* A name stands in a channel and in a key: no spaces, nothing that needs quoting. */
static const char *check_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    if (strlen(name) > GATEWAY_NAME_BYTES_MAX - WORKER_DIGITS)
        return "is too long";
    if (name[strspn(name, allowed)] != '\0')
        return "may have letters, digits, '.', '_' and '-' only";
    return NULL;
}

static bool read_action(enum signal_action *action, const char *text)
{
    static const char *const names[] = {
        [SIGNAL_LOG] = "log", [SIGNAL_REFUSE] = "refuse", [SIGNAL_CHALLENGE] = "challenge"};

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0) {
            *action = (enum signal_action)i;
            return true;
        }
    return false;
}

/* Of the texts, what they mean; NULL, or the first that means nothing. */
static const char *read_limits(struct gateway_options *o)
{
    const struct {
        const char *key, *text;
        struct rate *rate;
    } rates[] = {
        {"limit_user", o->limit_user_text, &o->limit_user},
        {"limit_address", o->limit_address_text, &o->limit_address},
        {"limit_show", o->limit_show_text, &o->limit_show},
        {"limit_cancellations", o->limit_cancellations_text, &o->limit_cancellations},
        {"limit_users_of_address", o->limit_users_of_address_text, &o->limit_users_of_address},
    };

    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        if (!rate_read(rates[i].rate, rates[i].text))
            return rates[i].key;
    if (!read_action(&o->on_cancellations, o->on_cancellations_text))
        return "on_cancellations";
    if (!read_action(&o->on_users_of_address, o->on_users_of_address_text))
        return "on_users_of_address";
    if (!proxies_read(&o->proxies, o->trusted_proxies))
        return "trusted_proxies";
    o->proxies.by = strcmp(o->forwarded_field, "forwarded") == 0 ? FORWARDED : FORWARDED_X;
    return NULL;
}

static bool is_challenged(const struct gateway_options *o)
{
    return o->on_cancellations == SIGNAL_CHALLENGE || o->on_users_of_address == SIGNAL_CHALLENGE;
}

static const char *check_limits(const struct gateway_options *options, const char **key)
{
    struct gateway_options o = *options;
    const char *wrong = read_limits(&o);

    if (wrong != NULL) {
        *key = wrong;
        return strncmp(wrong, "limit", 5) == 0 ? "must be quota/seconds, like 60/60, or empty"
               : strncmp(wrong, "on_", 3) == 0 ? "must be log, refuse or challenge"
                                               : "must be networks with commas, like 10.0.0.0/8";
    }
    *key = "forwarded_field";
    if (o.proxies.by == FORWARDED_X && strcmp(o.forwarded_field, "x-forwarded-for") != 0)
        return "must be x-forwarded-for or forwarded";
    *key = "challenge_url";
    if (is_challenged(&o) && o.challenge_url[0] == '\0')
        return "is needed where people are challenged";
    *key = "challenge_keys";
    if (is_challenged(&o) && o.challenge_keys[0] == '\0' && o.challenge_secrets[0] == '\0')
        return "must name a file, or challenge_secrets must, where people are challenged";
    return NULL;
}

bool options_is_loopback(const char *listen)
{
    return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]", 5) == 0 ||
           strncmp(listen, "localhost:", 10) == 0;
}

/* Where others can come in, to let everybody be anybody must have been meant. */
static const char *check_auth(const struct gateway_options *o, const char **key)
{
    bool is_jwt = strcmp(o->auth, "jwt") == 0;

    *key = "auth";
    if (o->auth[0] == '\0' && !options_is_loopback(o->listen))
        return "must be said where others can reach listen: jwt, or open, with which anybody may "
               "book and cancel as anybody";
    if (!is_jwt && o->auth[0] != '\0' && strcmp(o->auth, "open") != 0)
        return "must be open or jwt";
    *key = "jwt_keys";
    if (is_jwt && o->jwt_keys[0] == '\0' && o->jwt_secrets[0] == '\0')
        return "must name a file, or jwt_secrets must: auth = jwt needs a key";
    return NULL;
}

#define KEYS_BYTES_MAX 4096

/* NULL: they are right, or none are wanted. The sentence is static. */
static const char *read_keys(const char *path, struct ticket_keys *keys)
{
    char text[KEYS_BYTES_MAX];
    const char *why = NULL;
    FILE *file;
    size_t n;

    memset(keys, 0, sizeof *keys);
    if (path[0] == '\0')
        return NULL;
    file = fopen(path, "r");
    if (file == NULL)
        return "is a file that cannot be read";
    n = fread(text, 1, sizeof text, file);
    fclose(file);
    if (n == sizeof text)
        return "is a file that is too long";
    return ticket_keys_read((struct span){text, n}, keys, &why) ? NULL : why;
}

/* What the table alone cannot say; the first thing that is wrong. */
static const char *check(const void *target, const char **key)
{
    const struct gateway_options *o = target;
    struct redis_url url;
    enum log_level level;
    enum log_format format;
    struct ticket_keys keys;
    uint32_t of_million;
    const char *why = NULL;

    *key = "redis";
    if (!redis_url_parse(o->redis, &url, &why))
        return why;
    *key = "postgres";
    if (!postgres_conninfo_is_valid(o->postgres, &why))
        return why;
    *key = "postgres_replica";
    if (!postgres_conninfo_is_valid(o->postgres_replica, &why))
        return why;
    *key = "listen";
    if (!is_address(o->listen))
        return "must be address:port, like 127.0.0.1:8080, [::1]:8080 or :8080";
    if (o->workers > 1 && has_any_port(o->listen))
        return "port 0 is any port: several workers would have several";
    *key = "admin_listen";
    if (o->admin_listen[0] != '\0' && !is_address(o->admin_listen))
        return "must be address:port, like 127.0.0.1:8081";
    if (o->workers > 1 && o->admin_listen[0] != '\0' && has_any_port(o->admin_listen))
        return "port 0 is any port: several workers would have several";
    *key = "admin_token_hashes";
    if (!admin_hashes_are_right(o->admin_token_hashes, &why))
        return why;
    *key = "log_level";
    if (!log_level_from(o->log_level_name, &level))
        return "must be debug, info, warn or error";
    *key = "log_format";
    if (!log_format_from(o->log_format_name, &format))
        return "must be logfmt or json";
    *key = "otlp_endpoint";
    why = tracer_check_endpoint(o->otlp_endpoint);
    if (why != NULL)
        return why;
    *key = "trace_ratio";
    if (!trace_ratio_read(o->trace_ratio_text, &of_million))
        return "must be a share from 0 to 1, like 0.01";
    *key = "book_show";
    if (!text_is_slug(span_of(o->book_show)))
        return "is not a show's slug";
    *key = "tickets_show";
    if (!text_is_slug(span_of(o->tickets_show)))
        return "is not a show's slug";
    *key = "seats_show";
    if (!text_is_slug(span_of(o->seats_show)))
        return "is not a show's slug";
    why = check_auth(o, key);
    if (why == NULL)
        why = check_limits(o, key);
    if (why != NULL)
        return why;
    *key = "ticket_keys";
    why = read_keys(o->ticket_keys, &keys);
    if (why != NULL)
        return why;
    *key = "name";
    return check_name(o->name);
}

static const struct program program = {
    .name = "usher-gateway",
    .section = "gateway",
    .summary = "Takes bookings over HTTP, queues them, and answers when they are decided.",
    .usage = "",
    .options = rows,
    .option_count = sizeof rows / sizeof rows[0],
    .check = check,
};

void options_load(struct gateway_options *o, int argc, char **argv)
{
    const char *why;

    memset(o, 0, sizeof *o);
    if (config_load(&program, argc, argv, o) < argc) {
        fprintf(stderr, "usher-gateway: takes no arguments, only options; see --help\n");
        exit(2);
    }
    secrecy_keep(!o->core_dumps);
    if (!redis_url_parse(o->redis, &o->redis_url, &why) ||
        !log_level_from(o->log_level_name, &o->log_level) ||
        !log_format_from(o->log_format_name, &o->log_format) ||
        !trace_ratio_read(o->trace_ratio_text, &o->trace_of_million) ||
        read_keys(o->ticket_keys, &o->keys) != NULL)
        abort(); /* `check` has looked */
    read_limits(o);
    o->auth_is_jwt = strcmp(o->auth, "jwt") == 0;
    if (o->name[0] == '\0') {
        free(o->name);
        o->name = malloc(NAME_DIGITS + 1);
        if (o->name == NULL)
            abort();
        random_hex(o->name, NAME_DIGITS);
    }
}

void options_free(struct gateway_options *o)
{
    config_free(&program, o);
}
