# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of a report's page, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    # The outcome, and what it means
    "html_title": ("{outcome} - database {database}", "{outcome} - base {database}"),
    "html_kicker": ("Rollback report, database {database}", "Rapport de rollback, base {database}"),
    "html_kicker_drill": ("Drill report, database {database}", "Rapport d'exercice, base {database}"),
    "html_skip": ("Skip to the next steps", "Aller aux prochaines étapes"),
    "html_word_good": ("Success", "Succès"),
    "html_word_info": ("Plan", "Plan"),
    "html_word_warn": ("Not done, nothing lost", "Non effectué, rien n'est perdu"),
    "html_word_bad": ("Action needed", "Intervention nécessaire"),
    "html_head_rolled_back": ("The migration is rolled back", "La migration est annulée"),
    "html_head_already_rolled_back": ("Already rolled back: nothing to do", "Migration déjà annulée : rien à faire"),
    "html_head_refused": ("Refused before anything was changed", "Refusé avant toute modification"),
    "html_head_failed_unchanged": ("Failed: the data is as before", "Échec : les données sont comme avant"),
    "html_head_failed_needs_human": ("Failed: somebody has to look now", "Échec : quelqu'un doit regarder maintenant"),
    "html_head_planned": ("Planned: nothing was changed", "Planifié : rien n'a été modifié"),
    "html_head_backed_up": ("The backup is made", "La sauvegarde est faite"),
    "html_head_restored": ("The backup has taken the database's place", "La sauvegarde a pris la place de la base"),
    "html_head_undone": ("The last rollback is undone", "Le dernier rollback est défait"),
    "html_head_remigrated": ("The migration is applied again", "La migration est de nouveau appliquée"),
    "html_head_validated": ("The database is as it should be", "La base est comme elle doit être"),
    "html_head_not_valid": ("The database is not as it should be", "La base n'est pas comme elle doit être"),
    "html_head_drill_passed": ("The drill passed", "L'exercice est réussi"),
    "html_head_drill_failed": ("The drill failed", "L'exercice a échoué"),
    "html_means_rolled_back": (
        "What the migration did is undone, and the database was measured afterwards. The checks below say what was looked at.",
        "Ce que la migration avait fait est défait, et la base a été mesurée ensuite. Les contrôles ci-dessous disent ce qui a "
        "été regardé."),
    "html_means_already_rolled_back": (
        "The database was already without the migration. This run changed nothing.",
        "La base était déjà sans la migration. Ce run n'a rien modifié."),
    "html_means_refused": (
        "No data was changed: the migration is still applied. The reason says what is needed from you.",
        "Aucune donnée n'a été modifiée : la migration est toujours appliquée. La raison dit ce qu'il faut de votre part."),
    "html_means_refused_other": (
        "No data was changed. The reason says what is needed from you.",
        "Aucune donnée n'a été modifiée. La raison dit ce qu'il faut de votre part."),
    "html_means_failed_unchanged": (
        "It was tried and did not succeed. No data was lost: the database is as it was before the run.",
        "L'opération a été tentée, sans succès. Aucune donnée n'est perdue : la base est telle qu'avant le run."),
    "html_means_failed_needs_human": (
        "Nobody can say yet that the data is as before, or that the migration is undone. Start nothing again before you have "
        "looked. The data from before is kept.",
        "Rien ne permet encore de dire que les données sont comme avant, ni que la migration est annulée. Ne relancez rien "
        "avant d'avoir regardé. Les données d'avant sont gardées."),
    "html_means_not_functional": (
        "The database is where it should be and was found good, but the application does not answer as it should. Nothing is "
        "put back by itself: users may have written since.",
        "La base est là où elle doit être et a été trouvée bonne, mais l'application ne répond pas comme il faut. Rien n'est "
        "remis en place automatiquement : des utilisateurs ont pu écrire depuis."),
    "html_means_planned": (
        "This is what each route would undo and lose. Nothing runs until you start it.",
        "Voici ce que chaque voie annulerait et ferait perdre. Rien ne s'exécute tant que vous ne le lancez pas."),
    "html_means_backed_up": (
        "The whole database is in a file that was read back. The database itself was not changed.",
        "La base entière est dans un fichier, relu ensuite. La base elle-même n'a pas été modifiée."),
    "html_means_restored": (
        "The data is that of the backup. What was written since is not in it; what was replaced is kept.",
        "Les données sont celles de la sauvegarde. Ce qui a été écrit depuis n'y est pas ; ce qui a été remplacé est gardé."),
    "html_means_undone": (
        "The data is as it was before the last rollback. What was replaced is kept.",
        "Les données sont comme avant le dernier rollback. Ce qui a été remplacé est gardé."),
    "html_means_remigrated": (
        "The database has the migration again, and was measured afterwards.",
        "La base a de nouveau la migration, et a été mesurée ensuite."),
    "html_means_validated": ("It was only looked at; nothing was changed.", "Elle a seulement été regardée ; rien n'a été modifié."),
    "html_means_not_valid": (
        "It was only looked at; nothing was changed. The checks that failed are below.",
        "Elle a seulement été regardée ; rien n'a été modifié. Les contrôles en échec sont ci-dessous."),
    "html_means_drill_passed": (
        "Backup, rollback and return were tried on isolated copies. The live database was not touched.",
        "Sauvegarde, rollback et retour ont été essayés sur des copies isolées. La base en service n'a pas été touchée."),
    "html_means_drill_failed": (
        "On isolated copies the procedure did not work. The live database was not touched; a real rollback might fail too.",
        "Sur des copies isolées, la procédure n'a pas fonctionné. La base en service n'a pas été touchée ; un vrai rollback "
        "pourrait échouer aussi."),
    "html_fell_back": (
        "The first route ({first}) did not succeed and was put right; the route that did is: {last}.",
        "La première voie ({first}) n'a pas abouti et ses effets ont été réparés ; celle qui a réussi : {last}."),
    "html_with_losses": (
        "Losses that were accepted: {number}, listed under the procedure.",
        "Pertes acceptées : {number}, détaillées dans la procédure."),
    "html_why": ("Why", "Pourquoi"),
    "html_all_of_it": ("Everything it said", "Tout ce qui a été dit"),
    "html_now": ("What to do next", "Que faire maintenant"),
    # Figures
    "html_outage": ("Outage", "Interruption"),
    "html_no_outage_short": ("none", "aucune"),
    "html_duration": ("Whole run", "Durée totale"),
    "html_route": ("Route taken", "Voie suivie"),
    "html_checks": ("Checks passed", "Contrôles réussis"),
    "html_checks_told": ("{passed} of {total}", "{passed} sur {total}"),
    "html_revisions": ("Recorded revision", "Révision inscrite"),
    "html_units": ("B KiB MiB GiB TiB", "o Kio Mio Gio Tio"),
    "html_migration": ("Migration", "Migration"),
    # The timeline
    "html_timeline": ("Timeline", "Chronologie"),
    "html_timeline_note": (
        "Each bar is a step at work; between bars the next one is being prepared. The shaded band is the outage, while writes "
        "were held back or the data was being changed.",
        "Chaque barre est une étape au travail ; entre les barres, la suivante se prépare. La bande ombrée est l'interruption, "
        "pendant laquelle les écritures étaient retenues ou les données modifiées."),
    "html_timeline_caption": ("Run begun {start}, {time} in all", "Run commencé {start}, {time} au total"),
    "html_as_table": ("The same as a table", "La même chose en tableau"),
    "html_outage_mark": ("Outage {time}", "Interruption {time}"),
    "html_outage_told": ("Outage from {start} to {end}, {time}.", "Interruption de {start} à {end}, {time}."),
    "html_no_outage": ("No outage.", "Aucune interruption."),
    "html_phase_told": ("{name}: {time}, {result}.", "{name} : {time}, {result}."),
    "html_second_try": ("at the second try", "au second essai"),
    "html_phase_preflight": ("Preflight", "Préparatifs"),
    "html_phase_plan": ("Plan", "Plan"),
    "html_phase_backup": ("Backup", "Sauvegarde"),
    "html_phase_rehearsal": ("Rehearsal", "Répétition"),
    "html_phase_quiesce": ("Quiesce", "Mise au repos"),
    "html_phase_rollback": ("Rollback", "Rollback"),
    "html_phase_restoration": ("Restore", "Restauration"),
    "html_phase_migration": ("Migration", "Migration"),
    "html_phase_validation": ("Validation", "Validation"),
    "html_phase_resume": ("Resume", "Reprise"),
    "html_phase_functional": ("Functional validation", "Validation fonctionnelle"),
    "html_phase_report": ("Report", "Rapport"),
    "html_result_ok": ("done", "fait"),
    "html_result_pass": ("passed", "réussi"),
    "html_result_fail": ("failed", "échec"),
    "html_result_failed": ("failed", "échec"),
    "html_result_refused": ("refused", "refusé"),
    "html_result_interrupted": ("interrupted", "interrompu"),
    "html_result_cut_off": ("cut off", "coupé"),
    "html_result_under_way": ("not finished", "inachevé"),
    "html_result_skipped": ("not come to", "non atteint"),
    # Steps
    "html_step_plan": ("plan", "plan"),
    "html_step_recount": ("count again", "nouveau comptage"),
    "html_step_backup": ("backup", "sauvegarde"),
    "html_step_backup_copy": ("copy of the backup elsewhere", "copie de la sauvegarde ailleurs"),
    "html_step_rehearsal": ("rehearsal", "répétition"),
    "html_step_restore_beside": ("backup loaded beside the database", "sauvegarde chargée à côté de la base"),
    "html_step_quiesce": ("stop what writes", "arrêt de ce qui écrit"),
    "html_step_before": ("measure before", "mesure avant"),
    "html_step_safety_copy": ("safety copy", "copie de sûreté"),
    "html_step_alembic_downgrade": ("downgrade by Alembic", "downgrade par Alembic"),
    "html_step_alembic_upgrade": ("upgrade by Alembic", "upgrade par Alembic"),
    "html_step_manual_rollback": ("rollback by hand, in one transaction", "rollback manuel, en une transaction"),
    "html_step_database_swap": ("databases exchanged", "échange des bases"),
    "html_step_table_restore": ("tables brought back", "tables ramenées"),
    "html_step_after": ("measure after", "mesure après"),
    "html_step_judge": ("judge what is left", "jugement de l'état"),
    "html_step_tidy": ("clear away", "nettoyage"),
    "html_step_resume": ("start what was stopped", "redémarrage de ce qui était arrêté"),
    "html_step_functional": ("application asked", "application interrogée"),
    "html_step_retention": ("old backups", "anciennes sauvegardes"),
    "html_step_export": ("export of what does not come back", "export de ce qui ne revient pas"),
    "html_step_start": ("start the scratch server", "démarrage du serveur d'essai"),
    "html_step_restore": ("restore the backup", "restauration de la sauvegarde"),
    "html_step_compare": ("compare with the backup's counts", "comparaison avec les comptes de la sauvegarde"),
    "html_step_migrate": ("migrate to the migration", "migration jusqu'à la migration"),
    "html_step_downgrade": ("downgrade by Alembic", "downgrade par Alembic"),
    "html_step_manual": ("rollback by hand", "rollback manuel"),
    "html_step_load": ("load the backup", "chargement de la sauvegarde"),
    "html_step_swap": ("exchange the databases", "échange des bases"),
    "html_step_measure": ("measure", "mesure"),
    "html_step_upgrade": ("upgrade again", "nouvel upgrade"),
    "html_step_go_back": ("bring the copy to where the database is", "mise de la copie au niveau de la base"),
    # The procedure
    "html_route_alembic": ("Alembic", "Alembic"),
    "html_route_manual": ("by hand", "manuelle"),
    "html_route_restore": ("restore", "restauration"),
    "html_plan": ("What each route would do", "Ce que ferait chaque voie"),
    "html_plan_caption": ("Routes, and what each would lose", "Les voies, et ce que chacune ferait perdre"),
    "html_recommended": ("Recommended: {route}.", "Recommandé : {route}."),
    "html_below": ("the command below.", "la commande ci-dessous."),
    "html_accept": ("To accept exactly these losses, run:", "Pour accepter exactement ces pertes, lancez :"),
    "html_path": ("Revisions that would be undone, newest first", "Révisions qui seraient annulées, la plus récente d'abord"),
    "html_nothing": ("nothing", "rien"),
    "html_routes": ("Routes tried", "Voies essayées"),
    "html_routes_caption": ("In the order they were tried", "Dans l'ordre des essais"),
    "html_reason_above": ("see the reason at the top", "voir la raison en tête"),
    "html_rehearsal": ("Rehearsal against reality", "Répétition et réalité"),
    "html_rehearsal_caption": (
        "The same steps on an isolated copy of the backup, and on the live database",
        "Les mêmes étapes sur une copie isolée de la sauvegarde, et sur la base en service"),
    "html_rehearsal_includes": (
        "A dash stands for what is done in one of the two only.",
        "Un tiret marque ce qui n'a lieu que d'un seul côté."),
    "html_lock": ("Longest lock", "Verrou le plus long"),
    "html_lock_told": ("{time} on {table}", "{time} sur {table}"),
    "html_no_lock": ("none seen", "aucun relevé"),
    "html_again": ("Upgrade again", "Nouvel upgrade"),
    "html_again_ok": ("works, and the schema is the same", "fonctionne, et le schéma est le même"),
    "html_again_not": ("not as before", "différent d'avant"),
    "html_drill": ("The drill's steps", "Les étapes de l'exercice"),
    "html_drill_all": ("all steps", "toutes les étapes"),
    "html_drill_caption": ("Time of each step, beside the guide's estimate", "Durée de chaque étape, face à l'estimation du guide"),
    "html_losses": ("Losses accepted", "Pertes acceptées"),
    "html_losses_caption": ("As they were accepted, by name", "Telles qu'elles ont été acceptées, nommément"),
    "html_backup": ("Backup, and how to restore it", "La sauvegarde, et comment la restaurer"),
    "html_where": ("Where", "Emplacement"),
    "html_size": ("Size", "Taille"),
    "html_state": ("Proof", "Preuve"),
    "html_proved": ("restored on a copy and compared", "restaurée sur une copie et comparée"),
    "html_read_back": ("read back whole; not restored", "relue en entier ; non restaurée"),
    "html_unproved": ("not proved", "sans preuve"),
    "html_restore": (
        "To put the database back as it was in this backup:", "Pour remettre la base telle qu'elle est dans cette sauvegarde :"),
    "html_restore_by_hand": ("without Ansible, the commands are in:", "sans Ansible, les commandes sont dans :"),
    "html_services": ("Services", "Services"),
    "html_stopped": ("Stopped", "Arrêtés"),
    "html_resumed": ("Started again", "Redémarrés"),
    "html_left": ("Left stopped", "Laissés arrêtés"),
    "html_no_service": ("none", "aucun"),
    "html_messages_caption": ("Messages sent, and whether they arrived", "Messages envoyés, et leur arrivée"),
    "html_commands_note": (
        "In the order they ran, without passwords: psql and Alembic need yours from the environment.",
        "Dans l'ordre d'exécution, sans mots de passe : psql et Alembic attendent le vôtre dans l'environnement."),
    "html_on_copy": ("on an isolated copy that is gone: to be read, not typed",
                     "sur une copie isolée qui n'existe plus : à lire, pas à taper"),
    "html_not_asked": ("The application was not asked how it is: rollback_checks has no functional check.",
                       "L'application n'a pas été interrogée : rollback_checks n'a aucun contrôle fonctionnel."),
    "html_none_stopped": (
        "This run stopped no service: the outage is the time in which the database was copied, changed and measured.",
        "Ce run n'a arrêté aucun service : l'interruption est le temps pendant lequel la base a été copiée, modifiée et "
        "mesurée."),
    # Validation, next steps, contacts
    "html_checks_caption": ("Every check, before and after", "Tous les contrôles, avant et après"),
    "html_no_checks": ("Nothing was checked: it did not come to that.", "Rien n'a été contrôlé : le run n'en est pas arrivé là."),
    "html_tables": ("Tables that changed", "Tables modifiées"),
    "html_tables_caption": ("Rows before and after", "Lignes avant et après"),
    "html_memory": ("Memory in use", "Mémoire utilisée"),
    "html_kept": ("What is kept", "Ce qui est gardé"),
    "html_placeholder": ("to be filled in", "à renseigner"),
    "html_placeholders": (
        "These contacts are still placeholders: {roles}. Put real ones into rollback_contacts.",
        "Ces contacts n'ont pas été renseignés : {roles}. Indiquez les vrais dans rollback_contacts."),
    "html_no_contacts": (
        "No contacts are given. Name them in rollback_contacts.",
        "Aucun contact n'est indiqué. Nommez-les dans rollback_contacts."),
    "html_footer": ("Run {run}, from {start} to {end}.", "Run {run}, du {start} au {end}."),
    # Columns
    "html_cols_phases": ("Phase | Begun | Time | Result", "Phase | Début | Durée | Résultat"),
    "html_cols_tables": ("Table | Rows before | Rows after", "Table | Lignes avant | Lignes après"),
    "html_cols_plan": ("Route | Verdict | What it loses | Estimate", "Voie | Verdict | Ce qu'elle perd | Estimation"),
    "html_cols_path": ("Revision | What it did | Downgrade", "Révision | Ce qu'elle a fait | Downgrade"),
    "html_cols_routes": ("Route | Result | Reason", "Voie | Résultat | Raison"),
    "html_cols_rehearsal": ("Step | Rehearsed | Real | Result", "Étape | Répété | Réel | Résultat"),
    "html_cols_drill": ("Step | Time | Guide | Result", "Étape | Durée | Guide | Résultat"),
    "html_cols_losses": ("What | Rows | Id", "Quoi | Lignes | Identifiant"),
    "html_cols_checks": ("Check | Before | Expected | Observed | Result", "Contrôle | Avant | Attendu | Observé | Résultat"),
}
