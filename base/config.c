#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "buf.h"
#include "secrecy.h"
#include "text.h"

#define EXIT_CONFIGURATION 2
#define NAME_BYTES_MAX 64   /* of a key, with what a flag or a variable puts before it */
#define SHOWN_BYTES_MAX 256 /* of a bad value, or of where it came from, in an error line */
#define LINE_BYTES_MAX 4096 /* of the file */
#define HELP_COLUMN 32

struct source {
    char text[SHOWN_BYTES_MAX];
};

/* What is under way: one per config_load. */
struct loading {
    const struct program *program;
    void *target;
    struct source *sources; /* for each option: where its value came from, or "" */
    const char *file;
    FILE *stream;
    char *text; /* the line as it was read */
    size_t text_cap;
    const char *value; /* within it, if the line is longer than inih can take */
    int line;
    const char *config_path; /* --config */
    bool check_only;
};

static void apply_defaults(struct loading *l);
static void apply_file(struct loading *l);
static void apply_environment(struct loading *l);
static int apply_flags(struct loading *l, int argc, char **argv, bool general);
static void require_all(struct loading *l);
static void check_whole(const struct loading *l);
static void set_option(struct loading *l, const struct option_row *row, const char *text,
                       const char *source);
static const struct option_row *find_option(const struct program *program, struct span name);
static void print_help(const struct program *program);
static void refuse(const struct program *program, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

int config_load(const struct program *program, int argc, char **argv, void *target)
{
    struct loading l = {.program = program, .target = target};
    int first;

    l.sources = calloc(program->option_count + 1, sizeof(*l.sources));
    if (l.sources == NULL)
        refuse(program, "out of memory");
    secrecy_keep(true);

    /* The flags that ask for something other than a setting come first, wherever they stand. */
    apply_flags(&l, argc, argv, true);
    apply_defaults(&l);
    if (l.config_path != NULL)
        apply_file(&l);
    apply_environment(&l);
    first = apply_flags(&l, argc, argv, false);
    require_all(&l);
    check_whole(&l);
    free(l.sources);
    if (l.check_only) {
        puts("configuration is right");
        config_free(program, target);
        exit(0);
    }
    return first;
}

void config_free(const struct program *program, void *target)
{
    for (size_t i = 0; i < program->option_count; i++) {
        const struct option_row *row = &program->options[i];

        if (row->kind == OPTION_TEXT || row->kind == OPTION_SECRET) {
            char **text = (void *)((char *)target + row->offset);

            free(*text);
            *text = NULL;
        }
    }
}

/* ---- the four sources ---- */

static void apply_defaults(struct loading *l)
{
    for (size_t i = 0; i < l->program->option_count; i++) {
        const struct option_row *row = &l->program->options[i];

        if (row->fallback != NULL)
            set_option(l, row, row->fallback, row->key);
    }
}

/* What stands behind the key, as inih would take it: without comment and the space around it. */
static char *value_of(char *text)
{
    size_t len = 0;

    while (text[len] != '\0' &&
           !(text[len] == ';' && len > 0 && strchr(" \t", text[len - 1]) != NULL))
        len++;
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        len--;
    text[len] = '\0';
    return text + strspn(text, " \t");
}

/*
 * inih tells no line numbers, takes an indented line for the rest of the one before, and cuts a
 * line in two where its buffer ends. So it is fed through this: lines are counted, indentation is
 * dropped, and of a line that does not fit inih gets the key, the value waiting in l->value.
 */
static char *read_line(char *line, int size, void *context)
{
    struct loading *l = context;
    ssize_t len = getline(&l->text, &l->text_cap, l->stream);
    size_t key_len;
    char *text;

    l->value = NULL;
    if (len < 0)
        return NULL;
    l->line++;
    if (strlen(l->text) != (size_t)len)
        refuse(l->program, "%s:%d: there is a NUL byte in it", l->file, l->line);
    text = l->text + strspn(l->text, " \t");
    if (strlen(text) < (size_t)size)
        return strcpy(line, text);

    key_len = strcspn(text, "=:");
    if (strchr("#;", text[0]) != NULL)
        return strcpy(line, "\n");
    if (len > LINE_BYTES_MAX || key_len + 1 >= (size_t)size)
        refuse(l->program, "%s:%d: the line is too long", l->file, l->line);
    l->value = value_of(text + key_len + 1);
    text[key_len] = '\0';
    return strcat(strcpy(line, text), "=");
}

static int take_key(void *context, const char *section, const char *name, const char *value)
{
    struct loading *l = context;
    bool own = strcmp(section, l->program->section) == 0;
    const struct option_row *row;
    char source[SHOWN_BYTES_MAX];

    if (section[0] == '\0')
        refuse(l->program, "%s:%d: \"%s\" stands before any [section]", l->file, l->line, name);
    if (!own && strcmp(section, "usher") != 0)
        return 1;
    row = find_option(l->program, span_of(name));
    /* [usher] is for all programs: another one may know what this one does not. */
    if (row == NULL && own)
        refuse(l->program, "%s:%d: [%s] has no key \"%s\"", l->file, l->line, section, name);
    if (row == NULL)
        return 1;
    snprintf(source, sizeof(source), "%s:%d: %s", l->file, l->line, name);
    set_option(l, row, l->value != NULL ? l->value : value, source);
    return 1;
}

static void apply_file(struct loading *l)
{
    int bad;

    l->file = l->config_path;
    l->stream = fopen(l->file, "re");
    if (l->stream == NULL)
        refuse(l->program, "--config: %s: %s", l->file, strerror(errno));
    bad = ini_parse_stream(read_line, l, take_key, l);
    if (bad > 0)
        refuse(l->program, "%s:%d: neither [section] nor key = value", l->file, bad);
    if (bad < 0 || ferror(l->stream))
        refuse(l->program, "--config: %s: cannot be read", l->file);
    fclose(l->stream);
    free(l->text);
}

static void variable_name(const struct option_row *row, char name[NAME_BYTES_MAX])
{
    size_t len = 6;

    memcpy(name, "USHER_", len);
    for (const char *at = row->key; *at != '\0'; at++) {
        assert(len < NAME_BYTES_MAX - 1);
        name[len++] = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
    }
    name[len] = '\0';
}

static void apply_environment(struct loading *l)
{
    for (size_t i = 0; i < l->program->option_count; i++) {
        const struct option_row *row = &l->program->options[i];
        char name[NAME_BYTES_MAX];
        char *text;

        variable_name(row, name);
        text = getenv(name);
        if (text != NULL)
            set_option(l, row, text, name);
        if (text != NULL && row->kind == OPTION_SECRET)
            secrecy_erase(text);
    }
}

/* The value of --flag=value or --flag value; NULL if there is none. */
static char *flag_value(char *equals, int argc, char **argv, int *at)
{
    if (equals != NULL)
        return equals + 1;
    return *at + 1 < argc ? argv[++*at] : NULL;
}

/* --help, --version, --config and --check-config: the flags that are no settings. */
static bool general_flag(struct loading *l, struct span name, char *equals, int argc, char **argv,
                         int *at)
{
    if (span_is(name, "config")) {
        l->config_path = flag_value(equals, argc, argv, at);
        if (l->config_path == NULL || l->config_path[0] == '\0')
            refuse(l->program, "--config: a file must follow");
        return true;
    }
    if (equals != NULL)
        return false;
    if (span_is(name, "help")) {
        print_help(l->program);
        exit(0);
    }
    if (span_is(name, "version")) {
        printf("%s %s\n", l->program->name, USHER_VERSION);
        exit(0);
    }
    if (span_is(name, "check-config"))
        return l->check_only = true;
    return false;
}

/* Walks over the flags up to the first argument that is none; either sort is skipped in turn. */
static int apply_flags(struct loading *l, int argc, char **argv, bool general)
{
    int i;

    for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        char *equals = strchr(argv[i], '=');
        int whole = (int)(equals != NULL ? equals - argv[i] : (ptrdiff_t)strlen(argv[i]));
        struct span name = {argv[i] + 2, (size_t)whole - 2};
        const struct option_row *row;
        char *value;
        char source[NAME_BYTES_MAX], bare[] = "yes";

        if (strcmp(argv[i], "--") == 0)
            return i + 1;
        if (whole < 3 || argv[i][1] != '-')
            refuse(l->program, "%.*s: no such flag; try --help", whole, argv[i]);
        if (general_flag(l, name, equals, argc, argv, &i))
            continue;
        row = find_option(l->program, name);
        if (row == NULL)
            refuse(l->program, "%.*s: no such flag; try --help", whole, argv[i]);
        snprintf(source, sizeof(source), "%.*s", whole, argv[i]);
        value =
            equals == NULL && row->kind == OPTION_FLAG ? bare : flag_value(equals, argc, argv, &i);
        if (value == NULL)
            refuse(l->program, "%s: a value must follow", source);
        if (general)
            continue;
        set_option(l, row, value, source);
        if (row->kind == OPTION_SECRET)
            secrecy_erase(value);
    }
    return i;
}

static void require_all(struct loading *l)
{
    for (size_t i = 0; i < l->program->option_count; i++) {
        const struct option_row *row = &l->program->options[i];
        char **text = (void *)((char *)l->target + row->offset);
        bool is_text = row->kind == OPTION_TEXT || row->kind == OPTION_SECRET;
        char variable[NAME_BYTES_MAX];

        if (row->fallback != NULL ||
            (l->sources[i].text[0] != '\0' && (!is_text || (*text)[0] != '\0')))
            continue;
        variable_name(row, variable);
        refuse(l->program, "%s is required: as a flag, as %s, or in the file given by --config",
               row->key, variable);
    }
}

/* The program's own look at it all; it names an option, and the line names where that came from. */
static void check_whole(const struct loading *l)
{
    const char *key = "";
    const char *why = l->program->check == NULL ? NULL : l->program->check(l->target, &key);
    const struct option_row *row = find_option(l->program, span_of(key));

    if (why == NULL)
        return;
    refuse(l->program, "%s: %s", row == NULL ? key : l->sources[row - l->program->options].text,
           why);
}

/* ---- one option ---- */

static bool set_number(const struct option_row *row, const char *text, int64_t *number)
{
    struct span digits = span_of(text);
    bool negative = digits.len > 0 && digits.bytes[0] == '-';
    uint64_t size;

    if (negative)
        digits = (struct span){digits.bytes + 1, digits.len - 1};
    if (!text_u64(digits, INT64_MAX, &size))
        return false;
    *number = negative ? -(int64_t)size : (int64_t)size;
    return *number >= row->min && *number <= row->max;
}

static bool set_flag(const char *text, bool *flag)
{
    static const char *const words[][2] = {
        {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (int on = 0; on < 2; on++) {
            if (strcmp(text, words[i][on]) == 0) {
                *flag = on != 0;
                return true;
            }
        }
    }
    return false;
}

static void set_text(struct loading *l, const char *text, char **target)
{
    char *copy = strdup(text);

    if (copy == NULL)
        refuse(l->program, "out of memory");
    free(*target);
    *target = copy;
}

/* A bad value for an error line: one line, no passwords, not too long. */
static const char *shown(const char *text, char room[SHOWN_BYTES_MAX])
{
    struct buf masked;
    size_t len = 0;

    buf_init(&masked, strlen(text) * 4 + 16);
    text_put_masked(&masked, span_of(text));
    while (len < masked.len && len < SHOWN_BYTES_MAX - 1) {
        char c = masked.bytes[len];

        room[len++] = (c >= 0 && c < ' ') || c == 0x7f ? '?' : c;
    }
    room[len] = '\0';
    buf_free(&masked);
    return room;
}

static void set_option(struct loading *l, const struct option_row *row, const char *text,
                       const char *source)
{
    void *field = (char *)l->target + row->offset;
    char room[SHOWN_BYTES_MAX];

    switch (row->kind) {
    case OPTION_TEXT:
    case OPTION_SECRET:
        set_text(l, text, field);
        break;
    case OPTION_NUMBER:
        if (!set_number(row, text, field))
            refuse(l->program, "%s: \"%s\" is not a whole number from %lld to %lld", source,
                   shown(text, room), (long long)row->min, (long long)row->max);
        break;
    case OPTION_FLAG:
        if (!set_flag(text, field))
            refuse(l->program, "%s: \"%s\" is neither yes nor no", source, shown(text, room));
        break;
    }
    snprintf(l->sources[row - l->program->options].text, SHOWN_BYTES_MAX, "%s", source);
}

/* By its key; a flag's name has - for _. */
static const struct option_row *find_option(const struct program *program, struct span name)
{
    for (size_t i = 0; i < program->option_count; i++) {
        const char *key = program->options[i].key;
        size_t n = 0;

        while (n < name.len && (key[n] == name.bytes[n] || (key[n] == '_' && name.bytes[n] == '-')))
            n++;
        if (n == name.len && key[n] == '\0')
            return &program->options[i];
    }
    return NULL;
}

/* ---- telling people ---- */

static void print_flag(const char *name, const char *value, const char *help)
{
    int width = printf("  --");

    for (; *name != '\0'; name++, width++)
        putchar(*name == '_' ? '-' : *name);
    width += printf("%s", value);
    if (width >= HELP_COLUMN - 1) {
        putchar('\n');
        width = 0;
    }
    printf("%*s%s", HELP_COLUMN - width, "", help);
}

static void print_default(const struct option_row *row)
{
    if (row->fallback == NULL)
        printf(" (required)");
    else if (row->kind != OPTION_SECRET && row->fallback[0] != '\0')
        printf(" (default %s)", row->fallback);
}

static void print_help(const struct program *program)
{
    static const char *const values[] = {[OPTION_TEXT] = " TEXT",
                                         [OPTION_NUMBER] = " NUMBER",
                                         [OPTION_FLAG] = "[=yes|no]",
                                         [OPTION_SECRET] = " SECRET"};

    printf("usage: %s [options]%s%s\n%s\n\n", program->name, program->usage[0] != '\0' ? " " : "",
           program->usage, program->summary);
    for (size_t i = 0; i < program->option_count; i++) {
        const struct option_row *row = &program->options[i];

        print_flag(row->key, values[row->kind], row->help);
        print_default(row);
        putchar('\n');
    }
    print_flag("config", " FILE", "settings from this INI file\n");
    print_flag("check-config", "", "check the configuration and exit\n");
    print_flag("help", "", "show this and exit\n");
    print_flag("version", "", "show the version and exit\n");
    printf("\nEach option is also a key in [usher] or [%s] of the file and a variable USHER_KEY;\n"
           "a flag wins over a variable, a variable over the file.\n",
           program->section);
}

static void refuse(const struct program *program, const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "%s: ", program->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(EXIT_CONFIGURATION);
}
