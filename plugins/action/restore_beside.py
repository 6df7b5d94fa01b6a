# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's part of restore_beside: it says how far the module is."""

from __future__ import annotations

from ansible_collections.recyclic.rollback.plugins.plugin_utils._watch_progress import ProgressAction


class ActionModule(ProgressAction):
    """Runs the module and watches it."""
