/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth completion: a script for the shell. */
#include <stdio.h>
#include <string.h>

#include "tools/berth.h"

static const char help[] = "Usage: berth completion bash\n\n"
			   "A script that completes verbs, options and devices. For this shell:\n\n"
			   "  source <(berth completion bash)\n\n"
			   "for every shell: berth completion bash > "
			   "/usr/share/bash-completion/completions/berth\n";

/*
 * Verbs and options come from berth's own help, so the script never falls behind. Bash splits words at ':', of which BDFs have
 * two: the word is taken from the line, and what bash believes to be done already is cut off again.
 */
static const char script[] =
	"# bash completion for berth\n"
	"_berth() {\n"
	"    local line=${COMP_LINE:0:COMP_POINT} cur verb words choice done_part\n"
	"    cur=${line##*[[:space:]]}\n"
	"    read -r -a words <<<\"$line\"\n"
	"    verb=${words[1]-}\n"
	"    if [ \"${#words[@]}\" -lt 2 ] || { [ \"${#words[@]}\" -eq 2 ] && [ -n \"$cur\" ]; }; then\n"
	"        choice=$(berth help 2>/dev/null | sed -n 's/^  \\([a-z][a-z-]*\\) .*/\\1/p')\n"
	"    elif [ \"$verb\" = help ]; then\n"
	"        choice=$(berth help 2>/dev/null | sed -n 's/^  \\([a-z][a-z-]*\\) .*/\\1/p')\n"
	"    elif [ \"$verb\" = audit ] && [ \"${cur:0:1}\" != - ]; then\n"
	"        choice=verify\n"
	"    elif [ \"$verb\" = completion ]; then\n"
	"        choice=bash\n"
	"    elif [ \"$verb\" = repin ] && [ \"${cur:0:1}\" != - ]; then\n"
	"        choice=$(berth policy show 2>/dev/null | sed -n 's/^device  *\\([^ ]*\\) .*/\\1/p')\n"
	"    elif [ \"${cur:0:1}\" = - ]; then\n"
	"        choice=$(berth help \"$verb\" 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u)\n"
	"    else\n"
	"        case $verb in\n"
	"        show|plan|assign|release|renew|taint|untaint|reserve|run|policy|sriov|bind|unbind)\n"
	"            choice=$(berth list -o bdf 2>/dev/null | tail -n +2) ;;\n"
	"        *)\n"
	"            choice= ;;\n"
	"        esac\n"
	"    fi\n"
	"    COMPREPLY=($(compgen -W \"$choice\" -- \"$cur\"))\n"
	"    [ \"${#COMPREPLY[@]}\" -gt 0 ] || COMPREPLY=($(compgen -f -- \"$cur\"))\n"
	"    if [[ $COMP_WORDBREAKS == *:* && $cur == *:* ]]; then\n"
	"        done_part=${cur%\"${cur##*:}\"}\n"
	"        COMPREPLY=(\"${COMPREPLY[@]#\"$done_part\"}\")\n"
	"    fi\n"
	"}\n"
	"complete -F _berth berth\n";

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	(void)host;
	if (argc < 2)
		return berth_usage(cmd, "for which shell? bash is the one there is");
	if (argc > 2)
		return berth_usage(cmd, "'%s' is one argument too many", argv[2]);
	if (strcmp(argv[1], "bash") != 0)
		return berth_usage(cmd, "there is no completion for '%s', only for bash", argv[1]);
	fputs(script, stdout);
	return BERTH_EXIT_OK;
}

const struct berth_cmd berth_cmd_completion = {
	.name = "completion",
	.summary = "a script that completes berth's words in the shell",
	.help = help,
	.run = run,
};
