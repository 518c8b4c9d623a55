"""``rehub completion``: words that the shell completes, among them the handles of cached models."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, CompletionItem, ShellComplete, get_completion_class

from rehub.cli import output
from rehub.cli.group import examples

_VARIABLE = "_REHUB_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")


class _Bash(BashComplete):
    """Completes URLs too: bash takes a colon for the end of a word, so that it would see only what follows one."""

    source_template = """\
%(complete_func)s() {
    local IFS=$' \\t\\n' line=${COMP_LINE:0:COMP_POINT} words reply kind value before=
    read -ra words <<< "$line"
    if [[ $line == *[[:space:]] ]]; then words+=(""); fi
    local word=${words[${#words[@]}-1]}
    if [[ $COMP_WORDBREAKS == *:* && $word == *:* ]]; then before=${word%%"${word##*:}"}; fi
    reply=$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) %(complete_var)s=bash_complete "$1")
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) COMPREPLY=(); compopt -o dirnames ;;
            file) COMPREPLY=(); compopt -o default ;;
            plain) COMPREPLY+=("${value#"$before"}") ;;
        esac
    done <<< "$reply"
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


@click.command(
    "completion",
    epilog=examples(
        'eval "$(rehub completion bash)"   # in ~/.bashrc',
        'eval "$(rehub completion zsh)"    # in ~/.zshrc, after compinit',
        "rehub completion fish > ~/.config/fish/completions/rehub.fish",
    ),
)
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print a script that teaches a shell completion.

    The shell then completes commands, options and the handles of cached models.
    """
    root = click.get_current_context().find_root().command
    output.write(shell_class(shell)(root, {}, "rehub", _VARIABLE).source())


def shell_class(shell: str) -> type[ShellComplete]:
    """Returns what completes for a shell."""
    found = _Bash if shell == "bash" else get_completion_class(shell)
    assert found is not None, "click knows these shells"
    return found


def cached_handles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes a handle from the cache, or a folder of this machine."""
    if incomplete.startswith(("/", ".", "~")):
        return [CompletionItem(incomplete, type="dir")]
    from rehub.cli.cache import contents

    try:
        entries = contents.look().entries
    except Exception:  # noqa: BLE001 - a traceback in the middle of a command line helps nobody
        return []
    return [CompletionItem(entry.handle) for entry in entries if entry.handle.startswith(incomplete)]
