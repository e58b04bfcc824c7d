#include "launcher/each/halt.h"

#include <stdlib.h>
#include <string.h>

#define PERCENT_FROM 3

static int parse_limit (const char *text, mpl_halt_t *halt)
{
    char *end;
    long limit = strtol (text, &end, 10);

    halt->is_percent = *end == '%';
    end += halt->is_percent;
    if (end == text || *end || *text < '0' || *text > '9' || limit < 1 || limit > (halt->is_percent ? 100 : 1 << 30))
        return -1;
    halt->limit = (int) limit;
    return 0;
}

int mpl__halt_parse (const char *text, mpl_halt_t *halt)
{
    static const struct { const char *beginning; mpl_halt_when_t when; mpl_halt_what_t what; } rules[] = {
        { "soon,fail=", MPL__HALT_SOON, MPL__HALT_FAIL }, { "soon,success=", MPL__HALT_SOON, MPL__HALT_SUCCESS },
        { "soon,done=", MPL__HALT_SOON, MPL__HALT_DONE }, { "now,fail=", MPL__HALT_NOW, MPL__HALT_FAIL },
        { "now,success=", MPL__HALT_NOW, MPL__HALT_SUCCESS }, { "now,done=", MPL__HALT_NOW, MPL__HALT_DONE },
    };
    static const char *const older[] = { "0", "1", "2" };
    static const mpl_halt_when_t older_when[] = { MPL__HALT_NEVER, MPL__HALT_SOON, MPL__HALT_NOW };

    *halt = (mpl_halt_t) { .when = MPL__HALT_NEVER, .limit = 1 };
    if (!strcmp (text, "never"))
        return 0;
    for (size_t i = 0; i < sizeof older / sizeof *older; i++)
        if (!strcmp (text, older[i])) {
            halt->when = older_when[i];
            return 0;
        }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        size_t len = strlen (rules[i].beginning);
        if (!strncmp (text, rules[i].beginning, len)) {
            *halt = (mpl_halt_t) { .when = rules[i].when, .what = rules[i].what };
            return parse_limit (text + len, halt);
        }
    }
    return -1;
}

mpl_halt_when_t mpl__halt_decide (const mpl_halt_t *halt, size_t n_failed, size_t n_succeeded, size_t total)
{
    size_t n = halt->what == MPL__HALT_FAIL      ? n_failed
               : halt->what == MPL__HALT_SUCCESS ? n_succeeded
                                                 : n_failed + n_succeeded;

    if (halt->when == MPL__HALT_NEVER)
        return MPL__HALT_NEVER;
    if (!halt->is_percent)
        return n >= (size_t) halt->limit ? halt->when : MPL__HALT_NEVER;
    return total && n >= PERCENT_FROM && n * 100 >= total * (size_t) halt->limit ? halt->when : MPL__HALT_NEVER;
}

int mpl__halt_code (const mpl_halt_t *halt, size_t n_failed, size_t total, int code)
{
    if (halt->what == MPL__HALT_SUCCESS)
        return 0;
    if (halt->is_percent)
        return (int) ((n_failed * 100 + total - 1) / total);
    return halt->what == MPL__HALT_FAIL && halt->limit == 1 ? code : -1;
}
