#include "tools/bench.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "tools/load/load_option.h"
#include "tools/load/load_report.h"
#include "tools/load/load_text_file.h"
#include "tools/load/load_yaml.h"

#include <stdio.h>
#include <string.h>

#define array_count(array) (sizeof(array) / sizeof((array)[0]))

enum { SETTINGS_MAX = 128 };

#define OF_LOAD \
    (LOAD_OPTION_OF_TOPICS | LOAD_OPTION_OF_RECORDS | LOAD_OPTION_OF_PRODUCERS | LOAD_OPTION_OF_RUN)

#define OF_FAULTS \
    (OF_LOAD | LOAD_OPTION_OF_CONSUMERS | LOAD_OPTION_OF_TRANSACTIONS | LOAD_OPTION_OF_GROUPS)
#define FAULT_SETTINGS \
    "rate=1k size=256 linger=0 subscriptions=1 verify=true warmup=1s duration=20s"

/* The first one runs without a verb. */
static const struct bench_verb verbs[] = {
    {"run", "WORKLOAD", 1, 1, false, LOAD_OPTION_OF_ALL, "",
     "run a built-in workload, or a file (OpenMessaging Benchmark's run unchanged)",
     "Options come after what the file says.  Examples: levee bench run omb --duration 30s\n"
     "  levee bench run workloads/1-topic-16-partitions-1kb.yaml --driver driver-kafka/kafka.yaml",
     bench_run},
    {"produce", "", 0, 0, false, OF_LOAD | LOAD_OPTION_OF_CONSUMERS, "subscriptions=0",
     "producers alone",
     "Latency counts from when the schedule intended a record, so a broker that stalls shows.\n"
     "Examples: levee bench produce --rate 50k --size 1KiB --duration 30s\n"
     "          levee bench produce --rate max --in-flight 1 --linger 0      one record at a time\n"
     "          levee bench produce --rate 20k --verify                      and read it back",
     bench_run},
    {"consume", "", 0, 0, false,
     LOAD_OPTION_OF_TOPICS | LOAD_OPTION_OF_CONSUMERS | LOAD_OPTION_OF_RUN,
     "producers=0 subscriptions=1 warmup=0", "consumers alone, of a topic that is there",
     "Example: levee bench consume --topic orders --consumers 4 --duration 20s", bench_run},
    {"e2e", "", 0, 0, false, OF_LOAD | LOAD_OPTION_OF_CONSUMERS, "subscriptions=1",
     "producers and consumers: from the intended time to the reader",
     "Example: levee bench e2e --rate 20k --verify --report out.html", bench_run},
    {"txn", "", 0, 0, false, OF_LOAD | LOAD_OPTION_OF_CONSUMERS | LOAD_OPTION_OF_TRANSACTIONS,
     "txn-records=10 txn-partitions=4 rate=1k linger=0 subscriptions=1 isolation=read_committed",
     "transactions: commit latency, aborts, fencing, readers of committed records",
     "--rate counts records; a transaction of --txn-records is due when its records are.\n"
     "Example: levee bench txn --rate 5k --producers 4 --abort-share 5% --zombie-share 1% --verify",
     bench_run},
    {"groups", "", 0, 0, false, OF_LOAD | LOAD_OPTION_OF_CONSUMERS | LOAD_OPTION_OF_GROUPS,
     "group=true subscriptions=1 consumers=4 rate=1k member-churn=0.5 session-timeout=10s",
     "consumer groups whose members leave and come again: how long until all have partitions",
     "Example: levee bench groups --subscriptions 10 --consumers 8 --member-churn 2 --duration 30s",
     bench_run},
    {"agent", "[HOST:PORT]", 0, 1, false, 0, "",
     "run the share of a load that --agents of another machine asks for",
     "Listens on 127.0.0.1:9500 unless told otherwise.  Whoever reaches the port may send load "
     "from\n"
     "here to any address: listen where only your own machines are.\n"
     "Examples: levee bench agent 10.0.0.7:9500                     on each machine\n"
     "          levee bench produce --agents 10.0.0.7:9500,10.0.0.8:9500 --rate 1M -b ...",
     bench_agent},
    {"compare", "A B [WORKLOAD]", 2, 3, false, LOAD_OPTION_OF_ALL | LOAD_OPTION_OF_COMPARE,
     "name=e2e subscriptions=1 rate=20k warmup=1 duration=5",
     "two brokers in paired blocks A B B A, or runs of them that --json kept",
     "A difference is told when a sign test over the blocks and what two runs of one side differ "
     "by\n"
     "both allow it.  A and B are addresses, or files (A.json, or A1.json,A2.json,...).\n"
     "Examples: levee bench compare 127.0.0.1:9092 127.0.0.1:9192 --report compare.html\n"
     "          levee bench compare 127.0.0.1:9092 127.0.0.1:9192 ping --duration 10s --blocks 8\n"
     "          levee bench compare monday.json tuesday.json",
     bench_compare},
    {"report", "FILE...", 1, LOAD_REPORT_RUNS_MAX, false, LOAD_OPTION_OF_REPORT, "",
     "runs that --json kept, on one page",
     "Example: levee bench report monday.json tuesday.json --report both.html", bench_report},
    {"restart", "", 0, 0, true, OF_FAULTS, FAULT_SETTINGS,
     "run a command in the middle of a run, and tell the downtime that clients saw",
     "COMMAND ends and starts the broker; what was lost, doubled or torn is counted.  Example:\n"
     "  levee bench restart --duration 20s -- sh -c 'kill -9 $(cat broker.pid); ./start.sh'",
     bench_restart},
    {"failover", "", 0, 0, true, OF_FAULTS, FAULT_SETTINGS,
     "the same of a cluster, one of whose brokers the command ends",
     "Example: levee bench failover -b one:9092,two:9092 --replicas 2 -- ssh one systemctl kill -s "
     "KILL levee",
     bench_restart},
    {"list", "", 0, 0, false, 0, "", "the workloads that are built in",
     "A name runs with `levee bench run NAME`; options change it.", bench_list},
};

/* One option as given; applied after everything else is known. */
struct setting {
    const struct load_option *option;
    const char *value;
};

struct words {
    struct setting settings[SETTINGS_MAX];
    size_t settings_count;
};

/* ---- help */

static void print_options(FILE *out, uint32_t of)
{
    size_t count;
    const struct load_option *rows = load_option_rows(&count);
    struct load_workload *defaults = mem_alloc(sizeof(*defaults));

    load_workload_defaults(defaults);
    for (size_t i = 0; i < count; i++) {
        const struct load_option *row = &rows[i];
        const char *line = row->help;
        char name[64];
        char value[LOAD_LONG_MAX];
        if ((row->of & of) == 0)
            continue;
        snprintf(name, sizeof(name), "%s%s--%s%s%s", row->short_name == NULL ? "" : row->short_name,
                 row->short_name == NULL ? "" : ", ", row->name, row->argument == NULL ? "" : " ",
                 row->argument == NULL ? "" : row->argument);
        load_option_get(defaults, row, value, sizeof(value));
        fprintf(out, "  %-34s ", name);
        for (; *line != '\0'; line++) {
            fputc(*line, out);
            if (*line == '\n')
                fprintf(out, "  %-34s ", "");
        }
        if (value[0] != '\0' && row->kind != LOAD_OPTION_FLAG)
            fprintf(out, " (%s)", value);
        fputc('\n', out);
    }
    mem_free(defaults);
}

static void print_verb_help(const struct bench_verb *verb)
{
    printf("%s\n\n  levee bench %s%s%s%s\n", verb->purpose, verb->name,
           verb->words[0] == '\0' ? "" : " ", verb->words,
           verb->takes_command ? " -- COMMAND..." : "");
    if (verb->help != NULL)
        printf("\n%s\n", verb->help);
    if (verb->of != 0) {
        printf("\nOptions:\n");
        print_options(stdout, verb->of);
        printf("  %-34s %s\n", "--driver FILE", "a driver file of OpenMessaging Benchmark");
    }
}

static void print_verbs(FILE *out)
{
    fputs("measure a Kafka-compatible broker, and account for every record\n\n"
          "  levee bench [VERB] [OPTIONS]\n\n",
          out);
    for (size_t i = 0; i < array_count(verbs); i++)
        fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].purpose);
    fputs("\nWithout a verb: a canonical workload against 127.0.0.1:9092.\n"
          "`levee bench VERB --help` tells a verb's options.\n",
          out);
}

/* ---- words */

static const struct bench_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < array_count(verbs); i++)
        if (strcmp(name, verbs[i].name) == 0)
            return &verbs[i];
    return NULL;
}

static enum cli_exit unknown_verb(const char *word)
{
    const char *names[array_count(verbs)];
    const char *near;

    for (size_t i = 0; i < array_count(verbs); i++)
        names[i] = verbs[i].name;
    near = nearest_name(word, names, array_count(names));
    return cli_fail(CLI_USAGE, "unknown command bench %s%s%s%s; see levee bench --help", word,
                    near == NULL ? "" : "; did you mean ", near == NULL ? "" : near,
                    near == NULL ? "" : "?");
}

/* The option that a word names, and what stands behind its equals sign (NULL: nothing). */
static const struct load_option *find_option(const struct bench_verb *verb, const char *word,
                                             const char **value_out, const char **near)
{
    size_t name_bytes;
    size_t count;
    const struct load_option *rows = load_option_rows(&count);

    *value_out = NULL;
    *near = NULL;
    if (word[1] != '-') {
        for (size_t i = 0; i < count; i++)
            if ((rows[i].of & verb->of) != 0 && rows[i].short_name != NULL &&
                strncmp(word, rows[i].short_name, 2) == 0) {
                *value_out = word[2] != '\0' ? word + 2 : NULL;
                return &rows[i];
            }
        return NULL;
    }
    name_bytes = strcspn(word + 2, "=");
    if (word[2 + name_bytes] == '=')
        *value_out = word + 2 + name_bytes + 1;
    return load_option_find(word + 2, name_bytes, verb->of, near);
}

/* "--no-NAME" of a flag. */
static const struct load_option *find_negated(const struct bench_verb *verb, const char *word)
{
    const struct load_option *option = NULL;

    if (strncmp(word, "--no-", 5) == 0)
        option = load_option_find(word + 5, strlen(word + 5), verb->of, NULL);
    return option != NULL && option->kind == LOAD_OPTION_FLAG ? option : NULL;
}

static enum cli_exit take_option(struct bench *bench, struct words *words, int argc, char **argv,
                                 int *at)
{
    const char *word = argv[*at];
    const char *value;
    const char *near;
    const struct load_option *option;

    if (strcmp(word, "--driver") == 0 && bench->verb->of != 0) {
        if (++*at == argc)
            return cli_fail(CLI_USAGE, "--driver needs a value: FILE");
        bench->driver_file = argv[*at];
        return CLI_OK;
    }
    option = find_option(bench->verb, word, &value, &near);
    if (option == NULL) {
        option = find_negated(bench->verb, word);
        value = "false";
    }
    if (option == NULL)
        return cli_fail(CLI_USAGE, "unknown option %s%s%s%s; see levee bench %s --help", word,
                        near == NULL ? "" : "; did you mean --", near == NULL ? "" : near,
                        near == NULL ? "" : "?", bench->is_canonical ? "" : bench->verb->name);
    if (value == NULL && option->kind == LOAD_OPTION_FLAG)
        value = "true";
    if (value == NULL) {
        if (++*at == argc)
            return cli_fail(CLI_USAGE, "--%s needs a value: %s", option->name, option->argument);
        value = argv[*at];
    }
    if (words->settings_count == SETTINGS_MAX)
        return cli_fail(CLI_USAGE, "more than %d options", SETTINGS_MAX);
    words->settings[words->settings_count++] = (struct setting){option, value};
    return CLI_OK;
}

static enum cli_exit parse(struct bench *bench, struct words *words, int argc, char **argv)
{
    const struct bench_verb *verb = bench->verb;
    enum cli_exit result = CLI_OK;

    for (int i = 0; i < argc && result == CLI_OK; i++) {
        if (strcmp(argv[i], "--") == 0 && verb->takes_command) {
            bench->command = argv + i + 1;
            break;
        }
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            result = take_option(bench, words, argc, argv, &i);
        } else if (bench->is_canonical || bench->word_count == verb->words_max) {
            result = cli_fail(CLI_USAGE, "\"%s\" is one word too many; see levee bench %s --help",
                              argv[i], verb->name);
        } else {
            bench->words[bench->word_count++] = argv[i];
        }
    }
    if (result != CLI_OK)
        return result;
    if (bench->is_canonical)
        bench->words[bench->word_count++] = "canonical";
    if (bench->word_count < verb->words_min)
        return cli_fail(CLI_USAGE, "something is missing: levee bench %s %s", verb->name,
                        verb->words);
    if (verb->takes_command && (bench->command == NULL || bench->command[0] == NULL))
        return cli_fail(CLI_USAGE, "something is missing: levee bench %s -- COMMAND...",
                        verb->name);
    return CLI_OK;
}

/* ---- the workload that they describe */

static void tell_note(void *context, const char *text)
{
    fprintf(stderr, "levee: note: %s\n", text);
}

/* A built-in name, else a file. */
static enum cli_exit take_workload(struct bench *bench, const char *word, bool *is_file_out)
{
    char problem[512];
    enum err err = load_workload_take_builtin(bench->workload, word);

    if (err == OK)
        return CLI_OK;
    err = load_yaml_workload(bench->workload, word, problem, sizeof(problem));
    *is_file_out = err == OK;
    if (err == ERR_NOT_FOUND && strchr(word, '/') == NULL && strchr(word, '.') == NULL) {
        const char *names[64];
        const char *ignored;
        size_t count = 0;
        const char *near;
        while (count < array_count(names) &&
               (names[count] = load_workload_builtin(count, &ignored, &ignored)) != NULL)
            count++;
        near = nearest_name(word, names, count);
        return cli_fail(CLI_NOT_FOUND,
                        "%s is neither a built-in workload (levee bench list) nor a file%s%s%s",
                        word, near == NULL ? "" : "; did you mean ", near == NULL ? "" : near,
                        near == NULL ? "" : "?");
    }
    if (err == ERR_INVALID)
        return cli_fail(CLI_USAGE, "%s", problem);
    return err == OK ? CLI_OK : cli_fail(cli_exit_of(err), "%s", problem);
}

static bool is_typed(const struct words *words, const char *name)
{
    for (size_t i = 0; i < words->settings_count; i++)
        if (strcmp(words->settings[i].option->name, name) == 0)
            return true;
    return false;
}

/* What nobody asked for gives way to what was asked for: a transaction has no more partitions than
 * the topic, or than it has records. */
static void fit_transactions(struct load_workload *workload)
{
    uint32_t most = workload->partitions_count;

    if (!workload->is_pipeline && workload->transaction_records > 0 &&
        workload->transaction_records < most)
        most = workload->transaction_records;
    if (workload->transaction_partitions > most)
        workload->transaction_partitions = most;
}

static enum cli_exit set_typed(struct load_workload *workload, const struct words *words)
{
    char problem[512];

    for (size_t i = 0; i < words->settings_count; i++) {
        const struct setting *setting = &words->settings[i];
        if (load_option_set(workload, setting->option, setting->value, problem, sizeof(problem)) !=
            OK)
            return cli_fail(CLI_USAGE, "--%s %s", setting->option->name, problem);
    }
    /* In a file of OpenMessaging Benchmark a rate of 0 means as fast as it goes. */
    if (is_typed(words, "rate") && strcmp(workload->rate_text, "0") == 0)
        return cli_fail(CLI_USAGE, "--rate 0 sends nothing: a rate is above 0; --rate max is as "
                                   "fast as it goes");
    return CLI_OK;
}

static enum cli_exit apply(struct bench *bench, const struct words *words)
{
    struct load_workload *workload = bench->workload;
    char problem[512];
    bool is_file = false;
    enum cli_exit result = CLI_OK;

    load_workload_defaults(workload);
    if (bench->verb->name[0] != '\0')
        snprintf(workload->name, sizeof(workload->name), "%s", bench->verb->name);
    if (load_option_set_all(workload, bench->verb->settings, problem, sizeof(problem)) != OK)
        return cli_fail(CLI_FAILED, "%s", problem);
    if (bench->driver_file != NULL) {
        enum err err = load_yaml_driver(workload, bench->driver_file, tell_note, NULL, problem,
                                        sizeof(problem));
        if (err != OK)
            return cli_fail(err == ERR_INVALID ? CLI_USAGE : cli_exit_of(err), "%s", problem);
    }
    if (strcmp(bench->verb->words, "WORKLOAD") == 0)
        result = take_workload(bench, bench->words[0], &is_file);
    else if (bench->verb->run == bench_compare && bench->word_count == 3)
        result = take_workload(bench, bench->words[2], &is_file);
    if (result == CLI_OK)
        result = set_typed(workload, words);
    if (result == CLI_OK && !is_file && !is_typed(words, "txn-partitions"))
        fit_transactions(workload);
    return result;
}

enum cli_exit bench_check(struct bench *bench)
{
    char problem[512];
    enum err err = load_workload_check(bench->workload, problem, sizeof(problem));

    if (err == ERR_INVALID)
        return cli_fail(CLI_USAGE, "%s", problem);
    return err == OK ? CLI_OK : cli_fail(cli_exit_of(err), "%s", problem);
}

/* A run of an hour is not to be lost to a path that cannot be written. */
static enum cli_exit try_files(const struct load_workload *workload)
{
    const char *const paths[] = {workload->json_file, workload->csv_file, workload->hlog_file,
                                 workload->report_file};

    for (size_t i = 0; i < array_count(paths); i++) {
        enum err err = paths[i][0] == '\0' ? OK : load_text_file_try(paths[i]);
        if (err != OK)
            return cli_fail(err == ERR_INVALID ? CLI_USAGE : cli_exit_of(err),
                            "%s cannot be written: %s", paths[i], err_text(err));
    }
    return CLI_OK;
}

/* levee bench [VERB] ...: argv begins behind "bench". */
enum cli_exit command_bench(struct cli *cli)
{
    struct bench bench = {.is_canonical = false};
    struct words words = {0};
    int argc = cli->argc;
    char **argv = cli->argv;
    enum cli_exit result;

    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
        print_verbs(stdout);
        return CLI_OK;
    }
    bench.is_canonical = argc == 0 || argv[0][0] == '-';
    bench.verb = bench.is_canonical ? &verbs[0] : find_verb(argv[0]);
    if (bench.verb == NULL)
        return unknown_verb(argv[0]);
    if (!bench.is_canonical) {
        argc--;
        argv++;
    }
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_verb_help(bench.verb);
            return CLI_OK;
        }
    bench.workload = mem_alloc(sizeof(*bench.workload));
    result = parse(&bench, &words, argc, argv);
    if (result == CLI_OK)
        result = apply(&bench, &words);
    if (result == CLI_OK)
        result = try_files(bench.workload);
    if (result == CLI_OK)
        result = bench.verb->run(&bench);
    load_workload_deinit(bench.workload);
    mem_free(bench.workload);
    return result;
}

enum cli_exit bench_list(struct bench *bench)
{
    const char *purpose;
    const char *settings;
    const char *name;

    for (size_t i = 0; (name = load_workload_builtin(i, &purpose, &settings)) != NULL; i++)
        printf("%-13s %s\n%-13s   %s\n", name, purpose, "", settings);
    return CLI_OK;
}
