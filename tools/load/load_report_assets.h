/* load_report_assets: the style sheet and the script of the report, as texts; made in the build
 * from tools/load/report/ by embed.py. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_REPORT_ASSETS_H
#define LEVEE_TOOLS_LOAD_LOAD_REPORT_ASSETS_H

extern const char load_report_assets_css[];
extern const char load_report_assets_js[];

#endif
