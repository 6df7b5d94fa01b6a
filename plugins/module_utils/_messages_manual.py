# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of rollbacks by hand, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    # What it rests on
    "manual_needs_plan": (
        "There is no plan of this run ({path}): a rollback by hand is only done where a plan showed that the recorded "
        "revision would be true. Run: ansible-playbook rollback.yml",
        "Ce run n'a pas de plan ({path}) : un retour à la main n'est fait que si un plan a montré que la révision inscrite "
        "serait vraie. Lancez : ansible-playbook rollback.yml"),
    "manual_not_planned": (
        "The plan leads to {planned}, not to {wanted}. Nothing was changed. Plan again: ansible-playbook plan.yml",
        "Le plan mène à {planned}, pas à {wanted}. Rien n'a été modifié. Planifiez de nouveau : ansible-playbook plan.yml"),
    "manual_would_lie": (
        "By hand, the recorded revision {heads} would not be true: {reasons}. Nothing was changed. Look at the other "
        "routes: ansible-playbook plan.yml",
        "À la main, la révision inscrite {heads} ne serait pas vraie : {reasons}. Rien n'a été modifié. Voyez les autres "
        "voies : ansible-playbook plan.yml"),
    "manual_not_the_plans": (
        "The plan removes rows of {planned}; rollback_manual_remove names {named}. Name exactly these tables there, or "
        "correct rollback_migration_tables and plan again: ansible-playbook plan.yml",
        "Le plan retire des lignes de {planned} ; rollback_manual_remove nomme {named}. Nommez-y exactement ces tables, ou "
        "corrigez rollback_migration_tables et planifiez de nouveau : ansible-playbook plan.yml"),
    # What is to go
    "manual_nothing_named": (
        "No table is named to remove rows from. Set rollback_migration_tables or rollback_manual_remove.",
        "Aucune table n'est nommée. Renseignez rollback_migration_tables ou rollback_manual_remove."),
    "manual_no_table": (
        "{table} is no table that rows could be removed from. Correct rollback_manual_remove or rollback_migration_tables.",
        "{table} n'est pas une table dont on puisse retirer des lignes. Corrigez rollback_manual_remove ou "
        "rollback_migration_tables."),
    "manual_table_twice": (
        "{table} is named twice in rollback_manual_remove. Join its filters with OR.",
        "{table} est nommée deux fois dans rollback_manual_remove. Réunissez ses filtres par OR."),
    "manual_filter_several": (
        "The filter of {table} is not one condition: {filter}. Write what stands after WHERE, without a semicolon.",
        "Le filtre de {table} n'est pas une condition : {filter}. Écrivez ce qui suit WHERE, sans point-virgule."),
    "manual_uncountable": (
        "The rows of {table} could not be counted (filter: {filter}): {error}. Nothing was changed. Correct "
        "rollback_manual_remove, or let rollback_login_user see every row of it.",
        "Les lignes de {table} n'ont pas pu être comptées (filtre : {filter}) : {error}. Rien n'a été modifié. Corrigez "
        "rollback_manual_remove, ou laissez rollback_login_user en voir chaque ligne."),
    "manual_rows_expected": (
        "{table}: {expected} rows were expected to go, {rows} are found. Nothing was changed. Look at them, then correct "
        "rows in rollback_manual_remove.",
        "{table} : {expected} lignes attendues, {rows} trouvées. Rien n'a été modifié. Regardez-les, puis corrigez rows dans "
        "rollback_manual_remove."),
    "manual_finds_nothing": (
        "The filter {filter} finds none of the {rows} rows of {table}: the revision would say they are gone. Nothing was "
        "changed. Correct it; if none is to go, say so with rows: 0 in rollback_manual_remove.",
        "Le filtre {filter} ne trouve aucune des {rows} lignes de {table} : la révision dirait qu'elles sont parties. Rien "
        "n'a été modifié. Corrigez-le ; si aucune ne doit partir, dites-le par rows: 0 dans rollback_manual_remove."),
    "manual_may_not": (
        "The role {role} lacks rights: {rights}. Nothing was changed. As the owner: GRANT {rights} TO {role}",
        "Il manque des droits au rôle {role} : {rights}. Rien n'a été modifié. En tant que propriétaire : GRANT {rights} TO "
        "{role}"),
    # What refers to it
    "manual_referenced": (
        "Rows refer to rows that would go: {references}. Nothing was changed. Say of each constraint what becomes of these "
        "rows, set_null (they stay, without the reference) or cascade (they go too): {line}",
        "Des lignes font référence à des lignes à retirer : {references}. Rien n'a été modifié. Dites pour chaque contrainte "
        "ce qu'elles deviennent, set_null (elles restent, sans la référence) ou cascade (elles partent aussi) : {line}"),
    "manual_not_null": (
        "{constraint} cannot be set_null: {columns} of {table} may not be null, and {rows} rows refer to what would go. "
        "Nothing was changed. Declare cascade in rollback_manual_references, or point these rows elsewhere first.",
        "{constraint} ne peut pas être set_null : {columns} de {table} n'admet pas NULL, et {rows} lignes font référence à ce "
        "qui partirait. Rien n'a été modifié. Déclarez cascade dans rollback_manual_references, ou changez d'abord ces "
        "lignes."),
    "manual_decision_unknown": (
        "rollback_manual_references knows refuse, set_null and cascade, not {decisions}.",
        "rollback_manual_references connaît refuse, set_null et cascade, pas {decisions}."),
    "manual_reference_unknown": (
        "rollback_manual_references names what is no foreign key: {names}. Those that refer to what goes: {known}.",
        "rollback_manual_references nomme ce qui n'est pas une clé étrangère : {names}. Celles qui font référence à ce qui "
        "part : {known}."),
    "manual_reference_ambiguous": (
        "Several tables have a foreign key {name}. In rollback_manual_references write {names}.",
        "Plusieurs tables ont une clé étrangère {name}. Dans rollback_manual_references, écrivez {names}."),
    "manual_circular": (
        "The rows that cascade go round in a circle: {tables}. Declare set_null for one of these foreign keys in "
        "rollback_manual_references.",
        "Les lignes en cascade tournent en rond : {tables}. Déclarez set_null pour l'une de ces clés étrangères dans "
        "rollback_manual_references."),
    # The transaction
    "manual_schema_moves": (
        "Each time the tables were locked, there were new foreign keys: somebody else is changing the schema. Nothing was "
        "changed; wait for them, then start again: ansible-playbook rollback.yml",
        "À chaque verrouillage des tables, il y avait de nouvelles clés étrangères : quelqu'un d'autre modifie le schéma. Rien "
        "n'a été modifié ; attendez, puis recommencez : ansible-playbook rollback.yml"),
    "manual_locked": (
        "The tables could not be locked in {attempts} attempts; nothing was changed. In the way: {blockers}. End that "
        "session or wait for it, then start again: ansible-playbook rollback.yml",
        "Les tables n'ont pas pu être verrouillées en {attempts} tentatives ; rien n'a été modifié. Bloqué par : {blockers}. "
        "Terminez cette session ou attendez-la, puis recommencez : ansible-playbook rollback.yml"),
    "manual_failed": (
        "The transaction failed and was rolled back whole: no row is gone, and the recorded revisions are {heads}. The "
        "server said: {error}. Look: ansible-playbook status.yml",
        "La transaction a échoué et a été annulée en entier : aucune ligne n'est partie, et les révisions inscrites sont "
        "{heads}. Le serveur a dit : {error}. Regardez : ansible-playbook status.yml"),
    "manual_count_differs": (
        "{statement}: {met} rows instead of the {counted} that were counted, by a trigger or a rule. Everything was rolled "
        "back, nothing was changed. Look at the table's triggers and rules.",
        "{statement} : {met} lignes au lieu des {counted} comptées, à cause d'un trigger ou d'une règle. Tout a été annulé, "
        "rien n'a été modifié. Regardez les triggers et les règles de la table."),
    "manual_rows_left": (
        "Rows that were to go were still there: {rows}. Everything was rolled back, nothing was changed. Look at the "
        "table's triggers and rules.",
        "Des lignes à retirer étaient encore là : {rows}. Tout a été annulé, rien n'a été modifié. Regardez les triggers et "
        "les règles de la table."),
    "manual_heads_differ": (
        "The version table held {heads} instead of {wanted}. Everything was rolled back, nothing was changed. Look at its "
        "triggers and rules.",
        "La table de version contenait {heads} au lieu de {wanted}. Tout a été annulé, rien n'a été modifié. Regardez ses "
        "triggers et ses règles."),
    "manual_server_gone": (
        "The server has not answered for {seconds} s, and whether the transaction was committed is not known: {error}. It "
        "is there whole or not at all. Once the server is back: ansible-playbook status.yml",
        "Le serveur ne répond plus depuis {seconds} s, et l'on ne sait pas si la transaction a été validée : {error}. Elle "
        "l'est en entier ou pas du tout. Une fois le serveur revenu : ansible-playbook status.yml"),
    "manual_not_as_left": (
        "The transaction was committed, but another session finds the recorded revisions {heads} (wanted: {wanted}) and "
        "these rows: {rows}. Somebody else writes there: stop the application, then look: ansible-playbook status.yml",
        "La transaction a été validée, mais une autre session trouve les révisions {heads} (attendu : {wanted}) et ces "
        "lignes : {rows}. Quelqu'un d'autre y écrit : arrêtez l'application, puis regardez : ansible-playbook status.yml"),
    "manual_not_measured": (
        "The transaction was committed, and what it left could not be looked at: {error}. Look: ansible-playbook status.yml",
        "La transaction a été validée, et son résultat n'a pas pu être relu : {error}. Regardez : ansible-playbook "
        "status.yml"),
    # In a plan
    "route_manual_true": (
        "after removing the rows by hand the true revision would be {heads}",
        "après le retrait des lignes à la main, la vraie révision serait {heads}"),
    "route_manual_referenced": (
        "{rows} rows of {child} ({columns}) refer to {table} by {constraint}; say what becomes of them, set_null or cascade: "
        "{line}",
        "{rows} lignes de {child} ({columns}) font référence à {table} par {constraint} ; dites ce qu'elles deviennent, "
        "set_null ou cascade : {line}"),
    "route_manual_not_null": (
        "{constraint} cannot be set_null: {columns} of {child} may not be null",
        "{constraint} ne peut pas être set_null : {columns} de {child} n'admet pas NULL"),
    "route_manual_undeclarable": (
        "rollback_manual_references names what is no foreign key, or no decision: {names}",
        "rollback_manual_references nomme ce qui n'est ni une clé étrangère ni une décision : {names}"),
}
