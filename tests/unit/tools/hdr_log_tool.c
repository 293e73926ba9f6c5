/* hdr_log_tool: histogram logs for tests/unit/tools/hdr_log.py.
 *
 *   hdr_log_tool write FILE START_MS DIGITS   from lines "TAG BEGIN_NS LENGTH_NS VALUE:COUNT ...",
 * TAG
 *                                             "-" for none
 *   hdr_log_tool read                         lines of a log from standard input to lines "TAG
 * BEGIN_S LENGTH_S MAX_MS COUNT MIN MAX DIGITS VALUE:COUNT ..." with the highest value of each
 * bucket; or the error */
#include "tools/load/hdr_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what, enum err err)
{
    fprintf(stderr, "%s: %s\n", what, err_text(err));
    return 1;
}

static int write_log(const char *path, uint64_t start_ms, uint32_t digits)
{
    static char line[1 << 20];
    struct histogram histogram;
    struct hdr_log *log;
    enum err err = hdr_log_create(path, start_ms, "made by a test", &log);

    if (err)
        return fail(path, err);
    err = histogram_init(&histogram, digits);
    while (!err && fgets(line, sizeof(line), stdin) != NULL) {
        char *rest;
        const char *tag = strtok_r(line, " \n", &rest);
        uint64_t begin_ns = strtoull(strtok_r(NULL, " \n", &rest), NULL, 10);
        uint64_t length_ns = strtoull(strtok_r(NULL, " \n", &rest), NULL, 10);
        const char *pair;
        histogram_reset(&histogram);
        while ((pair = strtok_r(NULL, " \n", &rest)) != NULL) {
            char *colon;
            uint64_t value = strtoull(pair, &colon, 10);
            histogram_record_n(&histogram, value, strtoull(colon + 1, NULL, 10));
        }
        err =
            hdr_log_write(log, strcmp(tag, "-") == 0 ? NULL : tag, begin_ns, length_ns, &histogram);
    }
    histogram_deinit(&histogram);
    if (!err)
        err = hdr_log_close(log);
    return err ? fail(path, err) : 0;
}

static int read_log(void)
{
    static char text[1 << 20];

    while (fgets(text, sizeof(text), stdin) != NULL) {
        struct hdr_log_line line;
        enum err err = hdr_log_parse(text, strcspn(text, "\n"), &line);
        if (err) {
            printf("%s\n", err_name(err));
            continue;
        }
        printf("%s %.3f %.3f %.3f %llu %llu %llu %u", line.tag[0] ? line.tag : "-", line.begin_s,
               line.length_s, line.max_ms, (unsigned long long)histogram_count(&line.histogram),
               (unsigned long long)histogram_min(&line.histogram),
               (unsigned long long)histogram_max(&line.histogram), line.histogram.digits);
        for (size_t i = 0; i < line.histogram.counts_count; i++) {
            if (line.histogram.counts[i] > 0)
                printf(" %llu:%llu", (unsigned long long)histogram_bucket_end(&line.histogram, i),
                       (unsigned long long)line.histogram.counts[i]);
        }
        printf("\n");
        histogram_deinit(&line.histogram);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "write") == 0)
        return write_log(argv[2], strtoull(argv[3], NULL, 10), (uint32_t)atoi(argv[4]));
    if (argc == 2 && strcmp(argv[1], "read") == 0)
        return read_log();
    fprintf(stderr, "usage: hdr_log_tool write FILE START_MS DIGITS | read\n");
    return 2;
}
