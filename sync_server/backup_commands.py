"""`doorstep backup`, `doorstep restore`, `doorstep verify`: an office kept safe, brought back, and looked over.

`add_commands` hangs them into the parser of __main__; each command is a function (arguments, settings) → exit status.
What they do is services.backups' and services.verification's; here it is said in words, results on standard output,
progress and complaints on standard error.
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from sync_server.clock import SystemClock
from sync_server.services import backups
from sync_server.services.verification import Finding, Note, Problem, Tell, Verification, verify
from sync_server.settings import Settings
from sync_server.storage import Storage, copies

DONE = 0
FAILED = 1
UNSOUND = 3
"""It was done, and something was found that must not be."""

SHOWN = 20
"""Findings of one kind that are listed; the others are counted."""

SENTENCES: dict[Problem | Note, str] = {
    Problem.DATABASE_DAMAGED: "the database is damaged: {detail}",
    Problem.FEED_GAP: "positions {about} to {detail} of the feed belong to nothing",
    Problem.FEED_COUNTER: "the feed is said to be at {about}, and ends at {detail}",
    Problem.JOURNAL_GAP: "of the journal of {about} these numbers are missing: {detail}",
    Problem.JOURNAL_HEAD: "the journal of {about} does not end where it is said to: {detail}",
    Problem.JOURNAL_OF_NOBODY: "{about} has a journal here and was never enrolled",
    Problem.CHAIN_BROKEN: "{about} was accepted and does not name the hash of the entry before it",
    Problem.ENTRY_MISFILED: "{about} is filed under another {detail} than its bytes say",
    Problem.SIGNATURE_WRONG: "what {about} has signed of its journal is not so: {detail}",
    Problem.VERDICT_WRONG: "the verdict kept with {about} is not a verdict about it",
    Problem.REFUSAL_MISFILED: "the queue of what was refused does not agree about {about}: {detail}",
    Problem.RESCUED_DAMAGED: "what a rescue file of {about} brought does not have the hash it is kept under: {detail}",
    Problem.APPLIED_TWICE: "operation {about} was accepted more than once",
    Problem.REPLAY_DIFFERS: "{about}, done again, does not come out as it did: {detail}",
    Problem.TICKET_DIFFERS: "ticket {about} is not what its operations make of it: {detail}",
    Problem.TICKET_MISSING: "ticket {about} is missing, and its operations are there",
    Problem.TICKET_UNEXPLAINED: "ticket {about} is there without operations that made it",
    Problem.TICKET_MISFILED: "ticket {about} cannot be found by what it is: {detail}",
    Problem.PHOTO_MISSING: "photo {about} was received, and its file is missing",
    Problem.PHOTO_DAMAGED: "photo {about} is damaged: its bytes do not have this hash",
    Problem.PHOTO_OF_OTHER_SIZE: "photo {about} does not have the bytes that were announced: {detail}",
    Problem.SET_ASIDE_MISSING: "set-aside/{about} was received, and is missing",
    Problem.SET_ASIDE_DAMAGED: "set-aside/{about} is damaged: its bytes do not have this hash",
    Note.JOURNAL_FLAGGED: "the journal of {about} was altered on the phone; entries that did not fit: {detail}",
    Note.SIGNATURE_DOUBTED: "the signature of {about} has failed and was not right since: {detail}",
    Note.OPERATIONS_WAITING: "out of rescue files of {about}, operations that wait for those before them: {detail}",
    Note.RESTORED: "restored from a backup; the feed went on from {about} at {detail}",
    Note.PHOTOS_AWAITED: "photos still on the phone {about}: {detail}",
    Note.PHOTOS_UNNAMED: "photos no operation has named yet: {about}, such as {detail}",
    Note.PHOTOS_REPLACED: "photos damaged here and brought anew: {about}, such as {detail}; the damaged files are kept",
    Note.UPLOADS_WITHOUT_FILE: "uploads begun of which nothing is here: {about}; their phones begin again",
    Note.UPLOADS_LEFT_OVER: "files in uploads/ that belong to no upload: {about}, such as {detail}",
    Note.STRAY_FILES: "{about} does not belong there",
}

_Task: TypeAlias = Callable[[argparse.Namespace, Settings, Tell], int]


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", which: Callable[[argparse.ArgumentParser], None]
) -> None:
    """`which` adds the option that says which office is meant."""
    backup = commands.add_parser(
        "backup",
        help="make a backup, also while the server runs",
        description="Make a complete backup, database and photos, in a new folder of its own. The server may go on"
        " serving. Photos that an earlier backup in the same place has are linked, not copied, where the file system"
        " can do that; each backup is complete by itself, and any of them may be deleted.",
        epilog="Prints the new folder. Exit status: 0 made; 1 not made, and nothing is left that looks like a backup;"
        " 3 made, but photos are missing or damaged in the office itself.",
    )
    backup.add_argument("into", type=Path, metavar="FOLDER", help="where backups are collected; on another disk")
    _prepare(backup, which, _backup)

    restore = commands.add_parser(
        "restore",
        help="make an office anew from a backup",
        description="Bring a backup back into an empty data folder (and, with DOORSTEP_DATABASE_URL, an empty"
        " database); nothing is ever overwritten. Every file is checked before, the whole office after. Whichever"
        " database the backup was made from, it is restored into the one that the settings name. Phones then send"
        " again what the office has lost; everybody at the desk signs in anew.",
        epilog="Exit status: 0 restored; 1 not restored: type the same again after mending what is said; 3 restored,"
        " but something in it is not sound.",
    )
    restore.add_argument("backup", type=Path, metavar="BACKUP", help="a folder that doorstep backup made")
    restore.add_argument(
        "--despite-damage", action="store_true", help="leave out photos that are damaged in the backup"
    )
    _prepare(restore, which, _restore)

    check = commands.add_parser(
        "verify",
        help="check that everything is there and fits together",
        description="Check the office, also while the server runs: the database's own check, journals and their hash"
        " chains, verdicts, every ticket against its operations, the feed, every photo against its name. With --backup"
        " a backup is checked in the same way, without restoring it (a copy of its database goes to TMPDIR).",
        epilog="Each line is explained in docs/operations.md. Exit status: 0 sound; 1 could not be checked;"
        " 3 something was found that must not be.",
    )
    check.add_argument("--backup", type=Path, metavar="BACKUP", help="check this backup and not the office")
    check.add_argument("--quick", action="store_true", help="do not read the photos' bytes")
    _prepare(check, which, _verify)


def _prepare(parser: argparse.ArgumentParser, which: Callable[[argparse.ArgumentParser], None], task: _Task) -> None:
    which(parser)
    parser.add_argument("--quiet", action="store_true", help="do not tell of progress")
    parser.set_defaults(run=lambda arguments, settings: _run(task, arguments, settings))


def _run(task: _Task, arguments: argparse.Namespace, settings: Settings) -> int:
    progress = Progress(is_quiet=arguments.quiet)
    try:
        return task(arguments, settings, progress.tell)
    except backups.BackupDamaged as damaged:
        progress.end()
        _complain(f"{arguments.backup}: {damaged}; --despite-damage restores the others")
        for file in damaged.files[:SHOWN]:
            _complain(f"  {file}")
    except backups.BackupFault as fault:
        progress.end()
        _complain(str(fault))
    except OSError as fault:
        progress.end()
        _complain(f"{fault.filename}: {fault.strerror}" if fault.filename else str(fault.strerror))
    finally:
        progress.end()
    return FAILED


def _backup(arguments: argparse.Namespace, settings: Settings, tell: Tell) -> int:
    made = backups.back_up(settings, arguments.into, SystemClock().now(), tell)
    for sha256 in made.left_out:
        _complain(f"not in the backup: {SENTENCES[Problem.PHOTO_DAMAGED].format(about=sha256)}")
    for sha256 in made.missing:
        _complain(f"not in the backup: {SENTENCES[Problem.PHOTO_MISSING].format(about=sha256)}")
    _say(str(made.folder))
    return UNSOUND if made.left_out or made.missing else DONE


def _restore(arguments: argparse.Namespace, settings: Settings, tell: Tell) -> int:
    manifest = backups.restore(
        arguments.backup, settings, SystemClock().now(), tell, despite_damage=arguments.despite_damage
    )
    _say(f"restored what the office was at {manifest.made_at.astimezone():%Y-%m-%d %H:%M:%S %Z}, in {settings.data}")
    storage = Storage.open(settings.database)
    try:
        return _report(verify(storage, settings.data, tell=tell))
    finally:
        storage.close()


def _verify(arguments: argparse.Namespace, settings: Settings, tell: Tell) -> int:
    if arguments.backup is not None:
        return _verify_backup(arguments.backup, tell, hashes=not arguments.quick)
    if settings.database_file is not None and not settings.database_file.exists():
        raise backups.BackupFault(f"there is no office in {settings.data} (DOORSTEP_DATA or --data names its folder)")
    storage = Storage(settings.database)
    try:
        schema = storage.read_now(lambda reading: reading.audit.schema())
        if schema != copies.newest():
            raise backups.BackupFault(
                f"its tables have another form ({schema}) than this version's ({copies.newest()}): doorstep serve"
                " brings those of an older version up to date"
            )
        return _report(verify(storage, settings.data, tell=tell, hashes=not arguments.quick))
    finally:
        storage.close()


def _verify_backup(folder: Path, tell: Tell, *, hashes: bool) -> int:
    manifest = backups.manifest_of(folder)
    damaged = backups.damaged_files(folder, manifest, tell) if hashes else ()
    for file in damaged:
        _say(f"problem: {file} is missing from the backup, or is not what it was")
    if backups.DATABASE in damaged:
        return UNSOUND
    with tempfile.TemporaryDirectory(prefix="doorstep-verify-") as temporary:
        copy = Path(temporary) / backups.DATABASE
        shutil.copyfile(folder / backups.DATABASE, copy)  # it may be larger than memory
        storage = Storage.open(f"sqlite:///{copy}")
        try:
            outcome = _report(verify(storage, folder, tell=tell, hashes=False))
        finally:
            storage.close()
    return UNSOUND if damaged else outcome


def _report(verification: Verification) -> int:
    for word, findings in (("problem", verification.problems), ("note", verification.notes)):
        counted: Counter[Problem | Note] = Counter()
        for finding in findings:
            counted[finding.what] += 1
            if counted[finding.what] <= SHOWN:
                _say(f"{word}: {sentence(finding)}")
        for what, count in counted.items():
            if count > SHOWN:
                _say(f"{word}: … and {count - SHOWN} more of this kind ({what.value})")
    state = f"{len(verification.problems)} problems" if verification.problems else "sound"
    _say(
        f"{state}: {verification.operations} operations in {verification.journals} journals,"
        f" {verification.tickets} tickets, {verification.photos} photos"
    )
    return UNSOUND if verification.problems else DONE


def sentence(finding: Finding) -> str:
    return SENTENCES[finding.what].format(about=finding.about, detail=finding.detail)


class Progress:
    """On a terminal one line that changes; elsewhere a line for each stage."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._is_terminal = sys.stderr.isatty()
        self._stage = ""
        self._is_line_open = False

    def tell(self, stage: str, done: int, of: int) -> None:
        if self._is_quiet or (stage == self._stage and not self._is_terminal):
            return
        self._stage = stage
        how_far = f" {done} of {of}" if of else f" {done}" if done else ""
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{stage}{how_far} …")
            self._is_line_open = True
        else:
            sys.stderr.write(f"{stage}{f' ({of})' if of else ''} …\n")
        sys.stderr.flush()

    def end(self) -> None:
        if self._is_line_open:
            sys.stderr.write("\r\x1b[K")
            self._is_line_open = False


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _complain(line: str) -> None:
    sys.stderr.write(f"doorstep: {line}\n")
