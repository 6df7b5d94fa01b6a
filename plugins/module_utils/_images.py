# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Images against revisions: which history an image holds, and whether it is the one the database was built with.

Migrations are baked into images. An older one may know the recorded revisions by another path, and would undo something
else with status 0. What built the database is read from the containers that are still there.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ._alembic import Environment, graph_from
from ._compose import Project
from ._compose_runtime import ComposeRuntime
from ._docker import Container
from ._errors import Refusal
from ._ground import Ground
from ._messages import say
from ._redact import Redactor
from ._revisions import Graph
from ._runner import ISOLATED, Finished, Program

LOOK_LIMIT_S = 120.0


@dataclass
class _OnImage:
    """A runtime whose every program runs on one image, where nothing can be reached."""

    runtime: ComposeRuntime
    image: str

    def run(self, program: Program, _watch: t.Callable[[], str | None] | None = None) -> Finished:
        return self.runtime.run_isolated(program, self.runtime.project.layout.migrations, self.image)


def image_graph(runtime: ComposeRuntime, image: str, config: str, python: str, redact: Redactor) -> Graph | None:
    """Return the history an image holds; None where it does not tell: no Alembic, or no history at ``config``."""
    environment = Environment(t.cast("t.Any", _OnImage(runtime, image)), config, python, None, {}, LOOK_LIMIT_S, redact)
    try:
        answer, _done = environment.inquire(ISOLATED, ["graph"], {})
    except Refusal:
        return None
    return graph_from(answer["graph"]) if "graph" in answer else None


def other_path(mine: Graph, theirs: Graph, recorded: t.Sequence[str]) -> list[str]:
    """Return the revisions, below the recorded ones, that two histories do not place alike; empty where they agree.

    What one of them is too old to know says nothing, unless it knows all that is recorded.
    """
    below = mine.ancestors(*recorded)
    if all(revision in theirs for revision in recorded):
        below = below | theirs.ancestors(*recorded)
        return sorted(revision for revision in below if _parents(mine, revision) != _parents(theirs, revision))
    return sorted(revision for revision in below
                  if revision in theirs and _parents(mine, revision) != _parents(theirs, revision))


def _parents(graph: Graph, revision: str) -> tuple[set[str], set[str]] | None:
    return (set(graph[revision].down), set(graph[revision].depends_on)) if revision in graph else None


@dataclass
class Examination:
    """What was found: the images, as ``plan.json`` keeps them, and what the operator is told of them."""

    images: list[dict[str, t.Any]]
    lines: list[str]
    warnings: list[str]


def examine(ground: Ground, environment: Environment, graph: Graph, recorded: t.Sequence[str],
            to_heads: t.Sequence[str], services: t.Sequence[str], resume: dict[str, str], language: str
            ) -> Examination:
    """Compare the migrations image with those of the containers the project has.

    ``services`` are the application's; ``resume`` fills the Compose files in when they are started again. Nothing is
    found in runtime host. Raises Refusal for an image that walks another path than the one that built the database.
    """
    if ground.project is None:
        return Examination([], [], [])
    runtime, project = t.cast(ComposeRuntime, ground.runtime), ground.project
    image = project.require_image(project.layout.migrations)["Id"]
    graphs: dict[str, Graph | None] = {image: graph}

    def graph_of(other: str) -> Graph | None:
        if other not in graphs:
            graphs[other] = image_graph(runtime, other, environment.config, environment.python, environment.redact)
        return graphs[other]

    name = project.image_of(project.layout.migrations)
    found: list[dict[str, t.Any]] = [{"service": project.layout.migrations, "image": name, "id": image,
                                      "heads": graph.heads(), "same_path": True}]
    warnings = []
    for container in witnesses(project.containers(), project.layout.migrations, services):
        theirs = graph_of(container.image)
        differs = other_path(graph, theirs, recorded) if theirs else []
        if differs:
            remedy = say(language, "image_use_builder" if container.running else "image_use_builder_or_remove",
                         name=container.name)
            raise Refusal("image_other_path", image=name, other=f"{container.image_name} ({container.name})",
                          differences=", ".join(differs), remedy=remedy)
        found.append({"service": container.service, "image": container.image_name, "id": container.image,
                      "heads": theirs.heads() if theirs else None, "same_path": bool(theirs) or None})
    started = _started_on(project, services, resume)
    for service, reference, its_image in started:
        theirs = graph_of(its_image)
        if theirs and theirs.heads() != sorted(to_heads):
            warnings.append(say(language, "image_ahead", service=service, image=reference,
                                expects=", ".join(theirs.heads()), to_heads=", ".join(to_heads)))
    compared = sorted({each["service"] for each in found[1:] if each["same_path"]})
    line = say(language, "image_same" if compared else "image_unread", image=name, recorded=", ".join(recorded),
               compared=", ".join(compared))
    known = [each for each in found[1:] if each["heads"] and each["service"] in services]
    expects = [say(language, "image_expects", service=each["service"], image=each["image"],
                   expects=", ".join(each["heads"])) for each in known]
    return Examination(found, [line, *expects], warnings)


def require_known(ground: Ground, graph: Graph, recorded: t.Sequence[str]) -> None:
    """Raise Refusal naming the migrations image when it is too old to know what the database records."""
    unknown = [revision for revision in recorded if revision not in graph]
    if ground.project and unknown:
        raise Refusal("image_older", revisions=", ".join(unknown), heads=", ".join(graph.heads()) or "-",
                      image=ground.project.image_of(ground.project.layout.migrations))


def witnesses(every: t.Sequence[Container], migrations: str, services: t.Sequence[str]) -> list[Container]:
    """Return the containers, one an image, that built the database or work with it; ``every`` has the oldest first.

    Of the migrations only the newest: an older one may be of another branch, months ago.
    """
    built = [each for each in every if each.service == migrations][-1:]
    working = [each for each in every if each.service in services and each.service != migrations]
    return list({(each.service, each.image): each for each in (*built, *working)}.values())


def _started_on(project: Project, services: t.Sequence[str], resume: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return the image each service will be started on: ``(service, reference, id)``.

    Raises Refusal for one that would have to be got first: the application would stay stopped while that is awaited.
    """
    if not resume:
        return [(each.service, each.image_name, each.image) for service in services
                for each in project.of_service(service)[:1]]
    config = project.configured(resume)
    found = []
    for service in services:
        project.service(service, "rollback_quiesce")
        definition = config["services"][service]
        if not project.starts_unpulled:
            project.require_kept(service, definition)
        reference = project.image_in(definition, service)
        image = project.docker.image(reference)
        if image is None:
            raise Refusal("image_missing", image=reference, service=service, command=project.shown("build", service),
                          pull=f"docker pull {reference}")
        found.append((service, reference, str(image["Id"])))
    return found
