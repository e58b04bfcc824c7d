#include "launcher/option.h"
#include "conf/units.h"
#include "conf/words.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 64                    /* bytes; longer ones are no options */
#define NAMES_MAX 256                   /* of both tables; mpl__option_nearest sees no more */

#define COUNT "a whole number from 1 to 65536"
#define FOLDER "the path of a folder"
#define HOSTS "hosts separated by commas, such as a:4,b"
#define HOSTFILE "the path of a file with a host on each line"
#define CLUSTER "the path of a cluster file"
#define NAMES "names of variables separated by commas, such as HOME,PATH"

/* clang-format off */
const mpl_option_t mpl__option_table[] = {
    { MPL__OPT_COUNT, MPL__OF_PROGRAM, MPL__HELP_WHERE, 0, "n np c", "N", COUNT,
      "how many processes of this program, 1 to 65536; default: one for each slot, and this machine has a slot for each core it may use" },
    { MPL__OPT_PER_NODE, MPL__OF_LAUNCH_NOT_EACH, MPL__HELP_WHERE, 0, "ppn perhost npernode", "N", COUNT,
      "how many processes a host gets before the next one does; default: as many as it has slots" },
    { MPL__OPT_HOST, MPL__OF_PROGRAM, MPL__HELP_WHERE, 0, "H host", "HOSTS", HOSTS,
      "where this program runs: a:4,b is four slots on a and one on b; with a file of hosts, which of them" },
    { MPL__OPT_HOSTS, MPL__OF_LAUNCH, MPL__HELP_WHERE, 0, "hosts", "HOSTS", HOSTS,
      "where all programs run" },
    { MPL__OPT_HOSTFILE, MPL__OF_LAUNCH, MPL__HELP_WHERE, 0, "hostfile machinefile", "FILE", HOSTFILE,
      "the same from a file, as MPICH and Open MPI have them" },
    { MPL__OPT_CLUSTER_OR_HOSTFILE, MPL__OF_LAUNCH, MPL__HELP_WHERE, 0, "f", "FILE",
      "the path of a cluster file (.yaml or .yml) or of a file with a host on each line",
      "a cluster file if its name ends in .yaml or .yml, else as --hostfile" },
    { MPL__OPT_CLUSTER, MPL__OF_LAUNCH, MPL__HELP_WHERE, 0, "cluster", "FILE", CLUSTER,
      "a cluster file, whatever its name" },
    { MPL__OPT_ATTACH, MPL__OF_LAUNCH_NOT_EACH, MPL__HELP_WHERE, 0, "attach", "FILE",
      "the path of a certificate that mpbroker has made for hosts and launches, FILE.client",
      "run on hosts that the mpbroker of that certificate lends; see mpbroker(1)" },
    { MPL__OPT_LAUNCH, MPL__OF_LAUNCH, MPL__HELP_WHERE, 0, "launch", "KIND", "auto, local, ssh, slurm, pbs, lsf or sge",
      "how: local (this machine alone), ssh, slurm, pbs, lsf, sge (in a job of that batch system); auto (default): by the job it runs in, else ssh" },
    { MPL__OPT_PREFIX, MPL__OF_LAUNCH, MPL__HELP_WHERE, 0, "prefix", "DIR", FOLDER,
      "mpworker is in DIR/bin on other hosts; default: where it is here, else in the PATH there" },
    { MPL__OPT_STAGE, MPL__OF_LAUNCH_NOT_EACH, MPL__HELP_WHERE, 0, "stage", "FILE[:NAME]", "the path of a file, or PATH:NAME",
      "copy a file, or the program, to other hosts first, where NAME is its name, and remove it after; may be given again" },
    { MPL__OPT_MAP_BY, MPL__OF_LAUNCH_NOT_EACH, MPL__HELP_WHERE, 0, "map-by", "WHAT", "slot, node, core or socket",
      "slot: fill a host, then the next (default); node: one to each host in turn; core, socket: as slot, and within a host one to each in turn" },
    { MPL__OPT_BIND_TO, MPL__OF_LAUNCH_NOT_EACH, MPL__HELP_WHERE, 0, "bind-to", "WHAT", "core, socket or none",
      "core, socket: a process may use no other; none (default): any core" },
    { MPL__OPT_OVERSUBSCRIBE, MPL__OF_LAUNCH, MPL__HELP_WHERE, 0, "oversubscribe", NULL, NULL,
      "more processes than slots are meant: do not warn" },

    { MPL__OPT_SET, MPL__OF_PROGRAM, MPL__HELP_ENVIRONMENT, 0, "x", "NAME[=VALUE]", "NAME or NAME=VALUE",
      "set a variable, or pass on what it is here" },
    { MPL__OPT_SET, MPL__OF_PROGRAM, MPL__HELP_ENVIRONMENT, 2, "env", "NAME[=VALUE]", "NAME or NAME=VALUE",
      "the same" },
    { MPL__OPT_ENV, MPL__OF_PROGRAM, MPL__HELP_ENVIRONMENT, 1, "env", "NAME VALUE", "NAME VALUE or NAME=VALUE",
      "the same as MPICH has it, with one dash" },
    { MPL__OPT_ENVLIST, MPL__OF_PROGRAM, MPL__HELP_ENVIRONMENT, 0, "envlist", "NAMES", NAMES,
      "of the environment here pass on only these, separated by commas" },
    { MPL__OPT_ENVNONE, MPL__OF_PROGRAM, MPL__HELP_ENVIRONMENT, 0, "envnone", NULL, NULL,
      "pass on nothing of it" },
    { MPL__OPT_ENVALL, MPL__OF_PROGRAM, MPL__HELP_ENVIRONMENT, 0, "envall", NULL, NULL,
      "pass on all of it (default)" },
    { MPL__OPT_GENV, MPL__OF_LAUNCH, MPL__HELP_ENVIRONMENT, 0, "genv", "NAME VALUE", "NAME VALUE or NAME=VALUE",
      "as -env, for all programs; a program's own options are stronger" },
    { MPL__OPT_GENVLIST, MPL__OF_LAUNCH, MPL__HELP_ENVIRONMENT, 0, "genvlist", "NAMES", NAMES,
      "as -envlist, for all programs" },
    { MPL__OPT_GENVNONE, MPL__OF_LAUNCH, MPL__HELP_ENVIRONMENT, 0, "genvnone", NULL, NULL,
      "as -envnone, for all programs" },
    { MPL__OPT_GENVALL, MPL__OF_LAUNCH, MPL__HELP_ENVIRONMENT, 0, "genvall", NULL, NULL,
      "as -envall, for all programs" },
    { MPL__OPT_WDIR, MPL__OF_PROGRAM, MPL__HELP_ENVIRONMENT, 0, "wdir wd chdir cwd", "DIR", FOLDER,
      "the folder to run in; default: this one" },
    { MPL__OPT_PATH, MPL__OF_PROGRAM, MPL__HELP_ENVIRONMENT, 0, "path", "DIRS", "folders separated by colons",
      "folders, separated by colons, in which the program is looked for before PATH" },

    { MPL__OPT_STDIN, MPL__OF_LAUNCH_NOT_EACH, MPL__HELP_STREAMS, 0, "stdin s", "WHO", "a rank, all or none",
      "who reads standard input: a rank (default: 0), all or none" },
    { MPL__OPT_TAG, MPL__OF_LAUNCH, MPL__HELP_STREAMS, 0, "l tag tag-output prepend-rank", NULL, NULL,
      "begin each line with its rank, and its host if there are several" },
    { MPL__OPT_OUTPUT, MPL__OF_LAUNCH, MPL__HELP_STREAMS, 0, "output", "DIR", FOLDER,
      "print into files, DIR/RANK.out and DIR/RANK.err; DIR is made if it is missing" },
    { MPL__OPT_TEE, MPL__OF_LAUNCH_NOT_EACH, MPL__HELP_STREAMS, 0, "tee", NULL, NULL,
      "with --output: print here too" },

    { MPL__OPT_TIMEOUT, MPL__OF_LAUNCH, MPL__HELP_END, 0, "timeout", "TIME", MPL__DURATION_RIGHT ", and more than 0",
      "end what still runs after so many seconds (or 10min, 1h30m) with exit code 124, and name it" },
    { MPL__OPT_KEEP_GOING, MPL__OF_LAUNCH, MPL__HELP_END, 0, "keep-going", NULL, NULL,
      "a process that fails does not end the others" },

    { MPL__OPT_DRY_RUN, MPL__OF_LAUNCH, MPL__HELP_TELL, 0, "dry-run", NULL, NULL,
      "start nothing; print rank, host, cores and command of each process" },
    { MPL__OPT_CHECK, MPL__OF_LAUNCH_NOT_EACH, MPL__HELP_TELL, 0, "check", NULL, NULL,
      "start nothing; try each host: reached, mpworker and program there, ports open, clock and cores" },
    { MPL__OPT_DISPLAY, MPL__OF_LAUNCH, MPL__HELP_TELL, 0, "display", "map", "map",
      "print rank, host and cores of each process on standard error, then start" },
    { MPL__OPT_DISPLAY_MAP, MPL__OF_LAUNCH, MPL__HELP_TELL, 0, "display-map", NULL, NULL,
      "the same" },
    { MPL__OPT_PROGRESS, MPL__OF_LAUNCH, MPL__HELP_TELL, 0, "progress", NULL, NULL,
      "a line on standard error says how many run and have ended" },
    { MPL__OPT_REPORT, MPL__OF_LAUNCH, MPL__HELP_TELL, 0, "report", NULL, NULL,
      "a table of all processes on standard error at the end: time, memory, how each ended" },
    { MPL__OPT_TRACE, MPL__OF_LAUNCH, MPL__HELP_TELL, 0, "trace", "FILE", "the path of a file to write",
      "write when each process ran, as JSON for Perfetto or chrome://tracing" },
    { MPL__OPT_VERBOSE, MPL__OF_LAUNCH, MPL__HELP_TELL, 0, "v verbose", NULL, NULL,
      "say what is started and how it ended" },
    { MPL__OPT_QUIET, MPL__OF_LAUNCH, MPL__HELP_TELL, 0, "q quiet", NULL, NULL,
      "do not warn, and do not name processes that failed" },
    { MPL__OPT_VERSION, MPL__OF_LAUNCH, MPL__HELP_TELL, 0, "V version", NULL, NULL,
      "print the version" },
    { MPL__OPT_HELP, MPL__OF_LAUNCH, MPL__HELP_TELL, 0, "h help", "[all]", NULL,
      "print the most used options, or this page" },

    { MPL__OPT_CONFIGFILE, MPL__OF_LAUNCH_NOT_EACH, MPL__HELP_LINE, 0, "configfile", "FILE",
      "the path of a file with a program on each line",
      "read the rest of the command line from a file: one program with its options on each line, # comments, \\ at the end of a line, quotes" },
    { MPL__OPT_EACH, MPL__OF_LAUNCH, MPL__HELP_LINE, 0, "each", NULL, NULL,
      "run the command once for each input; see below" },

    { MPL__OPT_IGNORED, MPL__OF_LAUNCH, MPL__HELP_NO_EFFECT, 0, "allow-run-as-root", NULL, NULL,
      "root needs no permission here" },
    { 0, 0, 0, 0, NULL, NULL, NULL, NULL },
};

const mpl_each_option_t mpl__each_option_table[] = {
    { "jobs", "j max-procs P", "N", "how many jobs run at once, such as 4, +0 or 50%", "how many jobs run at once; the same as -n" },
    { "arg-file", "a", "FILE", "the path of a file with an input on each line", "inputs are the lines of a file" },
    { "null", "0", NULL, NULL, "inputs end with a NUL instead of a newline" },
    { "delimiter", "d", "C", "one character", "inputs end with this character instead of a newline" },
    { "replace", "I", "TEXT", "a text such as {}", "this text stands for the input instead of {}" },
    { "keep-order", "k", NULL, NULL, "print in the order of the inputs" },
    { "tag", "l tag-output prepend-rank", NULL, NULL, "begin each line with its input" },
    { "output", NULL, "DIR", "the path of a folder", "files for the output of each job" },
    { "timeout", NULL, "TIME", MPL__DURATION_RIGHT ", and more than 0", "end a job that runs longer" },
    { "retries", NULL, "N", "a whole number from 1", "how often a job that fails is run in all" },
    { "halt", NULL, "WHEN", "never, or soon or now with a condition, such as now,fail=1", "when to stop, such as now,fail=1" },
    { "joblog", NULL, "FILE", "the path of a file to write", "write a line for each job that has ended" },
    { "resume", NULL, NULL, NULL, "skip jobs that are in the joblog" },
    { "resume-failed", NULL, NULL, NULL, "the same, but run those again that failed" },
    { "progress", NULL, NULL, NULL, "a line on standard error says how far it is" },
    { "bar", NULL, NULL, NULL, "the same with a bar" },
    { NULL, NULL, NULL, NULL, NULL },
};

/* Options that users of other launchers type. It is better to say what there is instead than what was probably
 * mistyped. */
static const struct { const char *names, *instead; } elsewhere[] = {
    { "soft", "a fixed number after -n is what there is" },
    { "arch", "hosts are chosen with -H or --hostfile" },
    { "file app", "-configfile FILE reads programs from a file" },
    { "mca gmca omca prtemca pmixmca am tune", "mplaunch has no MCA parameters" },
    { "launcher bootstrap launcher-exec bootstrap-exec rsh", "--launch ssh, slurm, pbs, lsf or sge says how other hosts are reached" },
    { "rmk", "the job of a batch system is seen by its variables, and --launch KIND insists on one" },
    { "iface interface", "transport: {interface: eth0} in a cluster file says so" },
    { "N", "-ppn N is how many processes a host gets" },
    { "pernode", "-ppn 1 is what there is" },
    { "npersocket", "--map-by socket deals processes over sockets" },
    { "rank-by order-nodes", "ranks follow the order in which --map-by places the processes" },
    { "bynode byslot bycore bysocket rankfile rf seq", "--map-by slot, node, core or socket is what there is" },
    { "bind-to-core bind-to-socket bind-to-none cpu-set cpu-list cpus-per-proc cpus-per-rank membind topolib use-hwthread-cpus",
      "--bind-to core, socket or none is what there is" },
    { "report-bindings display-allocation display-devel-map", "--display map says which host and cores each process has" },
    { "nooversubscribe", "more processes than slots are warned of and run" },
    { "nolocal skip-launch-node", "hosts are chosen with -H or --hostfile" },
    { "output-filename output-directory outfile-pattern errfile-pattern", "--output DIR writes a file for each rank and stream" },
    { "prepend-pattern tag-output-detailed rank-by-output", "-l begins each line with its rank" },
    { "merge-stderr-to-stdout stream-buffering timestamp-output xml", "-l and --output DIR are what there is" },
    { "print-all-exitcodes", "--report says how each process ended" },
    { "disable-auto-cleanup enable-recovery continuous max-restarts", "--keep-going goes on when a process fails" },
    { "do-not-launch show-progress", "--dry-run and --progress are what there is" },
    { "info", "--version and --help are what there is" },
    { "gpus-per-proc usize nameserver pmi-port profile demux localhost enable-x disable-x disable-hostname-propagation universe-size",
      "nothing here corresponds to it" },
    { "debug gdb tv tvsu xterm", "mplaunch -n 1 gdb --args PROGRAM and the like work without an option" },
};
/* clang-format on */

const char *mpl__option_name (const char *names, size_t *len)
{
    if (!names)
        return NULL;
    names += strspn (names, " ");
    *len = strcspn (names, " ");
    return *len ? names : NULL;
}

static int is_among (const char *names, const char *name, size_t len)
{
    size_t n;

    for (const char *one = names; (one = mpl__option_name (one, &n)); one += n)
        if (n == len && !memcmp (one, name, len))
            return 1;
    return 0;
}

const mpl_option_t *mpl__option_find (const char *name, size_t len, int dashes)
{
    for (const mpl_option_t *option = mpl__option_table; option->names; option++)
        if ((!option->dashes || option->dashes == dashes) && is_among (option->names, name, len))
            return option;
    return NULL;
}

const mpl_each_option_t *mpl__each_option_find (const char *name, size_t len)
{
    for (const mpl_each_option_t *option = mpl__each_option_table; option->name; option++)
        if (is_among (option->name, name, len) || is_among (option->others, name, len))
            return option;
    return NULL;
}

const char *mpl__option_elsewhere (const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (is_among (elsewhere[i].names, name, len))
            return elsewhere[i].instead;
    return NULL;
}

/* Single letters are near to too much. */
static size_t add_names (const char *names, char (*room)[WORD_MAX], const char **words, size_t n)
{
    size_t len;

    for (const char *one = names; (one = mpl__option_name (one, &len)) && n < NAMES_MAX; one += len)
        if (len > 1 && len < WORD_MAX) {
            memcpy (room[n], one, len);
            room[n][len] = '\0';
            words[n] = room[n];
            n++;
        }
    return n;
}

const char *mpl__option_nearest (const char *name, size_t len, int is_each)
{
    static char room[NAMES_MAX][WORD_MAX];
    const char *words[NAMES_MAX + 1];
    char word[WORD_MAX];
    size_t n = 0;

    if (len <= 2 || len >= sizeof word)         /* two letters are near to too much as well */
        return NULL;
    memcpy (word, name, len);
    word[len] = '\0';
    for (const mpl_option_t *option = mpl__option_table; option->names; option++)
        n = add_names (option->names, room, words, n);
    for (const mpl_each_option_t *option = mpl__each_option_table; option->name && is_each; option++)
        n = add_names (option->others, room, words, add_names (option->name, room, words, n));
    words[n] = NULL;
    return mpl__nearest (word, words);
}
