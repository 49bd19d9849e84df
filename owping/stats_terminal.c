#include <langinfo.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "owping/stats_terminal.h"

void stats_terminal_get(struct stats_terminal *terminal)
{
	struct winsize size = {0};

	*terminal = (struct stats_terminal){.columns = 80, .rows = 24};
	terminal->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return;
	if (size.ws_col >= 40)
		terminal->columns = size.ws_col;
	if (size.ws_row >= 10)
		terminal->rows = size.ws_row;
}
