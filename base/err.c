#include "err.h"

#include <stddef.h>

const char *err_name(enum err err)
{
    switch (err) {
    case ERR_NONE:
        return "none";
    case ERR_INPUT:
        return "input";
    case ERR_BOUND:
        return "bound";
    case ERR_MEMORY:
        return "memory";
    case ERR_UNAVAILABLE:
        return "unavailable";
    case ERR_UNKNOWN:
        return "unknown";
    case ERR_FENCED:
        return "fenced";
    case ERR_REBUILD:
        return "rebuild";
    case ERR_REFUSED:
        return "refused";
    }
    return "no_such_error";
}
