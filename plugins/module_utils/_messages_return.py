# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of going back to a backup or a kept database, and of migrating again, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    # Losses
    "loss_unverified_backup": (
        "{because} has no manifest: what it holds can be compared with nothing",
        "{because} n'a pas de manifeste : son contenu ne peut être comparé à rien"),
    "loss_other_database": (
        "the backup is of database {object}, not of this one",
        "la sauvegarde est celle de la base {object}, pas de celle-ci"),
    "loss_no_downgrade": (
        "the migration cannot be undone again by Alembic: {because}",
        "la migration ne pourra plus être annulée par Alembic : {because}"),
    # The plan of a return
    "return_where": (
        "Database {database} records {from_heads}; {name} ({kind}) records {to_heads}.",
        "La base {database} est à la révision {from_heads} ; {name} ({kind}) est à {to_heads}."),
    "return_kind_backup": ("backup", "sauvegarde"),
    "return_kind_file": ("file", "fichier"),
    "return_kind_database": ("kept database", "base gardée"),
    "return_not_loaded": ("not known before it is loaded", "inconnu avant chargement"),
    "return_made": (
        "Made {at} ({hours} h ago), {bytes} bytes; restored and compared before: {proved}.",
        "Faite le {at} (il y a {hours} h), {bytes} octets ; déjà restaurée et comparée : {proved}."),
    "return_size": ("{bytes} bytes, of unknown age.", "{bytes} octets, d'âge inconnu."),
    "return_tables": ("Only these tables come back: {tables}.", "Seules ces tables reviennent : {tables}."),
    "return_head": ("Table | Rows now | Rows there", "Table | Lignes maintenant | Lignes là-bas"),
    "return_row": ("{table} | {now} | {there}", "{table} | {now} | {there}"),
    "return_more": ("... and {number} more tables", "... et {number} autres tables"),
    "return_loses": ("What would be lost:", "Ce qui serait perdu :"),
    "return_loses_nothing": (
        "Nothing was written to the database since.", "Rien n'a été écrit dans la base depuis."),
    "return_counted_later": (
        "What was written since it was made is counted once it is loaded beside the database, before anything is stopped.",
        "Ce qui a été écrit depuis est compté une fois le fichier chargé à côté de la base, avant tout arrêt."),
    "return_no_history": (
        "attention: the history could not be read ({why}); revisions are told by their ids alone",
        "attention : l'historique n'a pas pu être lu ({why}) ; les révisions ne sont connues que par leur identifiant"),
    "return_already": (
        "Nothing to do: run {run_id} has put it back. To return to what it replaced: -e undo_database={kept}",
        "Rien à faire : le run {run_id} l'a remise en place. Pour revenir à ce qu'il a remplacé : -e undo_database={kept}"),
    "return_unproved": (
        "{name} was never proved to hold what it should, or somebody renamed it. Name another: -e restore_backup=latest",
        "Rien ne prouve que {name} contient ce qu'elle doit, ou quelqu'un l'a renommée. Nommez-en une autre : "
        "-e restore_backup=latest"),
    "return_tables_of_database": (
        "restore_tables are read from a backup, and {name} is a database. Name a backup: -e restore_backup=latest",
        "restore_tables se lisent dans une sauvegarde, et {name} est une base. Nommez une sauvegarde : "
        "-e restore_backup=latest"),
    "return_only_some": (
        "{name} holds only these tables: {tables}. Bring these back: -e restore_tables={tables}",
        "{name} ne contient que ces tables : {tables}. Ramenez-les : -e restore_tables={tables}"),
    "undo_nothing": (
        "The last run kept no database to go back to. Databases that are kept: {databases}; put one back with "
        "-e undo_database=NAME. Newest good backup: {backup}; ansible-playbook restore.yml -e restore_backup=latest",
        "Le dernier run n'a gardé aucune base à laquelle revenir. Bases gardées : {databases} ; pour en remettre une : "
        "-e undo_database=NOM. Dernière bonne sauvegarde : {backup} ; ansible-playbook restore.yml "
        "-e restore_backup=latest"),
    # What was written and does not come back
    "export_no_key": (
        "{table} was not exported: it has no primary key by which rows could be told apart",
        "{table} n'a pas été exportée : elle n'a pas de clé primaire pour distinguer ses lignes"),
    "export_written": ("{table}: {rows} rows in {path}", "{table} : {rows} lignes dans {path}"),
    "export_other_key": (
        "{table} was not exported: its primary key is another one there",
        "{table} n'a pas été exportée : sa clé primaire y est différente"),
    "export_disk_reserve": (
        "The export to {directory} was stopped: it was eating into the reserve of {reserve} bytes. The rows are still in "
        "database {database}. Free space, or lower rollback_disk_reserve.",
        "L'export vers {directory} a été arrêté : il entamait la réserve de {reserve} octets. Les lignes sont toujours dans "
        "la base {database}. Libérez de la place, ou abaissez rollback_disk_reserve."),
    "sum_moved": (
        "Recorded revisions: {from_heads} became {to_heads}", "Révisions inscrites : {from_heads} devenues {to_heads}"),
    "sum_exported": ("Exported: {text}", "Exporté : {text}"),
    # Migrating again
    "again_already": ("Nothing to do: {revision} is applied.", "Rien à faire : {revision} est appliquée."),
    "again_where": (
        "Database {database} records {from_heads}; afterwards {to_heads}. Revisions applied: {number}.",
        "La base {database} est à la révision {from_heads} ; ensuite {to_heads}. Révisions appliquées : {number}."),
    "again_step": ("applies {revision}: {message}", "applique {revision} : {message}"),
    "again_no_backup": (
        "There is no good backup of {database} to try the migration on. Take one: ansible-playbook backup.yml",
        "Il n'y a aucune bonne sauvegarde de {database} pour essayer la migration. Prenez-en une : ansible-playbook "
        "backup.yml"),
    "again_not_back": (
        "The newest backup {path} records {heads}, and its copy could not be brought to where the database is: {error}. Take "
        "a backup now: ansible-playbook backup.yml",
        "La dernière sauvegarde {path} est à {heads}, et sa copie n'a pas pu être ramenée là où est la base : {error}. "
        "Prenez une sauvegarde : ansible-playbook backup.yml"),
    "again_failed": (
        "On a copy of the backup the migration {revision} failed: {error}. Nothing was changed; correct it, and try it: "
        "ansible-playbook remigrate.yml --check",
        "Sur une copie de la sauvegarde, la migration {revision} a échoué : {error}. Rien n'a été modifié ; corrigez-la, puis "
        "essayez : ansible-playbook remigrate.yml --check"),
    "again_heads": (
        "On a copy of the backup the migration left {heads} recorded, not {predicted}. Nothing was changed; correct it.",
        "Sur une copie de la sauvegarde, la migration a laissé {heads} au lieu de {predicted}. Rien n'a été modifié ; "
        "corrigez-la."),
    "again_not_done": (
        "On a copy of the backup the migration did not do its work: {failed}. Nothing was changed; correct it, and try it: "
        "ansible-playbook remigrate.yml --check",
        "Sur une copie de la sauvegarde, la migration n'a pas fait son travail : {failed}. Rien n'a été modifié ; "
        "corrigez-la, puis essayez : ansible-playbook remigrate.yml --check"),
    "again_no_way_back": (
        "On a copy of the backup the migration could not be undone again: {error}. If that is what you want: {line}",
        "Sur une copie de la sauvegarde, la migration n'a pas pu être annulée ensuite : {error}. Si c'est ce que vous "
        "voulez : {line}"),
    "again_merges": (
        "its first revision has several parents ({parents})", "sa première révision a plusieurs parents ({parents})"),
    "again_told": (
        "On a copy of backup {backup}: restored in {restore} s, migrated in {upgrade} s, undone again in {downgrade} s.",
        "Sur une copie de la sauvegarde {backup} : restaurée en {restore} s, migrée en {upgrade} s, annulée en "
        "{downgrade} s."),
    "again_left": ("Undone again there, it leaves: {changes}", "Annulée ensuite, elle laisse : {changes}"),
}
