#include "tools/load/load_csv.h"

#include "tools/load/load_text_file.h"

#include <inttypes.h>

static void print_latency(const struct load_latency *latency, FILE *file)
{
    if (latency->count == 0)
        fputs(",,,,", file);
    else
        fprintf(file, ",%.4f,%.4f,%.4f,%.4f", (double)latency->p50_ns / 1e6,
                (double)latency->p99_ns / 1e6, (double)latency->p999_ns / 1e6,
                (double)latency->max_ns / 1e6);
}

/* A processor's share, or nothing. */
static void print_cpu(double cpu_s, double seconds, FILE *file)
{
    fputc(',', file);
    if (cpu_s >= 0 && seconds > 0)
        fprintf(file, "%.4f", cpu_s / seconds);
}

static void print_sample(const struct load_sample *sample, FILE *file)
{
    double seconds = (double)sample->interval_ns / 1e9;
    double each = seconds > 0 ? 1 / seconds : 0;

    fprintf(file, "%.3f,%.3f,%.2f,%.2f,%.2f,%.2f,%.0f,%.0f,%.2f,%.2f,%" PRIu64 ",%" PRIu64,
            (double)sample->at_ns / 1e9, seconds, (double)sample->intended_count * each,
            (double)sample->sent_count * each, (double)sample->stored_count * each,
            (double)sample->read_count * each, (double)sample->stored_bytes * each,
            (double)sample->read_bytes * each, (double)sample->error_count * each,
            (double)sample->transactions_count * each, sample->lag_count, sample->late_count);
    print_latency(&sample->produce, file);
    print_latency(&sample->e2e, file);
    print_cpu(sample->broker_cpu_s, seconds, file);
    print_cpu(sample->client_cpu_s, seconds, file);
    fputc(',', file);
    if (sample->broker_rss_bytes > 0)
        fprintf(file, "%" PRIu64, sample->broker_rss_bytes);
    fputs("\r\n", file);
}

enum err load_csv_print(const struct load_result *result, FILE *file)
{
    fputs("seconds,interval_s,intended_per_s,sent_per_s,stored_per_s,read_per_s,"
          "stored_bytes_per_s,read_bytes_per_s,errors_per_s,transactions_per_s,lag,late,"
          "produce_p50_ms,produce_p99_ms,produce_p999_ms,produce_max_ms,"
          "e2e_p50_ms,e2e_p99_ms,e2e_p999_ms,e2e_max_ms,"
          "broker_cpus,client_cpus,broker_rss_bytes\r\n",
          file);
    for (uint32_t i = 0; i < result->samples_count; i++)
        print_sample(&result->samples[i], file);
    return ferror(file) ? ERR_IO : OK;
}

static enum err print_object(const void *result, FILE *file)
{
    return load_csv_print(result, file);
}

enum err load_csv_write(const struct load_result *result, const char *path)
{
    return load_text_file_write(path, print_object, result);
}
