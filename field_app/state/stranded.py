"""What was typed into a form and not recorded, where no page leads to that form any more: what of it can be read, and
what can still become of it.
"""

from collections.abc import Mapping

from field_app.store import Store, Stranded
from field_app.words import Words
from shared_schema import operations as op
from shared_schema.lifecycle import Status
from shared_schema.operations import Operation


def waited_for(values: Mapping[str, object], words: Words) -> str:
    """What the form of waiting comes to: the reason chosen and the words typed, either or both."""
    reason, more = _text(values, "reason"), _text(values, "words")
    if not reason:
        return more
    return words(f"wait.{reason}-said", more=more) if more else words(f"wait.{reason}")


def said_in(stranded: Stranded, words: Words) -> str:
    """All that was typed or chosen, in words, on lines of its own; empty where nothing of it is words."""
    values = stranded.values
    if stranded.form == "wait":
        return waited_for(values, words)
    said = [_text(values, field) for field in ("text", "words", "found", "done")]
    rating = values.get("rating")
    stars = f"{rating}/5" if isinstance(rating, int) and rating else ""
    said += [" ".join(part for part in (_text(values, "signer"), stars) if part), _text(values, "comment")]
    return "\n".join(line for line in said if line)


def has_signature(stranded: Stranded) -> bool:
    """Whether the customer had begun to sign."""
    return bool(stranded.values.get("strokes"))


def leads_on(stranded: Stranded, store: Store) -> bool:
    """Whether its form would still be recorded: late, but as what it is."""
    if stranded.form in _OF_THE_CUSTOMER:
        ticket = store.ticket(stranded.ticket) or store.withdrawn(stranded.ticket)
        return ticket is not None and ticket.status is Status.WORK_DONE
    operation = _OPERATIONS.get(stranded.form)
    return operation is not None and store.would_take(stranded.ticket, operation)


def may_be_note(stranded: Stranded, store: Store) -> bool:
    return store.would_take(stranded.ticket, op.AddNote("?"))


_OF_THE_CUSTOMER = frozenset({"hand-over", "objection"})
_OPERATIONS: dict[str, Operation] = {
    "note": op.AddNote("?"),
    "problem": op.ConfirmProblem("?"),
    "wait": op.WaitFor("?"),
    "finish": op.FinishWork("?", "?"),
}


def _text(values: Mapping[str, object], field: str) -> str:
    value = values.get(field)
    return value.strip() if isinstance(value, str) else ""
