# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of the routes of a rollback, tried one after the other, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    "ladder_none": ("No route is possible. {reasons}. {others}", "Aucune voie n'est possible. {reasons}. {others}"),
    "ladder_reasons": ("{route}: {reasons}", "{route} : {reasons}"),
    "ladder_not_accepted": (
        "The route {route} will not be tried should the first one fail: {ids} is not accepted.",
        "La voie {route} ne sera pas essayée si la première échoue : {ids} n'est pas accepté."),
    "sum_tried": ("Tried first, without success: {route} ({reason})", "Essayée d'abord, sans succès : {route} ({reason})"),
    "sum_safety_copy": (
        "The database as it was before this run is kept as {name}; ansible-playbook undo.yml puts it back.",
        "La base telle qu'elle était avant ce run est gardée sous le nom {name} ; ansible-playbook undo.yml la remet en place."),
    "sum_kept_database": (
        "The database that was replaced is kept as {name}; ansible-playbook undo.yml puts it back.",
        "La base remplacée est gardée sous le nom {name} ; ansible-playbook undo.yml la remet en place."),
    "sum_set_aside": (
        "What a route that failed had left is kept as {name}, to be looked into; it is not the database as it was.",
        "Ce qu'une voie sans succès avait laissé est gardé sous le nom {name}, pour examen ; ce n'est pas la base telle qu'elle "
        "était."),
    "written_since_backup_restore": (
        "What was written since the backup of this run would be in no count that was accepted: {changes}. Stop what writes, and "
        "run it again.",
        "Ce qui a été écrit depuis la sauvegarde de ce run ne figure dans aucun compte accepté : {changes}. Arrêtez ce qui écrit, "
        "puis relancez."),
    "outcome_restored": ("a backup is in the live database's place", "une sauvegarde a pris la place de la base"),
    "outcome_undone": ("the last rollback is undone", "le dernier retour arrière est annulé"),
    "outcome_remigrated": ("the migration is applied again", "la migration est de nouveau appliquée"),
}
