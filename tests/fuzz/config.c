/*
 * Configuration: flags and a file. The input is flags, each up to a NUL, then an empty one, then
 * the file. Either it is refused with exit status 2, or every setting is within its bounds, and the
 * same settings given as flags give the same settings.
 *
 * config_load ends the program when it refuses: here exit() comes back instead, and what was taken
 * from the heap until then is given back (the linker's --wrap, see fuzz.mk).
 */
#include "base/config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#define FLAGS_MAX 8
#define TAKEN_MAX 256

struct settings {
    char *name;
    char *password;
    char *needed;
    int64_t places;
    int64_t offset;
    bool open;
};

#define AT(field) offsetof(struct settings, field)
static const struct option_row options[] = {
    {"name", OPTION_TEXT, AT(name), "usher", 0, 0, "a word"},
    {"password", OPTION_SECRET, AT(password), "", 0, 0, "a secret"},
    {"needed", OPTION_TEXT, AT(needed), NULL, 0, 0, "must be given"},
    {"places_max", OPTION_NUMBER, AT(places), "10", 1, 1000, "how many"},
    {"offset_ms", OPTION_NUMBER, AT(offset), "0", -1000, INT64_MAX, "how far"},
    {"open", OPTION_FLAG, AT(open), "no", 0, 0, "whether"},
};
static const struct program program = {
    .name = "usher-fuzz",
    .section = "fuzz",
    .summary = "is fuzzed",
    .usage = "",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* ---- exit comes back ---- */

static jmp_buf refused;
static int exit_status;
static bool is_loading;
static void *taken[TAKEN_MAX];
static size_t taken_count;
static FILE *opened;
static char *line; /* of getline */

void __wrap_exit(int status) __attribute__((noreturn));
void *__wrap_calloc(size_t count, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);
FILE *__wrap_fopen(const char *path, const char *mode);
int __wrap_fclose(FILE *file);
ssize_t __wrap___getdelim(char **text, size_t *cap, int end, FILE *file); /* what getline is */
void __real_exit(int status) __attribute__((noreturn));
void *__real_calloc(size_t count, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *memory);
FILE *__real_fopen(const char *path, const char *mode);
int __real_fclose(FILE *file);
ssize_t __real___getdelim(char **text, size_t *cap, int end, FILE *file);

void __wrap_exit(int status)
{
    if (!is_loading)
        __real_exit(status);
    exit_status = status;
    longjmp(refused, 1);
}

static void *take(void *memory)
{
    if (is_loading && memory != NULL) {
        CHECK(taken_count < TAKEN_MAX);
        taken[taken_count++] = memory;
    }
    return memory;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return take(__real_calloc(count, size));
}

char *__wrap_strdup(const char *text)
{
    return take(__real_strdup(text));
}

void __wrap_free(void *memory)
{
    for (size_t i = 0; memory != NULL && i < taken_count; i++)
        if (taken[i] == memory)
            taken[i] = taken[--taken_count];
    if (memory == line)
        line = NULL;
    __real_free(memory);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
    return opened = __real_fopen(path, mode);
}

int __wrap_fclose(FILE *file)
{
    opened = NULL;
    return __real_fclose(file);
}

ssize_t __wrap___getdelim(char **text, size_t *cap, int end, FILE *file)
{
    ssize_t n = __real___getdelim(text, cap, end, file);

    line = *text;
    return n;
}

static void give_all_back(void)
{
    while (taken_count > 0)
        __real_free(taken[--taken_count]);
    if (opened != NULL)
        __wrap_fclose(opened);
    __real_free(line);
    line = NULL;
}

/* False if it was refused. */
static bool load(int argc, char **argv, struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    is_loading = true;
    if (setjmp(refused) != 0) {
        is_loading = false;
        give_all_back();
        return false;
    }
    config_load(&program, argc, argv, settings);
    is_loading = false;
    CHECK(opened == NULL && line == NULL);
    return true;
}

/* ---- what must hold ---- */

static char *flag_of(const char *name, const char *value)
{
    struct buf flag;

    buf_init(&flag, 1 << 20);
    buf_puts(&flag, name);
    buf_puts(&flag, value);
    char *text = fuzz_text(buf_span(&flag));
    buf_free(&flag);
    return text;
}

static void check_again(const struct settings *s)
{
    char places[32], offset[32];
    struct settings again;

    snprintf(places, sizeof places, "%lld", (long long)s->places);
    snprintf(offset, sizeof offset, "%lld", (long long)s->offset);
    char *argv[] = {
        "usher-fuzz",
        flag_of("--name=", s->name),
        flag_of("--password=", s->password),
        flag_of("--needed=", s->needed),
        flag_of("--places-max=", places),
        flag_of("--offset-ms=", offset),
        flag_of("--open=", s->open ? "on" : "off"),
        NULL,
    };
    CHECK(load(7, argv, &again));
    CHECK(strcmp(s->name, again.name) == 0 && strcmp(s->needed, again.needed) == 0);
    CHECK(strcmp(s->password, again.password) == 0 && s->open == again.open);
    CHECK(s->places == again.places && s->offset == again.offset);
    config_free(&program, &again);
    for (int i = 1; i < 7; i++)
        free(argv[i]);
}

static char *write_file(struct span text)
{
    static char path[64];
    static int fd = -1;

    if (fd < 0)
        fd = memfd_create("fuzz", 0);
    CHECK(fd >= 0 && ftruncate(fd, 0) == 0);
    CHECK(pwrite(fd, text.bytes, text.len, 0) == (ssize_t)text.len);
    snprintf(path, sizeof path, "--config=/proc/self/fd/%d", fd);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = fuzz_span(data, size);
    char *argv[FLAGS_MAX + 3] = {"usher-fuzz"};
    int argc = 1;
    struct settings settings;

    while (rest.len > 0 && argc <= FLAGS_MAX) {
        const char *end = memchr(rest.bytes, '\0', rest.len);
        size_t n = end == NULL ? rest.len : (size_t)(end - rest.bytes);
        struct span flag = {rest.bytes, n};
        n += end != NULL;
        rest = (struct span){rest.bytes + n, rest.len - n};
        if (flag.len == 0)
            break;
        /* Only the file that we write is read. */
        if (flag.len < 5 || memcmp(flag.bytes, "--con", 5) != 0)
            argv[argc++] = fuzz_text(flag);
    }
    int own = argc;
    /* Behind the others it might be taken for the value of one, or for no flag at all. */
    memmove(&argv[2], &argv[1], (size_t)(argc - 1) * sizeof *argv);
    argv[1] = write_file(rest);
    argv[++argc] = NULL;

    if (load(argc, argv, &settings)) {
        CHECK(settings.places >= 1 && settings.places <= 1000 && settings.offset >= -1000);
        CHECK(settings.name != NULL && settings.password != NULL);
        CHECK(settings.needed != NULL && settings.needed[0] != '\0');
        check_again(&settings);
        config_free(&program, &settings);
    } else {
        CHECK(exit_status == 2 || exit_status == 0);
    }
    for (int i = 2; i <= own; i++)
        free(argv[i]);
    return 0;
}
