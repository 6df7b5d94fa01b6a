# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of services being stopped and started, in English and French; part of the catalogue in _messages."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    # Stopping
    "service_not_stopped": (
        "These containers do not stop: {names}. End them by hand: {command}",
        "Ces conteneurs ne s'arrêtent pas : {names}. Arrêtez-les à la main : {command}"),
    "service_stopped": (
        "Stopped: {service} (was {before}, used {memory} bytes of memory)",
        "Arrêté : {service} (était {before}, occupait {memory} octets de mémoire)"),
    "service_stopped_unmeasured": ("Stopped: {service} (was {before})", "Arrêté : {service} (était {before})"),
    "service_not_running": (
        "Was not running before: {service} ({status})",
        "Ne tournait pas avant : {service} ({status})"),
    "migrate_stop_order": (
        "The database was not moved: {by} stopped everything at {at} ({why}). Once decided, ansible-playbook restart.yml, then "
        "ansible-playbook rollback.yml",
        "La base n'a pas été déplacée : {by} a tout arrêté le {at} ({why}). Une fois décidé, ansible-playbook restart.yml, puis "
        "ansible-playbook rollback.yml"),
    "migration_ended_now": (
        "Ended at once, a migration at work: {what}",
        "Arrêtée aussitôt, une migration au travail : {what}"),
    "session_left": (
        "Still on the server, from a container that was stopped: pid {pid}, {state} for {seconds} s. To end it: SELECT "
        "pg_terminate_backend({pid})",
        "Encore sur le serveur, venant d'un conteneur arrêté : pid {pid}, {state} depuis {seconds} s. Pour la terminer : "
        "SELECT pg_terminate_backend({pid})"),
    # Starting
    "service_started": ("Started: {service} ({status})", "Démarré : {service} ({status})"),
    "service_up_already": ("Was up: {service} ({status})", "Tournait déjà : {service} ({status})"),
    "service_not_up": (
        "Service {service} did not come up: container {name} is {status}, its health {health}, its exit status {exit_code}. "
        "Not started after it: {later}. Remove the cause, then: ansible-playbook restart.yml. It said last:\n{log}",
        "Le service {service} n'a pas démarré : le conteneur {name} est {status}, sa santé {health}, son code de sortie "
        "{exit_code}. Pas démarrés après lui : {later}. Écartez la cause, puis : ansible-playbook restart.yml. Ses derniers "
        "mots :\n{log}"),
    "service_held": (
        "Left stopped: {service}. Started, it would run a migration, or where marked ? might ({what}), and its image {image} "
        "goes up to {heads} while the database records {recorded}: that would undo the rollback. Start it on an image made "
        "for {recorded}: rollback_resume_environment, then ansible-playbook restart.yml. Or, once you have decided to migrate "
        "again: {command}",
        "Laissé arrêté : {service}. Démarré, il lancerait une migration, ou le pourrait si marqué ? ({what}), et son image "
        "{image} va jusqu'à {heads} alors que la base porte {recorded} : cela annulerait le rollback. Démarrez-le sur une "
        "image faite pour {recorded} : rollback_resume_environment, puis ansible-playbook restart.yml. Ou, si vous décidez de "
        "migrer à nouveau : {command}"),
    "service_held_unknown": (
        "Left stopped: {service}. Started, it would run a migration, or where marked ? might ({what}), and nobody can tell up "
        "to where: its image {image} does not show its history. The database records {recorded}. Start it on an image made "
        "for that: rollback_resume_environment, then ansible-playbook restart.yml. Or, once you have looked: {command}",
        "Laissé arrêté : {service}. Démarré, il lancerait une migration, ou le pourrait si marqué ? ({what}), et nul ne peut "
        "dire jusqu'où : son image {image} ne montre pas son historique. La base porte {recorded}. Démarrez-le sur une image "
        "faite pour cela : rollback_resume_environment, puis ansible-playbook restart.yml. Ou, après vérification : {command}"),
    "service_held_unread": (
        "Left stopped: {service}. Started, it would run a migration, or where marked ? might ({what}, image {image}), and the "
        "recorded revisions could not be read: {error} Then: ansible-playbook restart.yml. Or, once you have looked: {command}",
        "Laissé arrêté : {service}. Démarré, il lancerait une migration, ou le pourrait si marqué ? ({what}, image {image}), "
        "et les révisions inscrites n'ont pas pu être lues : {error} Ensuite : ansible-playbook restart.yml. Ou, après "
        "vérification : {command}"),
    "resume_heads_unsafe": (
        "Nothing was started: the database records {heads}, neither as before nor as asked ({safe}). Left stopped: "
        "{services}. Look first: ansible-playbook status.yml. Once decided: ansible-playbook restart.yml",
        "Rien n'a été démarré : la base porte {heads}, ni comme avant ni comme demandé ({safe}). Laissés arrêtés : "
        "{services}. Regardez d'abord : ansible-playbook status.yml. Une fois décidé : ansible-playbook restart.yml"),
    "resume_stop_order": (
        "Nothing was started: {by} stopped everything at {at} ({why}). Once decided: ansible-playbook restart.yml",
        "Rien n'a été démarré : {by} a tout arrêté le {at} ({why}). Une fois décidé : ansible-playbook restart.yml"),
    "stop_order_stays": (
        "The emergency stop stays in force: these ran before it and are not up: {services}. Add them to rollback_start_order, "
        "then: ansible-playbook restart.yml",
        "L'arrêt d'urgence reste en vigueur : ceux-ci tournaient avant et ne tournent pas : {services}. Ajoutez-les à "
        "rollback_start_order, puis : ansible-playbook restart.yml"),
    "rollback_undone": (
        "The recorded revisions were {before} and are {after} since services were started: one of these migrated: "
        "{candidates}. Stop at once: ansible-playbook emergency_stop.yml. Then start them on an image made for {before} "
        "(rollback_resume_environment), and roll back again.",
        "Les révisions inscrites étaient {before} et sont {after} depuis le démarrage des services : l'un d'eux a migré : "
        "{candidates}. Arrêtez tout : ansible-playbook emergency_stop.yml. Puis démarrez-les sur une image faite pour "
        "{before} (rollback_resume_environment), et refaites le rollback."),
    # The report
    "sum_services": (
        "Services stopped: {stopped}; started again: {resumed}; left stopped: {left}",
        "Services arrêtés : {stopped} ; redémarrés : {resumed} ; laissés arrêtés : {left}"),
    "next_left_stopped": (
        "Services are left stopped: {services}. Start them in order: ansible-playbook restart.yml",
        "Des services restent arrêtés : {services}. Démarrez-les dans l'ordre : ansible-playbook restart.yml"),
    # Status
    "status_service": (
        "Service {service}: {status}, image {image}, since {since}",
        "Service {service} : {status}, image {image}, depuis {since}"),
    "status_service_absent": ("Service {service}: it has no container", "Service {service} : il n'a pas de conteneur"),
    "status_migration": (
        "A container of the migrations service is at work: {name}, since {since}. To stop it: {command}",
        "Un conteneur du service des migrations est au travail : {name}, depuis {since}. Pour l'arrêter : {command}"),
    "status_stopped_by_run": (
        "Run {run_id} stopped these services and left them so: {services}",
        "Le run {run_id} a arrêté ces services et les a laissés ainsi : {services}"),
    "status_stop_order": (
        "Emergency stop by {by} at {at} ({why}): {services}",
        "Arrêt d'urgence par {by} le {at} ({why}) : {services}"),
    "next_migration_at_work": (
        "A migration nobody here started is at work. Let it end, or stop it: ansible-playbook emergency_stop.yml",
        "Une migration que personne ici n'a lancée est au travail. Laissez-la finir, ou arrêtez-la : ansible-playbook "
        "emergency_stop.yml"),
    "next_restart": (
        "Start what is stopped, in order: ansible-playbook restart.yml",
        "Démarrer dans l'ordre ce qui est arrêté : ansible-playbook restart.yml"),
    "next_unwell": (
        "These services run and are not well: {services}. See why: ansible-playbook diagnose.yml",
        "Ces services tournent et ne vont pas bien : {services}. Voyez pourquoi : ansible-playbook diagnose.yml"),
    "next_engine": (
        "Nothing of the project can be seen or done: {error}",
        "Rien du projet ne peut être vu ni fait : {error}"),
}
