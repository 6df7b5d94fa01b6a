# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of Docker and Compose, in English and French; part of the catalogue in _messages."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    "docker_missing": (
        "There is no docker program on the managed node. Install Docker's engine and client there, with Compose version 2, "
        "or set rollback_runtime to host.",
        "Aucun programme docker sur le serveur géré. Installez-y le moteur et le client Docker, avec Compose version 2, ou "
        "mettez rollback_runtime à host."),
    "engine_down": (
        "Docker's engine does not answer: {error}. Start it (systemctl start docker), or run as a user who may use it "
        "(become, or the group docker).",
        "Le moteur Docker ne répond pas : {error}. Démarrez-le (systemctl start docker), ou lancez avec un utilisateur qui "
        "y a droit (become, ou le groupe docker)."),
    "docker_failed": (
        "{command} failed: {error}",
        "{command} a échoué : {error}"),
    "compose_missing": (
        "docker compose does not exist on the managed node, nor a docker-compose of version 2. Install Docker's Compose "
        "plugin (package docker-compose-plugin or docker-compose-v2).",
        "docker compose n'existe pas sur le serveur géré, pas plus qu'un docker-compose de version 2. Installez le greffon "
        "Compose de Docker (paquet docker-compose-plugin ou docker-compose-v2)."),
    "compose_first_version": (
        "{program} is Compose {version}: the first version loses output without a terminal and cannot be told what not to "
        "start. Install version 2 (package docker-compose-plugin or docker-compose-v2).",
        "{program} est Compose {version} : sans terminal, la première version perd des sorties, et on ne peut lui dire ce "
        "qu'elle ne doit pas démarrer. Installez la version 2 (paquet docker-compose-plugin ou docker-compose-v2)."),
    "compose_directory_missing": (
        "The Compose project's directory {directory} does not exist on the managed node. Set rollback_compose_directory.",
        "Le dossier du projet Compose {directory} n'existe pas sur le serveur géré. Renseignez rollback_compose_directory."),
    "compose_file_missing": (
        "{path} does not exist on the managed node. Put it there, or correct {variable}.",
        "{path} n'existe pas sur le serveur géré. Mettez-le en place, ou corrigez {variable}."),
    "compose_config_broken": (
        "Compose cannot read the project in {directory}: {error}. Try it by hand: docker compose config",
        "Compose ne peut pas lire le projet de {directory} : {error}. Essayez à la main : docker compose config"),
    "service_unknown": (
        "The Compose files have no service {service}; they have {known}. Correct {variable}.",
        "Les fichiers Compose n'ont pas de service {service} ; ils ont {known}. Corrigez {variable}."),
    "project_not_running": (
        "No container of project {project} is running. Is it the right one (rollback_compose_project)? Then start its "
        "database: {command}",
        "Aucun conteneur du projet {project} ne tourne. Est-ce le bon (rollback_compose_project) ? Alors démarrez sa base : "
        "{command}"),
    "database_down": (
        "The database's service {service} is not running ({status}). Nothing here starts it behind your back: {command}",
        "Le service de la base {service} ne tourne pas ({status}). Rien ici ne le démarre dans votre dos : {command}"),
    "database_scaled": (
        "The database's service {service} has several containers ({names}): nobody can say which holds the data.",
        "Le service de la base {service} a plusieurs conteneurs ({names}) : nul ne peut dire lequel porte les données."),
    "database_unhealthy": (
        "The database's service {service} is {health}, not healthy. See why: {command}",
        "Le service de la base {service} est {health}, pas healthy. Voyez pourquoi : {command}"),
    "no_address": (
        "Container {name} of service {service} has neither a published port nor an address of its own. Set "
        "rollback_login_host and rollback_login_port.",
        "Le conteneur {name} du service {service} n'a ni port publié ni adresse propre. Renseignez rollback_login_host et "
        "rollback_login_port."),
    "image_missing": (
        "Image {image} of service {service} is not on the managed node, and a run would pull or build whatever is there "
        "now. Choose: {pull}  or  {command}",
        "L'image {image} du service {service} n'est pas sur le serveur géré, et un run téléchargerait ou construirait ce "
        "qui s'y trouve maintenant. Choisissez : {pull}  ou  {command}"),
    "image_would_change": (
        "Service {service} has pull_policy: {policy} in the Compose files, which would put another image in the place of "
        "{image} in the middle of it. Set its pull_policy to missing, or take it out of the files.",
        "Le service {service} a pull_policy: {policy} dans les fichiers Compose, ce qui remplacerait l'image {image} en "
        "pleine opération. Mettez son pull_policy à missing, ou retirez-le des fichiers."),
    "migration_container_at_work": (
        "A container of the migrations service is at work: {names}, since {since}. It may still move the database. Let it "
        "end, or: {command}",
        "Un conteneur du service des migrations est au travail : {names}, depuis {since}. Il peut encore déplacer la base. "
        "Laissez-le finir, ou : {command}"),
    "containers_remain": (
        "These containers do not go: {names}. Remove them by hand (docker rm --force), then: ansible-playbook status.yml",
        "Ces conteneurs ne partent pas : {names}. Supprimez-les à la main (docker rm --force), puis : ansible-playbook "
        "status.yml"),
    "service_not_started": (
        "Service {service} did not start: {error}",
        "Le service {service} n'a pas démarré : {error}"),
    "services_need_compose": (
        "There are services only with rollback_runtime=compose: nothing was stopped or started.",
        "Il n'y a de services qu'avec rollback_runtime=compose : rien n'a été arrêté ni démarré."),
    # The image against the revision
    "image_other_path": (
        "The migrations image {image} knows the recorded revisions by another path than {other}: {differences}. It would "
        "undo something else and report success. {remedy}",
        "L'image des migrations {image} connaît les révisions enregistrées par un autre chemin que {other} : {differences}. "
        "Elle annulerait autre chose et annoncerait un succès. {remedy}"),
    "image_use_builder": (
        "Use the image the database was built with; container {name} is running.",
        "Utilisez l'image qui a construit la base ; le conteneur {name} tourne."),
    "image_use_builder_or_remove": (
        "Use the image the database was built with; or, if that container is left over from something else: docker rm "
        "{name}",
        "Utilisez l'image qui a construit la base ; ou, si ce conteneur est un reste d'autre chose : docker rm {name}"),
    "image_older": (
        "The database records {revisions}, which the migrations image {image} does not know (its heads: {heads}): it is "
        "older than the database. Use the image the database was built with, or a newer one.",
        "La base porte {revisions}, que l'image des migrations {image} ne connaît pas (têtes : {heads}) : elle est plus "
        "ancienne que la base. Utilisez l'image qui a construit la base, ou une plus récente."),
    "image_same": (
        "Migrations image {image}: knows {recorded}, by the same path as the containers of {compared}",
        "Image des migrations {image} : connaît {recorded}, par le même chemin que les conteneurs de {compared}"),
    "image_unread": (
        "Migrations image {image}: knows {recorded}; nothing else on this engine tells by which path the database was built",
        "Image des migrations {image} : connaît {recorded} ; rien d'autre sur ce moteur ne dit par quel chemin la base a "
        "été construite"),
    "next_up_migrates": (
        "As long as the project's files name this release, a plain docker compose up runs {service}, which migrates to "
        "{heads} again. Put the release made for {to_heads} into them, or start services with --no-deps, or by "
        "ansible-playbook restart.yml",
        "Tant que les fichiers du projet désignent cette version, un simple docker compose up lance {service}, qui migre de "
        "nouveau vers {heads}. Mettez-y la version faite pour {to_heads}, ou démarrez les services avec --no-deps, ou par "
        "ansible-playbook restart.yml"),
    "image_expects": (
        "Service {service} runs {image}, made for {expects}",
        "Le service {service} tourne sur {image}, faite pour {expects}"),
    "image_ahead": (
        "Service {service} will be started on {image}, made for {expects}: after the rollback it may answer 500. Start it "
        "on the image made for {to_heads}: rollback_resume_environment",
        "Le service {service} sera démarré sur {image}, faite pour {expects} : après le rollback il peut répondre 500. "
        "Démarrez-le sur l'image faite pour {to_heads} : rollback_resume_environment"),
}
