#include "refresh.h"

#include <stdio.h>
#include <stdlib.h>

#include "arguments.h"
#include "base/answer.h"
#include "base/clock.h"
#include "base/keys.h"
#include "base/random.h"
#include "base/request.h"

#define POLL_MS 20
#define GRACE_MS 1000 /* decided just before its deadline, it is published a little later */

static int enqueue(struct context *context, const struct request *request, uint32_t partition);
static int await(struct context *context, const struct request *request, uint32_t partition);
static int judge(const struct answer *answer, uint32_t partition);

int refresh_show(struct context *context, uint32_t show, uint32_t partition, int64_t wait_seconds)
{
    char name[GATEWAY_NAME_BYTES_MAX + 1] = "usherctl-";
    random_hex(name + 9, 16); /* nobody listens there: the answer is looked for instead */
    int64_t now_ms = clock_wall_ms();
    struct request request = {
        .id = id_fresh(show, now_ms, wait_seconds * 1000, random_u64()),
        .op = OP_REFRESH,
        .show = show,
        .user = SPAN("usherctl"),
        .deadline_ms = now_ms + wait_seconds * 1000,
        .reply_to = span_of(name),
    };
    request_set_fingerprint(&request);
    if (context_redis(context) == NULL)
        return EXIT_FAILED;
    int failed = enqueue(context, &request, partition);
    return failed ? failed : await(context, &request, partition);
}

static int enqueue(struct context *context, const struct request *request, uint32_t partition)
{
    struct buf entry;
    buf_init(&entry, ENTRY_BYTES_MAX);
    pack_array(&entry, 1);
    request_pack(&entry, request);
    if (entry.failed)
        abort();
    struct key stream = key_requests(partition);
    struct span argv[] = {SPAN("XADD"), {stream.text, stream.len}, SPAN("NOMKSTREAM"), SPAN("*"),
                          SPAN("b"),    buf_span(&entry)};
    struct redis_reply *reply;
    enum err err = redis_go_to(context->redis, partition);
    if (!err)
        err = redis_do(context->redis, 6, argv, &reply);
    buf_free(&entry);
    if (err)
        return context_fail_redis(context, "adding a request to the stream");
    bool missing = redis_kind_of(reply) == REDIS_NIL;
    redis_reply_free(reply);
    if (missing)
        return context_fail("partition %u has no stream: no allocator has it, or Redis was wiped;"
                            " whoever takes it reads the change from Postgres",
                            partition);
    return EXIT_SUCCESS;
}

static int await(struct context *context, const struct request *request, uint32_t partition)
{
    struct key key = key_answer(partition, request->id);
    struct span get[3];
    size_t words = key_answer_get(&key, &request->id, get);
    while (clock_wall_ms() <= request->deadline_ms + GRACE_MS) {
        struct redis_reply *reply;
        if (redis_do(context->redis, words, get, &reply))
            return context_fail_redis(context, "awaiting the allocator's answer");
        if (redis_kind_of(reply) == REDIS_STRING) {
            struct answer answer;
            enum err err = answer_read(redis_text(reply), &answer);
            int code = err ? context_fail("partition %u: the answer cannot be read", partition)
                           : judge(&answer, partition);
            redis_reply_free(reply);
            return code;
        }
        redis_reply_free(reply);
        clock_sleep_ms(POLL_MS);
    }
    return context_fail("partition %u has not answered in time: its allocator is away or far"
                        " behind, and sells by the old rules until it takes the change over;"
                        " see usherctl status, then run this again",
                        partition);
}

static int judge(const struct answer *answer, uint32_t partition)
{
    if (answer->code == CODE_GRANTED) {
        printf("partition %u has taken the change over\n", partition);
        return EXIT_SUCCESS;
    }
    return context_fail("partition %u refused: %s", partition, code_error(answer->code));
}
