/*
 * Every name that usher uses in Redis. `{p}` is the partition's hash tag: all keys of a partition
 * live in one Redis Cluster slot. lua/ builds the names below a generation from the prefix it is
 * given; nobody else spells a key.
 *
 *   usher:{p}:requests            stream    what is asked, in order
 *   usher:{p}:state               hash      epoch, generation, version, clean, now, published
 *   usher:{p}:status              hash      what the allocator reports of itself (expires)
 *   usher:{p}:generations         set       namespaces that may hold keys
 *   usher:{p}:answers:<bucket>    hash      fresh id (16 bytes) → answer (expires)
 *   usher:{p}:reply:<id>          string    the answer of any other id (expires)
 *   usher:{p}:queued:<id>         string    a keyed request that was answered 202: its deadline
 *   usher:{p}:availability:<show> string    committed availability, for readers
 *   usher:{p}:queue-news:<show>   string    the waiting room, as last published (news.h)
 *   usher:{p}:room:<show>         hash      the waiting room: history, next, upto, missed, serving,
 *                                           gone, over, view (lua/room_look.lua, room.h); move,
 *                                           staged, closed, left (room_arrive, room_leave)
 *   usher:{p}:room-users:<show>   hash      user → order of arrival
 *   usher:{p}:room-came:<show>    string    a bit a number: it was exchanged for an admission
 *   usher:{p}:<generation>:…                the decision script's own state
 *     …show:<show>                hash      rules and tier counters
 *     …users:<show>               hash      user → places
 *     …bookings:<show>            hash      id (16 bytes) → live booking
 *     …holds                      zset      id (16 bytes) by expiry
 *     …seats:<show>               string    one byte a position (seats.h)
 *     …unseen                     hash      <version>:<show> → changes of seats not published yet:
 *                                           position (4 bytes), byte before, byte after, …
 *     …seatlog:<show>             list      msgpack [version, changes], published, bounded
 *     …admitted:<show>            string    a bit a number: its admission made a booking
 *     …shows                      set       shows that are loaded
 *   usher:{1}:reports:<kind>      set       names of gateways or couriers that report (expires)
 *   usher:{1}:report:<kind>:<name>          string: what that one reports of itself (expires)
 *   usher:replies:<gateway>       channel   answers for one gateway
 *   usher:show:<show>             channel   what is new about a show (news.h)
 *   usher:shows                   channel   silent: what a listener to shows is always subscribed
 * to
 */
#ifndef USHER_BASE_KEYS_H
#define USHER_BASE_KEYS_H

#include <stdint.h>

#include "buf.h"
#include "id.h"

#define KEY_NAME_BYTES_MAX 128
struct key {
    char text[KEY_NAME_BYTES_MAX]; /* NUL-terminated */
    size_t len;
};

/* The slot of a Redis Cluster that all keys of a partition lie in. */
#define KEY_SLOTS 16384
unsigned key_slot(uint32_t partition);

struct key key_requests(uint32_t partition);
struct key key_state(uint32_t partition);
struct key key_status(uint32_t partition);
struct key key_generations(uint32_t partition);
struct key key_queued(uint32_t partition, struct id id);
struct key key_availability(uint32_t partition, uint32_t show);
struct key key_queue_news(uint32_t partition, uint32_t show);
struct key key_room(uint32_t partition, uint32_t show);
struct key key_room_users(uint32_t partition, uint32_t show);
struct key key_room_came(uint32_t partition, uint32_t show);
struct key key_generation(uint32_t partition, const char *generation); /* ends in ':' */
/* What lua/limits.lua counts, of one of its kinds (a letter). All lie with partition 1: one script
 * looks at several, and a user's are the same whatever show is asked for. */
struct key key_limit(char kind, uint64_t subject);
/* What programs without a partition report of themselves lies with partition 1, like the limits. */
struct key key_reports(const char *kind);
struct key key_report(const char *kind, const char *name); /* at most PROGRAM_NAME_BYTES_MAX */
struct key key_replies_channel(const char *gateway);
struct key key_show_channel(uint32_t show);
struct key key_shows_channel(void);

/*
 * Where an answer lies. A fresh id tells when it was made, and the answers of all ids made within
 * ANSWER_BUCKET_MS are fields of one hash: a batch is written with one command, a field costs a
 * fraction of a key, and a hash stays small enough to be freed unnoticed. An id that does not tell
 * it, being keyed or made under a clock that stands before ids begin, has a key of its own: those
 * made by a clock that stands would fill one hash for ever.
 */
uint64_t key_answer_bucket(struct id id);                /* 0: a key of its own */
struct key key_answer(uint32_t partition, struct id id); /* its own key, or its bucket's */
/* The command that reads it: GET key, or HGET bucket id. Returns argc; argv borrows from both. */
size_t key_answer_get(const struct key *answer, const struct id *id, struct span argv[3]);

#endif
