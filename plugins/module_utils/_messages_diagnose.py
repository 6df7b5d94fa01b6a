# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of a diagnosis, in English and French; part of the catalogue in _messages."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    "since_invalid": (
        "diagnose_since is {since!r}; write a moment (2026-01-31T14:00:00Z) or an age (30m, 2h, 1d).",
        "diagnose_since vaut {since!r} ; écrivez un instant (2026-01-31T14:00:00Z) ou un âge (30m, 2h, 1d)."),
    "pattern_invalid": (
        "{pattern!r} in diagnose_patterns is no regular expression: {error}. Correct it.",
        "{pattern!r} dans diagnose_patterns n'est pas une expression régulière : {error}. Corrigez-la."),
    "no_project": (
        "No Compose project was given, so there are no containers and no logs of theirs to read. Set "
        "rollback_compose_directory.",
        "Aucun projet Compose n'est donné : il n'y a ni conteneurs ni journaux à lire. Renseignez "
        "rollback_compose_directory."),
    "part_not_read": (
        "It could not be read or written: {error}. See where things stand: ansible-playbook status.yml",
        "Lecture ou écriture impossible : {error}. Voyez où en sont les choses : ansible-playbook status.yml"),
    "heads_need_database": (
        "In runtime host the revisions are read through the database, which does not answer. Start it first.",
        "En runtime host, les révisions se lisent à travers la base, qui ne répond pas. Démarrez-la d'abord."),
    # The first screen
    "diagnosis_title": ("Diagnosis of {database} since {since}: {count} probable cause(s)",
                        "Diagnostic de {database} depuis {since} : {count} cause(s) probable(s)"),
    "diagnosis_next": ("Next: {next}", "Ensuite : {next}"),
    "diagnosis_no_cause": (
        "No probable cause was found in what could be read. Look further back: -e diagnose_since=24h",
        "Aucune cause probable dans ce qui a pu être lu. Regardez plus loin en arrière : -e diagnose_since=24h"),
    "diagnosis_untold": ("Not told: {part}: {reason}", "Non connu : {part} : {reason}"),
    "diagnosis_capped": (
        "The log of {service} is larger than what is kept: its newest 10 to 20 MiB. Narrow it: -e diagnose_since=10m",
        "Le journal de {service} dépasse ce qui est gardé : ses 10 à 20 Mio les plus récents. Resserrez : "
        "-e diagnose_since=10m"),
    "diagnosis_ended": (
        "Reading the log of {service} took too long and was ended after {lines} lines: its newest are not there. Narrow "
        "it: -e diagnose_since=10m",
        "La lecture du journal de {service}, trop longue, a été arrêtée après {lines} lignes : les plus récentes manquent. "
        "Resserrez : -e diagnose_since=10m"),
    "diagnosis_log_failed": ("The engine did not give the whole log of {service}: {error}",
                             "Le moteur n'a pas donné tout le journal de {service} : {error}"),
    "diagnosis_where": ("Everything: {directory}", "Tout : {directory}"),
    "diagnosis_connections": ("Connections: {used} of {most}", "Connexions : {used} sur {most}"),
    # The tables
    "head_logs": ("Logs", "Journaux"),
    "head_containers": ("Containers", "Conteneurs"),
    "head_heads": ("Revisions", "Révisions"),
    "head_sessions": ("Sessions", "Sessions"),
    "head_tables": ("The migration's tables", "Tables de la migration"),
    "head_sizes": ("Space (MiB)", "Place (Mio)"),
    "col_logs": ("Service | Lines | By pattern | Signs", "Service | Lignes | Par motif | Signes"),
    "col_containers": (
        "Service | Container | State | Health | Exit code | Restarts | Memory (MiB) | Limit (MiB) | Image",
        "Service | Conteneur | État | Santé | Code de fin | Redémarrages | Mémoire (Mio) | Limite (Mio) | Image"),
    "col_heads": ("Service | Made of | Made for | Recorded | It is",
                  "Service | Fait de | Fait pour | Révision inscrite | Il est"),
    "col_sessions": ("Pid | User | Application | State | Seconds | Blocked by | Holds | Query",
                     "Pid | Utilisateur | Application | État | Secondes | Bloquée par | Tient | Requête"),
    "col_tables": ("Table | Present | Live rows | Dead rows | Last analyzed | Last vacuumed",
                   "Table | Présente | Lignes vivantes | Lignes mortes | Dernier analyze | Dernier vacuum"),
    "col_sizes": ("What | Where | Free | Size", "Quoi | Où | Libre | Taille"),
    "stand_same": ("as recorded", "au niveau inscrit"),
    "stand_ahead": ("newer than the database", "plus récent que la base"),
    "stand_behind": ("older than the database", "plus ancien que la base"),
    "stand_unknown": ("unknown", "inconnu"),
    "size_state_dir": ("State directory", "Dossier d'état"),
    "size_docker": ("Docker", "Docker"),
    "size_database": ("Volume of the database's container", "Volume du conteneur de la base"),
    "size_of_database": ("The database", "La base"),
    # The causes, each with what to do
    "cause_engine_down": ("Docker's engine does not answer, so no service of the application does. {reason}",
                          "Le moteur Docker ne répond pas, donc aucun service de l'application. {reason}"),
    "remedy_engine_down": ("systemctl start docker", "systemctl start docker"),
    "cause_database_down": ("The database does not answer. {reason}", "La base ne répond pas. {reason}"),
    "remedy_database_down": ("{command}", "{command}"),
    "cause_disk_full": ("{path} is nearly full: {free} MiB free of {total}.",
                        "{path} est presque plein : {free} Mio libres sur {total}."),
    "remedy_disk_full": ("Make room; what takes it: docker system df; du -xh --max-depth=2 {path} | sort -h | tail",
                         "Faire de la place ; ce qui la prend : docker system df; du -xh --max-depth=2 {path} | sort -h | tail"),
    "cause_disk_full_said": ("The logs of {service} say {count} time(s) that a disk is full: {last}",
                             "Les journaux de {service} disent {count} fois qu'un disque est plein : {last}"),
    "remedy_disk_full_said": ("Find it: df -h; docker system df", "Le trouver : df -h; docker system df"),
    "cause_out_of_memory": ("{service} ({name}) was killed because it was out of memory (limit: {limit} MiB).",
                            "{service} ({name}) a été tué faute de mémoire (limite : {limit} Mio)."),
    "remedy_out_of_memory": ("Raise the service's mem_limit in the Compose file, then: {command}",
                             "Augmenter mem_limit du service dans le fichier Compose, puis : {command}"),
    "cause_out_of_memory_said": ("The logs of {service} say {count} time(s) that memory is exhausted: {last}",
                                 "Les journaux de {service} disent {count} fois que la mémoire manque : {last}"),
    "remedy_out_of_memory_said": ("See who takes it: docker stats --no-stream; free -m",
                                  "Voir qui la prend : docker stats --no-stream; free -m"),
    "cause_migration_running": (
        "A migration is at work since {since}: container {name}. It holds locks others wait for.",
        "Une migration est au travail depuis {since} : conteneur {name}. Elle tient des verrous que d'autres "
        "attendent."),
    "remedy_migration_running": ("Let it end, or: docker stop {name}", "La laisser finir, ou : docker stop {name}"),
    "cause_migrations_failed": (
        "The migrations ended with status {code} (container {name}): {last}",
        "Les migrations ont fini avec le statut {code} (conteneur {name}) : {last}"),
    "remedy_migrations_failed": (
        "See where that left the database: ansible-playbook rollback.yml --check; all they said: docker logs --tail 50 {name}",
        "Voir où cela laisse la base : ansible-playbook rollback.yml --check ; tout ce qu'elles ont dit : docker logs "
        "--tail 50 {name}"),
    "cause_service_down_absent": ("{service} has no container.", "{service} n'a pas de conteneur."),
    "remedy_service_down_absent": ("{command}", "{command}"),
    "cause_service_down_stopped": (
        "{service} ({name}) is stopped, with status 0: somebody stopped it, or it was never started.",
        "{service} ({name}) est arrêté, avec le statut 0 : quelqu'un l'a arrêté, ou il n'a jamais démarré."),
    "remedy_service_down_stopped": ("{command}", "{command}"),
    "cause_service_down_exited": (
        "{service} ({name}) ended with status {code}. Its last lines: {last}",
        "{service} ({name}) s'est terminé avec le statut {code}. Ses dernières lignes : {last}"),
    "remedy_service_down_exited": ("docker logs --tail 50 {name}; then: {command}",
                                   "docker logs --tail 50 {name} ; puis : {command}"),
    "cause_service_down_restarting": (
        "{service} ({name}) is {status}: started {restarts} time(s) again, last status {code}. Its last lines: "
        "{last}",
        "{service} ({name}) est {status} : redémarré {restarts} fois, dernier statut {code}. Ses dernières "
        "lignes : {last}"),
    "remedy_service_down_restarting": ("docker logs --tail 50 {name}", "docker logs --tail 50 {name}"),
    "cause_service_down_unhealthy": (
        "{service} ({name}) runs and is {health}; its health check said: {said}. Its last lines: {last}",
        "{service} ({name}) tourne et est {health} ; son contrôle de santé a dit : {said}. Ses dernières "
        "lignes : {last}"),
    "remedy_service_down_unhealthy": ("docker logs --tail 50 {name}", "docker logs --tail 50 {name}"),
    "cause_compatibility_ahead": (
        "{service} runs {image}, made for {expects}, on a database at {recorded}: it is newer than its "
        "database. Errors of that kind in the logs: {count}; the last: {last}",
        "{service} tourne sur {image}, faite pour {expects}, avec une base à {recorded} : il est plus récent "
        "que sa base. Erreurs de ce genre dans les journaux : {count} ; la dernière : {last}"),
    "remedy_compatibility_ahead": (
        "Start it on the image made for {recorded}: name it in rollback_resume_environment, then: ansible-playbook "
        "restart.yml. Or go forward again: ansible-playbook remigrate.yml",
        "Le démarrer sur l'image faite pour {recorded} : la nommer dans rollback_resume_environment, puis : "
        "ansible-playbook restart.yml. Ou avancer de nouveau : ansible-playbook remigrate.yml"),
    "cause_compatibility_behind": (
        "{service} runs {image}, made for {expects}, which does not know {recorded}: it is older than its "
        "database. Errors of that kind in the logs: {count}; the last: {last}",
        "{service} tourne sur {image}, faite pour {expects}, qui ne connaît pas {recorded} : il est plus "
        "ancien que sa base. Erreurs de ce genre dans les journaux : {count} ; la dernière : {last}"),
    "remedy_compatibility_behind": (
        "Start it on the image made for {recorded}: name it in rollback_resume_environment, then: ansible-playbook "
        "restart.yml",
        "Le démarrer sur l'image faite pour {recorded} : la nommer dans rollback_resume_environment, puis : "
        "ansible-playbook restart.yml"),
    "cause_compatibility_undefined": (
        "The logs name columns or tables that the database, at {recorded}, has not ({count} time(s)). The last, of "
        "{service}: {last}",
        "Les journaux citent des colonnes ou des tables que la base, à {recorded}, n'a pas ({count} fois). La dernière, de "
        "{service} : {last}"),
    "remedy_compatibility_undefined": (
        "Start the application on the image made for {recorded} (rollback_resume_environment, then ansible-playbook "
        "restart.yml), or see what the database should hold: ansible-playbook validate.yml",
        "Démarrer l'application sur l'image faite pour {recorded} (rollback_resume_environment, puis ansible-playbook "
        "restart.yml), ou voir ce que la base devrait contenir : ansible-playbook validate.yml"),
    "cause_blocked": (
        "{count} session(s) wait for pid {pid} (user {user}, application {application}, from {client}), {state}, in "
        "its transaction for {seconds} s, which holds {locks}. Waiting: {waiting}",
        "{count} session(s) attendent le pid {pid} (utilisateur {user}, application {application}, depuis {client}), "
        "{state}, dans sa transaction depuis {seconds} s, qui tient {locks}. En attente : {waiting}"),
    "remedy_blocked": ("Have its owner end it, or end it: {command}", "Demander à qui l'a ouverte de finir, ou l'arrêter : {command}"),
    "cause_blocked_ours": (
        "{count} session(s) wait for a run of this collection, pid {pid} ({application}), at it for {seconds} s. "
        "Waiting: {waiting}",
        "{count} session(s) attendent un run de cette collection, pid {pid} ({application}), à l'œuvre depuis "
        "{seconds} s. En attente : {waiting}"),
    "remedy_blocked_ours": ("ansible-playbook status.yml", "ansible-playbook status.yml"),
    "cause_blocked_prepared": (
        "{count} session(s) wait for a prepared transaction nobody has ended. Waiting: {waiting}",
        "{count} session(s) attendent une transaction préparée que personne n'a terminée. En attente : {waiting}"),
    "remedy_blocked_prepared": ("Find it, then COMMIT PREPARED or ROLLBACK PREPARED: {command}",
                                "La trouver, puis COMMIT PREPARED ou ROLLBACK PREPARED : {command}"),
    "cause_version_table_empty": ("The version table is empty: nothing says at which revision the database is.",
                                  "La table de version est vide : rien ne dit à quelle révision est la base."),
    "remedy_version_table_empty": ("ansible-playbook rollback.yml --check", "ansible-playbook rollback.yml --check"),
    "cause_version_table_absent": ("The database has no version table: is it the right one (rollback_database)?",
                                   "La base n'a pas de table de version : est-ce la bonne (rollback_database) ?"),
    "remedy_version_table_absent": ("ansible-playbook status.yml", "ansible-playbook status.yml"),
    "cause_version_table_overlap": (
        "The version table records {lower} and {upper}, of which one stands on the other: no healthy database does. A "
        "dump restored over an existing schema leaves it so.",
        "La table de version inscrit {lower} et {upper}, dont l'une repose sur l'autre : aucune base saine ne le fait. "
        "Une sauvegarde rejouée sur un schéma existant laisse cela."),
    "remedy_version_table_overlap": (
        "See what the database holds: ansible-playbook validate.yml; then what a rollback would do: ansible-playbook "
        "rollback.yml --check",
        "Voir ce que la base contient : ansible-playbook validate.yml ; puis ce que ferait un rollback : ansible-playbook "
        "rollback.yml --check"),
    "cause_version_table_unknown": (
        "The database records {revisions}, which {image} does not know (its heads: {heads}): another image migrated "
        "it, or it is another application's.",
        "La base inscrit {revisions}, que {image} ne connaît pas (têtes : {heads}) : une autre image l'a migrée, ou "
        "c'est celle d'une autre application."),
    "remedy_version_table_unknown": (
        "Set the migrations service to the image that migrated it, then: ansible-playbook rollback.yml --check",
        "Mettre le service des migrations à l'image qui l'a migrée, puis : ansible-playbook rollback.yml --check"),
    "cause_moved_since": (
        "Run {run_id} left the database at {left} ({finished_at}), and it is at {recorded} now: something moved it "
        "since. {service} was started after it: {started}",
        "Le run {run_id} a laissé la base à {left} ({finished_at}), et elle est à {recorded} : quelque chose l'a "
        "déplacée depuis. {service} démarré après lui : {started}"),
    "remedy_moved_since": (
        "ansible-playbook rollback.yml --check; and start services with --no-deps, or up brings the migrations back",
        "ansible-playbook rollback.yml --check ; et démarrer les services avec --no-deps, sinon up ramène les migrations"),
    "cause_data_missing_absent": (
        "Table {table} does not exist, although the migration is applied (recorded: {recorded}).",
        "La table {table} n'existe pas, alors que la migration est appliquée (inscrit : {recorded})."),
    "remedy_data_missing_absent": (
        "ansible-playbook validate.yml -e validate_expectation=migrated; then: ansible-playbook rollback.yml --check",
        "ansible-playbook validate.yml -e validate_expectation=migrated ; puis : ansible-playbook rollback.yml --check"),
    "cause_data_missing_empty": (
        "Table {table} is empty, although the migration is applied (recorded: {recorded}).",
        "La table {table} est vide, alors que la migration est appliquée (inscrit : {recorded})."),
    "remedy_data_missing_empty": (
        "ansible-playbook validate.yml -e validate_expectation=migrated; then: ansible-playbook rollback.yml --check",
        "ansible-playbook validate.yml -e validate_expectation=migrated ; puis : ansible-playbook rollback.yml --check"),
    "cause_data_errors_undefined": (
        "The logs name columns or tables that are not there ({count} time(s)), although the application's image is made for "
        "{recorded}: the version table may not tell the truth. The last, of {service}: {last}",
        "Les journaux citent des colonnes ou des tables qui n'y sont pas ({count} fois), alors que l'image de l'application "
        "est faite pour {recorded} : la table de version ment peut-être. La dernière, de {service} : {last}"),
    "remedy_data_errors_undefined": (
        "ansible-playbook validate.yml; then: ansible-playbook rollback.yml --check",
        "ansible-playbook validate.yml ; puis : ansible-playbook rollback.yml --check"),
    "cause_data_errors_violated": (
        "The logs of {service} name violated constraints {count} time(s) (missing values or references): {last}",
        "Les journaux de {service} citent {count} fois des contraintes violées (valeurs ou références manquantes) : "
        "{last}"),
    "remedy_data_errors_violated": (
        "ansible-playbook validate.yml; then: ansible-playbook rollback.yml --check",
        "ansible-playbook validate.yml ; puis : ansible-playbook rollback.yml --check"),
    "cause_idle_transaction": (
        "pid {pid} (user {user}, application {application}, from {client}) is {state}, in its transaction for "
        "{seconds} s, and holds {locks}: a migration or rollback would wait for it.",
        "Le pid {pid} (utilisateur {user}, application {application}, depuis {client}) est {state}, dans sa "
        "transaction depuis {seconds} s, et tient {locks} : une migration ou un rollback l'attendrait."),
    "remedy_idle_transaction": ("Have its owner end it, or end it: {command}",
                                "Demander à qui l'a ouverte de finir, ou l'arrêter : {command}"),
    "cause_connections": ("{used} of {most} connections are taken.",
                          "{used} connexions sur {most} sont prises."),
    "remedy_connections": ("See by whom: {command}", "Voir par qui : {command}"),
    "cause_connections_said": ("The logs of {service} say {count} time(s) that no connection was left: {last}",
                               "Les journaux de {service} disent {count} fois qu'il ne restait pas de "
                               "connexion : {last}"),
    "remedy_connections_said": ("Lower the application's pool or raise max_connections; who is there: ansible-playbook diagnose.yml",
                                "Réduire le pool de l'application ou augmenter max_connections ; qui est là : "
                                "ansible-playbook diagnose.yml"),
    "cause_memory": ("{service} ({name}) uses {used} MiB of its limit of {limit}.",
                     "{service} ({name}) utilise {used} Mio de sa limite de {limit}."),
    "remedy_memory": ("Raise the service's mem_limit, or start it again: {command}",
                      "Augmenter mem_limit du service, ou le redémarrer : {command}"),
    "cause_long_query": (
        "pid {pid} (user {user}, application {application}) runs one query for {seconds} s: {query}",
        "Le pid {pid} (utilisateur {user}, application {application}) exécute une requête depuis {seconds} s : "
        "{query}"),
    "remedy_long_query": ("See its plan with EXPLAIN, or end it: {command}", "Voir son plan par EXPLAIN, ou l'arrêter : {command}"),
    "cause_statistics": ("These tables were never analyzed, so queries are planned blindly: {tables}",
                         "Ces tables n'ont jamais été analysées, et les requêtes sont planifiées à l'aveugle : {tables}"),
    "remedy_statistics": ("{command}", "{command}"),
}
