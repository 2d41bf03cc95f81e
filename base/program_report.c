#include "program_report.h"

#include <assert.h>
#include <string.h>

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

void program_report_make(struct program_report *report, const char *kind, const char *name,
                         struct span text, struct span script)
{
    assert(strlen(name) <= PROGRAM_NAME_BYTES_MAX);
    report->set = key_reports(kind);
    report->own = key_report(kind, name);
    const struct span words[PROGRAM_REPORT_WORDS] = {
        SPAN("EVAL"),
        script,
        SPAN("2"),
        {report->set.text, report->set.len},
        {report->own.text, report->own.len},
        span_of(name),
        text,
        SPAN(TEXT_OF(PROGRAM_REPORT_SECONDS)),
    };
    memcpy(report->argv, words, sizeof words);
    report->argc = PROGRAM_REPORT_WORDS;
}

size_t program_report_list(const struct key *set, struct span argv[PROGRAM_LIST_WORDS])
{
    argv[0] = SPAN("ZRANGE");
    argv[1] = (struct span){set->text, set->len};
    argv[2] = SPAN("0");
    argv[3] = SPAN("1023"); /* PROGRAM_REPORTS_MAX of them */
    return PROGRAM_LIST_WORDS;
}
