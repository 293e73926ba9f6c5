#include "tools/load/load_view.h"

#include "tools/load/load_perf_line.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TIME_MAX = 24 };

void load_view_init(struct load_view *view, FILE *file)
{
    *view = (struct load_view){.file = file};
    view->is_terminal = file != NULL && isatty(fileno(file)) == 1;
}

void load_view_time(uint64_t ns, char *out, size_t out_max)
{
    double value = (double)ns;

    if (ns < 1000)
        snprintf(out, out_max, "%" PRIu64 " ns", ns);
    else if (ns < 1000000)
        snprintf(out, out_max, "%.0f us", value / 1e3);
    else if (ns < 10000000)
        snprintf(out, out_max, "%.2f ms", value / 1e6);
    else if (ns < UINT64_C(1000000000))
        snprintf(out, out_max, "%.1f ms", value / 1e6);
    else
        snprintf(out, out_max, "%.2f s", value / 1e9);
}

/* Finish a line that is drawn anew. */
static void end_line(struct load_view *view)
{
    if (view->has_line)
        fputc('\n', view->file);
    view->has_line = false;
}

void load_view_note(struct load_view *view, const char *text)
{
    if (view->file == NULL)
        return;
    end_line(view);
    fprintf(view->file, "%s\n", text);
    fflush(view->file);
}

void load_view_begin(struct load_view *view, const struct load_workload *workload)
{
    char text[LOAD_WORD_MAX * 4];

    snprintf(text, sizeof(text),
             "%s: %u topics of %u partitions, records of %s, %u producers (%s%s), "
             "%u consumers",
             workload->name, (unsigned)workload->topics_count, (unsigned)workload->partitions_count,
             workload->size_text, (unsigned)(workload->topics_count * workload->producers_count),
             workload->is_open_loop ? "open loop, records a second: " : "closed loop: ",
             workload->rate_text,
             (unsigned)(workload->topics_count * workload->subscriptions_count *
                        workload->consumers_count));
    load_view_note(view, text);
}

/* Eighths of a block, by the logarithm between the least and the largest. */
static void sparkline(const struct load_view *view, char *out, size_t out_max)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    size_t told = 0;

    for (uint32_t i = 0; i < view->history_count; i++) {
        least = view->history_ns[i] < least ? view->history_ns[i] : least;
        most = view->history_ns[i] > most ? view->history_ns[i] : most;
    }
    out[0] = '\0';
    for (uint32_t i = 0; i < view->history_count && told < out_max; i++) {
        uint64_t span = most - least;
        size_t at = span == 0 ? 0 : (size_t)((view->history_ns[i] - least) * 7 / span);
        told += (size_t)snprintf(out + told, out_max - told, "%s", blocks[at]);
    }
}

static void remember(struct load_view *view, uint64_t ns)
{
    if (view->history_count == LOAD_VIEW_HISTORY)
        memmove(view->history_ns, view->history_ns + 1,
                (LOAD_VIEW_HISTORY - 1) * sizeof(view->history_ns[0]));
    else
        view->history_count++;
    view->history_ns[view->history_count - 1] = ns;
}

/* Columns of the terminal; 0: not known. */
static size_t columns_of(const struct load_view *view)
{
    struct winsize size = {0};

    return ioctl(fileno(view->file), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* Drawn over the last one, so it must not be longer than a line of the terminal. */
static void draw(struct load_view *view, const char *line)
{
    size_t columns = columns_of(view);
    size_t size = strlen(line);
    char spark[LOAD_VIEW_HISTORY * 4];

    if (columns > 1 && size >= columns)
        size = columns - 1;
    sparkline(view, spark, sizeof(spark));
    fprintf(view->file, "\r\033[K%.*s", (int)size, line);
    if (columns == 0 || size + 2 + view->history_count < columns)
        fprintf(view->file, "  %s", spark);
    view->has_line = true;
}

void load_view_sample(struct load_view *view, const struct load_sample *sample, bool is_warmup)
{
    const struct load_latency *latency = sample->e2e.count > 0 ? &sample->e2e : &sample->produce;
    double seconds = (double)sample->interval_ns / 1e9;
    char p50[TIME_MAX];
    char p99[TIME_MAX];
    char most[TIME_MAX];
    char errors[48] = "";
    char line[512];

    if (view->file == NULL || seconds < 0.1) /* the end of a run: nothing to see */
        return;
    load_view_time(latency->p50_ns, p50, sizeof(p50));
    load_view_time(latency->p99_ns, p99, sizeof(p99));
    load_view_time(latency->max_ns, most, sizeof(most));
    if (sample->error_count > 0)
        snprintf(errors, sizeof(errors), "  %" PRIu64 " errors", sample->error_count);
    snprintf(line, sizeof(line),
             "%4.0f s%s %8.0f rec/s %6.1f MB/s  p50 %s  p99 %s  max %s  read %.0f/s  lag %" PRIu64
             "  late %" PRIu64 "%s",
             (double)sample->at_ns / 1e9, is_warmup ? " warm-up" : "",
             (double)sample->stored_count / seconds, (double)sample->stored_bytes / 1e6 / seconds,
             p50, p99, most, (double)sample->read_count / seconds, sample->lag_count,
             sample->late_count, errors);
    remember(view, latency->p99_ns);
    if (view->is_terminal)
        draw(view, line);
    else
        fprintf(view->file, "%s\n", line);
    fflush(view->file);
}

/* ---- the end */

static void print_histogram(FILE *file, const struct load_result *result,
                            enum load_histogram_kind kind, const char *what)
{
    static const double percents[] = {50, 90, 99, 99.9, 99.99, 99.999};
    const struct histogram *histogram = &result->histograms[kind];

    if (histogram_count(histogram) == 0)
        return;
    fprintf(file, "  %-34s", what);
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        char text[TIME_MAX];
        load_view_time(histogram_percentile(histogram, percents[i]), text, sizeof(text));
        fprintf(file, " %10s", text);
    }
    {
        char text[TIME_MAX];
        load_view_time(histogram_max(histogram), text, sizeof(text));
        fprintf(file, " %10s %12" PRIu64 "\n", text, histogram_count(histogram));
    }
}

static void print_latencies(FILE *file, const struct load_result *result)
{
    fprintf(file, "  %-34s %10s %10s %10s %10s %10s %10s %10s %12s\n", "latency", "p50", "p90",
            "p99", "p99.9", "p99.99", "p99.999", "max", "count");
    print_histogram(file, result, LOAD_HISTOGRAM_PRODUCE, "intended -> stored");
    print_histogram(file, result, LOAD_HISTOGRAM_SERVICE, "sent -> stored");
    print_histogram(file, result, LOAD_HISTOGRAM_DELAY, "intended -> given to the client");
    print_histogram(file, result, LOAD_HISTOGRAM_E2E, "intended -> read");
    print_histogram(file, result, LOAD_HISTOGRAM_COMMIT, "commit asked -> answered");
    print_histogram(file, result, LOAD_HISTOGRAM_BEGIN, "transaction intended -> ended");
    print_histogram(file, result, LOAD_HISTOGRAM_REJOIN, "partitions lost -> assigned");
}

static void print_verdict(FILE *file, const struct load_result *result)
{
    const struct load_verdict *verdict = &result->verdict;

    fprintf(file, "  %s: %" PRIu64 " sent, %" PRIu64 " stored, %" PRIu64 " read",
            verdict->is_exactly_once             ? "exactly once"
            : load_verdict_has_findings(verdict) ? "NOT exactly once"
                                                 : "not known whether exactly once",
            verdict->sent_count, verdict->stored_count, verdict->read_count);
    if (verdict->unread_count > 0)
        fprintf(file, ", %" PRIu64 " could not be read", verdict->unread_count);
    if (verdict->aborted_count > 0)
        fprintf(file, ", %" PRIu64 " aborted", verdict->aborted_count);
    if (verdict->unknown_count > 0)
        fprintf(file, ", %" PRIu64 " with an unknown end", verdict->unknown_count);
    if (verdict->failed_count > 0)
        fprintf(file, ", %" PRIu64 " failed", verdict->failed_count);
    fputs(";", file);
    for (int i = 0; i < LOAD_FINDING_COUNT; i++)
        fprintf(file, "%s %" PRIu64 " %s", i == 0 ? "" : ",", verdict->counts[i],
                load_finding_text((enum load_finding_kind)i));
    fputc('\n', file);
    for (uint32_t i = 0; i < verdict->findings_count; i++) {
        const struct load_finding *finding = &verdict->findings[i];
        fprintf(file, "    %s: topic %u partition %d", load_finding_text(finding->kind),
                (unsigned)finding->topic, (int)finding->partition);
        if (finding->offset >= 0)
            fprintf(file, " offset %lld", (long long)finding->offset);
        if (finding->other_offset >= 0)
            fprintf(file, ", other offset %lld", (long long)finding->other_offset);
        fprintf(file, ", producer %u sequence %" PRIu64, (unsigned)finding->producer,
                finding->sequence);
        if (finding->transaction != 0)
            fprintf(file, ", transaction %" PRIu64, finding->transaction);
        fputc('\n', file);
    }
}

static void print_surroundings(FILE *file, const struct load_result *result)
{
    const struct load_limits *limits = &result->limits;

    if (result->durability[0] != '\0')
        fprintf(file, "  %s: %s\n", result->driver, result->durability);
    if (result->broker.is_known)
        fprintf(file,
                "  broker %d: %.2f CPU seconds, kernel threads %.2f, %.1f MiB, device written "
                "%.1f MB, %" PRIu64 " flushes\n",
                (int)result->broker.pid, result->broker.cpu_s, result->broker.kernel_cpu_s,
                (double)result->broker.rss_max_bytes / 1048576,
                (double)result->broker.written_bytes / 1e6, result->broker.flushes_count);
    if (limits->is_known) {
        char sync[TIME_MAX];
        char sync99[TIME_MAX];
        char loop[TIME_MAX];
        load_view_time(limits->sync_p50_ns, sync, sizeof(sync));
        load_view_time(limits->sync_p99_ns, sync99, sizeof(sync99));
        load_view_time(limits->loopback_p50_ns, loop, sizeof(loop));
        fprintf(file,
                "  limits here: a durable write of 4 KiB %s (p99 %s), loopback %s, disk %.0f MB/s, "
                "loopback %.0f MB/s\n",
                sync, sync99, loop, limits->disk_bytes_per_s / 1e6,
                limits->loopback_bytes_per_s / 1e6);
    }
}

void load_view_end(struct load_view *view, const struct load_result *result)
{
    char line[LOAD_PERF_LINE_BYTES];
    FILE *file = view->file;
    double seconds = (double)result->duration_ns / 1e9;

    if (file == NULL)
        return;
    end_line(view);
    fprintf(file, "%s%s, %.1f s: %.0f rec/s stored, %.1f MB/s", result->workload,
            result->is_partial ? " (partial)" : "", seconds, load_result_stored_rate(result),
            load_result_stored_bytes_rate(result) / 1e6);
    if (result->read_count > 0)
        fprintf(file, "; %.0f rec/s read", load_result_read_rate(result));
    if (result->transactions_count > 0)
        fprintf(file, "; %.1f transactions/s", load_result_transactions_rate(result));
    fputc('\n', file);
    print_latencies(file, result);
    if (result->is_open_loop)
        fprintf(file, "  schedule: %.6g/s intended, rate error %.4f %%, %" PRIu64 " late\n",
                result->intended_rate, result->rate_error * 100, result->late_count);
    print_surroundings(file, result);
    if (result->is_verified)
        print_verdict(file, result);
    for (uint32_t i = 0; i < result->errors_count; i++)
        fprintf(file, "  error: %s\n", result->errors[i]);
    load_perf_line(result, line);
    fprintf(file, "%s\n", line);
    fflush(file);
}
