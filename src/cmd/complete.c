/* weir completion SHELL: a script for each shell, from the tables of commands and options. */
#include <stdio.h>
#include <string.h>

#include "cmd/describe.h"

const char completion_help[] =
    "Packages install these scripts. By hand:\n\n"
    "  weir completion bash > /usr/share/bash-completion/completions/weir\n"
    "  weir completion zsh > /usr/share/zsh/vendor-completions/_weir\n"
    "  weir completion fish > /usr/share/fish/vendor_completions.d/weir.fish\n";

/* What completes a value. */
enum kind { KIND_NOTHING, KIND_WORDS, KIND_FILE, KIND_DIR };

static enum kind kind_of(const char *arg)
{
    if (strchr(arg, '|') != NULL)
        return KIND_WORDS;
    if (strstr(arg, "FILE") != NULL)
        return KIND_FILE;
    return strstr(arg, "DIR") != NULL || strcmp(arg, "SNAPSHOT") == 0 ? KIND_DIR : KIND_NOTHING;
}

/* "a|b" as "a b"; of operands those of the first. */
static void words(const char *arg)
{
    for (; *arg != '\0' && *arg != ' '; arg++)
        (void)putchar(*arg == '|' ? ' ' : *arg);
}

/* Text within single quotes of every shell; `extra` are octets that get a backslash. */
static void quoted(const char *s, const char *extra)
{
    for (; *s != '\0'; s++) {
        if (*s == '\'')
            (void)fputs("'\\''", stdout);
        else {
            if (strchr(extra, *s) != NULL)
                (void)putchar('\\');
            (void)putchar(*s);
        }
    }
}

/* Words first, then a file. */
static bool files_behind(const char *operands)
{
    const char *space = strchr(operands, ' ');

    return space != NULL && kind_of(operands) == KIND_WORDS && strstr(space, "FILE") != NULL;
}

/* ------------------------------------------------------------------ bash */

static void bash_value(const char *arg)
{
    switch (kind_of(arg)) {
    case KIND_WORDS:
        (void)printf("mapfile -t COMPREPLY < <(compgen -W '");
        words(arg);
        (void)printf("' -- \"$cur\")");
        break;
    case KIND_FILE:
        (void)printf("mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")");
        break;
    case KIND_DIR:
        (void)printf("mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")");
        break;
    case KIND_NOTHING:
        (void)printf(":");
        break;
    }
}

static void bash_command(const struct command *c)
{
    struct shown_option o;

    (void)printf("    %s)\n        case \"$prev\" in\n", c->name);
    for (size_t i = 0; shown_option_at(c, i, &o); i++) {
        if (o.arg[0] == '\0')
            continue;
        (void)printf("        ");
        if (o.letter != 0)
            (void)printf("-%c|", o.letter);
        (void)printf("--%s) ", o.name);
        bash_value(o.arg);
        (void)printf("; return ;;\n");
    }
    (void)printf("        esac\n        if [[ $cur == -* ]]; then\n"
                 "            mapfile -t COMPREPLY < <(compgen -W '--help");
    for (size_t i = 0; shown_option_at(c, i, &o); i++)
        (void)printf(" --%s", o.name);
    (void)printf("' -- \"$cur\")\n        ");
    if (files_behind(c->operands)) {
        (void)printf("elif ((COMP_CWORD > 2)); then\n            ");
        bash_value("FILE");
        (void)printf("\n        ");
    }
    (void)printf("else\n            ");
    bash_value(c->operands);
    (void)printf("\n        fi ;;\n");
}

static void bash(void)
{
    const struct command *c;

    (void)printf("# bash completion for weir, made by: weir completion bash\n_weir() {\n"
                 "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                 "    local commands='help");
    for (size_t i = 0; (c = command_at(i)) != NULL; i++)
        if (!c->hidden)
            (void)printf(" %s", c->name);
    (void)printf(
        "'\n    COMPREPLY=()\n    if ((COMP_CWORD == 1)); then\n"
        "        mapfile -t COMPREPLY < <(compgen -W \"$commands --version\" -- \"$cur\")\n"
        "        return\n    fi\n    case \"${COMP_WORDS[1]}\" in\n    help) mapfile -t "
        "COMPREPLY < <(compgen -W \"$commands\" -- \"$cur\") ;;\n");
    for (size_t i = 0; (c = command_at(i)) != NULL; i++)
        if (!c->hidden)
            bash_command(c);
    (void)printf("    esac\n}\ncomplete -o filenames -o bashdefault -F _weir weir\n");
}

/* ------------------------------------------------------------------ zsh */

static void zsh_value(const char *arg)
{
    switch (kind_of(arg)) {
    case KIND_WORDS:
        (void)printf(":value:(");
        words(arg);
        (void)putchar(')');
        break;
    case KIND_FILE:
        (void)printf(":file:_files");
        break;
    case KIND_DIR:
        (void)printf(":directory:_files -/");
        break;
    case KIND_NOTHING:
        (void)printf(":value: ");
        break;
    }
}

static void zsh_command(const struct command *c)
{
    struct shown_option o;

    (void)printf("    %s) _arguments", c->name);
    for (size_t i = 0; shown_option_at(c, i, &o); i++)
        for (int form = o.letter != 0 ? 0 : 1; form < 2; form++) {
            (void)printf(" \\\n        '*");
            if (form == 0)
                (void)printf("-%c", o.letter);
            else
                (void)printf("--%s", o.name);
            (void)putchar('[');
            quoted(o.doc, "[]:\\");
            (void)putchar(']');
            if (o.arg[0] != '\0')
                zsh_value(o.arg);
            (void)putchar('\'');
        }
    (void)printf(" \\\n        '--help[this help]'");
    if (files_behind(c->operands)) {
        (void)printf(" \\\n        '1");
        zsh_value(c->operands);
        (void)printf("' \\\n        '*:file:_files'");
    } else if (c->operands[0] != '\0') {
        (void)printf(" \\\n        '*");
        zsh_value(c->operands);
        (void)putchar('\'');
    }
    (void)printf(" ;;\n");
}

static void zsh(void)
{
    const struct command *c;

    (void)printf("#compdef weir\n# zsh completion for weir, made by: weir completion zsh\n"
                 "_weir() {\n    local -a commands\n    commands=('help:the options of a command'");
    for (size_t i = 0; (c = command_at(i)) != NULL; i++)
        if (!c->hidden) {
            (void)printf("\n        '%s:", c->name);
            quoted(c->summary, ":\\");
            (void)putchar('\'');
        }
    (void)printf(")\n    if ((CURRENT == 2)); then\n        _describe command commands\n"
                 "        return\n    fi\n    shift words\n    ((CURRENT--))\n"
                 "    case ${words[1]} in\n    help) _describe command commands ;;\n");
    for (size_t i = 0; (c = command_at(i)) != NULL; i++)
        if (!c->hidden)
            zsh_command(c);
    (void)printf("    esac\n}\n_weir \"$@\"\n");
}

/* ------------------------------------------------------------------ fish */

static void fish_value(const char *arg)
{
    switch (kind_of(arg)) {
    case KIND_WORDS:
        (void)printf(" -xa '");
        words(arg);
        (void)putchar('\'');
        break;
    case KIND_FILE:
        (void)printf(" -rF");
        break;
    case KIND_DIR:
        (void)printf(" -xa '(__fish_complete_directories)'");
        break;
    case KIND_NOTHING:
        (void)printf(" -x");
        break;
    }
}

static void fish_command(const struct command *c)
{
    struct shown_option o;

    (void)printf("complete -c weir -n __fish_use_subcommand -a %s -d '", c->name);
    quoted(c->summary, "\\");
    (void)printf("'\ncomplete -c weir -n '__fish_seen_subcommand_from help' -a %s\n", c->name);
    for (size_t i = 0; shown_option_at(c, i, &o); i++) {
        (void)printf("complete -c weir -n '__fish_seen_subcommand_from %s' -l %s", c->name, o.name);
        if (o.letter != 0)
            (void)printf(" -s %c", o.letter);
        if (o.arg[0] != '\0')
            fish_value(o.arg);
        (void)printf(" -d '");
        quoted(o.doc, "\\");
        (void)printf("'\n");
    }
    if (kind_of(c->operands) != KIND_NOTHING) {
        (void)printf("complete -c weir -n '__fish_seen_subcommand_from %s'", c->name);
        if (kind_of(c->operands) == KIND_FILE)
            (void)printf(" -F");
        else
            fish_value(c->operands);
        (void)printf("\n");
    }
}

static void fish(void)
{
    const struct command *c;

    (void)printf("# fish completion for weir, made by: weir completion fish\n"
                 "complete -c weir -f\ncomplete -c weir -n __fish_use_subcommand -a help\n");
    for (size_t i = 0; (c = command_at(i)) != NULL; i++)
        if (!c->hidden)
            fish_command(c);
}

int cmd_completion(const struct args *a)
{
    const char *shell = a->n_operands == 1 ? a->operand[0] : "";

    if (strcmp(shell, "bash") == 0)
        bash();
    else if (strcmp(shell, "zsh") == 0)
        zsh();
    else if (strcmp(shell, "fish") == 0)
        fish();
    else
        return cmd_usage(a, "say for which shell: bash, zsh or fish");
    return EXIT_DONE;
}
