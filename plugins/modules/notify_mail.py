#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: notify_mail
short_description: Send a mail through a server that has proved who it is
version_added: 0.1.0
description:
  - Sends one mail by SMTP. With TLS the server's certificate and name are verified before a password is sent;
    M(community.general.mail) has no way to ask for that, and would give the password to whoever answers.
  - It fails when any recipient is refused, and its result holds nothing of the login.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is sent.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Each time is another mail; nothing counts as a change.
options:
  host:
    description:
      - The mail server.
    type: str
    required: true
  port:
    description:
      - Its port.
    type: int
    required: true
  secure:
    description:
      - V(starttls) upgrades the connection and sends nothing where the server does not offer that; V(always) is TLS
        from the first byte; V(never) is for a server on the same machine.
    type: str
    choices: [never, starttls, always]
    default: starttls
  ca:
    description:
      - A file of certificates to trust instead of the system's. E(SSL_CERT_FILE) is heeded without one.
    type: path
  username:
    description:
      - Who logs in; empty for nobody.
    type: str
    default: ''
  password:
    description:
      - The password.
    type: str
    default: ''
  sender:
    description:
      - The address it comes from.
    type: str
    required: true
  to:
    description:
      - The addresses it goes to.
    type: list
    elements: str
    required: true
  subject:
    description:
      - One line.
    type: str
    required: true
  body:
    description:
      - Plain text.
    type: str
    required: true
  thread:
    description:
      - Mails with the same stand together in a reader's mailbox, such as those of one run.
    type: str
    default: ''
  timeout:
    description:
      - Seconds the server may take to answer.
    type: int
    default: 20
  language:
    description:
      - The language of what is said of a failure.
    type: str
    choices: [en, fr]
    default: en
"""

EXAMPLES = r"""
- name: Tell the team
  recyclic.rollback.notify_mail:
    host: smtp.example.org
    port: 587
    username: rollback
    password: "{{ vault_smtp_password }}"
    sender: rollback@example.org
    to: [team@example.org]
    subject: The rollback is over
    body: Everything is as it was.
  delegate_to: localhost
  become: false
"""

RETURN = r"""
sent:
  description: Whether the server took it for every recipient.
  type: bool
  returned: success
"""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say

DOMAIN = "recyclic.rollback"


def letter(params):
    found = EmailMessage()
    found["From"], found["To"] = params["sender"], ", ".join(params["to"])
    found["Subject"] = " ".join(params["subject"].split())
    found["Date"], found["Message-ID"] = formatdate(), make_msgid(domain=DOMAIN)
    # Nobody's holiday reply is wanted.
    found["Auto-Submitted"] = "auto-generated"
    if params["thread"]:
        found["References"] = f"<{params['thread']}@{DOMAIN}>"
    found.set_content(params["body"])
    return found


def send(params):
    """Return the recipients that were refused. Raises OSError or SMTPException."""
    where = {"host": params["host"], "port": params["port"], "timeout": params["timeout"]}
    context = ssl.create_default_context(cafile=params["ca"])
    always = params["secure"] == "always"
    with smtplib.SMTP_SSL(context=context, **where) if always else smtplib.SMTP(**where) as server:
        if params["secure"] == "starttls":
            server.starttls(context=context)
        if params["username"]:
            server.login(params["username"], params["password"])
        return server.send_message(letter(params))


def main():
    module = AnsibleModule(argument_spec={
        "host": {"type": "str", "required": True},
        "port": {"type": "int", "required": True},
        "secure": {"type": "str", "default": "starttls", "choices": ["never", "starttls", "always"]},
        "ca": {"type": "path"},
        "username": {"type": "str", "default": ""},
        "password": {"type": "str", "default": "", "no_log": True},
        "sender": {"type": "str", "required": True},
        "to": {"type": "list", "elements": "str", "required": True},
        "subject": {"type": "str", "required": True},
        "body": {"type": "str", "required": True},
        "thread": {"type": "str", "default": ""},
        "timeout": {"type": "int", "default": 20},
        "language": {"type": "str", "default": "en", "choices": ["en", "fr"]},
    }, supports_check_mode=True)
    params, language = module.params, module.params["language"]
    if module.check_mode:
        module.exit_json(changed=False, sent=False)
    where = {"host": params["host"], "port": params["port"]}
    try:
        refused = send(params)
    except smtplib.SMTPNotSupportedError as error:
        # Logging in, and addresses outside ASCII, need to be offered as well.
        if "STARTTLS" in str(error):
            module.fail_json(msg=say(language, "notify_mail_plain", **where))
        module.fail_json(msg=say(language, "notify_mail_failed", error=str(error), **where))
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPResponseException as error:
        text = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        module.fail_json(msg=say(language, "notify_mail_failed", error=f"{error.smtp_code} {text}", **where))
    except (OSError, smtplib.SMTPException, ValueError) as error:
        module.fail_json(msg=say(language, "notify_mail_failed", error=str(error) or type(error).__name__, **where))
    if refused:
        recipients = ", ".join(f"{each} ({code} {text.decode(errors='replace')})"
                               for each, (code, text) in refused.items())
        module.fail_json(msg=say(language, "notify_mail_refused", recipients=recipients, **where))
    module.exit_json(changed=False, sent=True)


if __name__ == "__main__":
    main()
