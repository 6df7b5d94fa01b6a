# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of plans: losses, routes, alternatives, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    # Losses
    "loss_about": ("about {rows}", "environ {rows}"),
    "loss_drop_table": ("table {object} goes, with {rows} rows", "la table {object} disparaît, avec {rows} lignes"),
    "loss_delete_rows": (
        "{rows} rows of {object} go that the migration did not make",
        "{rows} lignes de {object} disparaissent, que la migration n'a pas créées"),
    "loss_delete_rows_unfiltered": (
        "{rows} rows of {object} go, and which of them the migration made cannot be told any more: {because}",
        "{rows} lignes de {object} disparaissent, et on ne peut plus dire lesquelles viennent de la migration : {because}"),
    "loss_drop_column": ("column {object} goes, with {rows} values", "la colonne {object} disparaît, avec {rows} valeurs"),
    "loss_change_rows": ("{rows} rows of {object} are changed", "{rows} lignes de {object} sont modifiées"),
    "loss_change_column": (
        "column {object} changes its type ({because}), with {rows} values",
        "la colonne {object} change de type ({because}), avec {rows} valeurs"),
    "loss_written_since": (
        "{rows} rows of {object} were written, changed or deleted since the backup",
        "{rows} lignes de {object} ont été écrites, modifiées ou supprimées depuis la sauvegarde"),
    "loss_empty_table": (
        "table {object} comes back empty: what it once held is in no table any more",
        "la table {object} revient vide : ce qu'elle contenait n'est plus dans aucune table"),
    "loss_empty_column": (
        "column {object} comes back without its values, in {rows} rows",
        "la colonne {object} revient sans ses valeurs, dans {rows} lignes"),
    "loss_not_restored": (
        "{object} belongs to the target's schema and does not come back",
        "{object} fait partie du schéma cible et ne revient pas"),
    "loss_left_behind": (
        "{object} is left behind, and is not in the target's schema",
        "{object} reste en place, et n'est pas dans le schéma cible"),
    "loss_no_upgrade": (
        "afterwards the database cannot be upgraded again: {because}",
        "ensuite la base ne pourra plus être migrée : {because}"),
    "loss_inconsistent": (
        "the schema is not that of the recorded revisions: {because}",
        "le schéma n'est pas celui des révisions inscrites : {because}"),
    "loss_unknown": (
        "what the downgrade of {object} ({because}) does is not known before a rehearsal",
        "ce que fait le downgrade de {object} ({because}) n'est pas connu avant une répétition"),
    "loss_revision": ("revision {object} ({because}) is undone too", "la révision {object} ({because}) est annulée aussi"),
    "loss_unrehearsed": (
        "nothing is tried on a copy first{because}", "rien n'est essayé d'abord sur une copie{because}"),
    # Routes
    "route_raises": (
        "the downgrade of {revision} raises an error instead of undoing it",
        "le downgrade de {revision} lève une erreur au lieu de l'annuler"),
    "route_stopped": (
        "on a database built from nothing the downgrade of {revision} fails: {error}",
        "sur une base construite de zéro, le downgrade de {revision} échoue : {error}"),
    "route_referenced": (
        "{rows} rows of {child} ({columns}) refer to {table} and stop its rows from being deleted",
        "{rows} lignes de {child} ({columns}) font référence à {table} et empêchent de supprimer ses lignes"),
    "route_inert": (
        "the downgrade of {revision} does nothing: the record would say it was undone, and it would not be",
        "le downgrade de {revision} ne fait rien : la version dirait qu'elle est annulée, et elle ne le serait pas"),
    "route_manual_crosses": (
        "by hand only the migration's own rows can be undone, and {revisions} would have to be undone too",
        "à la main, seules les lignes de la migration peuvent être annulées, et il faudrait aussi annuler {revisions}"),
    "route_manual_structure": (
        "{revision} changes the structure ({changes}): a record set by hand would be untrue",
        "{revision} modifie la structure ({changes}) : une version inscrite à la main serait fausse"),
    "route_manual_statement": (
        "the downgrade of {revision} does what a record set by hand would not: {statement}",
        "le downgrade de {revision} fait ce qu'une version inscrite à la main ne ferait pas : {statement}"),
    "route_manual_strange": (
        "{revision} touches tables that are not in rollback_migration_tables: {tables}",
        "{revision} touche des tables qui ne sont pas dans rollback_migration_tables : {tables}"),
    "route_manual_unknown": (
        "what {revision} did is not known", "ce qu'a fait {revision} n'est pas connu"),
    "route_restore_none": ("there is no good backup of this database", "il n'y a aucune bonne sauvegarde de cette base"),
    "route_restore_other": (
        "no good backup records {to_heads}; the newest, {path}, records {heads}",
        "aucune bonne sauvegarde n'est à la révision {to_heads} ; la plus récente, {path}, est à {heads}"),
    "route_restore_from": (
        "backup {path} of {at} ({hours} h old)", "sauvegarde {path} du {at} (âgée de {hours} h)"),
    # Alternatives
    "alternative_parent": (
        "Leave rollback_to_revision empty (-e rollback_to_revision=): going to {parent}, the migration's own parent, undoes fewer revisions ({number}).",
        "Laissez rollback_to_revision vide (-e rollback_to_revision=) : aller à {parent}, le parent de la migration, annule moins de révisions ({number})."),
    "alternative_corrective": (
        "Newer revisions stand on the migration ({revisions}): a corrective migration on top of them undoes none.",
        "Des révisions plus récentes reposent sur la migration ({revisions}) : une migration corrective n'en annule aucune."),
    "alternative_manual": (
        "By hand in one transaction less is lost: rollback_strategy=manual.",
        "À la main, en une transaction, on perd moins : rollback_strategy=manual."),
    "alternative_restore": (
        "Restoring the backup loses less: rollback_strategy=restore.",
        "Restaurer la sauvegarde perd moins : rollback_strategy=restore."),
    # Acceptance
    "accept_missing": (
        "Not accepted yet: {ids}. If that is what you want, run it again with: {line}",
        "Pas encore accepté : {ids}. Si c'est bien ce que vous voulez, relancez avec : {line}"),
    "plan_blocked": (
        "Not even a look at the schema is possible while a session holds a table alone ({error}): {sessions}. A migration may "
        "be at work: ansible-playbook status.yml. To end it: SELECT pg_terminate_backend({pid})",
        "On ne peut même pas lire le schéma tant qu'une session tient une table pour elle seule ({error}) : {sessions}. Une "
        "migration est peut-être en cours : ansible-playbook status.yml. Pour l'arrêter : SELECT pg_terminate_backend({pid})"),
    # Consistency
    "consistent_no": (
        "The database records {recorded}, but its schema is not that revision's: {differs}. {way_out}",
        "La base porte la révision {recorded}, mais son schéma n'est pas le sien : {differs}. {way_out}"),
    "consistent_true": (
        "It is the schema of {heads}. Once you are sure, record that: alembic stamp --purge {heads}",
        "C'est le schéma de {heads}. Une fois sûr, inscrivez-le : alembic stamp --purge {heads}"),
    "consistent_several": (
        "It is the schema of each of these: {heads}. Which of them is true the rows alone can tell: look at them, then record "
        "that one: alembic stamp --purge REVISION",
        "C'est le schéma de chacune de celles-ci : {heads}. Seules les lignes disent laquelle est vraie : regardez-les, puis "
        "inscrivez celle-là : alembic stamp --purge REVISION"),
    "consistent_nobody": (
        "It is the schema of no revision: look at the differences before stamping anything.",
        "Ce n'est le schéma d'aucune révision : regardez les différences avant d'inscrire quoi que ce soit."),
    "consistent_unknown": (
        "Whether the schema is that of the recorded revisions is not known: {why}",
        "On ne sait pas si le schéma est celui des révisions inscrites : {why}"),
    "consistent_drift": (
        "attention: changed by hand, and known to no revision: {differs}",
        "attention : modifié à la main, et qu'aucune révision ne connaît : {differs}"),
    "overlap_true": (
        "The schema is that of {heads}. Once you are sure: {way_out}",
        "Le schéma est celui de {heads}. Une fois sûr : {way_out}"),
    "overlap_delete": (
        "DELETE FROM {table} WHERE version_num IN ({revisions})", "DELETE FROM {table} WHERE version_num IN ({revisions})"),
    "why_not_built": (
        "the history cannot be built from nothing: {error}", "l'historique ne peut pas être construit de zéro : {error}"),
    "why_not_apart": (
        "with rollback_rehearsal_isolation=override nothing keeps a migration from production, so a plan tries none",
        "avec rollback_rehearsal_isolation=override, rien ne sépare une migration de la production : un plan n'en essaie "
        "aucune"),
    "why_not_tried": ("rollback_plan_trial is off", "rollback_plan_trial est désactivé"),
    # The plan on the terminal
    "plan_undoes": (
        "Revisions undone: {number}; not asked for: {crossed}.",
        "Révisions annulées : {number} ; non demandées : {crossed}."),
    "plan_downgrade_implemented": ("implemented", "écrit"),
    "plan_downgrade_empty": ("empty?", "vide ?"),
    "plan_downgrade_raises": ("raises an error", "lève une erreur"),
    "plan_downgrade_unknown": ("unknown", "inconnu"),
    "plan_route_head": ("Route    | Verdict          | Loses", "Voie     | Verdict          | Pertes"),
    "plan_route": ("{route} | {verdict} | {loses}", "{route} | {verdict} | {loses}"),
    "plan_verdict_safe": ("safe", "sûre"),
    "plan_verdict_needs_acceptance": ("needs acceptance", "à accepter"),
    "plan_verdict_impossible": ("impossible", "impossible"),
    "plan_loses": ("losses: {number}; rows or values: {rows}{time}", "pertes : {number} ; lignes ou valeurs : {rows}{time}"),
    "plan_loses_nothing": ("nothing{time}", "rien{time}"),
    "plan_time_rehearsal": ("; {seconds} s when last rehearsed", " ; {seconds} s à la dernière répétition"),
    "plan_time_trial": ("; {seconds} s without data", " ; {seconds} s sans les données"),
    "plan_recommended": ("Recommended: {route}.", "Recommandé : {route}."),
    "plan_recommended_none": ("No route is possible.", "Aucune voie n'est possible."),
    "plan_note": ("{route}: {text}", "{route} : {text}"),
    "plan_loss": ("  {id}: {text}", "  {id} : {text}"),
    "plan_loss_head": ("The route {route} would take:", "La voie {route} emporterait :"),
    "plan_ladder": ("To be tried, in this order: {routes}.", "À essayer, dans cet ordre : {routes}."),
    "plan_blocker": (
        "attention: pid {pid} ({application}, {state} for {seconds} s) holds {tables}",
        "attention : le pid {pid} ({application}, {state} depuis {seconds} s) tient {tables}"),
    "plan_accept": ("To accept exactly this: {line}", "Pour accepter exactement cela : {line}"),
}
