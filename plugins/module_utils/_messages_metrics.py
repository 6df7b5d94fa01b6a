# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of metrics and alerts, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    "metrics_not_written": (
        "Metrics could not be written to {path}: {error}. Monitoring shows the figures from before; make the directory "
        "writable for this run's account (ansible-playbook recyclic.rollback.monitoring makes it), then: "
        "ansible-playbook recyclic.rollback.status",
        "Les métriques n'ont pas pu être écrites dans {path} : {error}. La supervision affiche les chiffres d'avant ; "
        "rendez le répertoire accessible en écriture au compte de cette exécution (ansible-playbook "
        "recyclic.rollback.monitoring le crée), puis : ansible-playbook recyclic.rollback.status"),
    "metrics_written": ("Metrics: {path}", "Métriques : {path}"),
}
