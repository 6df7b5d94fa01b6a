# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of databases copied, swapped and kept, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    # Rights
    "maintenance_unreachable": (
        "User {user} can enter neither of the databases {names}: {error}. A database is renamed and copied from another "
        "one. As a superuser: GRANT CONNECT ON DATABASE postgres TO the role, and let pg_hba.conf admit it there.",
        "L'utilisateur {user} ne peut entrer dans aucune des bases {names} : {error}. Une base se renomme et se copie "
        "depuis une autre. En superutilisateur : GRANT CONNECT ON DATABASE postgres TO le rôle, et admettez-le dans "
        "pg_hba.conf."),
    "swap_database_absent": (
        "There is no database {name} on this server. See which there are: ansible-playbook status.yml",
        "Il n'y a pas de base {name} sur ce serveur. Voyez lesquelles existent : ansible-playbook status.yml"),
    "swap_needs_createdb": (
        "User {user} lacks CREATEDB, without which database {database} can be neither renamed nor copied. As a superuser: "
        "ALTER ROLE {user} CREATEDB",
        "L'utilisateur {user} n'a pas CREATEDB, sans quoi la base {database} ne peut être ni renommée ni copiée. En "
        "superutilisateur : ALTER ROLE {user} CREATEDB"),
    "swap_needs_ownership": (
        "Database {database} belongs to {owner}; user {user} can neither rename nor copy it. Connect as {owner}, or as a "
        "superuser: GRANT {owner} TO {user}",
        "La base {database} appartient à {owner} ; l'utilisateur {user} ne peut ni la renommer ni la copier. "
        "Connectez-vous en {owner}, ou en superutilisateur : GRANT {owner} TO {user}"),
    "swap_needs_roles": (
        "Owner and grants of database {database} come from {roles}, whose place user {user} may not take: another "
        "database could not be given them. As a superuser, for each: GRANT role TO {user}, or connect as a superuser.",
        "Le propriétaire et les droits de la base {database} viennent de {roles}, dont l'utilisateur {user} ne peut "
        "prendre la place : une autre base ne pourrait les recevoir. En superutilisateur, pour chacun : GRANT rôle TO "
        "{user}, ou connectez-vous en superutilisateur."),
    "swap_cannot_end": (
        "User {user} may not end these sessions on database {database}: {sessions}. Ask their owners to leave, or as a "
        "superuser: GRANT pg_signal_backend TO {user}",
        "L'utilisateur {user} ne peut pas terminer ces sessions sur la base {database} : {sessions}. Demandez à leurs "
        "propriétaires de sortir, ou en superutilisateur : GRANT pg_signal_backend TO {user}"),
    "swap_prepared": (
        "Database {database} holds prepared transactions: {names}. Finish each there: COMMIT PREPARED or ROLLBACK "
        "PREPARED.",
        "La base {database} porte des transactions préparées : {names}. Terminez-les là : COMMIT PREPARED ou ROLLBACK "
        "PREPARED."),
    "swap_slots": (
        "Logical replication slots belong to database {database} and would stay with the replaced one: {names}. Stop what "
        "reads them, then: SELECT pg_drop_replication_slot('name')",
        "Des slots de réplication logique appartiennent à la base {database} et resteraient à celle qu'on remplace : "
        "{names}. Arrêtez ce qui les lit, puis : SELECT pg_drop_replication_slot('nom')"),
    "swap_subscribed": (
        "Subscriptions belong to database {database} and would stay with the replaced one: {names}. There: ALTER "
        "SUBSCRIPTION name DISABLE, then DROP SUBSCRIPTION name",
        "Des abonnements appartiennent à la base {database} et resteraient à celle qu'on remplace : {names}. Là : ALTER "
        "SUBSCRIPTION nom DISABLE, puis DROP SUBSCRIPTION nom"),
    "dress_impossible": (
        "Database {name} cannot be given what the live one has: {statement}: {error}. Nothing was replaced. Let a "
        "superuser run the statement, or connect as one.",
        "La base {name} ne peut recevoir ce qu'a celle en service : {statement} : {error}. Rien n'a été remplacé. Faites "
        "exécuter l'instruction par un superutilisateur, ou connectez-vous ainsi."),
    "dress_grants_differ": (
        "The grants of database {name} do not become those of {live}; nothing was replaced. Compare them in psql: \\l",
        "Les droits de la base {name} ne deviennent pas ceux de {live} ; rien n'a été remplacé. Comparez-les dans psql : "
        "\\l"),
    # Databases of ours
    "beside_not_ours": (
        "Database {name} does not bear this collection's comment: it is left alone. Look at it in psql: \\l+ \"{name}\"",
        "La base {name} ne porte pas le commentaire de cette collection : elle est laissée telle quelle. Voyez-la dans "
        "psql : \\l+ \"{name}\""),
    "beside_of_another": (
        "Database {name} was made of {of}, not of {database}. Name one that belongs to {database}: ansible-playbook "
        "status.yml",
        "La base {name} a été faite de {of}, pas de {database}. Nommez-en une de {database} : ansible-playbook status.yml"),
    "beside_unproved": (
        "Copy {name} was never compared with what was measured before: it cannot take the live database's place. Load a "
        "backup instead: rollback_strategy=restore",
        "La copie {name} n'a jamais été comparée à ce qui a été mesuré avant : elle ne peut remplacer la base en service. "
        "Chargez plutôt une sauvegarde : rollback_strategy=restore"),
    "beside_renamed": (
        "Database {name} was {was}, made of {of}, and somebody renamed it: it is left alone. Drop it yourself when nobody "
        "needs it: DROP DATABASE \"{name}\"",
        "La base {name} était {was}, faite de {of}, et quelqu'un l'a renommée : elle est laissée telle quelle. "
        "Supprimez-la vous-même quand plus personne n'en a besoin : DROP DATABASE \"{name}\""),
    "beside_in_use": (
        "Database {name} is in use and is left alone: {sessions}. Ask them to leave, then start again.",
        "La base {name} est utilisée et laissée telle quelle : {sessions}. Demandez-leur de sortir, puis recommencez."),
    # Swapping
    "swap_heads_before": (
        "Database {name} records {heads}, not {wanted}: it does not take the live one's place. Choose another backup: "
        "ansible-playbook status.yml",
        "La base {name} porte {heads}, et non {wanted} : elle ne remplace pas celle en service. Choisissez une autre "
        "sauvegarde : ansible-playbook status.yml"),
    "swap_not_free": (
        "Nothing was renamed, {database} is the same database as before: it did not come free in {limit:g} s ({error}). "
        "Still there: {sessions}. Stop what connects, then start again.",
        "Rien n'a été renommé, {database} est la même base qu'avant : elle ne s'est pas libérée en {limit:g} s ({error}). "
        "Encore là : {sessions}. Arrêtez ce qui se connecte, puis recommencez."),
    "swap_failed": (
        "{replacement} did not take the place of {database}: {error}. Under that name is the database with oid {oid}, as "
        "before. See where things stand: ansible-playbook status.yml",
        "{replacement} n'a pas pris la place de {database} : {error}. Sous ce nom se trouve la base d'oid {oid}, comme "
        "avant. Voyez où en sont les choses : ansible-playbook status.yml"),
    "swap_other_there": (
        "{replacement} was put in the place of {database}, the replaced one is kept as {kept}, but the name now leads to "
        "the database with oid {oid}, or nobody may connect: somebody else is renaming. See: ansible-playbook status.yml",
        "{replacement} a pris la place de {database}, la remplacée est gardée sous {kept}, mais le nom mène maintenant à "
        "la base d'oid {oid}, ou nul ne peut s'y connecter : quelqu'un d'autre renomme. Voyez : ansible-playbook "
        "status.yml"),
    "swap_uncertain": (
        "Nobody can tell which database is under the name {database} now: the server at {place} no longer answers "
        "({error}). When it does: ansible-playbook status.yml",
        "Nul ne peut dire quelle base porte maintenant le nom {database} : le serveur {place} ne répond plus ({error}). "
        "Quand il répondra : ansible-playbook status.yml"),
    "swap_heads_after": (
        "{replacement} is now under the name {database} and records {heads}, not {wanted}; the replaced one is kept as "
        "{kept}. See: ansible-playbook status.yml",
        "{replacement} porte maintenant le nom {database} et enregistre {heads}, et non {wanted} ; la remplacée est "
        "gardée sous {kept}. Voyez : ansible-playbook status.yml"),
    # Copying
    "copy_never": (
        "no copy is wanted (rollback_safety_copy=never)",
        "aucune copie n'est voulue (rollback_safety_copy=never)"),
    "copy_too_large": (
        "database {database} has {bytes} bytes, and a copy is only made up to {limit}. Raise "
        "rollback_safety_copy_max_bytes to have one.",
        "la base {database} fait {bytes} octets, et une copie n'est faite que jusqu'à {limit}. Augmentez "
        "rollback_safety_copy_max_bytes pour en avoir une."),
    "copy_no_room": (
        "{path} has {free} bytes free; a copy of {bytes} bytes would eat into the reserve of {reserve}. Free space there, "
        "or lower rollback_disk_reserve.",
        "{path} a {free} octets libres ; une copie de {bytes} octets entamerait la réserve de {reserve}. Libérez-y de la "
        "place, ou abaissez rollback_disk_reserve."),
    "copy_room_unknown": (
        "the free space where the server keeps database {database} cannot be seen from here. Look there, then: "
        "rollback_safety_copy=always",
        "l'espace libre là où le serveur garde la base {database} n'est pas visible d'ici. Regardez sur place, puis : "
        "rollback_safety_copy=always"),
    "copy_timeout": (
        "the copy of database {database} took longer than {limit:g} s and was dropped. Raise rollback_backup_timeout if "
        "it needs longer.",
        "la copie de la base {database} a dépassé {limit:g} s et a été supprimée. Augmentez rollback_backup_timeout s'il "
        "lui faut plus."),
    "copy_failed": (
        "database {database} could not be copied: {error}. Nothing of the copy is left. See the server's log, or go on "
        "without: rollback_safety_copy=never",
        "la base {database} n'a pas pu être copiée : {error}. Rien ne reste de la copie. Voyez le journal du serveur, ou "
        "continuez sans : rollback_safety_copy=never"),
    "copy_differs": (
        "the copy of database {database} is not what was measured before: {changes}. It was dropped. Somebody is writing: "
        "stop that, then start again.",
        "la copie de la base {database} n'est pas ce qui a été mesuré avant : {changes}. Elle a été supprimée. Quelqu'un "
        "écrit : arrêtez cela, puis recommencez."),
}
