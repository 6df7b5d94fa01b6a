# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read, in English and French. A message names the thing, the reason and the way out."""

from __future__ import annotations

from . import (
    _messages_compose,
    _messages_diagnose,
    _messages_fleet,
    _messages_functional,
    _messages_html,
    _messages_keep,
    _messages_ladder,
    _messages_manual,
    _messages_metrics,
    _messages_notify,
    _messages_plan,
    _messages_progress,
    _messages_rehearsal,
    _messages_report,
    _messages_restore,
    _messages_return,
    _messages_scratch,
    _messages_services,
    _messages_swap,
)

LANGUAGES = ("en", "fr")

MESSAGES: dict[str, tuple[str, str]] = {
    **_messages_compose.MESSAGES,
    **_messages_diagnose.MESSAGES,
    **_messages_fleet.MESSAGES,
    **_messages_functional.MESSAGES,
    **_messages_html.MESSAGES,
    **_messages_keep.MESSAGES,
    **_messages_ladder.MESSAGES,
    **_messages_manual.MESSAGES,
    **_messages_metrics.MESSAGES,
    **_messages_notify.MESSAGES,
    **_messages_plan.MESSAGES,
    **_messages_progress.MESSAGES,
    **_messages_rehearsal.MESSAGES,
    **_messages_report.MESSAGES,
    **_messages_restore.MESSAGES,
    **_messages_return.MESSAGES,
    **_messages_scratch.MESSAGES,
    **_messages_services.MESSAGES,
    **_messages_swap.MESSAGES,
    # Getting there
    "client_program_missing": (
        "{program} was not found in {where}. Install PostgreSQL's client programs there, or set rollback_pg_bin_dir.",
        "{program} est introuvable dans {where}. Installez les programmes clients de PostgreSQL, ou renseignez "
        "rollback_pg_bin_dir."),
    "client_too_old": (
        "{client} cannot dump a PostgreSQL {server} server. Set rollback_pg_bin_dir to programs of version {server} or newer.",
        "{client} ne peut pas sauvegarder un serveur PostgreSQL {server}. Pointez rollback_pg_bin_dir vers des programmes "
        "de version {server} ou plus récente."),
    "program_cannot_start": (
        "This program cannot be started: {command}: {error}. Check that the path exists on the managed node.",
        "Ce programme ne peut pas être lancé : {command} : {error}. Vérifiez que le chemin existe sur le serveur géré."),
    "server_unreachable": (
        "Nothing answers at {place}, where database {database} should be: {error}. Start the server or correct "
        "rollback_login_host and rollback_login_port.",
        "Rien ne répond à {place}, où devrait être la base {database} : {error}. Démarrez le serveur, ou corrigez "
        "rollback_login_host et rollback_login_port."),
    "database_refuses": (
        "The server at {place} refuses user {user} on database {database}: {error}. Correct rollback_login_user, "
        "rollback_login_password or rollback_database.",
        "Le serveur {place} refuse l'utilisateur {user} sur la base {database} : {error}. Corrigez rollback_login_user, "
        "rollback_login_password ou rollback_database."),
    "database_error": (
        "The server did not do what it was asked: {error}. See where things stand: ansible-playbook status.yml",
        "Le serveur n'a pas fait ce qui lui était demandé : {error}. Voyez où en sont les choses : ansible-playbook "
        "status.yml"),
    "sslpassword_would_show": (
        "sslpassword in rollback_connect_params would show on a command line. Use a key file without a passphrase, "
        "readable by this user alone.",
        "sslpassword dans rollback_connect_params serait visible sur une ligne de commande. Utilisez une clé sans phrase "
        "secrète, lisible par ce seul utilisateur."),
    "server_too_old": (
        "PostgreSQL {version} lacks what ends work safely; version {minimum} or newer is needed.",
        "PostgreSQL {version} n'a pas de quoi arrêter un travail sûrement ; il faut la version {minimum} ou plus récente."),
    "directory_not_writable": (
        "{path} cannot be written: {error}. Set rollback_state_dir to a directory this user can write, or run with become.",
        "{path} n'est pas accessible en écriture : {error}. Pointez rollback_state_dir vers un dossier accessible, ou "
        "lancez avec become."),
    "directory_not_ours": (
        "{path} is another user's, or everybody may write there. Set rollback_state_dir to a directory of this user's own.",
        "{path} appartient à un autre, ou tout le monde peut y écrire. Pointez rollback_state_dir vers un dossier propre à "
        "cet utilisateur."),
    "disk_too_small": (
        "{path} has {free} bytes free; a backup of about {expected} bytes would eat into the reserve of {reserve}. Free "
        "space, point rollback_state_dir elsewhere, or lower rollback_disk_reserve.",
        "{path} a {free} octets libres ; une sauvegarde d'environ {expected} octets entamerait la réserve de {reserve}. "
        "Libérez de la place, pointez rollback_state_dir ailleurs, ou abaissez rollback_disk_reserve."),
    "reserve_unreadable": (
        "rollback_disk_reserve is {reserve!r}; write bytes (1073741824), a size (2GiB) or a percentage (5%).",
        "rollback_disk_reserve vaut {reserve!r} ; écrivez des octets (1073741824), une taille (2GiB) ou un pourcentage (5%)."),
    "alembic_broken": (
        "Alembic does not work with {config} and {python}: {error}. Try it by hand: {python} -m alembic -c {config} current",
        "Alembic ne fonctionne pas avec {config} et {python} : {error}. Essayez à la main : {python} -m alembic -c {config} "
        "current"),
    "probe_mismatch": (
        "A connection made through env.py is not the one expected: {differences}. The application's URL or connect_args "
        "override it; a migration there could be neither bounded nor stopped. Correct rollback_alembic_environment or env.py.",
        "Une connexion faite par env.py n'est pas celle attendue : {differences}. L'URL ou les connect_args de "
        "l'application l'emportent ; une migration ne pourrait y être ni bornée ni arrêtée. Corrigez "
        "rollback_alembic_environment ou env.py."),
    "cannot_end_migration": (
        "env.py connects as {user}, whose sessions rollback_login_user may not end: a migration that hangs could not be "
        "stopped. Connect as {user}, or: GRANT {user} TO the login role",
        "env.py se connecte en {user}, dont rollback_login_user ne peut pas arrêter les sessions : une migration bloquée ne "
        "pourrait être stoppée. Connectez-vous en {user}, ou : GRANT {user} TO le rôle de connexion"),
    "heads_disagree": (
        "SQL reads the recorded revisions {sql}, Alembic reads {alembic} on database {database}: they do not look at the "
        "same place. Correct rollback_alembic_environment or the rollback_login_ options.",
        "SQL lit les révisions {sql}, Alembic lit {alembic} sur la base {database} : ils ne regardent pas au même endroit. "
        "Corrigez rollback_alembic_environment ou les options rollback_login_."),
    # Revisions
    "revision_unknown": (
        "{role}={revision} does not exist in this history (its heads: {heads}). Use the full id that "
        "'alembic history' prints.",
        "{role}={revision} n'existe pas dans cet historique (têtes : {heads}). Utilisez l'identifiant complet "
        "qu'affiche « alembic history »."),
    "revision_partial": (
        "{role}={revision} is only a part of a revision id; it may mean {candidates}. Give the full id.",
        "{role}={revision} n'est qu'une partie d'identifiant ; cela peut désigner {candidates}. Donnez l'identifiant complet."),
    "target_not_ancestor": (
        "{target} is not below {migration}: going there would not undo it. Its own parent is {parents}; leave "
        "rollback_to_revision empty to go there.",
        "{target} n'est pas sous {migration} : y aller ne l'annulerait pas. Son parent est {parents} ; laissez "
        "rollback_to_revision vide pour y aller."),
    "migration_merges": (
        "{migration} joins several branches ({parents}); set rollback_to_revision to the one to go back to.",
        "{migration} réunit plusieurs branches ({parents}) ; indiquez dans rollback_to_revision celle où revenir."),
    "migration_first": (
        "{migration} is the first revision of its history: there is nothing below it to go back to. Restore a backup instead.",
        "{migration} est la première révision de son historique : il n'y a rien en dessous. Restaurez plutôt une sauvegarde."),
    "nothing_recorded": (
        "The version table is empty or absent: nobody can tell whether {migration} was applied. Find the true revision, "
        "then record it with 'alembic stamp'. {truth}",
        "La table de version est vide ou absente : nul ne peut dire si {migration} a été appliquée. Trouvez la vraie "
        "révision, puis inscrivez-la avec « alembic stamp ». {truth}"),
    "recorded_unknown": (
        "The database records {revisions}, which this Alembic environment does not know (its heads: {heads}). Use the "
        "migrations the database was built with: rollback_alembic_config, or the newer image.",
        "La base porte {revisions}, que cet environnement Alembic ne connaît pas (têtes : {heads}). Utilisez les migrations "
        "qui ont construit la base : rollback_alembic_config, ou l'image plus récente."),
    "heads_overlap": (
        "The database records {lower} and {upper}, of which one stands on the other: a restore over live objects leaves "
        "this. Find which is true and remove the other row by hand before any migration. {truth}",
        "La base porte {lower} et {upper}, dont l'une repose sur l'autre : une restauration par-dessus l'existant laisse "
        "cela. Trouvez la vraie et retirez l'autre ligne à la main avant toute migration. {truth}"),
    "path_ambiguous": (
        "Going from {recorded} down to {target} has no single meaning: {error}. Set rollback_to_revision to the "
        "migration's own parent.",
        "Descendre de {recorded} à {target} n'a pas un sens unique : {error}. Indiquez dans rollback_to_revision le parent "
        "de la migration."),
    "version_contradicts": (
        "By its version table the database is already without {migration}, but its tables say otherwise: {checks}. Either "
        "rows were added since, or the recorded revision is not true. Nothing was changed; look before stamping anything: "
        "ansible-playbook validate.yml",
        "D'après sa table de version la base n'a plus {migration}, mais ses tables disent autre chose : {checks}. Ou des "
        "lignes ont été ajoutées depuis, ou la révision inscrite est fausse. Rien n'a été modifié ; regardez avant tout "
        "« stamp » : ansible-playbook validate.yml"),
    # One run at a time
    "run_in_progress": (
        "Run {run_id} of {owner} is under way on this database since {since} (controller {controller}). Wait for it, or "
        "look: ansible-playbook status.yml",
        "Le run {run_id} de {owner} est en cours sur cette base depuis {since} (contrôleur {controller}). Attendez-le, ou "
        "regardez : ansible-playbook status.yml"),
    "run_owner_unknown": (
        "Run {run_id} of {owner} holds this database since {since}; its controller {controller} cannot be seen from here, "
        "and it last wrote {silent_s} s ago. When you know it is gone: -e rollback_take_over={run_id}",
        "Le run {run_id} de {owner} tient cette base depuis {since} ; son contrôleur {controller} n'est pas visible d'ici et "
        "il a écrit il y a {silent_s} s. Quand vous savez qu'il est mort : -e rollback_take_over={run_id}"),
    "unfinished_run": (
        "Run {run_id} was cut off while it acted on this database, and is not finished. Finish it first, with the same "
        "goal ({goal}): ansible-playbook {playbook}.yml. To leave it as it is: -e rollback_take_over={run_id}",
        "Le run {run_id} a été coupé pendant qu'il agissait sur cette base, et n'est pas terminé. Terminez-le d'abord, avec "
        "le même but ({goal}) : ansible-playbook {playbook}.yml. Pour le laisser tel quel : -e rollback_take_over={run_id}"),
    "lock_lost": (
        "Run {run_id} no longer holds this database: another controller took it over. This one stops without acting.",
        "Le run {run_id} ne tient plus cette base : un autre contrôleur l'a reprise. Celui-ci s'arrête sans agir."),
    "another_run_acting": (
        "Another run is acting on this database: {holder}. Wait for it, or look: ansible-playbook status.yml",
        "Un autre run agit sur cette base : {holder}. Attendez-le, ou regardez : ansible-playbook status.yml"),
    "steps_remain": (
        "What run {run_id} left at work does not end: {pids}. End these processes by hand, then start again.",
        "Ce que le run {run_id} a laissé au travail ne se termine pas : {pids}. Arrêtez ces processus à la main, puis "
        "recommencez."),
    "backends_remain": (
        "These sessions do not end: {pids}. On the server: SELECT pg_terminate_backend(pid)",
        "Ces sessions ne se terminent pas : {pids}. Sur le serveur : SELECT pg_terminate_backend(pid)"),
    # Acting
    "lock_timeout": (
        "The migration waited for a lock {attempts} times and gave up; nothing was changed. In its way: {blockers}. End "
        "that session or wait for it, then start again.",
        "La migration a attendu un verrou {attempts} fois puis a renoncé ; rien n'a été modifié. Bloquée par : {blockers}. "
        "Terminez cette session ou attendez-la, puis recommencez."),
    "migration_failed": (
        "alembic {direction} {revision} failed; the recorded revisions are as before ({heads}). It said: {error}",
        "alembic {direction} {revision} a échoué ; les révisions inscrites sont comme avant ({heads}). Il a dit : {error}"),
    "migration_ended": (
        "alembic {direction} {revision} was ended: it took longer than {limit} s; the recorded revisions are as before ({heads}). Raise "
        "rollback_alembic_timeout if it needs longer.",
        "alembic {direction} {revision} a été arrêté : il a dépassé {limit} s ; les révisions inscrites sont comme avant ({heads}). "
        "Augmentez rollback_alembic_timeout s'il lui faut plus de temps."),
    "moved_part_way": (
        "The migration stopped part of the way: {before} became {after}. Do not run it again before looking: "
        "ansible-playbook status.yml",
        "La migration s'est arrêtée en chemin : {before} est devenu {after}. Ne la relancez pas avant d'avoir regardé : "
        "ansible-playbook status.yml"),
    "moved_but_failed": (
        "alembic {direction} {revision} reached its goal ({after}) and then failed: {error}. Look before anything else: "
        "ansible-playbook status.yml",
        "alembic {direction} {revision} a atteint son but ({after}) puis a échoué : {error}. Regardez avant toute autre "
        "chose : ansible-playbook status.yml"),
    "heads_not_predicted": (
        "alembic {direction} {revision} ended with status 0, but the database records {after} instead of {predicted}. "
        "Look before anything else: ansible-playbook status.yml",
        "alembic {direction} {revision} a rendu 0, mais la base porte {after} au lieu de {predicted}. Regardez avant toute "
        "autre chose : ansible-playbook status.yml"),
    "not_above": (
        "{revision} is not below the recorded revisions {recorded}: alembic {direction} has nothing to do there. "
        "See the history: alembic history",
        "{revision} n'est pas en dessous des révisions inscrites {recorded} : alembic {direction} n'y a rien à faire. "
        "Voyez l'historique : alembic history"),
    "backup_failed": (
        "The backup failed while writing {file}: {error}. Nothing of it was kept, and no earlier backup was touched.",
        "La sauvegarde a échoué en écrivant {file} : {error}. Rien n'en a été gardé, aucune autre n'a été touchée."),
    "backup_disk_reserve": (
        "The backup was ended while writing {file}: it was eating into the reserve of {reserve} bytes. Nothing of it was "
        "kept, and no earlier backup was touched. Free space, or point rollback_state_dir elsewhere.",
        "La sauvegarde a été arrêtée en écrivant {file} : elle entamait la réserve de {reserve} octets. Rien n'en a été "
        "gardé, aucune autre n'a été touchée. Libérez de la place, ou pointez rollback_state_dir ailleurs."),
    "backup_timeout": (
        "The backup was ended while writing {file}: it took longer than {limit} s. Nothing of it was kept, and no earlier "
        "backup was touched. Raise rollback_backup_timeout.",
        "La sauvegarde a été arrêtée en écrivant {file} : elle a dépassé {limit} s. Rien n'en a été gardé, aucune autre n'a "
        "été touchée. Augmentez rollback_backup_timeout."),
    "backup_not_whole": (
        "{file} was written but does not read back whole: {error}. Nothing of it was kept; check the disk and start again.",
        "{file} a été écrit mais ne se relit pas en entier : {error}. Rien n'en a été gardé ; vérifiez le disque et "
        "recommencez."),
    "backup_cut_short": (
        "{file} was written but its closing line is missing: the dump was cut short. Nothing of it was kept; check the "
        "disk and start again.",
        "{file} a été écrit mais sa dernière ligne manque : la sauvegarde a été coupée. Rien n'en a été gardé ; vérifiez "
        "le disque et recommencez."),
    "table_absent": (
        "Table {table} does not exist in database {database}. Correct rollback_migration_tables, or "
        "rollback_backup_tables.",
        "La table {table} n'existe pas dans la base {database}. Corrigez rollback_migration_tables, "
        "ou rollback_backup_tables."),
    "table_unreadable": (
        "{table} could not be read: {error}. rollback_login_user has to read every table, and nobody may hold it locked.",
        "{table} n'a pas pu être lue : {error}. rollback_login_user doit pouvoir lire chaque table, et nul ne doit la tenir "
        "verrouillée."),
    "count_failed": (
        "Counting {table} with the filter {filter} failed: {error}. Write every name of the filter with its schema "
        "(public.dom_category).",
        "Le comptage de {table} avec le filtre {filter} a échoué : {error}. Écrivez chaque nom du filtre avec son schéma "
        "(public.dom_category)."),
    "baseline_missing": (
        "{path} holds no evidence to compare with. Take it first, or drop 'unchanged' from the checks.",
        "{path} ne contient aucune mesure à comparer. Prenez-la d'abord, ou retirez « unchanged » des contrôles."),
    "checks_share_id": (
        "Several of rollback_checks have the id {ids}. Give each its own.",
        "Plusieurs des rollback_checks ont l'identifiant {ids}. Donnez à chacun le sien."),
    "interrupted": (
        "Stopped by signal {signal}; the work under way was ended first.",
        "Arrêté par le signal {signal} ; le travail en cours a d'abord été terminé."),
    # What the operator reads before and between the phases
    "notice_resumed": (
        "Run {run_id} was cut off at: {steps}. Still at work and ended now: {ended}. It goes on from the true state of "
        "the database.",
        "Le run {run_id} a été coupé à : {steps}. Encore au travail, arrêté maintenant : {ended}. Il reprend d'après "
        "l'état réel de la base."),
    "notice_cut_off": (
        "Run {run_id} was cut off at: {steps}. Still at work and ended now: {ended}. It wanted something else; this is "
        "a new run.",
        "Le run {run_id} a été coupé à : {steps}. Encore au travail, arrêté maintenant : {ended}. Il voulait autre "
        "chose ; ceci est un nouveau run."),
    "plan_where": (
        "Database {database} records {from_heads}; afterwards {to_heads}.",
        "La base {database} est à la révision {from_heads} ; après le rollback : {to_heads}."),
    "plan_step": ("undoes {revision}: {message} (its downgrade: {downgrade})",
                  "annule {revision} : {message} (son downgrade : {downgrade})"),
    "plan_purpose": ("{table} holds {rows} rows and may differ afterwards: it is one of rollback_migration_tables",
                     "{table} a {rows} lignes et peut changer : elle est dans rollback_migration_tables"),
    "plan_absent": ("attention: check {check} looks at table {table}, which is not there now",
                    "attention : le contrôle {check} porte sur la table {table}, qui n'existe pas actuellement"),
    "plan_nothing": ("Nothing to undo: {migration} is not applied.", "Rien à annuler : {migration} n'est pas appliquée."),
    "plan_finishing": ("The goal was reached before the run was cut off; what is left is to validate.",
                       "Le but était atteint avant la coupure du run ; il reste à valider."),
    "unconfirmed": (
        "Not confirmed. Give the database's name: -e rollback_confirm={database}",
        "Non confirmé. Donnez le nom de la base : -e rollback_confirm={database}"),
    "cut_left_traces": (
        "The run was cut off while it acted, and the database is not as it was measured before that: {changes}. Nothing was "
        "done since. If the application wrote this itself, start again: ansible-playbook rollback.yml; if not, the backup "
        "from before the cut has the rows: ansible-playbook status.yml",
        "Le run a été coupé pendant qu'il agissait, et la base n'est plus comme mesurée avant cela : {changes}. Rien n'a été "
        "fait depuis. Si l'application l'a écrit elle-même, recommencez : ansible-playbook rollback.yml ; sinon, la "
        "sauvegarde d'avant la coupure a les lignes : ansible-playbook status.yml"),
    "written_since_backup": (
        "Since the backup was taken somebody wrote to tables that the rollback changes: {changes}. What was written would be "
        "in no backup. Nothing was changed; stop what writes to them, then start again.",
        "Depuis la sauvegarde quelqu'un a écrit dans des tables que le rollback modifie : {changes}. Ces écritures ne "
        "seraient dans aucune sauvegarde. Rien n'a été modifié ; arrêtez ce qui y écrit, puis recommencez."),
    "moved_since_plan": (
        "The recorded revisions are now {heads}: somebody else moved the database since the plan. Nothing was changed; "
        "start again.",
        "Les révisions inscrites sont maintenant {heads} : quelqu'un d'autre a déplacé la base depuis le plan. Rien n'a été "
        "modifié ; recommencez."),
    "not_valid": ("The database is not as it should be: {failed}", "La base n'est pas comme elle devrait être : {failed}"),
}


def say(language: str, key: str, **facts: object) -> str:
    """Return a message in a language; English where the language has none."""
    texts = MESSAGES[key]
    return texts[LANGUAGES.index(language) if language in LANGUAGES else 0].format(**facts)
