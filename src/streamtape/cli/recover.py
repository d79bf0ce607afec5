"""``streamtape recover``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import click

from streamtape.cli._files import NAMED_PATH
from streamtape.cli._options import pass_secrets
from streamtape.cli._render import escape, note
from streamtape.cli._signals import exit_on_signals
from streamtape.cli._words import count
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import UsageError
from streamtape.library.filenames import TAPE_SUFFIX, stem_and_take
from streamtape.library.recover import Recovered, recover_file
from streamtape.library.writer import PART_SUFFIX

_LOSSY_STATUS: Final = 3


@click.command()
@click.argument("file", type=NAMED_PATH, metavar="FILE")
@click.option(
    "-o",
    "--output",
    type=NAMED_PATH,
    metavar="FILE",
    help="The new cassette.  [default: beside FILE]",
)
@pass_secrets
def recover(secrets: Secrets, file: Path, output: Path | None) -> None:
    """
    Make a whole cassette of what is sound in a damaged or unfinished one.

    FILE itself is never changed, and no other file is overwritten. The status is 0
    if nothing of the answer is lost, 3 if something is, and 1 if there is nothing to
    recover. The new cassette then ends where the sound part does, and so does its
    replay.

    \b
    Examples:
      streamtape recover cassettes/hello-1a2b3c4d.1.part
      streamtape recover damaged.tape -o mended.tape
    """
    secrets.remember_environment(os.environ)
    if not (file.exists() or file.is_symlink()):
        raise UsageError(f"{file}: there is no such file")
    if file.is_dir():
        raise UsageError(f"{file}: expected a file, got a folder")
    place = _place_for(file) if output is None else output
    if place.suffix != TAPE_SUFFIX:
        raise UsageError(f"--output: expected a name that ends in .tape, got {place}")
    if place.exists() or place.is_symlink():
        message = f"{place}: there is such a file already; name another with -o"
        raise UsageError(message)
    if not place.parent.is_dir():
        raise UsageError(f"--output: there is no folder {place.parent}")
    with exit_on_signals():
        recovered = recover_file(file, place, secrets)
    click.echo(escape(str(place)))
    for line in _outcome(recovered):
        note(line, secrets)
    if file.suffix == PART_SUFFIX:
        note(f"{file} is as it was; remove it when you need it no more.", secrets)
    if recovered.is_lossy:
        sys.exit(_LOSSY_STATUS)


def _place_for(file: Path) -> Path:
    if file.suffix == PART_SUFFIX:
        stem, take = stem_and_take(file.name)
        number = "" if take == 1 else f"-{take}"
        return file.with_name(f"{stem}{number}{TAPE_SUFFIX}")
    return file.with_name(f"{file.stem}-recovered{TAPE_SUFFIX}")


def _outcome(recovered: Recovered) -> list[str]:
    """Say in full sentences what was kept, what was lost and what was changed."""
    noun = "event" if recovered.is_stream else "chunk"
    kept = f"{count(recovered.part_count, noun)} kept"
    if recovered.is_lossy:
        last = "them" if recovered.part_count else "the head of the answer"
        lines = [f"{kept}; what came after {last} is lost."]
    elif recovered.had_end:
        lines = [f"{kept}; it had its end, so this is a copy."]
    else:
        lines = [f"{kept}; nothing of the answer is lost."]
    if recovered.rest_bytes:
        why = f": {recovered.fault}" if recovered.fault else ""
        rest = count(recovered.rest_bytes, "byte")
        lines.append(f"Left out: {rest} from byte {recovered.sound_bytes} on{why}.")
    lines += [f"Redacted: {leak}." for leak in recovered.leaks]
    return lines
