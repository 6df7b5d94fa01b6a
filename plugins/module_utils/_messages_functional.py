# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of functional checks, in English and French; part of the catalogue in _messages."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    # How a check is written
    "check_kinds": (
        "Check {id} in rollback_checks must ask exactly one of {kinds}; it asks {given}. Correct it: ansible-doc "
        "recyclic.rollback.functional_check",
        "Le contrôle {id} de rollback_checks doit demander exactement l'un de {kinds} ; il demande {given}. Corrigez-le : "
        "ansible-doc recyclic.rollback.functional_check"),
    "check_http_target": (
        "Check {id} in rollback_checks needs either http.url or http.service, one of them. Correct it: ansible-doc "
        "recyclic.rollback.functional_check",
        "Le contrôle {id} de rollback_checks demande soit http.url, soit http.service, l'un des deux. Corrigez-le : "
        "ansible-doc recyclic.rollback.functional_check"),
    "check_pattern_broken": (
        "Check {id} in rollback_checks has {pattern}, which is no regular expression: {error}. Correct it.",
        "Le contrôle {id} de rollback_checks contient {pattern}, qui n'est pas une expression rationnelle : {error}. "
        "Corrigez-le."),
    "baseline_only_by_validate": (
        "record_baseline is for validate.yml alone, and this run is of {playbook}: what is measured during an incident is no "
        "yardstick. When all is well again: ansible-playbook validate.yml",
        "record_baseline n'est que pour validate.yml, et ce run est de {playbook} : ce qui est mesuré pendant un incident "
        "n'est pas un étalon. Quand tout va bien : ansible-playbook validate.yml"),
    # What was expected, and found
    "not_functional": (
        "The application is not well: {failed}. See why: ansible-playbook diagnose.yml",
        "L'application ne va pas bien : {failed}. Voyez pourquoi : ansible-playbook diagnose.yml"),
    "check_needs_compose": (
        "not measured: services need rollback_runtime=compose; here, give http.url",
        "non mesuré : les services demandent rollback_runtime=compose ; ici, donnez http.url"),
    "check_at_rest": (
        "not measured: service {service} was not running before either; start it: ansible-playbook restart.yml",
        "non mesuré : le service {service} ne tournait pas avant non plus ; démarrez-le : ansible-playbook restart.yml"),
    "check_would_act": (
        "not measured in check mode: it may change something",
        "non mesuré en mode check : cela peut modifier quelque chose"),
    "check_not_running": ("service {service} is not running", "le service {service} ne tourne pas"),
    "check_unreachable": (
        "container {name} of service {service} has neither a published port nor an address of its own; give http.url",
        "le conteneur {name} du service {service} n'a ni port publié ni adresse propre ; donnez http.url"),
    "http_status": ("status {status}", "statut {status}"),
    "http_body": ("a body with {pattern}", "un corps avec {pattern}"),
    "http_other_body": ("status {status} with another body", "statut {status} avec un autre corps"),
    "http_at_most": ("at most {ms} ms", "au plus {ms} ms"),
    "http_ms": ("{ms} ms", "{ms} ms"),
    "http_credentials": (
        "status {status}: it answers, and asks for credentials (rollback_http_headers)",
        "statut {status} : elle répond, et demande une authentification (rollback_http_headers)"),
    "http_well_after": ("well after {seconds} s", "bien après {seconds} s"),
    "log_at_most": ("at most {max} lines with {pattern}", "au plus {max} lignes avec {pattern}"),
    "log_lines": ("{lines} lines", "{lines} lignes"),
    "log_since_missing": (
        "not measured: there is no run to say since when (since)",
        "non mesuré : aucun run ne dit depuis quand (since)"),
    "log_unread": ("the log of {name} cannot be read: {error}", "le journal de {name} ne peut être lu : {error}"),
    "memory_any": ("reported", "pour information"),
    "memory_at_most": ("at most {mib} MiB", "au plus {mib} Mio"),
    "memory_used": ("{mib} MiB", "{mib} Mio"),
    "memory_before": ("{mib} MiB before", "{mib} Mio avant"),
    "memory_unread": ("the engine tells no memory", "le moteur ne dit rien de la mémoire"),
    "command_status": ("status {status}", "statut {status}"),
    "command_says": ("output with {pattern}", "sortie avec {pattern}"),
    "command_silent": ("without the expected output", "sans la sortie attendue"),
    "command_ran": ("status {status} in {seconds} s", "statut {status} en {seconds} s"),
    "command_ended": ("ended unfinished after {seconds} s", "arrêtée inachevée après {seconds} s"),
    "command_output": ("Its output: {path}", "Sa sortie : {path}"),
    "command_moved": (
        "the command moved the database from {before} to {after}",
        "la commande a déplacé la base de {before} à {after}"),
    # The report
    "rests_on_validated": (
        "the data is rolled back and validated; the application does not pass. Nothing is put back automatically: users may "
        "have written since",
        "les données sont revenues et validées ; l'application ne passe pas. Rien n'est remis automatiquement : des "
        "utilisateurs ont pu écrire depuis"),
    "next_not_functional": (
        "The data is right: do not restore. Find out why the application is not well: ansible-playbook diagnose.yml. If its "
        "code is newer than the database, start it on the image made for it (rollback_resume_environment). Then: "
        "ansible-playbook validate.yml",
        "Les données sont justes : ne restaurez pas. Cherchez pourquoi l'application ne va pas bien : ansible-playbook "
        "diagnose.yml. Si son code est plus récent que la base, démarrez-la sur l'image faite pour elle "
        "(rollback_resume_environment). Puis : ansible-playbook validate.yml"),
}
