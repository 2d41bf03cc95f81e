#include "base/config.h"
#include "tests/unit/child.h"

/* ---- a program ---- */

struct settings {
    char *name;
    char *redis_url;
    char *admin_token;
    int64_t connections_max;
    bool verbose;
};

static const struct option_row options[] = {
    {"name", OPTION_TEXT, offsetof(struct settings, name), "usher", 0, 0, "a name"},
    {"redis_url", OPTION_TEXT, offsetof(struct settings, redis_url), NULL, 0, 0, "where Redis is"},
    {"admin_token", OPTION_SECRET, offsetof(struct settings, admin_token), "hidden-default", 0, 0,
     "a secret"},
    {"connections_max", OPTION_NUMBER, offsetof(struct settings, connections_max), "100", -5, 1000,
     "connections"},
    {"verbose", OPTION_FLAG, offsetof(struct settings, verbose), "no", 0, 0, "say more"},
};

static const char *check(const void *target, const char **key)
{
    const struct settings *s = target;

    *key = "connections_max";
    return s->connections_max == 666 ? "666 is not for us" : NULL;
}

static const struct program program = {
    .name = "usher-test",
    .section = "test",
    .summary = "Does nothing.",
    .usage = "[WORD]",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .check = check,
};

/* ---- running it ---- */

struct call {
    const char *file;        /* the text of the file, or NULL; its path is put in for FILE */
    size_t file_bytes;       /* if it holds NULs */
    const char *variable[4]; /* "USHER_NAME=x" */
    const char *argument[8];
};

static void load_and_print(void *context)
{
    const struct call *call = context;
    char path[] = "/tmp/usher-test-config-XXXXXX";
    char name[] = "usher-test";
    char flag[] = "--config";
    char *argv[12] = {name};
    struct settings s = {0};
    int argc = 1;
    int first;

    if (call->file != NULL) {
        size_t bytes = call->file_bytes > 0 ? call->file_bytes : strlen(call->file);
        int fd = mkstemp(path);

        if (fd < 0 || write(fd, call->file, bytes) != (ssize_t)bytes)
            _exit(99);
        close(fd);
        argv[argc++] = flag;
        argv[argc++] = path;
    }
    clearenv(); /* whoever runs the tests may have USHER_* variables of their own */
    for (int i = 0; i < 4 && call->variable[i] != NULL; i++)
        putenv(strdup(call->variable[i]));
    for (int i = 0; i < 8 && call->argument[i] != NULL; i++)
        argv[argc++] = strdup(call->argument[i]);

    /* config_load may exit; the file must go in any case, and it is read only then. */
    if (fork() == 0) {
        first = config_load(&program, argc, argv, &s);
        for (int i = 1; i < argc; i++)
            if (strncmp(argv[i], "--admin-token=", 14) == 0 && argv[i][14] != '\0')
                _exit(96); /* secrets are erased once they are read */
        if (getenv("USHER_ADMIN_TOKEN") != NULL && *getenv("USHER_ADMIN_TOKEN") != '\0')
            _exit(95);
        printf("%s|%s|%s|%lld|%d|%s\n", s.name, s.redis_url, s.admin_token,
               (long long)s.connections_max, s.verbose, first < argc ? argv[first] : "-");
        config_free(&program, &s);
        if (s.name != NULL || s.admin_token != NULL)
            _exit(98);
        exit(0);
    } else {
        int status = 0;

        wait(&status);
        if (call->file != NULL)
            unlink(path);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 97);
    }
}

static void assert_loads(struct call call, const char *want)
{
    struct child c = child_run(load_and_print, &call);

    assert_exit(&c, 0);
    assert_string_equal(c.err, "");
    assert_string_equal(c.out, want);
}

/* One line on standard error that begins with the program and has both parts; nothing else. */
static void assert_refused(struct call call, const char *source, const char *why)
{
    struct child c = child_run(load_and_print, &call);

    assert_exit(&c, 2);
    assert_string_equal(c.out, "");
    assert_int_equal(strncmp(c.err, "usher-test: ", 12), 0);
    assert_has(c.err, source);
    assert_has(c.err, why);
    assert_ptr_equal(strchr(c.err, '\n'), c.err + strlen(c.err) - 1);
}

#define LOADS(want, ...) assert_loads((struct call){__VA_ARGS__}, want "\n")
#define REFUSED(source, why, ...) assert_refused((struct call){__VA_ARGS__}, source, why)
#define URL "--redis-url=r"

/* ---- where values come from ---- */

TEST(what_is_not_given_has_its_default)
{
    LOADS("usher|r|hidden-default|100|0|-", .argument = {URL});
}

TEST(later_wins)
{
    LOADS("file|r|hidden-default|100|0|-", .file = "[usher]\nname = file\n", .argument = {URL});
    LOADS("variable|r|hidden-default|100|0|-", .file = "[usher]\nname = file\n",
          .variable = {"USHER_NAME=variable"}, .argument = {URL});
    LOADS("flag|r|hidden-default|100|0|-", .file = "[usher]\nname = file\n",
          .variable = {"USHER_NAME=variable"}, .argument = {URL, "--name=flag"});
    LOADS("second|r|hidden-default|100|0|-", .argument = {URL, "--name=first", "--name", "second"});
}

TEST(flags_are_spelled_in_two_ways)
{
    LOADS("x|r|t|7|1|-", .argument = {"--redis-url", "r", "--name", "x", "--admin-token=t",
                                      "--connections-max=7", "--verbose"});
    LOADS("x=y|r|hidden-default|-5|0|-",
          .argument = {URL, "--name=x=y", "--connections-max", "-5", "--verbose=off"});
    LOADS("|r|hidden-default|100|0|-", .argument = {URL, "--name="});
}

TEST(the_first_argument_that_is_no_flag_ends_them)
{
    LOADS("usher|r|hidden-default|100|0|show", .argument = {URL, "show", "--name=x"});
    LOADS("usher|r|hidden-default|100|0|--name=x", .argument = {URL, "--", "--name=x"});
    LOADS("usher|r|hidden-default|100|0|-", .argument = {URL, "-", "x"});
}

TEST(a_flag_is_said_in_many_words)
{
    static const char *const words[] = {"yes", "true", "on", "1", "no", "false", "off", "0"};

    for (size_t i = 0; i < COUNT(words); i++) {
        char variable[40];
        struct call call = {.variable = {variable}, .argument = {URL}};

        snprintf(variable, sizeof(variable), "USHER_VERBOSE=%s", words[i]);
        assert_loads(call, i < 4 ? "usher|r|hidden-default|100|1|-\n"
                                 : "usher|r|hidden-default|100|0|-\n");
    }
}

/* ---- the file ---- */

TEST(a_file_has_sections_comments_and_space)
{
    LOADS("a b|r|hidden-default|7|1|-", .file = "# a comment\n"
                                                "; another\n"
                                                "\n"
                                                "[usher]\r\n"
                                                "  redis_url=r\n"
                                                "\tname =   a b  \n"
                                                "[ test ]\n"
                                                "[test]\n"
                                                "connections_max: 7\n"
                                                "verbose = yes ; said at the end\n");
}

TEST(an_indented_line_is_a_line_of_its_own)
{
    LOADS("x|r|hidden-default|9|0|-", .file = "[test]\n"
                                              "name = x\n"
                                              "  connections_max = 9\n"
                                              "\tredis_url = r\n");
}

TEST(sections_of_others_are_not_looked_at)
{
    LOADS("usher|r|hidden-default|100|0|-", .file = "[gateway]\nname = x\nnonsense = y\n",
          .argument = {URL});
}

TEST(an_unknown_key_is_an_error_in_the_own_section_only)
{
    LOADS("usher|r|hidden-default|100|0|-", .file = "[usher]\nlisten = :80\n", .argument = {URL});
    REFUSED("-config-", ":3: [test] has no key \"listen\"", .file = "[test]\n\nlisten = :80\n",
            .argument = {URL});
    REFUSED(":1: ", "\"name\" stands before any [section]", .file = "name = x\n",
            .argument = {URL});
}

TEST(an_error_in_the_file_names_its_line)
{
    REFUSED(":4: connections_max: \"many\"", "not a whole number from -5 to 1000",
            .file = "[usher]\nname = x\n\nconnections_max = many\n", .argument = {URL});
    REFUSED(":3: ", "neither [section] nor key = value", .file = "[usher]\nname = x\njunk\n",
            .argument = {URL});
    REFUSED(":2: ", "neither [section] nor key = value", .file = "[usher]\n[test\n",
            .argument = {URL});
}

/* inih's own buffer ends at 200 bytes; nothing may be lost there. */
TEST(a_long_line_is_read_whole)
{
    for (size_t n = 180; n <= 220; n++) {
        char value[300];
        char file[800];
        char want[800];
        struct call call = {.file = file, .argument = {URL}};

        memset(value, 'x', n);
        value[n] = '\0';
        snprintf(file, sizeof(file), "[usher]\n  name =  %s \nconnections_max=7\n", value);
        snprintf(want, sizeof(want), "%s|r|hidden-default|7|0|-\n", value);
        assert_loads(call, want);
        snprintf(file, sizeof(file), "[usher]\nname: %s=;y ; %s\nconnections_max=7", value, value);
        snprintf(want, sizeof(want), "%s=;y|r|hidden-default|7|0|-\n", value);
        assert_loads(call, want);
        snprintf(file, sizeof(file), "[usher]\n# name=%s\n ;name=%s\r\n", value, value);
        assert_loads(call, "usher|r|hidden-default|100|0|-\n");
    }
}

TEST(a_line_beyond_the_bound_is_refused_and_not_cut)
{
    static char file[5000] = "[usher]\nname=";
    size_t head = strlen(file);
    struct call call = {.file = file, .argument = {URL}};
    static char want[5000];

    memset(file + head, 'x', 4096 - 5 - 1); /* a key with its sign, and a newline */
    strcpy(file + head + 4096 - 5 - 1, "\n");
    snprintf(want, sizeof(want), "%.4090s|r|hidden-default|100|0|-\n", file + head);
    assert_loads(call, want);
    strcpy(file + head + 4096 - 5 - 1, "x\n");
    assert_refused(call, ":2: ", "the line is too long");
    memset(file + head, 'x', 4900);
    assert_refused(call, ":2: ", "the line is too long");
    memset(file + 8, 'k', 300); /* a key that long is none */
    file[8 + 300] = '=';
    file[8 + 301] = '\0';
    assert_refused(call, ":2: ", "the line is too long");
}

TEST(nul_bytes_in_the_file_are_refused)
{
    REFUSED(":2: ", "NUL", .file = "[usher]\nna\0me = x\n", .file_bytes = 18, .argument = {URL});
    REFUSED(":2: ", "NUL", .file = "[usher]\nname = x\0y", .file_bytes = 18, .argument = {URL});
    REFUSED(":1: ", "NUL", .file = "\0\0\0\0", .file_bytes = 4, .argument = {URL});
}

TEST(a_file_that_cannot_be_read_is_an_error)
{
    REFUSED("--config: /nonexistent/usher.ini", "No such file",
            .argument = {URL, "--config=/nonexistent/usher.ini"});
    REFUSED("--config: /tmp", "", .argument = {URL, "--config", "/tmp"});
    REFUSED("--config", "a file must follow", .argument = {URL, "--config"});
    REFUSED("--config", "a file must follow", .argument = {URL, "--config="});
}

/* ---- what is wrong ---- */

TEST(numbers_have_their_range)
{
    static const char *const wrong[] = {"",
                                        "x",
                                        "1x",
                                        " 1",
                                        "1.5",
                                        "0x10",
                                        "-6",
                                        "1001",
                                        "--1",
                                        "+1",
                                        "99999999999999999999",
                                        "1e3",
                                        "-",
                                        "1 ",
                                        "-99999999999999999999"};

    for (size_t i = 0; i < COUNT(wrong); i++) {
        char variable[80];
        struct call call = {.variable = {variable}, .argument = {URL}};

        snprintf(variable, sizeof(variable), "USHER_CONNECTIONS_MAX=%s", wrong[i]);
        assert_refused(call, "USHER_CONNECTIONS_MAX: ", "not a whole number from -5 to 1000");
    }
    LOADS("usher|r|hidden-default|1000|0|-", .variable = {"USHER_CONNECTIONS_MAX=1000"},
          .argument = {URL});
    LOADS("usher|r|hidden-default|-5|0|-", .variable = {"USHER_CONNECTIONS_MAX=-5"},
          .argument = {URL});
}

TEST(flags_that_are_none_are_refused)
{
    REFUSED("--nam", "no such flag", .argument = {URL, "--nam=x"});
    REFUSED("--names", "no such flag", .argument = {URL, "--names", "x"});
    REFUSED("-n", "no such flag", .argument = {URL, "-n"});
    REFUSED("--help", "no such flag", .argument = {URL, "--help=x"});
    REFUSED("--: ", "no such flag", .argument = {URL, "--=x"});
    REFUSED("--name", "a value must follow", .argument = {URL, "--name"});
    REFUSED("--verbose", "\"maybe\" is neither yes nor no", .argument = {URL, "--verbose=maybe"});
}

TEST(what_is_required_must_be_there)
{
    REFUSED("redis_url is required", "USHER_REDIS_URL", .argument = {NULL});
    REFUSED("redis_url is required", "", .argument = {"--redis-url="});
    LOADS("usher|r|hidden-default|100|0|-", .variable = {"USHER_REDIS_URL=r"});
}

TEST(the_programs_own_check_names_the_source)
{
    REFUSED("--connections-max: ", "666 is not for us", .argument = {URL, "--connections-max=666"});
    REFUSED("USHER_CONNECTIONS_MAX: ", "666 is not for us",
            .variable = {"USHER_CONNECTIONS_MAX=666"}, .argument = {URL});
    REFUSED(":2: connections_max: ", "666 is not for us", .file = "[test]\nconnections_max = 666\n",
            .argument = {URL});
}

/* ---- secrets ---- */

TEST(no_secret_is_ever_shown)
{
    static const struct call calls[] = {
        {.argument = {URL, "--admin-tokn=hush"}},
        {.argument = {URL, "--help=hush"}},
        {.argument = {URL, "--connections-max=redis://me:hush@h"}},
        {.argument = {URL, "--connections-max=host=h password=hush"}},
        {.file = "[test]\nadmin_tokn = hush\n", .argument = {URL}},
        {.file = "[usher]\nadmin_token hush\n", .argument = {URL}},
        {.file = "admin_token = hush\n", .argument = {URL}},
        {.variable = {"USHER_VERBOSE=postgresql://me:hush@h/db"}, .argument = {URL}},
        {.variable = {"USHER_ADMIN_TOKEN=hush", "USHER_NAME=x"}},
    };

    for (size_t i = 0; i < COUNT(calls); i++) {
        struct call call = calls[i];
        struct child c = child_run(load_and_print, &call);

        assert_exit(&c, 2);
        assert_has_not(c.err, "hush");
        assert_string_equal(c.out, "");
    }
}

TEST(a_bad_value_is_shown_on_one_line_and_not_endlessly)
{
    char variable[2000] = "USHER_CONNECTIONS_MAX=a\nb\x1b";
    struct call call = {.variable = {variable}, .argument = {URL}};
    struct child c;

    assert_refused(call, "\"a?b?\"", "not a whole number");
    memset(variable + 22, 'x', sizeof(variable) - 23);
    c = child_run(load_and_print, &call);
    assert_exit(&c, 2);
    assert_true(strlen(c.err) < 500);
}

/* ---- what people ask ---- */

TEST(help_lists_every_option_from_the_table)
{
    struct call call = {.argument = {"--help"}};
    struct child c = child_run(load_and_print, &call);

    assert_exit(&c, 0);
    assert_string_equal(c.err, "");
    assert_has(c.out, "usage: usher-test [options] [WORD]\n");
    assert_has(c.out, "--name TEXT");
    assert_has(c.out, "where Redis is (required)");
    assert_has(c.out, "connections (default 100)");
    assert_has(c.out, "--verbose[=yes|no]");
    assert_has(c.out, "--admin-token SECRET");
    assert_has(c.out, "--check-config");
    assert_has_not(c.out, "hidden-default");
}

TEST(version_is_one_line)
{
    struct call call = {.argument = {"--version"}};
    struct child c = child_run(load_and_print, &call);

    assert_exit(&c, 0);
    assert_string_equal(c.out, "usher-test " USHER_VERSION "\n");
}

TEST(a_configuration_can_be_checked)
{
    LOADS("configuration is right", .argument = {URL, "--check-config"});
    LOADS("configuration is right", .argument = {"--check-config", URL});
    REFUSED("redis_url is required", "", .argument = {"--check-config"});
    REFUSED("--connections-max", "666",
            .argument = {"--check-config", URL, "--connections-max=666"});
}

int main(void)
{
    return RUN(cmocka_unit_test(what_is_not_given_has_its_default), cmocka_unit_test(later_wins),
               cmocka_unit_test(flags_are_spelled_in_two_ways),
               cmocka_unit_test(the_first_argument_that_is_no_flag_ends_them),
               cmocka_unit_test(a_flag_is_said_in_many_words),
               cmocka_unit_test(a_file_has_sections_comments_and_space),
               cmocka_unit_test(an_indented_line_is_a_line_of_its_own),
               cmocka_unit_test(sections_of_others_are_not_looked_at),
               cmocka_unit_test(an_unknown_key_is_an_error_in_the_own_section_only),
               cmocka_unit_test(an_error_in_the_file_names_its_line),
               cmocka_unit_test(a_long_line_is_read_whole),
               cmocka_unit_test(a_line_beyond_the_bound_is_refused_and_not_cut),
               cmocka_unit_test(nul_bytes_in_the_file_are_refused),
               cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
               cmocka_unit_test(numbers_have_their_range),
               cmocka_unit_test(flags_that_are_none_are_refused),
               cmocka_unit_test(what_is_required_must_be_there),
               cmocka_unit_test(the_programs_own_check_names_the_source),
               cmocka_unit_test(no_secret_is_ever_shown),
               cmocka_unit_test(a_bad_value_is_shown_on_one_line_and_not_endlessly),
               cmocka_unit_test(help_lists_every_option_from_the_table),
               cmocka_unit_test(version_is_one_line),
               cmocka_unit_test(a_configuration_can_be_checked));
}
