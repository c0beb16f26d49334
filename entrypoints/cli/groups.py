"""Command groups: suggestions for mistyped commands, and commands that are imported when they are called."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

import click

from entrypoints.cli.errors import exit_on_errors, exit_on_output_errors, exit_with, flush_output


class SuggestingGroup(click.Group):
    """A group that suggests the nearest command for one that does not exist."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            nearest = self._nearest(ctx, args[0])
            hint = f" Did you mean {nearest!r}?" if nearest else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def _nearest(self, ctx: click.Context, name: str) -> str | None:
        """The most similar command, in this group or in one of its groups."""
        full_names: dict[str, str] = {}
        for each in self.list_commands(ctx):
            command = self.get_command(ctx, each)
            if command is None or command.hidden:
                continue
            if isinstance(command, click.Group):
                for inner in command.list_commands(ctx):
                    full_names[f"{each} {inner}"] = full_names[inner] = f"{each} {inner}"
            full_names[each] = each
        close = get_close_matches(name.lower(), full_names, n=1)
        return full_names[close[0]] if close else None


class RootGroup(SuggestingGroup):
    """The `matinee` command. Every error of a command becomes one line and an exit code, never a traceback.

    Commands are imported when they are called, so `serve` stays a small process and help is quick.
    """

    def __init__(self, *args: Any, import_paths: Mapping[str, str], **kwargs: Any) -> None:  # noqa: ANN401
        """`import_paths` maps the name of each command to "module:attribute"."""
        super().__init__(*args, **kwargs)
        self.import_paths = import_paths

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return sorted(self.import_paths)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self.import_paths:
            return None
        module, attribute = self.import_paths[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ANN401  click's signature
        code: str | int | None = None
        try:
            with exit_on_output_errors():
                super().main(*args, **kwargs)
        except SystemExit as exit_:
            code = exit_.code
        with exit_on_output_errors():
            problem = flush_output()
        if problem and not code:
            exit_with(1, f"the output cannot be written: {problem}")
        raise SystemExit(code)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:  # noqa: ANN401  click's signature
        with exit_on_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's signature
        with exit_on_errors():
            return super().invoke(ctx)
