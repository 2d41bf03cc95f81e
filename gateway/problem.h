/* Problems, RFC 9457 with `code` and `error`. Pure. */
#ifndef USHER_GATEWAY_PROBLEM_H
#define USHER_GATEWAY_PROBLEM_H

#include "base/buf.h"
#include "base/model.h"

#define PROBLEM_TYPE "application/problem+json"

struct problem {
    int status;
    enum code code;
    const char *error;    /* NULL: the code's own sentence */
    const char *detail;   /* NULL: the same as `error` */
    struct span instance; /* a URI path, or empty */
    struct span more;     /* further members as JSON, with a comma before each; or empty */
};

void problem_render(struct buf *b, const struct problem *problem);

/* The code that fits a refusal by HTTP status alone. */
enum code problem_code_for(int status);

#endif
