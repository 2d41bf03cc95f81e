/*
 * What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput; it states what
 * must hold of every input, and CHECK ends the program where it does not.
 */
#ifndef USHER_TESTS_FUZZ_FUZZ_H
#define USHER_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* libFuzzer's own mutation, for a target that shapes its input. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* The input as a span; libFuzzer gives an exact copy on the heap, so that reading on is seen. */
static inline struct span fuzz_span(const uint8_t *data, size_t size)
{
    return (struct span){(const char *)data, size};
}

/* The first byte decides something; the rest is the input proper. */
static inline unsigned fuzz_take_byte(struct span *input)
{
    if (input->len == 0)
        return 0;
    unsigned byte = (unsigned char)input->bytes[0];
    input->bytes++;
    input->len--;
    return byte;
}

/* A copy on the heap with a NUL behind it; the caller frees it. */
static inline char *fuzz_text(struct span s)
{
    char *text = malloc(s.len + 1);

    CHECK(text != NULL);
    if (s.len > 0)
        memcpy(text, s.bytes, s.len);
    text[s.len] = '\0';
    return text;
}

/* Lengths from 1 to 64, the same for the same seed: where to cut an input. */
static inline size_t fuzz_step(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return 1 + (*seed >> 16) % 64;
}

#endif
