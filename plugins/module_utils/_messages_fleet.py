# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of several sites at once, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    "fleet_heading": ("{playbook}: {total} site(s), {good} done, {bad} not done, {left} not ended or not begun",
                      "{playbook} : {total} site(s), {good} terminé(s), {bad} en échec, {left} en cours ou non commencé(s)"),
    "fleet_columns": ("Site | Outcome | Route | Outage | Losses", "Site | Résultat | Voie | Interruption | Pertes"),
    "fleet_caption": ("How each site stands", "Où en est chaque site"),
    "fleet_losses": ("{number} ({rows} rows)", "{number} ({rows} lignes)"),
    "fleet_report": ("The site's own report", "Le rapport du site"),
    "fleet_why": ("{site}: {reason}", "{site} : {reason}"),
    # How a site stands, in a word or two
    "fleet_is_rolled_back": ("rolled back", "annulée"),
    "fleet_is_already_rolled_back": ("already rolled back", "déjà annulée"),
    "fleet_is_refused": ("refused", "refusé"),
    "fleet_is_failed_unchanged": ("failed, as before", "échec, inchangée"),
    "fleet_is_failed_needs_human": ("NEEDS A HUMAN", "INTERVENTION"),
    "fleet_is_planned": ("planned", "planifié"),
    "fleet_is_backed_up": ("backed up", "sauvegardée"),
    "fleet_is_restored": ("restored", "restaurée"),
    "fleet_is_undone": ("undone", "défait"),
    "fleet_is_remigrated": ("migrated again", "migrée de nouveau"),
    "fleet_is_validated": ("valid", "valide"),
    "fleet_is_not_valid": ("not valid", "non valide"),
    "fleet_is_not_started": ("not started", "non commencé"),
    "fleet_is_begun": ("begun, not ended", "commencé, pas fini"),
    "fleet_is_no_report": ("NO REPORT", "SANS RAPPORT"),
    "fleet_is_no_answer": ("no answer", "sans réponse"),
    "fleet_is_no_run": ("no run so far", "aucun run"),
    # Why
    "fleet_no_answer": ("The site did not answer, and nothing is known of it.",
                        "Le site n'a pas répondu, et rien n'en est connu."),
    "fleet_lost": (
        "It had begun, then stopped answering or gave no report: services may be stopped there.",
        "Il avait commencé, puis n'a plus répondu ou n'a pas rendu de rapport : des services y sont peut-être arrêtés."),
    "fleet_no_report": ("The run {run_id} has left no report so far: it is at work, or was cut off.",
                        "Le run {run_id} n'a pas encore laissé de rapport : il est au travail, ou a été coupé."),
    "fleet_unwritten": ("The summary over all sites cannot be written in {path}: {error}",
                        "Le bilan de tous les sites ne peut pas être écrit dans {path} : {error}"),
    "runs_unreadable": (
        "{path} cannot be read: {error}. Look as the user who rolls back, or with become.",
        "{path} ne peut pas être lu : {error}. Regardez avec l'utilisateur qui fait les rollbacks, ou avec become."),
    # What next
    "fleet_next_status": ("See what is there: ansible-playbook status.yml --limit {site}",
                          "Voir ce qu'il en est : ansible-playbook status.yml --limit {site}"),
    "fleet_next_planned": ("Nothing was changed. For all these sites: ansible-playbook rollback.yml "
                           "-e rollback_confirm={sites}",
                           "Rien n'a été modifié. Pour tous ces sites : ansible-playbook rollback.yml "
                           "-e rollback_confirm={sites}"),
    "fleet_next_again": (
        "See to {bad}, then the same command again, with all the arguments it had: ansible-playbook {playbook}.yml "
        "-e rollback_confirm={sites} - sites that are done are left as they are.",
        "Occupez-vous de {bad}, puis la même commande, avec tous les arguments qu'elle avait : ansible-playbook "
        "{playbook}.yml -e rollback_confirm={sites} - les sites déjà faits restent tels quels."),
    "fleet_next_rest": (
        "See to {bad}, then the same command again, with all the arguments it had, and only for the sites that are not "
        "done: --limit {rest}",
        "Occupez-vous de {bad}, puis la même commande, avec tous les arguments qu'elle avait, et seulement pour les sites "
        "qui ne sont pas faits : --limit {rest}"),
    "fleet_next_report": ("See to {bad}; each site's own report says how.",
                          "Occupez-vous de {bad} ; le rapport de chaque site dit comment."),
    "fleet_next_begun": (
        "At work, or cut off: {begun}. Where nothing works any more, services may be stopped: "
        "ansible-playbook status.yml --limit {begun}",
        "Au travail, ou coupé : {begun}. Là où plus rien ne travaille, des services sont peut-être arrêtés : "
        "ansible-playbook status.yml --limit {begun}"),
    "fleet_next_more": ("The rest follows by itself.", "La suite vient d'elle-même."),
}
