"""The command line: reads flags, calls a use case, prints its answer, exits with its code; nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import typer

from expunge.cli import commands
from expunge.cli.flags import generated
from expunge.cli.session import BAD_INPUT, BUG, failed
from expunge.errors import ExpungeError

# the public name of the base of all usage errors, whichever click typer brings along
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
Function = TypeVar("Function", bound=Callable[..., Any])


def build() -> typer.Typer:
    """All commands, with the flags that their jobs define."""
    purpose = "Erase people from a trained image classifier, keep what it is good at, and say how well it worked."
    app = _group("expunge", purpose, commands.COMMANDS)
    app.callback(invoke_without_command=True)(_top)
    for name, group in commands.GROUPS.items():
        app.add_typer(_group(name, group.help, group.commands))
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and answer with its exit code.

    Example:
        >>> main(["--version"])  # doctest: +ELLIPSIS
        expunge ...
        0
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = build()(words, prog_name="expunge", standalone_mode=False)
    except UsageError as error:
        # `message` alone is empty where an option is missing
        text = str(getattr(error, "format_message", error.__str__)())
        return failed(f"{text} (see expunge --help)", BAD_INPUT, as_json="--json" in words)
    except ExpungeError as error:
        return failed(str(error), error.exit_code, as_json="--json" in words)
    except BrokenPipeError:  # the reader of our output left; nobody is there to be told
        return BUG
    return code if isinstance(code, int) else 0


def run() -> None:
    """Entry point of the `expunge` script."""
    sys.exit(main())


def _group(name: str, help: str, members: Mapping[str, commands.Command]) -> typer.Typer:
    group = typer.Typer(
        name=name,
        help=help,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name_of_member, command in members.items():
        group.command(name_of_member, help=command.help)(generated(command.run, command.parameters))
    return group


def _top(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(f"expunge {commands.VERSION}")
        raise typer.Exit()
