/* data_path: could a broker use this directory?  For config check: looks, and changes nothing. */
#ifndef LEVEE_TOOLS_DATA_PATH_H
#define LEVEE_TOOLS_DATA_PATH_H

#include "tools/cli.h"

/* The value of log.dirs: one directory, or what may be created in one that is there.  Says what is
 * wrong, for the user that asks: CLI_USAGE. */
must_use enum cli_exit data_path_check(const char *path);

#endif
