# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of notifications and who was told what, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    "notify_nameless": ("Channel number {number} of rollback_notify has no name.",
                        "Le canal numéro {number} de rollback_notify n'a pas de nom."),
    "notify_twice": ("Two channels of rollback_notify are called {name}.",
                     "Deux canaux de rollback_notify s'appellent {name}."),
    "notify_choice": ("Channel {name}: {option} is one of {choices}.",
                      "Canal {name} : {option} est à choisir parmi {choices}."),
    "notify_missing": ("Channel {name}: a channel of kind {kind} needs {options}.",
                       "Canal {name} : un canal de type {kind} exige {options}."),
    "notify_unknown": ("Channel {name}: a channel of kind {kind} has no option {options}.",
                       "Canal {name} : un canal de type {kind} n'a pas d'option {options}."),
    "notify_shape": ("Channel {name}: {option} is not written as the documentation shows.",
                     "Canal {name} : {option} n'est pas écrit comme le montre la documentation."),
    "notify_address": ("Channel {name}: {option} has to begin with http:// or https:// and name a host.",
                       "Canal {name} : {option} doit commencer par http:// ou https:// et nommer un hôte."),
    "notify_login": ("Channel {name}: username and password go together.",
                     "Canal {name} : username et password vont ensemble."),
    "notify_clear": ("Channel {name}: with secure: never the password would be sent in clear; use starttls or always.",
                     "Canal {name} : avec secure: never, le mot de passe partirait en clair ; utilisez starttls ou "
                     "always."),
    "notify_template": ("Channel {name}: {option} has to be the absolute path of a file on the controller.",
                        "Canal {name} : {option} doit être le chemin absolu d'un fichier sur le contrôleur."),
    "notify_no_answer": ("no answer within {seconds} s", "pas de réponse en {seconds} s"),
    "notify_not_launched": ("the message could not be written or sent from the controller",
                            "le message n'a pas pu être rédigé ou envoyé depuis le contrôleur"),
    "notify_mail_plain": ("{host}:{port} does not offer STARTTLS: nothing was sent",
                          "{host}:{port} ne propose pas STARTTLS : rien n'a été envoyé"),
    "notify_mail_refused": ("{host}:{port} refused these recipients: {recipients}",
                            "{host}:{port} a refusé ces destinataires : {recipients}"),
    "notify_mail_failed": ("{host}:{port}: {error}", "{host}:{port} : {error}"),
    "notify_no_report": ("There is no report at {path} to write the notifications into.",
                         "Il n'y a pas de rapport en {path} où consigner les notifications."),
    "notify_sum": ("Messages: {told}", "Messages : {told}"),
    "notify_sum_sent": ("{name} {sent} sent", "{name} {sent} envoyé(s)"),
    "notify_sum_failed": ("{name} {sent} sent, {failed} NOT received ({reason})",
                          "{name} {sent} envoyé(s), {failed} NON reçu(s) ({reason})"),
    "notify_head": ("Notifications", "Notifications"),
    "notify_columns": ("channel | to | moment | result | attempts | reason",
                       "canal | public | moment | résultat | tentatives | raison"),
    "notify_team": ("team", "équipe"),
    "notify_users": ("users", "utilisateurs"),
    "notify_before": ("before", "avant"),
    "notify_during": ("during", "pendant"),
    "notify_after": ("after", "après"),
    "notify_test": ("test", "essai"),
    "notify_result_sent": ("sent", "envoyé"),
    "notify_result_failed": ("failed", "échec"),
    "notify_result_unfinished": ("no answer", "sans réponse"),
}
