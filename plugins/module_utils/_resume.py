# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Services brought up again in an order, without what would undo a rollback."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ._compose_runtime import ComposeRuntime
from ._database import recorded_heads, session_name
from ._docker import Container
from ._errors import Problem, Refusal
from ._evidence import StateDirectory, read_json, run_id_of
from ._ground import Ground, ground_from
from ._images import image_graph
from ._messages import say
from ._redact import Redactor
from ._run import last_goal
from ._services import Services, stop_order
from ._undo_guard import Look, holder_of
from ._verdict import UNKNOWN, read_verdict


@dataclass
class Resumption:
    """What is brought up, with a module's options, and what came of it.

    ``environment`` fills the Compose files in while the recorded revisions are those it is ``made_for``; on others
    services start as they were. None: on any.
    """

    params: t.Mapping[str, t.Any]
    services: Services
    redact: Redactor
    environment: dict[str, str]
    started: list[str] = field(default_factory=list)
    up: list[str] = field(default_factory=list)
    held: list[dict[str, t.Any]] = field(default_factory=list)
    made_for: list[str] | None = None
    ground: Ground | None = None

    def fitting(self) -> dict[str, str]:
        """Return the environment, where it is made for what the database records now."""
        if not self.environment or self.made_for is None:
            return self.environment
        try:
            recorded, _ground = self.recorded()
        except Refusal:
            # The database itself is still to be started: nothing says that it was rolled back.
            return {}
        return self.environment if recorded == sorted(self.made_for) else {}

    def require_no_order(self) -> None:
        """Raise Refusal when somebody ordered an emergency stop while services are being started."""
        order = stop_order(self.params["stop_order"]) if self.params["state"] == "restored" else None
        if order:
            raise Refusal("resume_stop_order", at=order["at"], by=order.get("by") or "-", why=order.get("why") or "-")

    def recorded(self) -> tuple[list[str], Ground]:
        """Return the recorded revisions as they are now. Raises Refusal where the database does not answer."""
        ground = self.ground = self.ground or ground_from(self.params, self.redact)
        name = session_name(run_id_of(self.params["run_dir"]), "resume")
        with ground.target.open(name) as connection:
            found = recorded_heads(connection, self.params["version_table"], self.params["version_schema"])
        return found or [], ground

    def bring_up(self, names: t.Sequence[str], only: t.Mapping[str, t.Collection[str]]) -> None:
        """Start services in this order, each well before the next; what would undo a rollback is held back.

        Of a service's containers, ``only`` names those that are wanted. Raises Problem for one that does not come up.
        """
        for number, name in enumerate(names):
            chosen, environment = self.services.chosen(name, only.get(name, ())), self.fitting()
            anew = self.services.made_anew(name, chosen, environment)
            if (anew or not all(each.running for each in chosen)) and self._holds_back(name, chosen, anew, environment):
                continue
            self.require_no_order()
            if self.services.start(name, chosen, anew, environment, self.params["timeout"], names[number + 1:]):
                self.started.append(name)
            self.up.append(name)

    def _holds_back(self, name: str, chosen: t.Sequence[Container], anew: bool, environment: dict[str, str]) -> bool:
        what, image, reference = self._what_migrates(name, chosen, anew, environment)
        if not what:
            return False
        language = self.params["language"]
        facts = {"service": name, "what": what, "image": reference, "command": self.services.line(
            environment, "up", "-d", "--no-deps", name) if anew else f"docker start {chosen[0].name}"}
        try:
            heads, ground = self.recorded()
        except Refusal as refusal:
            error = say(language, refusal.key, **refusal.facts)
            self._hold(name, what, None, say(language, "service_held_unread", error=error, **facts))
            return True
        graph = image_graph(t.cast(ComposeRuntime, ground.runtime), image, self.params["alembic_config"],
                            self.params["alembic_python"], self.redact)
        if graph is None:
            self._hold(name, what, None, say(language, "service_held_unknown", recorded=", ".join(heads), **facts))
        elif not set(graph.heads()) <= set(heads):
            self._hold(name, what, graph.heads(), say(language, "service_held", heads=", ".join(graph.heads()),
                                                      recorded=", ".join(heads) or "-", **facts))
        else:
            return False
        return True

    def _hold(self, name: str, what: str, heads: list[str] | None, reason: str) -> None:
        self.held.append({"service": name, "by": self.redact(what), "heads": heads, "reason": self.redact(reason)})

    def _what_migrates(self, name: str, chosen: t.Sequence[Container], anew: bool, environment: dict[str, str]
                       ) -> tuple[str, str, str]:
        """Return what of a service runs a migration when it is started, and the image it runs on."""
        docker = self.services.project.docker
        if not anew:
            one = chosen[0]
            return Look(docker, one.id).what_migrates(one.argv, one.working_dir), one.image, one.image_name
        definition, image = self.services.definition(name, environment)
        own = image["Config"]
        entrypoint = definition.get("entrypoint")
        command = definition.get("command") or ([] if entrypoint else own.get("Cmd"))
        words = [*(own.get("Entrypoint") or [] if entrypoint is None else entrypoint), *(command or [])]
        directory = definition.get("working_dir") or own.get("WorkingDir") or "/"
        with holder_of(docker, image["Id"], definition.get("volumes") or []) as holder:
            what = Look(docker, holder).what_migrates(words, directory)
        return what, str(image["Id"]), str(definition.get("image") or image["Id"])


def restore(resumption: Resumption, record: t.Mapping[str, t.Any]) -> None:
    """Bring up what a record says ran, on a database that is as before or as asked.

    Raises Problem when it is neither, by its recorded revisions or by the verdict on a run that failed, with nothing
    started; or when what was started moved it.
    """
    params = resumption.params
    wanted = [name for name, kept in record["services"].items() if kept["running"]]
    if not wanted:
        return
    verdict = read_verdict(params["run_dir"])
    if verdict and verdict["data"] == UNKNOWN:
        raise Problem("resume_data_unsafe", why=verdict["rests_on"], services=", ".join(wanted))
    resumption.require_no_order()
    only = {name: {each["id"] for each in record["services"][name]["containers"] if each["running"]}
            for name in wanted}
    before, _ground = resumption.recorded()
    safe = params["safe_heads"] or planned_heads(params["run_dir"])
    if safe and before not in [sorted(heads) for heads in safe]:
        raise Problem("resume_heads_unsafe", heads=", ".join(before) or "-", services=", ".join(wanted),
                      safe=" / ".join(", ".join(heads) or "-" for heads in safe))
    resumption.bring_up(wanted, only)
    if not resumption.started or resumption.services.check_mode:
        return
    after, ground = resumption.recorded()
    if after != before:
        at_work = ground.project.migrations_at_work() if ground.project else []
        raise Problem("rollback_undone", before=", ".join(before) or "-", after=", ".join(after) or "-",
                      candidates=", ".join([*resumption.started, *(each.name for each in at_work)]))


def goal_of(params: t.Mapping[str, t.Any]) -> list[str] | None:
    """Return the recorded revisions a resume environment is made for: those a rollback was to leave.

    At the end of a run they are its own, elsewhere the last run's on this database; None where nothing says.
    """
    if params["state"] == "restored":
        safe = params["safe_heads"] or planned_heads(params["run_dir"])
        return sorted(safe[-1]) if safe else None
    return last_goal(StateDirectory(params["state_dir"]), params["login_db"]) if params["state_dir"] else None


def planned_heads(run_dir: str | None) -> list[list[str]]:
    """Return the revisions a run's plan went from and to; none where it has no plan."""
    plan = (read_json(os.path.join(run_dir, "plan.json")) if run_dir else None) or {}
    return [plan[key] for key in ("from_heads", "to_heads") if key in plan]
