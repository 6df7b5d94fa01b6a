# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of scratch servers, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    # Alembic there
    "rehearsal_elsewhere": (
        "On the scratch server, a connection made through env.py is not the one expected: {differences}. No migration was run. "
        "Correct rollback_rehearsal_environment so that it leads env.py there, or what overrides it in env.py.",
        "Sur le serveur d'essai, une connexion faite par env.py n'est pas celle attendue : {differences}. Aucune migration n'a "
        "été lancée. Corrigez rollback_rehearsal_environment pour qu'il y mène env.py, ou ce qui l'emporte dans env.py."),
    "scratch_is_production": (
        "What answers as the scratch server has production's own system identifier, {identifier}. Nothing was done there. See "
        "who answers: psql -c 'SELECT * FROM pg_control_system()'",
        "Ce qui répond comme serveur d'essai porte l'identifiant système de la production, {identifier}. Rien n'y a été fait. "
        "Voyez qui répond : psql -c 'SELECT * FROM pg_control_system()'"),
    # On the managed node
    "scratch_programs_missing": (
        "A scratch server needs initdb and postgres of PostgreSQL {version}, and there are none in {where}. Install the server "
        "package of that version there (nothing of it has to run), or set rollback_scratch_bin_dir.",
        "Un serveur d'essai demande initdb et postgres de PostgreSQL {version}, absents de {where}. Installez-y le paquet du "
        "serveur de cette version (rien n'a besoin d'y tourner), ou renseignez rollback_scratch_bin_dir."),
    "scratch_other_version": (
        "A scratch server has to be of the server's own version, PostgreSQL {version}; found: {found}. Install that version "
        "beside it, or set rollback_scratch_bin_dir to the directory of its initdb.",
        "Un serveur d'essai doit être de la version du serveur, PostgreSQL {version} ; trouvé : {found}. Installez cette "
        "version à côté, ou pointez rollback_scratch_bin_dir vers le dossier de son initdb."),
    "scratch_not_isolated": (
        "The managed node gives no namespaces, in which nothing but the scratch server would be reached: {error}. Run with "
        "become, or allow user namespaces. Otherwise rollback_rehearsal_isolation=override leads Alembic there by its variables; "
        "that is weaker: a migration with an address of its own would reach production. Or accept 'unrehearsed'.",
        "Le serveur géré ne donne pas d'espaces de noms, où seul le serveur d'essai serait joignable : {error}. Lancez avec "
        "become, ou autorisez les espaces de noms utilisateur. Sinon rollback_rehearsal_isolation=override y mène Alembic par ses "
        "variables ; c'est plus faible : une migration qui a sa propre adresse atteindrait la production. Ou acceptez "
        "« unrehearsed »."),
    "scratch_does_not_start": (
        "No scratch server starts with the programs of {where}: {error}. Correct what it names, or set rollback_scratch_bin_dir "
        "to other programs.",
        "Aucun serveur d'essai ne démarre avec les programmes de {where} : {error}. Corrigez ce qui est nommé, ou pointez "
        "rollback_scratch_bin_dir vers d'autres programmes."),
    "scratch_left": (
        "What a scratch server left at {path} cannot be removed: {error}. Remove it: rm -rf {path}",
        "Ce qu'un serveur d'essai a laissé dans {path} ne peut pas être supprimé : {error}. Supprimez-le : rm -rf {path}"),
    # Beside a Compose project
    "scratch_image_missing": (
        "Image {image} ({id}), from which container {name} was made, is no longer on the managed node, and the scratch server "
        "is started from it. Get it again: docker pull {image}",
        "L'image {image} ({id}), dont le conteneur {name} est issu, n'est plus sur le serveur géré, et le serveur d'essai part "
        "d'elle. Récupérez-la : docker pull {image}"),
    "scratch_server_unseen": (
        "No server of PostgreSQL is seen at work in container {name}: {error}. The scratch server is made like that one. Look "
        "for yourself: docker exec {name} sh -c 'cat /proc/[0-9]*/comm'. rollback_compose_database names its service.",
        "Aucun serveur PostgreSQL n'est vu à l'œuvre dans le conteneur {name} : {error}. Le serveur d'essai est fait à son "
        "image. Regardez vous-même : docker exec {name} sh -c 'cat /proc/[0-9]*/comm'. rollback_compose_database nomme son "
        "service."),
    "scratch_not_started": (
        "No scratch server starts from image {image}, which the database's container was made from: {error}. Correct what it "
        "names; to look into the image: docker run --rm -it --network none --entrypoint sh {image}",
        "Aucun serveur d'essai ne démarre à partir de l'image {image}, dont le conteneur de la base est issu : {error}. "
        "Corrigez ce qui est nommé ; pour regarder dans l'image : docker run --rm -it --network none --entrypoint sh {image}"),
    "scratch_cannot_answer": (
        "The scratch server cannot be made to answer as {hosts}, where the application expects its database: {error}. Name the "
        "database there by its service's name (rollback_alembic_environment).",
        "On ne peut faire répondre le serveur d'essai au nom de {hosts}, où l'application attend sa base : {error}. Nommez-y la "
        "base par le nom de son service (rollback_alembic_environment)."),
    "scratch_disk_too_small": (
        "{path} has {free} bytes free; a scratch server of about {expected} bytes would eat into the reserve of {reserve}. Free "
        "space there, or lower rollback_disk_reserve.",
        "{path} a {free} octets libres ; un serveur d'essai d'environ {expected} octets entamerait la réserve de {reserve}. "
        "Libérez-y de la place, ou abaissez rollback_disk_reserve."),
}
