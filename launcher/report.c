#include "launcher/report.h"
#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

static double seconds (uint64_t ns)
{
    return (double) ns / MPL__NS_PER_S;
}

/* How long it has run: its agent says so at its end, until then our own clock does. */
static uint64_t wall_of (const mpl_record_of_rank_t *rank, uint64_t now)
{
    return rank->state == MPL__RANK_RUNS ? now - rank->started_at : rank->wall_ns;
}

static void print_rank (const mpl_tally_t *tally, size_t i, int host_width, uint64_t now, FILE *to)
{
    const mpl_record_of_rank_t *rank = &tally->ranks[i];
    char text[128];

    fprintf (to, "%6zu  %-*s  %8d  %9.2f  %9.2f  %9.1f  %s%s\n", i, host_width, rank->host, rank->pid,
             seconds (wall_of (rank, now)), seconds (rank->cpu_ns), (double) rank->peak_bytes / (1 << 20),
             mpl__tally_end_text (rank, text, sizeof text),
             rank->was_ended_by_us && WIFSIGNALED (rank->status) ? ", by mplaunch" : "");
}

void mpl__report_print (const mpl_tally_t *tally, uint64_t now, FILE *to)
{
    int host_width = 4;

    for (size_t i = 0; i < tally->n; i++)
        if ((int) strlen (tally->ranks[i].host) > host_width)
            host_width = (int) strlen (tally->ranks[i].host);
    fprintf (to, "%6s  %-*s  %8s  %9s  %9s  %9s  %s\n", "rank", host_width, "host", "pid", "seconds", "CPU s",
             "peak MiB", "ended");
    for (size_t i = 0; i < tally->n; i++)
        print_rank (tally, i, host_width, now, to);
}

static void print_string (FILE *to, const char *text)
{
    fputc ('"', to);
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            fprintf (to, "\\%c", *text);
        else if ((unsigned char) *text < 0x20)
            fprintf (to, "\\u%04x", (unsigned char) *text);
        else
            fputc (*text, to);
    fputc ('"', to);
}

static void trace_rank (const mpl_tally_t *tally, const mpl_plan_t *plan, size_t i, uint64_t now, FILE *to)
{
    const mpl_record_of_rank_t *rank = &tally->ranks[i];
    const mpl_place_t *place = &plan->places[i];
    uint64_t since = rank->started_at > tally->begun_at ? rank->started_at - tally->begun_at : 0;
    char text[128];

    if (rank->state == MPL__RANK_WAITS || rank->state == MPL__RANK_FAILED_TO_START)
        return;
    fprintf (to,
             ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%zu,\"tid\":%zu,\"args\":{\"name\":\"rank %zu\"}}",
             place->host, i, i);
    fputs (",\n{\"name\":", to);
    print_string (to, plan->options->apps[place->app].argv.texts[0]);
    fprintf (
        to,
        ",\"cat\":\"rank\",\"ph\":\"X\",\"ts\":%.3f,\"dur\":%.3f,\"pid\":%zu,\"tid\":%zu,\"args\":{\"pid\":%d,\"cpu_seconds\":%.6f,"
        "\"peak_bytes\":%llu,\"ended\":",
        (double) since / 1e3, (double) wall_of (rank, now) / 1e3, place->host, i, rank->pid, seconds (rank->cpu_ns),
        (unsigned long long) rank->peak_bytes);
    print_string (to, mpl__tally_end_text (rank, text, sizeof text));
    fputs ("}}", to);
}

int mpl__report_trace (const mpl_tally_t *tally, const mpl_plan_t *plan, uint64_t now, const char *path,
                       mpl_err_t *err)
{
    FILE *to = fopen (path, "we");

    if (!to)
        return mpl__err (err, errno, "the trace %s cannot be written: %s", path, strerror (errno));
    fprintf (
        to,
        "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n{\"name\":\"launch\",\"ph\":\"M\",\"pid\":0,\"args\":{}}");
    for (size_t host = 0; host < plan->hosts.n; host++) {
        fprintf (to, ",\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%zu,\"args\":{\"name\":", host);
        print_string (to, plan->hosts.hosts[host].name);
        fputs ("}}", to);
    }
    for (size_t i = 0; i < tally->n; i++)
        trace_rank (tally, plan, i, now, to);
    fputs ("\n]}\n", to);
    int is_bad = ferror (to);
    if (fclose (to) != 0 || is_bad)
        return mpl__err (err, errno ? errno : EIO, "the trace %s cannot be written: %s", path,
                         strerror (errno ? errno : EIO));
    return 0;
}
