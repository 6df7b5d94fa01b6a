# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fourteen top-level categories of the old tree, the same ids in every database."""
from __future__ import annotations

import uuid

from alembic import op

LABELS = {
    "ameublement": "Ameublement",
    "bricolage": "Bricolage et outillage",
    "chaussures": "Chaussures",
    "decoration": "Décoration",
    "electromenager": "Électroménager",
    "informatique": "Informatique",
    "jardin": "Jardin",
    "jouets": "Jeux et jouets",
    "livres": "Livres",
    "musique": "Disques et films",
    "puericulture": "Puériculture",
    "sports": "Sports et loisirs",
    "textile": "Textile",
    "vaisselle": "Vaisselle",
}
IDS = {slug: uuid.uuid5(uuid.NAMESPACE_OID, f"dom_category/{slug}") for slug in LABELS}


def upgrade() -> None:
    rows = ", ".join(f"('{IDS[slug]}', 1, '{label}', '{slug}')" for slug, label in LABELS.items())
    op.execute(f"INSERT INTO dom_category (id, level, label, slug) VALUES {rows}")
    op.execute("""
        INSERT INTO dom_category_closure (ancestor_id, descendant_id, depth)
        SELECT id, id, 0 FROM dom_category""")


def downgrade() -> None:
    slugs = ", ".join(f"'{slug}'" for slug in LABELS)
    op.execute(f"""
        DELETE FROM dom_category_closure
        WHERE descendant_id IN (SELECT id FROM dom_category WHERE slug IN ({slugs}))""")
    op.execute(f"DELETE FROM dom_category WHERE slug IN ({slugs})")
