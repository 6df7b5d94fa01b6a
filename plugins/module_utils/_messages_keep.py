# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of what is kept, copied elsewhere and removed, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    # A backup that is there already
    "keep_max_age": (
        "rollback_backup_max_age is {given}; it counts hours. Set it to 0, which always takes a backup, or more.",
        "rollback_backup_max_age vaut {given} ; il compte des heures. Mettez 0, qui prend toujours une sauvegarde, ou plus."),
    # Copies elsewhere
    "away_no_backup": (
        "There is no such backup in {path} to copy. Name one: ls {path}",
        "Il n'y a pas de telle sauvegarde à copier dans {path}. Nommez-en une : ls {path}"),
    "away_not_made": ("No copy of the backup at {to}: {error}", "Pas de copie de la sauvegarde à {to} : {error}"),
    "away_required_failed": (
        "A copy of the backup is required and was not made. {errors} Correct that, or set required to false in rollback_copy_to.",
        "Une copie de la sauvegarde est exigée et n'a pas été faite. {errors} Corrigez, ou mettez required à false dans "
        "rollback_copy_to."),
    "away_place_absent": (
        "{path} is no directory on this host. Mount it: mount {path}",
        "{path} n'est pas un répertoire de cet hôte. Montez-le : mount {path}"),
    "away_directory_outside": (
        "{directory} leads out of {path}. Write in rollback_copy_to a directory below it.",
        "{directory} sort de {path}. Indiquez dans rollback_copy_to un répertoire qui est dessous."),
    "away_not_mounted": (
        "Nothing is mounted at {path}: a copy would fill the disk below. Mount it: mount {path}. If it is no mount point by "
        "intention, set mounted to false in rollback_copy_to.",
        "Rien n'est monté sur {path} : une copie remplirait le disque qui est dessous. Montez-le : mount {path}. Si ce n'est "
        "volontairement pas un point de montage, mettez mounted à false dans rollback_copy_to."),
    "away_same_device": (
        "{path} is on the same file system as {backups} and would be lost with it. Give another place, or set same_device to "
        "true in rollback_copy_to.",
        "{path} est sur le même système de fichiers que {backups} et serait perdu avec lui. Donnez un autre endroit, ou mettez "
        "same_device à true dans rollback_copy_to."),
    "away_controller_relative": (
        "{path} depends on where Ansible is started. Write an absolute path, or one under ~, in rollback_copy_to.",
        "{path} dépend de l'endroit où Ansible est lancé. Indiquez un chemin absolu, ou sous ~, dans rollback_copy_to."),
    "away_disk_reserve": (
        "The copy {path} was stopped: less than {reserve} bytes stay free there. Make room, or lower rollback_disk_reserve.",
        "La copie {path} a été arrêtée : il y reste moins de {reserve} octets libres. Faites de la place, ou baissez "
        "rollback_disk_reserve."),
    "away_differs": (
        "Read back, {path} is not what the backup's checksums say. Look at the storage; a directory that was there already is "
        "left as it is: move it away.",
        "Relu, {path} n'est pas ce que disent les sommes de la sauvegarde. Examinez le stockage ; un répertoire qui y était déjà "
        "est laissé tel quel : déplacez-le."),
    "away_failed": (
        "{path} could not be copied: {error}. Correct that; the next backup is copied again.",
        "{path} n'a pas pu être copié : {error}. Corrigez ; la prochaine sauvegarde sera copiée à nouveau."),
    # Retention
    "keep_negative": (
        "{name} is {given}; it counts what is kept. Set it to 0, which removes nothing, or more.",
        "{name} vaut {given} ; il compte ce qui est gardé. Mettez 0, qui n'enlève rien, ou plus."),
    "keep_run_holds": (
        "Nothing was removed: run {run_id} by {owner} holds the database since {since} and may rest on what would go. Its state: "
        "ansible-playbook status.yml",
        "Rien n'a été enlevé : le run {run_id}, par {owner}, tient la base depuis {since} et peut reposer sur ce qui partirait. "
        "Son état : ansible-playbook status.yml"),
    "keep_why_over": (
        "older than its days, and enough newer ones are kept",
        "plus ancien que ses jours, et assez de plus récents sont gardés"),
    "keep_why_within": (
        "among the newest, or not older than its days",
        "parmi les plus récents, ou pas plus ancien que ses jours"),
    "keep_why_leftover": ("left over by run {run_id}, which has ended", "laissé par le run {run_id}, qui est terminé"),
    "keep_why_leftover_old": (
        "left over by a run nobody here knows ({run_id}), and older than its days",
        "laissé par un run que personne ici ne connaît ({run_id}), et plus ancien que ses jours"),
    "keep_why_unknown_run": (
        "of a run nobody here knows ({run_id}), and not older than its days",
        "d'un run que personne ici ne connaît ({run_id}), et pas plus ancien que ses jours"),
    "keep_why_unfinished": ("its run has not ended", "son run n'est pas terminé"),
    "keep_why_sessions": (
        "{count} sessions are connected to it. See whose: SELECT * FROM pg_stat_activity WHERE datname = '{name}'",
        "{count} sessions y sont connectées. Voyez lesquelles : SELECT * FROM pg_stat_activity WHERE datname = '{name}'"),
    "keep_why_renamed": (
        "somebody renamed it (it was {was}), so it is theirs now",
        "quelqu'un l'a renommée (c'était {was}) : elle est à lui"),
    "keep_why_current": (
        "this run, the latest, or one that holds a lock", "ce run, le dernier, ou un run qui tient un verrou"),
    "keep_why_acted": (
        "the newest run that acted: undoing it rests on its evidence",
        "le dernier run qui a agi : le défaire repose sur ses preuves"),
    "keep_why_its_database": ("the database it replaced is kept", "la base qu'il a remplacée est gardée"),
    "keep_why_newest": ("the newest good backup", "la dernière bonne sauvegarde"),
    "keep_why_heads": ("the newest good backup at {heads}", "la dernière bonne sauvegarde à {heads}"),
    "keep_why_its_run": ("run {run_id}, which is kept, points to it", "le run {run_id}, qui est gardé, y renvoie"),
    "keep_why_another_server": (
        "of a database of the same name on another server", "d'une base du même nom sur un autre serveur"),
    "keep_why_foreign": (
        "without a manifest of this collection", "sans manifeste de cette collection"),
    "keep_why_not_only_ours": (
        "its directory holds files its manifest does not name",
        "son répertoire contient des fichiers que son manifeste ne nomme pas"),
    "keep_why_not_removed": ("it could not be removed: {error}", "il n'a pas pu être enlevé : {error}"),
    "keep_noted": (
        "Backup {backup} was removed by retention at {at}.",
        "La sauvegarde {backup} a été enlevée par la rétention le {at}."),
    "keep_sum": ("Retention: {count} removed, {bytes} bytes freed", "Rétention : {count} enlevé(s), {bytes} octets libérés"),
    "keep_sum_would": (
        "Retention would remove {count} and free {bytes} bytes",
        "La rétention enlèverait {count} éléments et libérerait {bytes} octets"),
    "keep_line_gone": ("Removed: {kind} {name} ({bytes} bytes): {reason}", "Enlevé : {kind} {name} ({bytes} octets) : {reason}"),
    "keep_line_would": (
        "Would be removed: {kind} {name} ({bytes} bytes): {reason}",
        "Serait enlevé : {kind} {name} ({bytes} octets) : {reason}"),
    "keep_line_database": (
        "Kept on the server's disk: database {name} ({bytes} bytes): {reason}",
        "Gardée sur le disque du serveur : base {name} ({bytes} octets) : {reason}"),
    "keep_line_stuck": ("Not removed: {kind} {name}: {reason}", "Pas enlevé : {kind} {name} : {reason}"),
    "keep_kind_backup": ("backup", "sauvegarde"),
    "keep_kind_run": ("run directory", "répertoire de run"),
    "keep_kind_database": ("database", "base"),
}
