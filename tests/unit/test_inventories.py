# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The worked examples: channels that can be used, every secret in the vault, the four contacts of the guide."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.recyclic.rollback.plugins.module_utils._notify import refusals

ROOT = Path(__file__).resolve().parents[2]
SECRET = ("password", "secret", "token", "url")
VAULTED = re.compile(r"\{\{ (vault_\w+) \}\}")


def inventory(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an inventory sets, and what its vault's example holds."""
    place = ROOT / "inventories" / name / "group_vars" / "rollback"
    return (yaml.safe_load((place / "main.yml").read_text(encoding="utf-8")),
            yaml.safe_load((place / "vault.yml.example").read_text(encoding="utf-8")))


def filled_in(value: Any, vault: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: filled_in(item, vault) for key, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item, vault) for item in value]
    return VAULTED.sub(lambda found: str(vault[found[1]]), value) if isinstance(value, str) else value


@pytest.mark.parametrize("name", ["production", "staging"])
def test_the_channels_of_an_example_can_be_used_and_their_secrets_are_in_the_vault(name: str) -> None:
    settings, vault = inventory(name)
    channels = settings["rollback_notify"]
    assert refusals(filled_in(channels, vault), "en") == []
    for channel in channels:
        for option in SECRET:
            assert option not in channel or VAULTED.fullmatch(channel[option]), f"{channel['name']}: {option}"


def test_production_tells_team_and_users_by_mail_telegram_and_webhook() -> None:
    channels = inventory("production")[0]["rollback_notify"]
    assert {channel["kind"] for channel in channels} == {"mail", "telegram", "webhook"}
    assert {channel["audience"] for channel in channels} == {"team", "users"}


@pytest.mark.parametrize("name", ["production", "staging"])
def test_a_vaults_example_holds_what_the_inventory_takes_from_it(name: str) -> None:
    settings, vault = inventory(name)
    assert set(VAULTED.findall(yaml.safe_dump(settings, width=10000))) <= set(vault)


def test_each_site_of_the_fleet_has_a_vault_with_the_rest_of_its_secrets() -> None:
    settings, shared = inventory("fleet")
    place = ROOT / "inventories" / "fleet"
    taken = set(VAULTED.findall(yaml.safe_dump(settings, width=10000)))
    for site in yaml.safe_load((place / "hosts.yml").read_text(encoding="utf-8"))["rollback"]["hosts"]:
        own = yaml.safe_load((place / "host_vars" / site / "vault.yml.example").read_text(encoding="utf-8"))
        assert taken == set(shared) | set(own), site
    assert refusals(filled_in(settings["rollback_notify"], shared), "en") == []


@pytest.mark.parametrize("name", ["production", "staging", "fleet", "demo"])
def test_the_four_contacts_of_the_guide_are_there(name: str) -> None:
    place = ROOT / "inventories" / name / "group_vars" / "rollback" / "main.yml"
    settings = yaml.safe_load(place.read_text(encoding="utf-8"))
    each = settings["demo_contacts"].values() if name == "demo" else [settings["rollback_contacts"]]
    assert all(len(contacts) == 4 for contacts in each)
