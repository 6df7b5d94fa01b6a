# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of rehearsals and drills, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    # The backup
    "rehearsal_no_backup": (
        "{path} is no whole backup of database {database}; there is nothing to rehearse on. Take one: ansible-playbook "
        "backup.yml",
        "{path} n'est pas une sauvegarde complète de la base {database} ; il n'y a rien sur quoi répéter. Prenez-en une : "
        "ansible-playbook backup.yml"),
    "rehearsal_no_plan": (
        "{path} holds no plan of database {database} with something to undo. Make one first: ansible-playbook plan.yml",
        "{path} ne contient aucun plan de la base {database} avec quelque chose à annuler. Faites-en un d'abord : "
        "ansible-playbook plan.yml"),
    "rehearsal_backup_damaged": (
        "The backup is not as it was written: {damage}. Nothing was changed. Take another: ansible-playbook backup.yml",
        "La sauvegarde n'est plus comme elle a été écrite : {damage}. Rien n'a été modifié. Prenez-en une autre : "
        "ansible-playbook backup.yml"),
    "rehearsal_backup_elsewhere": (
        "Backup {path} records {heads}, the plan starts from {from_heads}: the database was moved in between. Nothing was "
        "changed; start again: ansible-playbook rollback.yml",
        "La sauvegarde {path} est à {heads}, le plan part de {from_heads} : la base a été déplacée entre les deux. Rien n'a été "
        "modifié ; recommencez : ansible-playbook rollback.yml"),
    "rehearsal_not_restored": (
        "The backup {path} could not be restored on the scratch server: {error}. Nothing was changed. Remove the cause, then "
        "start again; until then it is no backup to rely on.",
        "La sauvegarde {path} n'a pas pu être restaurée sur le serveur d'essai : {error}. Rien n'a été modifié. Écartez la "
        "cause, puis recommencez ; d'ici là, on ne peut pas compter sur elle."),
    "rehearsal_backup_differs": (
        "Restored, the backup {path} is not what its manifest says: {differences}. Nothing was changed. Take another: "
        "ansible-playbook backup.yml",
        "Restaurée, la sauvegarde {path} n'est pas ce que dit son manifeste : {differences}. Rien n'a été modifié. Prenez-en "
        "une autre : ansible-playbook backup.yml"),
    # The rollback on the copy
    "rehearsal_failed": (
        "Rehearsed on a copy, the downgrade of {revision} failed: {error}. The real one would too; nothing was changed. "
        "Correct that revision's downgrade or its data, then start again: ansible-playbook rollback.yml",
        "Répété sur une copie, le downgrade de {revision} a échoué : {error}. Le vrai échouerait aussi ; rien n'a été modifié. "
        "Corrigez le downgrade de cette révision ou ses données, puis recommencez : ansible-playbook rollback.yml"),
    "rehearsal_ended": (
        "Rehearsed on a copy, the downgrade of {revision} did not end within {limit} s, and was ended. Nothing was changed. "
        "Correct it where it waits for itself; where it only is slow, raise rollback_alembic_timeout.",
        "Répété sur une copie, le downgrade de {revision} n'a pas fini en {limit} s, et a été arrêté. Rien n'a été modifié. "
        "Corrigez-le s'il s'attend lui-même ; s'il est seulement lent, augmentez rollback_alembic_timeout."),
    "rehearsal_heads": (
        "Rehearsed on a copy, the downgrade left {heads} recorded instead of {predicted}. Nothing was changed. See what it "
        "does to the version table, then start again: ansible-playbook plan.yml",
        "Répété sur une copie, le downgrade a laissé inscrit {heads} au lieu de {predicted}. Rien n'a été modifié. Regardez ce "
        "qu'il fait à la table des versions, puis recommencez : ansible-playbook plan.yml"),
    "rehearsal_unannounced": (
        "Rehearsed on a copy, the rollback took what the plan did not announce: {losses}. {also}Nothing was changed. If that is "
        "what you want: ansible-playbook rollback.yml {line}",
        "Répété sur une copie, le rollback a emporté ce que le plan n'annonçait pas : {losses}. {also}Rien n'a été modifié. Si "
        "c'est bien ce que vous voulez : ansible-playbook rollback.yml {line}"),
    "rehearsal_also_failed": (
        "Nor was the copy as it should be: {failed}. ", "La copie n'était pas non plus comme elle devrait : {failed}. "),
    "rehearsal_did_nothing": (
        "Rehearsed on a copy, the downgrade of {migration} changed the recorded revisions and nothing else, though these should "
        "have changed: {tables}. The record would lie; nothing was changed. Correct its downgrade, then start again: "
        "ansible-playbook rollback.yml",
        "Répété sur une copie, le downgrade de {migration} a changé les révisions inscrites et rien d'autre, alors que ceci "
        "aurait dû changer : {tables}. La version mentirait ; rien n'a été modifié. Corrigez son downgrade, puis recommencez : "
        "ansible-playbook rollback.yml"),
    "rehearsal_not_done": (
        "Rehearsed on a copy, the downgrade of {migration} ended well, and the copy was not as it should be: {failed}. Nothing "
        "was changed. Correct the downgrade, or rollback_checks, then start again: ansible-playbook rollback.yml",
        "Répété sur une copie, le downgrade de {migration} s'est bien terminé, et la copie n'était pas comme elle devrait : "
        "{failed}. Rien n'a été modifié. Corrigez le downgrade, ou rollback_checks, puis recommencez : ansible-playbook "
        "rollback.yml"),
    # What is told of it
    "rehearsal_told_restored": (
        "Rehearsal: backup {backup} was restored on a scratch server in {seconds} s and compared, {tables} tables.",
        "Répétition : la sauvegarde {backup} a été restaurée sur un serveur d'essai en {seconds} s et comparée, {tables} tables."),
    "rehearsal_told_downgrade": (
        "The route {route} took {seconds} s there; what it took with it was announced or accepted: {number} losses.",
        "La voie {route} y a pris {seconds} s ; ce qu'elle a emporté était annoncé ou accepté : {number} pertes."),
    "rehearsal_manual_failed": (
        "On the scratch server the transaction by hand fails: {error}. Nothing was changed on the live database.",
        "Sur le serveur d'essai, la transaction à la main échoue : {error}. Rien n'a été changé dans la base en service."),
    "rehearsal_no_route": (
        "The plan in {path} has no route {route} to rehearse. Plan again: ansible-playbook plan.yml",
        "Le plan de {path} n'a pas de voie {route} à répéter. Refaites un plan : ansible-playbook plan.yml"),
    "rehearsal_told_lock": (
        "Longest lock: {mode} on {table}, {seconds} s, by {revision}.",
        "Verrou le plus long : {mode} sur {table}, {seconds} s, par {revision}."),
    "rehearsal_told_upgrade": (
        "Upgrading again works: {seconds} s.", "Migrer à nouveau fonctionne : {seconds} s."),
    "rehearsal_told_no_upgrade": (
        "attention: afterwards upgrading again fails, as announced: {error}",
        "attention : ensuite, migrer à nouveau échoue, comme annoncé : {error}"),
    "rehearsal_told_differs": (
        "attention: upgraded again, the structure is not what it was before: {differs}",
        "attention : après la nouvelle migration, la structure n'est pas celle d'avant : {differs}"),
    # Drills
    "drill_no_backup": (
        "There is no good whole backup of database {database} in {path}, and a drill restores the newest. Take one: "
        "ansible-playbook backup.yml",
        "Il n'y a aucune bonne sauvegarde complète de la base {database} dans {path}, et un exercice restaure la plus récente. "
        "Prenez-en une : ansible-playbook backup.yml"),
    "drill_not_migrated": (
        "The backup is from before {migration}, and upgrading the copy to it failed: {error}",
        "La sauvegarde est d'avant {migration}, et y migrer la copie a échoué : {error}"),
    "drill_not_upgraded": (
        "Rolled back, the copy could not be migrated again: {error}",
        "Une fois la migration annulée, la copie n'a pas pu être migrée à nouveau : {error}"),
    "drill_not_valid": (
        "Rolled back, the copy was not as it should be: {failed}",
        "Une fois la migration annulée, la copie n'était pas comme elle devrait : {failed}"),
    "drill_would": (
        "A drill would restore backup {path} on a scratch server; nothing was started.",
        "Un exercice restaurerait la sauvegarde {path} sur un serveur d'essai ; rien n'a été lancé."),
    "drill_title": ("Drill report: {outcome}", "Rapport d'exercice : {outcome}"),
    "outcome_drill_passed": ("the drill passed", "exercice réussi"),
    "outcome_drill_failed": ("the drill failed", "exercice échoué"),
    "drill_backup": ("Backup {path}, {hours} h old", "Sauvegarde {path}, âgée de {hours} h"),
    "drill_step": ("  {result}: {name}, {seconds} s (guide: {guide})", "  {result} : {name}, {seconds} s (guide : {guide})"),
    "drill_columns": ("Step | Seconds | Guide | Result", "Étape | Secondes | Guide | Résultat"),
    "drill_guide": ("{least}-{most} min", "{least}-{most} min"),
    "drill_restore": ("restore the backup", "restaurer la sauvegarde"),
    "drill_migrate": ("migrate to the migration", "migrer jusqu'à la migration"),
    "drill_roll_back": ("roll back", "annuler la migration"),
    "drill_validate": ("validate", "valider"),
    "drill_remigrate": ("migrate again", "migrer à nouveau"),
    "drill_by_hand": ("roll back by hand", "annuler à la main"),
    "drill_restore_back": ("roll back by restoring", "annuler en restaurant"),
    "drill_by_hand_differs": (
        "By hand the rollback leaves other data than Alembic's does: {differences}. See rollback_manual_remove.",
        "À la main, l'annulation laisse d'autres données que celle d'Alembic : {differences}. Voyez rollback_manual_remove."),
    "drill_last_passed": (
        "The last drill that passed before this one: {run_id}, {hours} h ago",
        "Dernier exercice réussi avant celui-ci : {run_id}, il y a {hours} h"),
    "drill_never_passed": (
        "No drill has passed before this one.", "Aucun exercice n'avait réussi avant celui-ci."),
    "drill_next_failed": (
        "A real rollback would meet the same. Remove the cause, then: ansible-playbook drill.yml",
        "Un vrai rollback rencontrerait la même chose. Écartez la cause, puis : ansible-playbook drill.yml"),
}
