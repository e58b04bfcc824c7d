/* The command line of mplaunch: every option in each form it may have, with a right, a missing, a wrong and an absurd
 * value. */
#include "launcher/options.h"
#include "base/cpus.h"
#include "launcher/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 64
#define N_OF(array) (sizeof (array) / sizeof *(array))

static mpl_options_t options;
static char *args[ARGS_MAX + 1];
static char said[16384], complained[8192];      /* on stdout and stderr by the last parse */

static void read_back (int fd, char *text, size_t size)
{
    ssize_t len = pread (fd, text, size - 1, 0);

    text[len > 0 ? len : 0] = '\0';
    close (fd);
}

/* Parses args. What is printed is caught, and what the parse before left is freed. */
static int parse_args (int argc)
{
    int out = memfd_create ("out", 0), err = memfd_create ("err", 0);

    mpl__options_free (&options);
    args[argc] = NULL;
    fflush (NULL);
    int keep_out = dup (STDOUT_FILENO), keep_err = dup (STDERR_FILENO);
    dup2 (out, STDOUT_FILENO);
    dup2 (err, STDERR_FILENO);
    int rc = mpl__options_parse (argc, args, &options);
    fflush (NULL);
    dup2 (keep_out, STDOUT_FILENO);
    dup2 (keep_err, STDERR_FILENO);
    close (keep_out);
    close (keep_err);
    read_back (out, said, sizeof said);
    read_back (err, complained, sizeof complained);
    return rc;
}

/* Parses "mplaunch" and the words of `line`; an empty word is written as '', and a blank in a word as ~. */
static int parse (const char *line)
{
    static char words[1024];
    int argc = 0;

    snprintf (words, sizeof words, "mplaunch %s", line);
    for (char *at = words, *word; (word = strsep (&at, " ")) && argc < ARGS_MAX;) {
        args[argc++] = !strcmp (word, "''") ? word + 2 : word;
        for (char *c = word; (c = strchr (c, '~'));)
            *c = ' ';
    }
    argc -= argc > 1 && !*line;
    return parse_args (argc);
}

/* The command line is right, and nothing is said. */
static void assert_read (const char *line)
{
    int rc = parse (line);

    if (rc != -1 || *said || *complained)
        fail_msg ("mplaunch %s: %d, stdout '%s', stderr '%s'", line, rc, said, complained);
}

static void check_refused (int rc, const char *line, const char *quoted)
{
    if (rc != 2 || said[0] || strncmp (complained, "mplaunch: ", 10) || !strstr (complained, quoted) || !strstr (complained, "; ")
        || strchr (complained, '\n') != complained + strlen (complained) - 1)
        fail_msg ("mplaunch %s: %d, stdout '%s', stderr '%s', wanted '%s'", line, rc, said, complained, quoted);
}

/* A usage error is one sentence on stderr that quotes what was wrong and says what is right, and nothing on stdout. */
static void assert_refused (const char *line, const char *quoted)
{
    check_refused (parse (line), line, quoted);
}

/* The texts of a list, separated by blanks. */
static const char *joined (const mpl_texts_t *texts)
{
    static char line[1024];
    size_t at = 0;

    line[0] = '\0';
    for (size_t i = 0; i < texts->n; i++)
        at += (size_t) snprintf (line + at, sizeof line - at, "%s%s", i ? " " : "", texts->texts[i]);
    assert_true (!texts->texts || !texts->texts[texts->n]);
    return line;
}

static void assert_argv (size_t app, const char *line)
{
    assert_true (app < options.n_apps);
    assert_string_equal (line, joined (&options.apps[app].argv));
}

static void assert_set (size_t app, const char *line)
{
    assert_true (app < options.n_apps);
    assert_string_equal (line, joined (&options.apps[app].set));
}

/* ---- the program ------------------------------------------------------------------------------------------------------------------- */

static void a_program_alone_leaves_everything_as_it_is (void **state)
{
    (void) state;
    assert_read ("./app");
    assert_int_equal (1, options.n_apps);
    assert_argv (0, "./app");
    assert_int_equal (0, options.apps[0].n);
    assert_int_equal (0, options.apps[0].set.n + options.apps[0].kept.n + options.apps[0].keep);
    assert_true (!options.apps[0].wdir && !options.apps[0].path && !options.apps[0].hosts);
    assert_true (!options.hosts && !options.hostfile && !options.cluster && !options.output && !options.trace);
    assert_int_equal (0, options.per_node + options.map_by + options.bind_to + options.standard_input + options.may_crowd);
    assert_int_equal (0, options.is_tagged + options.is_teed + options.keeps_going + options.is_dry_run + options.has_progress);
    assert_int_equal (0, options.has_report + options.shows_map + options.is_each + options.each_jobs);
    assert_int_equal (0, options.is_verbose + options.is_quiet);
    assert_true (options.timeout == 0);
}

static void a_missing_program_is_refused (void **state)
{
    (void) state;
    assert_refused ("", "no program");
    assert_refused ("-n 4", "no program");
    assert_refused ("-v -l", "no program");
    assert_refused ("--", "no program");
    assert_refused ("-n 4 --", "no program");
}

static void an_empty_name_is_no_program (void **state)
{
    (void) state;
    assert_int_equal (127, parse ("''"));
    assert_non_null (strstr (complained, "empty"));
    assert_int_equal (127, parse ("-n 2 ''"));
    assert_int_equal (127, parse ("a : -n 2 '' x"));
    assert_int_equal (127, parse ("--each '' x"));
    assert_read ("a ''");
}

static void what_follows_the_program_is_the_programs (void **state)
{
    (void) state;
    assert_read ("-n 2 prog -n 9 --help -x -- y");
    assert_int_equal (2, options.apps[0].n);
    assert_argv (0, "prog -n 9 --help -x -- y");
    assert_read ("-- -n 3");                    /* a program may be named like an option */
    assert_argv (0, "-n 3");
    assert_read ("-n 2 -- -n 3");
    assert_int_equal (2, options.apps[0].n);
    assert_argv (0, "-n 3");
    assert_read ("- x");
    assert_argv (0, "- x");
    assert_read ("-- -- x");
    assert_argv (0, "-- x");
}

static void an_unknown_option_is_refused_and_quoted (void **state)
{
    static const char *const unknown[] = { "---n", "--nn", "-nv", "-n4", "-vv", "--verbosee", "-np4", "--=4", "---", "-=", "-z", "--N0" };
    char line[64], quoted[64];

    (void) state;
    for (size_t i = 0; i < N_OF (unknown); i++) {
        snprintf (line, sizeof line, "%s 4 ./app", unknown[i]);
        snprintf (quoted, sizeof quoted, "'%.*s'", (int) strcspn (unknown[i] + 1, "=") + 1, unknown[i]);
        assert_refused (line, quoted);
    }
}

static void the_option_that_was_meant_is_named (void **state)
{
    (void) state;
    assert_refused ("--verbos a", "did you mean --verbose?");
    assert_refused ("-hostflie f a", "did you mean --hostfile?");
    assert_refused ("--tag_output a", "did you mean --tag-output?");
    assert_refused ("--keep-goin a", "did you mean --keep-going?");
    assert_refused ("-n4 a", "did you mean -n 4?");
    assert_refused ("--xyzzy a", "--help lists");
    assert_refused ("-nv a", "--help lists");
    assert_refused ("--each --jolbog f a", "did you mean --joblog?");
}

static void options_of_other_launchers_get_a_sentence (void **state)
{
    (void) state;
    assert_refused ("--mca btl tcp ./app", "MCA");
    assert_refused ("-mca=x ./app", "MCA");
    assert_refused ("-soft 1:2 ./app", "-n");
    assert_refused ("-arch x ./app", "'-arch'");
    assert_refused ("-launcher ssh ./app", "--launch ssh");
    assert_refused ("-rmk slurm ./app", "'-rmk'");
    assert_refused ("-iface eth0 ./app", "transport");
    assert_refused ("--rank-by core ./app", "--map-by");
    assert_refused ("--report-bindings ./app", "--display map");
    assert_refused ("-print-all-exitcodes ./app", "--report");
    assert_refused ("-N 2 ./app", "-ppn");
    assert_refused ("--app f", "-configfile");
}

/* ---- every option of the table ------------------------------------------------------------------------------------------------------- */

/* A right value for each, as one or two words. */
static const char *right_value (const mpl_option_t *option)
{
    switch (option->id) {
    case MPL__OPT_COUNT:
    case MPL__OPT_PER_NODE:
    case MPL__OPT_TIMEOUT:
        return "3";
    case MPL__OPT_STDIN:
        return "none";
    case MPL__OPT_LAUNCH:
        return "slurm";
    case MPL__OPT_MAP_BY:
    case MPL__OPT_BIND_TO:
        return "core";
    case MPL__OPT_DISPLAY:
        return "map";
    case MPL__OPT_ENV:
    case MPL__OPT_GENV:
        return "NAME=VALUE";
    default:
        return "some";
    }
}

/* Those that end the parse, or read a file, or need another one, have tests of their own. */
static int is_special (const mpl_option_t *option)
{
    return option->id == MPL__OPT_HELP || option->id == MPL__OPT_VERSION || option->id == MPL__OPT_CONFIGFILE || option->id == MPL__OPT_EACH
           || option->id == MPL__OPT_TEE || option->id == MPL__OPT_SET;
}

static void check_forms (const mpl_option_t *option, const char *name, size_t len, int dashes)
{
    char line[128];
    const char *value = option->right ? right_value (option) : NULL, *dash = dashes == 1 ? "-" : "--";

    snprintf (line, sizeof line, "%s%.*s%s%s ./app", dash, (int) len, name, value ? " " : "", value ? value : "");
    assert_read (line);
    assert_argv (0, "./app");
    snprintf (line, sizeof line, "%s%.*s=%s ./app", dash, (int) len, name, value ? value : "x");
    if (!value) {
        assert_refused (line, "takes no value");
        return;
    }
    assert_read (line);
    assert_argv (0, "./app");
    snprintf (line, sizeof line, "-v %s%.*s", dash, (int) len, name);
    assert_refused (line, "no value after");
    snprintf (line, sizeof line, "%s%.*s : ./app", dash, (int) len, name);
    assert_refused (line, "no value after");
    snprintf (line, sizeof line, "%s%.*s '' ./app", dash, (int) len, name);
    assert_refused (line, "''");
    snprintf (line, sizeof line, "%s%.*s= ./app", dash, (int) len, name);
    assert_refused (line, "''");
}

static void every_option_is_read_in_every_spelling (void **state)
{
    size_t len;

    (void) state;
    for (const mpl_option_t *option = mpl__option_table; option->names; option++)
        for (const char *name = option->names; !is_special (option) && (name = mpl__option_name (name, &len)); name += len)
            for (int dashes = 1; dashes <= 2; dashes++)
                if (!option->dashes || option->dashes == dashes)
                    check_forms (option, name, len, dashes);
}

static void no_name_is_there_twice (void **state)
{
    size_t len;

    (void) state;
    for (const mpl_option_t *option = mpl__option_table; option->names; option++)
        for (const char *name = option->names; (name = mpl__option_name (name, &len)); name += len) {
            if (mpl__option_find (name, len, option->dashes ? option->dashes : 1) != option)
                fail_msg ("'%.*s' of '%s' is found somewhere else", (int) len, name, option->names);
            if (mpl__option_elsewhere (name, len))
                fail_msg ("'%.*s' is there, and said not to be", (int) len, name);
        }
    for (const mpl_each_option_t *option = mpl__each_option_table; option->name; option++)
        for (const char *name = option->others; (name = mpl__option_name (name, &len)); name += len)
            if (mpl__each_option_find (name, len) != option)
                fail_msg ("'%.*s' of '%s' is found somewhere else", (int) len, name, option->name);
}

/* The words before the command are looked through once before they are read; both must find the same options. */
static void names_of_both_tables_take_the_same (void **state)
{
    size_t len;

    (void) state;
    for (const mpl_option_t *option = mpl__option_table; option->names; option++)
        for (const char *name = option->names; (name = mpl__option_name (name, &len)); name += len) {
            const mpl_each_option_t *each = mpl__each_option_find (name, len);
            if (each && !each->right != !option->right)
                fail_msg ("'%.*s' takes a value with --each or without, and none otherwise", (int) len, name);
        }
}

/* ---- how many, and where ----------------------------------------------------------------------------------------------------------- */

static void the_number_of_processes_is_read (void **state)
{
    static const char *const lines[] = { "-n 7 a", "-np 7 a", "--n 7 a", "--np 7 a", "-c 7 a", "--np=7 a", "-np=7 a", "-n 3 -n 7 a", "-n +7 a", "-n 07 a" };

    (void) state;
    for (size_t i = 0; i < N_OF (lines); i++) {
        assert_read (lines[i]);
        assert_int_equal (7, options.apps[0].n);
        assert_argv (0, "a");
    }
    assert_read ("-n 1 a");
    assert_read ("-n 65536 a");
    assert_int_equal (MPL__RANKS_MAX, options.apps[0].n);
}

static const char *const no_numbers[] = { "0", "-1", "x", "4x", "4.5", "1e3", "0x10", "65537", "2147483648", "99999999999999999999",
                                          "-99999999999999999999", "4,", "--help", "-v", "~4", "4~", "+", "++4", "+-4", "+~4", "nan" };

static void a_wrong_number_of_processes_is_refused_and_quoted (void **state)
{
    static const char *const names[] = { "-n", "--np", "-ppn", "--npernode" };
    char line[64], quoted[64];

    (void) state;
    for (size_t i = 0; i < N_OF (no_numbers); i++)
        for (size_t k = 0; k < N_OF (names); k++) {
            snprintf (line, sizeof line, "%s %s ./app", names[k], no_numbers[i]);
            snprintf (quoted, sizeof quoted, "%s is '%s'; it takes", names[k], no_numbers[i]);
            for (char *c = quoted; (c = strchr (c, '~'));)
                *c = ' ';
            assert_refused (line, quoted);
        }
    assert_refused ("-n '' ./app", "''");
    assert_refused ("-n ./app", "'./app'");
    assert_refused ("-n 65536 a : -n 1 b", "65537");
    assert_refused ("-n 65536 a : -n 65536 b : -n 65536 c", "196608");
}

static void hosts_are_taken_as_they_are (void **state)
{
    (void) state;
    assert_read ("-ppn 2 -H a:4,b ./app");
    assert_int_equal (2, options.per_node);
    assert_string_equal ("a:4,b", options.hosts);
    assert_null (options.apps[0].hosts);
    assert_read ("-hosts a -oversubscribe ./app");
    assert_string_equal ("a", options.hosts);
    assert_true (options.may_crowd);
    assert_read ("-machinefile h ./app");
    assert_string_equal ("h", options.hostfile);
    assert_read ("--cluster h ./app");
    assert_string_equal ("h", options.cluster);
    assert_refused ("-H -n 4 ./app", "-H is '-n', which looks like an option");
}

static void a_name_in_yaml_is_a_cluster_file (void **state)
{
    static const char *const clusters[] = { "a.yaml", "a.yml", "./x.YAML", "a.b.Yml" }, *const files[] = { "yaml", ".yaml", ".yml", "a.yamlx", "hosts" };
    char line[64];

    (void) state;
    for (size_t i = 0; i < N_OF (clusters); i++) {
        snprintf (line, sizeof line, "-f %s ./app", clusters[i]);
        assert_read (line);
        assert_string_equal (clusters[i], options.cluster);
        assert_null (options.hostfile);
    }
    for (size_t i = 0; i < N_OF (files); i++) {
        snprintf (line, sizeof line, "-f %s ./app", files[i]);
        assert_read (line);
        assert_string_equal (files[i], options.hostfile);
        assert_null (options.cluster);
    }
}

static void two_places_that_name_hosts_are_refused (void **state)
{
    (void) state;
    assert_refused ("-f a.yaml --hostfile h ./app", "a hostfile, 'h', and a cluster file, 'a.yaml'");
    assert_refused ("-hosts a --hostfile h ./app", "-hosts and the file 'h'");
    assert_refused ("-hosts a --cluster h ./app", "-hosts and the file 'h'");
    assert_read ("--hostfile h -H a ./app");    /* these are some of the file's */
    assert_null (options.hosts);
    assert_string_equal ("a", options.apps[0].hosts);
    assert_read ("-f h -f i ./app");            /* the last one wins */
    assert_string_equal ("i", options.hostfile);
}

static void a_broker_lends_all_hosts_or_none (void **state)
{
    (void) state;
    assert_read ("--attach c.client -n 3 ./app : ./other");
    assert_string_equal ("c.client", options.attach);
    assert_refused ("--attach c -H a ./app", "--attach and -H");
    assert_refused ("--attach c ./app : -H a ./app", "--attach and -H");
    assert_refused ("--attach c -hosts a ./app", "--attach and -hosts");
    assert_refused ("-f a.yaml --attach c ./app", "--attach and --cluster");
    assert_refused ("--attach c --hostfile h ./app", "--attach and --hostfile");
    assert_refused ("--attach c --each ./app", "'--attach' does not go with --each");
}

static void hosts_belong_to_their_program (void **state)
{
    (void) state;
    assert_read ("-H a x : y : -H c z");
    assert_null (options.hosts);
    assert_string_equal ("a", options.apps[0].hosts);
    assert_null (options.apps[1].hosts);
    assert_string_equal ("c", options.apps[2].hosts);
    assert_read ("-hosts a,c x : -H c z");
    assert_string_equal ("a,c", options.hosts);
    assert_null (options.apps[0].hosts);
    assert_string_equal ("c", options.apps[1].hosts);
}

static void the_launch_has_the_words_of_the_cluster_file (void **state)
{
    (void) state;
    assert_read ("--launch pbs a");
    assert_int_equal (MPL__LAUNCH_PBS, options.launch);
    assert_true (options.says_launch);
    assert_read ("--launch sge --launch auto a");
    assert_int_equal (MPL__LAUNCH_AUTO, options.launch);
    assert_true (options.says_launch);
    assert_read ("a");
    assert_false (options.says_launch);
    assert_refused ("--launch torque a", "'torque'; it takes auto, local, ssh, slurm, pbs, lsf or sge");
}

static void mapping_and_binding_are_chosen (void **state)
{
    static const struct { const char *line; int map_by, bind_to; } rows[] = {
        { "--map-by slot a", MPL__MAP_SLOT, MPL__BIND_NONE },       { "-map-by node a", MPL__MAP_NODE, MPL__BIND_NONE },
        { "--map-by=core a", MPL__MAP_CORE, MPL__BIND_NONE },       { "--map-by socket a", MPL__MAP_SOCKET, MPL__BIND_NONE },
        { "-bind-to core a", MPL__MAP_SLOT, MPL__BIND_CORE },       { "--bind-to socket a", MPL__MAP_SLOT, MPL__BIND_SOCKET },
        { "--bind-to core --bind-to none a", 0, MPL__BIND_NONE },   { "--map-by package --bind-to package a", MPL__MAP_SOCKET, MPL__BIND_SOCKET },
    };

    (void) state;
    for (size_t i = 0; i < N_OF (rows); i++) {
        assert_read (rows[i].line);
        assert_int_equal (rows[i].map_by, options.map_by);
        assert_int_equal (rows[i].bind_to, options.bind_to);
    }
    assert_refused ("--bind-to banana a", "core, socket or none");
    assert_refused ("--bind-to CORE a", "'CORE'");
    assert_refused ("--map-by numa a", "slot, node, core or socket");
    assert_refused ("--map-by ppr:2:node a", "-ppn");
    assert_refused ("--map-by core:PE=2 a", "no modifiers");
    assert_refused ("--map-by :OVERSUBSCRIBE a", "--oversubscribe");
}

/* ---- what a program gets ------------------------------------------------------------------------------------------------------------- */

static void variables_are_set_in_every_form (void **state)
{
    static const char *const lines[] = { "-x A=b p", "--x A=b p", "-x=A=b p", "--env A=b p", "--env=A=b p", "-env A b p", "-env A=b p", "-env=A=b p",
                                         "-genv A b p", "--genv A b p", "-genv A=b p", "--genv=A b p", "-env=A b p" };

    (void) state;
    for (size_t i = 0; i < N_OF (lines); i++) {
        assert_read (lines[i]);
        assert_set (0, "A=b");
        assert_argv (0, "p");
    }
    assert_read ("-x A= -x B==c -env D -1 -env E '' -env F : -x G p");
    assert_set (0, "A= B==c D=-1 E= F=: G=7");
}

static void a_name_alone_is_what_it_is_here (void **state)
{
    (void) state;
    setenv ("G", "7", 1);
    assert_read ("-x G p");
    assert_set (0, "G=7");
    assert_read ("--env G p");
    assert_set (0, "G=7");
    assert_int_equal (-1, parse ("-x NO_SUCH_NAME -x G p"));
    assert_set (0, "G=7");
    assert_non_null (strstr (complained, "mplaunch: the variable 'NO_SUCH_NAME' is not set here"));
    assert_read ("-x NO_SUCH_NAME -q p");
}

static void a_wrong_name_is_refused (void **state)
{
    static const char *const names[] = { "-x =", "-x =b", "-x ''", "--env =b", "-env =b", "-env ''", "-env '' b", "-genv =b", "-genv '' b",
                                         "-envlist A,,B", "-envlist ,", "-envlist A=b", "-genvlist ''", "-genvlist A,", "-genvlist =" };
    char line[64];

    (void) state;
    for (size_t i = 0; i < N_OF (names); i++) {
        snprintf (line, sizeof line, "%s p", names[i]);
        assert_refused (line, "it takes");
    }
    assert_refused ("-env A", "no value after '-env A'");
    assert_refused ("-genv A", "no value after '-genv A'");
}

static void own_variables_are_stronger_than_those_for_all (void **state)
{
    (void) state;
    assert_read ("-x A=own -genv A all -genv B all p : q : -env A 3 r");
    assert_set (0, "A=all B=all A=own");
    assert_set (1, "A=all B=all");
    assert_set (2, "A=all B=all A=3");
}

static void what_is_kept_of_the_environment_is_chosen (void **state)
{
    (void) state;
    assert_read ("-genvlist A,B p : -envnone q : -envlist C,D,E -x F=g r : -envall s");
    assert_int_equal (MPL__ENV_LIST, options.apps[0].keep);
    assert_string_equal ("A B", joined (&options.apps[0].kept));
    assert_int_equal (MPL__ENV_NONE, options.apps[1].keep);
    assert_int_equal (MPL__ENV_LIST, options.apps[2].keep);
    assert_string_equal ("C D E", joined (&options.apps[2].kept));
    assert_set (2, "F=g");
    assert_int_equal (MPL__ENV_ALL, options.apps[3].keep);
    assert_read ("-envall -genvnone p : q");    /* its own word counts, in any order */
    assert_int_equal (MPL__ENV_ALL, options.apps[0].keep);
    assert_int_equal (MPL__ENV_NONE, options.apps[1].keep);
    assert_read ("-genvnone -genvall p");
    assert_int_equal (MPL__ENV_ALL, options.apps[0].keep);
    assert_read ("-envlist A -envlist B p");
    assert_string_equal ("B", joined (&options.apps[0].kept));
}

static void folders_are_taken_as_they_are (void **state)
{
    (void) state;
    assert_read ("-wdir /tmp --path /a:/b p : --chdir . q");
    assert_string_equal ("/tmp", options.apps[0].wdir);
    assert_string_equal ("/a:/b", options.apps[0].path);
    assert_string_equal (".", options.apps[1].wdir);
    assert_null (options.apps[1].path);
    assert_refused ("-wdir -n 2 p", "'-n'");
    assert_refused ("--path '' p", "folders");
}

/* ---- input, output, the end -------------------------------------------------------------------------------------------------------------- */

static void standard_input_goes_to_a_rank_or_all_or_none (void **state)
{
    (void) state;
    assert_read ("--stdin all p");
    assert_int_equal (MPL__STDIN_ALL, options.standard_input);
    assert_read ("-stdin none p");
    assert_int_equal (MPL__STDIN_NONE, options.standard_input);
    assert_read ("-n 2 -s 1 p");
    assert_int_equal (1, options.standard_input);
    assert_read ("-n 2 -s 3 p : -n 2 q");
    assert_read ("-n 2 --stdin 9 p : q");       /* how many there are is not known yet */
    assert_refused ("-n 4 --stdin 4 p", "the ranks are 0 to 3");
    assert_refused ("-n 2 --stdin 4 p : -n 2 q", "the ranks are 0 to 3");
    for (size_t i = 1; i < N_OF (no_numbers); i++) {
        char line[64];
        snprintf (line, sizeof line, "--stdin %s p", no_numbers[i]);
        assert_refused (line, "it takes a rank, all or none");
    }
    assert_refused ("--stdin ALL p", "'ALL'");
    assert_refused ("--stdin 65536 p", "'65536'");
}

static void output_goes_where_it_is_told (void **state)
{
    (void) state;
    assert_read ("-l p");
    assert_true (options.is_tagged);
    assert_read ("--output d p");
    assert_string_equal ("d", options.output);
    assert_false (options.is_teed);
    assert_read ("--tee --output d p");
    assert_true (options.is_teed);
    assert_refused ("--tee p", "--output");
    assert_refused ("--output --tee p", "'--tee', which looks like an option");
    assert_refused ("--output tag p", "-l begins");
    assert_refused ("--output dir=x p", "'dir=x'");
}

static void durations_have_units_and_an_end (void **state)
{
    static const struct { const char *value; double seconds; } right[] = { { "5", 5 }, { "0.5", 0.5 }, { "500ms", 0.5 }, { "1h30m", 5400 }, { "10min", 600 } };
    static const char *const wrong[] = { "0", "0s", "-1", "nan", "inf", "1e30", "1e3", "x", "5x", "''", "0.0000000001", "99999999999999999999", "--help" };
    char line[64];

    (void) state;
    for (size_t i = 0; i < N_OF (right); i++) {
        snprintf (line, sizeof line, "--timeout %s p", right[i].value);
        assert_read (line);
        assert_true (options.timeout > right[i].seconds - 1e-9 && options.timeout < right[i].seconds + 1e-9);
    }
    for (size_t i = 0; i < N_OF (wrong); i++) {
        snprintf (line, sizeof line, "--timeout %s p", wrong[i]);
        assert_refused (line, "it takes a duration");
    }
}

static void flags_are_raised (void **state)
{
    (void) state;
    assert_read ("--keep-going --dry-run --progress --report --display map --trace t -v p");
    assert_true (options.keeps_going && options.is_dry_run && options.has_progress && options.has_report && options.shows_map && options.is_verbose);
    assert_string_equal ("t", options.trace);
    assert_read ("--display-map -q --allow-run-as-root p");
    assert_true (options.shows_map && options.is_quiet && !options.is_verbose);
    assert_refused ("--display bind p", "it takes map");
    assert_refused ("-v -q p", "-v and -q");
    assert_refused ("--trace --report p", "'--report'");
}

/* ---- several programs ---------------------------------------------------------------------------------------------------------------- */

static void colons_stand_between_programs (void **state)
{
    (void) state;
    assert_read ("-l -n 2 a b : -n 3 -x C=d c : d :e f:");
    assert_int_equal (3, options.n_apps);
    assert_argv (0, "a b");
    assert_argv (1, "c");
    assert_argv (2, "d :e f:");
    assert_int_equal (2, options.apps[0].n);
    assert_int_equal (3, options.apps[1].n);
    assert_int_equal (0, options.apps[2].n);
    assert_set (0, "");
    assert_set (1, "C=d");
    assert_read ("a : -- -n x");
    assert_argv (1, "-n x");
}

static void many_programs_are_read (void **state)
{
    (void) state;
    for (int i = 0; i < ARGS_MAX; i++)
        args[i] = i % 2 ? (char *) "p" : (char *) ":";
    assert_int_equal (-1, parse_args (ARGS_MAX));
    assert_int_equal (ARGS_MAX / 2, options.n_apps);
    for (size_t i = 0; i < options.n_apps; i++)
        assert_argv (i, "p");
}

static void a_colon_without_a_program_is_refused (void **state)
{
    static const char *const lines[] = { ":", ": b", "a :", "a : : b", "-n 2 : b", "a : -n 2", "a : -n 2 : c", "-- : b", "a : --" };

    (void) state;
    for (size_t i = 0; i < N_OF (lines); i++)
        assert_refused (lines[i], "no program is named");
}

static void options_of_the_launch_stand_first (void **state)
{
    static const char *const words[] = { "-l", "--timeout 5", "-v", "-genv A b", "--each", "--hostfile h", "-configfile f", "--dry-run" };
    char line[64];

    (void) state;
    for (size_t i = 0; i < N_OF (words); i++) {
        snprintf (line, sizeof line, "a : b : %s c", words[i]);
        assert_refused (line, "before program 3; it belongs to the whole launch");
    }
}

/* ---- --each ------------------------------------------------------------------------------------------------------------------------------ */

static void each_makes_the_command_line_of_mpeach (void **state)
{
    (void) state;
    assert_read ("--each echo {} ::: a b");
    assert_true (options.is_each);
    assert_int_equal (mpl__cpus_usable (), options.each_jobs);
    assert_int_equal (1, options.n_apps);
    assert_int_equal (1, options.apps[0].n);
    assert_argv (0, "mpeach -- echo {} ::: a b");
    assert_read ("-n 8 --each echo {} ::: a : b ::: c");
    assert_argv (0, "mpeach --jobs 8 -- echo {} ::: a : b ::: c");
    assert_int_equal (8, options.each_jobs);
    assert_int_equal (1, options.apps[0].n);
    assert_read ("--each -- -n x");
    assert_argv (0, "mpeach -- -n x");
}

static void options_of_jobs_stand_on_either_side_of_each (void **state)
{
    static const char *const lines[] = { "-k --joblog f --timeout 5 --each c", "--each -k --joblog f --timeout 5 c", "-k --joblog=f --each -timeout=5 c" };

    (void) state;
    for (size_t i = 0; i < N_OF (lines); i++) {
        assert_read (lines[i]);
        assert_argv (0, "mpeach --keep-order --joblog f --timeout 5 -- c");
        assert_true (options.timeout == 0);
    }
    assert_read ("--progress --each --output d -l c -k");
    assert_argv (0, "mpeach --progress --output d --tag -- c -k");
    assert_true (!options.has_progress && !options.is_tagged && !options.output);
    assert_read ("--each -v --report -x A=b -wdir /tmp --dry-run --joblog f --resume-failed c");
    assert_argv (0, "mpeach --verbose --dry-run --joblog f --resume-failed -- c");
    assert_set (0, "A=b");
    assert_true (options.has_report && !options.is_verbose && !options.is_dry_run);     /* mpeach says what is run, or would be */
    assert_read ("-q --each c");
    assert_argv (0, "mpeach --quiet -- c");
}

static void jobs_are_counted_in_every_form (void **state)
{
    static const struct { const char *line, *jobs; int n; } rows[] = {
        { "-n 3", "3", 3 },   { "-j 3", "3", 3 },   { "-j3", "3", 3 },        { "--jobs 3", "3", 3 }, { "--jobs=3", "3", 3 }, { "-P 3", "3", 3 },
        { "-j +0", "+0", 0 }, { "-j+1", "+1", 0 },  { "-j 50%", "50%", 0 },   { "-n 2 -j 5", "5", 5 }, { "-j 5 -n 2", "2", 2 }, { "-n 2 -j 50%", "50%", 0 },
    };
    char line[64], argv[64];

    (void) state;
    for (size_t i = 0; i < N_OF (rows); i++) {
        snprintf (line, sizeof line, "--each %s c", rows[i].line);
        snprintf (argv, sizeof argv, "mpeach --jobs %s -- c", rows[i].jobs);
        assert_read (line);
        assert_argv (0, argv);
        if (rows[i].n)
            assert_int_equal (rows[i].n, options.each_jobs);
        assert_true (options.each_jobs >= 1);
    }
    assert_refused ("--each -n x c", "'x'");
}

static void a_letter_may_have_its_value_behind_it (void **state)
{
    (void) state;
    assert_read ("--each -I{} -d, -j4 c");
    assert_argv (0, "mpeach --jobs 4 --replace {} --delimiter , -- c");
    assert_read ("--each -0 -a f -d \\n c");
    assert_argv (0, "mpeach --null --arg-file f --delimiter \\n -- c");
    assert_refused ("--each -k4 c", "'-k4'");
}

static void what_belongs_to_each_needs_it (void **state)
{
    static const char *const words[] = { "-k", "-j 4", "--jobs=4", "--bar", "--joblog f", "--resume", "--resume-failed", "--retries 2", "--halt never",
                                         "-a f", "--arg-file f", "-0", "-d x", "-I x" };
    char line[64];

    (void) state;
    for (size_t i = 0; i < N_OF (words); i++) {
        snprintf (line, sizeof line, "%s ./app", words[i]);
        assert_refused (line, "works with --each");
    }
}

static void each_without_a_command_is_refused (void **state)
{
    static const char *const lines[] = { "--each", "--each ::: a", "-n 2 --each -k", "--each --", "--each :::: f" };

    (void) state;
    for (size_t i = 0; i < N_OF (lines); i++)
        assert_refused (lines[i], "no command is named");
}

static void what_each_cannot_do_is_refused (void **state)
{
    static const char *const words[] = { "-ppn 2", "--map-by core", "--bind-to core", "--stdin all", "--tee", "-configfile f" };
    char line[64];

    (void) state;
    for (size_t i = 0; i < N_OF (words); i++) {
        snprintf (line, sizeof line, "%s --each c", words[i]);
        assert_refused (line, "does not go with --each");
    }
    assert_refused ("--each=x c", "takes no value");
    assert_refused ("--each --joblog", "no value after '--joblog'");
    assert_refused ("--each -k=1 c", "takes no value");
}

/* ---- a file, help -------------------------------------------------------------------------------------------------------------------------- */

/* Parses a command line that ends with -configfile and a file of that text. */
static int parse_file (const char *before, const char *text)
{
    static char path[64];
    char line[128];
    int fd = memfd_create ("configfile", 0);

    assert_true (fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text));
    snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    snprintf (line, sizeof line, "%s%s-configfile %s", before, *before ? " " : "", path);
    int rc = parse (line);
    close (fd);
    return rc;
}

static void a_file_is_a_command_line (void **state)
{
    (void) state;
    assert_int_equal (-1, parse_file ("", "# two programs\n-l -n 2 a 'b  c' # first\n\n-n 3 -x A=\"d e\" \\\n  c\n"));
    assert_int_equal (2, options.n_apps);
    assert_argv (0, "a b  c");
    assert_argv (1, "c");
    assert_int_equal (3, options.apps[1].n);
    assert_set (1, "A=d e");
    assert_true (options.is_tagged);
    assert_int_equal (-1, parse_file ("-v --dry-run", "a"));
    assert_true (options.is_verbose && options.is_dry_run);
    assert_argv (0, "a");
}

static void errors_in_a_file_say_where (void **state)
{
    (void) state;
    check_refused (parse_file ("", "a\n\n-n x b\n"), "", ":3: -n is 'x'");
    check_refused (parse_file ("", "a\n-n 2\nb\n"), "", ":2: no program is named");
    check_refused (parse_file ("", "a\n-l b\n"), "", ":2: '-l' stands before program 2");
    check_refused (parse_file ("", "--each b\n"), "", ":1: '--each' stands in a configfile");
    check_refused (parse_file ("", "-configfile x\n"), "", ":1: '-configfile' stands in a file");
    check_refused (parse_file ("", "# nothing\n\n"), "", "names no program");
}

static void a_file_stands_alone (void **state)
{
    (void) state;
    check_refused (parse_file ("-n 2", "a"), "", "belongs into the file");
    check_refused (parse_file ("a :", "a"), "", "before program 2");
    assert_refused ("-configfile f ./app", "'./app' follows");
    assert_refused ("-configfile /no/such/file", "/no/such/file");
    assert_refused ("-configfile", "no value after");
    assert_refused ("-configfile -n", "looks like an option");
    assert_refused ("-configfile /dev/null", "/dev/null");
    assert_refused ("-configfile /", "folder");
}

static void help_and_version_end_well_on_stdout (void **state)
{
    static const char *const lines[] = { "--help", "-h", "-help", "-n 2 --help", "--help -n x", "--each --help", "--help all", "-h all" };

    (void) state;
    for (size_t i = 0; i < N_OF (lines); i++) {
        assert_int_equal (0, parse (lines[i]));
        assert_non_null (strstr (said, "usage: mplaunch"));
        assert_string_equal ("", complained);
        assert_int_equal (strstr (lines[i], "all") != NULL, strstr (said, "--genvlist") != NULL);
    }
    assert_int_equal (0, parse ("--version"));
    assert_int_equal (0, strncmp (said, "mplaunch ", 9));
    assert_int_equal (0, parse ("-V"));
    assert_string_equal ("", complained);
}

/* At most `rows` lines of at most 80 columns. */
static void assert_fits (const char *line, int rows)
{
    int n = 0;

    assert_int_equal (0, parse (line));
    assert_true (strlen (said) < sizeof said - 1);
    for (const char *at = said; *at; n++) {
        size_t len = strcspn (at, "\n");
        if (len > 80)
            fail_msg ("%s: '%.*s' has %zu columns", line, (int) len, at, len);
        at += len + (at[len] == '\n');
    }
    assert_true (n <= rows);
}

static void help_fits_a_screen (void **state)
{
    (void) state;
    assert_fits ("--help", 23);
    assert_fits ("--help all", 200);
}

static void help_all_has_every_option (void **state)
{
    char word[64];
    size_t len;

    (void) state;
    assert_int_equal (0, parse ("--help all"));
    for (const mpl_option_t *option = mpl__option_table; option->names; option++)
        for (const char *name = option->names; (name = mpl__option_name (name, &len)); name += len) {
            snprintf (word, sizeof word, "%s%.*s", len == 1 || option->dashes == 1 ? "-" : "--", (int) len, name);
            if (!strstr (said, word))
                fail_msg ("%s is not in --help all", word);
        }
}

/* ---- words that are not nice ----------------------------------------------------------------------------------------------------------------- */

static void an_error_is_one_line_whatever_it_quotes (void **state)
{
    static char huge[100000];

    (void) state;
    memset (huge, 'x', sizeof huge - 1);
    args[0] = (char *) "mplaunch";
    args[1] = (char *) "-n";
    args[2] = (char *) "1\n\x1b[31m2";
    args[3] = (char *) "a";
    check_refused (parse_args (4), "with a newline", "'1??[31m2'");
    args[2] = huge;
    check_refused (parse_args (4), "with a huge number", "it takes");
    memcpy (huge, "--", 2);
    args[1] = huge;
    check_refused (parse_args (4), "with a huge option", "--help lists");
    args[1] = (char *) "-x";
    huge[0] = '=';
    check_refused (parse_args (4), "with a huge name", "it takes");
}

/* Words of the tables and others in any order: a code that is one of ours, and for the sanitizers to look at. */
static void any_words_are_survived (void **state)
{
    static const char *const others[] = { "--each", "p", ":", "--", "-", "1", "all", "A=b", "none", "core", "'", ":::", "-=", "=", "-j4", "-I{}", "--halt=now" };
    static char words[ARGS_MAX][64];

    (void) state;
    srand (1);
    for (int round = 0; round < 20000; round++) {
        int argc = 1 + rand () % 12;
        size_t n_options = 0, len = 0;
        while (mpl__option_table[n_options].names)
            n_options++;
        for (int i = 1; i < argc; i++) {
            const char *names = mpl__option_table[(size_t) rand () % n_options].names, *name = mpl__option_name (names, &len);
            if (rand () % 2)
                snprintf (words[i], sizeof words[i], "%s%.*s", rand () % 2 ? "-" : "--", (int) len, name);
            else
                snprintf (words[i], sizeof words[i], "%s", others[(size_t) rand () % N_OF (others)]);
            args[i] = words[i];
        }
        args[0] = (char *) "mplaunch";
        int rc = parse_args (argc);
        assert_true (rc == -1 || rc == 0 || rc == 2 || rc == 127);
        assert_true ((rc == 2) <= (*complained != 0) && (rc != -1 || (options.n_apps && (options.apps[0].argv.n || options.is_check))));
    }
}

static void no_arguments_at_all_are_refused (void **state)
{
    (void) state;
    check_refused (parse_args (0), "without even a name", "no program");
}

static int free_last (void **state)
{
    (void) state;
    mpl__options_free (&options);
    return 0;
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_program_alone_leaves_everything_as_it_is),
        cmocka_unit_test (a_missing_program_is_refused),
        cmocka_unit_test (an_empty_name_is_no_program),
        cmocka_unit_test (what_follows_the_program_is_the_programs),
        cmocka_unit_test (an_unknown_option_is_refused_and_quoted),
        cmocka_unit_test (the_option_that_was_meant_is_named),
        cmocka_unit_test (options_of_other_launchers_get_a_sentence),
        cmocka_unit_test (every_option_is_read_in_every_spelling),
        cmocka_unit_test (no_name_is_there_twice),
        cmocka_unit_test (names_of_both_tables_take_the_same),
        cmocka_unit_test (the_number_of_processes_is_read),
        cmocka_unit_test (a_wrong_number_of_processes_is_refused_and_quoted),
        cmocka_unit_test (hosts_are_taken_as_they_are),
        cmocka_unit_test (a_name_in_yaml_is_a_cluster_file),
        cmocka_unit_test (two_places_that_name_hosts_are_refused),
        cmocka_unit_test (a_broker_lends_all_hosts_or_none),
        cmocka_unit_test (hosts_belong_to_their_program),
        cmocka_unit_test (the_launch_has_the_words_of_the_cluster_file),
        cmocka_unit_test (mapping_and_binding_are_chosen),
        cmocka_unit_test (a_name_alone_is_what_it_is_here),
        cmocka_unit_test (variables_are_set_in_every_form),
        cmocka_unit_test (a_wrong_name_is_refused),
        cmocka_unit_test (own_variables_are_stronger_than_those_for_all),
        cmocka_unit_test (what_is_kept_of_the_environment_is_chosen),
        cmocka_unit_test (folders_are_taken_as_they_are),
        cmocka_unit_test (standard_input_goes_to_a_rank_or_all_or_none),
        cmocka_unit_test (output_goes_where_it_is_told),
        cmocka_unit_test (durations_have_units_and_an_end),
        cmocka_unit_test (flags_are_raised),
        cmocka_unit_test (colons_stand_between_programs),
        cmocka_unit_test (many_programs_are_read),
        cmocka_unit_test (a_colon_without_a_program_is_refused),
        cmocka_unit_test (options_of_the_launch_stand_first),
        cmocka_unit_test (each_makes_the_command_line_of_mpeach),
        cmocka_unit_test (options_of_jobs_stand_on_either_side_of_each),
        cmocka_unit_test (jobs_are_counted_in_every_form),
        cmocka_unit_test (a_letter_may_have_its_value_behind_it),
        cmocka_unit_test (what_belongs_to_each_needs_it),
        cmocka_unit_test (each_without_a_command_is_refused),
        cmocka_unit_test (what_each_cannot_do_is_refused),
        cmocka_unit_test (a_file_is_a_command_line),
        cmocka_unit_test (errors_in_a_file_say_where),
        cmocka_unit_test (a_file_stands_alone),
        cmocka_unit_test (help_and_version_end_well_on_stdout),
        cmocka_unit_test (help_fits_a_screen),
        cmocka_unit_test (help_all_has_every_option),
        cmocka_unit_test (an_error_is_one_line_whatever_it_quotes),
        cmocka_unit_test (any_words_are_survived),
        cmocka_unit_test (no_arguments_at_all_are_refused),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, free_last);
}
