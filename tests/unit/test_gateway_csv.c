/* Cells of CSV: what a parser gets back, and what a spreadsheet may not compute. */
#include "gateway/csv.h"
#include "tests/unit/unit.h"

static void assert_cell(struct span text, const char *want)
{
    struct buf b;

    buf_init(&b, 256);
    csv_text(&b, text);
    assert_string_equal(buf_text(&b), want);
    buf_free(&b);
}

TEST(plain_text_stays_as_it_is)
{
    assert_cell(SPAN(""), "");
    assert_cell(SPAN("Balcony 1-A"), "Balcony 1-A");
    assert_cell(SPAN("Zürich"), "Zürich");
    assert_cell(SPAN("a = b"), "a = b");
}

TEST(what_would_end_a_cell_is_quoted)
{
    assert_cell(SPAN("a,b"), "\"a,b\"");
    assert_cell(SPAN("say \"no\""), "\"say \"\"no\"\"\"");
    assert_cell(SPAN("one\r\ntwo"), "\"one\r\ntwo\"");
    assert_cell(SPAN("one\ntwo"), "\"one\ntwo\"");
}

TEST(what_a_spreadsheet_would_compute_is_text)
{
    assert_cell(SPAN("=1+1"), "\"'=1+1\"");
    assert_cell(SPAN("+1"), "\"'+1\"");
    assert_cell(SPAN("-1"), "\"'-1\"");
    assert_cell(SPAN("@SUM(A1)"), "\"'@SUM(A1)\"");
    assert_cell(SPAN("\t=1"), "\"'\t=1\"");
    assert_cell(SPAN("=HYPERLINK(\"x\",\"y\")"), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
}

int main(void)
{
    return RUN(cmocka_unit_test(plain_text_stays_as_it_is),
               cmocka_unit_test(what_would_end_a_cell_is_quoted),
               cmocka_unit_test(what_a_spreadsheet_would_compute_is_text));
}
