#include "allocator/preview.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "allocator/rebuild_show.h"

static const char preview_sql[] = "SELECT admin_preview($1::integer, $2, $3)";

/* What Postgres refuses because of what was asked: values, constraints, our own sentences. */
static enum code code_of(const char *sqlstate)
{
    if (strcmp(sqlstate, "23505") == 0)
        return CODE_ALREADY_EXISTS;
    if (strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
        strcmp(sqlstate, "US002") == 0)
        return CODE_INVALID;
    return CODE_GRANTED;
}

static void tell(struct preview *p, struct span text)
{
    if (text.len > SETTINGS_BYTES_MAX)
        text.len = 0;
    buf_put(&p->told, text.bytes, text.len);
}

static enum err ask(struct ledger *l, const struct request *r, struct preview *p)
{
    char number[16];
    int n = snprintf(number, sizeof number, "%" PRIu32, r->show);
    const struct postgres_parameter parameters[] = {
        {number, (size_t)n, false},
        {r->action.bytes, r->action.len, false},
        {r->settings.bytes, r->settings.len, false},
    };
    struct postgres_result *result = NULL;
    enum err err = postgres_query(l->reader, preview_sql, 3, parameters, false, &result);

    if (err == ERR_REFUSED && code_of(postgres_sqlstate(l->reader)) != CODE_GRANTED) {
        p->code = code_of(postgres_sqlstate(l->reader));
        tell(p, span_of(postgres_why(l->reader)));
        return ERR_NONE;
    }
    if (!err && !postgres_is_null(result, 0, 0))
        tell(p, postgres_cell(result, 0, 0));
    postgres_result_free(result);
    return ledger_judge(l, l->reader, err);
}

/* The fields that the show's hash would have; of a tier that comes, its figures too. */
static enum err read_rules(struct rebuild *r, const struct tenure *t, const struct request *request,
                           struct preview *p)
{
    struct loading l;
    enum err err;

    loading_init(&l, r, t);
    err = rebuild_show_rules(&l, request->show);
    if (!err && span_is(request->action, "tier.add"))
        err = rebuild_show_last_tier(&l, request->show);
    pack_array(&p->fields, l.main.pairs);
    for (size_t i = 0; i < l.main.pairs; i++)
        pack_str(&p->fields, l.main.bytes.bytes + l.main.span[i].at, l.main.span[i].len);
    loading_free(&l);
    return err;
}

enum err preview_admin(struct rebuild *r, const struct tenure *t, struct batch *batch, size_t at)
{
    const struct request *request = &batch->request[at];
    struct preview *p = &batch->preview;
    enum err err;

    preview_reset(p);
    TRY(postgres_run(r->ledger->reader, "BEGIN"));
    err = ask(r->ledger, request, p);
    if (!err && p->code == CODE_GRANTED && p->told.len > 0) {
        buf_reset(&p->fields);
        err = read_rules(r, t, request, p);
    }
    if (postgres_is_connected(r->ledger->reader) && postgres_run(r->ledger->reader, "ROLLBACK") &&
        !err)
        err = ERR_UNAVAILABLE;
    return err;
}
