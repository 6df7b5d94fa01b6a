# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of what is restored, and from what, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    # What a file is
    "source_absent": (
        "There is no backup {wanted}. List what there is: ls {directory}",
        "Il n'y a pas de sauvegarde {wanted}. Pour voir celles qu'il y a : ls {directory}"),
    "source_no_latest": (
        "There is no good backup of the whole database {database} in {directory}. Name a file instead: "
        "-e restore_backup=PATH",
        "Il n'y a pas de bonne sauvegarde de toute la base {database} dans {directory}. Nommez un fichier : "
        "-e restore_backup=CHEMIN"),
    "source_unreadable": (
        "{path} cannot be read: {error}. Correct its owner and mode (ls -l), or name another backup.",
        "{path} ne peut pas être lu : {error}. Corrigez son propriétaire et ses droits (ls -l), ou nommez une autre "
        "sauvegarde."),
    "source_empty": (
        "{path} is empty: 0 bytes. The dump that should have filled it failed (without a terminal, docker compose exec "
        "needs -T). Name another backup.",
        "{path} est vide : 0 octet. La sauvegarde qui devait le remplir a échoué (sans terminal, docker compose exec "
        "demande -T). Nommez une autre sauvegarde."),
    "source_incomplete": (
        "{path} is what a backup that was cut off left. Name another backup.",
        "{path} est le reste d'une sauvegarde coupée. Nommez une autre sauvegarde."),
    "source_truncated": (
        "{path} is cut short or damaged: {error}. Name another backup, or copy this one again from where it came.",
        "{path} est tronqué ou abîmé : {error}. Nommez une autre sauvegarde, ou recopiez celle-ci depuis son origine."),
    "source_damaged": (
        "{path} is not as it was written: {damage}. Name another backup, or copy this one again from where it came.",
        "{path} n'est plus tel qu'il a été écrit : {damage}. Nommez une autre sauvegarde, ou recopiez celle-ci depuis son "
        "origine."),
    "source_foreign": (
        "{path} is no dump of a PostgreSQL database. What it is: file {path}",
        "{path} n'est pas une sauvegarde d'une base PostgreSQL. Ce que c'est : file {path}"),
    "source_cluster": (
        "{path} is a dump of a whole server, roles included (pg_dumpall). Load it into a scratch server, then dump the one "
        "database there: pg_dump -Fc -f ONE.dump DATABASE",
        "{path} est la sauvegarde d'un serveur entier, rôles compris (pg_dumpall). Chargez-la dans un serveur jetable, puis "
        "sauvegardez-y la seule base : pg_dump -Fc -f UNE.dump BASE"),
    "source_creates": (
        "{path}, line {line}: this dump creates a database and connects to it (pg_dump --create), and would leave the one "
        "it is loaded into. Dump again without --create, or take out the lines CREATE DATABASE, ALTER DATABASE and "
        "\\connect.",
        "{path}, ligne {line} : cette sauvegarde crée une base et s'y connecte (pg_dump --create), et quitterait celle où on "
        "la charge. Refaites-la sans --create, ou ôtez les lignes CREATE DATABASE, ALTER DATABASE et \\connect."),
    "source_command": (
        "{path}, line {line}: psql would not send this to the database but do it itself: {text}. No pg_dump writes such a "
        "line; look at it: sed -n {line}p {path}",
        "{path}, ligne {line} : psql n'enverrait pas ceci à la base mais l'exécuterait lui-même : {text}. Aucun pg_dump "
        "n'écrit une telle ligne ; regardez-la : sed -n {line}p {path}"),
    "source_packed": (
        "{path} is packed with {packed}, which is not read here. Unpack it first: {command}",
        "{path} est compressé par {packed}, qui n'est pas lu ici. Décompressez-le d'abord : {command}"),
    "source_utf16": (
        "{path} is in UTF-16, as a PowerShell writes what it redirects. Convert it: {command} > CONVERTED.sql",
        "{path} est en UTF-16, comme l'écrit une redirection de PowerShell. Convertissez-le : {command} > CONVERTI.sql"),
    "source_no_tables": (
        "{path} creates no table: it holds rows alone, or nothing. Dump again without --data-only.",
        "{path} ne crée aucune table : il ne contient que des lignes, ou rien. Refaites la sauvegarde sans --data-only."),
    "source_no_rows": (
        "{path} holds tables without their rows (pg_dump --schema-only). Name a backup with rows.",
        "{path} contient des tables sans leurs lignes (pg_dump --schema-only). Nommez une sauvegarde qui a les lignes."),
    "source_newer": (
        "{path} comes from a newer PostgreSQL than what would read it: {error}. Restore it on a server of that version, or "
        "set rollback_pg_bin_dir to newer client programs.",
        "{path} vient d'un PostgreSQL plus récent que ce qui le lirait : {error}. Restaurez-le sur un serveur de cette "
        "version, ou pointez rollback_pg_bin_dir vers des programmes clients plus récents."),
    "source_no_room": (
        "{path} cannot be unpacked in {directory}: {free} bytes are free there, and the reserve has to stay free. Make room "
        "(df -h {directory}).",
        "{path} ne peut pas être décompressé dans {directory} : {free} octets y sont libres, et la réserve doit le rester. "
        "Faites de la place (df -h {directory})."),
    # Is it fit for this database
    "source_unverified": (
        "{path} has no manifest: nothing says what it should hold, so it can be loaded and measured, not compared. To "
        "accept that: -e rollback_accept={id}",
        "{path} n'a pas de manifeste : rien ne dit ce qu'il devrait contenir ; il peut être chargé et mesuré, pas comparé. "
        "Pour l'accepter : -e rollback_accept={id}"),
    "source_of_another": (
        "{path} is a backup of database {of}, not of {database}. If that is meant: -e rollback_accept={id}",
        "{path} est une sauvegarde de la base {of}, pas de {database}. Si c'est voulu : -e rollback_accept={id}"),
    "source_heads": (
        "{path} records the revisions {heads}, and only {wanted} will do. Name a backup of those.",
        "{path} inscrit les révisions {heads}, et seules {wanted} conviennent. Nommez une sauvegarde de celles-là."),
    "source_roles": (
        "{path} gives objects or rights to roles this server has not: {roles}. Create them (CREATE ROLE), or leave owners "
        "and rights to whoever restores: no_owner=true.",
        "{path} donne des objets ou des droits à des rôles que ce serveur n'a pas : {roles}. Créez-les (CREATE ROLE), ou "
        "laissez propriétaires et droits à qui restaure : no_owner=true."),
    "source_plain_owners": (
        "{path} is a plain dump that names roles this server has not: {roles}. From plain text owners cannot be left out: "
        "create the roles (CREATE ROLE), or dump again with --no-owner --no-privileges.",
        "{path} est une sauvegarde en texte qui nomme des rôles que ce serveur n'a pas : {roles}. D'un texte on ne peut pas "
        "ôter les propriétaires : créez les rôles (CREATE ROLE), ou refaites-la avec --no-owner --no-privileges."),
    "source_not_member": (
        "{path} gives objects to roles that {user} is no member of: {roles}. Restore as a role that is (GRANT ROLE TO "
        "{user}), or leave owners to whoever restores: no_owner=true.",
        "{path} donne des objets à des rôles dont {user} n'est pas membre : {roles}. Restaurez avec un rôle qui l'est (GRANT "
        "RÔLE TO {user}), ou laissez les propriétaires à qui restaure : no_owner=true."),
    "source_extensions": (
        "{path} needs extensions this server has not: {extensions}. Install their packages on the server.",
        "{path} demande des extensions que ce serveur n'a pas : {extensions}. Installez leurs paquets sur le serveur."),
    "source_extensions_superuser": (
        "{path} needs extensions that only a superuser may create, and {user} is none: {extensions}. Restore as a superuser: "
        "set rollback_login_user.",
        "{path} demande des extensions que seul un superutilisateur peut créer, et {user} n'en est pas un : {extensions}. "
        "Restaurez en superutilisateur : renseignez rollback_login_user."),
    "source_tables_only": (
        "{path} holds only the tables {tables}, not the whole database. Restore these tables alone (table_restore), or name "
        "a backup of the whole.",
        "{path} ne contient que les tables {tables}, pas toute la base. Restaurez ces seules tables (table_restore), ou "
        "nommez une sauvegarde de l'ensemble."),
    # Beside the live database
    "beside_not_created": (
        "The new database could not be created: {error}. What was asked: {command}",
        "La nouvelle base n'a pas pu être créée : {error}. Ce qui était demandé : {command}"),
    "beside_disk_small": (
        "Loading {path} needs about {expected} bytes in {directory}, where {free} are free and {reserve} have to stay free. "
        "Make room (df -h {directory}), or lower rollback_disk_reserve.",
        "Charger {path} demande environ {expected} octets dans {directory}, où {free} sont libres et {reserve} doivent le "
        "rester. Faites de la place (df -h {directory}), ou baissez rollback_disk_reserve."),
    "beside_disk_reserve": (
        "Loading {path} was ended: it would have eaten into the reserve of {reserve} on {directory}. Make room (df -h "
        "{directory}). The live database was not touched.",
        "Le chargement de {path} a été arrêté : il aurait entamé la réserve de {reserve} sur {directory}. Faites de la place "
        "(df -h {directory}). La base en service n'a pas été touchée."),
    "beside_disk_unseen": (
        "The server's disk cannot be seen from here: nobody has checked that there is room.",
        "Le disque du serveur n'est pas visible d'ici : personne n'a vérifié qu'il y a de la place."),
    "beside_not_loaded": (
        "{path} could not be loaded: {error}. The live database was not touched. Correct what the error names, or name "
        "another backup.",
        "{path} n'a pas pu être chargé : {error}. La base en service n'a pas été touchée. Corrigez ce que nomme l'erreur, "
        "ou nommez une autre sauvegarde."),
    "beside_not_self_contained": (
        "{path} holds single tables and needs what is not in it: {error}. Name a backup of the whole database; its tables "
        "can be restored alone as well.",
        "{path} ne contient que des tables isolées et demande ce qu'il n'a pas : {error}. Nommez une sauvegarde de toute la "
        "base ; ses tables peuvent aussi être restaurées seules."),
    "beside_not_valid": (
        "{path} was loaded, but these are not valid: {names}. Name another backup.",
        "{path} a été chargé, mais ceci n'est pas valide : {names}. Nommez une autre sauvegarde."),
    "beside_lacks_tables": (
        "{path} records the same revisions as the live database, but lacks its tables {tables}: it does not hold the "
        "whole. Name another backup.",
        "{path} inscrit les mêmes révisions que la base en service, mais il lui manque les tables {tables} : il n'est pas "
        "complet. Nommez une autre sauvegarde."),
    "beside_differs": (
        "{path} was loaded, but it is not what its manifest tells: {differences}. Name another backup.",
        "{path} a été chargé, mais ce n'est pas ce que dit son manifeste : {differences}. Nommez une autre sauvegarde."),
    "beside_left": (
        "{name} could not be dropped: {error}. Drop it when it is free: dropdb {name}",
        "{name} n'a pas pu être supprimée : {error}. Supprimez-la quand elle est libre : dropdb {name}"),
    # Rows of named tables
    "rows_version_table": (
        "{table} records the revisions: restored alone, it would tell what the schema is not. Take it out of the list.",
        "{table} inscrit les révisions : restaurée seule, elle dirait ce que le schéma n'est pas. Retirez-la de la liste."),
    "rows_not_in_backup": (
        "The backup has no table {table}. Take it out of the list, or name another backup.",
        "La sauvegarde n'a pas de table {table}. Retirez-la de la liste, ou nommez une autre sauvegarde."),
    "rows_structure": (
        "Table {table} has other columns in the backup. Lacking there: {lacking}. Only there: {more}. Of another type "
        "(backup / now): {other}. Name a backup of the same revision.",
        "La table {table} a d'autres colonnes dans la sauvegarde. Absentes là-bas : {lacking}. Seulement là-bas : {more}. "
        "D'un autre type (sauvegarde / maintenant) : {other}. Nommez une sauvegarde de la même révision."),
    "rows_no_key": (
        "Table {table} has no primary key: nobody can say which of its rows are missing. Use mode=replace.",
        "La table {table} n'a pas de clé primaire : personne ne peut dire quelles lignes manquent. Utilisez mode=replace."),
    "rows_not_read": (
        "The rows of {table} could not be read from the backup: {error}. Nothing was changed; start again.",
        "Les lignes de {table} n'ont pas pu être lues de la sauvegarde : {error}. Rien n'a été modifié ; recommencez."),
    "rows_not_taken": (
        "The rows of {table} do not fit into the live database: {error}. Nothing was changed. Name a backup of the same "
        "revision.",
        "Les lignes de {table} n'entrent pas dans la base en service : {error}. Rien n'a été modifié. Nommez une sauvegarde "
        "de la même révision."),
    "rows_locked": (
        "The tables {tables} could not be locked in time, they are used by {sessions}. Nothing was changed. Stop what uses "
        "them, then start again.",
        "Les tables {tables} n'ont pas pu être verrouillées à temps, elles sont utilisées par {sessions}. Rien n'a été "
        "modifié. Arrêtez ce qui les utilise, puis recommencez."),
    "rows_referenced": (
        "{rows} rows of {by} refer (constraint {constraint}) to rows of {table} that the backup has not. Nothing was "
        "changed. Restore {by} as well, or only what is missing: mode=missing.",
        "{rows} lignes de {by} renvoient (contrainte {constraint}) à des lignes de {table} que la sauvegarde n'a pas. Rien "
        "n'a été modifié. Restaurez aussi {by}, ou seulement ce qui manque : mode=missing."),
    "rows_without_parent": (
        "{rows} rows of {table} in the backup refer (constraint {constraint}) to rows of {to} that are not there now. "
        "Nothing was changed. Restore {to} as well.",
        "{rows} lignes de {table} dans la sauvegarde renvoient (contrainte {constraint}) à des lignes de {to} qui n'existent "
        "pas. Rien n'a été modifié. Restaurez aussi {to}."),
    "rows_stopped": (
        "Constraint {constraint} of {table} forbids it: {error}. Nothing was changed. Look at these rows, or restore the "
        "tables they refer to as well.",
        "La contrainte {constraint} de {table} l'interdit : {error}. Rien n'a été modifié. Regardez ces lignes, ou restaurez "
        "aussi les tables auxquelles elles renvoient."),
    "rows_refused": (
        "The server did not allow the rows of {tables} to be put in place: {error}. Nothing was changed. Correct what the "
        "error names; the tables' owner may do it.",
        "Le serveur n'a pas permis de mettre en place les lignes de {tables} : {error}. Rien n'a été modifié. Corrigez ce "
        "que nomme l'erreur ; le propriétaire des tables en a le droit."),
    "rows_not_same": (
        "Table {table} would not have been what the backup holds: {rows} rows, {expected} in the backup. Nothing was "
        "changed. Look for rules and policies on the table (psql: \\d+ {table}).",
        "La table {table} n'aurait pas été ce que contient la sauvegarde : {rows} lignes, {expected} dans la sauvegarde. "
        "Rien n'a été modifié. Cherchez des règles ou politiques sur la table (psql : \\d+ {table})."),
    "rows_structure_moved": (
        "The structure of {tables} would not have come out as it was. Nothing was changed. Restore the whole database "
        "instead.",
        "La structure de {tables} ne serait pas restée la même. Rien n'a été modifié. Restaurez plutôt toute la base."),
}
