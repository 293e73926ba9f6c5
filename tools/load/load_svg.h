/* load_svg: a plot of lines as a figure of HTML with an SVG in it.
 *
 * The figure has a heading, a legend, and the plot; colours are classes (c0, c1, ...) that the
 * page's style sheet gives light and dark values, and attributes of the SVG tell the page's script
 * what the pixels mean.  Stateless. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_SVG_H
#define LEVEE_TOOLS_LOAD_LOAD_SVG_H

#include "tools/load/load_axis.h"

#include <stdio.h>

enum { LOAD_SERIES_MAX = 24, LOAD_PLOT_MARKS_MAX = 4, LOAD_SVG_POINTS_MAX = 480 };

/* How points that share a pixel become one. */
enum load_thinning { LOAD_THIN_MEAN, LOAD_THIN_MAX };

struct load_series {
    const char *name;
    const double *x;
    const double *y; /* not finite, or not above 0 on a logarithmic axis: a gap */
    uint32_t count;
    uint32_t colour; /* 0..7 */
    bool is_faint;   /* a thin line in a neutral colour */
    bool is_dashed;  /* a second line of the same colour */
    enum load_thinning thinning;
};

/* A level to compare with, right across the plot. */
struct load_plot_mark {
    const char *name;
    double y;
};

struct load_plot {
    const char *title;
    const char *note; /* behind the title, small; NULL: none */
    enum load_unit x_unit, y_unit;
    bool is_log; /* y */
    struct load_series series[LOAD_SERIES_MAX];
    uint32_t series_count;
    struct load_plot_mark marks[LOAD_PLOT_MARKS_MAX];
    uint32_t marks_count;
};

/* Nothing is printed where no series has a point; says whether something was. */
bool load_svg_print(const struct load_plot *plot, FILE *file);

/* A series at the end; beyond LOAD_SERIES_MAX none is added. */
struct load_series *load_svg_add(struct load_plot *plot, const char *name, const double *x,
                                 const double *y, uint32_t count);

/* A mark at y, if it is above 0. */
void load_svg_mark(struct load_plot *plot, const char *name, double y);

#endif
