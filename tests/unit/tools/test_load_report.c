#include "base/mem.h"
#include "tests/support/load_sample_run.h"
#include "tools/load/load_axis.h"
#include "tools/load/load_format.h"
#include "tools/load/load_html.h"
#include "tools/load/load_report.h"
#include "tools/load/load_text_file.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

static const struct load_sample_run a_run = {
    .seed = 3, .seconds = 30, .rate = 50000, .median_ms = 2, .cpus = 0.4, .has_findings = true};

/* The page of one result, for mem_free. */
static char *page_of(const struct load_result *const *results, uint32_t count)
{
    struct load_report report = {.results = results, .results_count = count};
    char path[] = "/tmp/levee-load-report-XXXXXX";
    int fd = mkstemp(path);
    char *text;
    size_t size_bytes;

    cr_assert(ge(int, fd, 0));
    cr_assert(eq(int, load_report_write(&report, path), OK));
    cr_assert(eq(int, load_text_file_read(path, 64 << 20, &text, &size_bytes), OK));
    remove(path);
    return text;
}

Test(load_report, texts_of_anybody_are_escaped)
{
    static const char evil[] = "<script>alert(1)</script>\"'><img src=x onerror=y>\xff\x01";
    struct load_result *result = load_sample_result(&a_run, evil, evil);
    const struct load_result *results[] = {result, result};
    char *text;

    snprintf(result->workload, sizeof(result->workload), "%s", evil);
    snprintf(result->brokers, sizeof(result->brokers), "%s", evil);
    load_result_setting(result, evil, "%s", evil);
    load_result_environment(result, evil, "%s", evil);
    load_result_error(result, "%s", evil);
    for (uint32_t count = 1; count <= 2; count++) {
        text = page_of(results, count);
        cr_assert(strstr(text, "<script>alert") == NULL);
        cr_assert(strstr(text, "<img") == NULL);
        cr_assert(strstr(text, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;") != NULL);
        cr_assert(strchr(text, '\x01') == NULL);
        cr_assert(strchr(text, '\xff') == NULL);
        mem_free(text);
    }
    load_result_destroy(result);
    cr_assert(eq(u64, mem_used_count(), 0));
}

/* LRP-1: the only address in the page is the name space of SVG, which nobody loads. */
Test(load_report, the_page_names_nothing_to_load)
{
    struct load_result *result = load_sample_result(&a_run, "levee 0.1.0", "fsync before ack");
    char *text = page_of((const struct load_result *const[]){result}, 1);

    for (const char *at = text; (at = strstr(at, "//")) != NULL; at += 2)
        cr_assert(strncmp(at, "//www.w3.org/2000/svg", 21) == 0 || strncmp(at - 1, "\n", 1) == 0 ||
                      strncmp(at, "// ", 3) == 0,
                  "%.60s", at - 8);
    cr_assert(strstr(text, "src=") == NULL);
    cr_assert(strstr(text, "url(") == NULL);
    cr_assert(strstr(text, "@import") == NULL);
    mem_free(text);
    load_result_destroy(result);
}

Test(load_report, an_empty_result_makes_a_page)
{
    struct load_result *result;
    char *text;

    cr_assert(eq(int, load_result_create(&result), OK));
    text = page_of((const struct load_result *const[]){result}, 1);
    cr_assert(strstr(text, "nan") == NULL);
    cr_assert(strstr(text, "inf") == NULL || strstr(text, "-inf") == NULL);
    cr_assert(strstr(text, "Not verified") != NULL);
    mem_free(text);
    load_result_destroy(result);
}

Test(load_report, more_runs_than_fit_are_refused)
{
    const struct load_result *results[LOAD_REPORT_RUNS_MAX + 1] = {NULL};
    struct load_report report = {.results = results, .results_count = LOAD_REPORT_RUNS_MAX + 1};

    cr_assert(eq(int, load_report_write(&report, "/tmp/levee-no-report"), ERR_INVALID));
}

Test(load_report, axes_end_at_good_values)
{
    struct load_axis axis;

    load_axis_init(&axis, LOAD_UNIT_COUNT, false, 0, 50000);
    cr_assert(eq(dbl, axis.from, 0.0));
    cr_assert(eq(dbl, axis.to, 60000.0));
    cr_assert(eq(str, axis.ticks[1].text, "20k"));
    cr_assert(eq(dbl, load_axis_place(&axis, 30000), 0.5));
    load_axis_init(&axis, LOAD_UNIT_NS, true, 1.3e6, 45e6);
    cr_assert(eq(dbl, axis.from, 1e6));
    cr_assert(eq(dbl, axis.to, 5e7));
    cr_assert(eq(str, axis.ticks[0].text, "1 ms"));
    cr_assert(eq(str, axis.ticks[3].text, "10 ms"));
    cr_assert(lt(dbl, fabs(load_axis_place(&axis, 5e7) - 1), 1e-9));
    load_axis_init(&axis, LOAD_UNIT_SECONDS, false, 0, 300);
    cr_assert(eq(str, axis.ticks[axis.ticks_count - 1].text, "5 min"));
    load_axis_init(&axis, LOAD_UNIT_NS, true, 0, 0); /* nothing was seen */
    cr_assert(isfinite(load_axis_place(&axis, 1)));
    load_axis_init(&axis, LOAD_UNIT_COUNT, false, 0, 0);
    cr_assert(eq(dbl, axis.to, 1.0));
}

Test(load_report, numbers_are_said_in_the_unit_that_fits)
{
    char text[LOAD_FORMAT_BYTES];

    cr_assert(eq(str, load_format_count(0, text), "0"));
    cr_assert(eq(str, load_format_count(1234567, text), "1,234,567"));
    cr_assert(eq(str, load_format_count(123, text), "123"));
    cr_assert(eq(str, load_format_ns(850, text), "850 ns"));
    cr_assert(eq(str, load_format_ns(12340, text), "12.3 \xc2\xb5s"));
    cr_assert(eq(str, load_format_ns(999999, text), "1.00 ms"));
    cr_assert(eq(str, load_format_ns(2e9, text), "2.00 s"));
    cr_assert(eq(str, load_format_bytes(51.2e6, text), "51.2 MB"));
    cr_assert(eq(str, load_format_number(0.123456, text), "0.123"));
    cr_assert(eq(str, load_format_number(123456.7, text), "123,457"));
    cr_assert(eq(str, load_format_number(NAN, text), "-"));
}
