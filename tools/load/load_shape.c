#include "tools/load/load_shape.h"

#include "base/text.h"
#include "tools/load/load_option.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 4, RECORD_BYTES_MAX = 64 << 20 };

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
    return err == OK ? OK : rate_fails(workload, problem, problem_max);
}

/* ---- sizes */

static enum err take_size(struct load_workload *workload, double size_bytes, double weight)
{
    struct load_size *size = &workload->sizes[workload->sizes_count];

    if (size_bytes > RECORD_BYTES_MAX || weight > 1e15)
        return ERR_INVALID;
    *size = (struct load_size){(uint32_t)size_bytes, weight < 1 ? 1 : (uint64_t)weight};
    if (workload->sizes_count == 0 || size->size_bytes < workload->size_min_bytes)
        workload->size_min_bytes = size->size_bytes;
    if (size->size_bytes > workload->size_max_bytes)
        workload->size_max_bytes = size->size_bytes;
    workload->sizes_count++;
    return OK;
}

/* As OpenMessaging Benchmark names it: from where it is started; or beside the tool's directory. */
static enum err check_payload(struct load_workload *workload, char *problem, size_t problem_max)
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
    uint64_t low = 0;
    uint64_t high = 0;
    char first[64];
    enum err err;

    workload->sizes_count = 0;
    workload->size_min_bytes = 0;
    workload->size_max_bytes = 0;
    if (text[0] == '@') {
        workload->size_shape = LOAD_SIZE_LIST;
        return read_pairs(text + 1, "--size", LOAD_SIZES_MAX, take_size, workload, problem,
                          problem_max);
    }
    workload->size_shape = dots == NULL ? LOAD_SIZE_FIXED : LOAD_SIZE_UNIFORM;
    snprintf(first, sizeof(first), "%.*s",
             (int)(dots == NULL ? strnlen(text, 60) : (size_t)(dots - text)), text);
    err = load_option_size(first, &low);
    high = low;
    if (err == OK && dots != NULL)
        err = load_option_size(dots + 2, &high);
    if (err != OK || low > high || high > RECORD_BYTES_MAX) {
        snprintf(problem, problem_max,
                 "--size takes 1KiB, 100..2000 or @FILE, up to 64MiB, not \"%s\"", text);
        return ERR_INVALID;
    }
    workload->size_min_bytes = (uint32_t)low;
    workload->size_max_bytes = (uint32_t)high;
    return check_payload(workload, problem, problem_max);
}

/* ---- keys */

static enum err keys_count(const char *text, uint64_t *out)
{
    enum err err = load_option_size(text, out);

    return err == OK && (*out == 0 || *out > UINT64_C(1) << 40) ? ERR_INVALID : err;
}

static enum err parse_keys(struct load_workload *workload, const struct parts *parts)
{
    enum err err;

    if (strcmp(parts->text[0], "zipf") == 0 && parts->count == 3) {
        workload->key_shape = LOAD_KEY_ZIPF;
        err = load_option_number(parts->text[1], &workload->key_exponent);
        if (err == OK && (workload->key_exponent <= 0 || workload->key_exponent > 10))
            err = ERR_INVALID;
        return err == OK ? keys_count(parts->text[2], &workload->keys_count) : err;
    }
    if (strcmp(parts->text[0], "hot") == 0 && parts->count == 4) {
        workload->key_shape = LOAD_KEY_HOT;
        err = load_option_number(parts->text[1], &workload->key_hot_share);
        if (err == OK)
            err = load_option_number(parts->text[2], &workload->key_hot_part);
        if (err == OK && (workload->key_hot_share > 1 || workload->key_hot_part > 1))
            err = ERR_INVALID;
        return err == OK ? keys_count(parts->text[3], &workload->keys_count) : err;
    }
    if (parts->count != 2)
        return ERR_INVALID;
    if (strcmp(parts->text[0], "uniform") == 0)
        workload->key_shape = LOAD_KEY_UNIFORM;
    else if (strcmp(parts->text[0], "sequential") == 0)
        workload->key_shape = LOAD_KEY_SEQUENTIAL;
    else
        return ERR_INVALID;
    return keys_count(parts->text[1], &workload->keys_count);
}

enum err load_shape_keys(struct load_workload *workload, char *problem, size_t problem_max)
{
    /* OpenMessaging Benchmark's distributors have 10,000 keys. */
    static const struct {
        const char *name;
        enum load_key_shape shape;
    } theirs[] = {{"none", LOAD_KEY_NONE},
                  {"NO_KEY", LOAD_KEY_NONE},
                  {"KEY_ROUND_ROBIN", LOAD_KEY_SEQUENTIAL},
                  {"RANDOM_NANO", LOAD_KEY_UNIFORM}};
    struct parts parts;

    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
        if (strcmp(workload->key_text, theirs[i].name) == 0) {
            workload->key_shape = theirs[i].shape;
            workload->keys_count = 10000;
            return OK;
        }
    if (split(workload->key_text, ":", &parts) && parse_keys(workload, &parts) == OK)
        return OK;
    snprintf(problem, problem_max,
             "--keys takes none, uniform:N, zipf:EXPONENT:N, hot:KEYS:RECORDS:N (shares) or "
             "sequential:N, not \"%s\"",
             workload->key_text);
    return ERR_INVALID;
}
