"""The stable names by which tests and assistive tools find what is on the screen.

A page is identified by a text on it: Flutter's web engine forgets the identifier of a node whose role changes later
(a group that gets a label, a box that gets something to tap), and a text never changes its role.

In the browser: `[flt-semantics-identifier='today']` after `flt-semantics-placeholder` was clicked once. A text field's
own element is an `input` or `textarea` inside the identified one.

    everywhere   status-line (tap: sync page) · nav-today nav-sync nav-me · saved-on-phone (while something of this
                 ticket waits) · received-by-office (once nothing does) · not-taken (where the office has refused
                 some of it) · notice · back
    enrolment    enrol · enrol-key · enrol-device-name · enrol-submit · enrol-error
    today        today · ticket-<number> · sync-now · past-toggle · empty-day
    ticket       ticket · next-action · navigate · call · contact-withheld · step-<operation kind> · add-note ·
                 add-photo-before · add-photo-after · wait · history-toggle · photo-<slot>-<n>
    credential   credential · credential-shown
    forms        problem-words problem-submit · note-text note-submit · wait-words wait-submit wait-parts
                 wait-customer · finish-found finish-done finish-submit
    photo        photo
    camera       camera · camera-starting (until the shutter does something) · camera-shutter · camera-gallery ·
                 camera-done · camera-message · camera-count
    hand-over    hand-over · statement · rating-1…rating-5 · comment · signer · accept · object · hand-back
    signature    signature · signature-pad · signature-clear · signature-clear-sure · signature-submit
    objection    objection · objection-words · objection-photo · objection-submit
    handed back  handed-back · back-to-ticket (held) · hold-on (once it was only tapped) · read-on
    sync         sync · saved-through · received-through · entry-<sequence> · last-round · to-attention attend ·
                 storage storage-keep · rescue rescue-make rescue-made
    attention    attention · refusal-<sequence> · typed-<sequence> · correct-<n> again-<n> note-<n> withdraw-<n>
                 withdraw-sure-<n> withdraw-not-<n> · nothing-to-attend · stranded-<form>-<ticket's number> and, for
                 these, typed- go-on- note- withdraw- withdraw-sure- withdraw-not-<form>-<ticket's number>
    me           me · me-credential · prices · language-zh_CN language-en · theme-system theme-light theme-dark ·
                 leave-phone
    leave        leave · held · leave-now
    failures     failure · failure-retry
"""

import flet as ft

STATUS_LINE = "status-line"
SAVED_ON_PHONE = "saved-on-phone"
RECEIVED_BY_OFFICE = "received-by-office"
NOT_TAKEN = "not-taken"


def identified(
    identifier: str,
    content: ft.Control,
    *,
    label: str | None = None,
    expand: bool | int | None = None,
    live: bool | None = None,
    selected: bool | None = None,
) -> ft.Control:
    """The control, found under `identifier`."""
    return ft.Semantics(
        identifier=identifier, content=content, label=label, expand=expand, live_region=live, selected=selected
    )
