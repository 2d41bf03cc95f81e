/*
 * The numbers and the legal moves stand in three places: base/model.h, lua/model.lua and sql/.
 * Here they are read from the other two and compared. Run from the top folder.
 */
#include <ctype.h>
#include <stdio.h>

#include "base/model.h"
#include "tests/unit/unit.h"

#define STATES_END (STATE_FAILED + 1)

/* Numbers may leave others out, never to be taken again. */
static const int operation_numbers[] = {
#define X(number, name) number,
    OPERATIONS(X)
#undef X
};
static const int code_numbers[] = {
#define X(number, name, status, title, error) number,
    CODES(X)
#undef X
};
#define OPERATIONS_END (operation_numbers[COUNT(operation_numbers) - 1] + 1)

static char *text_of(const char *path)
{
    enum { BYTES_MAX = 1 << 20 };
    char *text = calloc(1, BYTES_MAX);
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_true(fread(text, 1, BYTES_MAX - 1, file) > 0);
    assert_true(feof(file));
    fclose(file);
    return text;
}

/* The text from `from` up to `to`, which must both be there; owned by the caller. */
static char *section_of(const char *text, const char *from, const char *to)
{
    const char *start = strstr(text, from);
    const char *end = start == NULL ? NULL : strstr(start, to);

    assert_non_null(start);
    assert_non_null(end);
    return strndup(start + strlen(from), (size_t)(end - start) - strlen(from));
}

/* The next word of A-Z and _ at or behind *at, copied; false at the end. */
static bool next_word(const char **at, char word[32])
{
    size_t n = 0;

    while (**at != '\0' && !isupper((unsigned char)**at))
        ++*at;
    while ((isupper((unsigned char)**at) || **at == '_') && n < 31)
        word[n++] = *(*at)++;
    word[n] = '\0';
    return n > 0;
}

static int state_number(const char *name)
{
    for (int i = 0; i < STATES_END; i++) {
        if (state_name((enum state)i) != NULL && strcmp(state_name((enum state)i), name) == 0)
            return i;
    }
    fail_msg("%s is no state", name);
    return -1;
}

static void compare_moves(bool moves[STATES_END][STATES_END])
{
    for (int from = 0; from < STATES_END; from++) {
        for (int to = 0; to < STATES_END; to++) {
            if (state_may_become((enum state)from, (enum state)to) != moves[from][to])
                fail_msg("from %d to %d: here it is %s", from, to,
                         moves[from][to] ? "illegal" : "legal");
        }
    }
}

static void add_moves(const char *migration, bool moves[STATES_END][STATES_END])
{
    char *text = text_of(migration);
    char *rows = section_of(text, "INSERT INTO legal_moves VALUES", ";");
    const char *at = rows;
    char from[32];
    char to[32];

    while (next_word(&at, from)) {
        assert_true(next_word(&at, to));
        moves[state_number(from)][state_number(to)] = true;
    }
    free(rows);
    free(text);
}

TEST(the_database_has_the_same_moves)
{
    bool moves[STATES_END][STATES_END] = {{false}};

    add_moves("sql/0001_core.sql", moves);
    add_moves("sql/0005_payments.sql", moves);
    compare_moves(moves);
}

TEST(the_database_has_the_same_states_in_the_same_order)
{
    char *text = text_of("sql/0001_core.sql");
    char *names = section_of(text, "CREATE TYPE booking_status AS ENUM", ";");
    const char *at = names;
    char name[32];
    int number = 1;

    while (next_word(&at, name))
        assert_int_equal(state_number(name), number++);
    assert_int_equal(number, STATES_END);
    free(names);
    free(text);
}

/* Rows "[STATE.HELD] = {[STATE.PENDING] = true, …}," as loosely as they are written. */
TEST(the_script_has_the_same_moves)
{
    bool moves[STATES_END][STATES_END] = {{false}};
    char *text = text_of("lua/model.lua");
    char *rows = section_of(text, "local MOVES = {", "\n}");
    int from = -1;
    int depth = 0;

    for (const char *at = rows; *at != '\0'; at++) {
        depth += *at == '{' ? 1 : *at == '}' ? -1 : 0;
        if (strncmp(at, "STATE.", 6) == 0) {
            const char *name_at = at + 6;
            char name[32];

            assert_true(next_word(&name_at, name));
            if (depth == 0)
                from = state_number(name);
            else
                moves[from][state_number(name)] = true;
        }
    }
    assert_true(from > 0);
    compare_moves(moves);
    free(rows);
    free(text);
}

static const char *state_name_of(int number)
{
    return state_name((enum state)number);
}

static const char *operation_name_of(int number)
{
    return operation_name((enum operation)number);
}

static const char *result_name_of(int number)
{
    return result_name((enum result)number);
}

static const char *code_name_of(int number)
{
    return code_name((enum code)number);
}

/* Every NAME = number of a Lua table is the name of that number here; returns how many. */
static int compare_names(const char *table, const char *(*name_of)(int number))
{
    char *text = text_of("lua/model.lua");
    char *rows = section_of(text, table, "}");
    const char *at = rows;
    char name[32];
    int count = 0;

    while (next_word(&at, name)) {
        int number = -1;

        assert_int_equal(sscanf(at, " = %d", &number), 1);
        assert_non_null(name_of(number));
        assert_string_equal(name_of(number), name);
        count++;
    }
    free(rows);
    free(text);
    return count;
}

TEST(the_script_has_the_same_numbers)
{
    assert_int_equal(compare_names("local STATE = {", state_name_of), STATES_END - 1);
    assert_int_equal(compare_names("local RESULT = {", result_name_of), RESULT_GIVEN_UP);
    assert_int_equal(compare_names("local OP = {", operation_name_of), COUNT(operation_numbers));
    /* The codes that only a gateway gives need not stand there. */
    assert_true(compare_names("local CODE = {", code_name_of) > 0);
}

TEST(numbers_that_are_none_have_no_name)
{
    assert_null(state_name((enum state)0));
    assert_null(state_name((enum state)STATES_END));
    assert_null(state_name((enum state) - 1));
    assert_null(operation_name((enum operation)0));
    assert_null(operation_name((enum operation)OPERATIONS_END));
    assert_null(code_name(CODES_END));
    assert_null(code_name((enum code) - 1));
    assert_string_equal(state_name(STATE_HELD), "HELD");
    assert_string_equal(operation_name(OP_REFRESH), "REFRESH");
    assert_string_equal(code_name(CODE_GRANTED), "GRANTED");
}

TEST(no_move_leads_from_or_to_a_number_that_is_none)
{
    for (int i = -1; i <= 40; i++) {
        assert_false(state_may_become((enum state)i, (enum state)0));
        assert_false(state_may_become((enum state)0, (enum state)i));
        assert_false(state_may_become((enum state)STATES_END, (enum state)i));
        assert_false(state_may_become(STATE_HELD, (enum state)(i + 40)));
    }
}

/* But for a payment that succeeds after all. */
TEST(the_dead_stay_dead)
{
    for (int from = 1; from < STATES_END; from++) {
        for (int to = 1; to < STATES_END; to++) {
            if (!state_is_live((enum state)from) &&
                !(from == STATE_FAILED && to == STATE_CONFIRMED))
                assert_false(state_may_become((enum state)from, (enum state)to));
        }
    }
    assert_true(state_is_live(STATE_HELD));
    assert_true(state_is_live(STATE_PENDING));
    assert_true(state_is_live(STATE_CONFIRMED));
    assert_false(state_is_live(STATE_CANCELLED));
    assert_false(state_is_live(STATE_EXPIRED));
    assert_false(state_is_live(STATE_FAILED));
}

TEST(every_code_has_its_words)
{
    for (size_t at = 0; at < COUNT(code_numbers); at++) {
        int i = code_numbers[at];
        int status = code_status((enum code)i);

        assert_non_null(code_name((enum code)i));
        assert_true(strlen(code_title((enum code)i)) > 0);
        assert_true(strlen(code_error((enum code)i)) > 0);
        assert_true(i == CODE_GRANTED ? status == 200 : status >= 400 && status < 600);
    }
    assert_string_equal(code_error(CODE_SOLD_OUT), "Sold Out");
    assert_string_equal(code_error(CODE_NOT_ENOUGH), "Not enough tickets available");
    assert_int_equal(code_status(CODE_TIMED_OUT), 504);
    assert_int_equal(code_status(CODES_END), 500);
}

int main(void)
{
    return RUN(cmocka_unit_test(the_database_has_the_same_moves),
               cmocka_unit_test(the_database_has_the_same_states_in_the_same_order),
               cmocka_unit_test(the_script_has_the_same_moves),
               cmocka_unit_test(the_script_has_the_same_numbers),
               cmocka_unit_test(numbers_that_are_none_have_no_name),
               cmocka_unit_test(no_move_leads_from_or_to_a_number_that_is_none),
               cmocka_unit_test(the_dead_stay_dead), cmocka_unit_test(every_code_has_its_words));
}
