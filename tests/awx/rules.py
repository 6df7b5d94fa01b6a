# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What AWX 24 accepts of surveys, answers, messages, notifications and recurrence rules, after reading its source.

Written anew from the behaviour of JobTemplateSurveySpec, SurveyJobTemplateMixin, NotificationTemplateSerializer and
SchedulePreviewSerializer. Each function returns what AWX would answer with 400, or nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import available_timezones

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

# The type of a question's default and of its answer.
QUESTIONS: dict[str, tuple[type, tuple[type, ...]]] = {
    "text": (str, (str,)), "textarea": (str, (str,)), "password": (str, (str,)), "multiplechoice": (str, (str,)),
    "multiselect": (str, (list,)), "integer": (int, (int,)), "float": (float, (float, int))}


def choices(question: dict[str, Any]) -> list[str]:
    return [choice for choice in question["choices"].splitlines() if choice.strip()]


def survey(spec: Any) -> str | None:
    """Why a survey is refused when it is loaded."""
    for field, kind in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(spec.get(field), kind):
            return f"survey: {field} is missing or of another type"
    if not spec["spec"]:
        return "survey: spec has no items"
    seen: set[str] = set()
    for question in spec["spec"]:
        for field, kind in (("type", str), ("question_name", str), ("variable", str), ("required", bool)):
            if not isinstance(question.get(field), kind):
                return f"survey: {field} of {question} is missing or of another type"
        name, kind = question["variable"], question["type"]
        if name in seen:
            return f"survey: {name} twice"
        seen.add(name)
        if kind not in QUESTIONS:
            return f"survey: {kind} is no type of question"
        default = question.get("default", "")
        if default != "" and not isinstance(default, QUESTIONS[kind][0]):
            return f"survey: default of {name} is of another type"
        if any(not isinstance(question.get(limit, 0), (int, type(None))) for limit in ("min", "max")):
            return f"survey: limits of {name} are whole numbers"
        if kind.startswith("multi"):
            if not isinstance(question.get("choices"), str):
                return f"survey: {name} has no choices"
            if set(default.splitlines()) - set(choices(question)):
                return f"survey: default of {name} is none of its choices"
    return None


def answers(spec: dict[str, Any], given: dict[str, Any]) -> list[str]:
    """Why AWX does not launch with these answers."""
    refused = []
    for question in spec["spec"]:
        name = question["variable"]
        if name not in given:
            refused += [f"{name}: missing"] if question["required"] else []
            continue
        value, kind = given[name], question["type"]
        if type(value) not in QUESTIONS[kind][1]:
            refused.append(f"{name}: {value!r} is of another type")
        elif kind.startswith("multi"):
            refused += [f"{name}: {one!r} is none of the choices"
                        for one in (value if kind == "multiselect" else [value]) if one not in choices(question)]
        else:
            size = len(value) if isinstance(value, str) else value
            low, high = question.get("min"), question.get("max")
            if (low is not None and size < low) or (high is not None and size > high):
                refused.append(f"{name}: {value!r} is too small or too large")
    return refused


def passed_on(spec: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The extra variables of a launch: the defaults that are themselves valid, then what was given."""
    defaults = {question["variable"]: question["default"] for question in spec["spec"] if "default" in question}
    asked = {question["variable"]: question for question in spec["spec"]}
    valid = {name: value for name, value in defaults.items() if not answers({"spec": [asked[name]]}, {name: value})}
    return {**valid, **given}


# The fields a message may use of a job, and of an approval, with values of their kind.
JOB = {"id": 42, "name": "Recyclic - in question", "status": "successful", "url": "/api/v2/jobs/42/", "limit": "",
       "artifacts": {}, "playbook": "plan.yml", "job_explanation": ""}
CONTEXT: dict[str, Any] = {
    "job": JOB, "job_friendly_name": "Job", "url": "https://awx/#/jobs/42", "job_metadata": "{}",
    "approval_status": "running", "approval_node_name": "approve", "workflow_url": "https://awx/#/workflows/1"}
EVENTS = ("started", "success", "error")
APPROVALS = ("running", "approved", "timed_out", "denied")


def render(text: str, context: dict[str, Any]) -> str:
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined).from_string(text).render(context)


def each_message(messages: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Event, part and text of everything that is sent; an event that is null has AWX's own text."""
    for event, parts in messages.items():
        for name, found in (parts or {}).items() if event == "workflow_approval" else [(event, parts)]:
            for part, text in (found or {}).items():
                yield name, part, text


def notification(kind: str, configuration: dict[str, Any], messages: dict[str, Any]) -> str | None:
    """Why a notification template is refused."""
    for field, expected in NOTIFICATIONS[kind].items():
        if field not in configuration:
            return f"notification: {field} is missing"
        if configuration[field].__class__ is not expected or (expected is list and not configuration[field]):
            return f"notification: {field} is of another type, or empty"
    if set(messages) - {*EVENTS, "workflow_approval"} or set(messages.get("workflow_approval") or {}) - set(APPROVALS):
        return "notification: there is no such event"
    for event, part, text in each_message(messages):
        if part not in ("message", "body") or not isinstance(text, str):
            return f"notification: {event} has a message and a body, both text"
        if part == "message" and "\n" in text:
            return f"notification: the message of {event} has more than one line"
        try:
            shown = render(text, CONTEXT)
            if kind == "webhook":
                json.loads(shown)
        except (TemplateError, ValueError) as error:
            return f"notification: {event} cannot be filled in: {error}"
    return None


NOTIFICATIONS: dict[str, dict[str, type]] = {
    "email": {"host": str, "port": int, "username": str, "password": str, "use_tls": bool, "use_ssl": bool,
              "sender": str, "recipients": list, "timeout": int},
    "slack": {"token": str, "channels": list},
    "mattermost": {"mattermost_url": str, "mattermost_no_verify_ssl": bool},
    "webhook": {"url": str, "http_method": str, "disable_ssl_verification": bool, "username": str, "password": str,
                "headers": dict}}
PASSWORDS = ("password", "token")


def recurrence(rule: str) -> str | None:
    """Why a schedule's rule is refused."""
    begins = re.match(r"DTSTART(?:;TZID=([\w/+-]+):\d{8}T\d{6}|:\d{8}T\d{6}Z) RRULE:", rule)
    if not begins or (begins[1] and begins[1] not in available_timezones()):
        return "rrule: begins with DTSTART, a zone that is known and one RRULE"
    parts = dict(part.partition("=")[::2] for part in rule.split("RRULE:")[1].split(";"))
    if "INTERVAL" not in parts or not re.match("MINUTE|HOUR|DAI|WEEK|MONTH|YEAR", parts.get("FREQ", "")):
        return "rrule: has an INTERVAL and a FREQ above seconds"
    days = parts["BYDAY"].split(",") if "BYDAY" in parts else []
    if set(days) - {"MO", "TU", "WE", "TH", "FR", "SA", "SU"} or {"COUNT", "UNTIL"} <= set(parts) or "EXDATE" in rule:
        return "rrule: BYDAY of days without a number, not both COUNT and UNTIL, no EXDATE"
    return None
