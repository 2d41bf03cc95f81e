#include "program_report.h"

#include <assert.h>
#include <string.h>

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

void program_report_make(struct program_report *report, const char *kind, const char *name,
                         struct span text)
{
    const struct span seconds = SPAN(TEXT_OF(PROGRAM_REPORT_SECONDS));

    assert(strlen(name) <= PROGRAM_NAME_BYTES_MAX);
    report->set = key_reports(kind);
    report->own = key_report(kind, name);
    struct span set = {report->set.text, report->set.len};
    struct span own = {report->own.text, report->own.len};
    report->command[0] = (struct program_command){5, {SPAN("SET"), own, text, SPAN("EX"), seconds}};
    report->command[1] = (struct program_command){3, {SPAN("SADD"), set, span_of(name)}};
    report->command[2] = (struct program_command){3, {SPAN("EXPIRE"), set, seconds}};
}
