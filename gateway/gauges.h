/*
 * The gateway's own metrics, one set for each worker in memory that all of them share: each writes
 * its own, whoever is asked for /metrics adds them up.
 */
#ifndef USHER_GATEWAY_GAUGES_H
#define USHER_GATEWAY_GAUGES_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/metrics.h"

/* HTTP statuses that are counted each by its own; others fall under "other". */
/* clang-format off */
#define GAUGE_STATUSES(X) \
    X(101) X(200) X(201) X(202) X(204) X(304) X(400) X(401) X(403) X(404) X(405) X(408) X(409) X(410) X(413) \
    X(415) X(417) X(422) X(426) X(429) X(431) X(500) X(501) X(503) X(504)
/* clang-format on */

/*        name, kind, metric's name, labels, help; rows of one metric stand together */
#define GAUGES(X)                                                                                  \
    X(ENQUEUED, COUNTER, "usher_gateway_enqueued_requests_total", "",                              \
      "Requests appended to a stream")                                                             \
    X(ENTRIES, COUNTER, "usher_gateway_entries_total", "", "Entries appended to a stream")         \
    X(ENTRIES_AGAIN, COUNTER, "usher_gateway_entries_again_total", "",                             \
      "Entries appended once more after an unknown outcome")                                       \
    X(REFUSED_BACKLOG, COUNTER, "usher_gateway_refused_total", "reason=\"backlog\"",               \
      "Commands refused at the door with 503")                                                     \
    X(REFUSED_REDIS, COUNTER, "usher_gateway_refused_total", "reason=\"redis\"", "")               \
    X(REFUSED_STREAM, COUNTER, "usher_gateway_refused_total", "reason=\"stream\"", "")             \
    X(REFUSED_BOUND, COUNTER, "usher_gateway_refused_total", "reason=\"bound\"", "")               \
    X(LIMITED_USER, COUNTER, "usher_gateway_limited_total", "by=\"user\"",                         \
      "Commands refused with 429")                                                                 \
    X(LIMITED_ADDRESS, COUNTER, "usher_gateway_limited_total", "by=\"address\"", "")               \
    X(LIMITED_SHOW, COUNTER, "usher_gateway_limited_total", "by=\"show\"", "")                     \
    X(LIMITED_LOCALLY, COUNTER, "usher_gateway_limited_locally_total", "",                         \
      "Of those, refused without asking Redis")                                                    \
    X(SIGNAL_CANCELLATIONS, COUNTER, "usher_gateway_signals_total", "of=\"cancellations\"",        \
      "Users, or addresses, that went over what is usual")                                         \
    X(SIGNAL_USERS_OF_ADDRESS, COUNTER, "usher_gateway_signals_total", "of=\"users-of-address\"",  \
      "")                                                                                          \
    X(ANSWERS_PUBLISHED, COUNTER, "usher_gateway_decisions_total", "way=\"published\"",            \
      "Decisions that reached those who awaited them")                                             \
    X(ANSWERS_LOOKED_UP, COUNTER, "usher_gateway_decisions_total", "way=\"looked_up\"", "")        \
    X(UNDECIDED, COUNTER, "usher_gateway_undecided_total", "",                                     \
      "Answers that said: not decided yet")                                                        \
    X(REDIS_RECONNECTS, COUNTER, "usher_gateway_reconnects_total", "to=\"redis\"",                 \
      "Connections made anew")                                                                     \
    X(SUBSCRIBER_RECONNECTS, COUNTER, "usher_gateway_reconnects_total", "to=\"subscriber\"", "")   \
    X(LIVE_RECONNECTS, COUNTER, "usher_gateway_reconnects_total", "to=\"live\"", "")               \
    X(POSTGRES_RECONNECTS, COUNTER, "usher_gateway_reconnects_total", "to=\"postgres\"", "")       \
    X(REPLICA_RECONNECTS, COUNTER, "usher_gateway_reconnects_total", "to=\"replica\"", "")         \
    X(READS_PRIMARY, COUNTER, "usher_gateway_reads_total", "from=\"primary\"",                     \
      "Questions to Postgres, by which server was asked, or has answered")                         \
    X(READS_REPLICA, COUNTER, "usher_gateway_reads_total", "from=\"replica\"", "")                 \
    X(HTTP_ACCEPTED, COUNTER, "usher_gateway_connections_total", "result=\"accepted\"",            \
      "Connections that came")                                                                     \
    X(HTTP_REFUSED, COUNTER, "usher_gateway_connections_total", "result=\"refused\"", "")          \
    X(HTTP_REQUESTS, COUNTER, "usher_http_requests_total", "", "Requests read")                    \
    X(HTTP_TIMEOUTS, COUNTER, "usher_http_timeouts_total", "",                                     \
      "Connections closed because they were too slow")                                             \
    X(HTTP_MALFORMED, COUNTER, "usher_http_malformed_total", "",                                   \
      "Requests that were not HTTP as it should be")                                               \
    X(HTTP_BYTES_IN, COUNTER, "usher_http_bytes_total", "direction=\"in\"", "Bytes of HTTP")       \
    X(HTTP_BYTES_OUT, COUNTER, "usher_http_bytes_total", "direction=\"out\"", "")                  \
    X(CONNECTIONS, GAUGE, "usher_gateway_connections", "", "Connections that are open")            \
    X(CPU, SECONDS, "usher_gateway_cpu_seconds_total", "", "Processor time of the workers")        \
    X(RESIDENT, GAUGE, "usher_gateway_resident_bytes", "", "Memory of the workers")                \
    X(TASKS, GAUGE, "usher_gateway_requests_under_way", "", "Requests that are not answered yet")  \
    X(WAITERS, GAUGE, "usher_gateway_awaiting", "", "Requests that await a decision")              \
    X(STREAMS_SSE, GAUGE, "usher_gateway_streams", "transport=\"sse\"",                            \
      "Streams of events that are open")                                                           \
    X(STREAMS_WEBSOCKET, GAUGE, "usher_gateway_streams", "transport=\"websocket\"", "")            \
    X(STREAM_TOPICS, GAUGE, "usher_gateway_stream_shows", "", "Shows that streams are told of")    \
    X(STREAM_EVENTS, COUNTER, "usher_gateway_stream_events_total", "", "Events sent to streams")   \
    X(STREAM_COALESCED, COUNTER, "usher_gateway_stream_coalesced_total", "by=\"show\"",            \
      "News that only the next news told: of a show that changed too often, to a client that "     \
      "did not take the last")                                                                     \
    X(STREAM_SLOW, COUNTER, "usher_gateway_stream_coalesced_total", "by=\"client\"", "")           \
    X(SPANS_EXPORTED, COUNTER, "usher_gateway_trace_spans_total", "result=\"exported\"",           \
      "Spans by what became of them: the collector has them; the exporter did not read them; the " \
      "collector did not take them")                                                               \
    X(SPANS_FULL, COUNTER, "usher_gateway_trace_spans_total", "result=\"dropped_full\"", "")       \
    X(SPANS_COLLECTOR, COUNTER, "usher_gateway_trace_spans_total", "result=\"dropped_collector\"", \
      "")                                                                                          \
    X(STAGE_ENQUEUE, HISTOGRAM, "usher_gateway_stage_seconds", "stage=\"enqueue\"",                \
      "Time by stage: an entry's way into the stream; a command from its last byte to its "        \
      "answer; "                                                                                   \
      "a read likewise, and of reads by themselves those of what is left")                         \
    X(STAGE_COMMAND, HISTOGRAM, "usher_gateway_stage_seconds", "stage=\"command\"", "")            \
    X(STAGE_READ, HISTOGRAM, "usher_gateway_stage_seconds", "stage=\"read\"", "")                  \
    X(STAGE_AVAILABILITY, HISTOGRAM, "usher_gateway_stage_seconds", "stage=\"availability\"", "")

enum gauge {
#define X(name, kind, metric, labels, help) G_##name,
    GAUGES(X)
#undef X
#define X(status) G_STATUS_##status,
        GAUGE_STATUSES(X)
#undef X
            G_STATUS_OTHER,
    GAUGES_COUNT
};

struct gauges; /* the shared memory */

struct gauges *gauges_map(unsigned workers); /* before the workers are forked; NULL: no memory */
void gauges_unmap(struct gauges *gauges);
struct metric_value *gauges_of(struct gauges *gauges, unsigned worker);
/* A worker that begins anew: what it counted stays, what was current is not any more. */
void gauges_restart(struct gauges *gauges, unsigned worker);
void gauges_count_status(struct metric_value *own, int status);
/* All workers together, as Prometheus text. */
void gauges_render(struct gauges *gauges, struct buf *out);

#endif
