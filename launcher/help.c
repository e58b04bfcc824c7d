#include "launcher/help.h"
#include "launcher/option.h"

#include <stdio.h>
#include <string.h>

#ifndef VERSION
#define VERSION "0.1.0"
#endif

#define COLUMNS 80
#define INDENT 26               /* where the explanations begin */
#define SPELLED 512             /* all the names of one option, with dashes */

#define USAGE "usage: mplaunch [options] program [args...] [: [options] program [args...]] ...\n" \
              "       mplaunch [options] --each command [args...] [::: inputs...] ...\n"

static const char most_used[] =
    USAGE
    "\n"
    "  -n N               how many processes; default: one for each usable core\n"
    "  -x NAME[=VALUE]    set a variable            --wdir DIR   run in that folder\n"
    "  -H a:4,b           where; --hostfile FILE, -f CLUSTER.yaml, or a batch job\n"
    "  -l                 begin each line with its rank\n"
    "  --output DIR       one file for each rank and stream; with --tee print too\n"
    "  --stdin WHO        who reads standard input: a rank (0), all or none\n"
    "  --timeout TIME     end what still runs then; --keep-going: failing ends nobody\n"
    "  --map-by, --bind-to WHAT            slot, node, core, socket; or none\n"
    "  --dry-run          print what would run where    --display map   and run it\n"
    "  --report           time, memory and end of each process   --progress   so far\n"
    "  --each             run the command once for each input, like GNU parallel\n"
    "  -v   -q   --version   --help        --help all has the rest\n"
    "\n"
    "Exit code: of main or the first process that failed, 128 + its signal; 124 on\n"
    "--timeout, 2 usage, 125 the launch failed, 126 not executable, 127 not found.\n"
    "\n"
    "  mplaunch -n 4 hostname                    mplaunch -n 1 ./server : ./client\n"
    "  mplaunch -n 8 -l ./app                    mplaunch --each gzip {} ::: *.txt\n";

static const char *const titles[MPL__HELP_N] = {
    [MPL__HELP_WHERE] = "How many, and where",
    [MPL__HELP_ENVIRONMENT] = "What a program gets",
    [MPL__HELP_STREAMS] = "Input and output",
    [MPL__HELP_END] = "How it ends",
    [MPL__HELP_TELL] = "What is told",
    [MPL__HELP_LINE] = "The command line",
    [MPL__HELP_NO_EFFECT] = "Understood, without effect",
};

static const char first_words[] =
    USAGE
    "\n"
    "Names longer than a letter may have one dash or two, and a value may follow in\n"
    "the next word or behind a '='. Options in [brackets] of a section belong to the\n"
    "whole launch and stand before the first program; the others belong to the\n"
    "program they stand before.\n";

static const char last_words[] =
    "\n"
    ":  begins the next program.   --  ends the options; a program comes next.\n"
    "man mplaunch has the whole story.\n";

/* Prints a text in words, from column `at` on and never beyond the last column; further lines begin at INDENT. */
static void print_wrapped (const char *text, int at)
{
    for (size_t len; *text; text += len) {
        text += strspn (text, " ");
        len = strcspn (text, " ");
        if (at + 1 + (int) len > COLUMNS) {
            printf ("\n%*s", INDENT, "");
            at = INDENT;
        } else if (at > INDENT) {
            putchar (' ');
            at++;
        }
        printf ("%.*s", (int) len, text);
        at += (int) len;
    }
    putchar ('\n');
}

/* "-n, --np" */
static void spell (const char *names, int dashes, char *text, size_t size)
{
    size_t len, at = strlen (text);

    for (const char *one = names; (one = mpl__option_name (one, &len)) && at < size; one += len)
        at += (size_t) snprintf (text + at, size - at, "%s%s%.*s", at ? ", " : "",
                                 len == 1 || dashes == 1 ? "-" : "--", (int) len, one);
}

static void print_option (const char *spelled, const char *value, int is_of_launch, const char *help)
{
    int at = printf (is_of_launch ? "  [%s%s%s]" : "  %s%s%s", spelled, value ? " " : "", value ? value : "");

    if (at > INDENT - 2)
        printf ("\n%*s", INDENT, "");
    else
        printf ("%*s", INDENT - at, "");
    print_wrapped (help, INDENT);
}

static void print_section (mpl_help_section_t section)
{
    printf ("\n%s\n", titles[section]);
    for (const mpl_option_t *option = mpl__option_table; option->names; option++) {
        char spelled[SPELLED] = "";
        if (option->section != section)
            continue;
        spell (option->names, option->dashes, spelled, sizeof spelled);
        print_option (spelled, option->value, option->scope != MPL__OF_PROGRAM, option->help);
    }
}

static void print_each (void)
{
    printf ("\nWith --each (--retries, --joblog and so on as GNU parallel has them)\n");
    for (const mpl_each_option_t *option = mpl__each_option_table; option->name; option++) {
        char spelled[SPELLED] = "";
        spell (option->others, 0, spelled, sizeof spelled);
        spell (option->name, 0, spelled, sizeof spelled);
        print_option (spelled, option->value, 0, option->help);
    }
}

static int finish (void)
{
    return fflush (stdout) != 0 || ferror (stdout);
}

int mpl__help (void)
{
    fputs (most_used, stdout);
    return finish ();
}

int mpl__help_all (void)
{
    fputs (first_words, stdout);
    for (int section = 0; section < MPL__HELP_N; section++)
        print_section ((mpl_help_section_t) section);
    print_each ();
    fputs (last_words, stdout);
    return finish ();
}

int mpl__help_version (void)
{
    puts ("mplaunch " VERSION);
    return finish ();
}
