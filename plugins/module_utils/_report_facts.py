# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a report shows besides its outcome: values from before, the plan it rests on, contacts nobody filled in."""

from __future__ import annotations

import re
import typing as t

from ._losses import Loss, ready_line
from ._messages import say

# Tables whose rows changed and are shown; a rollback that touches more says so by its checks.
SHOWN_TABLES = 30
# The words of templates, and the domains that are nobody's by their own standard.
_PLACEHOLDER = re.compile(
    r"^\s*$|^\s*[\[<{(].*[\]>})]\s*$|@(?:[\w-]+\.)*(?:example(?:\.(?:org|com|net))?|invalid|test)(?![\w-])"
    r"|\b(?:change-?me|to-?do|tbd|xxx+|à compléter)\b", re.IGNORECASE)


def placeholders(contacts: t.Mapping[str, t.Any] | None) -> list[str]:
    """Return the roles whose contact is still what a template had there."""
    given = {str(role): contact if isinstance(contact, list) else [contact]
             for role, contact in (contacts or {}).items()}
    return [role for role, each in given.items()
            if not each or any(one is None or _PLACEHOLDER.search(str(one)) for one in each)]


def contact_notes(contacts: t.Mapping[str, t.Any] | None, language: str) -> list[str]:
    """Return what is to be said of the contacts: that some, or all, are nobody's."""
    if not contacts:
        return [say(language, "html_no_contacts")]
    vacant = placeholders(contacts)
    return [say(language, "html_placeholders", roles=", ".join(vacant))] if vacant else []


def quiet_notes(evidence: t.Mapping[str, t.Any], services: t.Mapping[str, t.Any], language: str) -> list[str]:
    """Return what a run that came to a good end did not do, which nobody would see by its absence."""
    return [*([] if evidence["functional"].get("results") else [say(language, "html_not_asked")]),
            *([] if services["stopped"] else [say(language, "html_none_stopped")])]


def with_before(checks: t.Sequence[t.Mapping[str, t.Any]], before: t.Mapping[str, t.Any], language: str
                ) -> list[dict[str, t.Any]]:
    """Return the checks, each with ``before``: what the same look showed beforehand; None where none was taken."""
    known = {name: say(language, "check_absent") if not each.get("present", True)
             else say(language, "check_rows", rows=each["rows"])
             for name, each in (before.get("checks") or {}).items() if each.get("rows") is not None
             or not each.get("present", True)}
    if before.get("heads"):
        known["recorded-revisions"] = ", ".join(before["heads"])
    return [{**check, "before": known.get(check["id"])} for check in checks]


def changed_tables(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return the tables that are other than before: ``{table, before, after}`` in rows, None where there is none."""
    old, new = before.get("tables") or {}, after.get("tables") or {}
    if not old or not new:
        return []
    differ = [name for name in sorted({*old, *new}) if any(
        old.get(name, {}).get(key) != new.get(name, {}).get(key) for key in ("rows", "fingerprint", "structure"))]
    return [{"table": name, "before": old.get(name, {}).get("rows"), "after": new.get(name, {}).get("rows")}
            for name in differ[:SHOWN_TABLES]]


def plan_shown(plan: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return what a report keeps of ``plan.json``; empty without one.

    ``accept_line`` is what accepts the first route's losses, where some are not accepted yet.
    """
    if not plan.get("routes"):
        return {}
    first = (plan.get("ladder") or [plan.get("recommended")])[0]
    losses = plan["routes"].get(first, {}).get("losses", [])
    ids = {loss["id"] for loss in losses}
    line = ready_line(_loss(loss) for loss in losses
                      if not loss["id"].startswith("unknown:") or "unrehearsed" in ids) if plan.get("missing") else ""
    return {
        "routes": {name: _picked(route) for name, route in plan["routes"].items()},
        **{key: plan.get(key) or [] for key in ("ladder", "path", "alternatives", "accepted", "missing", "warnings",
                                                "blockers")},
        "recommended": plan.get("recommended"), "strategy": plan.get("strategy"), "position": plan.get("position"),
        "consistent": plan.get("consistent"), "accept_line": line}


def _picked(route: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: route.get(key) for key in ("verdict", "reasons", "losses", "estimate_s", "estimate_from")}


def _loss(loss: t.Mapping[str, t.Any]) -> Loss:
    kind, _colon, name = loss["id"].partition(":")
    return Loss(kind, name, rows=loss.get("rows"), exact=loss.get("exact", True))
