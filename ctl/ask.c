#include "ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounds.h"
#include "base/clock.h"
#include "base/random.h"
#include "web.h"

#define KEY_DIGITS 32
#define TRIES_MAX 3  /* under one key: done once, however often it is asked */
#define PAUSE_MS 500 /* before the next one: who takes over does so within a second */

/* The question's url, token, key and time are filled in here. */
static bool put_question(struct context *context, struct web_question *question, const char *path,
                         struct buf *answer)
{
    char url[ASK_PATH_BYTES_MAX + 256], key[KEY_DIGITS + 1], why[WEB_WHY_BYTES];
    int status = 0;

    snprintf(url, sizeof(url), "%s%s", context->options.admin_url, path);
    random_hex(key, KEY_DIGITS);
    question->url = url;
    question->token = context->options.admin_token;
    question->key = question->body != NULL ? key : NULL;
    question->timeout_ms = context->options.timeout_ms;
    for (int i = 0; i < TRIES_MAX; i++) {
        if (web_ask(question, &status, answer, why) && status != 202 && status != 503)
            break;
        if (i + 1 < TRIES_MAX) {
            buf_free(answer);
            clock_sleep_ms(PAUSE_MS);
        }
    }
    if (status >= 200 && status < 300 && status != 202)
        return true;
    if (status == 0)
        context_fail("the gateway at %s: %s", context->options.admin_url, why);
    else if (status == 202)
        context_fail("not decided in time; it may still be: see usherctl audit");
    else
        json_tell_problem(buf_span(answer), status);
    buf_free(answer);
    return false;
}

bool ask_gateway(struct context *context, const char *method, const char *path, const char *body,
                 struct buf *answer)
{
    struct web_question question = {.method = method, .body = body};

    return put_question(context, &question, path, answer);
}

bool ask_to_read(struct context *context, const char *path, const char *accept, struct buf *link,
                 struct buf *answer)
{
    struct web_question question = {.method = "GET", .accept = accept, .link = link};

    return put_question(context, &question, path, answer);
}

int ask_to_change(struct context *context, const char *method, const char *path, const char *body,
                  const char *what)
{
    struct buf answer;

    if (!ask_gateway(context, method, path, body, &answer))
        return EXIT_FAILED;
    printf("%s: ", what);
    json_print_member(stdout, buf_span(&answer), "result");
    buf_free(&answer);
    return EXIT_SUCCESS;
}

const char *ask_word(const struct command *command, const char *word)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

    if (word[0] == '\0' || strlen(word) > SLUG_BYTES_MAX || word[strspn(word, allowed)] != '\0')
        arguments_wrong(command, "'%s' is neither a slug nor a number nor an id", word);
    return word;
}

bool ask_quote(const char *text, char *quoted, size_t size)
{
    struct buf b;

    buf_init(&b, size - 1);
    for (; *text != '\0'; text++)
        buf_putf(&b, "%%%02X", (unsigned char)*text);
    bool fits = !b.failed;
    if (fits)
        snprintf(quoted, size, "%.*s", (int)b.len, b.len > 0 ? b.bytes : "");
    buf_free(&b);
    return fits;
}

const char *ask_second_word(const struct command *command)
{
    return strchr(command->name, ' ') + 1;
}

char *ask_body(const struct command *command, const struct json_member *members, size_t count)
{
    char why[JSON_WHY_BYTES];
    char *body = json_object_of(members, count, why);

    if (body == NULL)
        arguments_wrong(command, "%s", why);
    return body;
}

int ask_for_list(struct context *context, const char *path, const char *member)
{
    struct buf answer;

    if (!ask_gateway(context, "GET", path, NULL, &answer))
        return EXIT_FAILED;
    json_print_lines(stdout, buf_span(&answer), member);
    buf_free(&answer);
    return EXIT_SUCCESS;
}
