#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_copy
short_description: Copy a backup off its host, and read the copy back
version_added: 0.1.0
description:
  - Copies a backup to directories the managed node has mounted, and to the controller. A copy is written under another
    name, fsynced, read back, compared with the backup's own checksums, and only then gets its name. One that fails
    leaves nothing, and nothing that is there is overwritten.
  - Proved copies are noted as C(copies) in the backup's manifest and in the run's C(backup.json).
  - Files go to the controller one stream each, or with privilege escalation in pieces; neither side holds one in
    memory.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - Looks whether the places on the managed node are ready, and copies nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - A copy that is there already is read back and not made again.
options:
  backups:
    description:
      - The directory that holds backups.
    type: path
    required: true
  backup_id:
    description:
      - Which of them; by default the one that C(backup.json) in O(run_dir) names.
    type: str
  to:
    description:
      - Where to; each is either on the managed node or on the controller.
    type: list
    elements: dict
    required: true
    suboptions:
      mount:
        description:
          - A directory on the managed node where other storage is mounted. The copy is the directory named after the
            backup in it.
        type: path
      controller:
        description:
          - A directory on the controller, absolute or under C(~). The copy is the directory named after the backup, in
            one named after the host.
        type: str
      directory:
        description:
          - A directory below O(to[].mount), made where it is absent.
        type: str
        default: ''
      mounted:
        description:
          - Whether O(to[].mount) must be a mount point itself, so that a share that is not mounted does not fill the
            disk below.
        type: bool
        default: true
      same_device:
        description:
          - Whether O(to[].mount) may be on the file system of the backups, which is lost together with them.
        type: bool
        default: false
      required:
        description:
          - Whether a copy that fails fails the module. Otherwise it warns.
        type: bool
        default: false
  disk_reserve:
    description:
      - What must stay free where a copy is written - bytes, a size such as V(2GiB), or a percentage such as V(5%).
    type: str
    default: 5%
  fetched:
    description:
      - Set by the part of this that runs on the controller - what it has copied there and read back.
    type: list
    elements: dict
"""

EXAMPLES = r"""
- name: Copy the run's backup to a share, which has to succeed, and to the controller
  recyclic.rollback.backup_copy:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    run_dir: "{{ run.run_dir }}"
    backups: /var/lib/recyclic-rollback/backups
    to:
      - mount: /mnt/backups
        directory: recyclic
        required: true
      - controller: ~/backups
"""

RETURN = r"""
copies:
  description: For each place C(to), C(at), whether the copy there is C(verified), and the C(error) where it is not.
  type: list
  elements: dict
  returned: success, unless in check mode
pending:
  description: Empty; between the managed node and the controller, what is still to be fetched.
  type: list
  elements: dict
  returned: success
backup_id:
  description: Which backup.
  type: str
  returned: success; in check mode where there is one
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._backup import MANIFEST
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, read_json
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._offhost import Place, copy_to, record, require_place


def copy(module, redact):
    params = module.params
    mounts = [(each, place_of(each)) for each in params["to"] if each["mount"]]
    controllers = [{"to": each["controller"], "required": each["required"]} for each in params["to"]
                   if each["controller"]]
    manifest = manifest_of(params)
    if module.check_mode:
        for entry, place in mounts:
            attempt(module, entry["mount"], entry["required"],
                    lambda here=place: require_place(here, params["backups"]))
        there = manifest and all(os.path.isdir(os.path.join(place.root, manifest["backup_id"])) for _e, place in mounts)
        return {"changed": bool(controllers) or not there, "pending": controllers,
                "backup_id": manifest and manifest["backup_id"]}
    if not manifest:
        raise Refusal("away_no_backup", path=params["backups"])
    own = os.path.join(params["run_dir"], MANIFEST) if params["run_dir"] else ""
    changed, copies, failed = False, [], []
    with Journal(params["run_dir"]).step("backup_copy") as step:
        if params["fetched"] is None:
            for entry, place in mounts:
                made, error = attempt(module, entry["mount"], False,
                                      lambda here=place: copy_to(manifest, here, params["disk_reserve"]))
                at, copied = made or ("", False)
                changed = changed or copied
                copies.append({"to": f"mount:{entry['mount']}", "at": at, "verified": not error, "error": error})
                failed += [error] if error and entry["required"] else []
        for each in params["fetched"] or []:
            error = each["error"] or unproved(manifest, each)
            if error:
                module.warn(told(params, each["to"], error))
            changed = changed or (each["copied"] and not error)
            copies.append({"to": f"controller:{each['to']}", "at": each["at"], "verified": not error, "error": error})
            failed += [error] if error and each["required"] else []
        record(manifest, [each for each in copies if each["verified"]], own)
        step.facts["copies"] = copies
        if failed:
            raise Refusal("away_required_failed", errors=" ".join(failed))
    return {"changed": changed, "copies": copies, "backup_id": manifest["backup_id"],
            "pending": controllers if params["fetched"] is None else []}


def place_of(entry):
    return Place(entry["mount"], entry["directory"], entry["mounted"], entry["same_device"])


def manifest_of(params):
    """The backup's own manifest, at the place where it is now; None where there is none."""
    named = params["backup_id"] or (
        (read_json(os.path.join(params["run_dir"], MANIFEST)) or {}).get("backup_id") if params["run_dir"] else None)
    path = os.path.join(params["backups"], os.path.basename(named or ""))
    found = read_json(os.path.join(path, MANIFEST)) if named else None
    return found and {**found, "path": path}


def attempt(module, to, required, act):
    """What an act returns, and the message of why it could not be done."""
    try:
        return act(), ""
    except Problem as problem:
        if required:
            raise
        error = say(module.params["language"], problem.key, **problem.facts)
        module.warn(told(module.params, to, error))
        return None, error


def told(params, to, error):
    return say(params["language"], "away_not_made", to=to, error=error)


def unproved(manifest, fetched):
    """Why what was read back on the controller is not this backup; empty where it is."""
    wanted = {entry["name"]: entry["sha256"] for entry in manifest["files"]}
    wrong = [name for name, digest in wanted.items() if fetched["sums"].get(name) != digest]
    return f"sha256: {', '.join(wrong)}" if wrong else ""


def main():
    run(copy, {
        "backups": {"type": "path", "required": True},
        "backup_id": {"type": "str"},
        "to": {"type": "list", "elements": "dict", "required": True, "mutually_exclusive": [("mount", "controller")],
               "required_one_of": [("mount", "controller")], "options": {
                   "mount": {"type": "path"},
                   "controller": {"type": "str"},
                   "directory": {"type": "str", "default": ""},
                   "mounted": {"type": "bool", "default": True},
                   "same_device": {"type": "bool", "default": False},
                   "required": {"type": "bool", "default": False}}},
        "disk_reserve": {"type": "str", "default": "5%"},
        "fetched": {"type": "list", "elements": "dict"},
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
