#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: metrics_write
short_description: Write what is known of a database for Prometheus
version_added: 0.2.0
description:
  - Writes the text file that node_exporter's textfile collector reads, whole or not at all, from what the runs and
    backups left in the state directory and from a look at the server and the project. Every run does the same at its
    end; this refreshes it in between.
  - What does not answer is left as it was seen last. A directory that cannot be written fails nothing; see
    RV(unwritten).
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - The text is returned and not written.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Figures do not count as a change.
options:
  state_dir:
    description:
      - The state directory.
    type: path
    required: true
  metrics_dir:
    description:
      - The directory node_exporter's textfile collector reads; empty for none. It has to be there.
    type: str
    default: ''
  watched:
    description:
      - The tables whose rows are told.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Refresh the figures
  recyclic.rollback.metrics_write:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    state_dir: /var/lib/recyclic-rollback
    metrics_dir: /var/lib/prometheus/node-exporter
    watched: [categories]
"""

RETURN = r"""
text:
  description: The figures, as Prometheus reads them.
  type: str
  returned: success
unwritten:
  description: Why the file could not be written; empty where it was, or where nothing had to be.
  type: str
  returned: success
lines:
  description: The same in a line, in the operator's language; none where nothing had to be written.
  type: list
  elements: str
  returned: success
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._metrics import file_name
from ansible_collections.recyclic.rollback.plugins.module_utils._metrics_live import metrics_spec, publish, text_of


def write(module, redact):
    params, language = module.params, module.params["language"]
    text = text_of(params, redact)
    unwritten, lines = "", []
    if params["metrics_dir"] and not module.check_mode:
        unwritten = publish(params, text)
        lines = [say(language, "metrics_not_written", path=params["metrics_dir"], error=unwritten) if unwritten else
                 say(language, "metrics_written",
                     path=os.path.join(params["metrics_dir"], file_name(params["login_db"])))]
    return {"changed": False, "text": text, "unwritten": unwritten, "lines": lines}


def main():
    run(write, {"state_dir": {"type": "path", "required": True}, **metrics_spec()}, supports_check_mode=True)


if __name__ == "__main__":
    main()
