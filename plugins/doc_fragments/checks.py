# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    """A list of checks on tables."""

    DOCUMENTATION = r"""
options:
  checks:
    description:
      - What to count, and what is expected of it.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description:
          - The check's name in results and reports.
        type: str
        required: true
      table:
        description:
          - The table, with or without its schema.
        type: str
        required: true
      filter:
        description:
          - An SQL condition on the rows. Names of other tables and of functions of your own need their schema.
        type: str
      rows:
        description:
          - The exact number of rows.
        type: int
      min_rows:
        description:
          - The smallest number of rows.
        type: int
      max_rows:
        description:
          - The largest number of rows.
        type: int
      unchanged:
        description:
          - The rows must be those of the earlier measure, by fingerprint.
        type: bool
        default: false
      absent:
        description:
          - What it means when there is no such table. With V(accepted) it passes if C(accept) holds
            C(drop-table:TABLE).
        type: str
        choices: [fail, pass, accepted]
        default: fail
      expectation:
        description:
          - The state the check belongs to.
        type: str
        choices: [any, rolled_back, migrated]
        default: any
      severity:
        description:
          - Whether a failure is one, or only a warning.
        type: str
        choices: [fail, warn]
        default: fail
"""
