#include "tools/load/load_svg.h"

#include "tools/load/load_html.h"

#include <math.h>

/* The drawing's own units; the page scales it. */
enum { WIDTH = 520, HEIGHT = 274, LEFT = 58, RIGHT = 14, TOP = 12, BOTTOM = 34 };

struct frame {
    const struct load_plot *plot;
    struct load_axis x, y;
    FILE *file;
};

struct load_series *load_svg_add(struct load_plot *plot, const char *name, const double *x,
                                 const double *y, uint32_t count)
{
    static struct load_series left_out;
    struct load_series *series =
        plot->series_count < LOAD_SERIES_MAX ? &plot->series[plot->series_count++] : &left_out;

    *series = (struct load_series){
        .name = name, .x = x, .y = y, .count = count, .colour = (plot->series_count - 1) % 8};
    return series;
}

void load_svg_mark(struct load_plot *plot, const char *name, double y)
{
    if (y > 0 && plot->marks_count < LOAD_PLOT_MARKS_MAX)
        plot->marks[plot->marks_count++] = (struct load_plot_mark){name, y};
}

static double px(const struct frame *frame, double x)
{
    return LEFT + load_axis_place(&frame->x, x) * (WIDTH - LEFT - RIGHT);
}

static double py(const struct frame *frame, double y)
{
    return HEIGHT - BOTTOM - load_axis_place(&frame->y, y) * (HEIGHT - TOP - BOTTOM);
}

static bool is_shown(const struct load_plot *plot, double y)
{
    return isfinite(y) && (!plot->is_log || y > 0);
}

/* What the axes must span; false: there is no point at all. */
static bool span(const struct load_plot *plot, double *x_to, double *y_low, double *y_high)
{
    bool is_any = false;

    *x_to = 0;
    for (uint32_t s = 0; s < plot->series_count; s++)
        for (uint32_t i = 0; i < plot->series[s].count; i++) {
            double y = plot->series[s].y[i];
            if (!is_shown(plot, y))
                continue;
            *y_low = is_any ? fmin(*y_low, y) : y;
            *y_high = is_any ? fmax(*y_high, y) : y;
            *x_to = fmax(*x_to, plot->series[s].x[i]);
            is_any = true;
        }
    for (uint32_t i = 0; i < plot->marks_count && is_any; i++) {
        *y_low = fmin(*y_low, plot->marks[i].y);
        *y_high = fmax(*y_high, plot->marks[i].y);
    }
    return is_any;
}

static void print_grid(const struct frame *frame)
{
    FILE *file = frame->file;

    fputs("<g class=\"grid\">", file);
    for (uint32_t i = 0; i < frame->y.ticks_count; i++) {
        double y = py(frame, frame->y.ticks[i].value);
        fprintf(file, "<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>",
                frame->y.ticks[i].text[0] == '\0' ? "minor" : "major", LEFT, WIDTH - RIGHT, y, y);
    }
    for (uint32_t i = 0; i < frame->x.ticks_count; i++) {
        double x = px(frame, frame->x.ticks[i].value);
        fprintf(file, "<line class=\"minor\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", x, x,
                TOP, HEIGHT - BOTTOM);
    }
    fputs("</g><g class=\"ticks\">", file);
    for (uint32_t i = 0; i < frame->y.ticks_count; i++) {
        if (frame->y.ticks[i].text[0] == '\0')
            continue;
        fprintf(file, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 7,
                py(frame, frame->y.ticks[i].value) + 4);
        load_html_text(file, frame->y.ticks[i].text);
        fputs("</text>", file);
    }
    for (uint32_t i = 0; i < frame->x.ticks_count; i++) {
        double x = px(frame, frame->x.ticks[i].value);
        fprintf(file, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">", x, HEIGHT - BOTTOM + 23,
                x > WIDTH - RIGHT - 12 ? "end" : "middle");
        load_html_text(file, frame->x.ticks[i].text);
        fputs("</text>", file);
    }
    fputs("</g>", file);
}

struct point {
    double x, y;
    bool is_there;
};

/* Of the points [from, from + count): their last place, and the mean or the largest of their
 * values. */
static struct point thin(const struct load_plot *plot, const struct load_series *series,
                         uint32_t from, uint32_t count)
{
    struct point point = {0};
    uint32_t shown = 0;

    for (uint32_t i = from; i < from + count && i < series->count; i++) {
        if (!is_shown(plot, series->y[i]))
            continue;
        point.x = series->x[i];
        point.y = series->thinning == LOAD_THIN_MAX && shown > 0 ? fmax(point.y, series->y[i])
                  : series->thinning == LOAD_THIN_MAX            ? series->y[i]
                                                                 : point.y + series->y[i];
        shown++;
    }
    if (series->thinning == LOAD_THIN_MEAN && shown > 0)
        point.y /= shown;
    point.is_there = shown > 0;
    return point;
}

static void print_series(const struct frame *frame, const struct load_series *series)
{
    uint32_t step = (series->count + LOAD_SVG_POINTS_MAX - 1) / LOAD_SVG_POINTS_MAX;
    bool was_there = false;

    fprintf(frame->file, "<path class=\"line %s%s\" data-name=\"",
            series->is_faint ? "faint"
                             : (const char *[]){"c0", "c1", "c2", "c3", "c4", "c5", "c6",
                                                "c7"}[series->colour % 8],
            series->is_dashed ? " dashed" : "");
    load_html_text(frame->file, series->name);
    fputs("\" d=\"", frame->file);
    for (uint32_t i = 0; step > 0 && i < series->count; i += step) {
        struct point point = thin(frame->plot, series, i, step);
        if (point.is_there) {
            fprintf(frame->file, "%c%.2f %.2f", was_there ? 'L' : 'M', px(frame, point.x),
                    py(frame, point.y));
            /* a point with gaps on both sides is still seen */
            if (!was_there && !thin(frame->plot, series, i + step, step).is_there)
                fputs("h0.01", frame->file);
        }
        was_there = point.is_there;
    }
    fputs("\"/>", frame->file);
}

static void print_marks(const struct frame *frame)
{
    for (uint32_t i = 0; i < frame->plot->marks_count; i++) {
        const struct load_plot_mark *mark = &frame->plot->marks[i];
        double y = py(frame, mark->y);
        fprintf(frame->file,
                "<line class=\"mark\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text class=\"mark\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
                LEFT, WIDTH - RIGHT, y, y, WIDTH - RIGHT - 4, y - 4);
        load_html_text(frame->file, mark->name);
        fputs("</text>", frame->file);
    }
}

static void print_legend(const struct load_plot *plot, FILE *file)
{
    fputs("<ul class=\"legend\">", file);
    for (uint32_t i = 0; i < plot->series_count; i++) {
        const struct load_series *series = &plot->series[i];
        if (series->is_faint)
            fputs("<li><i class=\"faint\"></i>", file);
        else
            fprintf(file, "<li><i class=\"b%u%s\"></i>", series->colour % 8,
                    series->is_dashed ? " dashed" : "");
        load_html_text(file, series->name);
        fputs("</li>", file);
    }
    fputs("</ul>", file);
}

/* What the script needs to turn a place into a value again. */
static void print_axis(FILE *file, const char *name, const struct load_axis *axis, int begin,
                       int end)
{
    static const char *const units[] = {
        [LOAD_UNIT_COUNT] = "count", [LOAD_UNIT_NS] = "ns",       [LOAD_UNIT_SECONDS] = "seconds",
        [LOAD_UNIT_NINES] = "nines", [LOAD_UNIT_BYTES] = "bytes", [LOAD_UNIT_RATIO] = "ratio",
    };

    fprintf(file, " data-%s=\"%s %s %.9g %.9g %d %d\"", name, units[axis->unit],
            axis->is_log ? "log" : "linear", axis->from, axis->to, begin, end);
}

bool load_svg_print(const struct load_plot *plot, FILE *file)
{
    struct frame frame = {.plot = plot, .file = file};
    double x_to = 0, y_low = 0, y_high = 0;

    if (!span(plot, &x_to, &y_low, &y_high))
        return false;
    load_axis_init(&frame.x, plot->x_unit, false, 0, x_to);
    load_axis_init(&frame.y, plot->y_unit, plot->is_log, y_low, y_high);
    fputs("<figure class=\"plot\"><figcaption><h3>", file);
    load_html_text(file, plot->title);
    fputs("</h3>", file);
    if (plot->note != NULL) {
        fputs("<small>", file);
        load_html_text(file, plot->note);
        fputs("</small>", file);
    }
    print_legend(plot, file);
    fprintf(file, "</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
            HEIGHT);
    load_html_text(file, plot->title);
    fputc('"', file);
    print_axis(file, "x", &frame.x, LEFT, WIDTH - RIGHT);
    print_axis(file, "y", &frame.y, HEIGHT - BOTTOM, TOP);
    fputc('>', file);
    print_grid(&frame);
    print_marks(&frame);
    for (uint32_t i = 0; i < plot->series_count; i++)
        print_series(&frame, &plot->series[i]);
    fputs("</svg></figure>\n", file);
    return true;
}
