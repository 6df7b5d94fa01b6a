# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of a long phase and before they confirm, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    # The end of a run on the terminal
    "sum_more": ("  ... and {number} more line(s) in the report", "  ... et {number} ligne(s) de plus dans le rapport"),
    # One line while a step is at work
    "progress_line": ("{step}: {rest}", "{step} : {rest}"),
    "progress_at_work": ("still at work", "toujours en cours"),
    "progress_elapsed": ("{time} elapsed", "depuis {time}"),
    "progress_left": ("~{time} left", "reste ~{time}"),
    "progress_bytes": ("{done} of {total} ({percent} %)", "{done} sur {total} ({percent} %)"),
    "progress_bytes_about": ("{done} of ~{total} ({percent} %)", "{done} sur ~{total} ({percent} %)"),
    "progress_about": ("~{total}", "~{total}"),
    "progress_percent": ("~{percent} %", "~{percent} %"),
    "progress_tables": ("table {done} of {total} ({percent} %)", "table {done} sur {total} ({percent} %)"),
    "progress_number": ("step {number}{part}", "étape {number}{part}"),
    "progress_numbered": ("step {number} of {of}{part}", "étape {number}/{of}{part}"),
    # The steps, by their names in the journal; besides, by those of the modules
    "progress_step_backup": ("BACKUP", "SAUVEGARDE"),
    "progress_step_pg_backup": ("BACKUP", "SAUVEGARDE"),
    "progress_step_rehearsal": ("REHEARSAL", "RÉPÉTITION"),
    "progress_step_remigrate_rehearsal": ("REHEARSAL", "RÉPÉTITION"),
    "progress_step_restore_beside": ("LOAD BESIDE", "CHARGEMENT À CÔTÉ"),
    "progress_step_safety_copy": ("SAFETY COPY", "COPIE DE SÛRETÉ"),
    "progress_step_database_copy": ("SAFETY COPY", "COPIE DE SÛRETÉ"),
    "progress_step_table_restore": ("TABLES", "TABLES"),
    "progress_step_drill": ("DRILL", "EXERCICE"),
    # Their parts
    "progress_part_dump_database": ("whole database", "base entière"),
    "progress_part_dump_tables": ("the tables' own file", "fichier propre aux tables"),
    "progress_part_check": ("reading it back", "relecture"),
    "progress_part_count": ("counting and comparing rows", "comptage et comparaison des lignes"),
    "progress_part_copy": ("copying in place", "copie sur place"),
    "progress_part_load": ("loading the backup", "chargement de la sauvegarde"),
    "progress_part_analyze": ("statistics", "statistiques"),
    "progress_part_start": ("starting the scratch server", "démarrage du serveur d'essai"),
    "progress_part_restore": ("restoring the backup", "restauration de la sauvegarde"),
    "progress_part_compare": ("comparing with the backup", "comparaison avec la sauvegarde"),
    "progress_part_migrate": ("applying the migration", "application de la migration"),
    "progress_part_go_back": ("going back to the live revision", "retour à la révision en service"),
    "progress_part_downgrade": ("undoing the migration", "annulation de la migration"),
    "progress_part_upgrade": ("applying the migration again", "nouvelle application de la migration"),
    "progress_part_manual": ("undoing by hand", "annulation à la main"),
    "progress_part_swap": ("swapping the databases", "échange des bases"),
    "progress_part_measure": ("measuring the result", "mesure du résultat"),
    # The guide's four warnings, before the database's name is asked
    "warn_title": ("BEFORE YOU CONFIRM: database {database}, from {from_heads} to {to_heads}",
                   "AVANT DE CONFIRMER : base {database}, de {from_heads} à {to_heads}"),
    "warn_1": ("1. DESTRUCTIVE: {text}", "1. OPÉRATION DESTRUCTIVE : {text}"),
    "warn_2": ("2. IRREVERSIBLE: {text}", "2. IRRÉVERSIBLE : {text}"),
    "warn_3": ("3. BUSINESS IMPACT: {text}", "3. IMPACT MÉTIER : {text}"),
    "warn_4": ("4. BACKUP REQUIRED: {text}", "4. SAUVEGARDE REQUISE : {text}"),
    "warn_destructive": (
        "{number} revision(s) are undone by the route {route}; what goes: {rows}.",
        "{number} révision(s) annulée(s) par la voie {route} ; disparaissent : {rows}."),
    "warn_destructive_restore": (
        "{name} takes the place of the whole database {database} (route {route}, {number} revision(s)); what goes of "
        "the migration: {rows}.",
        "{name} prend la place de toute la base {database} (voie {route}, {number} révision(s)) ; disparaissent de la "
        "migration : {rows}."),
    "warn_destructive_replace": ("{name} takes the place of the whole database {database}.",
                                 "{name} prend la place de toute la base {database}."),
    "warn_rows_change": (" Rows, now > then: {rows}.", " Lignes, maintenant > ensuite : {rows}."),
    "warn_destructive_tables": ("these tables are replaced by what {name} holds: {tables}.",
                                "ces tables sont remplacées par le contenu de {name} : {tables}."),
    "warn_destructive_again": (
        "{number} revision(s) change schema and data of {database}: {revisions}.",
        "{number} révision(s) modifient le schéma et les données de {database} : {revisions}."),
    "warn_no_rows": ("no row of the migration's tables", "aucune ligne des tables de la migration"),
    "warn_row": ("{number} row", "{number} ligne"),
    "warn_rows": ("{number} rows", "{number} lignes"),
    "warn_more": (", ... ({number} more)", ", ... ({number} de plus)"),
    "warn_back_backup": ("once gone, rows come back from a backup alone, or a safety copy where one is made.",
                         "une fois disparues, des lignes ne reviennent que d'une sauvegarde, ou d'une copie de sûreté s'il y en a une."),
    "warn_back_kept": (
        "the database replaced is kept beside; undo.yml brings it back until retention removes it.",
        "la base remplacée est gardée à côté ; undo.yml la remet tant que la rétention ne l'a pas supprimée."),
    "warn_again_back": (
        "the way back is tried on a copy first; where it fails, only a backup leads back.",
        "le retour est d'abord essayé sur une copie ; s'il échoue, seule une sauvegarde ramène en arrière."),
    "warn_later": (
        "what is lost is counted once the backup is loaded beside, and has to be accepted then.",
        "ce qui est perdu sera compté une fois la sauvegarde chargée à côté, et devra alors être accepté."),
    "warn_lost": ("Besides, {number} loss(es), {rows}{more}: see below.",
                  "En plus, {number} perte(s), {rows}{more} : voir ci-dessous."),
    "warn_uncounted": (" counted, and more that could not be", " comptées, et d'autres qui n'ont pas pu l'être"),
    "warn_lost_none": ("Nothing else is lost.", "Rien d'autre n'est perdu."),
    "warn_affected": ("whatever uses {tables} is affected.", "tout ce qui utilise {tables} est touché."),
    "warn_stopped": ("Services stopped meanwhile: {services}.", "Services arrêtés pendant ce temps : {services}."),
    "warn_none_stopped": ("No service is stopped by this run: stop yourself what writes.",
                          "Aucun service n'est arrêté par ce run : arrêtez vous-même ce qui écrit."),
    "warn_time_rehearsal": ("The act itself took {seconds} s when last rehearsed; copy and checks come on top.",
                            "L'acte seul a pris {seconds} s à la dernière répétition ; copie et contrôles en plus."),
    "warn_time_trial": ("The act itself took {seconds} s on an empty copy; copy and checks come on top.",
                        "L'acte seul a pris {seconds} s sur une copie vide ; copie et contrôles en plus."),
    "warn_time_unknown": ("How long was not measured here yet.", "La durée n'a pas encore été mesurée ici."),
    "warn_last_outage": ("The last outage here: {seconds} s.", "Dernière interruption ici : {seconds} s."),
    "warn_taken": (
        "of the whole database ({size}), taken and verified before anything changes: about {dump} in {where}, {free} "
        "free there.",
        "de la base entière ({size}), prise et vérifiée avant toute modification : environ {dump} dans {where}, {free} "
        "libres."),
    "warn_standing": ("{path}, already restored and compared once, stands for a new one; a safety copy is made.",
                      "{path}, déjà restaurée et comparée, tient lieu de nouvelle ; une copie de sûreté est faite."),
    "warn_accepted": ("Losses accepted ({number}):", "Pertes acceptées ({number}) :"),
    "warn_question": ("Type the database's name ({database}) to go on",
                      "Tapez le nom de la base ({database}) pour continuer"),
}
