/*
 * Every bound of the system, in one place. At a bound the answer is a refusal, never a surprise.
 * A figure that an operator may want to change is an option in config.h instead.
 */
#ifndef USHER_BASE_BOUNDS_H
#define USHER_BASE_BOUNDS_H

/* What a person may send. */
#define USER_BYTES_MAX 128       /* a user's name: UTF-8 without control characters */
#define KEY_BYTES_MAX 255        /* an Idempotency-Key, without its quotes */
#define SLUG_BYTES_MAX 64        /* a show's slug */
#define TIER_BYTES_MAX 32        /* a tier's code */
#define LINES_MAX 10             /* tiers in one booking */
#define PARTS_MAX 31             /* tiers of shows in one request for several shows */
#define TIERS_MAX 32             /* tiers in one show */
#define QUANTITY_MAX 1000        /* places in one line of a booking */
#define BOOKING_SEATS_MAX 1000   /* numbered seats in one booking */
#define SEATS_MAX 100000         /* numbered seats in one show */
#define SEAT_BYTES_MAX 40        /* a seat's id, and each of section, row and number */
#define PRICE_MAX 100000000000   /* minor units; times QUANTITY_MAX * LINES_MAX stays below 2^53 */
#define PRICE_STEPS_MAX 16       /* of one tier */
#define JSON_DEPTH_MAX 16        /* nesting of a body */
#define METHOD_BYTES_MAX 64      /* the provider's token of what pays */
#define REFERENCE_BYTES_MAX 128  /* the provider's name for a payment */
#define REASON_BYTES_MAX 64      /* why a payment failed: a word of the provider's */
#define TRACE_BYTES_MAX 55       /* a W3C traceparent, version 00 */
#define ACTION_BYTES_MAX 32      /* what an operator does: a word of base/request.h */
#define SETTINGS_BYTES_MAX 32768 /* its arguments, as JSON; and what is told of it */
#define CAPACITY_MAX 100000000   /* places of one tier */

/* HTTP. */
#define HEAD_BYTES_MAX 8192   /* request line and header fields */
#define TARGET_BYTES_MAX 2048 /* the request target */
#define FIELDS_MAX 64         /* header fields in a request */
#define PIPELINE_MAX 64       /* exchanges under way on one connection */

/* The stream. */
#define ENTRY_REQUESTS_MAX 256 /* requests a gateway puts into one entry */
#define ENTRY_BYTES_MAX 262144 /* bytes of one entry */
#define BATCH_REQUESTS_MAX 512 /* requests decided by one run of the script */
#define BATCH_EXPIRIES_MAX 512 /* holds released by one run of the script */
#define BATCH_OFFERS_MAX 256   /* places offered to people who wait, by one run */
#define BATCH_LISTS_MAX 64     /* waiting lists one run looks at for an earlier one */
#define GATEWAY_NAME_BYTES_MAX 32
#define PROGRAM_NAME_BYTES_MAX 64 /* of a gateway or a courier, where it reports of itself */
#define BOOKING_BYTES_MAX 8192    /* a booking, packed: more than any has */

/* What an allocator counts for analytics: a cell is a show within a minute. */
#define TALLY_CELLS_MAX 1024  /* that are kept until they are handed over */
#define TALLY_HANDED_MAX 64   /* handed over at a time, twice a second: 3 ms at most */
#define TALLY_ROLLED_MAX 1000 /* rows of either kind that become hours at a time */

/* The waiting room. */
#define ROOM_PEOPLE_MAX 10000000 /* numbers of one room; sql/0010_room.sql says the same */
#define WAITING_ROOMS_MAX 64     /* rooms that are not off, of one partition */
#define ROOM_BLOCK_MIN 64        /* numbers reserved ahead … */
#define ROOM_BLOCK_MAX 100000    /* … according to how many join */
#define ROOM_TICKET_MS (INT64_C(14) * 86400000) /* a ticket's time, from the opening on */

/* Postgres. */
#define DATABASES_MAX 16 /* home among them; sql/0016_databases.sql says the same */

/* How long answers are kept in Redis, and the most a client may ask to wait. */
#define ANSWER_SECONDS 600               /* ten minutes */
#define ANSWER_KEYED_SECONDS 86400       /* a day, where an Idempotency-Key was given */
#define ANSWER_AFTER_DEADLINE_SECONDS 60 /* a fresh id's answer: at least until then, too */
#define ANSWER_BUCKET_MS 128             /* fresh ids made within it: answers in one hash */
#define AHEAD_MS_MAX 60000               /* by how much a gateway's clock may be ahead of others */
#define WAIT_SECONDS_MAX 30
#define DEADLINE_MS_DEFAULT 30000
#define DEADLINE_MS_MAX 600000

#endif
