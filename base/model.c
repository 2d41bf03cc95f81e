#include "model.h"

#include <stddef.h>

#define TO(name) (1u << STATE_##name)

/* The only table of legal moves in C; legal_moves in sql/ says the same. */
static const unsigned legal_moves[] = {
    [STATE_HELD] = TO(PENDING) | TO(CONFIRMED) | TO(CANCELLED) | TO(EXPIRED),
    [STATE_PENDING] = TO(CONFIRMED) | TO(FAILED) | TO(CANCELLED) | TO(EXPIRED),
    [STATE_CONFIRMED] = TO(CANCELLED),
    [STATE_CANCELLED] = 0,
    [STATE_EXPIRED] = 0,
    [STATE_FAILED] = TO(CONFIRMED), /* a late success of its payment */
};

static const char *const operation_names[] = {
#define X(number, name) [number] = #name,
    OPERATIONS(X)
#undef X
};

static const char *const result_names[] = {
#define X(number, name) [number] = #name,
    RESULTS(X)
#undef X
};

static const char *const state_names[] = {
#define X(number, name) [number] = #name,
    STATES(X)
#undef X
};

static const struct code_row {
    const char *name;
    int status;
    const char *title;
    const char *error;
} code_rows[CODES_END] = {
#define X(number, name, status, title, error) [number] = {#name, status, title, error},
    CODES(X)
#undef X
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct code_row *code_row(enum code code);

const char *operation_name(enum operation op)
{
    return (size_t)op < COUNT(operation_names) ? operation_names[op] : NULL;
}

const char *result_name(enum result result)
{
    return (size_t)result < COUNT(result_names) ? result_names[result] : NULL;
}

const char *state_name(enum state state)
{
    return (size_t)state < COUNT(state_names) ? state_names[state] : NULL;
}

const char *code_name(enum code code)
{
    return (size_t)code < COUNT(code_rows) ? code_rows[code].name : NULL;
}

int code_status(enum code code)
{
    return code_row(code)->status;
}

const char *code_title(enum code code)
{
    return code_row(code)->title;
}

const char *code_error(enum code code)
{
    return code_row(code)->error;
}

bool state_may_become(enum state from, enum state to)
{
    return state_name(from) != NULL && state_name(to) != NULL &&
           (legal_moves[from] & (1u << to)) != 0;
}

bool state_is_live(enum state state)
{
    switch (state) {
    case STATE_HELD:
    case STATE_PENDING:
    case STATE_CONFIRMED:
        return true;
    case STATE_CANCELLED:
    case STATE_EXPIRED:
    case STATE_FAILED:
        return false;
    }
    return false;
}

/* A number that is no code is one that this program cannot have made: show it as our fault. */
static const struct code_row *code_row(enum code code)
{
    return &code_rows[code_name(code) != NULL ? code : CODE_INTERNAL];
}
