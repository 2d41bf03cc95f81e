#include "arguments.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t words_in(const char *text);
static const char *word_at(const char *text, size_t n);
static const struct flag *flag_named(const struct command *command, const char *name, size_t n);
static void flag_set(const struct command *command, const struct flag *flag, const char *value,
                     void *target);
_Noreturn static void print_help(const struct command *command);

void arguments_read(const struct command *command, int argc, char **argv, void *target,
                    const char **positional)
{
    size_t wanted = words_in(command->positional), found = 0;

    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0)
            print_help(command);
        if (strncmp(word, "--", 2) != 0) {
            if (found == wanted)
                arguments_wrong(command, "'%s' is one argument too many", word);
            positional[found++] = word;
            continue;
        }
        size_t n = strcspn(word, "=");
        const struct flag *flag = flag_named(command, word, n);
        if (flag == NULL)
            arguments_wrong(command, "there is no option %.*s", (int)n, word);
        const char *value = word[n] == '=' ? word + n + 1 : NULL;
        if (flag->kind == FLAG_SWITCH && value != NULL)
            arguments_wrong(command, "%s takes no value", flag->name);
        if (flag->kind != FLAG_SWITCH && value == NULL && ++i < argc)
            value = argv[i];
        if (flag->kind != FLAG_SWITCH && value == NULL)
            arguments_wrong(command, "%s needs a value", flag->name);
        flag_set(command, flag, value, target);
    }
    if (found < wanted)
        arguments_wrong(command, "%s is missing", word_at(command->positional, found));
}

void arguments_wrong(const struct command *command, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "usherctl %s: ", command->name);
    vfprintf(stderr, format, list);
    fprintf(stderr, "; see usherctl %s --help\n", command->name);
    va_end(list);
    exit(EXIT_USAGE);
}

static size_t words_in(const char *text)
{
    size_t words = *text != '\0';

    for (; *text != '\0'; text++)
        words += *text == ' ';
    return words;
}

/* From its n-th word on, counted from 0. */
static const char *word_at(const char *text, size_t n)
{
    while (n-- > 0)
        text = strchr(text, ' ') + 1;
    return text;
}

static const struct flag *flag_named(const struct command *command, const char *name, size_t n)
{
    for (size_t t = 0; t < FLAG_TABLES; t++)
        for (size_t i = 0; i < command->flags[t].count; i++) {
            const struct flag *flag = &command->flags[t].rows[i];
            if (strlen(flag->name) == n && strncmp(flag->name, name, n) == 0)
                return flag;
        }
    return NULL;
}

static int64_t number_from(const struct command *command, const struct flag *flag,
                           const char *value)
{
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (*value == '\0' || *end != '\0' || errno != 0 || n < flag->min || n > flag->max)
        arguments_wrong(command, "%s must be a number from %" PRId64 " to %" PRId64 ", not '%s'",
                        flag->name, flag->min, flag->max, value);
    return n;
}

static void flag_set(const struct command *command, const struct flag *flag, const char *value,
                     void *target)
{
    void *field = (char *)target + flag->offset;
    switch (flag->kind) {
    case FLAG_SWITCH:
        *(bool *)field = true;
        return;
    case FLAG_TEXT:
        *(const char **)field = value;
        return;
    case FLAG_NUMBER:
        *(int64_t *)field = number_from(command, flag, value);
        return;
    case FLAG_LIST: {
        struct word_list *list = field;
        if (list->count == LIST_WORDS_MAX)
            arguments_wrong(command, "%s is given more than %d times", flag->name, LIST_WORDS_MAX);
        list->word[list->count++] = value;
        return;
    }
    }
    assert(!"a flag of no kind");
}

static void print_help(const struct command *command)
{
    printf("usage: usherctl [global options] %s%s%s%s\n\n%s\n", command->name,
           command->flags[0].count > 0 ? " [options]" : "", *command->positional ? " " : "",
           command->positional, command->summary);
    if (command->flags[0].count > 0)
        printf("\n");
    for (size_t t = 0; t < FLAG_TABLES; t++)
        for (size_t i = 0; i < command->flags[t].count; i++) {
            const struct flag *flag = &command->flags[t].rows[i];
            char left[64];
            snprintf(left, sizeof(left), "%s %s", flag->name, flag->value);
            printf("  %-28s %s\n", left, flag->help);
        }
    exit(EXIT_SUCCESS);
}
