#include "tools/load/load_shape.h"

#include "base/text.h"
#include "tools/load/load_option.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 4 };

#define RATE_MAX 1e9

/* Pieces of text between separators; each a copy. */
struct parts {
    char text[PARTS_MAX][64];
    uint32_t count;
};

static bool split(const char *text, const char *separators, struct parts *out)
{
    out->count = 0;
    for (;;) {
        size_t size_bytes = strcspn(text, separators);
        if (out->count == PARTS_MAX || size_bytes >= sizeof(out->text[0]))
            return false;
        snprintf(out->text[out->count++], sizeof(out->text[0]), "%.*s", (int)size_bytes, text);
        if (text[size_bytes] == '\0')
            return true;
        text += size_bytes + 1;
    }
}

/* ---- files of two numbers a line */

static enum err read_pairs(const char *path, const char *what, size_t max,
                           enum err (*take)(struct load_workload *workload, double a, double b),
                           struct load_workload *workload, char *problem, size_t problem_max)
{
    char line[256];
    size_t number = 0;
    size_t taken = 0;
    FILE *file = fopen(path, "re");
    enum err err = OK;

    if (file == NULL) {
        snprintf(problem, problem_max, "%s %s: %s", what, path, strerror(errno));
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    }
    while (err == OK && fgets(line, sizeof(line), file) != NULL) {
        char *first = line + strspn(line, " \t\r\n");
        char *second = first + strcspn(first, " ,\t\r\n");
        char *end;
        double a;
        double b;
        number++;
        if (*first == '\0' || *first == '#')
            continue;
        a = strtod(first, &end);
        b = strtod(second + strspn(second, " ,\t"), NULL);
        err = end == first || !(a >= 0) || !(b >= 0) || taken++ == max ? ERR_INVALID
                                                                       : take(workload, a, b);
        if (err != OK)
            snprintf(problem, problem_max, "%s %s: line %zu is not two numbers, or is one too many",
                     what, path, number);
    }
    fclose(file);
    if (err == OK && taken == 0) {
        snprintf(problem, problem_max, "%s %s: has no line", what, path);
        err = ERR_INVALID;
    }
    return err;
}

/* ---- rates */

static enum err rate_fails(const struct load_workload *workload, char *problem, size_t problem_max)
{
    snprintf(
        problem, problem_max,
        "--rate takes 10k, poisson:10k, ramp:1k..50k/30s, sine:1k..50k/10s, bursts:10k/1s/0.1, "
        "trace:FILE or max, not \"%s\"",
        workload->rate_text);
    return ERR_INVALID;
}

static enum err one_rate(const char *text, double *out)
{
    enum err err = load_option_number(text, out);

    return err == OK && *out > RATE_MAX ? ERR_INVALID : err;
}

/* "1k..50k" */
static enum err two_rates(const char *text, double *low, double *high)
{
    const char *dots = strstr(text, "..");
    char first[64];
    enum err err;

    if (dots == NULL || (size_t)(dots - text) >= sizeof(first))
        return ERR_INVALID;
    snprintf(first, sizeof(first), "%.*s", (int)(dots - text), text);
    err = one_rate(first, low);
    return err == OK ? one_rate(dots + 2, high) : err;
}

static enum err take_point(struct load_workload *workload, double seconds, double rate)
{
    struct pacer_options *pacing = &workload->pacing;
    struct pacer_point *point = &workload->points[pacing->points_count];

    if (workload->transaction_records > 0 && !workload->is_pipeline)
        rate /= workload->transaction_records;
    if (seconds > 1e9 || rate > RATE_MAX ||
        (pacing->points_count > 0 && seconds * 1e9 <= (double)point[-1].from_ns))
        return ERR_INVALID;
    *point = (struct pacer_point){.from_ns = (uint64_t)(seconds * 1e9), .rate = rate};
    pacing->points_count++;
    return OK;
}

static enum err parse_shape(struct load_workload *workload, const char *shape, const char *rest)
{
    struct pacer_options *pacing = &workload->pacing;
    struct parts parts;
    double low = 0;
    double high = 0;
    enum err err;

    if (!split(rest, "/", &parts))
        return ERR_INVALID;
    if (strcmp(shape, "poisson") == 0 && parts.count == 1) {
        pacing->shape = PACER_POISSON;
        return one_rate(parts.text[0], &pacing->rate);
    }
    if (strcmp(shape, "bursts") == 0 && parts.count == 3) {
        pacing->shape = PACER_BURSTS;
        err = one_rate(parts.text[0], &pacing->rate);
        if (err == OK)
            err = load_option_time(parts.text[1], 1000000000, &pacing->period_ns);
        if (err == OK)
            err = load_option_number(parts.text[2], &pacing->duty);
        return err == OK && (pacing->duty <= 0 || pacing->duty > 1) ? ERR_INVALID : err;
    }
    if ((strcmp(shape, "ramp") != 0 && strcmp(shape, "sine") != 0) || parts.count != 2)
        return ERR_INVALID;
    err = two_rates(parts.text[0], &low, &high);
    if (err == OK)
        err = load_option_time(parts.text[1], 1000000000, &pacing->period_ns);
    if (err != OK)
        return err;
    pacing->shape = shape[0] == 'r' ? PACER_RAMP : PACER_SINE;
    pacing->rate = shape[0] == 'r' ? low : (low + high) / 2; /* of a sine: its middle */
    pacing->rate_to = high;
    return pacing->shape == PACER_SINE && high < low ? ERR_INVALID : OK;
}

enum err load_shape_rate(struct load_workload *workload, char *problem, size_t problem_max)
{
    const char *text = workload->rate_text;
    const char *colon = strchr(text, ':');
    char shape[16];
    enum err err;

    workload->pacing = (struct pacer_options){.seed = workload->seed};
    workload->is_open_loop = false;
    /* OpenMessaging Benchmark's producerRate 0 means as fast as it goes, too. */
    if (strcmp(text, "max") == 0 || strcmp(text, "0") == 0)
        return OK;
    if (workload->producers_count == 0)
        return OK; /* nobody to send */
    workload->is_open_loop = true;
    if (colon == NULL) {
        err = one_rate(text, &workload->pacing.rate);
    } else if (strncmp(text, "trace:", 6) == 0) {
        workload->pacing.shape = PACER_TRACE;
        workload->pacing.points = workload->points;
        return read_pairs(colon + 1, "--rate trace:", LOAD_POINTS_MAX, take_point, workload,
                          problem, problem_max);
    } else {
        snprintf(shape, sizeof(shape), "%.*s", (int)(colon - text), text);
        err = parse_shape(workload, shape, colon + 1);
    }
    if (err != OK)
        return rate_fails(workload, problem, problem_max);
    /* The schedule of transactions has transactions as its things. */
    if (workload->transaction_records > 0 && !workload->is_pipeline) {
        workload->pacing.rate /= workload->transaction_records;
        workload->pacing.rate_to /= workload->transaction_records;
    }
    return OK;
}

/* ---- sizes and keys */

static enum err check_payload(const struct load_workload *workload, char *problem,
                              size_t problem_max)
{
    FILE *file;

    if (workload->payload_file[0] == '\0')
        return OK;
    file = fopen(workload->payload_file, "re");
    if (file == NULL) {
        snprintf(problem, problem_max, "payload file %s: %s", workload->payload_file,
                 strerror(errno));
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    }
    fclose(file);
    return OK;
}

enum err load_shape_size(struct load_workload *workload, char *problem, size_t problem_max)
{
    const char *text = workload->size_text;
    const char *dots = strstr(text, "..");
    char plain[64];
    uint64_t low;
    uint64_t high;
    enum err err;

    load_size_deinit(&workload->size);
    workload->size = (struct load_size){0};
    if (text[0] == '@') {
        err = load_size_init(&workload->size, text, workload->seed);
    } else {
        char first[64];
        snprintf(first, sizeof(first), "%.*s",
                 (int)(dots == NULL ? strnlen(text, 60) : (size_t)(dots - text)), text);
        err = load_option_size(first, &low);
        high = low;
        if (err == OK && dots != NULL)
            err = load_option_size(dots + 2, &high);
        if (err == OK) {
            snprintf(plain, sizeof(plain), dots == NULL ? "%llu" : "%llu..%llu",
                     (unsigned long long)low, (unsigned long long)high);
            err = load_size_init(&workload->size, plain, workload->seed);
        }
    }
    if (err == OK)
        return check_payload(workload, problem, problem_max);
    snprintf(problem, problem_max,
             "--size takes 1KiB, 100..2000 or @FILE (lines: size weight), up to 64MiB, not \"%s\" "
             "(%s)",
             text, err_text(err));
    return err == ERR_NOT_FOUND || err == ERR_IO ? err : ERR_INVALID;
}

enum err load_shape_keys(struct load_workload *workload, char *problem, size_t problem_max)
{
    /* OpenMessaging Benchmark's distributors, which have 10,000 keys. */
    static const struct {
        const char *name;
        enum load_keys_kind kind;
    } theirs[] = {{"NO_KEY", LOAD_KEYS_NONE},
                  {"KEY_ROUND_ROBIN", LOAD_KEYS_SEQUENTIAL},
                  {"RANDOM_NANO", LOAD_KEYS_UNIFORM}};

    workload->keys =
        (struct load_keys_options){.keys_count = workload->keys_count, .seed = workload->seed};
    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
        if (strcmp(workload->key_text, theirs[i].name) == 0) {
            workload->keys.kind = theirs[i].kind;
            workload->keys.keys_count = 10000;
            return OK;
        }
    if (load_keys_parse(workload->key_text, &workload->keys) == OK)
        return OK;
    snprintf(
        problem, problem_max,
        "--keys takes none, uniform, zipf:1.1, hot:20:80 (percent of the keys, of the records) "
        "or sequential, not \"%s\"",
        workload->key_text);
    return ERR_INVALID;
}
