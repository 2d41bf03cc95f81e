/* Comma-separated values, RFC 4180. Pure. */
#ifndef USHER_GATEWAY_CSV_H
#define USHER_GATEWAY_CSV_H

#include "base/buf.h"

#define CSV_TYPE "text/csv; charset=utf-8; header=present"
#define CSV_EOL "\r\n"

/* A cell of text, in quotes where it needs them. Spreadsheets take a cell that begins with = + - @
 * (or with a tab or a line's end before one) for something to compute: people choose names, so such
 * a cell gets an apostrophe in front, and is text there too. */
void csv_text(struct buf *b, struct span text);

#endif
