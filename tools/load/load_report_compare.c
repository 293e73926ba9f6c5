#include "tools/load/load_report_compare.h"

#include "tools/load/load_format.h"
#include "tools/load/load_html.h"

#include <math.h>

enum { WIDTH = 200, HEIGHT = 26, EDGE = 8 };

/* How far the drawings reach, as a logarithm: the same for all rows, 1 in the middle. */
static double reach_of(const struct load_comparison *comparison)
{
    double reach = log(1.25);

    for (int m = 0; m < LOAD_METRIC_COUNT; m++) {
        const struct load_pair *pair = &comparison->pairs[m];
        if (pair->finding == LOAD_PAIR_NOT_MEASURED)
            continue;
        reach = fmax(reach, fabs(log(pair->ratio_min)));
        reach = fmax(reach, fabs(log(pair->ratio_max)));
    }
    return fmin(reach * 1.05, log(100));
}

static double place(double ratio, double reach)
{
    double part = log(ratio) / reach;

    part = part < -1 ? -1 : part > 1 ? 1 : part;
    return WIDTH / 2.0 + part * (WIDTH / 2.0 - EDGE);
}

static const char *colour_of(const struct load_pair *pair)
{
    return pair->finding == LOAD_PAIR_B_BETTER  ? "good"
           : pair->finding == LOAD_PAIR_B_WORSE ? "bad"
                                                : "none";
}

/* The spread of one side as a band around 1, each block a dot, the median a stroke. */
static void print_forest(const struct load_comparison *comparison, enum load_metric metric,
                         double reach, FILE *file)
{
    const struct load_pair *pair = &comparison->pairs[metric];
    double spread = isfinite(pair->spread) ? pair->spread : 1;
    double left = place(1 / spread, reach);

    fprintf(file,
            "<svg class=\"forest %s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"ratio\">"
            "<rect class=\"band\" x=\"%.1f\" y=\"3\" width=\"%.1f\" height=\"%d\"/>"
            "<line class=\"one\" x1=\"%d\" x2=\"%d\" y1=\"0\" y2=\"%d\"/>",
            colour_of(pair), WIDTH, HEIGHT, left, place(spread, reach) - left, HEIGHT - 6,
            WIDTH / 2, WIDTH / 2, HEIGHT);
    for (uint32_t block = 0; block < comparison->blocks_count; block++) {
        double ratio = load_compare_ratio(comparison, metric, block);
        if (isfinite(ratio))
            fprintf(file, "<circle cx=\"%.1f\" cy=\"%d\" r=\"3.2\"/>", place(ratio, reach),
                    HEIGHT / 2);
    }
    fprintf(file, "<line class=\"median\" x1=\"%.1f\" x2=\"%.1f\" y1=\"4\" y2=\"%d\"/></svg>",
            place(pair->ratio, reach), place(pair->ratio, reach), HEIGHT - 4);
}

static void print_row(const struct load_comparison *comparison, enum load_metric metric,
                      double reach, FILE *file)
{
    const struct load_pair *pair = &comparison->pairs[metric];
    double percent = (pair->spread - 1) * 100;
    char ratios[3][LOAD_FORMAT_BYTES];
    char text[LOAD_COMPARE_LINE_BYTES];

    fputs("<tr><th scope=\"row\">", file);
    load_html_text(file, load_metric_text(metric));
    if (!comparison->is_same_durability) {
        fputs("<small class=\"under\">A ", file);
        load_html_text(file, comparison->sides[0].durability);
        fputs("<br>B ", file);
        load_html_text(file, comparison->sides[1].durability);
        fputs("</small>", file);
    }
    fprintf(file, "</th><td class=\"word %s-text\">", colour_of(pair));
    load_compare_words(comparison, metric, text);
    load_html_text(file, text);
    fprintf(file,
            "<small class=\"under\">sign test p %.2g; A against A %.*f&nbsp;%%</small></td><td>",
            pair->p, percent < 9.95, percent);
    print_forest(comparison, metric, reach, file);
    fputs("</td><td>", file);
    load_metric_format(metric, pair->a, text, sizeof(text));
    load_html_text(file, text);
    fputs("</td><td>", file);
    load_metric_format(metric, pair->b, text, sizeof(text));
    load_html_text(file, text);
    fprintf(file, "</td><td>%s<small class=\"under\">%s to %s</small></td></tr>\n",
            load_format_number(pair->ratio, ratios[0]),
            load_format_number(pair->ratio_min, ratios[1]),
            load_format_number(pair->ratio_max, ratios[2]));
}

void load_report_compare_print(const struct load_comparison *comparison, FILE *file)
{
    double reach = reach_of(comparison);

    fputs("<h2>B beside A</h2>\n", file);
    if (!comparison->is_same_durability) {
        fputs("<div class=\"banner warn\"><b>Different durability.</b> <span>A: ", file);
        load_html_text(file, comparison->sides[0].durability);
        fputs(". B: ", file);
        load_html_text(file, comparison->sides[1].durability);
        fputs(". What one acknowledges after a flush of the device, the other may acknowledge "
              "before it.</span></div>\n<p></p>",
              file);
    }
    fputs("<div class=\"scroll\"><table><thead><tr><th>metric</th><th class=\"word\">finding</th>"
          "<th class=\"middle\">B / A of each block; 1 in the middle</th><th>A</th><th>B</th>"
          "<th>B / A, median<small class=\"under\">range</small></th></tr></thead><tbody>\n",
          file);
    for (int m = 0; m < LOAD_METRIC_COUNT; m++)
        if (comparison->pairs[m].finding != LOAD_PAIR_NOT_MEASURED)
            print_row(comparison, (enum load_metric)m, reach, file);
    fputs("</tbody></table></div>\n<p><small>", file);
    load_html_print(
        file,
        "%u paired blocks A B B A. A ratio is the mean of a block's two B over the mean "
        "of its two A. A difference is told when the two-sided sign test over the "
        "blocks says p of at most 0.05 and the median lies outside the grey band: what "
        "two runs of one side differ by.",
        comparison->blocks_count);
    fputs("</small></p>\n", file);
}
