# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's part of backup_copy: fetches a backup, reads it back, and has the module note what was proved."""

from __future__ import annotations

import base64
import os
import re
import shlex
import tempfile

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.recyclic.rollback.plugins.module_utils._backup import MANIFEST
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import read_json
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._offhost import (
    RESTORE,
    SUMS,
    making,
    require_like,
    require_room,
    settle_in,
    sums_in,
)

PIECE = 16
MEBIBYTE = 1 << 20


class ActionModule(ActionBase):
    """Runs the module, fetches what it leaves pending, and runs it again to note that."""

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        first = self._execute_module(module_name="recyclic.rollback.backup_copy", module_args=arguments,
                                     task_vars=task_vars)
        if first.get("failed") or not first.get("pending") or self._task.check_mode:
            return first
        source = f"{arguments['backups']}/{first['backup_id']}"
        host = re.sub(r"^\.+|[^\w.:@-]", "_", task_vars["inventory_hostname"])
        fetched = [self.fetch(source, first["backup_id"], host, each) for each in first["pending"]]
        second = self._execute_module(module_name="recyclic.rollback.backup_copy", task_vars=task_vars,
                                      module_args={**arguments, "fetched": fetched})
        if second.get("failed"):
            return second
        return {**second, "changed": first["changed"] or second["changed"],
                "copies": [*first["copies"], *second["copies"]],
                "warnings": [*first.get("warnings", []), *second.get("warnings", [])]}

    def fetch(self, source, backup_id, host, wanted):
        """Copy a backup to the controller: where it is, the checksums read back there, or the error."""
        language = self._task.args.get("language", "en")
        told = {"to": wanted["to"], "required": wanted["required"], "at": "", "copied": False, "sums": {}, "error": ""}
        try:
            place = os.path.expanduser(wanted["to"])
            if not os.path.isabs(place):
                raise Refusal("away_controller_relative", path=wanted["to"])
            return {**told, **self.copy(source, os.path.join(place, host), backup_id)}
        except Problem as problem:
            return {**told, "error": say(language, problem.key, **problem.facts)}
        except OSError as error:
            return {**told, "error": say(language, "away_failed", path=str(error.filename or wanted["to"]),
                                         error=error.strerror or str(error))}
        except AnsibleError as error:
            return {**told, "error": say(language, "away_failed", path=source, error=str(error))}

    def copy(self, source, root, backup_id):
        final = os.path.join(root, backup_id)
        if os.path.lexists(final):
            with tempfile.TemporaryDirectory(dir=root) as aside:
                self.get(source, aside, SUMS)
                sums = sums_in(aside)
            return {"at": require_like(final, sums), "sums": sums}
        with making(root, backup_id) as aside:
            for name in (MANIFEST, SUMS, RESTORE):
                self.get(source, aside, name)
            sums = sums_in(aside)
            needed = sum(entry["bytes"] for entry in read_json(os.path.join(aside, MANIFEST))["files"])
            require_room(root, needed, self._task.args.get("disk_reserve", "5%"))
            for name in sums:
                self.get(source, aside, name)
            settle_in(aside, final)
            require_like(aside, sums)
        return {"at": final, "copied": True, "sums": sums}

    def get(self, source, aside, name):
        """Fetch one file, private, without holding it in memory."""
        to = os.path.join(aside, name)
        handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(handle)
        path = f"{source}/{name}"
        if not self._connection.become:
            self._connection.fetch_file(path, to)
        else:
            self.get_in_pieces(path, to)
        with open(to, "rb") as stream:
            os.fsync(stream.fileno())

    def get_in_pieces(self, path, to):
        """Read as the user one has become: no file transfer does that, and slurp holds a file whole, three times."""
        with open(to, "wb") as stream:
            while True:
                here = shlex.quote(path)
                command = (f"[ -r {here} ] && dd if={here} bs={MEBIBYTE} skip={stream.tell() // MEBIBYTE}"
                           f" count={PIECE} 2>/dev/null | base64")
                answer = self._low_level_execute_command(command, sudoable=True)
                piece = base64.b64decode("".join(answer["stdout"].split()))
                if answer["rc"] != 0:
                    raise AnsibleError(answer["stderr"].strip() or f"status {answer['rc']}")
                stream.write(piece)
                if len(piece) < PIECE * MEBIBYTE:
                    return
