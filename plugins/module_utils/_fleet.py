# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""How several sites stand, each its own stack: one summary on the controller, written as each of them goes on."""

from __future__ import annotations

import fcntl
import json
import os
import typing as t
from contextlib import contextmanager

from ._evidence import now, read_json
from ._messages import say
from ._report import GOOD

SUMMARY = "fleet.json"
LOCK = ".lock"
# What a site's own report never says of it.
NOT_STARTED, BEGUN, NO_REPORT, NO_ANSWER, NO_RUN = "not_started", "begun", "no_report", "no_answer", "no_run"
OPEN = (NOT_STARTED, BEGUN)
# Of these there is no report that could say what to do.
_UNTOLD = (NO_REPORT, NO_ANSWER, NO_RUN)
# The newest of these tells how a site stands; a plan or a backup says nothing of that.
ACTING = ("rollback", "restore", "undo", "remigrate")
# Where repeating the command leaves sites that are done as they are. A restore would put them back a second time.
_LEAVES_DONE = ("rollback",)
_FIELDS = ("database", "route", "run_id", "started_at", "finished_at", "duration_s", "outage_s")

Site = dict[str, t.Any]
Summary = dict[str, t.Any]


def site_of(name: str, given: t.Mapping[str, t.Any], report: t.Mapping[str, t.Any] | None, place: str = "") -> Site:
    """Return what a summary holds of a site: its report's essentials, or what is ``given`` where it has none."""
    told = dict(report or {})
    outcome = given.get("outcome") or told.get("outcome") or NOT_STARTED
    steps = told.get("next_steps") or []
    found: Site = {"site": name, "outcome": outcome, "good": outcome in GOOD,
                   **{key: told.get(key, given.get(key)) for key in _FIELDS},
                   "losses": given.get("losses") or [{"id": loss["id"], "rows": loss.get("rows")}
                                                     for loss in told.get("losses") or []],
                   "reason": given.get("reason") or told.get("failure") or "",
                   "next": given.get("next") or (steps[0] if steps else ""),
                   "report": place}
    return found


def merged(known: Summary | None, run: t.Mapping[str, t.Any], sites: t.Sequence[Site], gone: t.Sequence[str],
           language: str) -> Summary:
    """Return the summary with these sites as they stand now; ``gone`` are those that Ansible no longer plays."""
    before = {site["site"]: site for site in (known or {}).get("sites", [])}
    for site in sites:
        before[site["site"]] = _kept(before.get(site["site"]), site)
    found = [before.get(name) or site_of(name, {}, None) for name in run["sites"]]
    for site in found:
        if site["site"] in gone and site["outcome"] in OPEN:
            site.update(reason=say(language, "fleet_lost" if site["outcome"] == BEGUN else "fleet_no_answer"),
                        outcome=NO_ANSWER, next="")
        if site["outcome"] in _UNTOLD and not site["next"]:
            site["next"] = say(language, "fleet_next_status", site=site["site"])
    summary: Summary = {
        "wave_id": run["wave_id"], "playbook": run["playbook"], "operator": run.get("operator", ""),
        "language": language, "started_at": (known or {}).get("started_at") or now(), "updated_at": now(),
        # As the terminal last had it.
        "shown": (known or {}).get("shown"),
        "complete": all(site["outcome"] not in OPEN for site in found),
        "good": all(site["good"] for site in found), "counts": counts(found), "next": "", "sites": found}
    summary["next"] = next_step(summary, language)
    return summary


def _kept(before: Site | None, site: Site) -> Site:
    """A site that ended stays as it ended: what comes later of the same wave says only that it had begun."""
    if before and site["outcome"] in OPEN and before["outcome"] not in OPEN:
        return before
    return site


def counts(sites: t.Sequence[Site]) -> dict[str, int]:
    """Return how many sites there are of each outcome, in the order they are first met."""
    found: dict[str, int] = {}
    for site in sites:
        found[site["outcome"]] = found.get(site["outcome"], 0) + 1
    return found


def ended_badly(site: Site) -> bool:
    return not site["good"] and site["outcome"] not in OPEN


def next_step(summary: Summary, language: str) -> str:
    """Return what to do next. A command that is not complete without the arguments it had says so."""
    sites, playbook = summary["sites"], summary["playbook"]
    names = ",".join(site["site"] for site in sites)
    bad = [site["site"] for site in sites if ended_badly(site)]
    begun = [site["site"] for site in sites if site["outcome"] == BEGUN]
    rest = [site["site"] for site in sites if not site["good"]]
    if playbook == "plan" and not bad and summary["complete"]:
        return say(language, "fleet_next_planned", sites=names)
    if bad and (playbook == "report" or any(site["outcome"] == "failed_needs_human" for site in sites)):
        return _where_told(sites, language)
    if begun:
        return say(language, "fleet_next_begun", begun=",".join(begun))
    if bad and playbook in _LEAVES_DONE:
        return say(language, "fleet_next_again", bad=", ".join(bad), playbook=playbook, sites=names)
    if bad:
        # One site by itself is no wave, and is confirmed by its database's name, unless the sizes are given.
        alone = " -e rollback_serial=1" if len(rest) == 1 and playbook in ACTING else ""
        return say(language, "fleet_next_rest", bad=", ".join(bad), rest=",".join(rest) + alone)
    return say(language, "next_done" if summary["complete"] else "fleet_next_more")


def _where_told(sites: t.Iterable[Site], language: str) -> str:
    """Say where each site that ended badly tells what to do: in its report, or, without one, when it is asked."""
    bad = [site for site in sites if ended_badly(site)]
    untold = [site["site"] for site in bad if site["outcome"] in _UNTOLD]
    told = [site["site"] for site in bad if site["site"] not in untold]
    return " ".join([*([say(language, "fleet_next_report", bad=", ".join(told))] if told else []),
                     *([say(language, "fleet_next_status", site=",".join(untold))] if untold else [])])


def ended(summary: Summary, batch: t.Collection[str], gone: t.Collection[str]) -> bool:
    """Return whether none of a batch is still to end.

    Once a site is gone, none begins that has not begun, where what acts stands behind a gate. What changes nothing
    takes all sites at once, and says nothing of one before its end.
    """
    waiting = (BEGUN,) if gone and summary["playbook"] in ACTING else OPEN
    return all(site["outcome"] not in waiting for site in summary["sites"] if site["site"] in batch)


@contextmanager
def alone(directory: str) -> t.Iterator[None]:
    """Be the only one at work on a summary: several sites write at once."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    with open(os.open(os.path.join(directory, LOCK), os.O_RDWR | os.O_CREAT, 0o600), "w", encoding="ascii") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def read_summary(directory: str) -> Summary | None:
    found: Summary | None = read_json(os.path.join(directory, SUMMARY))
    return found


def as_json(summary: Summary) -> str:
    return json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
